//! What the ledger holds, typed: configuration, nodes, ownership, intents, plans, events.
//!
//! Each noun is one entry of the ledger with a version (the index of its last write). A change is
//! a [`Draft`]: writes that hold only if the versions they were decided on still stand.

mod event;
mod fencing;
mod former;
mod stretch;

pub use event::{DrillTurn, EventRecord, Happening, LinkState, MonitorTurn};
pub use fencing::{Demand, FenceFault, FenceOrder, HowOff};
pub use former::{Gone, LeasesBefore, Restored};
pub use stretch::{LONGEST_STRETCH, Stretch};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{BootId, Epoch, Generation, GroupName, Index, NodeName, Span, Wall};

use crate::drill::Drills;
use crate::drill::failure::FailureTest;
use crate::mirror::Copies;
use crate::monitors::Suspension;
use crate::plan::Plan;
use crate::reason::Cause;
use crate::spec::{ClusterSpec, FenceDevice, FencePolicy, GroupSpec};
use crate::start_kind::{Ending, StartKind};
use crate::watch::Watchlist;

/// The whole record as one node has applied it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Which life of the ledger this is; every epoch given out carries it.
    pub incarnation: u64,
    /// The last applied entry.
    pub applied: Index,
    /// The version of the list of voters (L6).
    pub membership: Generation,
    /// The voters of that list, each with its number. Empty where no ledger keeps one: the
    /// configuration's nodes are the voters then.
    pub voters: BTreeMap<NodeName, u64>,
    /// The highest number of a voter that the ledger ever had.
    pub highest_voter: u64,
    /// The nodes that were taken out for good, as they were when they last were.
    pub gone: BTreeMap<NodeName, Gone>,
    /// What a ledger that was made from a backup still has to wait for.
    pub restored: Option<Arc<Restored>>,
    /// The newest order to stretch the time-outs, in force or over (CL-35).
    pub stretch: Option<Arc<Stretch>>,
    /// The newest failure test, under way or over (PH-17).
    pub failure_test: Option<Arc<FailureTest>>,
    /// The applied configuration; none before `init`.
    pub config: Option<Arc<AppliedConfig>>,
    /// The nodes that have joined.
    pub nodes: BTreeMap<NodeName, Versioned<NodeRecord>>,
    /// The groups of the applied configuration, and those that still have to stop.
    pub groups: BTreeMap<GroupName, Versioned<GroupRecord>>,
    /// The newest plan.
    pub plan: Option<Arc<Plan>>,
}

/// A value with the index of its last write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// Index of the last write.
    pub version: Index,
    /// The value.
    pub value: Arc<T>,
}

/// One version of the configuration as it was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedConfig {
    /// Counts the applied configurations from 1.
    pub version: u64,
    /// SHA-256 of the file's text, in hexadecimal.
    pub hash: String,
    /// The file's text, comments and all.
    pub text: String,
    /// The text, resolved.
    pub spec: ClusterSpec,
    /// Set while an apply waits for its confirmation: the version to go back to, and when.
    pub unconfirmed: Option<Unconfirmed>,
}

/// An apply that undoes itself unless it is confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// The text to go back to.
    pub back_to: String,
    /// How long after the apply.
    pub within: Span,
    /// When it was applied; records of before this was kept do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Wall>,
}

impl Unconfirmed {
    /// When it is undone.
    #[must_use]
    pub fn undone_at(&self) -> Option<Wall> {
        self.since.map(|since| Wall(since.0.saturating_add(self.within.as_millis())))
    }
}

/// What the cluster knows of one node for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its number among the voters; a wiped node comes back with another.
    pub voter: u64,
    /// Whether it may own groups.
    pub intent: NodeIntent,
    /// The boot that a confirmed fence has ended (L7).
    pub fenced: Option<BootId>,
    /// The newest fence that was ordered and is not confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fencing: Option<FenceOrder>,
    /// The nodes that it could not have switched off when it last asked their devices, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unable: BTreeMap<NodeName, FenceFault>,
    /// The devices that it has caught saying off of a node that lived, by that node: what they say
    /// of the state proves nothing as long as they are configured so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub caught: BTreeMap<NodeName, FenceDevice>,
    /// The fingerprint of the certificate that the number was given to; none until it was asked
    /// for. Another certificate of the same name is a node that was wiped: it gets a new number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Its links that do not carry, as it said here while no network led to another node; none
    /// while one does. Only two nodes that share a disk say it here.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub links_down: BTreeSet<String>,
    /// The life of it whose end is demanded over the disk that two nodes share, until another life
    /// of it is seen, or that one is confirmed to be off. Versions before it know of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demanded: Option<Demand>,
}

/// Whether a node may own groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeIntent {
    /// It may.
    InService,
    /// An operator has taken it out: its groups move away and none comes.
    Drained(Order),
    /// It shuts down: its groups move away now; its next start ends this by itself.
    Leaving(BootId),
}

/// Who ordered something, when and why. Names an entry of the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The person.
    pub by: String,
    /// The reason given; empty where none is asked for.
    pub reason: String,
    /// When.
    pub at: Wall,
    /// The command's id, as the audit has it.
    pub command: String,
}

