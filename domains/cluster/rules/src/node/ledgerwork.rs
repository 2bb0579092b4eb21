//! What a node has to put to the ledger: plans if it leads, reports of its own groups, events.
//!
//! Each pass looks at what is and what the record says, so a lost answer is asked again and a
//! report that was overtaken is made anew; nothing here is kept across a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_vocabulary::{BootId, Epoch, GroupName, Index, Moment, NodeName, Span};

use super::machine::{Node, Stay};
use super::{Fate, Now, Order, failures};
use crate::desk::{Desk, Input, State, Why};
use crate::drill::rehearsal;
use crate::lease::former_majority_out_there;
use crate::mutant::any_planted;
use crate::plan::Situation;
use crate::planner;
use crate::record::{
    Draft, EntryName, EventRecord, Failure, FenceFault, GroupRecord, Guard, Happening, NodeIntent,
    NodeRecord, Ownership, Phase, Record, Write,
};

/// What a proposal is about; one is open at a time for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Plan,
    Group(GroupName),
    Leave,
    Fence(NodeName),
    Devices,
    Links,
    Rehearsal,
    Notes,
}

/// What waits for the ledger.
#[derive(Clone, Debug, Default)]
pub(super) struct Paperwork {
    numbers: u64,
    open: BTreeMap<u64, Subject>,
    /// Taken at this entry, not yet applied here.
    taken: BTreeMap<Subject, Index>,
    /// No answer came: not again before this moment.
    not_before: BTreeMap<Subject, Moment>,
    plan: PlanDue,
    /// When a plan may differ although nothing happens: a pause ends, a failure is forgotten.
    plan_by_time: Option<Moment>,
    started: BTreeMap<GroupName, (Epoch, planner::Took)>,
    mends: BTreeMap<GroupName, Failure>,
    /// Restarts in place under an epoch that the record has not shown yet.
    unseen: BTreeMap<GroupName, (Epoch, Vec<Failure>)>,
    notes: Vec<EventRecord>,
    sent_notes: Vec<EventRecord>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PlanDue {
    #[default]
    Yes,
    No,
}

/// After a proposal without an answer.
const RETRY: Span = Span::millis(40);
/// Events that wait for a leader; the oldest are dropped beyond this.
const NOTES: usize = 64;

impl Paperwork {
    /// Something that plans are made from has changed.
    pub(super) fn plan_again(&mut self) {
        self.plan = PlanDue::Yes;
    }

    /// Keeps what is to be written down until somebody leads; of too many the newest.
    pub(super) fn keep(&mut self, events: impl IntoIterator<Item = EventRecord>) {
        self.notes.extend(events);
        self.notes.drain(..self.notes.len().saturating_sub(NOTES));
    }

    /// A group is up here.
    pub(super) fn started(&mut self, group: &GroupName, epoch: Epoch, took: planner::Took) {
        self.started.insert(group.clone(), (epoch, took));
    }

    /// A resource is being restarted in place.
    pub(super) fn mend(&mut self, group: &GroupName, epoch: Epoch, failure: Failure) {
        self.mends.insert(group.clone(), failure.clone());
        let (of, unseen) = self.unseen.entry(group.clone()).or_insert((epoch, Vec::new()));
        if *of != epoch {
            (*of, *unseen) = (epoch, Vec::new());
        }
        unseen.push(failure);
    }

    /// The restarts in place of a group under this epoch that count although a view that lags, or
    /// a ledger that did not answer, does not show them.
    pub(super) fn unseen(&self, group: &GroupName, epoch: Option<Epoch>) -> &[Failure] {
        let under = self.unseen.get(group).filter(|(of, _)| Some(*of) == epoch);
        under.map_or(&[], |(_, unseen)| unseen)
    }

    /// What the record shows now counts there, until somebody takes it out.
    pub(super) fn look_for_unseen(&mut self, record: &Record) {
        self.unseen.retain(|group, (_, unseen)| {
            let shown = record.group(group).map_or(&[][..], |entry| &entry.failures);
            unseen.retain(|failure| !shown.contains(failure));
            !unseen.is_empty()
        });
    }

    pub(super) fn retry_at(&self) -> Option<Moment> {
        self.not_before.values().copied().chain(self.plan_by_time).min()
    }

    pub(super) fn leave_recorded(&self) -> bool {
        self.taken.contains_key(&Subject::Leave)
    }

