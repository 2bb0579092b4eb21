//! A fence that was ordered, and why one failed (L7); and the end of a life that is demanded over
//! a disk that two nodes share.

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{BootId, NodeName, Span, Wall};

use super::Order;

/// A fence that was ordered: by an entry, once, of one node by one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceOrder {
    /// The life of the node that it is to end.
    pub boot: BootId,
    /// Who is to carry it out.
    pub by: NodeName,
    /// In which of its lives: no later one does.
    pub by_boot: BootId,
    /// When it was ordered.
    pub at: Wall,
    /// The person's order, if it was one: then the node may be alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// When and why it failed, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<(Wall, FenceFault)>,
}

/// The demand that one life of a node ends at once, over the disk that it shares with another. It
/// proves nothing: whoever takes over waits for the leases of that life as without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// The life that is to end; no other one of the node is meant.
    pub boot: BootId,
    /// Who demanded it, and why.
    pub order: Order,
}

/// How it came that a node is off for certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HowOff {
    /// It was switched off, as it was ordered, and its device says off since.
    #[default]
    Switched,
    /// Nobody had it switched off: its device was asked for the state and said off.
    Found,
}

impl HowOff {
    /// Whether it is what versions before it knew, which do not say it.
    #[must_use]
    pub const fn is_switched(&self) -> bool {
        matches!(self, Self::Switched)
    }
}

/// Why a fence device cannot be counted on, or was not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "fault", content = "detail", rename_all = "kebab-case")]
pub enum FenceFault {
    /// The fence agent cannot be started, or none is configured.
    Absent(String),
    /// The file of the password cannot be used.
    Secret(String),
    /// The device failed what was asked of it.
    Failed(String),
    /// The fence agent did not end in this time.
    Slow(Span),
    /// The fence agent printed far too much.
    Flooded,
    /// The fence agent ended in a way that means nothing.
    Nonsense(String),
    /// The device says off of a machine that is heard.
    Wrong,
    /// The device said that it had switched the machine off, and then that it is on.
    Lied,
    /// When it came to it the node was heard, or the one who was to do it was cut off.
    Late,
}
