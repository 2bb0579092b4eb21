//! Which versions of the frames both ends speak.

use serde::{Deserialize, Serialize};

/// The versions that one end speaks, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// The lowest.
    pub lowest: u16,
    /// The highest.
    pub highest: u16,
}

/// Two ends that have no version in common, and what each speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apart {
    /// What this end speaks.
    pub ours: Versions,
    /// What the other end speaks.
    pub theirs: Versions,
}

impl Versions {
    /// What this build speaks.
    pub const CURRENT: Self = Self { lowest: 1, highest: 1 };

    /// The highest version that both speak.
    ///
    /// # Errors
    /// [`Apart`], with both ranges.
    pub const fn common(self, theirs: Self) -> Result<u16, Apart> {
        let highest = if self.highest < theirs.highest { self.highest } else { theirs.highest };
        let lowest = if self.lowest > theirs.lowest { self.lowest } else { theirs.lowest };
        if lowest <= highest { Ok(highest) } else { Err(Apart { ours: self, theirs }) }
    }
}
