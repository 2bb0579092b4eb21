//! A second pair of eyes: what every plan must satisfy before it is put to the ledger.
//!
//! It knows invariants, not passes; the daemon, the simulator and the tests use the same one.

use std::collections::BTreeMap;

use tsugi_vocabulary::{GroupName, NodeName};

use crate::plan::{Chosen, Decision, Waiting};
use crate::planner::Planned;
use crate::reason::{Cause, Nature};
use crate::record::{Draft, EntryName, GroupIntent, GroupRecord, Ownership, Record, Write};
use crate::spec::{ClusterSpec, FencePolicy, GroupSpec, Role, Takeover};
use crate::start_kind::Ending;

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its generation does not follow its parent, or its parent is not the newest plan.
    Generation,
    /// A new ownership does not raise the epoch, or an epoch changes without one.
    Epoch(GroupName),
    /// A group goes to a node that may not own it.
    NotListed(GroupName, NodeName),
    /// A pinned group changes its owner.
    Pinned(GroupName),
    /// A group is taken from an owner that nothing speaks against.
    GivenWithoutRelease(GroupName, NodeName),
    /// A volume is taken from a lost owner without the confirmed fence that it asks for.
    Unfenced(GroupName, NodeName),
    /// A group goes where one is that it must be apart from.
    Apart(GroupName, GroupName),
    /// A group goes where one is not that it must be together with.
    Together(GroupName, GroupName),
    /// A node was neither chosen nor rejected.
    Unexplained(GroupName, NodeName),
    /// What is written is not what was decided.
    DraftDiffers(GroupName),
    /// A group whose takeovers are only observed goes somewhere, and nobody has ordered it.
    Observed(GroupName),
    /// Something is overwritten whatever became of it meanwhile.
    Unconditional(EntryName),
}

/// Everything that is wrong with a plan; empty if it may be recorded.
#[must_use]
pub fn check(before: &Record, planned: &Planned) -> Vec<Fault> {
    let mut faults = Vec::new();
    let empty = Draft::default();
    let draft = planned.draft.as_ref().unwrap_or(&empty);
    let after = After::of(before, planned, draft);
    let Some(spec) = after.spec else { return faults };
    if planned.draft.is_some() {
        generation(&after, &mut faults);
        conditions(draft, &mut faults);
    }
    for (group, decision) in &planned.plan.decisions {
        explained(spec, group, decision, &mut faults);
        target(&after, group, decision, &mut faults);
        written_as_decided(&after, group, decision, &mut faults);
        observed(&after, group, decision, &mut faults);
    }
    for (group, next) in &after.written {
        ownership(&after, group, next.as_ref().copied(), &mut faults);
    }
    faults
}

/// The record as the draft would leave it.
struct After<'a> {
    before: &'a Record,
    planned: &'a Planned,
    draft: &'a Draft,
    spec: Option<&'a ClusterSpec>,
    /// None inside is a group that is gone.
    written: BTreeMap<&'a GroupName, Option<&'a GroupRecord>>,
}

impl<'a> After<'a> {
    fn of(before: &'a Record, planned: &'a Planned, draft: &'a Draft) -> Self {
        let mut spec = before.spec();
        let mut written = BTreeMap::new();
        for write in &draft.writes {
            match write {
                Write::Config(config) => spec = Some(&config.spec),
                Write::Group(name, next) => {
                    written.insert(name, Some(&**next));
                }
                Write::GroupGone(name) => {
                    written.insert(name, None);
                }
                Write::Node(..)
                | Write::NodeGone(_)
                | Write::Restored(_)
                | Write::Stretch(_)
                | Write::FailureTest(_)
                | Write::Plan(_)
                | Write::Event(_)
                | Write::Audit(_) => {}
            }
        }
        Self { before, planned, draft, spec, written }
    }

    fn group(&self, name: &GroupName) -> Option<&'a GroupRecord> {
        match self.written.get(name) {
            Some(next) => *next,
            None => self.before.group(name),
        }
    }

    fn group_spec(&self, name: &GroupName) -> Option<&'a GroupSpec> {
        self.spec.and_then(|s| s.groups.get(name))
    }

    fn decision(&self, name: &GroupName) -> Option<&'a Decision> {
        self.planned.plan.decisions.get(name)
    }

    /// Whether an operator's command is in the same entry.
    fn is_ordered(&self) -> bool {
        self.draft.writes.iter().any(|w| matches!(w, Write::Audit(_)))
    }
}

fn generation(after: &After<'_>, faults: &mut Vec<Fault>) {
    let plan = &after.planned.plan;
    let newest = after.before.generation();
    let carried = after.draft.writes.iter().any(|w| matches!(w, Write::Plan(p) if **p == *plan));
    if plan.parent != newest || plan.generation != newest.next() || !carried {
        faults.push(Fault::Generation);
    }
}

