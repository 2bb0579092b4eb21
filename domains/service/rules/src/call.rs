//! What becomes of the calls of one engine: a table of states, each with its data.
//!
//! ```text
//!            store asked                room          ended           sitting committed
//! arrived ──────────────▶ Queued ─────────────▶ Running ────▶ Ended ─────────────────▶ answered
//!                           │  ▲                 ▲ │           │ ▲
//!                 (outside) ▼  └── interrupted ──┼─┴───────────┘ └─ found ── InDoubt
//!                        Starting ──── durable ──┘
//! ```
//!
//! Only what is pending stands here, in memory; what is over stands in the store, and the store is
//! asked. A client whose highest serial is known is asked about only once.
//!
//! Invariants: a call is queued only when the store has nothing under its id, and at most one of
//! an id is pending; nobody is told an answer before it is durable, nor after the last moment; a
//! program that acts outside the store runs only after it is durable that it will, and once.

mod admitted;
mod arrived;
mod committed;
mod ended;
mod found;
mod interrupted;
mod moving;
mod operated;
mod pending;
mod remembered;
mod room;
mod sound;
mod woken;

use std::collections::{BTreeMap, BTreeSet};

use tsugi_vocabulary::{Moment, Span};

pub use pending::{Alone, Stage};

use crate::ground::{Ground, ServiceNumber};
use crate::id::{CallId, Content, InterfaceNumber, Life, OrderKey, Serial, Watermark};
use crate::limits::Limits;
use crate::mutant::mutant;
use crate::refusal::{Malformed, Refusal};
use crate::stored::{ClientRow, Ending, Reply, Stored};
use pending::Pending;
use remembered::Remembered;

/// Faults that can be planted in this table, and the promise that each breaks.
pub const MUTANTS: &[(&str, &str)] = &[
    ("expired-runs-again", "what is confirmed never runs again"),
    ("floor-forgotten", "a life of a client that is over stays over"),
    ("started-runs-again", "what acts outside and was interrupted is not run by itself"),
    ("store-not-asked", "an engine that is new asks the store before it runs a call"),
    ("other-body-accepted", "an id belongs to one content"),
    ("other-interface-refused", "a new interface makes no other call of a retry"),
    ("duplicate-not-joined", "a duplicate of a running call joins it"),
    ("told-before-durable", "an answer is told after it is durable"),
    ("last-moment-ignored", "nothing is told after the last moment"),
    ("watermark-not-kept", "the watermark is durable with the call that told it"),
    ("began-before-durable", "what acts outside begins after it is durable that it will"),
    ("unknown-runs-again", "an unknown call waits for a decision"),
    ("doubt-taken-for-absent", "a commit without an answer is looked up"),
    ("late-end-taken", "an attempt that was given up has no end"),
    ("gone-taken-for-kept", "what was rolled back with its sitting is not answered"),
    ("pending-survives-close", "a call that a move rolled back ends here"),
    ("tombstone-forgotten", "a key that was carried out never runs again"),
    ("answered-while-pending", "a client cannot confirm what has no answer"),
    ("order-ignored", "calls of one order key run one after the other"),
    ("contention-for-ever", "contention ends some time"),
    ("queue-without-end", "what waits is bounded"),
    ("written-after-move", "what was told to come again elsewhere is not begun here"),
    ("purged-without-watermark", "what was deleted for its age never runs again"),
];

/// Who waits for an answer: the engine's own number, never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller(pub u64);

/// A run of a call's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt {
    /// Which entry into this table it belongs to: a call that was refused and has come again is
    /// another, so that a late word of its former runs is taken for none of the new ones.
    pub entry: u64,
    /// Counts the runs since then, from 1; 0 before the first.
    pub number: u32,
}

impl Attempt {
    /// The run after this one.
    const fn next(self) -> Self {
        Self { number: self.number + 1, ..self }
    }
}

/// A call that has arrived, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its id.
    pub id: CallId,
    /// What it asks.
    pub content: Content,
    /// Of which service.
    pub service: ServiceNumber,
    /// What it is kept in order by.
    pub order: Option<OrderKey>,
    /// The lowest serial that the client has no answer to; not looked at under a key.
    pub lowest: Serial,
    /// The bytes of its body.
    pub size: u64,
    /// Who waits.
    pub caller: Caller,
    /// Until when.
    pub deadline: Option<Moment>,
}

/// What a pending call asks, as it was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asks {
    /// Its content.
    pub content: Content,
    /// Of which service.
    pub service: ServiceNumber,
    /// The lowest serial that is kept with its answer.
    pub lowest: Serial,
}

/// What an operator, or the program that resolves calls, says that an unknown call counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Carried out or refused, with this answer.
    Answered(Reply),
    /// Not carried out: the next arrival runs it.
    NotCarriedOut,
}

