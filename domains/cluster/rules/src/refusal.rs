//! Refusals: numbered for ever, ordered by precedence; the first that holds is the answer.

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Epoch, Generation, GroupName, NodeName, Span};

use crate::reason::Rejected;
use crate::start_kind::StartRefused;
use crate::watch::{WatchId, WatchIdRefused};

/// Why a command was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "refused", content = "detail", rename_all = "kebab-case")]
pub enum Refusal {
    /// 1 A command with this id was carried out already.
    Repeated {
        /// The id.
        command: String,
    },
    /// 2 The view it was decided on is not the newest.
    StaleView {
        /// The generation it was decided on.
        decided_on: Generation,
        /// The newest.
        newest: Generation,
    },
    /// 3 There is no such group.
    NoSuchGroup {
        /// The name given.
        group: String,
    },
    /// 4 There is no such node.
    NoSuchNode {
        /// The name given.
        node: String,
    },
    /// 5 It interrupts service, or takes its guard away, and no reason was given.
    ReasonRequired,
    /// 6 The group is paused.
    Paused {
        /// The group.
        group: GroupName,
        /// Who paused it.
        by: String,
    },
    /// 7 The group is not paused.
    NotPaused {
        /// The group.
        group: GroupName,
    },
    /// 8 The group stands so already.
    AlreadySo {
        /// The group or node.
        what: String,
    },
    /// 9 The node cannot take the group.
    CannotTake {
        /// The group.
        group: GroupName,
        /// The node.
        node: NodeName,
        /// Why.
        why: Rejected,
    },
    /// 10 No node can take the group.
    NobodyCanTake {
        /// The group.
        group: GroupName,
        /// Each node and why.
        why: Vec<(NodeName, Rejected)>,
    },
    /// 11 The start table refuses.
    Start(StartRefused),
    /// 12 The group is on its way already.
    Moving {
        /// The group.
        group: GroupName,
    },
    /// 13 It would take the last voter that makes a majority.
    LastMajority {
        /// The node.
        node: NodeName,
    },
    /// 14 The node still owns groups.
    StillOwns {
        /// The node.
        node: NodeName,
        /// The groups.
        groups: Vec<GroupName>,
    },
    /// 15 Two nodes without a third vote cannot take over safely.
    NoThirdVote,
    /// 16 The node is heard; this is for lost nodes only.
    NodeIsUp {
        /// The node.
        node: NodeName,
    },
    /// 17 The group does not run, so there is nothing to move.
    NotRunning {
        /// The group.
        group: GroupName,
    },
    /// 18 The paused group's owner is lost and nobody has said that it is off.
    OwnerLost {
        /// The group.
        group: GroupName,
        /// Its owner.
        node: NodeName,
    },
    /// 19 It is no watch id.
    NotAWatchId(WatchIdRefused),
    /// 20 A program is watched under this id already.
    WatchIdTaken {
        /// The id.
        id: WatchId,
        /// The group whose program it is.
        group: GroupName,
    },
    /// 21 No program is watched under this id.
    NoSuchWatch {
        /// The id.
        id: String,
    },
    /// 22 The group does not run on the node where the command was given.
    NotOwner {
        /// The group.
        group: GroupName,
        /// That node.
        node: NodeName,
    },
    /// 23 It comes from a run of the group that is over.
    StaleEpoch {
        /// The group.
        group: GroupName,
        /// The epoch of that run.
        epoch: Epoch,
        /// The epoch of the group now.
        newest: Epoch,
    },
    /// 24 No fence device is configured for the node.
    NoFenceDevice {
        /// The node.
        node: NodeName,
    },
    /// 25 Its takeovers are only observed, so there is none to try.
    OnlyObserved {
        /// The group.
        group: GroupName,
    },
    /// 26 A drill of the group is under way.
    Drilling {
        /// The group.
        group: GroupName,
        /// Who ordered it.
        by: String,
    },
    /// 27 Something else is being changed, a takeover among it.
    Busy {
        /// The group that was to be drilled.
        group: GroupName,
        /// What: a group, or `config`.
        what: String,
    },
    /// 28 No drill of the group is under way.
    NotDrilling {
        /// The group.
        group: GroupName,
    },
    /// 29 The group has no such monitor.
    NoSuchMonitor {
        /// What was given: `PAY/server/port`.
        monitor: String,
        /// The monitors that there are.
        known: Vec<String>,
    },
    /// 30 Time-outs are not multiplied by so much.
    NoSuchRatio {
        /// By what.
        ratio: u32,
        /// The largest ratio: no voter promises a longer lease.
        most: u32,
    },
    /// 31 Time-outs are not stretched for so long.
    StretchTooLong {
        /// How long.
        asked: Span,
        /// The longest time.
        most: Span,
    },
    /// 32 The node's version does not know what is asked for.
    OlderNode {
        /// The node.
        node: NodeName,
    },
    /// 33 The configuration names no such service of the group.
    NoSuchService {
        /// The group.
        group: GroupName,
        /// The service.
        service: String,
        /// Those that it names.
        known: Vec<String>,
    },
    /// 34 The ledger of a founded cluster stays where it is: on its nodes, or on a disk.
    LedgerStays,
    /// 35 Nothing says how a copy of a volume of it is made.
    NoCopy {
        /// The group.
        group: GroupName,
        /// The volume.
        resource: String,
    },
    /// 36 It cannot be started cut off from what a resource of it is made for.
    NotAlone {
        /// The group.
        group: GroupName,
        /// The resource.
        resource: String,
    },
    /// 37 The cluster is in production: nothing is made to fail there.
    InProduction,
    /// 38 It is nothing of the group that can be killed.
    NoSuchProcess {
        /// The group.
        group: GroupName,
        /// What was named.
        resource: String,
    },
    /// 39 The end of another node's life is demanded and may not have come yet: one at a time.
    EndDemanded {
        /// That node.
        node: NodeName,
    },
    /// 45 Another node wrote the group's mirrored volumes alone: the copies here are older.
    OlderCopy {
        /// The group.
        group: GroupName,
        /// The node that has the newest copy.
        newest: NodeName,
    },
    /// 46 The copies were parted again since they were seen to be alike.
    CopiesParted {
        /// The group.
        group: GroupName,
    },
    /// 47 No beat of the node is heard, so that nobody knows whether its version knows what is
    /// asked for.
    UnknownVersion {
        /// The node.
        node: NodeName,
    },
}

