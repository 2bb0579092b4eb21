//! The fence of a store on a server: nobody else's session is left when the first unit of work
//! begins.
//!
//! ```text
//! Looking ──fit──▶ Naming ──named──▶ Raising ──raised──▶ Clearing ──none is left──▶ Open
//!    └─ unfit ─▶ Refused                 └─ another has it ─▶ Refused  └─ too long ─▶ Refused
//! ```
//!
//! The own session is named first, so that it is not taken for another's; the row is raised before
//! any session is ended, so that what connects again finds it raised. Each step can be repeated:
//! whoever dies in it leaves it to the next, which begins at the first.

use tsugi_vocabulary::{Moment, Span};

use super::{Opening, Row, at_open};
use crate::mutant::mutant;

/// How often sessions of other runs are ended and counted.
pub const CLEAR_EVERY: Span = Span::millis(20);
/// How long they may take to end.
pub const CLEAR_MOST: Span = Span::secs(10);

/// Why a server cannot be fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The role may not end the sessions of others.
    MayNotEnd,
    /// Something stands between: two statements come to two sessions, or a name does not stick.
    Pooled,
    /// It only follows another server.
    Recovering,
    /// It takes nothing that is written.
    ReadOnly,
    /// It tells of commits that are not durable.
    CommitsEarly,
}

/// Why a store was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its server cannot be fenced.
    Unfit(Unfit),
    /// Another has it.
    Superseded,
    /// So many sessions of other runs did not end in time.
    StillThere(usize),
    /// The server did not say in time how many there are.
    NoAnswer,
    /// Nothing could lead to this.
    Broken,
}

/// Where an opening stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Whether the server can be fenced is looked at.
    Looking,
    /// The own session is given the name of its run.
    Naming,
    /// The row is being read and raised, in one transaction.
    Raising,
    /// Sessions of other runs are being ended.
    Clearing {
        /// Since when.
        since: Moment,
        /// When they were last ended and counted, or that was asked for.
        looked: Moment,
        /// How many were left; none before the first answer.
        left: Option<usize>,
    },
    /// Units of work may begin.
    Open,
    /// It was not opened.
    Refused(Refused),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server can be fenced, or cannot.
    Looked(Result<(), Unfit>),
    /// The own session has its name.
    Named,
    /// What the row was to this owner; where that lets it be raised it is, durably.
    Raised(Row),
    /// So many sessions of other runs were there, and were told to end.
    Cleared(usize),
    /// A moment has come that was asked for, or any other.
    Woken,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Look whether the server can be fenced: [`Event::Looked`].
    Look,
    /// Name the own session: [`Event::Named`].
    Name,
    /// Read the row and raise it: [`Event::Raised`].
    Raise,
    /// End the sessions of other runs, and count them: [`Event::Cleared`].
    Clear,
    /// Units of work may begin.
    Open,
    /// The process ends; nothing was written but the row.
    Refuse(Refused),
}

/// An opening of a store on a server.
#[derive(Clone, Copy, Debug)]
pub struct Fence {
    state: State,
}

impl Fence {
    /// The begin of an opening.
    pub fn begin(out: &mut Vec<Order>) -> Self {
        out.push(Order::Look);
        Self { state: State::Looking }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Takes one event and answers with orders.
    pub fn step(&mut self, now: Moment, event: Event, out: &mut Vec<Order>) {
        match (self.state, event) {
            (State::Looking, Event::Looked(Ok(()))) => self.go(State::Naming, Order::Name, out),
            (State::Looking, Event::Looked(Err(unfit))) => self.refuse(Refused::Unfit(unfit), out),
            (State::Naming, Event::Named) => self.go(State::Raising, Order::Raise, out),
            (State::Raising, Event::Raised(row)) => self.on_raised(now, row, out),
            (State::Clearing { since, .. }, Event::Cleared(left)) => {
                self.on_cleared(now, since, left, out);
            }
            (State::Clearing { since, looked, left }, Event::Woken) => {
                if now >= since + CLEAR_MOST {
                    self.refuse(left.map_or(Refused::NoAnswer, Refused::StillThere), out);
                } else if now >= looked + CLEAR_EVERY {
                    self.go(State::Clearing { since, looked: now, left }, Order::Clear, out);
                }
            }
            (
                State::Looking
                | State::Naming
                | State::Raising
                | State::Clearing { .. }
                | State::Open
                | State::Refused(_),
                Event::Looked(_)
                | Event::Named
                | Event::Raised(_)
                | Event::Cleared(_)
                | Event::Woken,
            ) => {}
        }
    }

    /// When it wants to be woken next.
    #[must_use]
    pub fn wake_at(&self) -> Option<Moment> {
        match self.state {
            State::Clearing { since, looked, .. } => {
                Some((looked + CLEAR_EVERY).min(since + CLEAR_MOST))
            }
            State::Looking | State::Naming | State::Raising | State::Open | State::Refused(_) => {
                None
            }
        }
    }

    fn on_raised(&mut self, now: Moment, row: Row, out: &mut Vec<Order>) {
        match at_open(row) {
            Opening::Insert | Opening::Raise => {
                let state = State::Clearing { since: now, looked: now, left: None };
                self.go(state, Order::Clear, out);
            }
            Opening::Refuse => self.refuse(Refused::Superseded, out),
            Opening::Broken => self.refuse(Refused::Broken, out),
        }
    }

    fn on_cleared(&mut self, now: Moment, since: Moment, left: usize, out: &mut Vec<Order>) {
        if left == 0 || mutant("fence-does-not-wait") {
            self.go(State::Open, Order::Open, out);
        } else {
            self.state = State::Clearing { since, looked: now, left: Some(left) };
        }
    }

    fn go(&mut self, state: State, order: Order, out: &mut Vec<Order>) {
        self.state = state;
        out.push(order);
    }

    fn refuse(&mut self, why: Refused, out: &mut Vec<Order>) {
        self.go(State::Refused(why), Order::Refuse(why), out);
    }
}
