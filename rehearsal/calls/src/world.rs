//! One thread, one queue, no real time: the same seed gives the same trace, to the bit.

mod carry;
mod clients;
mod cluster;
mod opening;
mod sessions;
mod writer;

use std::collections::BTreeMap;

use tsugi_service_rules::call::{Caller, Event, Stage};
use tsugi_service_rules::epoch::Owner;
use tsugi_service_rules::ground::{Effects, Ground, Service, ServiceNumber};
use tsugi_service_rules::id::{CallId, InterfaceNumber};
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::sitting;
use tsugi_vocabulary::{Moment, Span};
use tsugi_world::Chance;

use crate::client::{Caring, HABITS, MAIL, PAY, Request};
use crate::engine::{Engine, Life, Todo};
use crate::fault::Fault;
use crate::promises::{Promises, Violation};
use crate::queue::Queue;
use crate::step::{Loss, Step};
use crate::store::{Kind, Store};

/// Nanoseconds in a microsecond, a millisecond, a second.
pub(crate) const US: u64 = 1_000;
pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SEC: u64 = 1_000_000_000;

/// After so long all faults have ended.
pub(crate) const FAULTS_END: u64 = 20 * SEC;
/// After so long every call of a careful client has its answer.
const HEALED: u64 = FAULTS_END + 160 * SEC;

/// What happens, at an engine by its number where it is of one.
#[derive(Clone, Debug)]
pub(crate) enum Ev {
    Ask(usize, Request),
    Client(usize),
    Todo(usize, Todo),
    Spoke(usize, sitting::Run),
    NotBegun(usize, sitting::Run),
    Ends(usize, sitting::Run),
    Synced(usize),
    Wake(usize, u64),
    Claim(usize, u64, u64),
    Arrive(usize, u64),
    Gone(u64),
    Clear(usize, CallId, Option<u64>),
    Open(usize, Owner),
    End(usize),
    Send(Request),
    CallerGone(usize, Caller),
    NotFull,
    Lease,
    Fault(Fault),
    Operator,
}

/// A world of calls.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) kind: Kind,
    pub(crate) store: Store,
    pub(crate) engines: Vec<Engine>,
    /// Whom the cluster has given the group; its address leads there.
    pub(crate) owner: usize,
    pub(crate) clients: Vec<Caring>,
    pub(crate) queue: Queue<Ev>,
    pub(crate) promises: Promises,
    pub(crate) wire: Chance,
    pub(crate) work: Chance,
    pub(crate) luck: Chance,
    pub(crate) services: BTreeMap<ServiceNumber, Service>,
    pub(crate) interface: InterfaceNumber,
    pub(crate) service_of: BTreeMap<CallId, ServiceNumber>,
    pub(crate) epoch: u64,
    pub(crate) next: u64,
    /// How often the store was claimed.
    pub(crate) claims: u64,
    /// The run that has the server's store open.
    pub(crate) opened: Option<Owner>,
    /// The node that has the group.
    pub(crate) node: usize,
    /// Whether its lease is not renewed any more.
    pub(crate) cut: bool,
    pub(crate) lease_until: u64,
    pub(crate) sync_fails: bool,
    pub(crate) full: bool,
    /// The steps at which the engine ends next, and how.
    pub(crate) armed: Vec<(Step, Loss)>,
    /// When the last of what lies somewhere comes.
    pub(crate) last_late: u64,
    pub(crate) counts: Counts,
}

/// What a run has met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that clients have begun.
    pub calls: u64,
    /// Answers that clients have.
    pub answers: u64,
    /// How often the store went to another engine.
    pub claims: u64,
    /// A digest over all that was told.
    pub trace: u64,
    /// Which event was met in which stage of a call, and which faults.
    pub met: BTreeMap<(&'static str, &'static str), u64>,
}

impl World {
    pub(crate) fn new(seed: u64, kind: Kind, faults: &[Fault]) -> Self {
        let of = |effects| Service { effects, open: Ok(()), wait: Span::ZERO };
        let mut world = Self {
            now: SEC,
            kind,
            store: Store::default(),
            engines: Vec::new(),
            owner: 0,
            clients: Vec::new(),
            queue: Queue::new(),
            promises: Promises::default(),
            wire: Chance::new(seed, 1),
            work: Chance::new(seed, 2),
            luck: Chance::new(seed, 3),
            services: [(PAY, of(Effects::Store)), (MAIL, of(Effects::Outside))].into(),
            interface: InterfaceNumber(1),
            service_of: BTreeMap::new(),
            epoch: 0,
            next: 0,
            claims: 0,
            opened: None,
            node: 0,
            cut: false,
            lease_until: 0,
            sync_fails: false,
            full: false,
            armed: Vec::new(),
            last_late: 0,
            counts: Counts::default(),
        };
        for (number, habit) in HABITS.iter().enumerate() {
            let calls = world.wire.between(8, 24);
            world.clients.push(Caring::new(number, *habit, calls));
            world.queue.put(world.now + world.wire.below(SEC), Ev::Client(number));
        }
        for fault in faults {
            world.queue.put(fault.at, Ev::Fault(*fault));
        }
        world.take_over(0);
        world.queue.put(world.now, Ev::Lease);
        world.queue.put(world.now + SEC, Ev::Operator);
        world
    }

