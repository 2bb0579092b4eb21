//! Where the desks meet the ledger, the lease and the guardian.

use std::collections::BTreeSet;
use std::sync::Arc;

use tsugi_vocabulary::{BootId, Epoch, GroupName, Moment, ResourceName, Wall};

use super::machine::{Node, Taken};
use super::{Now, Order};
use crate::desk::{
    Act, Before, Desk, Ended, Ground, Input, Mend, Probe, ScriptEvent, State, Terms, Why, Wish,
};
use crate::mirror::Promotion;
use crate::mutant::mutant;
use crate::planner::{self, Wanted};
use crate::reason::{Cause, How, Mishap, Nature};
use crate::record::{
    Answer, Failure, GroupRecord, Guard, Happening, LinkState, Ownership, Pause, Phase, Record,
};
use crate::spec::{GroupSpec, ResourceKind, Takeover};
use crate::start_kind::{Ending, StartKind};

impl Node {
    /// Makes every desk what the record says it should be.
    pub(super) fn reconcile(&mut self, now: Now, record: &Record, out: &mut Vec<Order>) {
        if !self.from_before.is_empty() {
            self.from_before.retain(|group, _| record.groups.contains_key(group));
        }
        for (group, entry) in &record.groups {
            let mine = entry.value.owner() == Some(&self.me);
            if mine {
                self.reconcile_mine(now, group, &entry.value, out);
                self.holder.want(group, entry.value.epoch, entry.version, self.stop_budget(group));
            } else if self.desks.contains_key(group) {
                self.reconcile_other(now, group, entry.value.epoch, out);
            }
        }
        let gone = |g: &&GroupName| !record.groups.contains_key(*g);
        let gone: Vec<GroupName> = self.desks.keys().filter(gone).cloned().collect();
        for group in gone {
            self.reconcile_other(now, &group, Epoch::NONE, out);
        }
    }

    /// Compares what is run here with what is configured: whenever one of the two has changed.
    pub(super) fn compare_with_applied(&mut self) {
        let otherwise = self.specs.iter().filter(|of| self.is_otherwise(*of));
        self.as_started = otherwise.map(|(group, _)| group.clone()).collect();
    }

    /// Whether a group that is run here is configured otherwise now. What is not of its resources
    /// is taken up at once.
    fn is_otherwise(&self, (group, run_as): (&GroupName, &Arc<GroupSpec>)) -> bool {
        let now = self.record.spec().and_then(|spec| spec.groups.get(group));
        now.is_some_and(|now| now.starts_otherwise_than(run_as))
    }

    fn reconcile_mine(
        &mut self,
        now: Now,
        group: &GroupName,
        entry: &GroupRecord,
        out: &mut Vec<Order>,
    ) {
        let epoch = entry.epoch;
        self.reconcile_pin(group, (epoch, entry.pause.as_ref()), out);
        if entry.pause.is_none() {
            self.act_on_what_was_left(now, group, out);
        }
        let desk = self.desks.get(group);
        let held = desk.and_then(Desk::epoch);
        let busy = desk.is_some_and(|d| {
            !matches!(d.state, State::Clear | State::Released { .. } | State::Waiting { .. })
        });
        if busy && held != Some(epoch) {
            return self.tell_desk(now, group, Input::Stop(Why::Superseded), out);
        }
        if held != Some(epoch) {
            let before = self.from_before.remove(group) == Some(epoch)
                || held.is_none() && is_of_another_life(entry, self.boot);
            self.take_spec(group, if before { Some(epoch) } else { None }, rose(entry));
            if before {
                self.adopting.insert(group.clone());
            }
            let input = if before { Input::OursFromBefore(epoch) } else { Input::Ours(epoch) };
            self.tell_desk(now, group, input, out);
            if before && rose(entry) == Rose::NotYet && !mutant("adopted-half-way") {
                // A former agent died while it started the group: nobody would hear of a script
                // that fails after all, or of a program that never gets ready.
                let ended = self.ended.get(group).copied().unwrap_or_default();
                let cause = ended.cause(&self.me);
                self.tell_desk(now, group, Input::Stop(Why::Failure(cause)), out);
            }
            self.beat_now();
        }
        match planner::wanted(&self.record, group, &self.me) {
            Some(Wanted::HandOver(to)) => {
                self.tell_desk(now, group, Input::Stop(Why::HandOver(to)), out);
            }
            Some(Wanted::Stop) => self.tell_desk(now, group, Input::Stop(Why::Ordered), out),
            Some(Wanted::Run) | None => {}
        }
    }

