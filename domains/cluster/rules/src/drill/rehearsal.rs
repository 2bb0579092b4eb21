//! A drill beside the running group: another node shows on a copy of the group's volumes that it
//! could read them, or start the group. The group itself is not touched.
//!
//! It stands in the record of its group and names one life of one node, which carries it out once.
//! Whatever else concerns that group or that node goes first: then it is only ended.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{BootId, Epoch, GroupName, NodeName, Span, Wall};

use crate::plan::{Life, Situation};
use crate::record::{
    Draft, DrillTurn, EntryName, EventRecord, GroupIntent, GroupRecord, Happening, Order,
    Ownership, Phase, Record, Write,
};
use crate::spec::{GroupSpec, ResourceKind, VolumeSource};

/// How long after its limit a rehearsal may take to have taken everything away, before whoever
/// leads ends it without a word of the node that was to show it.
pub const AFTER: Span = Span::secs(60);

/// A drill beside the running group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// Who ordered it, when and why; the command's id is its own.
    pub order: Order,
    /// What it is to show.
    pub depth: Depth,
    /// Who runs the group meanwhile.
    pub owner: NodeName,
    /// Under which epoch.
    pub epoch: Epoch,
    /// Who shows it.
    pub on: NodeName,
    /// In which of its lives: no later one does.
    pub on_boot: BootId,
    /// For how long it may take.
    pub limit: Span,
    /// Where it stands.
    pub state: Beside,
    /// What was done, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Done>,
    /// What went wrong, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// What a rehearsal is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// That the node can read what the group needs.
    Read,
    /// That the node can start the group, cut off from every network.
    Isolate,
}

/// Where a rehearsal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Beside {
    /// It is under way.
    UnderWay,
    /// It is over.
    Ended {
        /// When.
        at: Wall,
        /// What came of it.
        came: Came,
    },
}

/// What came of a rehearsal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// It was shown.
    Proven,
    /// Something went wrong.
    Failed,
    /// Something else came first, or the node that was to show it was lost.
    Interrupted,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What.
    pub part: Part,
    /// With which resource.
    pub resource: String,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// What is done in a rehearsal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A copy of a volume is made.
    Copy,
    /// Its file system is checked, and nothing is mended.
    Check,
    /// It is mounted where nobody else sees it.
    Mount,
    /// What is to be read of it is read.
    Read,
    /// A program is started and waited for.
    Start,
    /// Its monitor is asked.
    Monitor,
    /// It is stopped by its own stop.
    Stop,
    /// The copy is taken away.
    Drop,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// While what was done.
    pub part: Part,
    /// With which resource.
    pub resource: String,
    /// How.
    pub kind: FaultKind,
    /// What was seen: an exit code, the last line of what was printed.
    pub detail: String,
}

/// How something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// It failed.
    Failed,
    /// It took too long.
    Slow,
    /// There is too little room on the disk or in memory.
    Room,
    /// This machine cannot do it.
    Unable,
    /// What was given as a copy is the volume itself.
    Original,
}

/// What the node that was to show it says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Showed {
    /// What was done.
    pub parts: Vec<Done>,
    /// What went wrong, if anything.
    pub fault: Option<Fault>,
}

/// A rehearsal that showed what it was to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsed {
    /// Who ran the group meanwhile.
    pub from: NodeName,
    /// Who showed it.
    pub to: NodeName,
    /// What.
    pub depth: Depth,
    /// When.
    pub at: Wall,
    /// How long all of it took.
    pub took: Span,
}

/// Why a group cannot be rehearsed so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Nothing says how a copy of this volume is made.
    Copy(String),
    /// This resource cannot be started without what it is made for.
    Alone(String),
}

impl Depth {
    /// Its word, as it is typed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Isolate => "isolate",
        }
    }
}

impl Came {
    /// Its word, as JSON has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Part {
    /// Its word, as JSON has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Check => "check",
            Self::Mount => "mount",
            Self::Read => "read",
            Self::Start => "start",
            Self::Monitor => "monitor",
            Self::Stop => "stop",
            Self::Drop => "drop",
        }
    }
}

impl Rehearsal {
    /// Whether it is not over.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.state == Beside::UnderWay
    }

    /// Whether something has come that goes first: the group is not run any more as it was, or
    /// another comes to the node that shows it, or is to leave it.
    #[must_use]
    pub fn is_disturbed(&self, record: &Record, group: &GroupName) -> bool {
        let stands = record.group(group).is_some_and(|entry| self.stands(entry));
        let moves = |(name, entry): (&GroupName, &GroupRecord)| {
            name != group && (comes_to(entry, &self.on) || leaves(entry, &self.on))
        };
        !stands || record.groups.iter().any(|(name, entry)| moves((name, &entry.value)))
    }

    /// Whether the group is run as it was when this began.
    fn stands(&self, entry: &GroupRecord) -> bool {
        let quiet = entry.intent == GroupIntent::Run && entry.pause.is_none();
        match &entry.ownership {
            Ownership::Owned { node, phase: Phase::Running, handover: None, .. } => {
                quiet && *node == self.owner && entry.epoch == self.epoch
            }
            Ownership::Owned { .. } | Ownership::Nobody => false,
        }
    }

    /// When whoever leads waits for it no longer.
    fn latest(&self) -> Wall {
        Wall(self.order.at.0.saturating_add((self.limit + AFTER).as_millis()))
    }

    /// Whether it is over although the node that was to show it says nothing: it is another life
    /// of it, or it is lost, or far too much time has passed.
    #[must_use]
    pub fn is_lost(&self, situation: &Situation<'_>) -> bool {
        if situation.at >= self.latest() {
            return true;
        }
        match situation.sights.get(&self.on) {
            Some(sight) => sight.boot != self.on_boot || matches!(sight.life, Life::Silent { .. }),
            // Who decides does not see itself.
            None => situation.by != self.on,
        }
    }
}

