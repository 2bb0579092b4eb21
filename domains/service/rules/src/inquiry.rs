//! When a resolver is asked what became of the unknown calls of its service, and what follows from
//! what it says.
//!
//! ```text
//!                    due            carried out, not carried out
//! found ──▶ Waits ─────────▶ Asked ─────────────────────────────▶ Keeping ──durable──▶ gone
//!             ▲               │                                     │
//!             └─ cannot tell ─┘◀──────── the store took nothing ────┘
//! ```
//!
//! All of this is memory: an engine that dies finds its unknown calls in the store again and asks
//! again, so a resolver only asks its partner, and may be asked any number of times.
//!
//! Invariant: a call is asked about once at a time, and so many of a service at a time.
//! Invariant: who cannot tell decides nothing; the pause before he is asked again grows to a bound.
//! Invariant: nobody decides here: a decision is the store's, and the first that is durable stands.

use std::collections::BTreeMap;

use tsugi_vocabulary::{Moment, Span};

use crate::id::CallId;
use crate::mutant::mutant;
use crate::refusal::Refusal;
use crate::stored::Ending;

/// How many calls of a service are asked about at a time.
pub const AT_ONCE: usize = 4;
/// How many unknown calls of a service are looked at, the oldest: the others follow when those are
/// decided.
pub const IN_VIEW: usize = 1_024;
/// How long is waited after a resolver could not tell for the first time.
pub const FIRST: Span = Span::secs(1);
/// No pause is longer.
pub const LONGEST: Span = Span::secs(60);
/// The words by which the program of a resolver says that a call was not carried out: the whole of
/// what it aborts with.
pub const NOT_CARRIED_OUT: &str = "not-carried-out";

/// Faults that can be planted here, and the promise that each breaks.
pub const MUTANTS: &[(&str, &str)] = &[
    ("inquiry-cannot-tell-decides", "who cannot tell decides nothing"),
    ("inquiry-no-pause", "who cannot tell is asked again after a pause"),
    ("inquiry-pause-without-end", "a pause is bounded"),
    ("inquiry-asked-twice", "a call is asked about once at a time"),
    ("inquiry-all-at-once", "so many are asked about at a time and no more"),
    ("inquiry-unkept-is-over", "what the store did not take is decided later"),
    ("inquiry-decided-is-asked", "nobody is asked about what is decided"),
    ("inquiry-refusal-decides", "an abnormal end of a resolver decides nothing"),
];

/// What a resolver says became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was carried out, and this is its reply.
    CarriedOut,
    /// It was not: its next arrival runs it.
    NotCarriedOut,
    /// It cannot tell.
    CannotTell,
}

/// What it means how the program of a resolver has ended, with its words where it has refused.
#[must_use]
pub fn verdict(ending: Ending, words: &str) -> Verdict {
    match ending {
        Ending::Done => Verdict::CarriedOut,
        Ending::Refused if words == NOT_CARRIED_OUT => Verdict::NotCarriedOut,
        Ending::Abnormal | Ending::TimeLimit if mutant("inquiry-refusal-decides") => {
            Verdict::NotCarriedOut
        }
        Ending::Refused | Ending::Abnormal | Ending::TimeLimit => Verdict::CannotTell,
    }
}

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is durable.
    Durable,
    /// It is not unknown any more: an operator or another member was first.
    Decided,
    /// The store took nothing.
    Not,
}

/// What it means how the store has answered to a decision that it was to keep.
#[must_use]
pub const fn kept(answer: Result<(), &Refusal>) -> Kept {
    match answer {
        Ok(()) => Kept::Durable,
        Err(Refusal::Decided | Refusal::NotFound | Refusal::Forgotten | Refusal::Expired(_)) => {
            Kept::Decided
        }
        Err(_) => Kept::Not,
    }
}

/// Where the question about a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is asked from this moment on; it was so often before.
    Waits {
        /// From when on.
        at: Moment,
        /// How often it was.
        asked: u32,
    },
    /// A resolver is asked for so-manieth time, from 1.
    Asked {
        /// Which time this is.
        asked: u32,
    },
    /// What it has said is being kept.
    Keeping {
        /// How often it was asked.
        asked: u32,
    },
}

