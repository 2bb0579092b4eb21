//! How far a cluster is from losing its majority (L12).

use super::majority;

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
