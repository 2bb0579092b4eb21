//! How many processes a pool has: births, deaths, and when no more are tried.

use std::collections::{BTreeMap, VecDeque};

use tsugi_vocabulary::{Moment, Span};

use super::{FAILURES_MOST, Order, PAUSE_FIRST, PAUSE_MOST, Place, Pool, Posture, Worker};
use crate::mutant::mutant;
use crate::worker::life::{self, Exit, Life, State, Why};

impl Pool {
    /// Whether fewer processes live than are wanted.
    pub(super) fn is_short(&self) -> bool {
        let lives = |place: &&Place| match place.life.state() {
            State::Starting { .. } | State::Ready | State::Busy(_) => true,
            State::Leaving { .. } | State::Killed { .. } | State::Gone { .. } => false,
        };
        let wanted = self.settings.start.max(1) + self.settings.spare;
        self.posture == Posture::Serving && self.places.values().filter(lives).count() < wanted
    }

    /// Whether one more is to be started, at once or after the pause. After a birth that failed
    /// one is tried at a time.
    pub(super) fn may_bear(&self) -> bool {
        let starting = |place: &Place| matches!(place.life.state(), State::Starting { .. });
        let tried = self.failures > 0 && self.places.values().any(starting);
        self.is_short() && self.places.len() < self.settings.most && !tried
    }

    /// Starts what is missing.
    pub(super) fn bear(&mut self, now: Moment, out: &mut Vec<Order>) {
        while self.may_bear() && now >= self.not_before {
            self.next_worker += 1;
            let worker = Worker(self.next_worker);
            let place = Place {
                life: Life::new(now, self.settings.limits, self.settings.memory),
                call: None,
                ahead: VecDeque::new(),
                unsettled: BTreeMap::new(),
                unit: None,
                done: 0,
                round: self.failures,
                held: None,
            };
            self.places.insert(worker, place);
            out.push(Order::Bear(worker));
        }
    }

    pub(super) fn on_worker(
        &mut self,
        now: Moment,
        worker: Worker,
        event: life::Event,
        out: &mut Vec<Order>,
    ) {
        self.live(now, worker, event, out);
        let recycle = self.settings.recycle;
        let Some(place) = self.places.get(&worker) else { return };
        let worn = recycle > 0 && place.done >= recycle && !mutant("never-recycled");
        match place.life.state() {
            State::Ready if worn => self.live(now, worker, life::Event::Retire, out),
            State::Ready
            | State::Starting { .. }
            | State::Busy(_)
            | State::Leaving { .. }
            | State::Killed { .. }
            | State::Gone { .. } => {}
        }
    }

    /// One event of one worker, and what follows for the pool.
    pub(super) fn live(
        &mut self,
        now: Moment,
        worker: Worker,
        event: life::Event,
        out: &mut Vec<Order>,
    ) {
        let Some(place) = self.places.get_mut(&worker) else { return };
        let was_gone = matches!(place.life.state(), State::Gone { .. });
        let mut orders = Vec::new();
        place.life.step(now, event, &mut orders);
        for order in orders {
            self.of_call(worker, order, out);
        }
        self.go_on(now, worker, out);
        let Some(place) = self.places.get_mut(&worker) else { return };
        match place.life.state() {
            State::Gone { why, exit } if !was_gone => {
                Self::tell_held(place, out);
                let (done, round) = (place.done, place.round);
                out.push(Order::Sweep(worker));
                if done == 0 && round == self.failures && is_failure(why) {
                    self.fail(now, (why, exit), out);
                }
                if mutant("place-reused-unswept") {
                    self.places.remove(&worker);
                }
            }
            State::Gone { .. }
            | State::Starting { .. }
            | State::Ready
            | State::Busy(_)
            | State::Leaving { .. }
            | State::Killed { .. } => {}
        }
    }

    /// After a pause another is tried, until that was in vain too often.
    fn fail(&mut self, now: Moment, (why, exit): (Why, Exit), out: &mut Vec<Order>) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MOST && !mutant("never-given-up") {
            if self.posture == Posture::Serving {
                self.posture = Posture::GivenUp { why, exit };
                out.push(Order::GiveUp(why, exit));
            }
            return;
        }
        let doubled = PAUSE_FIRST.0.saturating_mul(1 << (self.failures - 1).min(20));
        self.not_before = now + Span(doubled).min(PAUSE_MOST);
    }

    pub(super) fn on_swept(&mut self, worker: Worker, out: &mut Vec<Order>) {
        let gone = |place: &Place| matches!(place.life.state(), State::Gone { .. });
        if !self.places.get(&worker).is_some_and(gone) {
            return;
        }
        self.places.remove(&worker);
        self.say_drained(out);
    }

    pub(super) fn on_retire(&mut self, now: Moment, out: &mut Vec<Order>) {
        if self.posture == Posture::Retired {
            return;
        }
        self.posture = Posture::Retired;
        let workers: Vec<Worker> = self.places.keys().copied().collect();
        for worker in workers {
            self.live(now, worker, life::Event::Retire, out);
        }
        self.say_drained(out);
    }

    fn say_drained(&self, out: &mut Vec<Order>) {
        if self.posture == Posture::Retired && self.places.is_empty() {
            out.push(Order::Drained);
        }
    }

    /// What failed before does not count any more.
    pub(super) fn on_restart(&mut self, now: Moment) {
        match self.posture {
            Posture::Serving | Posture::GivenUp { .. } => {
                self.posture = Posture::Serving;
                self.failures = 0;
                self.not_before = now;
            }
            Posture::Retired => {}
        }
    }

    pub(super) fn on_woken(&mut self, now: Moment, out: &mut Vec<Order>) {
        let due = |(worker, place): (&Worker, &Place)| Some((*worker, place.life.due(now)?));
        let due: Vec<(Worker, life::Event)> = self.places.iter().filter_map(due).collect();
        for (worker, event) in due {
            self.on_worker(now, worker, event, out);
        }
    }
}

/// Whether an end without one call that was done counts against the births of a pool. What ended
/// with a call is that call's own end, and what was ordered is no failure.
const fn is_failure(why: Why) -> bool {
    match why {
        Why::Mismatch(_)
        | Why::SlowStart
        | Why::CannotStart(_)
        | Why::EndedAtStart
        | Why::BrokeProtocol
        | Why::Closed
        | Why::Flood
        | Why::Memory
        | Why::EndedIdle => true,
        Why::NotWanted | Why::RetireLimit | Why::WithCall(_) | Why::Undone | Why::Left => false,
    }
}
