//! To whom the cluster gives the group, and what goes wrong.

use tsugi_service_rules::call::Event;
use tsugi_service_rules::epoch::{Owner, Run};
use tsugi_service_rules::id::InterfaceNumber;
use tsugi_vocabulary::{Epoch, Span};

use super::{Ev, FAULTS_END, MS, World};
use crate::engine::{Life, Todo};
use crate::fault::{ENDED_AT, Fault, Kind as Wrong};
use crate::step::{Loss, Step};
use crate::store::Kind;

/// How long an engine may answer without hearing of its lease again.
const LEASE: u64 = 1_500 * MS;

impl World {
    /// The group goes to a node.
    pub(super) fn take_over(&mut self, node: usize) {
        self.epoch += 1;
        self.cut = false;
        self.lease_until = self.now + LEASE;
        self.node = node;
        self.open_soon(20 * MS);
    }

    /// The node that has the group starts an engine.
    pub(super) fn open_soon(&mut self, after: u64) {
        let epoch = Epoch { incarnation: 1, counter: self.epoch };
        let run = Run(self.fresh());
        self.queue.put(self.now + after, Ev::Open(self.node, Owner { epoch, run }));
    }

    pub(super) fn lease(&mut self) {
        self.queue.put(self.now + 200 * MS, Ev::Lease);
        if !self.cut {
            self.lease_until = self.now + LEASE;
            let (until, epoch) = (self.lease_until, self.epoch);
            let engine = self.engines.get_mut(self.owner);
            if let Some(engine) = engine.filter(|engine| engine.owner.epoch.counter == epoch) {
                engine.last = until;
            }
        } else if self.now > self.lease_until + 10 * MS {
            self.take_over(1 - self.node);
        }
    }

    /// The engine that the group's address leads to.
    pub(super) fn current(&self) -> Option<usize> {
        let engine = self.engines.get(self.owner)?;
        let open = engine.life == Life::Open && engine.owner.epoch.counter == self.epoch;
        open.then_some(self.owner)
    }

    /// An engine ends; the same node starts another, while the group is its own.
    pub(super) fn end_process(&mut self, e: usize) {
        if self.engines[e].life == Life::Dead {
            return;
        }
        let own = e == self.owner && self.engines[e].owner.epoch.counter == self.epoch;
        let owner = self.engines[e].owner;
        self.engines[e].die();
        if self.kind == Kind::Server {
            self.orphan_sessions(owner);
        }
        if own && !self.cut {
            let after = self.work.between(50, 400) * MS;
            self.open_soon(after);
        }
    }

    /// An engine has taken a step of a call: if it is to end there, it does.
    pub(super) fn passes(&mut self, e: usize, step: Step) {
        let Some(at) = self.armed.iter().position(|(of, _)| *of == step) else { return };
        let engine = &self.engines[e];
        let own = e == self.owner && engine.owner.epoch.counter == self.epoch;
        if !own || self.cut || engine.life == Life::Dead || self.now >= FAULTS_END {
            return;
        }
        let (_, loss) = self.armed.swap_remove(at);
        for how in [Wrong::AtStep(step, loss).name(), ENDED_AT] {
            *self.counts.met.entry((how, step.name())).or_default() += 1;
        }
        match loss {
            Loss::Process => self.end_process(e),
            Loss::Power => {
                self.cut = true;
                self.end_process(e);
                self.lose_power();
            }
        }
    }

    /// As [`Self::passes`], where it is a step of a call; whether the engine has ended.
    pub(super) fn passes_or_dead(&mut self, e: usize, step: Option<Step>) -> bool {
        if let Some(step) = step {
            self.passes(e, step);
        }
        self.engines[e].life == Life::Dead
    }

    /// The store goes to the other node once nothing is open here.
    pub(super) fn hand_over(&mut self, e: usize) {
        let engine = &mut self.engines[e];
        if engine.drained && engine.closed && !engine.handed_over {
            engine.todo.push_back(Todo::Table(Event::Closed));
        }
    }

    /// It has been handed over: the process ends a little later.
    pub(super) fn handed_over(&mut self, e: usize) {
        self.engines[e].handed_over = true;
        let after = self.work.between(1, 20) * MS;
        self.queue.put(self.now + after, Ev::End(e));
        if e == self.owner && self.engines[e].owner.epoch.counter == self.epoch {
            self.take_over(1 - self.node);
        }
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        if !matches!(fault.kind, Wrong::AtStep(..)) {
            *self.counts.met.entry(("fault", fault.kind.name())).or_default() += 1;
        }
        match fault.kind {
            Wrong::AtStep(step, loss) => self.armed.push((step, loss)),
            Wrong::SyncFails => self.sync_fails = true,
            Wrong::Full => {
                self.full = !self.full;
                self.queue.put(self.now + fault.length, Ev::NotFull);
            }
            Wrong::Interface => self.interface = InterfaceNumber(self.interface.0 + 1),
            Wrong::LateOpen if self.epoch > 1 => {
                let epoch = Epoch { incarnation: 1, counter: self.epoch - 1 };
                let run = Run(self.fresh());
                self.queue.put(self.now, Ev::Open(1 - self.node, Owner { epoch, run }));
            }
            Wrong::LateOpen => {}
            Wrong::SessionsEnd => self.end_all_sessions(),
            Wrong::Kill
            | Wrong::Power
            | Wrong::Freeze
            | Wrong::Pause
            | Wrong::Move
            | Wrong::MoveByForce => self.engine_fault(fault),
        }
    }

    fn engine_fault(&mut self, fault: Fault) {
        let Some(e) = self.current().filter(|_| !self.cut) else { return };
        match fault.kind {
            Wrong::Power => {
                self.cut = true;
                self.end_process(e);
                self.lose_power();
            }
            Wrong::Freeze | Wrong::Pause => {
                let long = fault.kind == Wrong::Freeze;
                self.cut |= long;
                let length = if long { 2_000 * MS + fault.length } else { fault.length / 10 };
                let until = (self.now + length).min(FAULTS_END);
                (self.engines[e].frozen, self.engines[e].thawed) = (until, until);
            }
            Wrong::Move | Wrong::MoveByForce => {
                let grace = Span(fault.length / 10);
                self.table_soon(e, 0, Event::MoveBegan(grace));
                if fault.kind == Wrong::MoveByForce {
                    let after = self.work.below(grace.0);
                    self.table_soon(e, after, Event::Closed);
                }
            }
            _ => self.end_process(e),
        }
    }

    /// Of what is written and not synced any prefix is left.
    fn lose_power(&mut self) {
        if self.kind == Kind::Server {
            return;
        }
        let left = self.luck.below(self.store.unsynced() as u64 + 1);
        match self.store.lose_power(usize::try_from(left).unwrap_or(0)) {
            Ok(all) => self.promises.wrote(&all, &self.store.durable),
            Err(what) => self.promises.breaks("content_is_bound", what),
        }
    }
}
