//! What a command changes by itself, gathered beside the rules that refuse it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tsugi_vocabulary::{GroupName, NodeName};

use super::{Issued, audit, order, plan_after};
use crate::drill::failure::FailureTest;
use crate::mutant::mutant;
use crate::plan::{Beats, Chosen, Decision, Life, Sight, Situation};
use crate::planner::{Asked, Planned};
use crate::reason::{Cause, Rejected};
use crate::record::{
    AppliedConfig, Draft, DrillTurn, EntryName, EventRecord, GroupRecord, Happening, NodeRecord,
    Order, Ownership, Record, Restored, Stretch, Versioned, Write,
};
use crate::refusal::Refusal;
use crate::spec::{ClusterSpec, Mode};
use crate::start_kind::StartOption;

/// A command while it is being decided.
pub(super) struct Effect<'a> {
    pub situation: &'a Situation<'a>,
    pub issued: &'a Issued,
    /// The record with the command's own changes.
    record: Record,
    asked: BTreeMap<GroupName, Asked>,
    nodes: BTreeSet<NodeName>,
    refusals: Vec<Refusal>,
    /// Groups that must come out with this node, or with any.
    goals: Vec<(GroupName, Option<NodeName>)>,
    events: Vec<EventRecord>,
}

impl<'a> Effect<'a> {
    pub fn new(situation: &'a Situation<'a>, issued: &'a Issued) -> Self {
        Self {
            situation,
            issued,
            record: situation.record.clone(),
            asked: BTreeMap::new(),
            nodes: BTreeSet::new(),
            refusals: Vec::new(),
            goals: Vec::new(),
            events: Vec::new(),
        }
    }

    pub fn refuse(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
    }

