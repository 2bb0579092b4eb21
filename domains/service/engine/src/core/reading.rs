//! Calls of services that only read. They run beside the writer, many at once, and stand in no
//! table: nothing of them is kept, and a retry reads again.

use std::collections::{BTreeMap, VecDeque};

use tsugi_service_rules::abroad::Became;
use tsugi_service_rules::call::{self, Arrival, Attempt, Caller};
use tsugi_service_rules::ground::{Effects, Ground, ServiceNumber};
use tsugi_service_rules::id::CallId;
use tsugi_service_rules::refusal::{Busy, Refusal};
use tsugi_service_rules::sitting::Run;
use tsugi_service_rules::stored::{self, Ending};
use tsugi_service_rules::worker::life::{Abnormal, Class};
use tsugi_service_rules::worker::pool;
use tsugi_store::Trouble;
use tsugi_vocabulary::{Moment, Span};

use super::Waiter;
use super::hall::{Hall, Todo};
use super::inquiry::Keys;
use super::lector::{Errand, Lector, Looked, Looks, Read};
use super::nested::{Carry, Next, Stack, ends_badly};
use super::pools::{Ended, Over, Word};
use crate::clock;
use crate::worker::Given;

/// Connections that read at once.
const LECTORS: usize = 8;
/// The entries of readings are none of the table's.
const ENTRIES: u64 = 1 << 63;

/// Opens what a lector reads by.
pub type Opens = Box<dyn Fn() -> Result<Box<dyn Looks>, Trouble> + Send>;

/// Whether its program has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    No,
    Yes,
}

/// Who reads for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Nobody: it has asked for nothing yet.
    None,
    /// It waits for one.
    Line,
    /// This one, which waits for it.
    Has(usize),
    /// This one, which reads.
    Reads(usize),
}

/// A call that only reads.
struct Reading {
    arrival: Arrival,
    given: Given,
    /// Of the unknown call that it is asked about.
    keys: Option<Keys>,
    /// None once it is gone, or was told that it is pending.
    caller: Option<Caller>,
    begun: Begun,
    by: By,
    /// Who is called by it; none while that is looked at.
    stack: Option<Stack>,
    /// What was said of it and not yet carried out.
    mail: VecDeque<Word>,
}

/// All of them.
pub(super) struct Readings {
    opens: Option<Opens>,
    all: BTreeMap<Run, Reading>,
    bytes: u64,
    next: u64,
    lectors: Vec<Lector>,
    free: Vec<usize>,
    /// Who waits for a lector.
    line: VecDeque<Run>,
    /// Until when they may go on, where the group moves.
    until: Option<Moment>,
}

impl Readings {
    pub(super) fn new(opens: Option<Opens>) -> Self {
        Self {
            opens,
            all: BTreeMap::new(),
            bytes: 0,
            next: 0,
            lectors: Vec::new(),
            free: Vec::new(),
            line: VecDeque::new(),
            until: None,
        }
    }

    /// Where a service acts here: without readers one that only reads is run as any other.
    pub(super) fn effects(&self, declared: Effects) -> Effects {
        match declared {
            Effects::None if self.opens.is_none() => Effects::Store,
            Effects::None | Effects::Store | Effects::Outside => declared,
        }
    }

    /// What the program of a call that only reads is given; it begins.
    pub(super) fn begin(&mut self, run: Run) -> Option<Given> {
        let reading = self.all.get_mut(&run)?;
        reading.begun = Begun::Yes;
        Some(reading.given.clone())
    }

    /// What the program of such a call is told as its keys, where they are another call's.
    pub(super) fn keys(&self, run: Run) -> Option<Keys> {
        self.all.get(&run)?.keys
    }

    pub(super) fn has(&self, run: Run) -> bool {
        self.all.contains_key(&run)
    }

    /// What was said of one.
    pub(super) fn mail(&mut self, run: Run) -> Option<&mut VecDeque<Word>> {
        self.all.get_mut(&run).map(|reading| &mut reading.mail)
    }

