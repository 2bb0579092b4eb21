//! The calls of a pool: given to workers, and ended by them.

use tsugi_vocabulary::Moment;

use super::{Free, Order, Origin, Place, Pool, Posture, Run, Worker};
use crate::ground::Effects;
use crate::mutant::mutant;
use crate::worker::life::{self, Abnormal, State, Turn};

impl Pool {
    /// A worker that can take a call. One is left for services that are called by others: their
    /// callers hold the writer, and would wait for whoever waits for it.
    pub(super) fn free(&self, from: Origin) -> Option<Worker> {
        if self.places_free(from) == 0 {
            return None;
        }
        let free = |(_, place): &(&Worker, &Place)| self.is_free(place, from);
        // One that remembers that unit goes first.
        let own = |(_, place): &(&Worker, &Place)| match from {
            Origin::Unit(unit) => place.unit == Some(unit),
            Origin::Queue | Origin::Service => false,
        };
        let mut all = self.places.iter().filter(free);
        let own = all.clone().find(own).or_else(|| all.next());
        own.map(|(worker, _)| *worker)
    }

    /// Whether a worker has nothing to do, and nothing that its next call would have to wait for.
    fn is_free(&self, place: &Place, from: Origin) -> bool {
        let free = match (self.settings.free, from) {
            (Free::Settled, Origin::Unit(unit)) if place.unit == Some(unit) => true,
            (Free::Settled, _) if !mutant("next-before-durable") => place.unsettled.is_empty(),
            (Free::Settled | Free::Done, _) => true,
        };
        place.life.state() == State::Ready && free
    }

    /// How many workers can take a call.
    pub(super) fn places_free(&self, from: Origin) -> usize {
        if self.posture != Posture::Serving {
            return 0;
        }
        let ready = |place: &&Place| self.is_free(place, from);
        let busy = |place: &&Place| match place.life.state() {
            State::Busy(_) => true,
            // It waits for what it has done.
            State::Ready => !self.is_free(place, from),
            State::Starting { .. }
            | State::Leaving { .. }
            | State::Killed { .. }
            | State::Gone { .. } => false,
        };
        let all = match from {
            Origin::Queue if !mutant("spare-taken") => self.settings.start.max(1),
            Origin::Queue | Origin::Service | Origin::Unit(_) => usize::MAX,
        };
        let left = all.saturating_sub(self.places.values().filter(busy).count());
        left.min(self.places.values().filter(ready).count())
    }

    pub(super) fn on_give(
        &mut self,
        now: Moment,
        (run, from): (Run, Origin),
        out: &mut Vec<Order>,
    ) {
        let Some(worker) = self.free(from) else { return out.push(Order::Again(run)) };
        self.begin(now, worker, (run, from), out);
    }

    /// The worker that remembers a caller's former call has its next one, where it is free.
    pub(super) fn on_follow(
        &mut self,
        now: Moment,
        (run, former): (Run, Run),
        out: &mut Vec<Order>,
    ) {
        let remembers = |place: &Place| place.unsettled.contains_key(&former);
        let mut places = self.places.iter();
        let free = |place: &Place| place.life.state() == State::Ready && remembers(place);
        match places.find(|(_, place)| free(place)).map(|(worker, _)| *worker) {
            Some(worker) if self.posture == Posture::Serving && !mutant("follows-anyone") => {
                self.begin(now, worker, (run, Origin::Service), out);
            }
            Some(_) | None => self.on_give(now, (run, Origin::Service), out),
        }
    }

    fn begin(
        &mut self,
        now: Moment,
        worker: Worker,
        (run, from): (Run, Origin),
        out: &mut Vec<Order>,
    ) {
        let Some(place) = self.places.get_mut(&worker) else { return };
        self.next_turn += 1;
        let turn = Turn(self.next_turn);
        place.call = Some((turn, run));
        place.unit = match from {
            Origin::Unit(unit) => Some(unit),
            Origin::Queue | Origin::Service => None,
        };
        self.live(now, worker, life::Event::Given(turn), out);
    }

    /// What cannot be begun ahead any more is begun elsewhere.
    pub(super) fn on_ahead(&mut self, run: Run, worker: Worker, out: &mut Vec<Order>) {
        if self.ahead(worker).is_none() {
            return out.push(Order::Again(run));
        }
        let Some(place) = self.places.get_mut(&worker) else { return };
        self.next_turn += 1;
        let turn = Turn(self.next_turn);
        place.ahead.push_back((turn, run));
        out.push(Order::BeginAhead(worker, turn, run));
    }