/// Why a run was interrupted. Its savepoint is rolled back and its worker is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// It held up calls of its sitting that had ended; it runs again alone.
    TurnedOut,
    /// The database asks for it to be run again.
    Contended,
    /// The whole sitting was rolled back; this call had not the turn.
    SittingGone,
    /// The whole sitting was rolled back while this call had the turn; it runs again alone.
    SittingGoneInTurn,
    /// It was not at fault: its worker was ended for another call, or had none to begin it.
    NotAtFault,
    /// The store took nothing, for this reason: it is full.
    StoreFull(String),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call has arrived.
    Arrived(Arrival),
    /// Somebody asks for the answer of a call.
    Asked(CallId, Caller),
    /// A client has the answer of this call, and of all its calls of lower serials.
    Confirmed(CallId, Caller),
    /// An operator wants a key to be free again.
    Forgotten(CallId, Caller),
    /// An operator or a program decides what an unknown call counts as.
    Resolved(CallId, Caller, Resolution),
    /// What the store has under an id that was asked for, and of its client.
    Found(CallId, Stored, ClientRow),
    /// The store could not be asked about an id, for this reason. Nothing is known of it.
    NotAsked(CallId, String),
    /// A worker of a service can take a call.
    Room(ServiceNumber),
    /// It is durable that the call will act outside the store.
    StartKept(CallId),
    /// Something is kept of the call, so that it could not be inserted, at its begin or at its end:
    /// another node was faster. Nothing of this run is left, and the store's word counts, not this
    /// table's.
    Taken(CallId, Attempt, Stored, ClientRow),
    /// The call's program has ended, with all its operations done or rolled back.
    Ended(CallId, Attempt, Reply),
    /// A run of the call was interrupted.
    Interrupted(CallId, Attempt, Interruption),
    /// A commit is durable; with these calls.
    Committed(Vec<CallId>),
    /// A commit was sent and nothing came back.
    InDoubt(CallId),
    /// What a commit in doubt has left, read after nobody is left who could still carry it out.
    Cleared(CallId, Stored),
    /// It is durable that the call is unknown.
    UnknownKept(CallId),
    /// A change of what is kept that was ordered for a caller is durable.
    Kept(CallId, Caller, Change),
    /// A change that was ordered for a caller was not written, for this reason: the store is full.
    NotKept(CallId, Caller, String),
    /// Rows were deleted for their age, and this watermark written; of a life that is over for
    /// good the highest that there is.
    Purged(CallId, Watermark),
    /// A caller is gone; its call runs on.
    CallerGone(CallId, Caller),
    /// The group is going to another node; running calls have so long.
    MoveBegan(Span),
    /// The store is being handed over: nothing may be told from here on.
    Closed,
    /// A moment has come that was asked for, or any other; or what the calls stand on has changed.
    Woken,
}

/// A change of what the store keeps, beside calls. It is applied to what is there then: where a
/// row is gone, or is a tombstone already, a confirm finds its work done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Answers up to this one need not be kept: rows are deleted and the watermark is written in
    /// one transaction; of a key a tombstone stays. What is started or unknown stays.
    Confirm,
    /// The key is free again.
    Forget,
    /// What was unknown counts as this.
    Resolve(Resolution),
}

/// Whether what a run did in the store is kept with its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// It is.
    Kept,
    /// Its savepoint is rolled back first; the answer is inserted in its place.
    RolledBack,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ask the store what it has under an id and of its client: [`Event::Found`].
    Find(CallId),
    /// Answer a caller.
    Answer(Caller, CallId, Answer),
    /// Decode a caller's body by a former interface of its service, and let its call arrive again
    /// with that content: by that one something is kept, or pending, under its id.
    Decode(Caller, CallId, InterfaceNumber),
    /// Make durable that the call will act outside the store: [`Event::StartKept`].
    Start {
        /// Of which call.
        id: CallId,
        /// Of which run of it.
        attempt: Attempt,
        /// Of what content.
        content: Content,
    },
    /// Give a call to the worker that had room.
    Run(CallId, Attempt, Alone),
    /// Insert an answer in the unit of work of its call, with the lowest serial that is kept with
    /// it; a row that says it was started is replaced. Durable with [`Event::Committed`].
    Keep {
        /// Of which call.
        id: CallId,
        /// Of which run of it.
        attempt: Attempt,
        /// Of what content.
        content: Content,
        /// The answer.
        reply: Reply,
        /// What becomes of the effects.
        work: Work,
        /// The rows of this client under it may be deleted in the same transaction.
        lowest: Serial,
    },
    /// Do not run the call any more: open its unit of work, end it abnormally and say so with
    /// [`Event::Ended`].
    GiveUp(CallId, Attempt),
    /// Roll the call back and end its worker; nothing of it is kept.
    RollBack(CallId, Attempt),
    /// End the worker; what it did outside the store has happened.
    Kill(CallId, Attempt),
    /// Make durable that the call is unknown: [`Event::UnknownKept`].
    KeepUnknown(CallId),
    /// Find out what a commit has left, once nobody can still carry it out: [`Event::Cleared`].
    Clear(CallId),
    /// Change what is kept: [`Event::Kept`].
    Change(CallId, Caller, Change),
    /// Nothing that was ordered to be kept of this call and is not written yet is written any
    /// more: that it starts, that it is unknown, a change. Who wanted it comes again elsewhere.
    LeaveUnwritten(CallId),
    /// Nothing is pending any more: the store may be handed over.
    Drained,
    /// The last moment has passed: the process ends and tells nothing.
    End,
}