    /// Plays it to its end.
    pub(crate) fn play(mut self) -> (Option<Violation>, Counts) {
        while self.promises.broken.is_none() {
            let Some((at, ev)) = self.queue.next() else { break };
            if at > HEALED || (at > FAULTS_END && self.is_over()) {
                break;
            }
            self.now = at;
            self.happen(ev);
        }
        if self.promises.broken.is_none() {
            self.end();
        }
        let broken = self.promises.broken;
        let at = self.now;
        (broken.map(|(promise, what)| Violation { promise, at, what }), self.counts)
    }

    fn is_over(&self) -> bool {
        self.now > self.last_late
            && self
                .clients
                .iter()
                .all(|c| !c.habit.is_careful() || (c.open.is_empty() && c.left == 0))
    }

    fn end(&mut self) {
        for client in self.clients.iter().filter(|c| c.habit.is_careful()) {
            if let Some((id, open)) = client.open.first_key_value() {
                let stored = self.store.durable.stored(*id);
                let what = format!("{id} has no answer after {} tries: {stored:?}", open.tries);
                self.promises.broken.get_or_insert(("heals", what));
            }
        }
        let services = &self.service_of;
        self.promises.end(&self.store.durable, |id| services.get(&id) == Some(&MAIL));
    }

    fn happen(&mut self, ev: Ev) {
        // Whoever stands still sees it when it goes on.
        let of = match &ev {
            Ev::Ask(e, _)
            | Ev::Todo(e, _)
            | Ev::Ends(e, _)
            | Ev::Synced(e)
            | Ev::Wake(e, _)
            | Ev::Claim(e, ..)
            | Ev::Clear(e, ..)
            | Ev::Spoke(e, _)
            | Ev::NotBegun(e, _) => Some(*e),
            Ev::Client(_)
            | Ev::Arrive(..)
            | Ev::Gone(_)
            | Ev::Open(..)
            | Ev::End(_)
            | Ev::Send(_)
            | Ev::CallerGone(..)
            | Ev::NotFull
            | Ev::Lease
            | Ev::Fault(_)
            | Ev::Operator => None,
        };
        if let Some(engine) = of.map(|e| &self.engines[e]) {
            if engine.life == Life::Dead {
                return;
            }
            if engine.frozen > self.now {
                return self.queue.put(engine.frozen, ev);
            }
        }
        match ev {
            Ev::Ask(e, request) => self.asked(e, request),
            Ev::Client(number) => self.client(number),
            Ev::Todo(e, todo) => self.engines[e].todo.push_back(todo),
            Ev::Spoke(e, run) => self.spoke(e, run),
            Ev::NotBegun(e, run) => self.not_begun(e, run),
            Ev::Ends(e, run) => self.ends(e, run),
            Ev::Synced(e) => self.synced(e),
            Ev::Wake(e, token) => self.woken(e, token),
            Ev::Claim(e, session, until) => self.claim_row(e, session, until),
            Ev::Arrive(e, session) => self.commit_arrives(e, session),
            Ev::Gone(session) => {
                self.store.sessions.remove(&session);
            }
            Ev::Clear(e, id, session) => self.clear(e, id, session),
            Ev::Open(node, owner) => self.open(node, owner),
            Ev::End(e) => self.end_process(e),
            Ev::Send(request) => self.route(request),
            Ev::CallerGone(e, caller) => {
                self.engines[e].gone.insert(caller);
            }
            Ev::NotFull => self.full = false,
            Ev::Lease => self.lease(),
            Ev::Fault(fault) => self.fault(fault),
            Ev::Operator => self.operator(),
        }
        if let Some(e) = of {
            self.go_on(e);
        }
    }

    /// Whatever an engine has to do now.
    pub(crate) fn go_on(&mut self, e: usize) {
        if self.engines[e].life == Life::Dead {
            return;
        }
        loop {
            while let Some(todo) = self.engines[e].todo.pop_front() {
                match todo {
                    Todo::Table(event) => self.tell_table(e, event),
                    Todo::Writer(event) => self.tell_writer(e, event),
                    Todo::Fence(event) => self.tell_fence(e, event),
                }
                if self.engines[e].life == Life::Dead || self.promises.broken.is_some() {
                    return;
                }
            }
            if !self.find_work(e) {
                break;
            }
        }
        self.set_wake(e);
    }

