//! What one node is doing with one group: a table of states, each with its data.
//!
//! ```text
//! Clear ──ours──▶ Waiting ──lease──▶ Arming ──armed──▶ Starting ──last step──▶ Running
//!   ▲                                                     │  ▲                  │
//!   │                                                     ▼  └──recorded──┐     ▼
//!   └──ledger shows it── Released ◀──verified── Stopping / LettingGo ◀── Mending
//! ```
//!
//! Invariants: nothing is started but in `Starting`, which is reached only over `Armed` for that
//! very epoch; `Released` is reached only by a verified stop and never left for the same epoch.

mod asking;
mod ending;
mod script;
mod starting;
mod steps;

pub use script::{Before, Disk, ScriptEvent, Terms, Told};
pub use steps::{Desk, Ground, Input, Mend, Wish};

use std::collections::{BTreeMap, BTreeSet};

use tsugi_vocabulary::{Epoch, Moment, NodeName, ResourceName, Span};

use crate::monitors::{MonitorId, Notice};
use crate::reason::{Cause, How};
use crate::record::LinkState;
use crate::start_kind::Ending;
use crate::watch::Load;

/// What of a node has ended since a group's epoch began there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// Its agent; the machine ran on.
    #[default]
    Agent,
    /// The machine, with all that ran on it.
    Machine,
}

impl Ended {
    /// Why the group runs no more.
    #[must_use]
    pub fn cause(self, node: &NodeName) -> Cause {
        match self {
            Self::Agent => Cause::AgentLost { node: node.clone() },
            Self::Machine => Cause::PowerLost { node: node.clone() },
        }
    }
}

/// Where a desk stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing of the group is here.
    Clear,
    /// A former agent of this machine may have left it running; it is being looked for.
    Adopting {
        /// The epoch the ledger names.
        epoch: Epoch,
        /// The number of the act.
        act: u64,
    },
    /// The ledger names this node; no lease yet.
    Waiting {
        /// The epoch.
        epoch: Epoch,
    },
    /// Leased; the guardian does not know yet.
    Arming {
        /// The epoch.
        epoch: Epoch,
    },
    /// Resources are being started: each as soon as all are up that it comes after.
    Starting {
        /// The epoch.
        epoch: Epoch,
        /// Since when.
        since: Moment,
        /// The starts under way: the number of the act, and the place in the start order.
        acts: BTreeMap<u64, usize>,
        /// The places that are up.
        up: BTreeSet<usize>,
        /// How long each finished step took, by its place.
        steps: BTreeMap<usize, u64>,
    },
    /// All resources are up.
    Running {
        /// The epoch.
        epoch: Epoch,
    },
    /// Resources are being stopped, one after the other in reverse order.
    Stopping {
        /// The epoch.
        epoch: Epoch,
        /// Why.
        why: Why,
        /// What is waited for before the next stop: the stop under way, or the starts that were.
        acts: BTreeSet<u64>,
        /// The places in the start order that are still to be stopped, the last one first.
        left: BTreeSet<usize>,
    },
    /// A failed resource and what stood on it are down, or it alone waits for its restart method;
    /// the failure is being recorded before it is started again.
    Mending {
        /// The epoch.
        epoch: Epoch,
        /// The place of what failed.
        place: usize,
        /// How it is started again.
        by: Mended,
    },
    /// Everything is being let go of at once.
    LettingGo {
        /// The epoch.
        epoch: Epoch,
        /// Why.
        why: Why,
        /// The number of the act; none while only `beside` is waited for.
        act: Option<u64>,
        /// What was under way when it was ordered.
        beside: Beside,
    },
    /// Nothing of the group is left here, verified; final for this epoch.
    Released {
        /// The epoch.
        epoch: Epoch,
        /// Why.
        why: Why,
    },
    /// Something could not be removed. The node no longer asks for the lease; the guardian ends
    /// this at the deadline, with the machine if need be.
    Stuck {
        /// The epoch.
        epoch: Epoch,
        /// What is left.
        left: String,
    },
}

/// What is under way beside a release of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Nothing: what the release has verified stays so.
    Nothing,
    /// These acts, as long as they have not ended. A start that ends after the release may leave
    /// something up, so everything is let go of once more after the last of them.
    Acts(BTreeSet<u64>),
}

