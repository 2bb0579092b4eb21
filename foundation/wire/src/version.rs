//! The protocol's version: neighbours understand each other, anything further is refused.

use std::fmt;

/// The version of everything that passes between nodes. Each release raises it by at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

/// One build of the program, as people and other nodes tell it from another. The program gives it
/// at its top, so that one source makes two builds for the rehearsal of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// The version that people know.
    pub version: &'static str,
    /// What it speaks with other nodes.
    pub protocol: Protocol,
}

/// How a peer's version stands to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The same, or one apart: both speak `common`, the lower of the two.
    Understood {
        /// What both can speak.
        common: Protocol,
    },
    /// More than one above ours: that node is to wait until this one was updated.
    TooNew,
    /// More than one below ours: that node is to be updated first.
    TooOld,
}

impl Protocol {
    /// What the program that ships speaks.
    pub const CURRENT: Self = Self(1);

    /// How a peer of version `theirs` stands to us. Version 0 was never given out.
    #[must_use]
    pub fn standing(self, theirs: Self) -> Standing {
        if theirs.0 > self.0.saturating_add(1) {
            Standing::TooNew
        } else if theirs.0 == 0 || theirs.0.saturating_add(1) < self.0 {
            Standing::TooOld
        } else {
            Standing::Understood { common: self.min(theirs) }
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_interoperate_and_anything_further_is_refused() {
        let ours = Protocol(5);
        assert_eq!(ours.standing(Protocol(4)), Standing::Understood { common: Protocol(4) });
        assert_eq!(ours.standing(Protocol(5)), Standing::Understood { common: Protocol(5) });
        assert_eq!(ours.standing(Protocol(6)), Standing::Understood { common: Protocol(5) });
        assert_eq!(ours.standing(Protocol(7)), Standing::TooNew);
        assert_eq!(ours.standing(Protocol(3)), Standing::TooOld);
        assert_eq!(Protocol(1).standing(Protocol(0)), Standing::TooOld);
        assert_eq!(
            Protocol(255).standing(Protocol(255)).clone(),
            Protocol(255).standing(Protocol(255))
        );
        assert_eq!(
            Protocol(254).standing(Protocol(255)),
            Standing::Understood { common: Protocol(254) }
        );
    }
}