    /// What died alone is a failure once the group is not paused any more: of one that is only
    /// observed it is told, and acted on when that ends.
    fn act_on_what_was_left(&mut self, now: Now, group: &GroupName, out: &mut Vec<Order>) {
        let unwell = self.desks.get(group).and_then(Desk::unwell).cloned();
        if unwell.is_none() && !self.died_alone.contains_key(group) {
            return;
        }
        let acts = self.takeover_of(group) == Takeover::Automatic;
        if !acts && unwell.is_some() {
            return;
        }
        if let Some((under, resource, how)) = self.died_alone.remove(group) {
            return self.on_died(now, (group, under), resource, how, out);
        }
        if let Some(cause) = unwell {
            self.tell_desk(now, group, Input::Stop(Why::Failure(cause)), out);
        }
    }

    /// What a former agent left as it was is so still, as far as the plan says; a monitor that
    /// answers may show otherwise.
    pub(super) fn leave_as_told(&mut self, group: &GroupName) {
        let told = self.record.plan.as_ref().and_then(|plan| plan.decisions.get(group));
        let here =
            |cause: &&Cause| cause.nature() == Nature::OwnFailure && cause.node() == Some(&self.me);
        let cause = told.and_then(|decision| decision.cause.as_ref()).filter(here).cloned();
        let observed = self.takeover_of(group) == Takeover::Observe;
        if let (Some(cause), Some(desk), true) = (cause, self.desks.get_mut(group), observed) {
            desk.leave(cause);
        }
    }

    fn reconcile_other(&mut self, now: Now, group: &GroupName, epoch: Epoch, out: &mut Vec<Order>) {
        let Some(held) = self.desks.get(group).and_then(Desk::epoch) else { return };
        if epoch != Epoch::NONE && held > epoch {
            // The record lags behind what this node has been given; it will catch up.
            return;
        }
        self.tell_desk(now, group, Input::Stop(Why::Superseded), out);
        let released = |d: &Desk| matches!(d.state, State::Released { .. });
        if self.desks.get(group).is_some_and(released) {
            self.tell_desk(now, group, Input::Over(epoch.max(held)), out);
        }
        if self.desks.get(group).is_some_and(|d| d.state == State::Clear) {
            self.holder.forget(group);
            self.pinned.remove(group);
            self.desks.remove(group);
            self.specs.remove(group);
            self.compare_with_applied();
            self.ended.remove(group);
        }
    }

    /// L9: a pin that is applied disarms the guardian; a resume arms it again first.
    fn reconcile_pin(
        &mut self,
        group: &GroupName,
        (epoch, pause): (Epoch, Option<&Pause>),
        out: &mut Vec<Order>,
    ) {
        let disarm = pause
            .is_some_and(|p| p.guard == Guard::Disarmed && p.pinned.as_ref() == Some(&self.me));
        if disarm {
            if self.pinned.insert(group.clone()) {
                self.armed.remove(group);
                out.push(Order::Disarm { group: group.clone(), epoch });
            }
        } else {
            self.pinned.remove(group);
        }
    }

    /// As what the group is run from now on. What a former agent left under this epoch is what it
    /// was configured as then: another configuration may have been applied since, and by that one
    /// an address or a volume of the former would be left behind.
    fn take_spec(&mut self, group: &GroupName, left_under: Option<Epoch>, rose: Rose) {
        let former = self.taken_on.remove(group).filter(|taken| left_under == Some(taken.epoch));
        self.ended.remove(group);
        if left_under.is_some() {
            self.ended.insert(group.clone(), ended_since(former.as_ref(), (rose, self.machine)));
        }
        let applied = || self.record.spec().and_then(|s| s.groups.get(group)).cloned();
        let former = former.map(|taken| taken.spec);
        if let Some(spec) = former.or_else(|| applied().map(Arc::new)) {
            self.specs.insert(group.clone(), spec);
            self.compare_with_applied();
        }
    }

    fn stop_budget(&self, group: &GroupName) -> tsugi_vocabulary::Span {
        let spec = self.specs.get(group);
        spec.and_then(|s| s.stop_budget).unwrap_or(self.timing.stop)
    }

    /// A majority has promised: the guardian hears of it before anything starts (L3).
    pub(super) fn on_leased(
        &mut self,
        now: Now,
        group: &GroupName,
        (epoch, deadline): (Epoch, Moment),
        out: &mut Vec<Order>,
    ) {
        let waits = |desk: &Desk| matches!(desk.state, State::Waiting { .. });
        // No other desk has a use for it, and every renewal comes here.
        if self.desks.get(group).is_some_and(waits) {
            self.tell_desk(now, group, Input::Leased(epoch), out);
        }
        let Some(desk) = self.desks.get(group) else { return };
        let arm = match &desk.state {
            State::Adopting { epoch: e, .. }
            | State::Arming { epoch: e }
            | State::Starting { epoch: e, .. }
            | State::Running { epoch: e }
            | State::Stopping { epoch: e, .. }
            | State::Mending { epoch: e, .. } => *e == epoch,
            State::Clear
            | State::Waiting { .. }
            | State::LettingGo { .. }
            | State::Released { .. }
            | State::Stuck { .. } => false,
        };
        if arm {
            out.push(Order::Arm { group: group.clone(), epoch, deadline });
        }
    }

