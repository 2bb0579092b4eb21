//! The tables of calls, workers and sittings, joined as an engine joins them.
//!
//! What one table orders another is told, and nothing else holds them together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tsugi_service_rules::call::{self, Alone, Caller, Interruption};
use tsugi_service_rules::check::check;
use tsugi_service_rules::ground::{Effects, Ground, Service, ServiceNumber};
use tsugi_service_rules::id::{CallId, Content};
use tsugi_service_rules::limits::Limits;
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::sitting::{self, EpochRead, Left, Near, Sitting};
use tsugi_service_rules::stored::{Ending, Reply, Stored};
use tsugi_service_rules::worker::life::{self, Turn};
use tsugi_service_rules::worker::pool::{self, Origin, Pool, Run, Settings, Worker};
use tsugi_vocabulary::Moment;

use crate::chance::Chance;
use crate::store::{Inserted, Store};
use crate::world::{MAIL, PAY, services};

/// What one part says to another.
#[derive(Clone, Debug)]
pub enum Letter {
    Table(call::Event),
    Sitting(sitting::Event),
    Pool(ServiceNumber, pool::Event),
    /// A call has the turn.
    Turn(Run),
}

/// A process, and the call that it has been given.
#[derive(Debug, Default)]
pub struct Process {
    pub has: Option<(Turn, Run)>,
    pub killed: bool,
    /// Every call that it has run.
    pub ran: BTreeSet<Run>,
}

/// An engine without programs of its own.
pub struct Engine {
    pub chance: Chance,
    pub now: Moment,
    pub services: BTreeMap<ServiceNumber, Service>,
    pub standing: Result<(), Refusal>,
    pub table: call::Table,
    pub sitting: Sitting,
    pub pools: BTreeMap<ServiceNumber, Pool>,
    pub processes: BTreeMap<(ServiceNumber, Worker), Process>,
    pub letters: VecDeque<Letter>,
    /// Calls that have spoken and have no turn, in their order.
    pub spoken: VecDeque<Run>,
    /// What programs have said, and nobody has read yet.
    pub words: BTreeMap<Run, life::Event>,
    /// Answers that are to be inserted when their calls have the turn.
    pub ends: BTreeMap<Run, Inserted>,
    pub alone: BTreeMap<Run, Alone>,
    pub given_up: BTreeSet<Run>,
    pub store: Store,
    pub savepoint: Option<Run>,
    pub staged: Vec<Inserted>,
    pub open: bool,
    pub callers: BTreeMap<Caller, Content>,
    pub told: BTreeMap<CallId, Reply>,
    pub next: u64,
    pub dead: bool,
    /// Errors happen.
    pub faults: bool,
    /// Calls of which nothing is left, and which a program may remember.
    pub undone: BTreeSet<Run>,
    /// What was ordered, by its first word.
    pub met: BTreeSet<String>,
}

fn pools() -> BTreeMap<ServiceNumber, Pool> {
    let pool = |effects| Pool::new(Settings { start: 2, most: 6, effects, ..Settings::default() });
    [(PAY, pool(Effects::Store)), (MAIL, pool(Effects::Outside))].into()
}

pub fn service_of(id: CallId) -> ServiceNumber {
    match id {
        CallId::Counted { serial, .. } if serial.get().is_multiple_of(4) => MAIL,
        CallId::Counted { .. } | CallId::Keyed(_) => PAY,
    }
}

