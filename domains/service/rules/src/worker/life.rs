//! The life of one worker.
//!
//! ```text
//! Starting ──ready──▶ Ready ◀──done── Busy ──retire──▶ Leaving
//!    │                  │ └──given──▶  │                  │
//!    └── killed, or it ends by itself ─┴──────────────────┘
//!                       ▼
//!                    Killed ──its process has ended──▶ Gone
//! ```
//!
//! What a program keeps in its memory does not roll back, so a worker is killed after every undo:
//! of the call that it has, and of one that it has ended and that was not durable yet. The next
//! call is begun the moment one is done, before that one is stored; it is not at fault when it goes
//! with its worker, nor when its worker ends before anything was said of it.
//!
//! Invariants: a call is believed to be done only while its worker is busy with it or leaves with
//! it; a worker is gone only once its process has ended; every abnormal end has a cause.

mod busy;
mod idle;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Moment, Span};

use crate::mutant::mutant;
use crate::stored::Ending;

/// Faults that can be planted in a worker, and the promise that each breaks.
pub const MUTANTS: &[(&str, &str)] = &[
    ("kept-after-undo", "a worker whose call was undone is not used any more"),
    ("late-done-believed", "what a killed worker says is not believed"),
    ("late-frame-taken", "a frame is of the call under way"),
    ("silent-blamed", "what was begun ahead has no end by what may be of the call before it"),
];

/// One call given to one worker; only rises. Frames carry it as a type of their own: rules use only
/// the vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Turn(pub u64);

/// How a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// What a program says of its own failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It refuses the call.
    Abort,
    /// It has ended the run unit.
    StopRun,
    /// Its run-time system has found an error.
    RunTimeError,
    /// It has written beyond a parameter.
    Overrun,
    /// It has panicked, or caught a signal of an error.
    Crash,
}

/// How a call ended that was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Abnormal {
    /// Its program said so.
    Failed(Class),
    /// Its worker said what nobody says, or what is of another call.
    BrokeProtocol,
    /// Its worker has closed its stream.
    Closed,
    /// Its worker has ended.
    Ended(Exit),
    /// It took longer than it may.
    TimeLimit,
    /// It wrote more to its output than it may.
    Flood,
    /// Its worker took more memory than it may.
    Memory,
    /// Its worker took longer to leave than it may.
    RetireLimit,
}

impl Abnormal {
    /// What its caller is told, now and for every retry.
    #[must_use]
    pub const fn ending(self) -> Ending {
        match self {
            Self::Failed(Class::Abort) => Ending::Refused,
            Self::TimeLimit => Ending::TimeLimit,
            Self::Failed(Class::StopRun | Class::RunTimeError | Class::Overrun | Class::Crash)
            | Self::BrokeProtocol
            | Self::Closed
            | Self::Ended(_)
            | Self::Flood
            | Self::Memory
            | Self::RetireLimit => Ending::Abnormal,
        }
    }
}

/// In what a worker is not as its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// The versions of the frames that they speak.
    Version,
    /// The hash of a module.
    Hash,
    /// The layout of its run-time system.
    Layout,
}

/// Why a worker is killed, or has ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It is not as its engine.
    Mismatch(Difference),
    /// It took too long until it was ready.
    SlowStart,
    /// It said that it cannot start.
    CannotStart(Class),
    /// It ended before it was ready.
    EndedAtStart,
    /// It said what nobody says.
    BrokeProtocol,
    /// It closed its stream.
    Closed,
    /// It wrote too much while it had no call.
    Flood,
    /// It took too much memory.
    Memory,
    /// It is not needed any more.
    NotWanted,
    /// It ended while it had nothing to do.
    EndedIdle,
    /// It took too long to leave.
    RetireLimit,
    /// The end of its call is its own.
    WithCall(Abnormal),
    /// A call that it ran was undone.
    Undone,
    /// It has left as it was told.
    Left,
}