    /// Drops what this node may no longer run.
    pub(super) fn drop_lapsed(&mut self, now: Now, out: &mut Vec<Order>) {
        self.mark_silent(now.lease);
        for group in self.holder.lapsed(now.lease) {
            if !self.pinned.contains(&group) {
                self.tell_desk(now, &group, Input::Lapsed, out);
            }
        }
    }

    pub(super) fn ask_monitors(&mut self, now: Now, out: &mut Vec<Order>) {
        let due = |d: &Desk| d.next_ask().is_some_and(|at| at <= now.lease);
        let groups: Vec<GroupName> =
            self.desks.iter().filter(|(_, d)| due(d)).map(|(g, _)| g.clone()).collect();
        for group in groups {
            if self.pinned.contains(&group) {
                continue;
            }
            self.with_desk(now, &group, |desk, ground, out| desk.ask(ground, out), out);
        }
    }

    pub(super) fn on_died(
        &mut self,
        now: Now,
        (group, epoch): (&GroupName, Epoch),
        resource: ResourceName,
        how: How,
        out: &mut Vec<Order>,
    ) {
        // After the deadline it was the guardian that ended the program: it is the lease that ran
        // out, on a machine that stood still, whoever tells of it first.
        self.drop_lapsed(now, out);
        let held = self.desks.get(group).and_then(Desk::epoch);
        if held != Some(epoch) || self.watched_died(now, (group, epoch), (&resource, &how), out) {
            return;
        }
        if how.mishap.is_lost_volume() {
            // Neither a pause nor that takeovers are only observed lets anybody write on.
            let node = self.me.clone();
            let cause = Cause::ProcessDied { node, resource: resource.clone(), how };
            return self.tell_desk(now, group, Input::Died(resource, cause, Mend::LetGo), out);
        }
        if self.pinned.contains(group) {
            // Left alone until the pause is over; then it is a failure like any other.
            self.died_alone.insert(group.clone(), (epoch, resource, how));
            return;
        }
        let node = self.me.clone();
        let cause = Cause::ProcessDied { node, resource: resource.clone(), how: how.clone() };
        let runs = self.desks.get(group).is_some_and(|d| d.state == State::Running { epoch });
        if runs && self.takeover_of(group) == Takeover::Observe {
            self.died_alone.insert(group.clone(), (epoch, resource.clone(), how));
            return self.tell_desk(now, group, Input::Died(resource, cause, Mend::Leave), out);
        }
        let mend = self.mend(group, now.wall);
        self.tell_desk(now, group, Input::Died(resource, cause, mend), out);
    }

    /// Whether what is decided for a group is carried out, as it is configured now.
    pub(super) fn takeover_of(&self, group: &GroupName) -> Takeover {
        let spec = self.record.spec().and_then(|spec| spec.groups.get(group));
        spec.map(|spec| spec.takeover).unwrap_or_default()
    }

    /// What the group's policy says to a failure now (CL-20, CL-21).
    fn mend(&self, group: &GroupName, at: Wall) -> Mend {
        let unseen = self.paperwork.unseen(group, self.desks.get(group).and_then(Desk::epoch));
        match planner::answer_to_failure(&self.record, group, (&self.me, at), unseen) {
            // Whose scripts have loaded programs is begun anew as a whole: a script that ran again
            // would find its own ids taken.
            Answer::Restarted if self.has_watched(group) => Mend::GiveAway,
            Answer::Restarted => Mend::InPlace,
            Answer::TakenOver | Answer::GaveUp => Mend::GiveAway,
        }
    }