    /// Whether what was said of one is that it is over, and not in order.
    pub(super) fn ends_badly(&self, run: Run) -> bool {
        self.all.get(&run).is_some_and(|reading| ends_badly(&reading.mail))
    }

    /// When somebody's patience ends, or the grace of a move.
    pub(super) fn wake_at(&self) -> Option<Moment> {
        let patience = self.all.values().filter_map(Reading::deadline).min();
        let grace = self.until.filter(|_| !self.all.is_empty());
        patience.into_iter().chain(grace).min()
    }

    /// How many see the store as it was.
    pub(super) fn open(&self) -> usize {
        self.lectors.len() - self.free.len()
    }

    /// Whether the store may be let go.
    pub(super) fn are_over(&self) -> bool {
        self.all.is_empty() || self.until.is_some_and(|until| until <= clock::now())
    }

    pub(super) fn close(&mut self) {
        self.lectors.iter_mut().for_each(Lector::close);
    }

    fn not_begun(&self, service: ServiceNumber) -> usize {
        let waits = |r: &&Reading| r.arrival.service == service && r.begun == Begun::No;
        self.all.values().filter(waits).count()
    }

    fn runs(&self, which: impl Fn(&Reading) -> bool) -> Vec<Run> {
        self.all.iter().filter(|(_, reading)| which(reading)).map(|(run, _)| *run).collect()
    }

    /// Takes a reading away; its lector is released, unless it reads: then that is waited for.
    fn remove(&mut self, run: Run) -> Option<Reading> {
        let reading = self.all.remove(&run)?;
        self.bytes = self.bytes.saturating_sub(reading.arrival.size);
        match reading.by {
            By::Has(lector) => self.release(lector),
            By::Line => self.line.retain(|waits| *waits != run),
            By::None | By::Reads(_) => {}
        }
        Some(reading)
    }

    fn release(&mut self, lector: usize) {
        self.lectors[lector].tell(Errand::Release);
        self.free.push(lector);
    }
}

impl Reading {
    fn deadline(&self) -> Option<Moment> {
        self.caller.and(self.arrival.deadline)
    }
}

impl Hall {
    /// Whether calls of a service only read.
    pub(super) fn only_reads(&self, service: ServiceNumber) -> bool {
        self.grounds.get(&service).is_some_and(|ground| ground.effects == Effects::None)
    }

    /// Takes a call of a service that only reads.
    pub(super) fn read_call(&mut self, arrival: Arrival, waiter: Waiter) {
        let ground = Ground {
            now: clock::now(),
            last: self.settings.last_moment(),
            services: &self.grounds,
            store: &self.store,
        };
        let held = (self.readings.not_begun(arrival.service), self.readings.bytes);
        let of = (arrival.service, arrival.size);
        let may = self.table.may_read(&ground, of, arrival.deadline, held);
        let given = waiter.body.as_ref().map(|body| body.given.clone());
        let keys = waiter.body.as_ref().and_then(|body| body.keys);
        self.wait_for(arrival.caller, waiter);
        let (Ok(()), Some(given)) = (&may, given) else {
            let refusal = may.err().unwrap_or(Refusal::NotOpenHere);
            return self.answer(arrival.caller, call::Answer::Refused(refusal));
        };
        self.readings.next += 1;
        let entry = ENTRIES | self.readings.next;
        let run = (arrival.id, Attempt { entry, number: 1 });
        let (caller, mail) = (Some(arrival.caller), VecDeque::new());
        let stack = Some(self.stack(run, arrival.service));
        let (begun, by) = (Begun::No, By::None);
        let reading = Reading { arrival, given, keys, caller, begun, by, stack, mail };
        self.readings.bytes += arrival.size;
        self.readings.all.insert(run, reading);
        if let Some(desk) = self.desks.get_mut(&arrival.service) {
            desk.held.push_back(run);
        }
    }