    fn tell_table(&mut self, e: usize, event: Event) {
        self.note(e, &event);
        let mut out = Vec::new();
        let standing = if self.full && self.now < FAULTS_END {
            Err(Refusal::StoreAway { why: "full".to_owned() })
        } else {
            Ok(())
        };
        let engine = &mut self.engines[e];
        let ground = Ground {
            now: Moment(self.now),
            last: Moment(engine.last),
            services: &self.services,
            store: &standing,
        };
        engine.table.step(&ground, event.clone(), &mut out);
        let unfounded = tsugi_service_rules::check::follows(&event, &out);
        if !unfounded.is_empty() {
            self.promises.breaks("orders_follow", format!("{unfounded:?}"));
        }
        let faults = tsugi_service_rules::check::check(&engine.table);
        if !faults.is_empty() {
            self.promises.breaks("table_is_sound", format!("{faults:?}"));
        }
        if event == Event::Closed {
            self.handed_over(e);
        }
        for order in out {
            let step = Step::of_table(&order);
            self.carry(e, order);
            if self.passes_or_dead(e, step) {
                return;
            }
        }
    }

    /// Which event was met in which stage.
    fn note(&mut self, e: usize, event: &Event) {
        let (word, ids) = of_event(event);
        let table = &self.engines[e].table;
        for id in ids {
            let cell = (stage_word(table.stage(id)), word);
            *self.counts.met.entry(cell).or_default() += 1;
        }
    }

    fn set_wake(&mut self, e: usize) {
        let engine = &mut self.engines[e];
        let wishes = [
            engine.table.wake_at(),
            engine.writer.wake_at(),
            engine.fence.as_ref().and_then(|fence| fence.wake_at()),
        ];
        let Some(at) = wishes.into_iter().flatten().min() else { return };
        let at = at.0.max(self.now + 10 * US);
        // One that comes too early asks again.
        if engine.wake == 0 || at < engine.wake {
            engine.wake = at;
            self.queue.put(at, Ev::Wake(e, at));
        }
    }

    fn woken(&mut self, e: usize, token: u64) {
        let engine = &mut self.engines[e];
        if engine.wake != token {
            return;
        }
        engine.wake = 0;
        engine.todo.push_back(Todo::Table(Event::Woken));
        match self.kind {
            Kind::Volume => engine.todo.push_back(Todo::Writer(sitting::Event::Woken)),
            Kind::Server => {
                engine.todo.push_back(Todo::Fence(tsugi_service_rules::epoch::fence::Event::Woken));
            }
        }
    }

    /// A number that was never given out.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn soon(&mut self, e: usize, after: u64, todo: Todo) {
        self.queue.put(self.now + after, Ev::Todo(e, todo));
    }

    pub(crate) fn table_soon(&mut self, e: usize, after: u64, event: Event) {
        self.soon(e, after, Todo::Table(event));
    }

    /// Makes a unit of work durable at once, and looks at it.
    pub(crate) fn commit(&mut self, unit: &[crate::rows::Write]) {
        self.sync();
        match self.store.commit(unit) {
            Ok(()) => self.promises.wrote(unit, &self.store.durable),
            Err(what) => self.promises.breaks("content_is_bound", what),
        }
    }

    pub(crate) fn is_outside(&self, id: CallId) -> bool {
        self.service_of.get(&id) == Some(&MAIL)
    }
}

fn of_event(event: &Event) -> (&'static str, Vec<CallId>) {
    match event {
        Event::Arrived(arrival) => ("arrived", vec![arrival.id]),
        Event::Asked(id, _) => ("asked", vec![*id]),
        Event::Confirmed(id, _) => ("confirmed", vec![*id]),
        Event::Forgotten(id, _) => ("forgotten", vec![*id]),
        Event::Resolved(id, ..) => ("resolved", vec![*id]),
        Event::Found(id, ..) => ("found", vec![*id]),
        Event::NotAsked(id, _) => ("not asked", vec![*id]),
        Event::StartKept(id) => ("start kept", vec![*id]),
        Event::Taken(id, ..) => ("taken", vec![*id]),
        Event::Ended(id, ..) => ("ended", vec![*id]),
        Event::Interrupted(id, ..) => ("interrupted", vec![*id]),
        Event::InDoubt(id) => ("in doubt", vec![*id]),
        Event::Cleared(id, _) => ("cleared", vec![*id]),
        Event::UnknownKept(id) => ("unknown kept", vec![*id]),
        Event::Kept(id, ..) => ("kept", vec![*id]),
        Event::NotKept(id, ..) => ("not kept", vec![*id]),
        Event::CallerGone(id, _) => ("caller gone", vec![*id]),
        Event::Committed(ids) => ("committed", ids.clone()),
        Event::Room(_) | Event::Purged(..) | Event::MoveBegan(_) | Event::Closed | Event::Woken => {
            ("", Vec::new())
        }
    }
}

fn stage_word(stage: Option<Stage>) -> &'static str {
    stage.map_or("-", Stage::word)
}