    pub(super) fn on_guardian_lost(&mut self, now: Now, out: &mut Vec<Order>) {
        let armed = std::mem::take(&mut self.armed);
        self.note(now, None, Happening::GuardianLost { node: self.me.clone() });
        // Nothing is here of a group that waits for its lease.
        let is_here = |desk: &Desk| !matches!(desk.state, State::Waiting { .. });
        let here = self
            .desks
            .iter()
            .filter(|(group, desk)| is_here(desk) && !self.pinned.contains(*group));
        let here = here.filter_map(|(group, desk)| Some((group.clone(), desk.epoch()?)));
        for (group, epoch) in here.collect::<Vec<_>>() {
            // Hands let go of every group that was armed when the guardian died. Of one that it
            // had not confirmed, as after a resume, nobody knows: that is let go now.
            let is_armed = armed.get(&group) == Some(&epoch);
            let input = if is_armed { Input::GuardianReleased(epoch) } else { Input::Lapsed };
            self.tell_desk(now, &group, input, out);
        }
    }

    pub(super) fn on_link(
        &mut self,
        now: Now,
        link: String,
        state: LinkState,
        out: &mut Vec<Order>,
    ) {
        let before = self.links.insert(link.clone(), state);
        if before == Some(state) {
            return;
        }
        self.links_told.changed = now.lease;
        // How a link stood when the node started is no event.
        if before.is_some() {
            let what = Happening::Link { node: self.me.clone(), link: link.clone(), state };
            self.note(now, None, what);
        }
        self.beat_now();
        self.paperwork.plan_again();
        if state == LinkState::Down {
            self.move_addresses(now, &link, out);
        }
    }

    /// The interfaces under the addresses of the groups that this node holds.
    #[must_use]
    pub fn links_in_use(&self) -> BTreeSet<&str> {
        let held = self.desks.iter().filter(|(_, desk)| desk.state != State::Clear);
        let specs = held.filter_map(|(group, _)| self.specs.get(group));
        specs.flat_map(|spec| spec.links_needed()).flatten().map(String::as_str).collect()
    }

    /// An address whose link went down moves to the next link of this node (PH-08).
    fn move_addresses(&mut self, now: Now, down: &str, out: &mut Vec<Order>) {
        let mut moved = Vec::new();
        for (group, desk) in &self.desks {
            let State::Running { epoch } = desk.state else { continue };
            let Some(spec) = self.specs.get(group) else { continue };
            for resource in &spec.resources {
                let ResourceKind::Address { links, address, .. } = &resource.kind else {
                    continue;
                };
                let up = |l: &&String| self.links.get(*l) != Some(&LinkState::Down);
                if !links.iter().any(|l| l == down) {
                    continue;
                }
                if let Some(link) = links.iter().find(up) {
                    let what =
                        Act::MoveAddress { resource: resource.name.clone(), link: link.clone() };
                    // Its outcome changes nothing here: the address is verified where it stands.
                    out.push(Order::Do { group: group.clone(), epoch, act: 0, what });
                    let (address, from, link) = (*address, down.to_owned(), link.clone());
                    let what = Happening::AddressMoved { address, from, link };
                    moved.push(((group.clone(), epoch), what));
                }
            }
        }
        for (about, what) in moved {
            self.note(now, Some(about), what);
        }
    }

    /// Gives one input to a desk and turns its wishes into orders.
    pub(super) fn tell_desk(
        &mut self,
        now: Now,
        group: &GroupName,
        input: Input,
        out: &mut Vec<Order>,
    ) {
        self.with_desk(now, group, |desk, ground, out| desk.step(ground, input, out), out);
    }

