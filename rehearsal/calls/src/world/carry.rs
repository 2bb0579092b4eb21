//! What a table orders is carried out.

use tsugi_service_rules::call::{
    Alone, Answer, Caller, Event, Interruption, Order, Posture, Resolution, Stage,
};
use tsugi_service_rules::id::{CallId, Serial};
use tsugi_service_rules::mutant::mutant;
use tsugi_service_rules::refusal::{Busy, Refusal};
use tsugi_service_rules::sitting::{self, Run, State};
use tsugi_service_rules::stored::{Ending, Reply, Stored};

use super::{FAULTS_END, MS, US, World};
use crate::client::{MAIL, PAY, content};
use crate::engine::{Kept, Life, Program, Small, Todo, limits};
use crate::rows::Write;
use crate::step::Step;
use crate::store::Kind;

/// Workers of a service.
const WORKERS: usize = 4;

impl World {
    pub(crate) fn carry(&mut self, e: usize, order: Order) {
        match order {
            Order::Find(id) => self.find(e, id),
            Order::Answer(caller, id, answer) => self.answer(e, caller, id, &answer),
            Order::Decode(caller, _, interface) => self.decode(e, caller, interface),
            Order::Start { id, attempt, content } => {
                self.busy(e, id);
                self.engines[e].small.push_back(Small::Start(id, attempt, content));
            }
            Order::Run(id, attempt, alone) => self.run(e, (id, attempt), alone),
            Order::Keep { id, attempt, content, reply, work, lowest } => {
                self.look_at_lowest(e, id, lowest);
                self.keep(e, (id, attempt), Kept { content, reply, work, lowest });
            }
            Order::GiveUp(id, attempt) => self.give_up(e, (id, attempt)),
            Order::RollBack(id, attempt) | Order::Kill(id, attempt) => {
                self.roll_back(e, (id, attempt));
            }
            Order::KeepUnknown(id) => self.engines[e].small.push_back(Small::Unknown(id)),
            Order::Clear(id) => self.begin_clear(e, id),
            Order::Change(id, caller, change) => {
                self.engines[e].small.push_back(Small::Change(id, caller, change));
            }
            Order::LeaveUnwritten(id) => {
                self.engines[e].small.retain(|small| match small {
                    Small::Start(of, ..) | Small::Unknown(of) | Small::Change(of, ..) => *of != id,
                });
            }
            Order::Drained => self.on_drained(e),
            Order::End => self.end_process(e),
        }
    }

    /// Another thread reads: what it says may be a little old.
    fn find(&mut self, e: usize, id: CallId) {
        let mut stored = self.store.rows.stored(id);
        if self.engines[e].owner.epoch.counter > 1 && mutant("dedup-lost-on-takeover") {
            stored = Stored::Nothing;
        }
        let row = self.store.rows.row(id);
        let after = self.work.between(20, 300) * US;
        self.table_soon(e, after, Event::Found(id, stored, row));
    }

    fn decode(
        &mut self,
        e: usize,
        caller: Caller,
        interface: tsugi_service_rules::id::InterfaceNumber,
    ) {
        let Some((_, Some(arrival))) = self.engines[e].requests.get(&caller).copied() else {
            return;
        };
        if self.engines[e].gone.contains(&caller) {
            return;
        }
        let mut arrival = arrival;
        arrival.content = content(interface, crate::client::body_of(arrival.content));
        self.table_soon(e, 50 * US, Event::Arrived(arrival));
    }

    fn busy(&mut self, e: usize, id: CallId) {
        let service = self.service_of.get(&id).copied().unwrap_or(PAY);
        *self.engines[e].busy.entry(service).or_default() += 1;
    }

    /// The lowest serial that is kept is one that some arrival of the call has told.
    fn look_at_lowest(&mut self, e: usize, id: CallId, lowest: Serial) {
        let told = self.engines[e].lowests.get(&id);
        if id.counted().is_some() && !told.is_some_and(|all| all.contains(&lowest)) {
            let what = format!("{id}: {lowest:?} is kept, {told:?} was told");
            self.promises.breaks("watermark_only_rises", what);
        }
    }

