//! What happened, as it is kept for `history` and `explain`.

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Epoch, GroupName, Index, NodeName, ResourceName, Span, Wall};

use super::{Answer, FenceFault, HowOff};
use crate::drill::rehearsal::Came;
use crate::drill::{Back, Depth, Verdict};
use crate::monitors::MonitorId;
use crate::reason::{Cause, How};
use crate::start_kind::Ending;
use crate::watch::table::Then;

/// One line of what happened, kept for `history` and `explain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// When, by the clock of the node that wrote it.
    pub at: Wall,
    /// Who wrote it.
    pub by: NodeName,
    /// The group it is about, if one.
    pub group: Option<GroupName>,
    /// The epoch it is about, if one.
    pub epoch: Option<Epoch>,
    /// What happened.
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "happened", rename_all = "kebab-case")]
pub enum Happening {
    /// A group's resources are all up; how long each step took, in order.
    Started {
        /// Resource and milliseconds, in start order.
        steps: Vec<(String, u64)>,
        /// From the entry that gave the ownership until the last step.
        took: Span,
    },
    /// A group is down and verified.
    Stopped {
        /// Resource and milliseconds, in stop order.
        steps: Vec<(String, u64)>,
        /// How it ended.
        ending: Ending,
    },
    /// A resource failed.
    Failed {
        /// Why.
        cause: Cause,
        /// What follows.
        answer: Answer,
    },
    /// Something was decided for a group whose takeovers are only observed: nobody has acted.
    Observed {
        /// Why it was decided.
        cause: Cause,
        /// Who would have had it: another node, or the same for a restart.
        to: NodeName,
    },
    /// A node was last heard, and what it looked like (written by the deciding node).
    Lost {
        /// The node.
        node: NodeName,
        /// Why, as far as can be told.
        cause: Cause,
    },
    /// A node came back: what its absence turns out to have been.
    Returned {
        /// The node.
        node: NodeName,
        /// What it was.
        cause: Cause,
        /// The newest entry that who tells this had applied when there was last a sign of the node:
        /// what was decided before is of another absence. Nothing where a version without it tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_seen: Option<Index>,
    },
    /// The wall clock of a node stepped.
    ClockStepped {
        /// The node.
        node: NodeName,
        /// By how many milliseconds; negative is back.
        by_ms: i64,
    },
    /// A link of a node went down or came up.
    Link {
        /// The node.
        node: NodeName,
        /// The interface.
        link: String,
        /// What it is now.
        state: LinkState,
    },
    /// An address moved to another link of the same node.
    AddressMoved {
        /// The address.
        address: std::net::IpAddr,
        /// The interface that went down.
        from: String,
        /// The interface it stands on now.
        link: String,
    },
    /// The stop of a resource did not do what it should: it hung, failed, or left something.
    StopFailed {
        /// Which.
        resource: ResourceName,
        /// What was seen.
        #[serde(flatten)]
        how: How,
    },
    /// Every stop of a group had said that it succeeded, and processes of it were still there;
    /// they were killed.
    StopLied {
        /// How many.
        left: u32,
    },
    /// What a release of everything has left could not be taken away: the lease is not renewed, and
    /// if it is there when that ends, the machine ends.
    Unreleased {
        /// What, as it was seen.
        left: String,
    },
    /// A volume was not mounted, or was used when it was to be released: it is tried again.
    VolumeAgain {
        /// Which.
        resource: ResourceName,
        /// What was seen.
        #[serde(flatten)]
        how: How,
        /// How long after.
        after: Span,
    },
    /// A resource agent printed more than anybody reads while it started or stopped something; what
    /// it did counts all the same.
    Flooded {
        /// Of which resource.
        resource: ResourceName,
    },
    /// A start failed half way, and what was up by then was stopped again, verified.
    StartUndone {
        /// The resource that did not start.
        resource: ResourceName,
        /// How many were up.
        up: usize,
    },
    /// The guardian of a node ended; the hands let go of every group it guarded.
    GuardianLost {
        /// The node.
        node: NodeName,
    },
    /// The guardian of a node let go of a group at its deadline: nobody had told it a later one.
    GuardianActed {
        /// The node.
        node: NodeName,
    },
    /// A node is to be switched off (L7).
    FenceOrdered {
        /// The node.
        node: NodeName,
        /// Who is to have it done.
        by: NodeName,
    },
    /// A node is off: its device says so.
    Fenced {
        /// The node.
        node: NodeName,
        /// From the order until the device said so; without an order, from the last that was heard
        /// of the node.
        took: Span,
        /// Whether it was ordered; versions before it knew no other.
        #[serde(default, skip_serializing_if = "HowOff::is_switched")]
        how: HowOff,
    },
    /// A node was not switched off, as far as is known.
    FenceFailed {
        /// The node.
        node: NodeName,
        /// Why.
        fault: FenceFault,
    },
    /// A watched program ended, and the group has not failed by it.
    WatchedEnded {
        /// The watch id.
        id: String,
        /// How it ended.
        #[serde(flatten)]
        how: How,
        /// What follows.
        then: Then,
    },
    /// A monitor that only tells has failed or is well again, or what was to tell of it failed.
    Monitor {
        /// Which.
        #[serde(flatten)]
        id: MonitorId,
        /// What.
        #[serde(flatten)]
        turn: MonitorTurn,
    },
    /// The scripts of a group that runs elsewhere were told that this node has come back.
    Recovered {
        /// What went wrong with them, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<How>,
    },
    /// A drill of a group went on by a step.
    Drill {
        /// Who ordered it.
        by: String,
        /// What.
        #[serde(flatten)]
        turn: DrillTurn,
    },
    /// A new agent of a node found these groups running and took them over as they were.
    Readopted {
        /// The node.
        node: NodeName,
        /// The groups.
        groups: Vec<GroupName>,
    },
    /// What happened is of a kind that is known, and cannot be read: the entry is damaged. It is
    /// never written.
    Damaged {
        /// Which entry of the ledger.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// A later version of this program has written it and knows what it is. It is never written:
    /// what happened is kept as it stands in the ledger.
    #[serde(other)]
    Unknown,
}

/// A step of a drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "turn", rename_all = "kebab-case")]
pub enum DrillTurn {
    /// It began: the group goes to another node.
    Began {
        /// From here.
        from: NodeName,
        /// To here.
        to: NodeName,
    },
    /// The group is up there.
    Arrived {
        /// Where.
        node: NodeName,
        /// For how long it was out of service at most.
        gap: Span,
    },
    /// It goes back.
    TurnedBack {
        /// Why.
        because: Back,
    },
    /// The drill is over.
    Ended {
        /// What came of it.
        verdict: Verdict,
    },
    /// One beside the running group began.
    Rehearses {
        /// What it is to show.
        depth: Depth,
        /// On which node.
        node: NodeName,
    },
    /// One beside the running group is over.
    Rehearsed {
        /// What it was to show.
        depth: Depth,
        /// On which node.
        node: NodeName,
        /// What came of it.
        came: Came,
    },
}

/// What happened to a monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "turn", rename_all = "kebab-case")]
pub enum MonitorTurn {
    /// It said no so often that it counts, and the group is left as it is.
    Failed {
        /// What it said.
        #[serde(flatten)]
        how: How,
    },
    /// It says yes again.
    Well,
    /// Its notify method did not end well.
    NotNotified {
        /// How it ended.
        #[serde(flatten)]
        how: How,
    },
}

/// Whether an interface carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// It carries.
    Up,
    /// No carrier, or set down.
    Down,
}