impl Refusal {
    /// Its number; never reused.
    #[must_use]
    pub const fn number(&self) -> u16 {
        match self {
            Self::Repeated { .. } => 1,
            Self::StaleView { .. } => 2,
            Self::NoSuchGroup { .. } => 3,
            Self::NoSuchNode { .. } => 4,
            Self::ReasonRequired => 5,
            Self::Paused { .. } => 6,
            Self::NotPaused { .. } => 7,
            Self::AlreadySo { .. } => 8,
            Self::CannotTake { .. } => 9,
            Self::NobodyCanTake { .. } => 10,
            Self::Start(_) => 11,
            Self::Moving { .. } => 12,
            Self::LastMajority { .. } => 13,
            Self::StillOwns { .. } => 14,
            Self::NoThirdVote => 15,
            Self::NodeIsUp { .. } => 16,
            Self::NotRunning { .. } => 17,
            Self::OwnerLost { .. } => 18,
            Self::NotAWatchId(_) => 19,
            Self::WatchIdTaken { .. } => 20,
            Self::NoSuchWatch { .. } => 21,
            Self::NotOwner { .. } => 22,
            Self::StaleEpoch { .. } => 23,
            Self::NoFenceDevice { .. } => 24,
            Self::OnlyObserved { .. } => 25,
            Self::Drilling { .. } => 26,
            Self::Busy { .. } => 27,
            Self::NotDrilling { .. } => 28,
            Self::NoSuchMonitor { .. } => 29,
            Self::NoSuchRatio { .. } => 30,
            Self::StretchTooLong { .. } => 31,
            Self::OlderNode { .. } => 32,
            Self::NoSuchService { .. } => 33,
            Self::LedgerStays => 34,
            Self::NoCopy { .. } => 35,
            Self::NotAlone { .. } => 36,
            Self::InProduction => 37,
            Self::NoSuchProcess { .. } => 38,
            Self::EndDemanded { .. } => 39,
            Self::OlderCopy { .. } => 45,
            Self::CopiesParted { .. } => 46,
            Self::UnknownVersion { .. } => 47,
        }
    }

    /// Whether nothing was changed because everything is as it was asked for: the repeat of a
    /// command that was carried out, not a rule that speaks against it.
    #[must_use]
    pub const fn is_so_already(&self) -> bool {
        matches!(self, Self::AlreadySo { .. } | Self::NotPaused { .. })
    }

    /// Its word, as the audit and JSON have it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Repeated { .. } => "repeated",
            Self::StaleView { .. } => "stale-view",
            Self::NoSuchGroup { .. } => "no-such-group",
            Self::NoSuchNode { .. } => "no-such-node",
            Self::ReasonRequired => "reason-required",
            Self::Paused { .. } => "paused",
            Self::NotPaused { .. } => "not-paused",
            Self::AlreadySo { .. } => "already-so",
            Self::CannotTake { .. } => "cannot-take",
            Self::NobodyCanTake { .. } => "nobody-can-take",
            Self::Start(_) => "start",
            Self::Moving { .. } => "moving",
            Self::LastMajority { .. } => "last-majority",
            Self::StillOwns { .. } => "still-owns",
            Self::NoThirdVote => "no-third-vote",
            Self::NodeIsUp { .. } => "node-is-up",
            Self::NotRunning { .. } => "not-running",
            Self::OwnerLost { .. } => "owner-lost",
            Self::NotAWatchId(_) => "not-a-watch-id",
            Self::WatchIdTaken { .. } => "watch-id-taken",
            Self::NoSuchWatch { .. } => "no-such-watch",
            Self::NotOwner { .. } => "not-owner",
            Self::StaleEpoch { .. } => "stale-epoch",
            Self::NoFenceDevice { .. } => "no-fence-device",
            Self::OnlyObserved { .. } => "only-observed",
            Self::Drilling { .. } => "drilling",
            Self::Busy { .. } => "busy",
            Self::NotDrilling { .. } => "not-drilling",
            Self::NoSuchMonitor { .. } => "no-such-monitor",
            Self::NoSuchRatio { .. } => "no-such-ratio",
            Self::StretchTooLong { .. } => "stretch-too-long",
            Self::OlderNode { .. } => "older-node",
            Self::NoSuchService { .. } => "no-such-service",
            Self::LedgerStays => "ledger-stays",
            Self::NoCopy { .. } => "no-copy",
            Self::NotAlone { .. } => "not-alone",
            Self::InProduction => "in-production",
            Self::NoSuchProcess { .. } => "no-such-process",
            Self::EndDemanded { .. } => "end-demanded",
            Self::OlderCopy { .. } => "older-copy",
            Self::CopiesParted { .. } => "copies-parted",
            Self::UnknownVersion { .. } => "unknown-version",
        }
    }
}