/// What the cluster knows of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// The highest epoch given out; it never falls.
    pub epoch: Epoch,
    /// Who owns it.
    pub ownership: Ownership,
    /// What the operator wants of it.
    pub intent: GroupIntent,
    /// Where the operator put it; survives restarts until cleared (PH-15).
    pub location: Option<NodeName>,
    /// A pin (L9): while it stands nobody but its node may run the group.
    pub pause: Option<Pause>,
    /// How the group's last run ended (start kind).
    pub ended: Ending,
    /// Failures that still count, oldest first.
    pub failures: Vec<Failure>,
    /// The watched programs of the ownership under this epoch.
    #[serde(default, skip_serializing_if = "Watchlist::is_new")]
    pub watched: Watchlist,
    /// Its rehearsals: the newest one, and what was last proven.
    #[serde(default, skip_serializing_if = "Drills::is_new")]
    pub drills: Drills,
    /// Monitors that are not asked for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspended: Vec<Suspension>,
    /// Which copy of its mirrored volumes was written last.
    #[serde(default, skip_serializing_if = "Copies::is_new")]
    pub copies: Copies,
}

/// Who owns a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Ownership {
    /// Nobody: it never ran, or was stopped and verified.
    Nobody,
    /// One node, at the record's epoch.
    Owned {
        /// The owner.
        node: NodeName,
        /// The boot of the owner that the entry was made for, as far as it was known; the owner's
        /// own once it has reported itself.
        boot: Option<BootId>,
        /// How it starts.
        start: StartKind,
        /// Why it owns the group.
        cause: Cause,
        /// How far it is.
        phase: Phase,
        /// Where it has to go: the owner stops, verifies, and hands over in one entry (L8).
        handover: Option<NodeName>,
    },
}

/// How far an owner is with its group, as it last reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Granted; resources are being started.
    Starting,
    /// All resources are up.
    Running,
    /// A start or a stop failed and what is left is being cleared.
    Failing,
}

/// What the operator wants of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "want", rename_all = "lowercase")]
pub enum GroupIntent {
    /// Run it.
    Run,
    /// Keep it stopped.
    Stop(Order),
    /// tsugi gave up after too many failures; `group clear` or `group start` ends this.
    GaveUp {
        /// Why.
        cause: Cause,
        /// When.
        at: Wall,
    },
}

/// A group that is left alone for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who paused it and why.
    pub order: Order,
    /// When it ends by itself; none until resumed.
    pub until: Option<Wall>,
    /// The node that holds it, which is left alone with it; none if it was stopped.
    pub pinned: Option<NodeName>,
    /// Whether the owner's guardian is disarmed (L9).
    pub guard: Guard,
}

/// The guardian's state under a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guard {
    /// The pin is applied: the guardian is disarmed.
    Disarmed,
    /// A resume was ordered: the owner arms it again, then clears the pin.
    Rearming,
}

/// One failure that counts against a group's policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When.
    pub at: Wall,
    /// Where.
    pub node: NodeName,
    /// What.
    pub cause: Cause,
    /// What was done about it.
    pub answer: Answer,
}

/// What was done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Restarted on the same node.
    Restarted,
    /// Taken over by another.
    TakenOver,
    /// Left stopped.
    GaveUp,
}

/// A change to the record: all its writes or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// What must not have changed since the decision: the entry and its version then; version 0
    /// is "not there".
    pub conditions: Vec<(EntryName, Index)>,
    /// What is written.
    pub writes: Vec<Write>,
}

/// The name of an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryName {
    /// The applied configuration.
    Config,
    /// A node.
    Node(NodeName),
    /// A group.
    Group(GroupName),
    /// The head of the plans: the newest generation.
    Plan,
    /// The head of the audit chain.
    Audit,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A new configuration.
    Config(Arc<AppliedConfig>),
    /// A node, new or changed.
    Node(NodeName, Arc<NodeRecord>),
    /// A node that is gone for good.
    NodeGone(NodeName),
    /// What a restored ledger waits for.
    Restored(Arc<Restored>),
    /// The time-outs are stretched, or no more.
    Stretch(Arc<Stretch>),
    /// A failure test begins, goes on, or is over.
    FailureTest(Arc<FailureTest>),
    /// A group, new or changed.
    Group(GroupName, Arc<GroupRecord>),
    /// A group that left the configuration and has stopped.
    GroupGone(GroupName),
    /// A new plan.
    Plan(Arc<Plan>),
    /// An event; appended.
    Event(EventRecord),
    /// An audit entry; appended and chained by whoever encodes the draft.
    Audit(AuditRecord),
}

/// One operator's command (I21, SEC18).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// When it was taken.
    pub at: Wall,
    /// Its id; a second command with the same id has no effect.
    pub command: String,
    /// The person: the user of the socket's peer, and the login behind it.
    pub person: String,
    /// Where it came from: node and terminal or client address.
    pub origin: String,
    /// The words of the command.
    pub words: String,
    /// The reason given.
    pub reason: String,
    /// The plan generation that the person decided on.
    pub decided_on: Generation,
    /// What came of it: accepted, or the number and words of the refusal.
    pub outcome: String,
}

