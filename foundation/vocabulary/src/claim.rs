//! What a node writes on a shared disk of the groups that it has, or wants to have.

use std::collections::BTreeMap;

use crate::{BootId, Epoch, Generation, GroupName, Span};

/// Everything that one node claims. It is written as a whole, by that node only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Claims {
    /// The life of the node that wrote it.
    pub boot: BootId,
    /// Rises with every writing: who reads another number than before knows that its writer lives.
    pub number: u64,
    /// The list of voters that its writer went by.
    pub membership: Generation,
    /// The claims.
    pub groups: BTreeMap<GroupName, Claim>,
}

/// The newest that a node has claimed of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The life of the node that claimed it.
    pub boot: BootId,
    /// Under which epoch.
    pub epoch: Epoch,
    /// How long the node may count on it, from before it was written.
    pub ttl: Span,
    /// The number of the writing that renewed it last.
    pub renewed: u64,
    /// Whether it still stands.
    pub held: Held,
}

/// Whether a claim still stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Held {
    /// For its TTL.
    Yes,
    /// Nothing of the group is left at its writer: nobody has to wait for it.
    LetGo,
}