    /// Somebody does not wait any more. What has not begun need not begin.
    pub(super) fn reader_gone(&mut self, id: CallId, caller: Caller) {
        for run in self.readings.runs(|r| r.arrival.id == id && r.caller == Some(caller)) {
            let Some(reading) = self.readings.all.get_mut(&run) else { continue };
            reading.caller = None;
            if reading.begun == Begun::No {
                self.drop_reading(run);
            }
        }
    }

    /// A worker has said something of a call that only reads.
    pub(super) fn reading_says(&mut self, run: Run, word: Word) {
        let Some(reading) = self.readings.all.get_mut(&run) else { return };
        if matches!(&word, Word::End(_, Over::Ended(_))) {
            reading.mail.clear();
        }
        reading.mail.push_back(word);
        self.read_next(run);
    }

    /// Goes on with the calls whose workers read their answers again.
    pub(super) fn read_on(&mut self) {
        let waits = |reading: &Reading| {
            let called = reading.stack.as_ref().is_some_and(Stack::is_nested);
            (called || !reading.mail.is_empty()) && matches!(reading.by, By::None | By::Has(_))
        };
        let waiting = self.readings.all.iter().filter(|(_, reading)| waits(reading));
        let runs: Vec<Run> = waiting.map(|(run, _)| *run).collect();
        for run in runs {
            self.read_next(run);
        }
    }

    /// Does what comes next for a call, as far as nobody is waited for.
    pub(super) fn read_next(&mut self, run: Run) {
        let Some(reading) = self.readings.all.get_mut(&run) else { return };
        if let By::Reads(_) | By::Line = reading.by {
            return;
        }
        let Some(mut stack) = reading.stack.take() else { return };
        let over = loop {
            match self.next_of(&mut stack) {
                Next::Nothing => break None,
                // Nothing is changed that could be taken back.
                Next::Begin(_) => {}
                Next::Keep | Next::TakeBack => self.ended_beside(&mut stack),
                Next::Carry(carry) => {
                    let read = self.read_by_lector(run, stack.service(), carry);
                    match read {
                        Ok(()) => {}
                        Err(Some(carry)) => stack.put_back(Next::Carry(carry)),
                        // It is refused.
                        Err(None) => return self.abandon_stack(&mut stack),
                    }
                    break None;
                }
                Next::Ends(over) => break Some(over),
                Next::Fails(why) => break Some(Over::Ended(self.failed_reading(run, &why))),
            }
        };
        if let Some(reading) = self.readings.all.get_mut(&run) {
            reading.stack = Some(stack);
        }
        if let Some(over) = over {
            self.end_reading(run, over);
        }
    }

    /// Has something read. It comes back where it waits for a lector, and not where its call is
    /// refused, because there will be none.
    fn read_by_lector(
        &mut self,
        run: Run,
        service: ServiceNumber,
        carry: Carry,
    ) -> Result<(), Option<Carry>> {
        let Some(reading) = self.readings.all.get(&run) else { return Err(None) };
        let lector = match reading.by {
            By::Has(lector) => Some(lector),
            By::None | By::Line | By::Reads(_) => self.some_lector(),
        };
        if lector.is_none() && self.readings.lectors.is_empty() {
            // Nobody will ever call it out of a line.
            let why = "nothing that reads could be opened".to_owned();
            self.refuse_reading(run, Refusal::StoreAway { why });
            return Err(None);
        }
        let Some(reading) = self.readings.all.get_mut(&run) else { return Err(None) };
        let Some(lector) = lector else {
            reading.by = By::Line;
            self.readings.line.push_back(run);
            let waits = pool::Event::Waits(run);
            self.todo.push_back(Todo::Pool(reading.arrival.service, waits));
            return Err(Some(carry));
        };
        reading.by = By::Reads(lector);
        let may = self.desks.get(&service).map_or(0, |desk| u64::from(desk.call_ms));
        let until = clock::now() + Span::millis(may);
        self.readings.lectors[lector].tell(Errand::Read(Read { run, carry, until }));
        Ok(())
    }

