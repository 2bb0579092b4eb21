//! The core on a store whose units of work stand beside each other: each call that runs has a
//! session of its own, in a thread that waits for the server, and each unit is its own commit.
//!
//! The thread that is here drives the table of calls and the pools, as where there is one writer,
//! and never waits for the server: it sends *errands* to sessions, which answer by letters. A call
//! begins with its row, so that one that another node has waits before its program runs.
//!
//! Invariant: a session has one unit of work at a time and says once that it is free again.
//! Invariant: whoever waits for a commit of which nothing is known is told what the store has,
//! once nobody can change that any more.

mod breaker;
mod chores;
mod clerk;
mod sent;
mod session;
mod unit;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use tsugi_service_rules::call::{Attempt, Event, Interruption, Posture};
use tsugi_service_rules::id::CallId;
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::worker::pool::Free;
use tsugi_store::{Look, Seen, Trouble};
use tsugi_vocabulary::{Moment, Span};

use super::block;
use super::hall::{Hall, Todo};
use super::reading::Readings;
use super::small::Small;
use super::way::Way;
use super::{Found, Letter, panic_text};
use crate::clock;
use crate::fatal::{Fatal, LastWord};
use crate::inbox::Inbox;
use crate::open::{Sessions, Settings};
use crate::service::Service;
use crate::watch::Watch;
use breaker::Breaker;
use chores::Chores;
use clerk::{Clerks, Lookout};
pub(super) use sent::Sent;
pub(crate) use session::Said;
pub use session::Session;
use session::{Seat, Tell};

/// How long is waited, after the grace of a move, for what cannot be waited for without end: a
/// server that answers nothing any more.
const LEAVING: Span = Span::secs(2);

/// The calls, and who carries them out at the store.
pub(crate) struct Parallel {
    hall: Hall,
    seats: Vec<Seat>,
    /// The sessions of clerks who are not at work yet.
    starting: Vec<Box<dyn Session>>,
    tell: Option<Tell>,
    clerks: Clerks,
    chores: Chores,
    /// What is small whose commits had no answer, and when they are looked for.
    doubts: Vec<(Small, Box<Look>)>,
    lookout: Lookout,
    breaker: Breaker,
    /// Until when what is at the store is waited for; none while the group does not move.
    leaves: Option<Moment>,
    /// Whoever is at the store holds the other end until it has left.
    left: Receiver<()>,
}

impl Parallel {
    /// # Errors
    /// A thread could not be started.
    pub(crate) fn new(
        sessions: Sessions,
        mut services: Vec<Service>,
        settings: Settings,
        inbox: Arc<Inbox<Letter>>,
    ) -> std::io::Result<Self> {
        for service in &mut services {
            service.workers.free = Free::Settled;
        }
        let (held, left) = channel();
        let tell = Tell::new(inbox.clone(), held);
        let halts = sessions.units.iter().map(|session| session.halt()).collect();
        let seats = sessions.units.into_iter().enumerate();
        let seats = seats.map(|(number, session)| Seat::start(number, session, tell.clone()));
        let seats = seats.collect::<std::io::Result<Vec<_>>>()?;
        let pulses = seats.iter().map(Seat::pulse).collect();
        let breaker = Breaker::start(halts, pulses)?;
        let lookout = Lookout::start(sessions.lookout, tell.clone())?;
        let way = Way::Sessions(Sent::of(seats.len()));
        let services = (services, block::kept(sessions.blocks));
        let beside = (way, Readings::new(sessions.opens), Watch::default());
        Ok(Self {
            hall: Hall::new(beside, services, settings, inbox),
            seats,
            starting: sessions.clerks,
            tell: Some(tell),
            clerks: Clerks::new(),
            chores: Chores::new(),
            doubts: Vec::new(),
            lookout,
            breaker,
            leaves: None,
            left,
        })
    }

    /// Runs until the store is handed over, or until it cannot go on.
    pub(crate) fn run(mut self, last_word: LastWord) {
        // Nothing is dropped before the last word: nobody is told anything, and it does not return.
        let work = catch_unwind(AssertUnwindSafe(|| self.work()));
        let ended = work.unwrap_or_else(|panic| Err(Fatal::Impossible(panic_text(&*panic))));
        let Ok(()) = ended.map_err(last_word);
        self.leave();
    }

