//! What the operator wants: the applied configuration, parsed and resolved.

mod resource;

pub use resource::{
    Check, Monitor, OnRecover, ProcessHow, ResourceKind, ResourceSpec, Rhythm, VolumeCheck,
    VolumeSource,
};

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{GroupName, NodeName, ResourceName, Span};

use crate::figures::PreferBy;
use crate::monitors::MonitorId;
use crate::ocf::Undo;
use crate::timetable::Timetable;
use crate::timing::Profile;

/// One version of the configuration, the same on every node (I19).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSpec {
    /// The cluster's name.
    pub name: String,
    /// The times.
    pub timing: Profile,
    /// Language of messages: `ja` or `en`; none leaves it to each user's locale.
    pub language: Option<String>,
    /// The machines, the witness among them.
    pub nodes: BTreeMap<NodeName, NodeSpec>,
    /// The groups.
    pub groups: BTreeMap<GroupName, GroupSpec>,
    /// Where the ledger is kept.
    #[serde(default, skip_serializing_if = "LedgerPlace::is_on_nodes")]
    pub ledger: LedgerPlace,
    /// What the cluster is for.
    #[serde(default, skip_serializing_if = "Environment::is_production")]
    pub environment: Environment,
}

/// What a cluster is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// People need what it runs: nothing is made to fail on purpose (PH-17). What does not say it
    /// is taken for this.
    #[default]
    Production,
    /// Nobody is harmed by an outage.
    Test,
}

impl Environment {
    const fn is_production(&self) -> bool {
        matches!(self, Self::Production)
    }
}

/// Where the ledger is kept, and so who votes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LedgerPlace {
    /// Every node and witness has a copy and a vote.
    #[default]
    OnNodes,
    /// Two nodes keep it on a disk that they share, which is the third vote; under which path each
    /// node finds it.
    OnDisk(BTreeMap<NodeName, String>),
}

impl LedgerPlace {
    /// Whether a disk has a vote.
    #[must_use]
    pub const fn is_on_disk(&self) -> bool {
        matches!(self, Self::OnDisk(_))
    }

    const fn is_on_nodes(&self) -> bool {
        matches!(self, Self::OnNodes)
    }
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Its own addresses, one a network, in order of preference; `ip:port`, the port being that
    /// of the agent.
    pub addresses: Vec<std::net::SocketAddr>,
    /// Whether it runs groups.
    pub role: Role,
    /// What switches it off, if anything does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<FenceDevice>,
}

/// A device that switches one machine off, as its fence agent is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceDevice {
    /// The agent: `fence_ipmilan`, or an absolute path.
    pub agent: String,
    /// Its options; no password is among them.
    pub options: BTreeMap<String, String>,
    /// The file of root that holds the password, the same on every node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// How long one run of the agent may take; longer is a failure.
    pub limit: Span,
    /// How often each other node asks whether it answers.
    pub every: Span,
}

/// What a voter is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Votes and runs groups.
    Node,
    /// Votes only.
    Witness,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// One owner, or a member on every listed node.
    pub mode: Mode,
    /// The nodes that may own it, best first.
    pub prefer: Vec<NodeName>,
    /// By what the next owner is chosen when it falls.
    #[serde(default, skip_serializing_if = "PreferBy::is_order")]
    pub prefer_by: PreferBy,
    /// Started by the cluster's start, or by an operator only (CL-22).
    pub startup: Startup,
    /// When it goes back to a better node.
    pub failback: Failback,
    /// What a failure of one of its resources leads to.
    pub failure: FailurePolicy,
    /// Groups it never shares a node with.
    pub apart: BTreeSet<GroupName>,
    /// Groups it always shares a node with.
    pub together: BTreeSet<GroupName>,
    /// Groups that must be up before it starts; of a parallel one, any member.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub after: BTreeSet<GroupName>,
    /// The stop budget S of this group; none takes the profile's.
    pub stop_budget: Option<Span>,
    /// How old the last proof of a move to each of its nodes may be before that is told; none is
    /// never told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill_every: Option<Span>,
    /// How it is drilled without being moved. It stands beside the resources: what of it changes
    /// changes nothing of a running group.
    #[serde(default, skip_serializing_if = "Rehearsing::is_nothing")]
    pub rehearsing: Rehearsing,
    /// What says whether its programs may run on a node: absolute path and arguments, run as the
    /// agent's own user; ends with 0 where they may. It stands beside the resources as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entitled: Option<Vec<String>>,
    /// Whether what the cluster decides for it by itself is carried out.
    #[serde(default, skip_serializing_if = "Takeover::is_automatic")]
    pub takeover: Takeover,
    /// Accepts by name that a volume is taken from a silent node without a confirmed fence.
    pub fence: FencePolicy,
    /// What its scripts may load by name: absolute path and arguments (CL-08).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, Vec<String>>,
    /// Its resources in configuration order.
    pub resources: Vec<ResourceSpec>,
}

