//! An engine around the table: what was ordered and has not happened, and what callers were told.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_service_rules::call::{
    Alone, Answer, Arrival, Attempt, Caller, Change, Event, Interruption, Order, Resolution, Stage,
    Table,
};
use tsugi_service_rules::check::{check, follows};
use tsugi_service_rules::ground::{Effects, Ground, Service, ServiceNumber};
use tsugi_service_rules::id::{
    CallId, Client, Content, Incarnation, InterfaceNumber, Key, Life, OrderKey, Serial,
};
use tsugi_service_rules::limits::Limits;
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::stored::{ClientRow, Ending, Reply, Stored};
use tsugi_vocabulary::{Moment, Span};

use crate::store::{Inserted, Store};

/// The service that acts in the store only.
pub const PAY: ServiceNumber = ServiceNumber(1);
/// The service that acts outside of it too.
pub const MAIL: ServiceNumber = ServiceNumber(2);

pub fn life(client: u8, incarnation: u64) -> Life {
    Life { client: Client([client; 16]), incarnation: Incarnation(incarnation) }
}

pub fn serial(number: u64) -> Serial {
    Serial::new(number).unwrap()
}

pub fn counted(client: u8, number: u64) -> CallId {
    CallId::Counted { life: life(client, 5), serial: serial(number) }
}

pub fn keyed(key: u8) -> CallId {
    CallId::Keyed(Key([key; 16]))
}

pub fn content(body: u8) -> Content {
    content_by(InterfaceNumber(1), body)
}

/// What a body says by an interface; another digest by each.
pub fn content_by(interface: InterfaceNumber, body: u8) -> Content {
    let by = u8::try_from(interface.0 % 15).unwrap();
    Content { interface, digest: [body + 16 * by; 16] }
}

/// The body that was decoded.
pub fn body_of(content: Content) -> u8 {
    content.digest[0] % 16
}

pub fn stage_word(stage: Option<Stage>) -> &'static str {
    stage.map_or("-", Stage::word)
}

pub fn services() -> BTreeMap<ServiceNumber, Service> {
    let of = |effects| Service { effects, open: Ok(()), wait: Span::ZERO };
    [(PAY, of(Effects::Store)), (MAIL, of(Effects::Outside))].into()
}

/// A program that runs.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub attempt: Attempt,
    pub alone: Alone,
}

/// A question to the store, and what it read when it was asked.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub id: CallId,
    read: (Stored, ClientRow),
}

/// When the store read what it answers: another thread may have changed it since.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    WhenAsked,
    Now,
}

/// One engine after the other, over one store.
pub struct World {
    pub table: Table,
    limits: Limits,
    pub now: Moment,
    pub last: Moment,
    pub services: BTreeMap<ServiceNumber, Service>,
    pub standing: Result<(), Refusal>,
    pub store: Store,
    pub questions: Vec<Question>,
    pub starts: Vec<(CallId, Attempt, Content)>,
    /// Calls that cannot begin, because another node has put something under their ids.
    pub taken: Vec<(CallId, Attempt)>,
    /// What another node has written, and the clients whose watermark it may have raised.
    foreign: BTreeSet<CallId>,
    foreign_lives: BTreeSet<Life>,
    /// Bodies that are to be decoded again, and for whom.
    pub decodes: Vec<(Caller, CallId, InterfaceNumber)>,
    arrivals: BTreeMap<Caller, Arrival>,
    /// The interface that serves.
    pub interface: InterfaceNumber,
    pub runs: BTreeMap<CallId, Run>,
    pub inserted: BTreeMap<CallId, Inserted>,
    /// Commits that were sent and nothing came back.
    pub doubts: BTreeSet<CallId>,
    pub clears: Vec<CallId>,
    pub losing: Vec<CallId>,
    pub changes: Vec<(CallId, Caller, Change)>,
    /// Runs that were given up and may still say something.
    pub ghosts: Vec<(CallId, Attempt)>,
    /// Who waits, for what content if for a call.
    pub callers: BTreeMap<Caller, Option<Content>>,
    pub told: BTreeMap<CallId, Reply>,
    /// What acts outside and has begun, since it was last said not to have been carried out.
    begun: BTreeSet<CallId>,
    order_of: BTreeMap<CallId, (ServiceNumber, OrderKey)>,
    service_of: BTreeMap<CallId, ServiceNumber>,
    contended: BTreeMap<CallId, u32>,
    /// What the arrivals of a call have told as lowest.
    lowests: BTreeMap<CallId, BTreeSet<Serial>>,
    /// Which events were met in which stages.
    pub met: BTreeSet<(&'static str, &'static str)>,
    pub closed: bool,
    pub drained: bool,
    pub ended: bool,
    /// Orders of the last step, for tables that are told.
    pub orders: Vec<Order>,
    next: u64,
}