    fn work(&mut self) -> Result<(), Fatal> {
        let mut clerks = std::mem::take(&mut self.starting);
        if let Some(first) = clerks.first_mut() {
            self.look_first(&mut **first)?;
        }
        if let Some(tell) = self.tell.take() {
            let started = self.clerks.start(clerks, &tell);
            started.map_err(|why| Fatal::Impossible(format!("a clerk: {why}")))?;
        }
        loop {
            self.hall.look()?;
            while self.advance()? == Found::Work {}
            if self.hall.closed {
                return Ok(());
            }
            let doubts = (!self.doubts.is_empty()).then_some(self.hall.small_after);
            let also = [self.leaves, doubts, self.looks_after_at()];
            self.hall.wait(also.into_iter().flatten().min());
        }
    }

    /// Reads what was said and sends what is to be done at the store.
    fn advance(&mut self) -> Result<Found, Fatal> {
        let mut found = Found::Nothing;
        while let Some(said) = self.sent().said.pop_front() {
            self.hear(said)?;
            self.hall.settle()?;
            found = Found::Work;
        }
        while let Some(id) = self.sent().finds.pop_front() {
            self.clerks.see(id);
        }
        while let Some(listing) = self.sent().listings.pop_front() {
            self.clerks.list(listing);
        }
        if self.hall.has_small() {
            for small in std::mem::take(&mut self.hall.small) {
                let (lowest, bytes) = self.hall.beside(&small);
                self.clerks.write(small, lowest, bytes);
            }
        }
        if !self.doubts.is_empty() && self.hall.small_after <= clock::now() {
            for (small, look) in std::mem::take(&mut self.doubts) {
                self.clerks.clear(small, look);
            }
        }
        if self.serve_all()? == Found::Work || self.look_after() == Found::Work {
            found = Found::Work;
        }
        self.close_when_empty();
        self.hall.settle()?;
        Ok(found)
    }

    fn sent(&mut self) -> &mut Sent {
        match &mut self.hall.way {
            Way::Sessions(sent) => sent,
            Way::Beside(_) => unreachable!("it is made with sessions"),
        }
    }

    fn is_there(&self) -> bool {
        matches!(&self.hall.way, Way::Sessions(sent) if sent.is_there())
    }

    fn hear(&mut self, said: Said) -> Result<(), Fatal> {
        match said {
            Said::Unit(seat, run, word) => self.hear_unit(seat, run, word)?,
            Said::Seen(id, Ok(seen)) => {
                let (stored, row) = self.hall.taken_in(id, seen);
                self.hall.todo.push_back(Todo::Table(Event::Found(id, stored, row)));
            }
            Said::Seen(id, Err(trouble)) => {
                let why = self.troubled(trouble)?;
                self.hall.todo.push_back(Todo::Table(Event::NotAsked(id, why)));
            }
            Said::Written(small, Ok(written)) => self.hall.on_written(small, written),
            Said::Written(small, Err(Trouble::Unknown(look))) => {
                self.doubts.push((small, look));
                self.hall.small_after = clock::now() + super::small::PAUSE;
                self.pause();
            }
            Said::Written(small, Err(trouble)) => self.not_written(small, trouble)?,
            Said::Blocked(small, all) => {
                if let Small::Start(id, attempt, _) = small {
                    self.hall.start_over(id);
                    let why = Interruption::SittingGone;
                    self.hall.todo.push_back(Todo::Table(Event::Interrupted(id, attempt, why)));
                }
                self.hall.blocks_are(all, self.hall.blocking);
                self.hall.todo.push_back(Todo::Table(Event::Woken));
            }
            Said::Unwritten(small) => {
                self.not_written(small, Trouble::Gone("its commit was lost".to_owned()))?;
            }
            Said::NotStarted(id, attempt, seen) => self.not_started((id, attempt), seen)?,
            Said::LookedAfter(done) => self.looked_after(done)?,
            Said::Away(why) => {
                self.tell_made();
                self.hall.store = Err(Refusal::StoreAway { why });
                self.hall.todo.push_back(Todo::Table(Event::Woken));
            }
            Said::Back => {
                self.sent().resume();
                self.hall.store = Ok(());
            }
            Said::Panicked(what) => return Err(Fatal::Impossible(what)),
        }
        Ok(())
    }

