//! A plan: who is to own each group, who was passed over and why. Immutable once made.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{BootId, Epoch, Generation, GroupName, NodeName, Span, Wall};

use crate::figures::Figures;
use crate::monitors::MonitorId;
use crate::reason::{Cause, Rejected};
use crate::record::{LinkState, Record};

/// What a plan is made from: the record, and what the deciding node sees now.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// The record.
    pub record: &'a Record,
    /// What is seen of each node; a node that is missing here was never heard.
    pub sights: BTreeMap<NodeName, Sight>,
    /// Who decides.
    pub by: NodeName,
    /// The time on the wall.
    pub at: Wall,
    /// How long after this node started to look it may call a node lost: before, a node that was
    /// not heard yet is waited for.
    pub settled: Settled,
}

/// Whether the deciding node has looked for long enough to call a node lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Settled {
    /// It has: every node that lives was heard, or a whole TTL has passed.
    Yes,
    /// It has not.
    NotYet,
}

/// What is seen of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Whether it lives, as far as can be told.
    pub life: Life,
    /// Its current or last boot.
    pub boot: BootId,
    /// The hash of the configuration it runs.
    pub config: u64,
    /// Its interfaces; one that is missing is not known and is taken as up.
    pub links: BTreeMap<String, LinkState>,
    /// What its desks report.
    pub groups: BTreeMap<GroupName, DeskSight>,
    /// What it has measured of itself.
    #[serde(default, skip_serializing_if = "Figures::is_none")]
    pub figures: Figures,
    /// By what its time-outs are multiplied; none if its version knows of no stretch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<u32>,
    /// What settings its version understands, see [`crate::spec::SETTINGS`]; zero of versions that
    /// do not say.
    #[serde(default)]
    pub settings: u32,
    /// Whether it gets what the ledger says.
    #[serde(default, skip_serializing_if = "Entries::reach_it")]
    pub entries: Entries,
    /// Whether any beat of this life of it was heard: else nothing that it would say of itself is
    /// known.
    #[serde(default, skip_serializing_if = "Beats::are_heard")]
    pub beats: Beats,
}

/// Whether a beat of a node was heard in this life of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beats {
    /// One was.
    #[default]
    Heard,
    /// None was: it is only seen to write on the disk that both share.
    Unheard,
}

impl Beats {
    /// Whether one was.
    #[must_use]
    pub const fn are_heard(&self) -> bool {
        matches!(self, Self::Heard)
    }
}

/// Whether a node gets what the ledger says, as far as can be told: one of two at a shared disk may
/// live, be seen, and read no entry of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entries", rename_all = "kebab-case")]
pub enum Entries {
    /// It does.
    #[default]
    ReachIt,
    /// It does not.
    Missed {
        /// The groups that are its own by the ledger, and that it neither has nor asks for.
        down: BTreeSet<GroupName>,
    },
}

impl Entries {
    /// Whether it gets them.
    #[must_use]
    pub const fn reach_it(&self) -> bool {
        matches!(self, Self::ReachIt)
    }
}

/// Whether a node lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Life {
    /// It is heard and hears a majority.
    Heard,
    /// It is heard, and says that it has not heard a majority for a whole TTL.
    Deaf,
    /// It has not been heard for a whole TTL.
    Silent {
        /// For how long.
        silence: Span,
    },
}

/// What a node says of one group in its heartbeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskSight {
    /// The epoch it is about.
    pub epoch: Epoch,
    /// Where its desk stands.
    pub stand: Stand,
    /// Which configuration it runs as; versions before it do not say.
    #[serde(default, skip_serializing_if = "RunsAs::is_applied")]
    pub runs_as: RunsAs,
    /// The first monitor that only tells and has failed; versions before it have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<MonitorId>,
}

/// As what a node runs a group: what a group consists of is taken up by its starts only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunsAs {
    /// As it is configured now.
    #[default]
    Applied,
    /// As it was configured when it was started here.
    Started,
}

impl RunsAs {
    const fn is_applied(&self) -> bool {
        matches!(self, Self::Applied)
    }
}