impl World {
    pub fn new(limits: Limits) -> Self {
        Self {
            table: Table::new(limits),
            limits,
            now: Moment(1_000_000_000),
            last: Moment(u64::MAX),
            services: services(),
            standing: Ok(()),
            store: Store::default(),
            questions: Vec::new(),
            starts: Vec::new(),
            taken: Vec::new(),
            foreign: BTreeSet::new(),
            foreign_lives: BTreeSet::new(),
            decodes: Vec::new(),
            arrivals: BTreeMap::new(),
            interface: InterfaceNumber(1),
            runs: BTreeMap::new(),
            inserted: BTreeMap::new(),
            doubts: BTreeSet::new(),
            clears: Vec::new(),
            losing: Vec::new(),
            changes: Vec::new(),
            ghosts: Vec::new(),
            callers: BTreeMap::new(),
            told: BTreeMap::new(),
            begun: BTreeSet::new(),
            order_of: BTreeMap::new(),
            service_of: BTreeMap::new(),
            contended: BTreeMap::new(),
            lowests: BTreeMap::new(),
            met: BTreeSet::new(),
            closed: false,
            drained: false,
            ended: false,
            orders: Vec::new(),
            next: 0,
        }
    }

    /// A number that was never given out.
    pub fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub fn caller(&mut self, asks: Option<Content>) -> Caller {
        let caller = Caller(self.fresh());
        self.callers.insert(caller, asks);
        caller
    }

    pub fn reply(&mut self, ending: Ending) -> Reply {
        Reply { ending, bytes: self.fresh() }
    }

    /// A call with nothing special.
    pub fn arrival(&mut self, id: CallId, of: Content, service: ServiceNumber) -> Arrival {
        let lowest = Serial::FIRST;
        let caller = self.caller(Some(of));
        Arrival { id, content: of, service, order: None, lowest, size: 10, caller, deadline: None }
    }

    pub fn arrive(&mut self, arrival: Arrival) {
        if let Some(key) = arrival.order {
            self.order_of.entry(arrival.id).or_insert((arrival.service, key));
        }
        self.lowests.entry(arrival.id).or_default().insert(arrival.lowest);
        self.arrivals.insert(arrival.caller, arrival);
        self.step(Event::Arrived(arrival));
    }

    /// What was met: which event in which stage.
    fn note_met(&mut self, event: &Event) {
        let (word, id) = match event {
            Event::Arrived(arrival) => ("arrived", arrival.id),
            Event::Asked(id, _) => ("asked", *id),
            Event::Confirmed(id, _) => ("confirmed", *id),
            Event::Forgotten(id, _) => ("forgotten", *id),
            Event::Resolved(id, ..) => ("resolved", *id),
            Event::Found(id, ..) => ("found", *id),
            Event::NotAsked(id, _) => ("not asked", *id),
            Event::StartKept(id) => ("start kept", *id),
            Event::Taken(id, ..) => ("taken", *id),
            Event::Ended(id, ..) => ("ended", *id),
            Event::Interrupted(id, ..) => ("interrupted", *id),
            Event::InDoubt(id) => ("in doubt", *id),
            Event::Cleared(id, _) => ("cleared", *id),
            Event::UnknownKept(id) => ("unknown kept", *id),
            Event::Kept(id, ..) => ("kept", *id),
            Event::NotKept(id, ..) => ("not kept", *id),
            Event::CallerGone(id, _) => ("caller gone", *id),
            Event::Committed(ids) => {
                for id in ids {
                    self.met.insert((stage_word(self.table.stage(*id)), "committed"));
                }
                return;
            }
            Event::Room(_)
            | Event::Purged(..)
            | Event::MoveBegan(_)
            | Event::Closed
            | Event::Woken => return,
        };
        self.met.insert((stage_word(self.table.stage(id)), word));
    }