    pub fn spec(&self) -> Option<&'a ClusterSpec> {
        self.situation.record.spec()
    }

    pub fn order(&self) -> Order {
        order(self.issued)
    }

    /// Service is interrupted, so a reason is asked for.
    pub fn needs_reason(&mut self) {
        if self.issued.reason.trim().is_empty() {
            self.refuse(Refusal::ReasonRequired);
        }
    }

    /// The groups that a name stands for: itself, or the members of the parallel group.
    pub fn groups(&mut self, name: &GroupName) -> Vec<(GroupName, GroupRecord)> {
        let specs = self.spec().map(|s| &s.groups);
        let named = specs.into_iter().flatten().filter(|(group, its)| {
            let member = matches!(&its.mode, Mode::MemberOf(whole) if whole == name);
            *group == name || member
        });
        let known = |group: &GroupName| self.situation.record.group(group).cloned();
        let found: Vec<(GroupName, GroupRecord)> =
            named.filter_map(|(group, _)| Some((group.clone(), known(group)?))).collect();
        if found.is_empty() {
            self.refuse(Refusal::NoSuchGroup { group: name.to_string() });
        }
        found
    }

    pub fn node(&mut self, name: &NodeName) -> Option<NodeRecord> {
        let configured = self.spec().is_some_and(|s| s.nodes.contains_key(name));
        let known = self.situation.record.nodes.get(name).map(|n| (*n.value).clone());
        if !configured || known.is_none() {
            self.refuse(Refusal::NoSuchNode { node: name.to_string() });
        }
        known
    }

    pub fn sight(&self, node: &NodeName) -> Option<&'a Sight> {
        self.situation.sights.get(node)
    }

    /// Refused because this node does not say that its version knows what is asked for: it is an
    /// older one, or has said nothing.
    pub fn refuse_for_version_of(&mut self, node: NodeName) {
        self.refuse(match self.sight(&node).map(|sight| sight.beats) {
            Some(Beats::Unheard) => Refusal::UnknownVersion { node },
            Some(Beats::Heard) | None => Refusal::OlderNode { node },
        });
    }

    pub fn is_heard(&self, node: &NodeName) -> bool {
        *node == self.situation.by || self.sight(node).is_some_and(|s| s.life == Life::Heard)
    }

    /// Whether a confirmed fence has ended the boot that owns a group.
    pub fn is_fenced(&self, entry: &GroupRecord) -> bool {
        let Ownership::Owned { node, boot: Some(boot), .. } = &entry.ownership else {
            return false;
        };
        let known = self.situation.record.nodes.get(node);
        known.is_some_and(|n| n.value.fenced == Some(*boot))
    }

    /// The groups that a node owns.
    pub fn owned_by(&self, node: &NodeName) -> Vec<GroupName> {
        let groups = self.situation.record.groups.iter();
        groups.filter(|(_, g)| g.value.owner() == Some(node)).map(|(n, _)| n.clone()).collect()
    }

    /// Writes a group; with an option, it is to be started.
    pub fn write_group(&mut self, name: &GroupName, next: GroupRecord, start: Option<StartOption>) {
        let by = self.issued.person.clone();
        let cause = Cause::Operator { by, reason: self.issued.reason.clone() };
        self.asked.insert(name.clone(), Asked { cause, start });
        if let Some(entry) = self.record.groups.get_mut(name) {
            entry.value = Arc::new(next);
        }
    }

    pub fn write_node(&mut self, name: &NodeName, next: NodeRecord) {
        self.nodes.insert(name.clone());
        let version = self.situation.record.version(&EntryName::Node(name.clone()));
        let value = Arc::new(next);
        self.record.nodes.insert(name.clone(), Versioned { version, value });
    }

    pub fn remove_node(&mut self, name: &NodeName) {
        self.nodes.insert(name.clone());
        self.record.nodes.remove(name);
    }

    pub fn write_restored(&mut self, restored: Restored) {
        self.record.restored = Some(Arc::new(restored));
    }

    pub fn write_stretch(&mut self, stretch: Stretch) {
        self.record.stretch = Some(Arc::new(stretch));
    }

    pub fn write_failure_test(&mut self, test: FailureTest) {
        self.record.failure_test = Some(Arc::new(test));
    }

    pub fn write_config(&mut self, config: AppliedConfig) {
        self.record.config = Some(Arc::new(config));
    }

    /// A drill goes on by this step.
    pub fn tell_of_drill(&mut self, group: &GroupName, turn: DrillTurn) {
        let what = Happening::Drill { by: self.issued.person.clone(), turn };
        let (at, by) = (self.situation.at, self.situation.by.clone());
        let epoch = self.situation.record.group(group).map(|g| g.epoch);
        self.events.push(EventRecord { at, by, group: Some(group.clone()), epoch, what });
    }

    /// The plan must give the group to this node, or to any.
    pub fn goal(&mut self, group: &GroupName, node: Option<&NodeName>) {
        self.goals.push((group.clone(), node.cloned()));
    }

    /// The command as one entry, unless a rule speaks against it.
    pub fn carry_out(mut self) -> Result<Planned, Refusal> {
        let early = self.refusals.iter().any(|r| r.number() < 9);
        if early {
            return Err(self.first_refusal());
        }
        let mut planned = plan_after(self.situation, &self.record, &self.asked);
        self.miss_goals(&planned);
        if !self.refusals.is_empty() {
            return Err(self.first_refusal());
        }
        planned.draft = planned.draft.map(|draft| self.complete(draft));
        Ok(planned)
    }

    fn first_refusal(self) -> Refusal {
        let lowest = self.refusals.into_iter().min_by_key(Refusal::number);
        lowest.expect("asked only when a rule has refused")
    }

    fn miss_goals(&mut self, planned: &Planned) {
        for (group, node) in std::mem::take(&mut self.goals) {
            let decision = planned.plan.decisions.get(&group);
            let got = decision.and_then(|d| match &d.chosen {
                Chosen::Give { node, .. } | Chosen::Stay { node } => Some(node),
                Chosen::HandOver { to, .. } => Some(to),
                Chosen::Stop { .. }
                | Chosen::Rest { .. }
                | Chosen::NoPlace
                | Chosen::Wait { .. } => None,
            });
            match (got, node) {
                (Some(_), None) => {}
                (Some(got), Some(node)) if *got == node => {}
                (_, Some(node)) => {
                    let why = self.why_not(&group, decision, &node);
                    self.refuse(Refusal::CannotTake { group, node, why });
                }
                (None, None) => {
                    let why = self.why_nobody(&group, decision);
                    self.refuse(Refusal::NobodyCanTake { group, why });
                }
            }
        }
    }

    fn why_not(&self, group: &GroupName, decision: Option<&Decision>, node: &NodeName) -> Rejected {
        let said = decision.and_then(|d| d.rejected.get(node)).cloned();
        let all = || crate::planner::obstacles(self.situation, group);
        let found = || all().into_iter().find(|(n, _)| n == node).and_then(|(_, why)| why);
        said.or_else(found).unwrap_or(Rejected::NotListed)
    }

    fn why_nobody(
        &self,
        group: &GroupName,
        decision: Option<&Decision>,
    ) -> Vec<(NodeName, Rejected)> {
        let said = decision.map(|d| d.rejected.clone()).filter(|r| !r.is_empty());
        match said {
            Some(rejected) => rejected.into_iter().collect(),
            None => crate::planner::obstacles(self.situation, group)
                .into_iter()
                .filter_map(|(node, why)| Some((node, why?)))
                .collect(),
        }
    }

    /// The plan's draft with the command's own writes, the versions the command was decided on,
    /// and its line in the audit.
    fn complete(&self, mut draft: Draft) -> Draft {
        let before = self.situation.record;
        for (name, version) in &mut draft.conditions {
            *version = before.version(name);
        }
        for name in self.asked.keys() {
            let written = draft.writes.iter().any(|w| match w {
                Write::Group(n, _) | Write::GroupGone(n) => n == name,
                _ => false,
            });
            if let (false, Some(entry)) = (written, self.record.groups.get(name)) {
                draft = draft
                    .unless_changed(before, EntryName::Group(name.clone()))
                    .write(Write::Group(name.clone(), Arc::clone(&entry.value)));
            }
        }
        for name in &self.nodes {
            draft.writes.retain(|w| !matches!(w, Write::Node(n, _) if n == name));
            draft = draft.unless_changed(before, EntryName::Node(name.clone()));
            draft = draft.write(match self.record.nodes.get(name) {
                Some(node) => Write::Node(name.clone(), Arc::clone(&node.value)),
                None => Write::NodeGone(name.clone()),
            });
        }
        if let Some(restored) = &self.record.restored
            && before.restored.as_ref() != Some(restored)
        {
            draft = draft.write(Write::Restored(Arc::clone(restored)));
        }
        if let Some(stretch) = &self.record.stretch
            && before.stretch.as_ref() != Some(stretch)
        {
            draft = draft.write(Write::Stretch(Arc::clone(stretch)));
        }
        if let Some(test) = &self.record.failure_test
            && before.failure_test.as_ref() != Some(test)
        {
            draft = draft.write(Write::FailureTest(Arc::clone(test)));
        }
        let changed = self.record.config.as_ref().filter(|c| Some(*c) != before.config.as_ref());
        if let Some(config) = changed.filter(|_| !mutant("config-half-applied")) {
            draft = draft.write(Write::Config(Arc::clone(config)));
        }
        draft.writes.extend(self.events.iter().cloned().map(Write::Event));
        draft.write(Write::Audit(audit(self.issued, "accepted".to_owned())))
    }
}

/// Ends a hand-over that is under way.
pub(super) fn stays(next: &mut GroupRecord) {
    if let Ownership::Owned { handover, .. } = &mut next.ownership {
        *handover = None;
    }
}

/// Where a group is on its way to.
pub(super) fn going(entry: &GroupRecord) -> Option<&NodeName> {
    match &entry.ownership {
        Ownership::Owned { handover, .. } => handover.as_ref(),
        Ownership::Nobody => None,
    }
}