impl Beside {
    /// These acts, if there are any.
    fn acts(acts: impl IntoIterator<Item = u64>) -> Self {
        let acts: BTreeSet<u64> = acts.into_iter().collect();
        if acts.is_empty() { Self::Nothing } else { Self::Acts(acts) }
    }
}

/// How a failed resource is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mended {
    /// It and what stands on it are down, and are started as ever.
    Anew,
    /// All of it is up, and its restart method is run.
    ByMethod,
}

/// Why a desk stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The operator, or the plan, wants it stopped.
    Ordered,
    /// It goes to another node.
    HandOver(NodeName),
    /// It failed and is not restarted by this desk.
    Failure(Cause),
    /// The resource at this place failed; it and what stands on it restart in place.
    Mend(usize),
    /// The lease ran out.
    Lapsed,
    /// The ledger gave the group to somebody else, or under another epoch.
    Superseded,
}

/// One thing to do with a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Start it.
    Start {
        /// Which.
        resource: ResourceName,
        /// What its scripts are told.
        told: Told,
        /// Whether the address may be taken without asking the network first: after a confirmed
        /// release there is nobody to conflict with.
        probe: Probe,
    },
    /// Stop it in an orderly way within its limit, then kill; verified.
    Stop {
        /// Which.
        resource: ResourceName,
        /// What its scripts are told.
        told: Told,
    },
    /// Let go of everything of the group at once: kill, address, volume; verified.
    LetGo,
    /// Start it again where it is, by its own method for that.
    Restart {
        /// Which.
        resource: ResourceName,
        /// What its scripts are told.
        told: Told,
    },
    /// Run the notify method of a monitor. What comes of it changes nothing.
    Notify {
        /// Of which monitor, and what it said.
        notice: Notice,
        /// What its scripts are told.
        told: Told,
    },
    /// Ask one monitor once.
    Ask {
        /// Which.
        id: MonitorId,
        /// What its monitor is told.
        told: Told,
    },
    /// Move the address to another interface of this node.
    MoveAddress {
        /// Which.
        resource: ResourceName,
        /// Where.
        link: String,
    },
    /// Start a watched program of the group.
    Load {
        /// The name it runs under.
        slot: ResourceName,
        /// What.
        load: Load,
        /// What it is told.
        told: Told,
    },
    /// End a watched program of the group within this time, then kill it.
    End {
        /// The name it runs under.
        slot: ResourceName,
        /// How long it may take to end by itself.
        within: Span,
    },
    /// Tell the start scripts that are configured for it that this node has come back while their
    /// group runs elsewhere. What they leave running is ended.
    Recover {
        /// What they are told.
        told: Told,
    },
    /// Take over what a former agent of this machine left running; nothing is started.
    Adopt,
}

/// Whether an address is asked for on the network before it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Probe {
    /// Its former holder has confirmed that it let go.
    NotNeeded,
    /// Once, at most 10 ms: a takeover does not wait.
    Once,
    /// Again and again, for a third of a second: somebody had it when it was last wanted, and a
    /// late answer is an answer.
    Insistent,
}

/// What became of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, and verified.
    Fine {
        /// How long it took.
        took: Span,
    },
    /// Done, and verified, but what did not end by itself within its limit was killed.
    Forced {
        /// How long it took.
        took: Span,
    },
    /// Not done; nothing of it is left half done.
    Failed {
        /// What happened.
        how: How,
    },
    /// It could not be undone: something of the group may still be here.
    Stuck {
        /// What is left.
        left: How,
    },
    /// What was found running (answer to `Adopt`): every resource that is up, and the names of the
    /// watched programs.
    Adopted(Vec<ResourceName>),
    /// An interface state that came with the act, if it failed for the link.
    NoLink {
        /// Which.
        link: String,
        /// How it stands.
        state: LinkState,
    },
}

/// How a group went down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// In order, or by force: something of it did not end by itself.
    pub ending: Ending,
    /// Each resource that was stopped and its milliseconds, in the order of the stop.
    pub steps: Vec<(String, u64)>,
}

impl Down {
    /// In order, and nothing had to be stopped.
    #[must_use]
    pub const fn orderly() -> Self {
        Self { ending: Ending::Orderly, steps: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "desk/tests/told/mod.rs"]
mod told;