/// Every entry that is overwritten is conditioned on.
fn conditions(draft: &Draft, faults: &mut Vec<Fault>) {
    let needed = draft.writes.iter().filter_map(|write| match write {
        Write::Config(_) => Some(EntryName::Config),
        Write::Node(name, _) | Write::NodeGone(name) => Some(EntryName::Node(name.clone())),
        // It has no version of its own: every command goes through the plans.
        Write::Restored(_) | Write::Stretch(_) | Write::FailureTest(_) => Some(EntryName::Plan),
        Write::Group(name, _) | Write::GroupGone(name) => Some(EntryName::Group(name.clone())),
        Write::Plan(_) => Some(EntryName::Plan),
        Write::Event(_) | Write::Audit(_) => None,
    });
    for name in needed {
        if !draft.conditions.iter().any(|(n, _)| *n == name) {
            faults.push(Fault::Unconditional(name));
        }
    }
}

/// Every node of the configuration is chosen, or rejected with a reason.
fn explained(spec: &ClusterSpec, group: &GroupName, decision: &Decision, faults: &mut Vec<Fault>) {
    let taken = match &decision.chosen {
        Chosen::Stay { node } | Chosen::Give { node, .. } => Some(node),
        Chosen::HandOver { to, .. } => Some(to),
        Chosen::NoPlace => None,
        Chosen::Stop { .. } | Chosen::Rest { .. } | Chosen::Wait { .. } => return,
    };
    for node in spec.nodes.keys() {
        if Some(node) != taken && !decision.rejected.contains_key(node) {
            faults.push(Fault::Unexplained(group.clone(), node.clone()));
        }
    }
}

/// Where a group goes it may be, with whom and without whom it must be.
fn target(after: &After<'_>, group: &GroupName, decision: &Decision, faults: &mut Vec<Fault>) {
    let to = match &decision.chosen {
        Chosen::Give { node, .. } => node,
        Chosen::HandOver { to, .. } => to,
        Chosen::Stay { .. }
        | Chosen::Stop { .. }
        | Chosen::Rest { .. }
        | Chosen::NoPlace
        | Chosen::Wait { .. } => return,
    };
    let runs = after.spec.and_then(|s| s.nodes.get(to)).is_some_and(|n| n.role == Role::Node);
    let listed = after.group_spec(group).is_some_and(|s| s.prefer.contains(to));
    if !runs || !listed {
        faults.push(Fault::NotListed(group.clone(), to.clone()));
    }
    for other in related(after, group, |s| &s.apart) {
        let (at, going) = places(after.group(other));
        if at == Some(to) || going == Some(to) {
            faults.push(Fault::Apart(group.clone(), other.clone()));
        }
    }
    for other in related(after, group, |s| &s.together) {
        let (at, going) = places(after.group(other));
        if at.is_some() && going.or(at) != Some(to) && asks_for_company(after, other) {
            faults.push(Fault::Together(group.clone(), other.clone()));
        }
    }
}

/// What is only observed stays, or was ordered: now, by a hand-over that stands, or by the
/// configuration of a group that ended in order.
fn observed(after: &After<'_>, group: &GroupName, decision: &Decision, faults: &mut Vec<Fault>) {
    let observes = after.group_spec(group).is_some_and(|s| s.takeover == Takeover::Observe);
    let old = after.before.group(group).filter(|_| observes && !after.is_ordered());
    let Some(old) = old else { return };
    let standing = places(Some(old)).1.is_some();
    let ordered = match &decision.chosen {
        Chosen::Give { .. } => {
            let in_order = matches!(old.ended, Ending::Orderly | Ending::Forced);
            standing || old.owner().is_none() && in_order
        }
        Chosen::HandOver { .. } => {
            standing || decision.cause.as_ref().is_some_and(Cause::is_ordered)
        }
        Chosen::Stay { .. }
        | Chosen::Stop { .. }
        | Chosen::Rest { .. }
        | Chosen::NoPlace
        | Chosen::Wait { .. } => true,
    };
    if !ordered {
        faults.push(Fault::Observed(group.clone()));
    }
}

/// The groups that one names, or that name it.
fn related<'a>(
    after: &After<'a>,
    group: &'a GroupName,
    of: fn(&GroupSpec) -> &std::collections::BTreeSet<GroupName>,
) -> Vec<&'a GroupName> {
    let Some(spec) = after.spec else { return Vec::new() };
    let own = spec.groups.get(group).map(of);
    let names = |(name, its): (&'a GroupName, &'a GroupSpec)| {
        let named = own.is_some_and(|o| o.contains(name)) || of(its).contains(group);
        (named && name != group).then_some(name)
    };
    spec.groups.iter().filter_map(names).collect()
}

fn places(group: Option<&GroupRecord>) -> (Option<&NodeName>, Option<&NodeName>) {
    match group.map(|g| &g.ownership) {
        Some(Ownership::Owned { node, handover, .. }) => (Some(node), handover.as_ref()),
        Some(Ownership::Nobody) | None => (None, None),
    }
}

