//! What it took to get an answer.

use std::time::Duration;

use crate::address::Address;
use crate::answer::Problem;
use crate::retry::Met;

/// The tries of one call and what the last one met that was no answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// How often it was asked.
    pub tries: u32,
    /// How long it took.
    pub took: Duration,
    /// What was waited for, where the first try did not do.
    pub waited_for: Option<WaitedFor>,
}

/// What the last try met that was not the end of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitedFor {
    /// Where.
    pub at: Address,
    /// What it met.
    pub met: Met,
    /// The details that came with it.
    pub problem: Option<Problem>,
    /// The error of this machine where there was no connection, or it ended.
    pub error: Option<String>,
}
