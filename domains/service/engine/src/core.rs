//! The one thread that drives the rules and writes the store.
//!
//! ```text
//! letters ─▶ table of calls ─▶ pools of workers ─▶ what has spoken ─▶ sitting ─▶ store
//!                ▲                                                      │
//!                └──────────────── durable, or nothing is left ◀────────┘
//! ```
//!
//! A unit of work borrows the store, so what goes on beside it while its call has the turn (calls
//! that arrive, workers that speak, timers) stands in the *hall*, which has no store.

mod block;
mod callers;
mod copies;
mod figures;
mod hall;
mod inquiry;
mod lector;
mod needed;
mod nested;
mod operated;
mod parallel;
mod pools;
mod purge;
mod reading;
mod resolve;
mod seen;
mod small;
mod sweep;
mod turn;
mod wait;
mod way;
mod within;

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};
use tsugi_service_rules::call::{Arrival, Caller, Event, Interruption};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::id::CallId;
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::sitting::{self, Left, Near, Order, Run, State};
use tsugi_service_rules::worker::pool::Worker;
use tsugi_store::{Block, Store, Trouble};
use tsugi_vocabulary::Span;

use crate::calls::{Answer, Resolved};
use crate::clock;
use crate::fatal::{Fatal, LastWord};
use crate::figures::Figures;
use crate::inbox::Inbox;
use crate::open::{Beside, Settings};
use crate::service::Service;
use crate::watch::Watch;
use crate::worker::{Given, Heard};
use copies::Copies;
use hall::{Hall, Todo};
pub(crate) use inquiry::{Keys, Listing};
use lector::Looked;
pub use lector::Looks;
pub use parallel::Session;
pub(crate) use parallel::{Parallel, Said};
pub use reading::Opens;
use reading::Readings;
use way::Way;

/// What the core is told.
pub(crate) enum Letter {
    /// Somebody asks for something.
    Ask(Caller, Event, Waiter),
    /// Somebody does not wait any more.
    Gone(CallId, Caller),
    /// Something is heard of a worker.
    Heard(ServiceNumber, Worker, Heard),
    /// An operator says what an unknown call counts as.
    Resolve(CallId, Caller, Resolved, Waiter),
    /// Somebody asks about unknown calls: he is told whenever they have changed.
    Inquirer(watch::Sender<()>),
    /// Somebody wants to know what is unknown, or what such a call asks.
    List(Listing),
    /// A resolver is to say what became of an unknown call.
    Inquire(Arrival, Waiter),
    /// A service cannot run for this reason, or can again.
    Open(ServiceNumber, Result<(), Refusal>),
    /// An operator blocks a service, or opens it.
    Block(ServiceNumber, Option<Block>, oneshot::Sender<Answer>),
    /// Somebody wants to know how things stand.
    Figures(oneshot::Sender<Figures>),
    /// Something was read for a call that only reads.
    Looked(Looked),
    /// Something came back from another group, for a service of this call.
    CameBack(Run),
    /// The log of the store is copied as far as that goes beside its writer.
    Copied(Result<(), Trouble>),
    /// A thread beside the core has met what nothing leads to, and does its errands no more.
    Panicked(String),
    /// A session, or who else is at the store in a thread of its own, has done its errand.
    Said(Said),
    /// The group is going to another node; running calls have so long.
    Move(Span),
}

/// Somebody who waits for an answer.
pub(crate) struct Waiter {
    pub(crate) id: CallId,
    /// What it has called, where it has called something.
    pub(crate) body: Option<Body>,
    pub(crate) tell: oneshot::Sender<Answer>,
}

/// A call of somebody who waits for its answer.
pub(crate) struct Body {
    /// As it has arrived last.
    pub(crate) arrival: Arrival,
    /// As its caller has said it: it may have to be read by a former interface.
    pub(crate) said: Arc<[u8]>,
    /// What its program is given.
    pub(crate) given: Given,
    /// What its program is told as its keys; none for those of its own run.
    pub(crate) keys: Option<Keys>,
}

/// Whether there was something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Work,
    Nothing,
}

/// Whose turn it is where both wait and no sitting is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// What is written beside the calls.
    Small,
    /// A call that has spoken.
    Spoken,
}

