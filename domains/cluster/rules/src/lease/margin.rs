//! How far a cluster is from losing its majority (L12).

use tsugi_vocabulary::NodeName;

use super::{is_voter, majority, voters};
use crate::record::Record;

/// What the loss of one more voter would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Margin {
    /// Every voter is heard.
    Whole,
    /// Some are missing; this many more may be lost before groups stop.
    Spare(usize),
    /// One more loss stops every group.
    OneMoreLossStops,
    /// There is no majority: groups stop at their deadlines.
    NoMajority,
}

/// The voters that are left without a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// How many.
    pub voters: usize,
    /// How many of them may be lost while groups go on.
    pub spare: usize,
}

/// What is left of the voters when `node` is taken out of them, if fewer may be lost then, or none.
/// An even number of voters can lose no more than the odd number below it.
#[must_use]
pub fn weaker_without(record: &Record, node: &NodeName) -> Option<Left> {
    if !is_voter(record, node) {
        return None;
    }
    let spare = |voters: usize| voters.saturating_sub(majority(voters));
    let (before, voters) = (voters(record), voters(record).saturating_sub(1));
    let left = Left { voters, spare: spare(voters) };
    (left.spare == 0 || left.spare < spare(before)).then_some(left)
}

/// The margin of a cluster of `voters` of which `heard` are heard, this node among them.
#[must_use]
pub fn margin(voters: usize, heard: usize) -> Margin {
    let need = majority(voters);
    if heard >= voters {
        Margin::Whole
    } else if heard < need {
        Margin::NoMajority
    } else if heard == need {
        Margin::OneMoreLossStops
    } else {
        Margin::Spare(heard - need)
    }
}