    /// What was begun ahead in a worker that is free now, or that is not used any more.
    pub(super) fn go_on(&mut self, now: Moment, worker: Worker, out: &mut Vec<Order>) {
        let Some(place) = self.places.get_mut(&worker) else { return };
        match place.life.state() {
            State::Ready | State::Leaving { has: None, .. } => {
                let Some((turn, run)) = place.ahead.pop_front() else { return };
                place.call = Some((turn, run));
                self.live(now, worker, life::Event::Follows(turn), out);
            }
            State::Killed { .. } | State::Gone { .. } if mutant("ahead-lost") => {}
            State::Killed { .. } | State::Gone { .. } => {
                out.extend(place.ahead.drain(..).map(|(_, run)| Order::Again(run)));
            }
            State::Starting { .. } | State::Busy(_) | State::Leaving { has: Some(_), .. } => {}
        }
    }

    /// The worker that has a call is told of its clock; a call that is over has none.
    pub(super) fn on_clock(
        &mut self,
        now: Moment,
        run: Run,
        event: fn(Turn) -> life::Event,
        out: &mut Vec<Order>,
    ) {
        let of = |place: &Place| place.call.filter(|(_, has)| *has == run).map(|(turn, _)| turn);
        let has = self.places.iter().find_map(|(worker, place)| Some((*worker, of(place)?)));
        if let Some((worker, turn)) = has {
            self.live(now, worker, event(turn), out);
        }
    }

    pub(super) fn on_settled(&mut self, run: Run) {
        for place in self.places.values_mut() {
            place.unsettled.remove(&run);
        }
    }

    /// Its worker remembers what never was.
    pub(super) fn on_undone(&mut self, now: Moment, run: Run, out: &mut Vec<Order>) {
        let of = |place: &Place| {
            let mut begun = place.call.iter().chain(&place.ahead);
            let begun = begun.find(|(_, has)| *has == run).map(|(turn, _)| *turn);
            begun.or_else(|| place.unsettled.get(&run).copied())
        };
        for place in self.places.values_mut() {
            place.held = place.held.filter(|(held, _)| *held != run);
        }
        let ran = self.places.iter().find_map(|(worker, place)| Some((*worker, of(place)?)));
        let Some((worker, turn)) = ran else { return };
        if let Some(place) = self.places.get_mut(&worker) {
            place.ahead.retain(|(_, has)| *has != run);
        }
        self.live(now, worker, life::Event::Undone(turn), out);
        if let Some(place) = self.places.get_mut(&worker) {
            place.unsettled.remove(&run);
            place.call = place.call.filter(|(_, has)| *has != run);
        }
    }

    /// What a worker's own table orders, of the call that it has.
    pub(super) fn of_call(&mut self, worker: Worker, order: life::Order, out: &mut Vec<Order>) {
        let outside = self.settings.effects == Effects::Outside;
        let waits = outside && !mutant("outside-told-while-it-runs");
        let Some(place) = self.places.get_mut(&worker) else { return };
        match order {
            life::Order::Begin(_) => {
                out.extend(place.call.map(|(turn, run)| Order::Begin(worker, turn, run)));
            }
            life::Order::Operate(_) => {
                out.extend(place.call.map(|(turn, run)| Order::Operate(worker, turn, run)));
            }
            life::Order::Keep(turn) => {
                let Some((_, run)) = place.call.take() else { return };
                place.unsettled.insert(run, turn);
                place.done = place.done.saturating_add(1);
                self.failures = 0;
                out.push(Order::Keep(worker, run));
            }
            life::Order::Abnormal(_, abnormal) => {
                let Some((_, run)) = place.call.take() else { return };
                match place.life.state() {
                    State::Killed { .. } if waits => place.held = Some((run, abnormal)),
                    State::Killed { .. }
                    | State::Starting { .. }
                    | State::Ready
                    | State::Busy(_)
                    | State::Leaving { .. }
                    | State::Gone { .. } => out.push(Order::Abnormal(run, abnormal)),
                }
            }
            life::Order::Again(_) => {
                out.extend(place.call.take().map(|(_, run)| Order::Again(run)));
            }
            life::Order::Leave => out.push(Order::Leave(worker)),
            life::Order::Kill(why) => out.push(Order::Kill(worker, why)),
            life::Order::Broken => out.push(Order::Broken(worker)),
        }
    }

    /// What was held back until nothing of its worker runs.
    pub(super) fn tell_held(place: &mut Place, out: &mut Vec<Order>) {
        let held: Option<(Run, Abnormal)> = place.held.take();
        out.extend(held.map(|(run, abnormal)| Order::Abnormal(run, abnormal)));
    }
}