    fn may(&self, subject: &Subject, now: Moment, applied: Index) -> bool {
        let open = self.open.values().any(|s| s == subject);
        let lagging = self.taken.get(subject).is_some_and(|index| applied < *index);
        let waits = self.not_before.get(subject).is_some_and(|at| now < *at);
        !open && !lagging && !waits
    }
}

impl Node {
    /// Puts to the ledger what has to be put.
    pub(super) fn do_paperwork(&mut self, now: Now, out: &mut Vec<Order>) {
        if !self.paperwork.not_before.is_empty() {
            self.paperwork.not_before.retain(|_, at| now.lease < *at);
        }
        if self.paperwork.plan_by_time.is_some_and(|at| at <= now.lease) {
            self.paperwork.plan_by_time = None;
            self.paperwork.plan_again();
        }
        self.plan_if_leading(now, out);
        self.report_groups(now, out);
        self.finish_mends(now, out);
        self.report_leave(now, out);
        self.report_fences(now, out);
        self.report_found_off(now, out);
        self.report_devices(now, out);
        self.report_links(now, out);
        self.report_rehearsal(now, out);
        self.send_notes(now, out);
    }

    fn propose(&mut self, subject: Subject, draft: Draft, out: &mut Vec<Order>) {
        self.paperwork.numbers += 1;
        let proposal = self.paperwork.numbers;
        self.paperwork.open.insert(proposal, subject);
        out.push(Order::Propose { proposal, draft });
    }

    fn plan_if_leading(&mut self, now: Now, out: &mut Vec<Order>) {
        let leads = self.leader.as_ref() == Some(&self.me);
        if !leads || self.paperwork.plan == PlanDue::No || self.record.config.is_none() {
            return;
        }
        if former_majority_out_there(&self.record) {
            return;
        }
        if !self.paperwork.may(&Subject::Plan, now.lease, self.record.applied) {
            return;
        }
        let record = Arc::clone(&self.record);
        let situation = Situation {
            record: &record,
            sights: self.sights(now.lease),
            by: self.me.clone(),
            at: now.wall,
            settled: self.settled(now.lease),
        };
        let planned = planner::plan(&situation);
        self.paperwork.plan = PlanDue::No;
        let next = planner::next_by_time(&self.record, now.wall);
        self.paperwork.plan_by_time =
            next.map(|wall| now.lease + Span::millis(wall.0.saturating_sub(now.wall.0)));
        let faults = crate::check::check(&self.record, &planned);
        let sound = faults.is_empty() || any_planted();
        debug_assert!(sound, "a plan that breaks an invariant: {faults:?}");
        if !faults.is_empty() {
            return;
        }
        // A drill goes on where nothing else has to be decided.
        let draft = planned.draft.or_else(|| rehearsal::due(&situation));
        let draft = draft.or_else(|| self.drill_due(now, &situation));
        let draft = draft.or_else(|| self.stretch_due(now, &situation));
        let draft = draft.or_else(|| self.failure_due(&situation));
        let draft = draft.or_else(|| self.former_leases_over(now.lease));
        let late = rehearsal::next_bound(&self.record)
            .map(|wall| now.lease + Span::millis(wall.0.saturating_sub(now.wall.0)));
        let bounds = [
            self.drills.next_bound(&self.record, now),
            late.filter(|at| *at > now.lease),
            self.stretch.next_bound(&self.record, now),
            failures::next_bound(&self.record, now),
            self.former_over.filter(|at| *at > now.lease),
        ];
        let bounds = bounds.into_iter().flatten();
        self.paperwork.plan_by_time = self.paperwork.plan_by_time.into_iter().chain(bounds).min();
        if let Some(draft) = draft {
            self.propose(Subject::Plan, draft, out);
        }
    }

    /// Puts to the ledger what the desks have to report.
    fn report_groups(&mut self, now: Now, out: &mut Vec<Order>) {
        let drafts = self.desks.iter().filter_map(|(group, desk)| {
            let draft = self.report_draft(now, group, desk)?;
            let subject = Subject::Group(group.clone());
            let may = self.paperwork.may(&subject, now.lease, self.record.applied);
            may.then_some((subject, draft))
        });
        for (subject, draft) in drafts.collect::<Vec<_>>() {
            self.propose(subject, draft, out);
        }
    }