/// What a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The answer that is kept.
    Reply(Reply),
    /// It is pending; the same id asks again. Whoever has called is told so when its patience ends.
    Pending,
    /// What was asked to be changed is changed.
    Changed,
    /// No.
    Refused(Refusal),
}

/// Whether this engine takes calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Posture {
    /// It does.
    #[default]
    Open,
    /// The group is going to another node: what runs may end until then.
    Moving {
        /// Until when.
        until: Moment,
    },
    /// The group is going to another node and nothing is pending: what is stored is still told.
    Drained,
    /// The store is handed over.
    Closed,
    /// The last moment has passed.
    Silent,
}

/// What asks for what the store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seeker {
    Call(Arrival),
    Answer(Caller),
    Change(Caller, Change),
}

/// The calls of one engine, in one ownership of its store: a store that is opened again has another
/// table, which knows nothing of this one.
#[derive(Clone, Debug, Default)]
pub struct Table {
    limits: Limits,
    posture: Posture,
    pending: BTreeMap<CallId, Pending>,
    /// What waits for a worker, by the place that it took when it was first queued.
    queued: BTreeSet<(ServiceNumber, u64, CallId)>,
    /// How many of each service wait.
    waiting_of: BTreeMap<ServiceNumber, usize>,
    /// The places of the pending calls of each order key.
    lines: BTreeMap<(ServiceNumber, OrderKey), BTreeSet<u64>>,
    /// When whose patience ends.
    deadlines: BTreeSet<(Moment, CallId, Caller)>,
    /// What the store is asked about, and who waits for that; an entry stands for one question.
    sought: BTreeMap<CallId, Vec<Seeker>>,
    /// What is being changed in the store, and for whom: nothing else is decided of it meanwhile.
    changing: BTreeMap<CallId, Caller>,
    seeking: usize,
    waiting: usize,
    bytes: u64,
    next_place: u64,
    remembered: Remembered,
}

impl Table {
    /// An empty table with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes one event and answers with orders.
    pub fn step(&mut self, ground: &Ground<'_>, event: Event, out: &mut Vec<Order>) {
        self.look_at_last_moment(ground, out);
        if self.posture == Posture::Silent {
            return Self::turn_away(&event, out);
        }
        match event {
            Event::Arrived(arrival) => self.on_arrived(ground, arrival, out),
            Event::Asked(id, caller) => self.on_asked(id, caller, out),
            Event::Confirmed(id, caller) => self.on_confirmed(id, caller, out),
            Event::Forgotten(id, caller) => self.on_forgotten(id, caller, out),
            Event::Resolved(id, caller, said) => self.on_resolved(id, caller, said, out),
            Event::Found(id, stored, row) => self.on_found(ground, (id, stored, row), out),
            Event::NotAsked(id, why) => self.on_not_asked(id, &why, out),
            Event::Room(service) => self.on_room(ground, service, out),
            Event::StartKept(id) => self.on_start_kept(id, out),
            Event::Taken(id, attempt, stored, row) => {
                self.on_taken((id, attempt), stored, &row, out);
            }
            Event::Ended(id, attempt, reply) => self.on_ended((id, attempt), reply, out),
            Event::Interrupted(id, attempt, why) => self.on_interrupted(id, attempt, &why, out),
            Event::Committed(ids) => self.on_committed(&ids, out),
            Event::InDoubt(id) => self.on_in_doubt(id, out),
            Event::Cleared(id, stored) => self.on_cleared(id, stored, out),
            Event::UnknownKept(id) => self.end_unknown(id, out),
            Event::Kept(id, caller, change) => self.on_kept(id, caller, change, out),
            Event::NotKept(id, caller, why) => self.on_not_kept(id, caller, why, out),
            Event::Purged(id, watermark) => self.on_purged(id, watermark),
            Event::CallerGone(id, caller) => self.on_caller_gone(id, caller),
            Event::MoveBegan(grace) => self.on_move_began(ground, grace, out),
            Event::Closed => self.on_closed(out),
            Event::Woken => self.on_woken(ground, out),
        }
        self.say_drained(out);
    }

