//! The watched programs of the groups that this node runs: what the lists of the record say, and
//! what is here.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_vocabulary::{Epoch, GroupName, Moment, ResourceName};

use super::machine::Node;
use super::{Now, Order};
use crate::desk::{Act, Desk, Input as DeskInput, Outcome, State as DeskState, Why};
use crate::plan::Settled;
use crate::planner;
use crate::reason::{Cause, How};
use crate::record::{Happening, Record};
use crate::spec::Takeover;
use crate::watch::table::{EndedBy, Ground, Input, Service, State, Watch, Wish};
use crate::watch::{WatchId, Watched};

/// A program by the name it runs under.
type Slot = (GroupName, ResourceName);

/// The watched programs that are here.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    here: BTreeMap<Slot, (Epoch, Watch)>,
    /// The starts and ends under way.
    acts: BTreeMap<u64, Slot>,
    numbers: u64,
}

/// The numbers of acts above this one are no desk's.
pub(super) const ACTS: u64 = 1 << 63;

impl Watches {
    pub(super) fn next_look(&self) -> Option<Moment> {
        self.here.values().filter_map(|(_, watch)| watch.next_look()).min()
    }
}

impl Node {
    /// Where the watched programs stand that are here, by the name they run under.
    #[must_use]
    pub fn watch_states(&self) -> BTreeMap<(GroupName, ResourceName), State> {
        let here = self.watches.here.iter();
        here.map(|(slot, (_, watch))| (slot.clone(), watch.state.clone())).collect()
    }

    /// Makes every watched program what the list of its group says.
    pub(super) fn tend_watches(&mut self, now: Now, record: &Record, out: &mut Vec<Order>) {
        if !self.watches.here.is_empty() || !self.watches.acts.is_empty() {
            self.forget_watches();
        }
        for (group, desk) in &self.desks {
            let Some(entry) = record.group(group) else { continue };
            let (list, epoch) = (&entry.watched, entry.epoch);
            if desk.epoch() != Some(epoch) || list.epoch != epoch || !is_serving(desk) {
                continue;
            }
            for watched in list.programs.values().filter(|watched| watched.ending.is_none()) {
                let slot = (group.clone(), watched.slot.clone());
                let new = || (epoch, Watch::new(State::New, now.lease));
                self.watches.here.entry(slot).or_insert_with(new);
            }
        }
        let slots: Vec<Slot> = self.watches.here.keys().cloned().collect();
        for slot in slots {
            self.tell_watch(now, &slot, Input::Look, out);
        }
    }

    /// What was here of groups that are not up any more is not.
    fn forget_watches(&mut self) {
        let desks = &self.desks;
        let is_up = |group: &GroupName, epoch: Epoch| {
            let desk = desks.get(group).filter(|desk| desk.epoch() == Some(epoch));
            desk.is_some_and(|d| !matches!(d.state, DeskState::Clear | DeskState::Released { .. }))
        };
        self.watches.here.retain(|(group, _), (epoch, _)| is_up(group, *epoch));
        let here = &self.watches.here;
        self.watches.acts.retain(|_, slot| here.contains_key(slot));
    }

    /// Whether the list of a group that this node runs holds anything.
    pub(super) fn has_watched(&self, group: &GroupName) -> bool {
        let entry = self.record.group(group);
        entry.is_some_and(|e| e.watched.epoch == e.epoch && !e.watched.programs.is_empty())
    }

    /// An act has ended: a desk's, or one of a watched program.
    pub(super) fn on_done(
        &mut self,
        now: Now,
        (group, epoch): (GroupName, Epoch),
        (act, outcome): (u64, Outcome),
        out: &mut Vec<Order>,
    ) {
        if self.on_return_told(now, act, &outcome) {
            return;
        }
        if act < ACTS {
            let found = match &outcome {
                Outcome::Adopted(found) => found.clone(),
                Outcome::Fine { .. }
                | Outcome::Forced { .. }
                | Outcome::Failed { .. }
                | Outcome::Stuck { .. }
                | Outcome::NoLink { .. } => Vec::new(),
            };
            let adopting = self.desks.get(&group).is_some_and(is_adopting);
            self.tell_desk(now, &group, DeskInput::Done(act, outcome), out);
            if adopting && self.desks.get(&group).is_some_and(is_serving) {
                self.adopt_watches(now, (&group, epoch), &found);
                self.leave_as_told(&group);
            }
            return;
        }
        let Some(slot) = self.watches.acts.remove(&act) else { return };
        let starting = matches!(
            self.watches.here.get(&slot).map(|(_, watch)| &watch.state),
            Some(State::Starting { .. })
        );
        let input = match (starting, outcome) {
            (true, Outcome::Fine { .. } | Outcome::Forced { .. } | Outcome::Adopted(_)) => {
                Input::Started
            }
            (true, Outcome::Failed { how } | Outcome::Stuck { left: how }) => {
                Input::NotStarted(how)
            }
            (true, Outcome::NoLink { link, .. }) => Input::NotStarted(link.into()),
            (false, Outcome::Fine { .. } | Outcome::Adopted(_)) => Input::Gone(EndedBy::Itself),
            (false, Outcome::Forced { .. }) => Input::Gone(EndedBy::Force),
            (false, Outcome::Failed { .. } | Outcome::Stuck { .. } | Outcome::NoLink { .. }) => {
                Input::NotGone
            }
        };
        self.tell_watch(now, &slot, input, out);
    }