/// How a group is drilled without being moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsing {
    /// How a copy of a volume is made, by the volume.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub copies: BTreeMap<ResourceName, VolumeCopy>,
    /// What reads the copy as a proof, by the process whose user runs it: path and arguments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub proofs: BTreeMap<ResourceName, Vec<String>>,
}

/// How a copy of a volume is made, and taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeCopy {
    /// Absolute path and arguments; prints a block device or a directory on one line.
    pub copy: Vec<String>,
    /// Absolute path and arguments of what takes it away; none if nothing has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<Vec<String>>,
}

impl Rehearsing {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a group is whole, or one member of a parallel group.
///
/// A parallel group G on the nodes n1 and n2 is resolved, when the file is read, into the two
/// groups `G_n1` and `G_n2`. Each is leased, fenced and explained by itself; each may be owned by
/// its one node only; commands that name G are for all its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One owner at a time: the failover group.
    Single,
    /// One member of the parallel group of that name: the service group.
    MemberOf(GroupName),
}

/// Who starts a group that has never run since the cluster started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Startup {
    /// The cluster.
    Auto,
    /// An operator.
    Manual,
}

/// When a group goes back to a node that it prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failback {
    /// Not even when an operator asks for "home" without naming the node.
    Never,
    /// When an operator moves it.
    Manual,
    /// As soon as a better node can take it.
    WhenBetter,
    /// When its timetable says so and a better node can take it.
    At(Timetable),
}

/// Whether the cluster carries out what it decides by itself for a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Takeover {
    /// It does.
    #[default]
    Automatic,
    /// It decides and tells, with the reason; only what a person orders is carried out. A lease
    /// that ends still ends the group: that is safety and no decision.
    Observe,
}

impl Takeover {
    const fn is_automatic(&self) -> bool {
        matches!(self, Self::Automatic)
    }
}

/// Restart in place `restarts` times within `within`, then take over, at most `takeovers` times
/// within the same period, then give up and say so (CL-20, CL-21).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailurePolicy {
    /// Restarts on the same node.
    pub restarts: u32,
    /// Takeovers after the restarts are used up.
    pub takeovers: u32,
    /// The period after which earlier failures no longer count.
    pub within: Span,
    /// What the end of a watched program is answered with that does not say it by itself.
    #[serde(default, skip_serializing_if = "WatchedFailure::is_takeover")]
    pub watched: WatchedFailure,
    /// What a group does that nobody can call.
    #[serde(default, skip_serializing_if = "Isolation::is_stay")]
    pub isolation: Isolation,
}

/// What the end of a watched program is answered with (CL-10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchedFailure {
    /// A takeover at once.
    #[default]
    Takeover,
    /// What any failure of the group is answered with: restarts first.
    Restart,
}

/// What a group does whose owner has no link for one of its addresses, while no other node can take
/// it (PH-19).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// It goes on: who is there when the link comes back is better than a start.
    #[default]
    Stay,
    /// It is stopped in order, and started again where a link carries.
    Stop,
}

impl Isolation {
    const fn is_stay(&self) -> bool {
        matches!(self, Self::Stay)
    }
}

impl WatchedFailure {
    fn is_takeover(&self) -> bool {
        *self == Self::Takeover
    }
}

impl Default for FailurePolicy {
    fn default() -> Self {
        let (watched, isolation) = (WatchedFailure::Takeover, Isolation::Stay);
        Self { restarts: 3, takeovers: 1, within: Span::secs(3600), watched, isolation }
    }
}

/// On what proof a volume is taken from a silent node (architecture §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FencePolicy {
    /// The group has no volume that two nodes can write: the lease is enough, and a volume that
    /// its storage keeps for its owner refuses whoever has slept through the end of it.
    Lease,
    /// The owner's guardian is trusted to have let go: accepted by name, shown as unproven.
    SelfFence,
    /// Only a confirmed fence; until then the group waits for the operator.
    Confirmed,
    /// A confirmed fence, or DRBD: the owner was made primary by one that freezes what it cannot
    /// mirror (decision 26).
    Mirror,
}

/// What this version understands of settings that an older one would take for not there, though
/// data depend on them: 1 is `reservation = "scsi"` and `fence = "mirror"`. Each node says its own
/// in its heartbeats.
pub const SETTINGS: u32 = 1;

impl ClusterSpec {
    /// What a node has to understand to run as this configuration says, in the numbers of
    /// [`SETTINGS`].
    #[must_use]
    pub fn settings(&self) -> u32 {
        let kept = |r: &ResourceSpec| r.kind.reservation().is_some();
        let asks = |group: &GroupSpec| {
            group.fence == FencePolicy::Mirror || group.resources.iter().any(kept)
        };
        u32::from(self.groups.values().any(asks))
    }
}

impl GroupSpec {
    /// All of its monitors.
    pub fn monitors(&self) -> impl Iterator<Item = MonitorId> {
        self.resources.iter().flat_map(ResourceSpec::monitors)
    }

