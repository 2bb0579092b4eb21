//! What the agent and the device say to each other: a line of JSON each way.

use serde::{Deserialize, Serialize};

/// What a device is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Say whether the host has power.
    Status,
    /// Take its power.
    Off,
}

/// What the agent asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// What is to be done.
    pub action: Action,
    /// To which host.
    pub plug: String,
    /// What lets it.
    pub password: String,
    /// The host on which the agent runs.
    pub from: String,
}

/// What the device answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The host has power.
    On,
    /// It has none.
    Off,
    /// What was asked is done.
    Done,
    /// It is not, and why.
    Refused(String),
}