    fn some_lector(&mut self) -> Option<usize> {
        if let Some(free) = self.readings.free.pop() {
            return Some(free);
        }
        let by = self.readings.lectors.len();
        if by >= LECTORS {
            return None;
        }
        // Without a further one those that there are do it.
        let looks = self.readings.opens.as_ref().and_then(|opens| opens().ok())?;
        let lector = Lector::start(by, looks, self.inbox.clone()).ok()?;
        self.readings.lectors.push(lector);
        Some(by)
    }

    /// A lector has read something.
    pub(super) fn looked(&mut self, looked: Looked) {
        let Looked { by, run, came } = looked;
        match self.readings.all.get_mut(&run) {
            None => self.readings.release(by),
            Some(reading) => {
                reading.by = By::Has(by);
                match (came, &mut reading.stack) {
                    (Ok((answers, failed)), Some(stack)) => {
                        stack.carried(answers, failed);
                        self.read_next(run);
                    }
                    (Ok(_), None) => {}
                    (Err(trouble), _) => {
                        let why = trouble.to_string();
                        self.refuse_reading(run, Refusal::StoreAway { why });
                    }
                }
            }
        }
        self.read_line();
    }

    /// Whoever waits for a lector has one that is free.
    fn read_line(&mut self) {
        while !self.readings.free.is_empty()
            && let Some(run) = self.readings.line.pop_front()
        {
            let Some(reading) = self.readings.all.get_mut(&run) else { continue };
            reading.by = By::None;
            let service = reading.arrival.service;
            self.todo.push_back(Todo::Pool(service, pool::Event::Goes(run)));
            self.read_next(run);
        }
    }

    /// It may count on what was refused, so its worker is not used any more.
    fn failed_reading(&mut self, run: Run, why: &str) -> Ended {
        if let Some(reading) = self.readings.all.get(&run) {
            let undone = pool::Event::Undone(run);
            self.todo.push_back(Todo::Pool(reading.arrival.service, undone));
        }
        Ended::abnormal(Abnormal::Failed(Class::RunTimeError), why)
    }

    /// What its caller is told of how it is over.
    fn told_of(&mut self, run: Run, over: Over) -> Ended {
        let gave = match over {
            Over::Gave(gave) => gave,
            Over::Ended(ended) => return ended,
        };
        let service = self.readings.all.get(&run).map(|reading| reading.arrival.service);
        let desk = service.and_then(|number| self.desks.get(&number));
        match desk.map(|desk| desk.interface.reply(gave)) {
            Some(Ok(said)) => Ended { ending: Ending::Done, said },
            Some(Err(none)) => self.failed_reading(run, &none.to_string()),
            None => self.failed_reading(run, "its service is not there any more"),
        }
    }

    /// Its program has ended: whoever waits is told, and nothing is kept.
    fn end_reading(&mut self, run: Run, over: Over) {
        let Ended { ending, said } = self.told_of(run, over);
        let Some(reading) = self.take_reading(run) else { return };
        let arrival = reading.arrival;
        self.todo.push_back(Todo::Pool(arrival.service, pool::Event::Settled(run)));
        self.settle_within(run);
        let reply = tsugi_store::Reply {
            ending: super::seen::written(ending),
            service: i64::from(arrival.service.0),
            interface: i64::from(arrival.content.interface.0),
            attempt: i64::from(run.1.number),
            at: clock::wall_ms(),
            status: i64::from(ending.http()),
            content_type: said.content_type,
            body: said.body,
        };
        if let Some(caller) = reading.caller {
            let bytes = self.number(reply);
            self.answer(caller, call::Answer::Reply(stored::Reply { ending, bytes }));
            self.replies.remove(&bytes);
        }
        self.read_line();
    }

    /// Takes one away, with whom it has called and waits for.
    fn take_reading(&mut self, run: Run) -> Option<Reading> {
        let mut reading = self.readings.remove(run)?;
        // A retry reads again, and asks for the same.
        self.is_home(run, Became::Undone);
        if let Some(stack) = &mut reading.stack {
            self.abandon_stack(stack);
        }
        Some(reading)
    }