    /// A program is begun.
    fn run(&mut self, e: usize, run: Run, alone: Alone) {
        let (id, _) = run;
        let service = self.service_of.get(&id).copied().unwrap_or(PAY);
        if service == PAY {
            self.busy(e, id);
        }
        self.look_at_begin(e, id);
        if service == MAIL {
            self.promises.acts(id);
            if self.engines[e].busy.get(&MAIL).is_none_or(|n| *n == 0) {
                self.busy(e, id);
            }
        }
        let (ending, takes) = self.draw_ending();
        let program = Program { alone, service, ending, takes, ended: false };
        self.engines[e].programs.insert(run, program);
        if self.kind == Kind::Server {
            return self.begin_session(e, run);
        }
        let after = self.work.between(10, 900) * US;
        if self.now < FAULTS_END && self.luck.happens(20) {
            self.queue.put(self.now + after, super::Ev::NotBegun(e, run));
        } else {
            self.queue.put(self.now + after, super::Ev::Spoke(e, run));
        }
    }

    fn draw_ending(&mut self) -> (Ending, u64) {
        let usual = self.work.between(20, 3_000) * US;
        if self.now > FAULTS_END {
            return (Ending::Done, usual);
        }
        match self.luck.below(100) {
            0..=3 => (Ending::Refused, usual),
            4..=7 => (Ending::Abnormal, usual),
            // It hangs, and is killed.
            8..=9 => (Ending::TimeLimit, 1_000 * MS),
            10..=13 => (Ending::Done, self.work.between(10, 200) * MS),
            _ => (Ending::Done, usual),
        }
    }

    /// What may begin: what the store has nothing of, or its durable start.
    fn look_at_begin(&mut self, e: usize, id: CallId) {
        let engine = &self.engines[e];
        if self.store.rows.owner != Some(engine.owner) {
            return;
        }
        let stored = self.store.durable.stored(id);
        let outside = self.service_of.get(&id) == Some(&MAIL);
        if outside && !matches!(stored, Stored::Started(_)) {
            let what = format!("{id} begins to act outside, and {stored:?} is there");
            return self.promises.breaks("unknown_stays_unknown", what);
        }
        if stored == Stored::Nothing && self.store.durable.is_over(id) {
            self.promises.breaks("never_after_expiry", format!("{id} is run and is over"));
        }
        // On a volume nobody else could have put it there.
        if self.kind == Kind::Volume && !outside && stored != Stored::Nothing {
            self.promises.breaks("applied_once", format!("{id} is run, and {stored:?} is there"));
        }
        let contended = engine.contended.get(&id).copied().unwrap_or(0);
        if contended >= limits().runs {
            self.promises.breaks("heals", format!("{id} is run again and again"));
        }
        let Some(key) = engine.orders.get(&id) else { return };
        let runs = |other: &CallId| match engine.table.stage(*other) {
            Some(Stage::Running | Stage::Starting | Stage::Ended(_) | Stage::InDoubt) => true,
            Some(Stage::Queued | Stage::Losing) | None => false,
        };
        let of_key = engine.orders.iter().filter(|(other, k)| **other != id && *k == key);
        let beside = of_key.map(|(other, _)| *other).find(runs);
        if let Some(beside) = beside {
            self.promises.breaks("in_order", format!("{id} runs beside {beside}"));
        }
    }

    /// Its unit of work is opened only to say that it ended abnormally.
    fn give_up(&mut self, e: usize, run: Run) {
        let service = self.service_of.get(&run.0).copied().unwrap_or(PAY);
        self.busy(e, run.0);
        let ending = Ending::Abnormal;
        let program = Program { alone: Alone::Yes, service, ending, takes: 20 * US, ended: false };
        self.engines[e].programs.insert(run, program);
        match self.kind {
            Kind::Volume => self.queue.put(self.now + 20 * US, super::Ev::Spoke(e, run)),
            Kind::Server => self.begin_session(e, run),
        }
    }

    fn roll_back(&mut self, e: usize, run: Run) {
        if self.engines[e].free(run).is_none() {
            return;
        }
        match self.kind {
            Kind::Server => self.drop_session(e, run),
            Kind::Volume => {
                let has_turn = match self.engines[e].writer.state() {
                    State::Turn { of, .. } => of == run,
                    State::Opening { first, .. } => first == run,
                    State::Closed
                    | State::Inserting { .. }
                    | State::Collecting { .. }
                    | State::Committing
                    | State::Over => false,
                };
                if has_turn {
                    self.engines[e].todo.push_back(Todo::Writer(sitting::Event::Close));
                }
            }
        }
    }

