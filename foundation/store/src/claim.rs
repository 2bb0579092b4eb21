//! Who writes: one ownership of a group, and one run of its engine.

use tsugi_vocabulary::{Epoch, GroupName, NodeName};

/// What an engine says of itself when it opens a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The group whose work is kept.
    pub group: GroupName,
    /// Which member of it; empty where the group is single.
    pub member: String,
    /// The ownership. A store refuses one that is lower than what it has seen.
    pub epoch: Epoch,
    /// 63 random bits, drawn at each start of an engine: two engines of one epoch differ in it.
    pub run: i64,
    /// The node.
    pub node: NodeName,
    /// Now, in milliseconds of Unix time; only written down.
    pub at: i64,
}

/// A number of an epoch as a column has it. None is ever that large.
pub(crate) fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number of a column. None is ever negative.
pub(crate) fn number(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}