impl Engine {
    pub fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
            now: Moment(1_000_000_000),
            services: services(),
            standing: Ok(()),
            table: call::Table::new(Limits::default()),
            sitting: Sitting::new(sitting::Limits { calls: 4, ..sitting::Limits::default() }),
            pools: pools(),
            processes: BTreeMap::new(),
            letters: VecDeque::new(),
            spoken: VecDeque::new(),
            words: BTreeMap::new(),
            ends: BTreeMap::new(),
            alone: BTreeMap::new(),
            given_up: BTreeSet::new(),
            store: Store::default(),
            savepoint: None,
            staged: Vec::new(),
            open: false,
            callers: BTreeMap::new(),
            told: BTreeMap::new(),
            next: 0,
            dead: false,
            faults: true,
            undone: BTreeSet::new(),
            met: BTreeSet::new(),
        }
    }

    pub fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn reply(&mut self, ending: Ending) -> Reply {
        Reply { ending, bytes: self.fresh() }
    }

    fn note(&mut self, order: &impl std::fmt::Debug) {
        let order = format!("{order:?}");
        let word = order.split(['(', ' ']).next().unwrap_or_default();
        self.met.insert(word.to_owned());
    }

    pub fn send(&mut self, letter: Letter) {
        self.letters.push_back(letter);
    }

    /// Everything that follows, until nobody has anything to say.
    pub fn run(&mut self) {
        for _ in 0..1_000 {
            if self.dead {
                return self.open_again();
            }
            let Some(letter) = self.letters.pop_front() else {
                if !self.move_on() {
                    return;
                }
                continue;
            };
            match letter {
                Letter::Table(event) => self.table(event),
                Letter::Sitting(event) => self.sitting(event),
                Letter::Pool(service, event) => self.pool(service, event),
                Letter::Turn(run) => self.turn(run),
            }
        }
        panic!("the parts never come to rest");
    }

    /// What an engine does when nothing else is to be done; whether it did anything.
    fn move_on(&mut self) -> bool {
        for service in [PAY, MAIL] {
            let room = self.pools[&service].has_room(Origin::Queue);
            if room && self.table.is_wanted(service) {
                self.send(Letter::Table(call::Event::Room(service)));
                return true;
            }
        }
        let free = match self.sitting.state() {
            sitting::State::Closed | sitting::State::Collecting { .. } => true,
            sitting::State::Opening { .. }
            | sitting::State::Turn { .. }
            | sitting::State::Inserting { .. }
            | sitting::State::Committing
            | sitting::State::Over => false,
        };
        let next = self.spoken.front().copied();
        if let Some(run) = next.filter(|_| free) {
            let alone = self.alone.get(&run).copied().unwrap_or(Alone::No);
            self.send(Letter::Sitting(sitting::Event::Spoken(run, alone)));
            return true;
        }
        if matches!(self.sitting.state(), sitting::State::Collecting { .. }) {
            let near = if self.table.pending() > self.sitting.ended() {
                Near::Silent
            } else {
                Near::Nobody
            };
            let before = self.sitting.state();
            self.sitting(sitting::Event::Waits(near));
            return self.sitting.state() != before;
        }
        false
    }

    fn table(&mut self, event: call::Event) {
        let mut out = Vec::new();
        let last = Moment(u64::MAX);
        let (services, store) = (&self.services, &self.standing);
        let ground = Ground { now: self.now, last, services, store };
        self.table.step(&ground, event, &mut out);
        assert_eq!(check(&self.table), []);
        out.into_iter().for_each(|order| {
            self.note(&order);
            self.take_of_table(order);
        });
    }

    fn take_of_table(&mut self, order: call::Order) {
        match order {
            call::Order::Find(id) => {
                let (stored, row) = (self.store.stored(id), self.store.row(id));
                self.send(Letter::Table(call::Event::Found(id, stored, row)));
            }
            call::Order::Answer(caller, id, answer) => self.tell(caller, id, &answer),
            call::Order::Start { id, content, .. } => {
                self.store.start(id, content);
                self.send(Letter::Table(call::Event::StartKept(id)));
            }
            call::Order::Run(id, attempt, alone) => {
                let run = (id, attempt);
                self.alone.insert(run, alone);
                self.send(Letter::Pool(service_of(id), pool::Event::Give(run, Origin::Queue)));
            }
            call::Order::Keep { id, attempt, content, reply, work, lowest } => {
                let run = (id, attempt);
                let row = Inserted { id, attempt, content, reply, work, lowest };
                assert!(self.ends.insert(run, row).is_none(), "{id} ends twice");
                self.spoke(run);
            }
            call::Order::GiveUp(id, attempt) => {
                self.given_up.insert((id, attempt));
                self.alone.insert((id, attempt), Alone::Yes);
                self.spoken.push_back((id, attempt));
            }
            call::Order::RollBack(id, attempt) | call::Order::Kill(id, attempt) => {
                self.undone((id, attempt));
            }
            call::Order::KeepUnknown(id) => {
                self.store.unknown(id);
                self.send(Letter::Table(call::Event::UnknownKept(id)));
            }
            call::Order::Drained => self.send(Letter::Sitting(sitting::Event::Close)),
            call::Order::Decode(..)
            | call::Order::Clear(_)
            | call::Order::Change(..)
            | call::Order::LeaveUnwritten(_)
            | call::Order::End => panic!("nothing has asked for {order:?}"),
        }
    }

    fn tell(&mut self, caller: Caller, id: CallId, answer: &call::Answer) {
        let asked = self.callers.remove(&caller);
        let Some(asked) = asked else { panic!("{caller:?} is told twice of {id}") };
        if let call::Answer::Reply(reply) = answer {
            let kept = self.store.kept.get(&id).copied();
            assert_eq!(kept, Some((asked, *reply)), "{id}: not what is kept is told");
            let former = *self.told.entry(id).or_insert(*reply);
            assert_eq!(former, *reply, "{id}: another answer than before");
        }
    }

    /// It has spoken: heard at once where it has the turn, and else when it has it.
    pub fn spoke(&mut self, run: Run) {
        if self.savepoint == Some(run) {
            self.send(Letter::Turn(run));
        } else if !self.spoken.contains(&run) {
            self.spoken.push_back(run);
        }
    }

    fn turn(&mut self, run: Run) {
        if self.savepoint != Some(run) {
            return;
        }
        if let Some(row) = self.ends.get(&run) {
            let work = row.work;
            return self.send(Letter::Sitting(sitting::Event::Ended(run, work, 10)));
        }
        if self.given_up.remove(&run) {
            let reply = self.reply(Ending::Abnormal);
            return self.send(Letter::Table(call::Event::Ended(run.0, run.1, reply)));
        }
        let Some(word) = self.words.remove(&run) else { return };
        let service = service_of(run.0);
        let has = |(_, process): &(&(ServiceNumber, Worker), &Process)| {
            process.has.is_some_and(|(_, of)| of == run)
        };
        if let Some(((_, worker), _)) = self.processes.iter().find(has) {
            let event = pool::Event::Of(*worker, word);
            self.send(Letter::Pool(service, event));
        }
    }

    fn sitting(&mut self, event: sitting::Event) {
        let mut out = Vec::new();
        self.sitting.step(self.now, event, &mut out);
        out.into_iter().for_each(|order| {
            self.note(&order);
            self.take_of_sitting(order);
        });
    }

    fn take_of_sitting(&mut self, order: sitting::Order) {
        use sitting::Order;
        match order {
            Order::Begin => {
                self.open = true;
                self.send(Letter::Sitting(sitting::Event::Began(EpochRead::Own)));
            }
            Order::Open(run) => {
                assert!(self.open && self.savepoint.is_none(), "savepoints overlap");
                self.savepoint = Some(run);
                self.spoken.retain(|of| *of != run);
                self.send(Letter::Turn(run));
            }
            Order::RollBackTo(run) => assert_eq!(self.savepoint, Some(run)),
            Order::Insert(run) => self.insert(run),
            Order::Release(run) => assert_eq!(self.savepoint.take(), Some(run)),
            Order::Commit => self.commit(),
            Order::RollBack => self.lost(),
            Order::TellProgram(_) | Order::Idle => {}
            Order::NotInserted(run) => {
                let (id, attempt) = run;
                let stored = self.store.stored(id);
                let row = self.store.row(id);
                self.undone(run);
                self.send(Letter::Table(match stored {
                    Stored::Nothing | Stored::Started(_) => {
                        call::Event::Interrupted(id, attempt, Interruption::Contended)
                    }
                    Stored::Unknown(_) | Stored::Final(..) | Stored::Tombstone => {
                        call::Event::Taken(id, attempt, stored, row)
                    }
                }));
            }
            Order::Kept(runs) => self.kept(&runs),
            Order::TurnedOut(run) => self.interrupted(run, Interruption::TurnedOut),
            Order::Gone(runs, turn) => {
                self.lost();
                for run in runs {
                    self.interrupted(run, Interruption::SittingGone);
                }
                if let Some(run) = turn {
                    self.interrupted(run, Interruption::SittingGoneInTurn);
                }
            }
            Order::Full(runs) => {
                for run in runs {
                    self.interrupted(run, Interruption::StoreFull("full".to_owned()));
                }
            }
            Order::Superseded(_) | Order::EndProcess => self.dead = true,
            Order::Closed => {
                self.table(call::Event::Closed);
                self.dead = true;
            }
        }
    }

    fn insert(&mut self, run: Run) {
        let Some(row) = self.ends.get(&run).copied() else { panic!("{} has no end", run.0) };
        let free = match self.store.stored(run.0) {
            Stored::Nothing => service_of(run.0) == PAY,
            Stored::Started(_) => service_of(run.0) == MAIL,
            Stored::Unknown(_) | Stored::Final(..) | Stored::Tombstone => false,
        };
        if free && !(self.faults && self.chance.one_in(30)) {
            self.staged.push(row);
            self.send(Letter::Sitting(sitting::Event::Inserted(run)));
        } else {
            self.send(Letter::Sitting(sitting::Event::Failed(Left::Savepoint)));
        }
    }

    fn commit(&mut self) {
        assert!(self.open && self.savepoint.is_none(), "a savepoint is open at the commit");
        let fails = self.faults && self.chance.one_in(40);
        if fails && self.chance.one_in(2) {
            self.staged.clear();
        }
        for row in std::mem::take(&mut self.staged) {
            self.store.commit(&row);
        }
        self.open = false;
        let event = if fails { sitting::Event::CommitFailed } else { sitting::Event::Committed };
        self.send(Letter::Sitting(event));
    }

    fn kept(&mut self, runs: &[Run]) {
        for run in runs {
            self.ends.remove(run);
            self.send(Letter::Pool(service_of(run.0), pool::Event::Settled(*run)));
        }
        let ids = runs.iter().map(|(id, _)| *id).collect();
        self.send(Letter::Table(call::Event::Committed(ids)));
    }

    /// The transaction is gone.
    pub fn lost(&mut self) {
        self.staged.clear();
        self.savepoint = None;
        self.open = false;
    }

    fn interrupted(&mut self, run: Run, why: Interruption) {
        self.undone(run);
        self.send(Letter::Table(call::Event::Interrupted(run.0, run.1, why)));
    }

    /// Nothing of a run is left: not in the store, and not in its worker.
    fn undone(&mut self, run: Run) {
        self.forget(run);
        self.undone.insert(run);
        self.send(Letter::Pool(service_of(run.0), pool::Event::Undone(run)));
    }

    fn forget(&mut self, run: Run) {
        self.ends.remove(&run);
        self.words.remove(&run);
        self.given_up.remove(&run);
        self.spoken.retain(|of| *of != run);
    }

    fn pool(&mut self, service: ServiceNumber, event: pool::Event) {
        let mut out = Vec::new();
        let pool = self.pools.get_mut(&service).unwrap();
        pool.step(self.now, event, &mut out);
        out.into_iter().for_each(|order| {
            self.note(&order);
            self.take_of_pool(service, order);
        });
    }

    fn take_of_pool(&mut self, service: ServiceNumber, order: pool::Order) {
        use pool::Order;
        match order {
            Order::Bear(worker) => {
                self.processes.insert((service, worker), Process::default());
                let ready = pool::Event::Of(worker, life::Event::Ready);
                self.send(Letter::Pool(service, ready));
            }
            Order::Begin(worker, turn, run) => {
                let process = self.processes.get_mut(&(service, worker)).unwrap();
                assert!(process.has.is_none() && !process.killed, "{worker:?} is not free");
                let spoilt = process.ran.intersection(&self.undone).next();
                assert_eq!(spoilt, None, "{worker:?} remembers what never was");
                process.ran.insert(run);
                process.has = Some((turn, run));
            }
            Order::Keep(worker, run) => {
                self.processes.get_mut(&(service, worker)).unwrap().has = None;
                let reply = self.reply(Ending::Done);
                self.send(Letter::Table(call::Event::Ended(run.0, run.1, reply)));
            }
            Order::Abnormal(run, abnormal) => {
                self.words.remove(&run);
                let reply = self.reply(abnormal.ending());
                self.send(Letter::Table(call::Event::Ended(run.0, run.1, reply)));
            }
            Order::Again(run) => {
                self.forget(run);
                let why = Interruption::NotAtFault;
                self.send(Letter::Table(call::Event::Interrupted(run.0, run.1, why)));
            }
            Order::Kill(worker, _) => {
                let process = self.processes.get_mut(&(service, worker)).unwrap();
                process.killed = true;
            }
            Order::Sweep(worker) => {
                self.processes.remove(&(service, worker));
                self.send(Letter::Pool(service, pool::Event::Swept(worker)));
            }
            Order::GiveUp(why, _) => panic!("given up for {why:?}"),
            Order::Broken(worker) => panic!("{worker:?} is broken"),
            Order::Operate(..) | Order::Leave(_) | Order::Drained | Order::BeginAhead(..) => {}
        }
    }

    /// The process has ended, and another opens the store.
    fn open_again(&mut self) {
        self.table = call::Table::new(Limits::default());
        self.sitting = Sitting::new(sitting::Limits { calls: 4, ..sitting::Limits::default() });
        self.pools = pools();
        self.processes.clear();
        self.letters.clear();
        self.spoken.clear();
        self.words.clear();
        self.ends.clear();
        self.alone.clear();
        self.given_up.clear();
        self.undone.clear();
        self.callers.clear();
        self.lost();
        self.store.open();
        self.dead = false;
    }
}
