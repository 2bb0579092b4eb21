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
use super::pools::Over;
use super::turn::{bounded, held};
use crate::inbox::Inbox;
use crate::watch::{Halt, Watch};
use crate::worker::{Answered, Asked, Batch, Waits};

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
    pub(super) asked: Batch,
    /// Who waits for the answers; or how the call has ended, once that is read.
    pub(super) then: Then,
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
    pub(super) then: Then,
    pub(super) came: Came,
}

/// What came of operations that only read.
pub(super) enum Came {
    Answers(Vec<Answered>),
    /// One that nobody waits for was refused, for this reason: that ends the call.
    Failed(String),
    /// It could not be read, for this reason.
    Unread(String),
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
        let own = Reading { by, looks, watch: watch.clone(), closing: closing.clone(), inbox };
        let thread = std::thread::Builder::new().name(format!("lector-{by}"));
        let thread = Some(thread.spawn(move || own.work(&told))?);
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
    inbox: Arc<Inbox<Letter>>,
}

impl Reading {
    fn work(mut self, told: &Receiver<Errand>) {
        while let Ok(errand) = told.recv() {
            match errand {
                Errand::Read(Read { run, asked, then, until }) => {
                    let came = self.read(asked, until);
                    let looked = Looked { by: self.by, run, then, came };
                    // An engine that has ended hears nothing, and needs nothing.
                    drop(self.inbox.put(Letter::Looked(looked)));
                }
                // What it is not released from is told by what it reads next.
                Errand::Release => drop(self.looks.release()),
            }
        }
    }

    fn read(&mut self, all: Batch, until: Moment) -> Came {
        let mut answers = Vec::with_capacity(all.operations.len());
        let mut size = 0;
        for asked in all.operations {
            let asked = bounded(asked, size);
            let (answer, waits) = match asked {
                Asked::Refused(code, waits) => (Answered::Code(code), waits),
                Asked::Own(waits) => (Answered::Own, waits),
                // A file is opened by a unit of work.
                Asked::File(_, waits) => (Answered::Code(Code::NotAllowed.number()), waits),
                Asked::Store(op, waits) => match self.view(&op, until) {
                    Ok(outcome) => (Answered::Done(outcome), waits),
                    Err(Trouble::Refused(error)) => (Answered::Refused(error), waits),
                    Err(trouble) => return Came::Unread(trouble.to_string()),
                },
            };
            match (waits, answer) {
                (Waits::Yes, answer) => {
                    size += held(&answer);
                    answers.push(answer);
                }
                (Waits::No, Answered::Done(_) | Answered::File(_) | Answered::Own) => {}
                (Waits::No, Answered::Refused(error)) => return Came::Failed(error.to_string()),
                (Waits::No, Answered::Code(code)) => return Came::Failed(format!("code {code}")),
            }
        }
        Came::Answers(answers)
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