    /// Takes one away that is not carried out, and what its worker has of it.
    fn drop_reading(&mut self, run: Run) -> Option<Reading> {
        let reading = self.take_reading(run)?;
        self.undo_within(run);
        if let Some(desk) = self.desks.get_mut(&reading.arrival.service) {
            desk.held.retain(|held| *held != run);
        }
        if reading.begun == Begun::Yes {
            let undone = pool::Event::Undone(run);
            self.todo.push_back(Todo::Pool(reading.arrival.service, undone));
        }
        self.read_line();
        Some(reading)
    }

    fn refuse_reading(&mut self, run: Run, refusal: Refusal) {
        if let Some(caller) = self.drop_reading(run).and_then(|reading| reading.caller) {
            self.answer(caller, call::Answer::Refused(refusal));
        }
    }

    /// A run is over that was not at fault: it reads again, in another worker.
    pub(super) fn read_again(&mut self, run: Run) {
        let Some(mut reading) = self.take_reading(run) else { return };
        self.undo_within(run);
        let service = reading.arrival.service;
        let open = self.grounds.get(&service).map_or(Ok(()), |ground| ground.open.clone());
        let again = Attempt { number: run.1.number + 1, ..run.1 };
        let refusal = match (open, self.readings.until) {
            (Err(refusal), _) => Some(refusal),
            (Ok(()), Some(_)) => Some(Refusal::Moving),
            (Ok(()), None) => {
                let often = again.number > self.settings.calls.runs;
                often.then_some(Refusal::Busy(Busy::Contended))
            }
        };
        match (refusal, reading.caller) {
            (Some(refusal), Some(caller)) => {
                self.answer(caller, call::Answer::Refused(refusal));
            }
            (Some(_), None) => {}
            (None, _) => {
                (reading.begun, reading.by) = (Begun::No, By::None);
                reading.stack = Some(self.stack((run.0, again), service));
                reading.mail.clear();
                self.readings.bytes += reading.arrival.size;
                self.readings.all.insert((run.0, again), reading);
                if let Some(desk) = self.desks.get_mut(&service) {
                    desk.held.push_front((run.0, again));
                }
            }
        }
        self.read_line();
    }

    /// What has not begun of a service that is closed is told so.
    pub(super) fn refuse_readings_of(&mut self, service: ServiceNumber) {
        let open = self.grounds.get(&service).map_or(Ok(()), |ground| ground.open.clone());
        let Err(refusal) = open else { return };
        for run in self.readings.runs(|r| r.arrival.service == service && r.begun == Begun::No) {
            self.refuse_reading(run, refusal.clone());
        }
    }

    /// The group moves: what reads may end until then.
    pub(super) fn move_readings(&mut self, grace: Span) {
        self.readings.until.get_or_insert(clock::now() + grace);
        for run in self.readings.runs(|reading| reading.begun == Begun::No) {
            self.refuse_reading(run, Refusal::Moving);
        }
    }

    /// Time has passed. Whose program runs is told to ask again: it goes on for nobody, and ends.
    pub(super) fn wake_readings(&mut self) {
        let now = clock::now();
        for run in self.readings.runs(|r| r.deadline().is_some_and(|at| at <= now)) {
            let Some(reading) = self.readings.all.get_mut(&run) else { continue };
            match (reading.begun, reading.arrival.deadline) {
                (Begun::No, Some(deadline)) => {
                    self.refuse_reading(run, Refusal::TooLate { deadline });
                }
                (Begun::No | Begun::Yes, _) => {
                    if let Some(caller) = reading.caller.take() {
                        self.answer(caller, call::Answer::Pending);
                    }
                }
            }
        }
        if self.readings.until.is_some_and(|until| until <= now) {
            for run in self.readings.runs(|_| true) {
                self.refuse_reading(run, Refusal::Moving);
            }
        }
    }
}