    /// What a former agent left running of a list is watched on; what was not found has ended.
    fn adopt_watches(
        &mut self,
        now: Now,
        (group, epoch): (&GroupName, Epoch),
        found: &[ResourceName],
    ) {
        let is_resource = |name: &ResourceName| {
            let spec = self.specs.get(group);
            spec.is_some_and(|spec| spec.resources.iter().any(|r| r.name == *name))
        };
        let running = found.iter().filter(|name| !is_resource(name)).cloned();
        let running: Vec<ResourceName> = running.collect();
        let record = Arc::clone(&self.record);
        let list = record.group(group).map(|entry| &entry.watched);
        let listed = list.into_iter().filter(|list| list.epoch == epoch);
        let listed = listed.flat_map(|list| list.programs.values());
        for watched in listed.filter(|watched| watched.ending.is_none()) {
            let slot = (group.clone(), watched.slot.clone());
            self.watches.here.insert(slot, (epoch, Watch::new(State::Missing, now.lease)));
        }
        for name in running {
            let watch = Watch::new(State::Up, now.lease);
            self.watches.here.insert((group.clone(), name), (epoch, watch));
        }
    }

    /// Whether the program that ended was a watched one; its watch is told then.
    pub(super) fn watched_died(
        &mut self,
        now: Now,
        (group, epoch): (&GroupName, Epoch),
        (resource, how): (&ResourceName, &How),
        out: &mut Vec<Order>,
    ) -> bool {
        let slot = (group.clone(), resource.clone());
        let known = self.watches.here.get(&slot).is_some_and(|(of, _)| *of == epoch);
        if known {
            self.tell_watch(now, &slot, Input::Ended(how.clone()), out);
        }
        known
    }

    fn tell_watch(&mut self, now: Now, slot: &Slot, input: Input, out: &mut Vec<Order>) {
        let record = Arc::clone(&self.record);
        let (group, name) = slot;
        let Some(epoch) = self.watches.here.get(slot).map(|(epoch, _)| *epoch) else { return };
        let entry = record.group(group).filter(|entry| entry.epoch == epoch);
        let list = entry.map(|entry| &entry.watched).filter(|list| list.epoch == epoch);
        let listed = list.and_then(|list| list.programs.iter().find(|(_, w)| w.slot == *name));
        if listed.is_none() && !list.is_some_and(|list| list.gave_out(epoch, name)) {
            // The list is older than the program: what it is to be is not known yet.
            return;
        }
        let service = match self.desks.get(group) {
            Some(desk) if is_serving(desk) => Service::On,
            Some(_) | None => Service::Off,
        };
        let again = |(id, _): (&WatchId, &Watched)| {
            planner::scripts_again(&record, group, (&self.me, id.as_str()), now.wall)
        };
        let ground = Ground {
            now: now.lease,
            wanted: listed.map(|(_, watched)| watched),
            scripts_again: listed.map_or(0, again),
            service,
            paused: entry.is_some_and(|entry| entry.pause.is_some()),
            newest: record.applied >= self.newest && self.is_settled(now.lease),
        };
        let Some((_, watch)) = self.watches.here.get_mut(slot) else { return };
        let wishes = watch.step(&ground, input);
        for wish in wishes {
            self.grant_watch(now, (slot, epoch), (listed, wish), out);
        }
    }

    fn is_settled(&self, now: Moment) -> bool {
        self.settled(now) == Settled::Yes
    }

    fn grant_watch(
        &mut self,
        now: Now,
        (slot, epoch): (&Slot, Epoch),
        (listed, wish): (Option<(&WatchId, &Watched)>, Wish),
        out: &mut Vec<Order>,
    ) {
        let (group, name) = slot;
        let id = || listed.map_or_else(|| name.to_string(), |(id, _)| id.to_string());
        match wish {
            Wish::Start => {
                let Some((_, watched)) = listed else { return };
                let told = self.terms(group).told();
                let load = watched.load.clone();
                let what = Act::Load { slot: name.clone(), load, told };
                self.order_watch(slot, epoch, what, out);
            }
            Wish::End(within) => {
                self.order_watch(slot, epoch, Act::End { slot: name.clone(), within }, out);
            }
            Wish::Note(how, then) => {
                let what = Happening::WatchedEnded { id: id(), how, then };
                self.note(now, Some((group.clone(), epoch)), what);
            }
            Wish::Fail(how, recovery) => {
                let (node, takeover) = (self.me.clone(), self.takeover_of(group));
                let cause = Cause::WatchedEnded { node, id: id(), how, recovery };
                // One that fails while its group is being started is a start that failed.
                let running = self.desks.get_mut(group).filter(|d| is_running(d));
                if let (Some(desk), Takeover::Observe) = (running, takeover) {
                    desk.leave(cause);
                    self.beat_now();
                    return self.paperwork.plan_again();
                }
                self.tell_desk(now, group, DeskInput::Stop(Why::Failure(cause)), out);
            }
        }
    }

    fn order_watch(&mut self, slot: &Slot, epoch: Epoch, what: Act, out: &mut Vec<Order>) {
        self.watches.numbers += 1;
        let act = ACTS + self.watches.numbers;
        self.watches.acts.insert(act, slot.clone());
        out.push(Order::Do { group: slot.0.clone(), epoch, act, what });
    }
}

const fn is_running(desk: &Desk) -> bool {
    matches!(desk.state, DeskState::Running { .. })
}

/// Whether a group is being started, or runs: its scripts may load programs then.
fn is_serving(desk: &Desk) -> bool {
    match desk.state {
        DeskState::Starting { .. } | DeskState::Running { .. } => true,
        DeskState::Clear
        | DeskState::Adopting { .. }
        | DeskState::Waiting { .. }
        | DeskState::Arming { .. }
        | DeskState::Stopping { .. }
        | DeskState::Mending { .. }
        | DeskState::LettingGo { .. }
        | DeskState::Released { .. }
        | DeskState::Stuck { .. } => false,
    }
}

fn is_adopting(desk: &Desk) -> bool {
    matches!(desk.state, DeskState::Adopting { .. })
}