impl NodeRecord {
    /// A node that has joined and may own groups.
    #[must_use]
    pub const fn new(voter: u64) -> Self {
        Self {
            voter,
            intent: NodeIntent::InService,
            fenced: None,
            fencing: None,
            unable: BTreeMap::new(),
            caught: BTreeMap::new(),
            certificate: None,
            links_down: BTreeSet::new(),
            demanded: None,
        }
    }
}

impl GroupRecord {
    /// A group that has never run.
    #[must_use]
    pub fn new(intent: GroupIntent) -> Self {
        Self {
            epoch: Epoch::NONE,
            ownership: Ownership::Nobody,
            intent,
            location: None,
            pause: None,
            ended: Ending::Orderly,
            failures: Vec::new(),
            watched: Watchlist::default(),
            drills: Drills::default(),
            suspended: Vec::new(),
            copies: Copies::default(),
        }
    }

    /// The owner, if there is one.
    #[must_use]
    pub fn owner(&self) -> Option<&NodeName> {
        match &self.ownership {
            Ownership::Nobody => None,
            Ownership::Owned { node, .. } => Some(node),
        }
    }

    /// The owner of the epoch that begins is made primary on the terms of the configuration of now:
    /// another one that is applied meanwhile changes nothing of what was begun.
    pub(crate) fn rest_on(&mut self, spec: Option<&GroupSpec>) {
        let mirrors = spec.is_some_and(|spec| spec.fence == FencePolicy::Mirror);
        self.copies.fenced = mirrors.then_some(self.epoch);
    }

    /// Whether what its owner writes is frozen by DRBD as soon as no other copy has it.
    #[must_use]
    pub fn is_frozen_when_parted(&self) -> bool {
        self.copies.fenced == Some(self.epoch)
    }
}

impl Record {
    /// The applied configuration's spec.
    #[must_use]
    pub fn spec(&self) -> Option<&ClusterSpec> {
        self.config.as_deref().map(|c| &c.spec)
    }

    /// A group's record.
    #[must_use]
    pub fn group(&self, name: &GroupName) -> Option<&GroupRecord> {
        self.groups.get(name).map(|g| &*g.value)
    }

    /// The lowest number of a voter that no node was ever given.
    #[must_use]
    pub fn next_voter(&self) -> u64 {
        let joined = self.nodes.values().map(|node| node.value.voter);
        let given = joined
            .chain(self.gone.values().map(|gone| gone.voter))
            .chain(self.voters.values().copied());
        given.fold(self.highest_voter, u64::max) + 1
    }

    /// The generation of the newest plan.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.plan.as_ref().map_or(Generation::NONE, |p| p.generation)
    }

    /// The version of an entry; 0 if it is not there. The audit's head is kept by the ledger's
    /// encoder and has no version here.
    #[must_use]
    pub fn version(&self, name: &EntryName) -> Index {
        match name {
            EntryName::Config => self.config.as_ref().map_or(Index(0), |c| Index(c.version)),
            EntryName::Node(n) => self.nodes.get(n).map_or(Index(0), |n| n.version),
            EntryName::Group(g) => self.groups.get(g).map_or(Index(0), |g| g.version),
            EntryName::Plan => Index(self.generation().0),
            EntryName::Audit => Index(0),
        }
    }

    /// Whether every condition of `draft` still stands.
    #[must_use]
    pub fn admits(&self, draft: &Draft) -> bool {
        draft.conditions.iter().all(|(name, version)| self.version(name) == *version)
    }

    /// Applies an admitted draft as entry `index`. Events and audit entries leave no trace here.
    pub fn apply(&mut self, draft: &Draft, index: Index) {
        self.applied = index;
        for write in &draft.writes {
            match write {
                Write::Config(c) => self.config = Some(Arc::clone(c)),
                Write::Node(n, r) => {
                    let value = Arc::clone(r);
                    self.nodes.insert(n.clone(), Versioned { version: index, value });
                }
                Write::NodeGone(n) => {
                    if let Some(node) = self.nodes.remove(n) {
                        self.gone.insert(n.clone(), Gone::of(&node.value));
                    }
                }
                Write::Restored(r) => self.restored = Some(Arc::clone(r)),
                Write::Stretch(s) => self.stretch = Some(Arc::clone(s)),
                Write::FailureTest(t) => self.failure_test = Some(Arc::clone(t)),
                Write::Group(g, r) => {
                    let value = Arc::clone(r);
                    self.groups.insert(g.clone(), Versioned { version: index, value });
                }
                Write::GroupGone(g) => {
                    self.groups.remove(g);
                }
                Write::Plan(p) => self.plan = Some(Arc::clone(p)),
                Write::Event(_) | Write::Audit(_) => {}
            }
        }
    }
}

impl Draft {
    /// Adds the condition that `name` still is as `record` has it.
    #[must_use]
    pub fn unless_changed(mut self, record: &Record, name: EntryName) -> Self {
        let version = record.version(&name);
        self.conditions.push((name, version));
        self
    }

    /// Adds a write.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }
}