    /// Has a desk take a step, and turns its wishes into orders.
    fn with_desk(
        &mut self,
        now: Now,
        group: &GroupName,
        step: impl FnOnce(&mut Desk, &Ground<'_>, &mut Vec<Wish>),
        out: &mut Vec<Order>,
    ) {
        let Some(spec) = self.specs.get(group).cloned() else { return };
        let terms = self.terms(group);
        let me = self.me.clone();
        let ended = self.ended.get(group).copied().unwrap_or_default();
        let takeover = self.takeover_of(group);
        let entry = self.record.group(group);
        let suspended = entry
            .into_iter()
            .flat_map(|g| g.suspended_at(now.wall))
            .map(|s| s.id.clone())
            .collect();
        // Nobody else asks what the policy would say.
        let by_method = spec.resources.iter().any(|r| r.restart().is_some());
        let mend = if by_method { self.mend(group, now.wall) } else { Mend::GiveAway };
        let ground = Ground {
            spec: &spec,
            now: now.lease,
            me: &me,
            terms,
            takeover,
            ended,
            suspended,
            mend,
        };
        let mut wishes = Vec::new();
        let desk = self.desks.entry(group.clone()).or_default();
        let before = (desk.unwell().cloned(), desk.failing().cloned());
        step(desk, &ground, &mut wishes);
        if (desk.unwell().cloned(), desk.failing().cloned()) != before {
            self.beat_now();
            self.paperwork.plan_again();
        }
        self.grant(now, group, wishes, out);
    }

    /// What scripts are told, and whether the network is asked before an address is taken.
    pub(super) fn terms(&self, group: &GroupName) -> Terms {
        let owned = self.record.group(group).and_then(|entry| match &entry.ownership {
            Ownership::Owned { start, cause, .. } => Some((entry, *start, cause)),
            Ownership::Nobody => None,
        });
        let Some((entry, kind, cause)) = owned else {
            let (kind, event) = (StartKind::Restart, ScriptEvent::Start);
            return Terms {
                kind,
                event,
                reason: "superseded",
                probe: Probe::Once,
                before: Before::Unclean,
                promotion: Promotion::default(),
            };
        };
        let last = entry.failures.last().map(|failure| &failure.cause);
        let probe = match entry.ended {
            Ending::Unknown => Probe::Once,
            Ending::Failure => after(cause).max(last.map_or(Probe::NotNeeded, after)),
            Ending::Orderly | Ending::Forced => Probe::NotNeeded,
        };
        let (event, reason) = (ScriptEvent::of(cause, &self.me), cause.word());
        let (before, epoch) = (Before::of(entry.ended), entry.epoch);
        let promotion = entry.copies.promotion(epoch, &self.me);
        Terms { kind, event, reason, probe, before, promotion }
    }

    fn grant(&mut self, now: Now, group: &GroupName, wishes: Vec<Wish>, out: &mut Vec<Order>) {
        for wish in wishes {
            match wish {
                Wish::Do(epoch, act, what) => {
                    out.push(Order::Do { group: group.clone(), epoch, act, what });
                }
                Wish::Started(epoch, steps, took) => {
                    self.paperwork.started(group, epoch, (steps, took));
                    self.paperwork.plan_again();
                }
                Wish::Released(epoch, why) => {
                    self.note_undone(now, (group, epoch), &why);
                    self.holder.released(group, epoch);
                    self.armed.remove(group);
                    out.push(Order::Disarm { group: group.clone(), epoch });
                    self.paperwork.plan_again();
                    self.beat_now();
                }
                Wish::Record(epoch, cause) => {
                    let (node, answer) = (self.me.clone(), Answer::Restarted);
                    let failure = Failure { at: now.wall, node, cause, answer };
                    self.paperwork.mend(group, epoch, failure);
                }
                Wish::Tell(epoch, id, turn) => {
                    let what = Happening::Monitor { id, turn };
                    self.note(now, Some((group.clone(), epoch)), what);
                }
                Wish::Stuck(epoch, left) => {
                    self.holder.give_up(group);
                    let what = Happening::Unreleased { left };
                    self.note(now, Some((group.clone(), epoch)), what);
                    self.paperwork.plan_again();
                    self.beat_now();
                }
            }
        }
    }
}

/// Whether an ownership was given to another life of this node's agent than this one. A machine
/// that lost its disk does not know what a former life of it was given, ran and released. A life
/// that has had the group itself knows that nothing of it is left, whomever the entry means.
fn is_of_another_life(entry: &GroupRecord, boot: BootId) -> bool {
    match &entry.ownership {
        Ownership::Owned { boot: Some(given_to), .. } => *given_to != boot,
        Ownership::Owned { boot: None, .. } | Ownership::Nobody => false,
    }
}

/// How a failure has the network asked for an address: a start that failed may have failed because
/// somebody else has it; what failed later had it until its release.
fn after(failure: &Cause) -> Probe {
    match failure {
        Cause::StartFailed { how: How { mishap: Mishap::AddressInUse { .. }, .. }, .. } => {
            Probe::Insistent
        }
        Cause::StartFailed { .. } => Probe::Once,
        _ => Probe::NotNeeded,
    }
}

/// How far an owner had come, as the record has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rose {
    /// Everything of the group was up.
    Up,
    /// It was being started, or let go of.
    NotYet,
}

fn rose(entry: &GroupRecord) -> Rose {
    match &entry.ownership {
        Ownership::Owned { phase: Phase::Running, .. } => Rose::Up,
        Ownership::Owned { phase: Phase::Starting | Phase::Failing, .. } | Ownership::Nobody => {
            Rose::NotYet
        }
    }
}

/// What has ended since a group was taken on here. The page about it is written before anything
/// comes up and outlives the agent, but need not outlive the machine.
fn ended_since(taken: Option<&Taken>, (rose, machine): (Rose, BootId)) -> Ended {
    match (taken, rose) {
        (Some(Taken { machine: Some(then), .. }), _) if *then != machine => Ended::Machine,
        (Some(_), _) | (None, Rose::NotYet) => Ended::Agent,
        (None, Rose::Up) => Ended::Machine,
    }
}