    /// The answer of a run goes into its unit of work.
    fn keep(&mut self, e: usize, run: Run, kept: Kept) {
        match self.kind {
            Kind::Volume => {
                self.engines[e].kept.insert(run, kept);
                let event = sitting::Event::Ended(run, kept.work, 100);
                self.engines[e].todo.push_back(Todo::Writer(event));
            }
            Kind::Server => self.send_commit(e, run, kept),
        }
    }

    /// A program has done its work.
    pub(super) fn ends(&mut self, e: usize, run: Run) {
        let (id, attempt) = run;
        let engine = &mut self.engines[e];
        let Some(program) = engine.programs.get_mut(&run).filter(|p| !p.ended) else {
            // It was given up, and speaks all the same.
            if self.luck.happens(300) {
                let reply = self.reply(Ending::Done);
                self.engines[e].todo.push_back(Todo::Table(Event::Ended(id, attempt, reply)));
            }
            return;
        };
        program.ended = true;
        let (service, ending) = (program.service, program.ending);
        engine.release(service);
        if !self.do_work(e, run, ending) {
            return;
        }
        let reply = self.reply(ending);
        self.engines[e].todo.push_back(Todo::Table(Event::Ended(id, attempt, reply)));
        self.passes(e, Step::Work);
    }

    fn reply(&mut self, ending: Ending) -> Reply {
        Reply { ending, bytes: self.fresh() }
    }

    /// What it does in the store; false if its unit of work is gone.
    fn do_work(&mut self, e: usize, run: Run, ending: Ending) -> bool {
        if ending != Ending::Done {
            return true;
        }
        let effect = Write::Effect(run.0);
        match self.kind {
            Kind::Volume => {
                if let Some(transaction) = &mut self.engines[e].transaction {
                    transaction.writes.push((run, effect));
                } else {
                    // No transaction is open: each statement is one of its own.
                    self.commit(&[effect]);
                }
                true
            }
            Kind::Server => {
                let owner = self.engines[e].owner;
                let session = self.store.session_of(owner, run);
                let session = session.and_then(|n| self.store.sessions.get_mut(&n));
                let Some(session) = session.filter(|session| session.gone.is_none()) else {
                    self.interrupt(e, run, Interruption::Contended);
                    return false;
                };
                session.writes.push(effect);
                true
            }
        }
    }

    /// A run is over and nothing of it is left.
    pub(super) fn interrupt(&mut self, e: usize, run: Run, why: Interruption) {
        let (id, attempt) = run;
        let engine = &mut self.engines[e];
        engine.free(run);
        if why == Interruption::Contended {
            *engine.contended.entry(id).or_default() += 1;
        }
        engine.todo.push_back(Todo::Table(Event::Interrupted(id, attempt, why)));
    }

    pub(super) fn not_begun(&mut self, e: usize, run: Run) {
        if self.engines[e].programs.contains_key(&run) {
            self.interrupt(e, run, Interruption::NotAtFault);
        }
    }

    /// Whatever waits for a worker, the writer or the store.
    pub(crate) fn find_work(&mut self, e: usize) -> bool {
        self.write_small(e);
        if self.engines[e].life == Life::Dead {
            return false;
        }
        if self.engines[e].life == Life::Open {
            for service in [PAY, MAIL] {
                let engine = &mut self.engines[e];
                let busy = engine.busy.get(&service).copied().unwrap_or(0);
                if busy < WORKERS && engine.table.is_wanted(service) {
                    engine.todo.push_back(Todo::Table(Event::Room(service)));
                    return true;
                }
            }
        }
        if self.engines[e].todo.is_empty() && self.kind == Kind::Volume {
            self.offer_turn(e);
        }
        !self.engines[e].todo.is_empty()
    }