    /// What one group's desk has to report.
    fn report_draft(&self, now: Now, group: &GroupName, desk: &Desk) -> Option<Draft> {
        let record = &*self.record;
        let entry = record.group(group)?;
        let Ownership::Owned { node, phase, .. } = &entry.ownership else { return None };
        if *node != self.me || desk.epoch() != Some(entry.epoch) {
            return None;
        }
        match &desk.state {
            State::Released { why: Why::Ordered | Why::HandOver(_), .. } => {
                let down = (desk.down(), self.life_of_next(&entry.ownership));
                planner::handed_over(record, group, down, &self.me, now.wall)
            }
            State::Mending { .. } | State::Stopping { why: Why::Mend(_), .. } => {
                planner::mended(record, group, self.paperwork.mends.get(group)?)
            }
            State::Running { .. } if *phase != Phase::Running => {
                let took = self.paperwork.started.get(group);
                let took = took.map(|(_, took)| took.clone()).unwrap_or_default();
                let me = (&self.me, self.boot);
                planner::report_running(record, group, took, me, now.wall)
            }
            State::Running { .. } => self.unpin_armed(group, entry),
            State::Released { why: Why::Failure(_) | Why::Lapsed, .. } => {
                unpin(record, group).or_else(|| self.given_back(now, (group, entry), desk))
            }
            // Nothing of it is here, so there is nothing for a guardian to end.
            State::Waiting { .. } | State::Released { .. } => unpin(record, group),
            State::Clear
            | State::Adopting { .. }
            | State::Arming { .. }
            | State::Starting { .. }
            | State::Stopping { .. }
            | State::LettingGo { .. }
            | State::Stuck { .. } => None,
        }
    }

    /// The life of the node that a group goes to, as it is heard.
    fn life_of_next(&self, ownership: &Ownership) -> Option<BootId> {
        let Ownership::Owned { handover: Some(to), .. } = ownership else { return None };
        let peer = self.peers.get(to)?;
        peer.heard().map(|_| peer.boot())
    }

    /// L9: the guardian is armed again with a fresh lease, so the pin may go.
    fn unpin_armed(&self, group: &GroupName, entry: &GroupRecord) -> Option<Draft> {
        let draft = unpin(&self.record, group)?;
        let fresh = self.holder.deadline(group).is_some_and(|d| d > self.last_step);
        // A fresh lease is not enough: until the guardian has confirmed, nobody would end the
        // group if this agent died now.
        let guarded = self.armed.get(group) == Some(&entry.epoch);
        (fresh && guarded && !self.pinned.contains(group)).then_some(draft)
    }

    fn report_leave(&mut self, now: Now, out: &mut Vec<Order>) {
        let Stay::Leaving { .. } = self.stay else { return };
        let Some(entry) = self.record.nodes.get(&self.me) else { return };
        if entry.value.intent == NodeIntent::Leaving(self.boot) {
            self.paperwork.taken.entry(Subject::Leave).or_insert(self.record.applied);
            return;
        }
        if matches!(entry.value.intent, NodeIntent::Drained(_)) {
            self.paperwork.taken.entry(Subject::Leave).or_insert(self.record.applied);
            return;
        }
        if self.paperwork.may(&Subject::Leave, now.lease, self.record.applied) {
            let intent = NodeIntent::Leaving(self.boot);
            let next = NodeRecord { intent, ..(*entry.value).clone() };
            let draft = self.own_entry(next);
            self.propose(Subject::Leave, draft, out);
        }
    }

    /// What the record is to say of this node.
    fn own_entry(&self, next: NodeRecord) -> Draft {
        Draft::default()
            .unless_changed(&self.record, EntryName::Node(self.me.clone()))
            .write(Write::Node(self.me.clone(), Arc::new(next)))
    }

    fn report_fences(&mut self, now: Now, out: &mut Vec<Order>) {
        for (node, order, outcome) in self.fences_ended(now) {
            if outcome == Err(FenceFault::Wrong) {
                self.catch(&node);
            }
            let subject = Subject::Fence(node.clone());
            if !self.paperwork.may(&subject, now.lease, self.record.applied) {
                continue;
            }
            let ended = (&order, outcome);
            if let Some(draft) = planner::fence_ended(&self.record, &node, ended, now.wall) {
                self.propose(subject, draft, out);
            }
        }
    }

    /// What a device said of a node that misses beats is told to a leader that is another.
    fn report_found_off(&mut self, now: Now, out: &mut Vec<Order>) {
        for (node, boot, took) in self.found_off() {
            let subject = Subject::Fence(node.clone());
            let led = self.leader.as_ref().is_some_and(|leader| *leader != node);
            if !led || !self.paperwork.may(&subject, now.lease, self.record.applied) {
                continue;
            }
            let by = (&self.me, now.wall);
            if let Some(draft) = planner::found_off(&self.record, (&node, boot), took, by) {
                self.propose(subject, draft, out);
            }
        }
    }

    fn report_devices(&mut self, now: Now, out: &mut Vec<Order>) {
        let Some(next) = self.devices_to_report() else { return };
        if self.paperwork.may(&Subject::Devices, now.lease, self.record.applied) {
            let draft = self.own_entry(next);
            self.propose(Subject::Devices, draft, out);
        }
    }

    fn report_links(&mut self, now: Now, out: &mut Vec<Order>) {
        let Some(next) = self.links_to_tell(now.lease) else { return };
        if self.paperwork.may(&Subject::Links, now.lease, self.record.applied) {
            let draft = self.own_entry(next);
            self.propose(Subject::Links, draft, out);
        }
    }