/// Where a desk stands, as heartbeats carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stand", rename_all = "kebab-case")]
pub enum Stand {
    /// Nothing of the group is here.
    Clear,
    /// Resources are being started.
    Starting,
    /// All are up and their monitors say so.
    Running,
    /// It runs, and something of it has failed: its takeovers are only observed, so it is left as
    /// it is.
    Unwell(Cause),
    /// They are being stopped.
    Stopping,
    /// Stopped after a failure, verified; the cause goes with it.
    Failed(Cause),
    /// Something of the group could not be removed here.
    Stuck,
}

/// The decision for all groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its number.
    pub generation: Generation,
    /// The plan it was made from.
    pub parent: Generation,
    /// Who decided.
    pub by: NodeName,
    /// When.
    pub at: Wall,
    /// The decisions, by group: those that change something, and those that still stand open
    /// (waiting, no place, on its way). A group that simply stays or rests is left out.
    pub decisions: BTreeMap<GroupName, Decision>,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// The decision for one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was chosen.
    pub chosen: Chosen,
    /// Why anything changes; none if nothing does.
    pub cause: Option<Cause>,
    /// Every other node that was considered, and the first reason against it.
    pub rejected: BTreeMap<NodeName, Rejected>,
}

/// What was chosen for one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "chosen", rename_all = "kebab-case")]
pub enum Chosen {
    /// It stays where it is. With a cause: it should leave, and has nowhere to go.
    Stay {
        /// The owner.
        node: NodeName,
    },
    /// It starts, or is taken over, under a new epoch.
    Give {
        /// The new owner.
        node: NodeName,
        /// Its epoch there.
        epoch: Epoch,
    },
    /// Its owner stops it and hands it over.
    HandOver {
        /// The owner.
        from: NodeName,
        /// Where it goes.
        to: NodeName,
    },
    /// Its owner stops it.
    Stop {
        /// The owner.
        from: NodeName,
    },
    /// It stays stopped.
    Rest {
        /// Why.
        because: Resting,
    },
    /// Nobody can take it now; the reasons are under `rejected`.
    NoPlace,
    /// It waits for a person: the plan may not decide this.
    Wait {
        /// For what.
        on: Waiting,
    },
}

/// Why a group stays stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resting {
    /// An operator stopped it.
    Ordered,
    /// Its startup is manual and nobody started it yet.
    Manual,
    /// It failed too often.
    GaveUp,
    /// Its configuration is gone.
    Removed,
    /// It was stopped when it was paused.
    Paused,
}

/// What a group waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "on", rename_all = "kebab-case")]
pub enum Waiting {
    /// It is pinned to a node that is lost (L9).
    Pinned {
        /// The node.
        node: NodeName,
    },
    /// Its owner is silent and its volume needs a confirmed fence.
    Fence {
        /// The silent owner.
        node: NodeName,
    },
    /// Not every node was heard yet after a start.
    Settling,
    /// Too few voters are heard to decide anything; with two voters there is no third vote.
    NoMajority {
        /// How many voters are heard, the deciding node among them.
        heard: usize,
        /// How many a majority takes.
        needed: usize,
    },
    /// A group that must be up before it is not up yet.
    Group {
        /// That group.
        group: GroupName,
    },
    /// Its takeovers are only observed: a person would have to order what was decided.
    Observed {
        /// Who would have it now.
        to: NodeName,
    },
    /// What its owner has left could not be removed.
    Stuck {
        /// The owner.
        node: NodeName,
    },
}

/// One step of a plan. Steps of different groups run side by side; those of one run in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// The owner stops the group, verifies and releases.
    Stop {
        /// The group.
        group: GroupName,
        /// The owner.
        node: NodeName,
    },
    /// The ledger gives the group away.
    Give {
        /// The group.
        group: GroupName,
        /// The new owner.
        node: NodeName,
        /// Its epoch.
        epoch: Epoch,
    },
    /// The new owner starts it once it holds the lease.
    Start {
        /// The group.
        group: GroupName,
        /// The new owner.
        node: NodeName,
    },
}

impl Plan {
    /// The nodes that the plan touches.
    #[must_use]
    pub fn touched(&self) -> BTreeSet<&NodeName> {
        self.steps.iter().map(Step::node).collect()
    }
}

impl Step {
    /// The node that takes it.
    #[must_use]
    pub const fn node(&self) -> &NodeName {
        match self {
            Self::Stop { node, .. } | Self::Give { node, .. } | Self::Start { node, .. } => node,
        }
    }
}