    pub fn step(&mut self, event: Event) {
        self.note_met(&event);
        if let Event::Interrupted(id, _, why) = &event {
            self.note_contention(*id, why);
        }
        let mut out = Vec::new();
        let (services, standing) = (self.services.clone(), self.standing.clone());
        let ground =
            Ground { now: self.now, last: self.last, services: &services, store: &standing };
        self.table.step(&ground, event.clone(), &mut out);
        assert_eq!(follows(&event, &out), [], "an order that nothing has asked for");
        self.orders.clone_from(&out);
        for order in out {
            self.take(order);
        }
        self.contended.retain(|id, _| self.table.stage(*id).is_some());
        if !self.ended {
            assert_eq!(check(&self.table), [], "the table is not sound");
        }
    }

    fn note_contention(&mut self, id: CallId, why: &Interruption) {
        if *why == Interruption::Contended {
            *self.contended.entry(id).or_default() += 1;
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Find(id) => {
                let read = (self.store.stored(id), self.store.row(id));
                self.questions.push(Question { id, read });
            }
            Order::Answer(caller, id, answer) => self.told(caller, id, &answer),
            Order::Decode(caller, id, interface) => {
                assert!(self.callers.contains_key(&caller), "{caller:?} is told and decoded again");
                self.decodes.push((caller, id, interface));
            }
            Order::Start { id, attempt, .. } if self.is_taken(id) => self.taken.push((id, attempt)),
            Order::Start { id, attempt, content } => self.starts.push((id, attempt, content)),
            Order::Run(id, attempt, _) if !self.is_outside(id) && self.is_taken(id) => {
                self.taken.push((id, attempt));
            }
            Order::Run(id, attempt, alone) => self.begin(id, Run { attempt, alone }),
            Order::Keep { id, attempt, content, reply, work, lowest } => {
                let run = self.runs.remove(&id);
                let of = run.map(|run| run.attempt);
                assert_eq!(of, Some(attempt), "{id}: an end that is of no open run is kept");
                let told = self.lowests.get(&id).is_some_and(|all| all.contains(&lowest));
                assert!(told || id.counted().is_none(), "{id}: a lowest that nobody told is kept");
                let row = Inserted { id, attempt, content, reply, work, lowest };
                let former = self.inserted.insert(id, row);
                assert!(former.is_none(), "{id} is inserted twice");
            }
            Order::GiveUp(id, attempt) => {
                let run = Run { attempt, alone: Alone::Yes };
                assert!(self.runs.insert(id, run).is_none(), "{id} runs and is given up");
            }
            Order::RollBack(id, attempt) if self.taken.contains(&(id, attempt)) => {
                self.taken.retain(|taken| *taken != (id, attempt));
            }
            Order::RollBack(id, attempt) | Order::Kill(id, attempt) => {
                let run = self.runs.remove(&id).map(|run| run.attempt);
                assert_eq!(run, Some(attempt), "{id}: what does not run is ended");
                self.ghosts.push((id, attempt));
            }
            Order::KeepUnknown(id) => self.losing.push(id),
            Order::Clear(id) => self.clears.push(id),
            Order::Change(id, caller, change) => {
                let other = self.changes.iter().any(|(of, ..)| *of == id);
                assert!(!other, "{id}: two changes at once");
                self.changes.push((id, caller, change));
            }
            Order::LeaveUnwritten(id) => {
                self.starts.retain(|(of, ..)| *of != id);
                self.taken.retain(|(of, _)| *of != id);
                self.losing.retain(|of| *of != id);
                self.changes.retain(|(of, ..)| *of != id);
            }
            Order::Drained => {
                assert!(!self.drained, "said twice to be drained");
                let unwritten = self.starts.len() + self.losing.len() + self.changes.len();
                assert_eq!(unwritten, 0, "drained, and something would be written");
                assert!(self.runs.is_empty() && self.inserted.is_empty(), "drained, and it runs");
                self.drained = true;
            }
            Order::End => self.ended = true,
        }
    }