    fn report_rehearsal(&mut self, now: Now, out: &mut Vec<Order>) {
        let Some((group, command, showed)) = self.shown() else { return };
        let by = (&self.me, now.wall);
        let Some(draft) = rehearsal::over(&self.record, (group, command), Some(showed), by) else {
            return;
        };
        if self.paperwork.may(&Subject::Rehearsal, now.lease, self.record.applied) {
            self.propose(Subject::Rehearsal, draft, out);
        }
    }

    /// Writes down something that happened.
    pub(super) fn note(&mut self, now: Now, about: Option<(GroupName, Epoch)>, what: Happening) {
        self.paperwork.keep([self.event(now, about, what)]);
    }

    /// Something that happens now, as this node tells it.
    pub(super) fn event(
        &self,
        now: Now,
        about: Option<(GroupName, Epoch)>,
        what: Happening,
    ) -> EventRecord {
        let (group, epoch) = about.unzip();
        EventRecord { at: now.wall, by: self.me.clone(), group, epoch, what }
    }

    pub(super) fn note_clock_step(&mut self, now: Now, by_ms: i64) {
        let what = Happening::ClockStepped { node: self.me.clone(), by_ms };
        self.note(now, None, what);
    }

    fn send_notes(&mut self, now: Now, out: &mut Vec<Order>) {
        if self.paperwork.notes.is_empty() || self.leader.is_none() {
            return;
        }
        if !self.paperwork.may(&Subject::Notes, now.lease, Index(u64::MAX)) {
            return;
        }
        let notes = std::mem::take(&mut self.paperwork.notes);
        let mut draft = Draft::default();
        draft.writes.extend(notes.iter().cloned().map(Write::Event));
        self.paperwork.sent_notes = notes;
        self.propose(Subject::Notes, draft, out);
    }

    pub(super) fn on_proposed(&mut self, now: Now, proposal: u64, fate: Fate) {
        let Some(subject) = self.paperwork.open.remove(&proposal) else { return };
        match fate {
            Fate::Taken(index) => {
                self.paperwork.taken.insert(subject.clone(), index);
            }
            // Notes rest on nothing but on not being told yet: that this view does not know of it
            // will pass, and until then asking again at once would be in vain.
            Fate::Overtaken if subject != Subject::Notes => {}
            Fate::Overtaken | Fate::Unknown => {
                self.paperwork.not_before.insert(subject.clone(), now.lease + RETRY);
            }
        }
        match (&subject, fate) {
            (Subject::Plan, Fate::Overtaken | Fate::Unknown) => self.paperwork.plan_again(),
            (Subject::Group(group), Fate::Taken(_) | Fate::Unknown) => {
                self.paperwork.mends.remove(group);
            }
            (Subject::Notes, Fate::Overtaken | Fate::Unknown) => {
                let mut again = std::mem::take(&mut self.paperwork.sent_notes);
                again.append(&mut self.paperwork.notes);
                again.drain(..again.len().saturating_sub(NOTES));
                self.paperwork.notes = again;
            }
            (
                Subject::Plan
                | Subject::Leave
                | Subject::Devices
                | Subject::Links
                | Subject::Rehearsal
                | Subject::Fence(_)
                | Subject::Notes,
                Fate::Taken(_),
            )
            | (
                Subject::Group(_)
                | Subject::Leave
                | Subject::Devices
                | Subject::Links
                | Subject::Rehearsal
                | Subject::Fence(_),
                Fate::Overtaken | Fate::Unknown,
            ) => {}
        }
    }

    /// The failure of a resource that is being mended is in the ledger, or the ledger does not
    /// answer: the lease still stands, so the restart goes on either way.
    fn finish_mends(&mut self, now: Now, out: &mut Vec<Order>) {
        let ready = |(group, desk): (&GroupName, &Desk)| {
            let mending = matches!(desk.state, State::Mending { .. });
            let ready = mending && !self.paperwork.mends.contains_key(group);
            ready.then(|| group.clone())
        };
        let ready: Vec<GroupName> = self.desks.iter().filter_map(ready).collect();
        for group in ready {
            self.tell_desk(now, &group, Input::Recorded, out);
        }
    }
}

/// Ends a pin whose resume was ordered.
fn unpin(record: &Record, group: &GroupName) -> Option<Draft> {
    let entry = record.group(group)?;
    if entry.pause.as_ref()?.guard != Guard::Rearming {
        return None;
    }
    let next = GroupRecord { pause: None, ..entry.clone() };
    let draft = Draft::default().unless_changed(record, EntryName::Group(group.clone()));
    Some(draft.write(Write::Group(group.clone(), Arc::new(next))))
}
