//! The workers of one generation of a service: one package, as many processes as are wanted.
//!
//! A worker that was killed is replaced at once, and so is one that leaves: a spare one stands
//! ready, because a program takes milliseconds to load. A call may be begun in a worker that has
//! one: it goes on to that without waiting, and where it is killed that one runs again elsewhere.
//! Births that fail one after the other are further and further apart, and are given up with the
//! last reason.
//!
//! Invariants: a call that was given to a worker has one end, or is given to another; a place is
//! free again only when the process in it has ended and all that it left behind with it; of a
//! service that acts outside the store no abnormal end is told while its program may still run.

mod call;
mod population;

use std::collections::{BTreeMap, VecDeque};

use tsugi_vocabulary::{Moment, Span};

use super::life::{self, Abnormal, Clock, Exit, Life, Limits, Memory, State, Turn, Why};
use crate::call::Attempt;
use crate::ground::Effects;
use crate::id::CallId;
use crate::mutant::mutant;
use crate::refusal::{Cause, Refusal};

/// The pause after the first birth that failed; it doubles with each further one.
pub const PAUSE_FIRST: Span = Span::millis(100);
/// The longest pause.
pub const PAUSE_MOST: Span = Span::secs(5);
/// So many births that fail one after the other, without one good call between, are given up.
pub const FAILURES_MOST: u32 = 5;

/// So many calls may be begun in a worker beside the one that it has. Frames carry as many.
pub const AHEAD_MOST: usize = 8;

/// Faults that can be planted in a pool, and the promise that each breaks.
pub const MUTANTS: &[(&str, &str)] = &[
    ("place-reused-unswept", "a place is free once nothing of its process is left"),
    ("outside-told-while-it-runs", "an end outside the store is told once nothing runs"),
    ("never-given-up", "births that fail are given up some time"),
    ("never-recycled", "a worker is replaced after so many calls"),
    ("ahead-of-outside", "what acts outside the store is begun when it has its worker"),
    ("ahead-lost", "what was begun ahead and had no turn runs again elsewhere"),
    ("spare-taken", "a worker is left for services that are called by others"),
    ("follows-anyone", "who calls a service again finds the worker that remembers its first call"),
    ("next-before-durable", "what a worker has done is durable before its next call, where asked"),
];

/// One run of one call.
pub type Run = (CallId, Attempt);

/// One process; never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worker(pub u64);

/// When a worker that has done a call is free for its next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Free {
    /// Once it is done: the one writer of the store takes calls in their order, so that what is
    /// lost is never followed by something kept.
    #[default]
    Done,
    /// Once what it has done is durable, or over: units of work stand beside each other, and the
    /// next one could be kept without the one that its worker remembers.
    Settled,
}

/// What a pool is to be like.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Calls at a time from the queue; at least 1.
    pub start: usize,
    /// Workers beyond that: they stand ready for those that are lost, and for calls that other
    /// services make.
    pub spare: usize,
    /// Processes at a time, those among them that are ending; more than the two above.
    pub most: usize,
    /// After how many calls a worker is replaced; 0 is never.
    pub recycle: u32,
    /// How long a worker may take.
    pub limits: Limits,
    /// Whether its program holds something between calls.
    pub memory: Memory,
    /// Where its program acts.
    pub effects: Effects,
    /// When a worker is free for its next call.
    pub free: Free,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            start: 1,
            spare: 1,
            most: 4,
            recycle: 100_000,
            limits: Limits::default(),
            memory: Memory::Kept,
            effects: Effects::Store,
            free: Free::Done,
        }
    }
}

/// Whose call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client's, from the queue.
    Queue,
    /// Another service's, which waits for it and holds the writer.
    Service,
    /// Another service's, within the unit of work of this call, which stands beside others: a
    /// worker that has done something in that unit remembers nothing else.
    Unit(Run),
}

/// What a service that calls another can count on. It holds the writer: a worker that has a call
/// may wait for that very writer, and is not counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// A worker has nothing to do.
    Ready,
    /// One is being born, or will be.
    Coming,
    /// All have calls, or none is born any more.
    None,
}