/// Whether a group is on its way to a node.
fn comes_to(entry: &GroupRecord, to: &NodeName) -> bool {
    match &entry.ownership {
        Ownership::Owned { handover: Some(next), .. } if next == to => true,
        Ownership::Owned { node, phase, .. } => match phase {
            Phase::Running => false,
            Phase::Starting | Phase::Failing => node == to,
        },
        Ownership::Nobody => false,
    }
}

/// Whether a group that a node has is to be let go of there.
fn leaves(entry: &GroupRecord, from: &NodeName) -> bool {
    match &entry.ownership {
        Ownership::Owned { node, handover, .. } => {
            node == from && (handover.is_some() || entry.intent != GroupIntent::Run)
        }
        Ownership::Nobody => false,
    }
}

/// What keeps a group from being rehearsed so, as it is configured.
#[must_use]
pub fn lacks(spec: &GroupSpec, depth: Depth) -> Option<Lack> {
    for resource in &spec.resources {
        let name = || resource.name.to_string();
        match &resource.kind {
            ResourceKind::Volume { source: VolumeSource::Block(_), .. }
                if !spec.rehearsing.copies.contains_key(&resource.name) =>
            {
                return Some(Lack::Copy(name()));
            }
            ResourceKind::Ocf { .. } | ResourceKind::Unit { .. } if depth == Depth::Isolate => {
                return Some(Lack::Alone(name()));
            }
            ResourceKind::Volume { .. }
            | ResourceKind::Address { .. }
            | ResourceKind::Ocf { .. }
            | ResourceKind::Unit { .. }
            | ResourceKind::Process { .. } => {}
        }
    }
    None
}

/// The rehearsal that a node is to carry out, and of which group.
#[must_use]
pub fn on<'a>(record: &'a Record, node: &NodeName) -> Option<(&'a GroupName, &'a Rehearsal)> {
    under_way(record).find(|(_, rehearsal)| rehearsal.on == *node)
}

/// Every rehearsal that is under way.
pub fn under_way(record: &Record) -> impl Iterator<Item = (&GroupName, &Rehearsal)> {
    let groups = record.groups.iter();
    groups.filter_map(|(group, entry)| Some((group, entry.value.drills.rehearsing()?)))
}

/// It is over: the entry that says so; none if the record says so already.
#[must_use]
pub fn over(
    record: &Record,
    (group, command): (&GroupName, &str),
    showed: Option<&Showed>,
    (by, at): (&NodeName, Wall),
) -> Option<Draft> {
    let known = record.group(group)?;
    let found = known.drills.rehearsing().filter(|known| known.order.command == command)?;
    let came = match showed {
        None => Came::Interrupted,
        Some(Showed { fault: None, .. }) => Came::Proven,
        Some(Showed { fault: Some(_), .. }) => Came::Failed,
    };
    let mut ended = found.clone();
    ended.state = Beside::Ended { at, came };
    if let Some(showed) = showed {
        ended.parts.clone_from(&showed.parts);
        ended.fault.clone_from(&showed.fault);
    }
    let turn = DrillTurn::Rehearsed { depth: ended.depth, node: ended.on.clone(), came };
    let mut next = known.clone();
    if came == Came::Proven {
        prove(&mut next.drills.rehearsed, &ended, at);
    }
    let what = Happening::Drill { by: ended.order.by.clone(), turn };
    next.drills.rehearsal = Some(Box::new(ended));
    let (of, epoch) = (Some(group.clone()), Some(known.epoch));
    let event = EventRecord { at, by: by.clone(), group: of, epoch, what };
    let draft = Draft::default().unless_changed(record, EntryName::Group(group.clone()));
    let draft = draft.write(Write::Group(group.clone(), Arc::new(next)));
    Some(draft.write(Write::Event(event)))
}

/// Each direction and depth has its newest proof.
fn prove(all: &mut Vec<Rehearsed>, shown: &Rehearsal, at: Wall) {
    let (from, to, depth) = (shown.owner.clone(), shown.on.clone(), shown.depth);
    all.retain(|old| (&old.from, &old.to, old.depth) != (&from, &to, depth));
    let took = Span::millis(shown.parts.iter().map(|done| done.millis).sum());
    all.push(Rehearsed { from, to, depth, at, took });
    all.sort_by(|a, b| (&a.from, &a.to, a.depth).cmp(&(&b.from, &b.to, b.depth)));
}

/// The entry that ends a rehearsal which something else came before, or whose node is lost.
#[must_use]
pub fn due(situation: &Situation<'_>) -> Option<Draft> {
    let record = situation.record;
    let over_now = |(group, rehearsal): (&GroupName, &Rehearsal)| {
        rehearsal.is_disturbed(record, group) || rehearsal.is_lost(situation)
    };
    let (group, rehearsal) = under_way(record).find(|found| over_now(*found))?;
    let by = (&situation.by, situation.at);
    over(record, (group, &rehearsal.order.command), None, by)
}

/// When the next rehearsal is ended that says nothing of itself.
#[must_use]
pub fn next_bound(record: &Record) -> Option<Wall> {
    under_way(record).map(|(_, rehearsal)| rehearsal.latest()).min()
}

#[cfg(test)]
mod tests;
