//! A sitting: calls that the one writer of a store commits together, each in a savepoint.
//!
//! ```text
//! Closed ──a call has spoken──▶ Opening ──own epoch──▶ Turn ◀──another has spoken── Collecting
//!   ▲                                                   │ ended                        ▲  │
//!   │                                               Inserting ─────── inserted ────────┘  │
//!   └──────── kept ──────── Committing ◀──── nobody has spoken, full, or held too long ───┘
//! ```
//!
//! Savepoints are a stack, so calls never overlap on the writer: one has the *turn*, and only one
//! that has spoken is given it. Calls that have ended wait at most for the hold.
//!
//! Invariants: nothing of a sitting is told before its commit has returned; a commit that fails
//! ends the process; an error after which the transaction is gone answers no call of it; a writer
//! that reads another epoch than its own writes nothing.

mod failed;

use std::collections::VecDeque;

use tsugi_vocabulary::{Moment, Span};

use crate::call::{Alone, Attempt, Work};
use crate::id::CallId;
use crate::mutant::mutant;

/// Faults that can be planted in the writer, and the promise that each breaks.
pub const MUTANTS: &[(&str, &str)] = &[
    ("hold-never-fires", "calls that have ended wait at most for the hold"),
    ("alone-with-others", "a call that is to run alone is alone in its sitting"),
    ("epoch-not-checked", "a writer whose store another has writes nothing"),
    ("savepoint-not-released", "no savepoint is open at a commit"),
    ("told-before-commit", "nothing of a sitting is told before its commit returned"),
    ("failed-commit-survived", "a commit that fails ends the process"),
    ("autocommit-not-looked-at", "an error that took the transaction answers nothing of it"),
];

/// How much one sitting takes, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls.
    pub calls: usize,
    /// Bytes of their answers.
    pub bytes: u64,
    /// How long calls that have ended wait for the one that has the turn.
    pub hold: Span,
    /// How long calls that have ended wait at most for one that was handed out and has not spoken.
    pub gather: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls: 256, bytes: 4 << 20, hold: Span::millis(20), gather: Span::micros(200) }
    }
}

/// One run of one call.
pub type Run = (CallId, Attempt);

/// Where the writer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No transaction is open.
    #[default]
    Closed,
    /// A transaction was begun, and the epoch is being read in it.
    Opening {
        /// Whose call it is begun for.
        first: Run,
        /// Whether others may be in it.
        alone: Alone,
    },
    /// A call has its savepoint open.
    Turn {
        /// Which.
        of: Run,
        /// Whether others may be in the sitting.
        alone: Alone,
    },
    /// The answer of the call that had the turn is being inserted in its savepoint.
    Inserting {
        /// Which.
        of: Run,
        /// Whether others may be in the sitting.
        alone: Alone,
        /// The bytes of its answer.
        bytes: u64,
    },
    /// No call has the turn, and at least one has ended.
    Collecting {
        /// Since when.
        since: Moment,
    },
    /// The commit was ordered and has not returned.
    Committing,
    /// The process ends, or the store is handed over.
    Over,
}

/// Who is near the writer and has no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Near {
    /// Nobody: no call is queued or handed out.
    Nobody,
    /// Calls are handed out, and none has spoken.
    Silent,
}

/// Whether the epoch in the store is that of this engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochRead {
    /// It is.
    Own,
    /// It is not: another has the store.
    Other,
}

/// What an error has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The transaction, and the savepoint of the turn.
    Savepoint,
    /// The transaction, and the disk is full.
    Full,
    /// Nothing: the whole transaction was rolled back.
    Nothing,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first words of a call wait; it is the oldest that has spoken and has no turn.
    Spoken(Run, Alone),
    /// Nobody that has spoken waits.
    Waits(Near),
    /// The transaction is begun and its epoch read.
    Began(EpochRead),
    /// The call that has the turn has ended, and its answer has so many bytes.
    Ended(Run, Work, u64),
    /// The answer of the call that had the turn is inserted.
    Inserted(Run),
    /// A statement has failed: one of the program, or one of the writer itself; or a commit of
    /// which the store says that nothing is durable.
    Failed(Left),
    /// The commit has returned.
    Committed,
    /// The commit has failed, and what is durable is not known.
    CommitFailed,
    /// The store is to be handed over: what has ended is committed, the turn is rolled back.
    Close,
    /// A moment has come that was asked for, or any other.
    Woken,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Begin a transaction that writes, and read the epoch in it.
    Begin,
    /// Open the savepoint of a call: it has the turn.
    Open(Run),
    /// Roll the call back to its savepoint, which stays.
    RollBackTo(Run),
    /// Insert its answer.
    Insert(Run),
    /// Release its savepoint: what it did is part of the sitting.
    Release(Run),
    /// Commit.
    Commit,
    /// Roll everything back.
    RollBack,
    /// Tell the program that its statement has failed; its savepoint stands.
    TellProgram(Run),
    /// The answer of this call cannot be inserted, and nothing of it is left: what the store has
    /// under its id counts, and if that is nothing it runs again.
    NotInserted(Run),
    /// These calls are durable: one letter for all.
    Kept(Vec<Run>),
    /// This call held up others and runs again, alone.
    TurnedOut(Run),
    /// Nothing of these calls is left, and nothing of the last one, which had the turn.
    Gone(Vec<Run>, Option<Run>),
    /// Nothing of these calls is left, and the disk is full.
    Full(Vec<Run>),
    /// Another has the store: nothing of these calls is left, and the process ends.
    Superseded(Vec<Run>),
    /// The process ends and answers nothing: what is durable is read from the disk by the next.
    EndProcess,
    /// Nothing is open: old rows may be deleted, or the writer sleeps.
    Idle,
    /// Nothing is open, and nothing will be.
    Closed,
}

