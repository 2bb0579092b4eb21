//! Numbers that only rise: epochs of groups, generations of plans, indexes of the ledger.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The fencing number of one ownership of one group.
///
/// Ordered by the ledger's incarnation first: a ledger restored from a backup starts a new
/// incarnation above every value that any node has seen, so it never gives an epoch out twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch {
    /// Which life of the ledger gave the number out; at least 1.
    pub incarnation: u64,
    /// Counts the ownerships within the incarnation; 0 means none given out yet.
    pub counter: u64,
}

impl Epoch {
    /// The epoch before the first ownership.
    pub const NONE: Self = Self { incarnation: 0, counter: 0 };

    /// The next epoch that a ledger of `incarnation` may give out after this one.
    #[must_use]
    pub fn next(self, incarnation: u64) -> Self {
        if incarnation > self.incarnation {
            Self { incarnation, counter: 1 }
        } else {
            Self { incarnation: self.incarnation, counter: self.counter + 1 }
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}.{}", self.incarnation, self.counter)
    }
}

/// The version of a plan or of the list of voters. Each has one parent.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// What stands before the first.
    pub const NONE: Self = Self(0);

    /// The generation after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}", self.0)
    }
}

/// The place of an entry in the ledger, counted from 1; 0 is the empty ledger.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Index(pub u64);

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "i{}", self.0)
    }
}

/// One life of an agent process on a machine that has not lost power in between: 128 random
/// bits drawn at its start. A restarted agent of a running machine draws a new one. In records
/// it stands as 32 hexadecimal digits: not every reader of JSON takes a number of 128 bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BootId(pub u128);

impl From<BootId> for String {
    fn from(id: BootId) -> Self {
        format!("{:032x}", id.0)
    }
}

impl TryFrom<String> for BootId {
    type Error = std::num::ParseIntError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        u128::from_str_radix(&text, 16).map(Self)
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{:08x}", (self.0 >> 96) as u32)
    }
}

impl fmt::Debug for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_ledger_never_gives_out_an_old_epoch() {
        let seen = Epoch { incarnation: 3, counter: 900 };
        assert!(seen.next(4) > seen);
        assert_eq!(seen.next(4), Epoch { incarnation: 4, counter: 1 });
        assert!(seen.next(3) > seen);
        assert!(seen.next(1) > seen, "a lower incarnation never lowers the epoch");
    }
}