impl State {
    /// How often a resolver was asked.
    #[must_use]
    pub const fn asked(self) -> u32 {
        match self {
            Self::Waits { asked, .. } | Self::Asked { asked } | Self::Keeping { asked } => asked,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// These calls of the service are unknown by the store, the oldest first.
    Found(Vec<CallId>),
    /// A resolver has said this.
    Said(CallId, Verdict),
    /// This became of a decision; or it was found before one that there is nothing to decide.
    Kept(CallId, Kept),
    /// A moment has come that was asked for, or any other.
    Woken,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ask the resolver about this call: [`Event::Said`], or [`Event::Kept`] where it is decided.
    Ask(CallId),
    /// Make the decision durable that was said of it: [`Event::Kept`].
    Keep(CallId, Verdict),
}

/// The questions about the unknown calls of one service, in one engine.
#[derive(Clone, Debug, Default)]
pub struct Inquiries {
    all: BTreeMap<CallId, State>,
}

impl Inquiries {
    /// Takes one event and answers with orders.
    pub fn step(&mut self, now: Moment, event: Event, out: &mut Vec<Order>) {
        match event {
            Event::Found(ids) => self.on_found(now, &ids),
            Event::Said(id, verdict) => self.on_said(now, id, verdict, out),
            Event::Kept(id, kept) => self.on_kept(now, id, kept),
            Event::Woken => {}
        }
        self.ask(now, out);
    }

    /// When it wants to be woken next; none while as many as may be are asked about.
    #[must_use]
    pub fn wake_at(&self) -> Option<Moment> {
        if self.asked() >= AT_ONCE {
            return None;
        }
        let waits = self.all.values().filter_map(|state| match state {
            State::Waits { at, .. } => Some(*at),
            State::Asked { .. } | State::Keeping { .. } => None,
        });
        waits.min()
    }

    /// Each unknown call that is looked at, and where the question about it stands.
    pub fn all(&self) -> impl Iterator<Item = (CallId, State)> + '_ {
        self.all.iter().map(|(id, state)| (*id, *state))
    }

    fn asked(&self) -> usize {
        let open = |state: &&State| match state {
            State::Asked { .. } => true,
            State::Waits { .. } | State::Keeping { .. } => false,
        };
        self.all.values().filter(open).count()
    }

    /// What is decided meanwhile is gone; about what is new somebody is asked at once.
    fn on_found(&mut self, now: Moment, ids: &[CallId]) {
        self.all.retain(|id, state| match state {
            State::Waits { .. } => ids.contains(id) || mutant("inquiry-decided-is-asked"),
            // What becomes of these says whoever is at them.
            State::Asked { .. } | State::Keeping { .. } => true,
        });
        for id in ids.iter().take(IN_VIEW) {
            let new = State::Waits { at: now, asked: 0 };
            if mutant("inquiry-asked-twice") {
                self.all.insert(*id, new);
            }
            self.all.entry(*id).or_insert(new);
        }
    }

    fn on_said(&mut self, now: Moment, id: CallId, verdict: Verdict, out: &mut Vec<Order>) {
        let Some(state) = self.all.get_mut(&id) else { return };
        let State::Asked { asked } = *state else { return };
        match verdict {
            Verdict::CannotTell if mutant("inquiry-cannot-tell-decides") => {
                *state = State::Keeping { asked };
                out.push(Order::Keep(id, Verdict::NotCarriedOut));
            }
            Verdict::CannotTell => *state = State::Waits { at: now + pause(asked), asked },
            Verdict::CarriedOut | Verdict::NotCarriedOut => {
                *state = State::Keeping { asked };
                out.push(Order::Keep(id, verdict));
            }
        }
    }

    fn on_kept(&mut self, now: Moment, id: CallId, kept: Kept) {
        let Some(state) = self.all.get_mut(&id) else { return };
        match (*state, kept) {
            (State::Asked { .. } | State::Keeping { .. }, Kept::Durable | Kept::Decided) => {
                self.all.remove(&id);
            }
            (State::Keeping { .. }, Kept::Not) if mutant("inquiry-unkept-is-over") => {
                self.all.remove(&id);
            }
            (State::Asked { asked } | State::Keeping { asked }, Kept::Not) => {
                *state = State::Waits { at: now + pause(asked), asked };
            }
            // Of one that is asked about again: that question finds what is there.
            (State::Waits { .. }, Kept::Durable | Kept::Decided | Kept::Not) => {}
        }
    }

    /// Asks about what is due, the longest due first.
    fn ask(&mut self, now: Moment, out: &mut Vec<Order>) {
        let mut due: Vec<(Moment, CallId)> = Vec::new();
        for (id, state) in &self.all {
            match state {
                State::Waits { at, .. } if *at <= now => due.push((*at, *id)),
                State::Waits { .. } | State::Asked { .. } | State::Keeping { .. } => {}
            }
        }
        due.sort_unstable();
        let room = AT_ONCE.saturating_sub(self.asked());
        let room = if mutant("inquiry-all-at-once") { due.len() } else { room };
        for (_, id) in due.into_iter().take(room) {
            let Some(State::Waits { asked, .. }) = self.all.get(&id).copied() else { continue };
            self.all.insert(id, State::Asked { asked: asked.saturating_add(1) });
            out.push(Order::Ask(id));
        }
    }
}

/// How long is waited after it was asked so often in vain.
fn pause(asked: u32) -> Span {
    if mutant("inquiry-no-pause") {
        return Span::ZERO;
    }
    let doubled = Span(FIRST.0.saturating_mul(1 << asked.saturating_sub(1).min(20)));
    if mutant("inquiry-pause-without-end") { doubled } else { doubled.min(LONGEST) }
}