/// The writer of one store.
#[derive(Clone, Debug, Default)]
pub struct Sitting {
    limits: Limits,
    state: State,
    /// The calls that have ended in it.
    ended: VecDeque<Run>,
    bytes: u64,
    /// When the first of them ended.
    held_since: Option<Moment>,
    /// The moving mean of how long a commit takes.
    mean: Span,
    committing_since: Moment,
    /// Whether it ends with its commit.
    closing: Closing,
}

/// Whether another sitting follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Closing {
    #[default]
    No,
    Yes,
}

impl Sitting {
    /// A writer with nothing open.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// How many calls of the sitting have ended.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.ended.len()
    }

    /// Takes one event and answers with orders.
    pub fn step(&mut self, now: Moment, event: Event, out: &mut Vec<Order>) {
        match event {
            Event::Spoken(run, alone) => self.on_spoken(now, run, alone, out),
            Event::Waits(near) => self.on_waits(now, near, out),
            Event::Began(read) => self.on_began(read, out),
            Event::Ended(run, work, bytes) => self.on_ended(run, work, bytes, out),
            Event::Inserted(run) => self.on_inserted(now, run, out),
            Event::Failed(left) => self.on_failed(now, left, out),
            Event::Committed => self.on_committed(now, out),
            Event::CommitFailed => self.on_commit_failed(out),
            Event::Close => self.on_close(now, out),
            Event::Woken => self.on_woken(now, out),
        }
    }

    /// When it wants to be woken next.
    #[must_use]
    pub fn wake_at(&self) -> Option<Moment> {
        let hold = self.held_since.map(|since| since + self.limits.hold);
        match self.state {
            // Who is alone holds nobody up.
            State::Turn { alone: Alone::No, .. } => hold.filter(|_| !mutant("hold-never-fires")),
            State::Collecting { since } => hold.map(|hold| hold.min(since + self.gather())),
            State::Turn { alone: Alone::Yes, .. }
            | State::Closed
            | State::Opening { .. }
            | State::Inserting { .. }
            | State::Committing
            | State::Over => None,
        }
    }

    /// As long as a commit takes it is worth waiting for another call to share it.
    fn gather(&self) -> Span {
        self.mean.min(self.limits.gather)
    }

    fn has_room(&self, now: Moment) -> bool {
        // Whoever comes last has half of the hold for itself: where calls come without end, each
        // sitting would else end by turning one out.
        let half = Span(self.limits.hold.0 / 2);
        let held = self.held_since.is_some_and(|since| now >= since + half);
        let full = self.ended.len() >= self.limits.calls || self.bytes >= self.limits.bytes;
        !held && !full
    }

    /// Whoever is not given the turn is asked for again when the writer is free.
    fn on_spoken(&mut self, now: Moment, run: Run, alone: Alone, out: &mut Vec<Order>) {
        match self.state {
            State::Closed => {
                self.state = State::Opening { first: run, alone };
                out.push(Order::Begin);
            }
            State::Collecting { .. } if self.takes(alone) && self.has_room(now) => {
                self.open(run, alone, out);
            }
            State::Collecting { .. } => self.commit(now, out),
            State::Opening { .. }
            | State::Turn { .. }
            | State::Inserting { .. }
            | State::Committing
            | State::Over => {}
        }
    }

    /// Whether a sitting in which calls have ended takes another.
    fn takes(&self, alone: Alone) -> bool {
        match alone {
            Alone::No => true,
            Alone::Yes => mutant("alone-with-others"),
        }
    }

    fn open(&mut self, run: Run, alone: Alone, out: &mut Vec<Order>) {
        self.state = State::Turn { of: run, alone };
        out.push(Order::Open(run));
    }

    fn on_waits(&mut self, now: Moment, near: Near, out: &mut Vec<Order>) {
        match (self.state, near) {
            (State::Closed, Near::Nobody) => out.push(Order::Idle),
            (State::Collecting { .. }, Near::Nobody) => self.commit(now, out),
            (State::Collecting { since }, Near::Silent) if now >= since + self.gather() => {
                self.commit(now, out);
            }
            (State::Closed | State::Collecting { .. }, Near::Silent)
            | (
                State::Opening { .. }
                | State::Turn { .. }
                | State::Inserting { .. }
                | State::Committing
                | State::Over,
                Near::Nobody | Near::Silent,
            ) => {}
        }
    }

    fn on_began(&mut self, read: EpochRead, out: &mut Vec<Order>) {
        let State::Opening { first, alone } = self.state else { return };
        match read {
            EpochRead::Own => self.open(first, alone, out),
            EpochRead::Other if mutant("epoch-not-checked") => self.open(first, alone, out),
            EpochRead::Other => {
                self.state = State::Over;
                out.extend([Order::RollBack, Order::Superseded(vec![first]), Order::EndProcess]);
            }
        }
    }

    fn on_ended(&mut self, run: Run, work: Work, bytes: u64, out: &mut Vec<Order>) {
        let State::Turn { of, alone } = self.state else { return };
        if of != run {
            return;
        }
        if work == Work::RolledBack {
            out.push(Order::RollBackTo(run));
        }
        self.state = State::Inserting { of, alone, bytes };
        out.push(Order::Insert(run));
    }

    fn on_inserted(&mut self, now: Moment, run: Run, out: &mut Vec<Order>) {
        let State::Inserting { of, alone, bytes } = self.state else { return };
        if of != run {
            return;
        }
        if !mutant("savepoint-not-released") {
            out.push(Order::Release(run));
        }
        self.ended.push_back(run);
        self.bytes = self.bytes.saturating_add(bytes);
        self.held_since.get_or_insert(now);
        self.state = State::Collecting { since: now };
        if alone == Alone::Yes || self.closing == Closing::Yes || !self.has_room(now) {
            self.commit(now, out);
        }
    }

    fn commit(&mut self, now: Moment, out: &mut Vec<Order>) {
        self.state = State::Committing;
        self.committing_since = now;
        if mutant("told-before-commit") {
            out.push(Order::Kept(self.ended.iter().copied().collect()));
        }
        out.push(Order::Commit);
    }

    fn on_committed(&mut self, now: Moment, out: &mut Vec<Order>) {
        if self.state != State::Committing {
            return;
        }
        // A quarter of what is new: one slow commit changes little.
        let took = now.since(self.committing_since);
        self.mean = Span((self.mean.0 / 4).saturating_mul(3).saturating_add(took.0 / 4));
        out.push(Order::Kept(self.empty()));
        self.close(out);
    }

    /// The calls of the sitting, which are in none any more.
    fn empty(&mut self) -> Vec<Run> {
        self.bytes = 0;
        self.held_since = None;
        self.ended.drain(..).collect()
    }

    fn close(&mut self, out: &mut Vec<Order>) {
        match self.closing {
            Closing::No => self.state = State::Closed,
            Closing::Yes => {
                self.state = State::Over;
                out.push(Order::Closed);
            }
        }
    }

    fn on_close(&mut self, now: Moment, out: &mut Vec<Order>) {
        self.closing = Closing::Yes;
        match self.state {
            State::Closed => self.close(out),
            State::Opening { first, .. } => {
                out.extend([Order::RollBack, Order::Gone(vec![first], None)]);
                self.close(out);
            }
            State::Turn { of, .. } => {
                out.extend([Order::RollBackTo(of), Order::Release(of)]);
                out.push(Order::Gone(vec![of], None));
                self.commit_or_close(now, out);
            }
            State::Collecting { .. } => self.commit(now, out),
            // Its end is waited for: an insert takes no time, and a commit follows.
            State::Inserting { .. } | State::Committing | State::Over => {}
        }
    }

    /// Where nothing has ended there is nothing to commit.
    pub(super) fn commit_or_close(&mut self, now: Moment, out: &mut Vec<Order>) {
        if self.ended.is_empty() {
            out.push(Order::RollBack);
            self.close(out);
        } else {
            self.commit(now, out);
        }
    }

    fn on_woken(&mut self, now: Moment, out: &mut Vec<Order>) {
        if self.wake_at().is_none_or(|at| now < at) {
            return;
        }
        match self.state {
            State::Turn { of, .. } => {
                out.extend([Order::RollBackTo(of), Order::Release(of), Order::TurnedOut(of)]);
                self.commit_or_close(now, out);
            }
            State::Collecting { .. } => self.commit(now, out),
            State::Closed
            | State::Opening { .. }
            | State::Inserting { .. }
            | State::Committing
            | State::Over => {}
        }
    }
}