    /// When the table wants to be woken next.
    #[must_use]
    pub fn wake_at(&self) -> Option<Moment> {
        let deadline = self.deadlines.first().map(|(at, ..)| *at);
        let grace = match self.posture {
            Posture::Moving { until } => Some(until),
            Posture::Open | Posture::Drained | Posture::Closed | Posture::Silent => None,
        };
        deadline.into_iter().chain(grace).min()
    }

    /// Whether it takes calls.
    #[must_use]
    pub const fn posture(&self) -> Posture {
        self.posture
    }

    /// Where a call stands; none if it is not pending.
    #[must_use]
    pub fn stage(&self, id: CallId) -> Option<Stage> {
        self.pending.get(&id).map(|call| call.stage)
    }

    /// What a pending call asks; none if it is not pending.
    #[must_use]
    pub fn asks(&self, id: CallId) -> Option<Asks> {
        let of = |call: &Pending| Asks {
            content: call.content,
            service: call.service,
            lowest: call.lowest,
        };
        self.pending.get(&id).map(of)
    }

    /// Whether a worker of a service that has room would be given a call.
    #[must_use]
    pub fn is_wanted(&self, service: ServiceNumber) -> bool {
        self.posture == Posture::Open && self.next_of(service).is_some()
    }

    /// The bytes that are held for the call that may be begun ahead in a worker of a service; none
    /// if none may. One whose run was interrupted is begun where nothing is before it: an end that
    /// could be another's would never be its own.
    #[must_use]
    pub fn wanted_ahead(&self, service: ServiceNumber) -> Option<u64> {
        let next = self.next_of(service).filter(|_| self.posture == Posture::Open)?;
        let call = self.pending.get(&next)?;
        (call.attempt.number == 0).then_some(call.size)
    }

    /// The lowest pending serial of a client: a watermark that is written for the age of rows
    /// stays under it.
    #[must_use]
    pub fn lowest_pending(&self, life: Life) -> Option<Serial> {
        self.remembered.lowest_pending(life)
    }

    /// How many calls are pending.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// How many of them are of this service.
    #[must_use]
    pub fn pending_of(&self, service: ServiceNumber) -> usize {
        self.pending.values().filter(|call| call.service == service).count()
    }

    /// After its last moment an engine knows nothing: another may have carried on.
    fn look_at_last_moment(&mut self, ground: &Ground<'_>, out: &mut Vec<Order>) {
        if self.is_late(ground) && self.posture != Posture::Silent {
            self.posture = Posture::Silent;
            out.push(Order::End);
        }
    }

    fn is_late(&self, ground: &Ground<'_>) -> bool {
        let over = ground.now + self.limits.guard >= ground.last;
        over && !mutant("last-moment-ignored")
    }

    /// What asks an engine that knows nothing is sent elsewhere; what happens to its calls is
    /// told to nobody.
    fn turn_away(event: &Event, out: &mut Vec<Order>) {
        let (id, caller) = match event {
            Event::Arrived(arrival) => (arrival.id, arrival.caller),
            Event::Asked(id, caller)
            | Event::Confirmed(id, caller)
            | Event::Forgotten(id, caller)
            | Event::Resolved(id, caller, _) => (*id, *caller),
            Event::Found(..)
            | Event::NotAsked(..)
            | Event::Room(_)
            | Event::StartKept(_)
            | Event::Taken(..)
            | Event::Ended(..)
            | Event::Interrupted(..)
            | Event::Committed(_)
            | Event::InDoubt(_)
            | Event::Cleared(..)
            | Event::UnknownKept(_)
            | Event::Kept(..)
            | Event::NotKept(..)
            | Event::Purged(..)
            | Event::CallerGone(..)
            | Event::MoveBegan(_)
            | Event::Closed
            | Event::Woken => return,
        };
        out.push(Order::Answer(caller, id, Answer::Refused(Refusal::NotOpenHere)));
    }

    /// Says once that nothing is pending while the group moves.
    fn say_drained(&mut self, out: &mut Vec<Order>) {
        let moving = matches!(self.posture, Posture::Moving { .. });
        if moving && self.pending.is_empty() && self.changing.is_empty() {
            self.posture = Posture::Drained;
            out.push(Order::Drained);
        }
    }
}

/// Tells a caller no.
fn refused(caller: Caller, id: CallId, refusal: Refusal) -> Order {
    Order::Answer(caller, id, Answer::Refused(refusal))
}

/// Whether a program's effects are kept with its answer.
const fn work_of(ending: Ending) -> Work {
    match ending {
        Ending::Done => Work::Kept,
        Ending::Refused | Ending::Abnormal | Ending::TimeLimit => Work::RolledBack,
    }
}

/// The refusal of a call whose lowest serial cannot be.
const fn malformed(what: Malformed) -> Refusal {
    Refusal::Malformed(what)
}