/// What was done last where both wait: a portion of the purge, or a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Call,
    Portion,
}

/// The store, and all that goes on beside it.
pub(crate) struct Core {
    store: Box<dyn Store + Send>,
    hall: Hall,
    next: Next,
    last: Last,
}

impl Core {
    pub(crate) fn new(
        (mut store, watch): (Box<dyn Store + Send>, Watch),
        Beside { reads, opens, log }: Beside,
        services: Vec<Service>,
        settings: Settings,
        inbox: Arc<Inbox<Letter>>,
    ) -> std::io::Result<Self> {
        let blocked = block::kept(store.blocks().map_err(std::io::Error::other)?);
        let pages = settings.upkeep.log;
        let copies = log.map(|log| Copies::start(log, pages, inbox.clone())).transpose()?;
        let beside = (Way::Beside(reads), Readings::new(opens), watch);
        let mut hall = Hall::new(beside, (services, blocked), settings, inbox);
        hall.copies = copies;
        Ok(Self { store, hall, next: Next::Small, last: Last::Call })
    }

    /// Runs until the store is handed over, or until it cannot go on.
    pub(crate) fn run(mut self, last_word: LastWord) {
        // Nothing is dropped before the last word: nobody is told anything, and it does not return.
        let work = catch_unwind(AssertUnwindSafe(|| self.work()));
        let ended = work.unwrap_or_else(|panic| Err(Fatal::Impossible(panic_text(&*panic))));
        let Ok(()) = ended.map_err(last_word);
        self.hall.leave();
    }

    fn work(&mut self) -> Result<(), Fatal> {
        // Before anything that was asked is read.
        self.look_for_files()?;
        loop {
            self.hall.look()?;
            if self.hall.closed {
                return Ok(());
            }
            if self.advance()? == Found::Nothing {
                self.hall.wait(None);
            }
        }
    }

    /// Does what can be done with the store now.
    fn advance(&mut self) -> Result<Found, Fatal> {
        match self.hall.sitting.state() {
            State::Closed if self.hall.has_small() && self.may_write_small() => {
                self.write_small()?;
                self.next = Next::Spoken;
                return Ok(Found::Work);
            }
            State::Closed if self.hall.may_lack() => {
                self.look_for_files()?;
                return Ok(Found::Work);
            }
            State::Closed if self.hall.may_sweep() && !self.hall.drained => {
                self.sweep()?;
                return Ok(Found::Work);
            }
            State::Closed if self.hall.drained && self.hall.readings.are_over() => {
                let orders = self.hall.step_sitting(sitting::Event::Close);
                self.carry(orders)?;
                return Ok(Found::Work);
            }
            State::Closed if self.hall.is_copy_due() => {
                let read = self.hall.readings.open();
                if let Some(copies) = &mut self.hall.copies {
                    copies.finish(read)?;
                }
                return Ok(Found::Work);
            }
            State::Closed if self.may_purge() => {
                self.purge()?;
                return Ok(Found::Work);
            }
            State::Closed | State::Collecting { .. } => {}
            State::Opening { .. }
            | State::Turn { .. }
            | State::Inserting { .. }
            | State::Committing
            | State::Over => return Ok(Found::Nothing),
        }
        let spoken = self.hall.spoken.front().copied();
        let event = match spoken.and_then(|run| Some((run, self.hall.runs.get(&run)?.alone))) {
            Some((run, alone)) => sitting::Event::Spoken(run, alone),
            None if self.hall.is_due() => sitting::Event::Woken,
            None if self.hall.some_will_speak() => sitting::Event::Waits(Near::Silent),
            None => sitting::Event::Waits(Near::Nobody),
        };
        let orders = self.hall.step_sitting(event);
        let work = orders.iter().any(|order| *order != Order::Idle);
        match orders.first() {
            Some(Order::Begin | Order::Open(_)) => {
                if let Some(run) = spoken {
                    (self.next, self.last) = (Next::Small, Last::Call);
                    self.turn(run)?;
                }
            }
            Some(_) | None => self.carry(orders)?,
        }
        Ok(if work { Found::Work } else { Found::Nothing })
    }