    /// Whether another node has made it impossible to begin a call.
    fn is_taken(&self, id: CallId) -> bool {
        let life = id.counted().map(|(life, _)| life);
        let foreign = self.foreign.contains(&id)
            || life.is_some_and(|life| self.foreign_lives.contains(&life));
        foreign && (self.store.stored(id) != Stored::Nothing || self.store.is_over(id))
    }

    /// Another node of the group carries a call out.
    pub fn elsewhere(&mut self, row: &Inserted) {
        self.store.commit(row);
        self.foreign.insert(row.id);
        self.foreign_lives.extend(row.id.counted().map(|(life, _)| life));
    }

    /// Whether this engine has something of a call in its hands, beyond its table.
    pub fn is_at(&self, id: CallId) -> bool {
        self.runs.contains_key(&id)
            || self.inserted.contains_key(&id)
            || self.starts.iter().any(|(of, ..)| *of == id)
            || self.taken.iter().any(|(of, _)| *of == id)
            || self.changes.iter().any(|(of, ..)| *of == id)
            || self.losing.contains(&id)
            || self.begun.contains(&id)
    }

    pub fn report_taken(&mut self, n: usize) {
        let (id, attempt) = self.taken.remove(n);
        let (stored, row) = (self.store.stored(id), self.store.row(id));
        self.step(Event::Taken(id, attempt, stored, row));
    }

    /// A body is decoded by another interface, and its call arrives again.
    pub fn decode_again(&mut self, n: usize) {
        let (caller, _, interface) = self.decodes.remove(n);
        let arrival = self.arrivals[&caller];
        let content = content_by(interface, body_of(arrival.content));
        self.arrive(Arrival { content, ..arrival });
    }

    fn begin(&mut self, id: CallId, run: Run) {
        // Its start was durable before another node was told that it is answered.
        let life = id.counted().map(|(life, _)| life);
        let elsewhere = life.is_some_and(|life| self.foreign_lives.contains(&life));
        let begun = self.is_outside(id) && elsewhere;
        assert!(begun || !self.store.is_over(id), "{id} runs although it is over");
        let stored = self.store.stored(id);
        if self.is_outside(id) {
            assert!(matches!(stored, Stored::Started(_)), "{id} begins and {stored:?} is there");
            assert!(self.begun.insert(id), "{id} acts outside twice");
        } else {
            assert_eq!(stored, Stored::Nothing, "{id} runs although it is stored");
        }
        let busy =
            |other: &CallId| *other != id && self.order_of.get(other) == self.order_of.get(&id);
        if self.order_of.contains_key(&id) {
            let mut runs = self.runs.keys().chain(self.inserted.keys()).chain(&self.doubts);
            assert_eq!(runs.find(|other| busy(other)), None, "{id} is out of order");
        }
        assert!(!self.inserted.contains_key(&id), "{id} runs although it has ended");
        let contended = self.contended.get(&id).copied().unwrap_or(0);
        assert!(contended < self.limits.runs, "{id} runs again and again");
        assert!(self.runs.insert(id, run).is_none(), "{id} runs beside itself");
    }

    pub fn is_outside(&self, id: CallId) -> bool {
        self.service_of.get(&id) == Some(&MAIL)
    }

    /// The service that an id is used for.
    pub fn use_for(&mut self, id: CallId, service: ServiceNumber) {
        self.service_of.insert(id, service);
    }