impl Why {
    /// One word for programs; never changes.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mismatch(_) => "mismatch",
            Self::SlowStart => "slow-start",
            Self::CannotStart(_) => "cannot-start",
            Self::EndedAtStart => "ended-at-start",
            Self::BrokeProtocol => "broke-protocol",
            Self::Closed => "closed",
            Self::Flood => "flood",
            Self::Memory => "memory",
            Self::NotWanted => "not-wanted",
            Self::EndedIdle => "ended-idle",
            Self::RetireLimit => "retire-limit",
            Self::WithCall(_) => "with-call",
            Self::Undone => "undone",
            Self::Left => "left",
        }
    }
}

/// How long a call may still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Until then.
    Goes(Moment),
    /// So long, once it does not wait for the writer of the store any more: another has that, and
    /// is ended by a limit of its own.
    Stands(Span),
}

/// Whether it is known that the program of a call has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Began {
    /// Its worker had nothing else to do, or has said something of it since.
    Known,
    /// It was begun ahead and nothing was said of it: an end of its worker, or what it wrote, may
    /// be of the call before.
    Silent,
}

/// The call that a worker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// Which.
    pub turn: Turn,
    /// How long it may take.
    pub clock: Clock,
    /// Whether what is heard of its worker is surely its own.
    pub began: Began,
}

impl UnderWay {
    /// Something was said of it.
    const fn spoke(self) -> Self {
        Self { began: Began::Known, ..self }
    }

    /// It waits for the writer.
    const fn stands(self, now: Moment) -> Self {
        match self.clock {
            Clock::Goes(until) => Self { clock: Clock::Stands(until.since(now)), ..self },
            Clock::Stands(_) => self,
        }
    }

    /// It has the writer.
    fn goes(self, now: Moment) -> Self {
        match self.clock {
            Clock::Goes(_) => self,
            Clock::Stands(rest) => Self { clock: Clock::Goes(now + rest), ..self },
        }
    }
}

/// Where a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its process was started.
    Starting {
        /// Since when.
        since: Moment,
    },
    /// It has no call.
    Ready,
    /// It has one.
    Busy(UnderWay),
    /// It ends what it has and takes no more.
    Leaving {
        /// Its call, if it has one.
        has: Option<UnderWay>,
        /// Since when.
        since: Moment,
    },
    /// Its kill was ordered and its end is not known.
    Killed {
        /// Why.
        why: Why,
    },
    /// Its process has ended.
    Gone {
        /// Why.
        why: Why,
        /// How.
        exit: Exit,
    },
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has spoken, and is as its engine but for this.
    Hello(Option<Difference>),
    /// Its program is loaded.
    Ready,
    /// It has taken as long to start as it may.
    StartLimit,
    /// A call is given to it.
    Given(Turn),
    /// It has gone on to this call, which was begun in it ahead: the one before is over.
    Follows(Turn),
    /// It asks for operations of this call.
    Asked(Turn),
    /// This call has asked and waits for the writer of the store.
    Waits(Turn),
    /// This call has the writer.
    Goes(Turn),
    /// It says that this call is done.
    Done(Turn),
    /// It says that this call has failed; before it is ready, that it cannot start.
    Failed(Turn, Class),
    /// It has said what nobody says, or too much.
    Wrong,
    /// Its stream has ended.
    Closed,
    /// Its process has ended.
    Ended(Exit),
    /// Its call has taken as long as it may.
    TimeLimit,
    /// It has written as much as it may.
    Flood,
    /// The engine has undone this call, which has its own end: it was turned out, met another, or
    /// lost its sitting. It is the one under way or one that was done before.
    Undone(Turn),
    /// It is to leave.
    Retire,
    /// It has taken as long to leave as it may.
    RetireLimit,
    /// It has taken as much memory as it may.
    Memory,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Write the call to its stream.
    Begin(Turn),
    /// Carry out the operations that it asks for, and answer.
    Operate(Turn),
    /// Put the call's last operations and its answer into its savepoint.
    Keep(Turn),
    /// End the call abnormally; what it did in the store is undone.
    Abnormal(Turn, Abnormal),
    /// The call is not at fault and had nothing kept: it runs again in another worker.
    Again(Turn),
    /// Tell it to leave.
    Leave,
    /// Kill it, whole.
    Kill(Why),
    /// Nothing could lead to this: the engine stops.
    Broken,
}

