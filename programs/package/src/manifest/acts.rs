//! Where a service acts, and whether its calls are kept in order.

use serde::{Deserialize, Serialize};

/// Where a service acts, which decides what becomes of a call that was interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effects {
    /// In the store only: nothing is left of what was interrupted, and it is run again.
    #[default]
    Store,
    /// Outside of the store too: that a call begins is durable before its program runs, and one
    /// that was interrupted is unknown until somebody decides.
    Outside,
    /// Nowhere: it reads, and may not write. No reply is kept, and a retry reads again.
    Reads,
}

impl Effects {
    /// Whether it is what holds where nothing is said.
    #[must_use]
    pub fn are_usual(&self) -> bool {
        *self == Self::default()
    }

    /// As it stands in a manifest.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Outside => "outside",
            Self::Reads => "reads",
        }
    }
}

/// Whether calls of a service are kept in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// They are not: what a caller says of it does not count.
    #[default]
    None,
    /// Those that say the same (`Tsugi-Order`) run one after the other, as they came. Those that
    /// say nothing are in no order.
    Told,
}

impl Order {
    /// Whether it is what holds where nothing is said.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// As it stands in a manifest.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Told => "told",
        }
    }
}
