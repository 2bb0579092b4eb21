//! Who reads for calls that only read: a thread with a connection of its own. It serves one call
//! at a time, from its first operation to its end, so that all of them are of one moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tsugi_frames::Code;
use tsugi_service_rules::sitting::Run;
use tsugi_service_rules::worker::life::Turn;
use tsugi_service_rules::worker::pool::Worker;
use tsugi_store::{Op, Outcome, Reader, Trouble};
use tsugi_vocabulary::Moment;

use super::Letter;
use super::nested::Carry;
use super::operated::{CarriesOut, SoFar, operate_in};
use super::pools::Over;
use crate::files::Asking;
use crate::inbox::Inbox;
use crate::watch::{Halt, Watch};
use crate::worker::Answered;

/// Reads for calls of services that only read.
pub trait Looks: Send {
    /// Runs an operation; all until [`Looks::release`] are of one moment.
    ///
    /// # Errors
    /// As [`Reader::view`].
    fn view(&mut self, op: &Op) -> Result<Outcome, Trouble>;

    /// The call is over.
    ///
    /// # Errors
    /// It cannot be used any more.
    fn release(&mut self) -> Result<(), Trouble>;

    /// What ends an operation that does not end by itself.
    fn halt(&self) -> Halt;
}

impl Looks for Reader {
    fn view(&mut self, op: &Op) -> Result<Outcome, Trouble> {
        Self::view(self, op)
    }

    fn release(&mut self) -> Result<(), Trouble> {
        Self::release(self)
    }

    fn halt(&self) -> Halt {
        let interrupt = self.interrupt();
        Box::new(move || interrupt.now())
    }
}

/// What a lector is told.
pub(super) enum Errand {
    /// Read this, and answer so.
    Read(Read),
    /// The call is over.
    Release,
}

/// What is to be read for a call.
pub(super) struct Read {
    pub(super) run: Run,
    pub(super) carry: Carry,
    /// Until when it may take.
    pub(super) until: Moment,
}

/// What follows when something is read.
pub(super) enum Then {
    Answer(Worker, Turn),
    End(Over),
}

/// What came of it.
pub(crate) struct Looked {
    /// The number of the lector.
    pub(super) by: usize,
    pub(super) run: Run,
    /// All answers so far, and why its call ends by them where it does; or why it could not be
    /// read.
    pub(super) came: Result<(SoFar, Option<String>), Trouble>,
}

/// A thread that reads.
pub(super) struct Lector {
    errands: Option<Sender<Errand>>,
    watch: Watch,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Lector {
    pub(super) fn start(
        by: usize,
        looks: Box<dyn Looks>,
        inbox: Arc<Inbox<Letter>>,
    ) -> std::io::Result<Self> {
        let watch = Watch::start(looks.halt())?;
        let closing = Arc::new(AtomicBool::new(false));
        let (errands, told) = channel();
        let own = Reading { by, looks, watch: watch.clone(), closing: closing.clone() };
        let work = move |inbox: &Inbox<Letter>| own.work(&told, inbox);
        let thread = Some(super::beside(format!("lector-{by}"), inbox, work)?);
        Ok(Self { errands: Some(errands), watch, closing, thread })
    }

    pub(super) fn tell(&self, errand: Errand) {
        // One that has ended has said so by its last answer.
        if let Some(errands) = &self.errands {
            drop(errands.send(errand));
        }
    }

    /// Ends what it reads, and has its connection closed when this returns.
    pub(super) fn close(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        self.errands = None;
        self.watch.begins(Moment(0));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        self.watch.close();
    }
}

/// The thread of a lector.
struct Reading {
    by: usize,
    looks: Box<dyn Looks>,
    watch: Watch,
    closing: Arc<AtomicBool>,
}

impl Reading {
    fn work(mut self, told: &Receiver<Errand>, inbox: &Inbox<Letter>) {
        while let Ok(errand) = told.recv() {
            match errand {
                Errand::Read(Read { run, carry, until }) => {
                    let Carry { asked, mut answers, .. } = carry;
                    let came = operate_in(&mut Until(&mut self, until), asked, &mut answers);
                    let came = came.map(|failed| (answers, failed));
                    let looked = Looked { by: self.by, run, came };
                    // An engine that has ended hears nothing, and needs nothing.
                    drop(inbox.put(Letter::Looked(looked)));
                }
                // What it is not released from is told by what it reads next.
                Errand::Release => drop(self.looks.release()),
            }
        }
    }

    fn view(&mut self, op: &Op, until: Moment) -> Result<Outcome, Trouble> {
        self.watch.begins(until);
        // Looked at behind that: whoever closes sets it first, and ends what has begun.
        if self.closing.load(Ordering::SeqCst) {
            return Err(Trouble::Away("the store is handed over".to_owned()));
        }
        let seen = self.looks.view(op);
        // Whoever closes ends all that is read.
        if !self.closing.load(Ordering::SeqCst) {
            self.watch.ends();
        }
        seen
    }
}

/// What is read until then at the latest.
struct Until<'a>(&'a mut Reading, Moment);

impl CarriesOut for Until<'_> {
    fn store(&mut self, op: Op) -> Result<Outcome, Trouble> {
        let Self(reading, until) = self;
        reading.view(&op, *until)
    }

    /// A file is opened by a unit of work.
    fn file(&mut self, _: Asking) -> Result<Result<Answered, String>, Trouble> {
        Ok(Ok(Answered::Code(Code::NotAllowed.number())))
    }
}