    fn told(&mut self, caller: Caller, id: CallId, answer: &Answer) {
        let asked = self.callers.remove(&caller);
        assert!(asked.is_some(), "{caller:?} is told twice of {id}: {answer:?}");
        if let Answer::Reply(reply) = answer {
            assert!(!self.closed, "{id} is told after the store was handed over");
            let late = self.now + self.limits.guard >= self.last;
            assert!(!late, "{id} is told after the last moment");
            let Some((content, kept)) = self.store.kept.get(&id).copied() else {
                panic!("{id} is told and not durable")
            };
            assert_eq!(kept, *reply, "{id}: not what is kept is told");
            let former = *self.told.entry(id).or_insert(*reply);
            assert_eq!(former, *reply, "{id}: another answer than before");
            let asked = asked.flatten();
            let same = |of: Content| body_of(of) == body_of(content);
            assert!(asked.is_none_or(same), "{id}: the answer of another content");
        }
        if let Answer::Refused(Refusal::OtherBody) = answer {
            let kept = match self.store.stored(id) {
                Stored::Started(of) | Stored::Unknown(of) | Stored::Final(of, _) => Some(of),
                Stored::Nothing | Stored::Tombstone => None,
            };
            let same = kept.zip(asked.flatten()).is_some_and(|(a, b)| body_of(a) == body_of(b));
            let pending = self.table.stage(id).is_some();
            assert!(!same || pending, "{id}: the same content is refused as another");
        }
        if let Answer::Refused(Refusal::Unknown) = answer {
            let stored = self.store.stored(id);
            assert!(matches!(stored, Stored::Unknown(_)), "{id}: {stored:?} is told as unknown");
        }
    }

    /// The store answers a question.
    pub fn answer_question(&mut self, n: usize, when: Read) {
        let Question { id, read } = self.questions.remove(n);
        let now = (self.store.stored(id), self.store.row(id));
        let (stored, row) = match when {
            Read::WhenAsked => read,
            Read::Now => now,
        };
        self.step(Event::Found(id, stored, row));
    }

    pub fn keep_start(&mut self, n: usize) {
        let (id, _, content) = self.starts.remove(n);
        self.store.start(id, content);
        self.step(Event::StartKept(id));
    }

    pub fn end(&mut self, id: CallId, ending: Ending) {
        let run = self.runs[&id];
        let reply = self.reply(ending);
        self.step(Event::Ended(id, run.attempt, reply));
    }

    /// The sitting is durable.
    pub fn commit(&mut self) {
        let ids = self.make_durable();
        self.step(Event::Committed(ids));
    }

    pub fn make_durable(&mut self) -> Vec<CallId> {
        let sitting = std::mem::take(&mut self.inserted);
        // What is in doubt has a transaction of its own.
        let (doubted, kept): (Vec<_>, Vec<_>) =
            sitting.into_values().partition(|row| self.doubts.contains(&row.id));
        self.inserted = doubted.into_iter().map(|row| (row.id, row)).collect();
        for row in &kept {
            self.store.commit(row);
        }
        kept.into_iter().map(|row| row.id).collect()
    }

    pub fn keep_change(&mut self, n: usize) {
        let (id, caller, change) = self.changes.remove(n);
        self.apply(id, change);
        self.step(Event::Kept(id, caller, change));
    }

    pub fn apply(&mut self, id: CallId, change: Change) {
        self.store.change(id, change);
        match change {
            Change::Confirm | Change::Resolve(Resolution::Answered(_)) => {}
            Change::Forget => {
                self.told.remove(&id);
                self.begun.remove(&id);
            }
            Change::Resolve(Resolution::NotCarriedOut) => {
                self.begun.remove(&id);
            }
        }
    }

    pub fn keep_unknown(&mut self, n: usize) {
        let id = self.losing.remove(n);
        self.store.unknown(id);
        self.step(Event::UnknownKept(id));
    }

    /// The process has ended; another run opens the store.
    pub fn restart(&mut self) {
        for id in std::mem::take(&mut self.doubts) {
            self.inserted.remove(&id);
        }
        self.table = Table::new(self.limits);
        self.last = Moment(u64::MAX);
        self.questions.clear();
        self.starts.clear();
        self.taken.clear();
        self.decodes.clear();
        self.arrivals.clear();
        self.runs.clear();
        self.inserted.clear();
        self.clears.clear();
        self.losing.clear();
        self.changes.clear();
        self.ghosts.clear();
        self.callers.clear();
        self.contended.clear();
        (self.closed, self.drained, self.ended) = (false, false, false);
        self.store.open();
    }
}