    /// What it means that the store was not reached, unless the process ends by it.
    fn troubled(&mut self, trouble: Trouble) -> Result<String, Fatal> {
        let why = trouble.to_string();
        match trouble {
            Trouble::Superseded { found } => Err(Fatal::Superseded(found)),
            Trouble::Broken(why) => Err(Fatal::Broken(why)),
            Trouble::Away(_) | Trouble::ReadOnly => {
                self.pause();
                Ok(why)
            }
            Trouble::Again
            | Trouble::Gone(_)
            | Trouble::Unknown(_)
            | Trouble::Refused(_)
            | Trouble::Full => Ok(why),
        }
    }

    /// Nothing begins until the lookout has looked.
    fn pause(&mut self) {
        if self.sent().pause() == Found::Work {
            self.lookout.look();
        }
    }

    /// Something is under the id of a call that was to be started: that counts.
    fn not_started(
        &mut self,
        (id, attempt): (CallId, Attempt),
        seen: Result<Seen, Trouble>,
    ) -> Result<(), Fatal> {
        self.hall.start_over(id);
        let event = match seen {
            Ok(seen) => {
                let (stored, row) = self.hall.taken_in(id, seen);
                Event::Taken(id, attempt, stored, row)
            }
            Err(trouble) => {
                let why = self.troubled(trouble)?;
                Event::Interrupted(id, attempt, Interruption::StoreFull(why))
            }
        };
        self.hall.todo.push_back(Todo::Table(event));
        Ok(())
    }

    /// Nothing of it is kept. What it says stays so: it is written a little later.
    fn not_written(&mut self, small: Small, trouble: Trouble) -> Result<(), Fatal> {
        let full = matches!(trouble, Trouble::Full);
        let why = self.troubled(trouble)?;
        match small {
            // A disk that is full may be so for long: whoever waits for it is told.
            Small::Change(id, caller, _) if full => {
                self.hall.todo.push_back(Todo::Table(Event::NotKept(id, caller, why)));
            }
            Small::Start(id, attempt, _) => {
                self.hall.start_over(id);
                let why = Interruption::StoreFull(why);
                self.hall.todo.push_back(Todo::Table(Event::Interrupted(id, attempt, why)));
            }
            // A group that moves leaves unwritten what is not written.
            _ if self.hall.table.posture() != Posture::Open => {}
            later @ (Small::Unknown(_) | Small::Change(..) | Small::Block(..)) => {
                self.hall.small.push_back(later);
                self.hall.small_after = clock::now() + super::small::PAUSE;
            }
        }
        Ok(())
    }

    /// A group that moves is let go when nobody is at the store for it, or when whoever is there
    /// hears nothing from it any more: what they leave is nothing, or is found by its id.
    fn close_when_empty(&mut self) {
        let now = clock::now();
        let until = match self.hall.table.posture() {
            Posture::Moving { until } => until + LEAVING,
            Posture::Drained => now + LEAVING,
            Posture::Open | Posture::Closed | Posture::Silent => return,
        };
        let until = *self.leaves.get_or_insert(until);
        let free = self.seats.iter().all(Seat::is_free) && self.hall.readings.are_over();
        let empty = self.hall.drained && free;
        if empty || now >= until {
            self.hall.closed = true;
            self.hall.todo.push_back(Todo::Table(Event::Closed));
        }
    }

    /// Ends all sessions, and sends whoever still asks elsewhere.
    fn leave(self) {
        let Self { mut hall, seats, clerks, lookout, breaker, left, .. } = self;
        drop(seats);
        clerks.close();
        lookout.close();
        breaker.close();
        // One that hears nothing from its server ends when that does; nothing more is told by it.
        let until = Instant::now() + std::time::Duration::from_nanos(LEAVING.0);
        while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) =
            left.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            if Instant::now() >= until {
                break;
            }
        }
        hall.leave();
    }
}