    /// What is written beside the calls, while no sitting is open.
    fn write_small(&mut self, e: usize) {
        loop {
            let free = match self.engines[e].writer.state() {
                State::Closed | State::Over => true,
                State::Opening { .. }
                | State::Turn { .. }
                | State::Inserting { .. }
                | State::Collecting { .. }
                | State::Committing => false,
            };
            if !free || self.engines[e].life != Life::Open {
                return;
            }
            let Some(small) = self.engines[e].small.pop_front() else { return };
            if !self.is_own(e) {
                return self.end_process(e);
            }
            let (write, event, step) = match small {
                Small::Start(id, attempt, content) => {
                    let stored = self.store.rows.stored(id);
                    if stored != Stored::Nothing || self.store.rows.is_over(id) {
                        self.engines[e].release(MAIL);
                        let row = self.store.rows.row(id);
                        let taken = Event::Taken(id, attempt, stored, row);
                        self.engines[e].todo.push_back(Todo::Table(taken));
                        continue;
                    }
                    (Write::Start(id, content), Event::StartKept(id), Step::Started)
                }
                Small::Unknown(id) => (Write::Unknown(id), Event::UnknownKept(id), Step::Unknown),
                Small::Change(id, caller, change) => {
                    (Write::Change(id, change), Event::Kept(id, caller, change), Step::Changed)
                }
            };
            self.commit(&[write]);
            let after = self.work.between(40, 400) * US;
            self.table_soon(e, after, event);
            self.passes(e, step);
            if self.engines[e].life == Life::Dead {
                return;
            }
        }
    }

    fn on_drained(&mut self, e: usize) {
        let engine = &mut self.engines[e];
        engine.drained = true;
        match self.kind {
            Kind::Volume => engine.todo.push_back(Todo::Writer(sitting::Event::Close)),
            Kind::Server => engine.closed = true,
        }
        self.hand_over(e);
    }

    /// A caller is told: the last look is at what it is told, and when.
    fn answer(&mut self, e: usize, caller: Caller, id: CallId, answer: &Answer) {
        let Some((request, arrival)) = self.engines[e].requests.remove(&caller) else {
            return self.promises.breaks("told_once", format!("{caller:?} is told twice of {id}"));
        };
        let engine = &self.engines[e];
        if matches!(answer, Answer::Reply(_)) {
            if self.now + limits().guard.0 >= engine.last {
                let what = format!("{id} is told after the last moment");
                self.promises.breaks("no_answer_after_last_moment", what);
            }
            if engine.handed_over {
                let what = format!("{id} is told after the store was handed over");
                self.promises.breaks("no_answer_after_last_moment", what);
            }
        }
        if *answer == Answer::Refused(Refusal::Busy(Busy::Contended)) {
            // Its runs have ended; who comes again begins anew.
            self.engines[e].contended.remove(&id);
        }
        let body = arrival.map(|arrival| crate::client::body_of(arrival.content));
        self.promises.told((id, body), answer, &self.store.durable);
        if !self.engines[e].gone.remove(&caller) {
            self.deliver(request, id, answer);
        }
    }

    /// Whether the epoch row is this engine's.
    pub(super) fn is_own(&self, e: usize) -> bool {
        use tsugi_service_rules::epoch::{Working, at_work, compare};
        if mutant("epoch-not-checked") {
            return true;
        }
        let row = compare(self.store.rows.owner, self.engines[e].owner);
        at_work(row) == Working::GoesOn
    }

    /// The operator looks after what is unknown.
    pub(super) fn operator(&mut self) {
        self.queue.put(self.now + self.luck.between(200, 3_000) * MS, super::Ev::Operator);
        let Some(e) = self.current() else { return };
        let Some(id) = self.store.rows.unknown() else { return };
        let resolution = if self.promises.has_acted(id) {
            Resolution::Answered(self.reply(Ending::Refused))
        } else {
            Resolution::NotCarriedOut
        };
        let caller = Caller(self.fresh());
        let ask = crate::client::Ask::Answer(id);
        let request = crate::client::Request { client: usize::MAX, ask, sent: self.now };
        let engine = &mut self.engines[e];
        engine.requests.insert(caller, (request, None));
        if engine.table.posture() == Posture::Silent {
            return;
        }
        self.table_soon(e, 100 * US, Event::Resolved(id, caller, resolution));
    }
}