    /// What is small and who has spoken take turns: neither waits for the other for ever.
    fn may_write_small(&self) -> bool {
        self.next == Next::Small || self.hall.spoken.is_empty()
    }

    /// Carries out what a sitting orders while no unit of work is open.
    fn carry(&mut self, orders: Vec<Order>) -> Result<(), Fatal> {
        let mut orders = VecDeque::from(orders);
        while let Some(order) = orders.pop_front() {
            match order {
                Order::Commit => orders.extend(self.commit()?),
                Order::RollBack => self.abandon()?,
                Order::NotInserted(run) => self.hall.not_inserted(run)?,
                Order::Kept(runs) => self.hall.on_kept(&runs),
                Order::TurnedOut(run) => self.hall.interrupt(run, Interruption::TurnedOut),
                Order::Gone(runs, turn) => {
                    for run in runs {
                        self.hall.interrupt(run, Interruption::SittingGone);
                    }
                    if let Some(run) = turn {
                        self.hall.interrupt(run, Interruption::SittingGoneInTurn);
                    }
                }
                Order::Full(runs) => {
                    for run in runs {
                        self.hall.interrupt(run, Interruption::StoreFull("full".to_owned()));
                    }
                }
                Order::EndProcess => {
                    return Err(Fatal::Broken("a commit has failed".to_owned()));
                }
                Order::Closed => {
                    self.hall.closed = true;
                    self.hall.todo.push_back(Todo::Table(Event::Closed));
                }
                // A unit's own are carried out while it is open.
                Order::Begin
                | Order::Open(_)
                | Order::RollBackTo(_)
                | Order::Insert(_)
                | Order::Release(_)
                | Order::TellProgram(_)
                | Order::Superseded(_)
                | Order::Idle => {}
            }
        }
        self.hall.settle()
    }

    fn commit(&mut self) -> Result<Vec<Order>, Fatal> {
        let committed = self.store.commit();
        self.hall.look_at_log();
        let event = match committed {
            Ok(()) => {
                // Before anybody is told, so that the next call finds what this one has left.
                if self.hall.may_lack() {
                    self.look_for_files()?;
                }
                sitting::Event::Committed
            }
            Err(trouble) => {
                let left = left(trouble)?;
                self.abandon()?;
                sitting::Event::Failed(left)
            }
        };
        Ok(self.hall.step_sitting(event))
    }

    /// Gives the sitting up in the store, where there is one.
    fn abandon(&mut self) -> Result<(), Fatal> {
        self.store.abandon().or_else(|trouble| left(trouble).map(drop))
    }
}

/// Starts a thread beside the core. A panic of it is heard: whoever waits for what it was to do
/// would wait for ever.
fn beside(
    name: String,
    inbox: Arc<Inbox<Letter>>,
    work: impl FnOnce(&Inbox<Letter>) + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(move || {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(&inbox))) {
            // An engine that has ended hears nothing, and needs nothing.
            drop(inbox.put(Letter::Panicked(panic_text(&*panic))));
        }
    })
}

/// What a panic says.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let known = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = known.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic".to_owned())
}

/// What a trouble has left of a sitting, unless the process ends by it.
fn left(trouble: Trouble) -> Result<Left, Fatal> {
    match trouble {
        Trouble::Refused(_) => Ok(Left::Savepoint),
        Trouble::Full | Trouble::ReadOnly => Ok(Left::Full),
        Trouble::Again | Trouble::Gone(_) | Trouble::Away(_) => Ok(Left::Nothing),
        Trouble::Superseded { found } => Err(Fatal::Superseded(found)),
        Trouble::Broken(why) => Err(Fatal::Broken(why)),
        // Only a store whose units are committed one by one says so.
        Trouble::Unknown(look) => Err(Fatal::Broken(format!("not known of {:?}", look.id))),
    }
}

/// How long a wait may be that a timer in the past would make none.
const PAST: Span = Span::millis(1);

/// The earliest moment that something is to be done at, never in the past.
fn earliest(
    all: impl Iterator<Item = tsugi_vocabulary::Moment>,
) -> Option<tsugi_vocabulary::Moment> {
    let now = clock::now();
    // Each by itself: one in the past must not hold up another that is near.
    all.map(|at| if at <= now { now + PAST } else { at }).min()
}