/// How long a worker may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until it is ready.
    pub start: Span,
    /// For one call.
    pub call: Span,
    /// To leave.
    pub retire: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self { start: Span::secs(10), call: Span::secs(3), retire: Span::secs(5) }
    }
}

/// Whether a worker is used on after its program has refused a call in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Memory {
    /// It is not: its program may hold what was undone.
    #[default]
    Kept,
    /// It is: its package declares that it holds nothing between calls.
    None,
}

/// One worker.
#[derive(Clone, Debug)]
pub struct Life {
    state: State,
    limits: Limits,
    memory: Memory,
}

impl Life {
    /// A worker whose process is being started.
    #[must_use]
    pub const fn new(now: Moment, limits: Limits, memory: Memory) -> Self {
        Self { state: State::Starting { since: now }, limits, memory }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The call that it has, if it is believed in it.
    #[must_use]
    pub const fn under_way(&self) -> Option<UnderWay> {
        match self.state {
            State::Busy(has) | State::Leaving { has: Some(has), .. } => Some(has),
            State::Starting { .. }
            | State::Ready
            | State::Leaving { has: None, .. }
            | State::Killed { .. }
            | State::Gone { .. } => None,
        }
    }

    /// Takes one event and answers with orders.
    pub fn step(&mut self, now: Moment, event: Event, out: &mut Vec<Order>) {
        match self.state {
            State::Starting { .. } => self.starting(event, out),
            State::Ready => self.ready(now, event, out),
            State::Busy(has) => self.busy(now, has, event, out),
            State::Leaving { has: Some(has), since } => self.leaving(now, (has, since), event, out),
            State::Leaving { has: None, since } => self.leaving_empty((now, since), event, out),
            State::Killed { why } => self.killed(why, event, out),
            State::Gone { .. } => Self::gone(event, out),
        }
    }

    /// The limit that has come, if any: an event for [`Life::step`].
    #[must_use]
    pub fn due(&self, now: Moment) -> Option<Event> {
        let (at, event) = self.limit()?;
        (now >= at).then_some(event)
    }

    /// When it wants to be woken next.
    #[must_use]
    pub fn wake_at(&self) -> Option<Moment> {
        self.limit().map(|(at, _)| at)
    }

    fn limit(&self) -> Option<(Moment, Event)> {
        match self.state {
            State::Starting { since } => Some((since + self.limits.start, Event::StartLimit)),
            State::Busy(has) => match has.clock {
                Clock::Goes(until) => Some((until, Event::TimeLimit)),
                Clock::Stands(_) => None,
            },
            State::Leaving { has, since } => {
                let retire = (since + self.limits.retire, Event::RetireLimit);
                match has.map(|has| has.clock) {
                    Some(Clock::Goes(until)) if until <= retire.0 => {
                        Some((until, Event::TimeLimit))
                    }
                    Some(Clock::Stands(_)) => None,
                    Some(Clock::Goes(_)) | None => Some(retire),
                }
            }
            State::Ready | State::Killed { .. } | State::Gone { .. } => None,
        }
    }

    fn kill(&mut self, why: Why, out: &mut Vec<Order>) {
        self.state = State::Killed { why };
        out.push(Order::Kill(why));
    }

    /// Something ends the worker that does not say of which call it is. One that was begun ahead
    /// and is silent is not at fault.
    fn kill_in(&mut self, has: UnderWay, (abnormal, why): (Abnormal, Why), out: &mut Vec<Order>) {
        match has.began {
            Began::Silent if !mutant("silent-blamed") => {
                out.push(Order::Again(has.turn));
                self.kill(why, out);
            }
            Began::Silent | Began::Known => self.kill_with(has, abnormal, out),
        }
    }

    /// The call ends abnormally, and its worker with it.
    fn kill_with(&mut self, has: UnderWay, abnormal: Abnormal, out: &mut Vec<Order>) {
        out.push(Order::Abnormal(has.turn, abnormal));
        self.kill(Why::WithCall(abnormal), out);
    }
}