/// Whether a pool serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Posture {
    /// It does.
    #[default]
    Serving,
    /// Births have failed again and again; the last for this reason.
    GivenUp {
        /// Why.
        why: Why,
        /// How its process ended.
        exit: Exit,
    },
    /// Another generation serves: what is under way is ended here.
    Retired,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// To a worker. A process that could not be started is one that has ended; a call is given by
    /// [`Event::Give`] and undone by [`Event::Undone`], never here.
    Of(Worker, life::Event),
    /// A call is to be run.
    Give(Run, Origin),
    /// A call that another service makes is to be run, by the worker that has done this one for the
    /// same caller where that is free: to whoever calls a module again it remembers the first time.
    Follow(Run, Run),
    /// A call is to be begun ahead in a worker that has one.
    Ahead(Run, Worker),
    /// A call waits for the writer of the store, for no fault of its own: its clock stands.
    Waits(Run),
    /// A call has the writer: its clock goes on.
    Goes(Run),
    /// What a call did is durable, or it has no end that could still be undone.
    Settled(Run),
    /// The engine has undone a call, under way or done and not durable; it has its own end.
    Undone(Run),
    /// Nothing is left of a worker's process and of what it started.
    Swept(Worker),
    /// Another generation serves.
    Retire,
    /// An operator wants it tried again.
    Restart,
    /// A moment has come that was asked for, or any other.
    Woken,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Start a process.
    Bear(Worker),
    /// Write a call to a worker's stream.
    Begin(Worker, Turn, Run),
    /// Write a call to a worker's stream that it begins once what it has is done.
    BeginAhead(Worker, Turn, Run),
    /// Carry out what a worker asks for in its call, and answer.
    Operate(Worker, Turn, Run),
    /// Put the call's last operations and its answer into its savepoint.
    Keep(Worker, Run),
    /// End a call abnormally; what it did in the store is undone.
    Abnormal(Run, Abnormal),
    /// A call is not at fault: it runs again in another worker.
    Again(Run),
    /// Tell a worker to leave.
    Leave(Worker),
    /// Kill a worker, whole.
    Kill(Worker, Why),
    /// Make sure that nothing is left of it: [`Event::Swept`].
    Sweep(Worker),
    /// Its service is closed for this reason.
    GiveUp(Why, Exit),
    /// The last process of a retired generation is gone.
    Drained,
    /// Nothing could lead to this: the engine stops.
    Broken(Worker),
}

/// A place for a process.
#[derive(Clone, Debug)]
struct Place {
    life: Life,
    /// The call that it has.
    call: Option<(Turn, Run)>,
    /// The calls that were begun in it ahead, the next first.
    ahead: VecDeque<(Turn, Run)>,
    /// The calls that it has done and that are not durable.
    unsettled: BTreeMap<Run, Turn>,
    /// The call in whose unit of work its last one stands, where that is not its own.
    unit: Option<Run>,
    /// How many calls it has done.
    done: u32,
    /// How many births had failed when it was born: those of one round count once.
    round: u32,
    /// What is told once it is gone.
    held: Option<(Run, Abnormal)>,
}

/// The workers of one generation of a service.
#[derive(Clone, Debug)]
pub struct Pool {
    settings: Settings,
    posture: Posture,
    places: BTreeMap<Worker, Place>,
    /// Births that failed one after the other.
    failures: u32,
    not_before: Moment,
    next_worker: u64,
    next_turn: u64,
}