    /// Whether a start by this configuration makes something else than one by `other`.
    #[must_use]
    pub fn starts_otherwise_than(&self, other: &Self) -> bool {
        (&self.resources, self.stop_budget) != (&other.resources, other.stop_budget)
    }

    /// The resources in start order: each after what it names, configuration order otherwise.
    /// A stop is exactly the reverse (CL-02). A cycle was refused when the file was read; what
    /// is left of one comes last in configuration order.
    #[must_use]
    pub fn start_order(&self) -> Vec<&ResourceSpec> {
        let mut ordered: Vec<&ResourceSpec> = Vec::with_capacity(self.resources.len());
        let mut rest: Vec<&ResourceSpec> = self.resources.iter().collect();
        loop {
            let up = |name: &ResourceName| ordered.iter().any(|r| r.name == *name);
            match rest.iter().position(|r| r.after.iter().all(&up)) {
                Some(i) => ordered.push(rest.remove(i)),
                None => {
                    ordered.extend(rest);
                    return ordered;
                }
            }
        }
    }

    /// What is started again with the resource at this place of the start order: it, and whatever
    /// comes after one of these.
    #[must_use]
    pub fn standing_on(&self, place: usize) -> BTreeSet<usize> {
        let order = self.start_order();
        let mut on: BTreeSet<usize> = BTreeSet::from([place]);
        loop {
            let is_on = |name: &ResourceName| on.iter().any(|p| order[*p].name == *name);
            let more = (0..order.len())
                .find(|next| !on.contains(next) && order[*next].after.iter().any(is_on));
            match more {
                Some(more) => on.insert(more),
                None => return on,
            };
        }
    }

    /// The same where one run of each monitor may take `ratio` times as long (CL-35).
    #[must_use]
    pub fn with_monitors_stretched(&self, ratio: u32) -> Self {
        let longer = |limit: &mut Span| limit.0 = limit.0.saturating_mul(u64::from(ratio));
        let mut spec = self.clone();
        for resource in &mut spec.resources {
            match &mut resource.kind {
                ResourceKind::Process { monitors, .. } => {
                    monitors.iter_mut().for_each(|monitor| longer(&mut monitor.limit));
                }
                ResourceKind::Ocf { monitor, .. } | ResourceKind::Unit { monitor, .. } => {
                    longer(&mut monitor.limit);
                }
                ResourceKind::Address { .. } | ResourceKind::Volume { .. } => {}
            }
        }
        spec
    }

    /// Whether the group has a volume that more than one node can write: its storage refuses
    /// nobody.
    #[must_use]
    pub fn has_open_volume(&self) -> bool {
        self.resources.iter().any(|r| r.kind.is_open_volume())
    }

    /// Whether only the owner's own end keeps two nodes from writing the same: a volume that its
    /// storage keeps for nobody, or what only a reset of the machine takes away.
    #[must_use]
    pub fn rests_on_the_owner(&self) -> bool {
        self.has_open_volume() || self.beyond_reach().next().is_some()
    }

    /// Whether the group has a volume that its storage keeps for its owner.
    #[must_use]
    pub fn has_reserved_volume(&self) -> bool {
        self.resources.iter().any(|r| r.kind.reservation().is_some())
    }

    /// The service of this name, whatever the case of its letters: its name as it is configured,
    /// and what is run.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<(&String, &Vec<String>)> {
        self.services.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The resources of the group that only a reset of the machine takes away for certain: the
    /// guardian knows no place that it could clear.
    pub fn beyond_reach(&self) -> impl Iterator<Item = &ResourceSpec> {
        let beyond = |r: &&ResourceSpec| match &r.kind {
            ResourceKind::Ocf { undo, .. } => *undo == Undo::Reset,
            // Its processes are in systemd's part of the tree of control groups.
            ResourceKind::Unit { .. } => true,
            ResourceKind::Address { .. }
            | ResourceKind::Volume { .. }
            | ResourceKind::Process { .. } => false,
        };
        self.resources.iter().filter(beyond)
    }

    /// The interfaces of which the group needs at least one, for each of its addresses.
    #[must_use]
    pub fn links_needed(&self) -> Vec<&[String]> {
        self.resources
            .iter()
            .filter_map(|r| match &r.kind {
                ResourceKind::Address { links, .. } if !links.is_empty() => Some(links.as_slice()),
                ResourceKind::Address { .. }
                | ResourceKind::Volume { .. }
                | ResourceKind::Process { .. }
                | ResourceKind::Ocf { .. }
                | ResourceKind::Unit { .. } => None,
            })
            .collect()
    }
}

impl ClusterSpec {
    /// The nodes that run groups.
    pub fn members(&self) -> impl Iterator<Item = &NodeName> {
        self.nodes.iter().filter(|(_, n)| n.role == Role::Node).map(|(name, _)| name)
    }

    /// How many of the voters are a majority.
    #[must_use]
    pub fn majority(&self) -> usize {
        let disk = usize::from(self.ledger.is_on_disk());
        (self.nodes.len() + disk) / 2 + 1
    }
}