/// What waits, finds no place, stops or is pinned cannot be followed.
fn asks_for_company(after: &After<'_>, group: &GroupName) -> bool {
    let open = match after.decision(group).map(|d| &d.chosen) {
        None | Some(Chosen::Stay { .. } | Chosen::Give { .. } | Chosen::HandOver { .. }) => true,
        Some(Chosen::Stop { .. } | Chosen::Rest { .. } | Chosen::NoPlace | Chosen::Wait { .. }) => {
            false
        }
    };
    let runs = |g: &GroupRecord| g.intent == GroupIntent::Run && g.pause.is_none();
    open && after.group(group).is_some_and(runs)
}

/// What is written of a group is what was decided for it.
fn written_as_decided(
    after: &After<'_>,
    group: &GroupName,
    decision: &Decision,
    faults: &mut Vec<Fault>,
) {
    if after.planned.draft.is_none() {
        return;
    }
    let now = after.group(group);
    let (at, going) = places(now);
    let stands = match &decision.chosen {
        Chosen::Give { node, epoch } => {
            at == Some(node) && going.is_none() && now.is_some_and(|g| g.epoch == *epoch)
        }
        Chosen::HandOver { from, to } => at == Some(from) && going == Some(to),
        Chosen::Stay { node } => at == Some(node) && going.is_none(),
        Chosen::Stop { from } => at == Some(from),
        Chosen::Rest { .. } => at.is_none(),
        Chosen::NoPlace | Chosen::Wait { .. } => true,
    };
    if !stands {
        faults.push(Fault::DraftDiffers(group.clone()));
    }
}

/// Who owned a group before, and who does after.
fn ownership(
    after: &After<'_>,
    group: &GroupName,
    next: Option<&GroupRecord>,
    faults: &mut Vec<Fault>,
) {
    let Some(decision) = after.decision(group) else {
        return faults.push(Fault::DraftDiffers(group.clone()));
    };
    let Some(old) = after.before.group(group) else { return };
    let given = matches!(decision.chosen, Chosen::Give { .. });
    let raised = |next: &GroupRecord| next.epoch > old.epoch;
    let kept = |next: &GroupRecord| next.epoch == old.epoch;
    if next.is_some_and(|next| if given { !raised(next) } else { !kept(next) }) {
        faults.push(Fault::Epoch(group.clone()));
    }
    let Some(owner) = old.owner() else { return };
    let keeps = !given && next.and_then(GroupRecord::owner) == Some(owner);
    if keeps {
        return;
    }
    if old.pause.is_some() && !is_fenced(after, old) && !after.is_ordered() {
        faults.push(Fault::Pinned(group.clone()));
    }
    let excused = match &decision.chosen {
        Chosen::Give { .. } | Chosen::NoPlace | Chosen::Wait { on: Waiting::Observed { .. } } => {
            decision.cause.as_ref().is_some_and(|c| speaks_against(c, owner))
        }
        Chosen::Rest { .. } => true,
        Chosen::Stay { .. }
        | Chosen::HandOver { .. }
        | Chosen::Stop { .. }
        | Chosen::Wait { .. } => false,
    };
    let asks = match after.group_spec(group).map(|spec| spec.fence) {
        Some(FencePolicy::Confirmed) => true,
        Some(FencePolicy::Mirror) => !old.is_frozen_when_parted(),
        Some(FencePolicy::Lease | FencePolicy::SelfFence) | None => false,
    };
    if asks && given && lost(decision) && !is_fenced(after, old) {
        faults.push(Fault::Unfenced(group.clone(), owner.clone()));
    }
    if !excused {
        faults.push(Fault::GivenWithoutRelease(group.clone(), owner.clone()));
    }
}

/// Whether the owner was fenced before, or is in this very entry.
fn is_fenced(after: &After<'_>, group: &GroupRecord) -> bool {
    let Some(owner) = group.owner() else { return false };
    let now = after.draft.writes.iter().find_map(|w| match w {
        Write::Node(name, node) if name == owner => Some(&**node),
        _ => None,
    });
    let before = after.before.nodes.get(owner).map(|n| &*n.value);
    now.or(before).is_some_and(|n| n.fenced.is_some())
}

/// Whether a group is taken because nothing is heard of its owner.
fn lost(decision: &Decision) -> bool {
    matches!(decision.cause, Some(Cause::NodeSilent { .. } | Cause::OneWay { .. }))
}

/// Whether a cause says that this node no longer has the group. What is planned never does: an
/// owner that lives stops and hands over by itself.
fn speaks_against(cause: &Cause, owner: &NodeName) -> bool {
    match cause.nature() {
        Nature::OwnFailure | Nature::Loss => cause.node() == Some(owner),
        Nature::Wanted => false,
    }
}