impl Pool {
    /// A pool without processes; the first event starts them.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            posture: Posture::Serving,
            places: BTreeMap::new(),
            failures: 0,
            not_before: Moment(0),
            next_worker: 0,
            next_turn: 0,
        }
    }

    /// Takes one event and answers with orders.
    pub fn step(&mut self, now: Moment, event: Event, out: &mut Vec<Order>) {
        match event {
            Event::Of(worker, event) => self.on_worker(now, worker, event, out),
            Event::Give(run, from) => self.on_give(now, (run, from), out),
            Event::Follow(run, former) => self.on_follow(now, (run, former), out),
            Event::Ahead(run, worker) => self.on_ahead(run, worker, out),
            Event::Waits(run) => self.on_clock(now, run, life::Event::Waits, out),
            Event::Goes(run) => self.on_clock(now, run, life::Event::Goes, out),
            Event::Settled(run) => self.on_settled(run),
            Event::Undone(run) => self.on_undone(now, run, out),
            Event::Swept(worker) => self.on_swept(worker, out),
            Event::Retire => self.on_retire(now, out),
            Event::Restart => self.on_restart(now),
            Event::Woken => self.on_woken(now, out),
        }
        self.bear(now, out);
    }

    /// Whether it serves.
    #[must_use]
    pub const fn posture(&self) -> Posture {
        self.posture
    }

    /// Where its workers stand.
    pub fn workers(&self) -> impl Iterator<Item = (Worker, State)> + '_ {
        self.places.iter().map(|(worker, place)| (*worker, place.life.state()))
    }

    /// Whether a call can be given to a worker now.
    #[must_use]
    pub fn has_room(&self, from: Origin) -> bool {
        self.free(from).is_some()
    }

    /// How many calls are begun ahead in a worker; none if no further one can be.
    #[must_use]
    pub fn ahead(&self, worker: Worker) -> Option<usize> {
        let place = self.places.get(&worker)?;
        let ahead = place.ahead.len();
        let outside = self.settings.effects == Effects::Outside && !mutant("ahead-of-outside");
        let busy = matches!(place.life.state(), State::Busy(_));
        // What it has and what is ahead of it: then it is replaced.
        let rest = self.settings.recycle.saturating_sub(place.done);
        let worn = self.settings.recycle > 0 && u64::from(rest) <= ahead as u64 + 1;
        let may = self.posture == Posture::Serving && busy && !outside && !worn;
        (may && ahead < AHEAD_MOST).then_some(ahead)
    }

    /// How many calls can be given to workers now, one after the other.
    #[must_use]
    pub fn room(&self, from: Origin) -> usize {
        self.places_free(from)
    }

    /// Whether there is a worker for a call that another service makes, or will be.
    #[must_use]
    pub fn prospect(&self, from: Origin) -> Prospect {
        let starting = |place: &Place| matches!(place.life.state(), State::Starting { .. });
        if self.has_room(from) {
            Prospect::Ready
        } else if self.is_short() || self.serves() && self.places.values().any(starting) {
            Prospect::Coming
        } else {
            Prospect::None
        }
    }

    fn serves(&self) -> bool {
        self.posture == Posture::Serving
    }

    /// Which calls have its workers, and will leave them: each the one whose unit of work it is.
    pub fn had_by(&self) -> impl Iterator<Item = Run> + '_ {
        let lasts = |place: &&Place| match place.life.state() {
            State::Ready | State::Busy(_) => self.serves(),
            State::Starting { .. }
            | State::Leaving { .. }
            | State::Killed { .. }
            | State::Gone { .. } => false,
        };
        let has = |place: &Place| {
            let own = place.call.map(|(_, run)| run);
            let last = own.or_else(|| place.unsettled.keys().next_back().copied());
            last.map(|run| place.unit.unwrap_or(run))
        };
        self.places.values().filter(lasts).filter_map(has)
    }

    /// Which worker has a call.
    #[must_use]
    pub fn worker(&self, run: Run) -> Option<Worker> {
        let has = |place: &Place| place.call.is_some_and(|(_, has)| has == run);
        self.places.iter().find(|(_, place)| has(place)).map(|(worker, _)| *worker)
    }

    /// Whether the worker of a call remembers another one that may yet be undone.
    #[must_use]
    pub fn remembers(&self, run: Run) -> bool {
        let has = |place: &Place| place.call.is_some_and(|(_, has)| has == run);
        self.places.values().find(|place| has(place)).is_some_and(|at| !at.unsettled.is_empty())
    }

    /// Until when a call may take that a worker has; none while its clock stands.
    #[must_use]
    pub fn until(&self, run: Run) -> Option<Moment> {
        let mut places = self.places.values();
        let place = places.find(|place| place.call.is_some_and(|(_, has)| has == run))?;
        match place.life.under_way()?.clock {
            Clock::Goes(until) => Some(until),
            Clock::Stands(_) => None,
        }
    }

    /// When it wants to be woken next.
    #[must_use]
    pub fn wake_at(&self) -> Option<Moment> {
        let limits = self.places.values().filter_map(|place| place.life.wake_at());
        let birth = self.may_bear().then_some(self.not_before);
        limits.chain(birth).min()
    }
}

/// The refusal of the calls of a service whose pool was given up, with the last words of its last
/// worker.
#[must_use]
pub fn refusal(given_up: Why, exit: Exit, said: String) -> Refusal {
    let why = Cause::GivenUp { why: given_up, exit, said };
    match given_up {
        Why::Mismatch(_) | Why::CannotStart(_) => Refusal::NotDeployed { why },
        Why::SlowStart
        | Why::EndedAtStart
        | Why::BrokeProtocol
        | Why::Closed
        | Why::Flood
        | Why::Memory
        | Why::NotWanted
        | Why::EndedIdle
        | Why::RetireLimit
        | Why::WithCall(_)
        | Why::Undone
        | Why::Left => Refusal::NoWorker { why },
    }
}
