//! What one node is doing with one group.

use tsugi_vocabulary::{ResourceName, Span};

use crate::record::LinkState;
use crate::start_kind::StartKind;

/// One thing to do with a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Start a warm program ahead of the takeover: it waits for address and volume.
    Warm(ResourceName),
    /// Start it, as what, and why scripts are told it starts.
    Start {
        /// Which.
        resource: ResourceName,
        /// How the group starts.
        kind: StartKind,
        /// START, FAILOVER or RECOVER.
        event: ScriptEvent,
        /// Whether the address may be taken without asking the network first: after a confirmed
        /// release there is nobody to conflict with.
        probe: Probe,
    },
    /// Stop it in an orderly way within its limit, then kill; verified.
    Stop(ResourceName),
    /// Let go of everything of the group at once: kill, address, volume; verified.
    LetGo,
    /// Ask its monitor once.
    Ask(ResourceName),
    /// Move the address to another interface of this node.
    MoveAddress {
        /// Which.
        resource: ResourceName,
        /// Where.
        link: String,
    },
    /// Take over what a former agent of this machine left running; nothing is started.
    Adopt,
}

/// What a start script is told (CL-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptEvent {
    /// Cluster start, operator start, move, restart on the same node.
    Start,
    /// A failure elsewhere.
    Failover,
    /// A failed server has come back.
    Recover,
}

/// Whether an address is asked for on the network before it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Once, at most 10 ms.
    Once,
    /// Its former holder has confirmed that it let go.
    NotNeeded,
}

/// What became of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, and verified.
    Fine {
        /// How long it took.
        took: Span,
    },
    /// Not done; nothing of it is left half done.
    Failed {
        /// What happened, for people: one line.
        how: String,
    },
    /// It could not be undone: something of the group may still be here.
    Stuck {
        /// What is left.
        left: String,
    },
    /// What was found running (answer to `Adopt`): every resource that is up.
    Adopted(Vec<ResourceName>),
    /// An interface state that came with the act, if it failed for the link.
    NoLink {
        /// Which.
        link: String,
        /// How it stands.
        state: LinkState,
    },
}
