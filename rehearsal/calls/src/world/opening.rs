//! An engine opens its store.

use tsugi_service_rules::epoch::fence::{Event, Fence, Order};
use tsugi_service_rules::epoch::{Opening, Owner, at_open, compare};
use tsugi_service_rules::mutant::mutant;
use tsugi_vocabulary::Moment;

use super::{US, World};
use crate::engine::{Engine, Life, Todo};
use crate::rows::Write;
use crate::step::Step;
use crate::store::Kind;

impl World {
    pub(super) fn open(&mut self, node: usize, owner: Owner) {
        let own = owner.epoch.counter == self.epoch;
        if own && self.current().is_some() {
            // The former process of this node lives: it has the lock.
            return;
        }
        let last = if own { self.lease_until } else { 0 };
        self.engines.push(Engine::new(node, owner, last));
        let e = self.engines.len() - 1;
        if own {
            self.owner = e;
        }
        match self.kind {
            Kind::Volume => self.open_volume(e),
            Kind::Server => {
                let mut out = Vec::new();
                self.engines[e].fence = Some(Fence::begin(&mut out));
                out.into_iter().for_each(|order| self.carry_fence(e, order));
            }
        }
        self.go_on(e);
    }

    fn open_volume(&mut self, e: usize) {
        match self.store.recover() {
            Ok(all) => self.promises.wrote(&all, &self.store.durable),
            Err(what) => self.promises.breaks("content_is_bound", what),
        }
        let owner = self.engines[e].owner;
        match at_open(compare(self.store.rows.owner, owner)) {
            Opening::Insert | Opening::Raise => {
                self.claims += 1;
                self.counts.claims += 1;
                self.claim(&[Write::Claim(owner), Write::Open]);
                self.engines[e].life = Life::Open;
                self.promises.opens(owner);
                self.passes(e, Step::Raise);
            }
            Opening::Refuse | Opening::Broken => self.end_process(e),
        }
    }

    /// Whose the store is only rises.
    fn claim(&mut self, unit: &[Write]) {
        let claimed = match mutant("epoch-not-durable") {
            true => self.store.claim_unsynced(unit),
            false => self.store.commit(unit),
        };
        match claimed {
            Ok(()) => self.promises.wrote(unit, &self.store.durable),
            Err(what) => self.promises.breaks("epoch_only_rises", what),
        }
    }

    pub(super) fn tell_fence(&mut self, e: usize, event: Event) {
        let Some(mut fence) = self.engines[e].fence else { return };
        let mut out = Vec::new();
        fence.step(Moment(self.now), event, &mut out);
        self.engines[e].fence = Some(fence);
        for order in out {
            self.carry_fence(e, order);
            if self.engines[e].life == Life::Dead {
                return;
            }
        }
    }

    fn carry_fence(&mut self, e: usize, order: Order) {
        let step = Step::of_fence(&order);
        let event = match order {
            Order::Look => Event::Looked(Ok(())),
            Order::Name => Event::Named,
            Order::Raise => {
                let owner = self.engines[e].owner;
                let row = compare(self.store.rows.owner, owner);
                match at_open(row) {
                    Opening::Insert | Opening::Raise => self.claim(&[Write::Claim(owner)]),
                    Opening::Refuse | Opening::Broken => {}
                }
                Event::Raised(row)
            }
            Order::Clear => Event::Cleared(self.end_sessions_of_others(e)),
            Order::Open => return self.open_server(e),
            Order::Refuse(_) => return self.end_process(e),
        };
        let after = self.work.between(200, 3_000) * US;
        self.soon(e, after, Todo::Fence(event));
        self.passes_or_dead(e, step);
    }

    /// Only now: a session of a former run could else still be at what it has started.
    fn open_server(&mut self, e: usize) {
        let owner = self.engines[e].owner;
        if self.store.rows.owner != Some(owner) {
            return self.end_process(e);
        }
        self.counts.claims += 1;
        self.opened = Some(owner);
        self.promises.opens(owner);
        self.commit(&[Write::Open]);
        self.engines[e].life = Life::Open;
    }
}
