//! Workers in this process: a thread each. For services that are part of tsugi, and for tests: a
//! program that does not end cannot be killed here, only left alone, and what it takes is not
//! given back.

use std::os::fd::BorrowedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use tsugi_frames::{FileOperation, FileResult};
use tsugi_service_rules::worker::life::{Class, Exit};
use tsugi_store::{Op, Outcome};

use super::{
    Answered, Asked, Batch, Begin, Calling, Ear, Gave, Heard, Link, NotCalled, Nursery, Returned,
    Said, Turn, Waits, Wants,
};
use crate::files::{Files, Opens};

/// A program that runs in this process.
pub trait Program: Send + Sync + 'static {
    /// The files that it may open.
    fn files(&self) -> Files {
        Files::default()
    }

    /// Carries out a call. What it asks of the desk stands in the call's unit of work.
    ///
    /// # Errors
    /// The call is undone and its caller is told so, now and for every retry.
    fn run(&self, call: &Begin, desk: &mut Desk<'_>) -> Result<Said, Undo>;
}

/// Why a call is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// The program refuses it, in order, for this reason.
    Refused(String),
    /// It cannot go on, for this reason.
    Failed(String),
    /// Its engine has given it up: nobody hears what it says.
    Left,
}

/// What a program asks the engine by.
pub struct Desk<'a> {
    turn: Turn,
    mouth: &'a Mouth,
    answers: &'a Receiver<Told>,
    opens: &'a Opens,
}

/// By what a thread is heard, until it was killed or has ended: after its end nothing is heard of
/// a worker.
#[derive(Clone)]
struct Mouth(Arc<Mutex<Option<Ear>>>);

impl Mouth {
    fn say(&self, heard: Heard) -> Result<(), Undo> {
        let ear = self.0.lock().expect("nobody dies with the lock");
        ear.as_ref().map(|ear| ear.hear(heard)).ok_or(Undo::Left)
    }

    /// Says that it has ended, once.
    fn end(&self, exit: Exit) {
        if let Some(ear) = self.0.lock().expect("nobody dies with the lock").take() {
            ear.hear(Heard::Ended(exit, String::new()));
        }
    }
}

/// What a program's thread is told.
enum Told {
    Begin(Begin),
    Answer(Turn, Vec<Answered>),
    Leave,
}

impl Desk<'_> {
    /// Runs one operation in the call's unit of work; the inner error is what the store has
    /// against it, after which the call may go on.
    ///
    /// # Errors
    /// [`Undo::Left`].
    pub fn run(&mut self, op: Op) -> Result<Result<Outcome, String>, Undo> {
        Ok(match self.ask(Asked::Store(op, Waits::Yes))? {
            Some(Answered::Done(outcome)) => Ok(outcome),
            Some(Answered::Refused(error)) => Err(error.to_string()),
            Some(Answered::Code(code)) => Err(format!("code {code}")),
            Some(_) | None => Err("no answer".to_owned()),
        })
    }

    /// Calls another service in a unit of work within the call's; the inner error is why it has
    /// not answered, after which the call may go on.
    ///
    /// # Errors
    /// [`Undo::Left`].
    pub fn call(
        &mut self,
        service: &str,
        records: Vec<Vec<u8>>,
    ) -> Result<Result<Returned, NotCalled>, Undo> {
        let calling = Calling { service: service.to_owned(), records };
        match self.ask(Asked::Call(calling, Waits::Yes))? {
            Some(Answered::Reply(returned)) => Ok(Ok(returned)),
            Some(Answered::NotCalled(not)) => Ok(Err(not)),
            Some(Answered::Code(code)) => Ok(Err(NotCalled { code, text: String::new() })),
            // A call is answered by nothing else.
            Some(_) | None => Err(Undo::Left),
        }
    }

    /// Carries out an operation on a file: the slot is this thread's number for an open.
    ///
    /// # Errors
    /// [`Undo::Left`].
    pub fn file(
        &mut self,
        slot: u16,
        operation: FileOperation<'static>,
    ) -> Result<FileResult<'static>, Undo> {
        let asking = self.opens.ask(self.turn, slot, operation);
        match self.ask(Asked::File(asking, Waits::Yes))? {
            Some(Answered::File(result)) => Ok(result),
            // An operation on a file is answered by nothing else.
            Some(_) | None => Err(Undo::Left),
        }
    }

    fn ask(&mut self, asked: Asked) -> Result<Option<Answered>, Undo> {
        self.mouth.say(Heard::Asked(self.turn, vec![asked].into()))?;
        loop {
            match self.answers.recv() {
                Ok(Told::Answer(turn, answers)) if turn == self.turn => {
                    return Ok(answers.into_iter().next());
                }
                // What was of a call that was given up.
                Ok(Told::Answer(..)) => {}
                Ok(Told::Begin(_) | Told::Leave) | Err(_) => return Err(Undo::Left),
            }
        }
    }
}

/// Bears threads that run one program.
pub struct Threads<P>(pub Arc<P>);

impl<P: Program> Nursery for Threads<P> {
    fn files(&self) -> Files {
        self.0.files()
    }

    fn bear(&mut self, ear: Ear) -> Result<Box<dyn Link>, String> {
        let (tell, told) = channel();
        let mouth = Mouth(Arc::new(Mutex::new(Some(ear.clone()))));
        let (program, own) = (self.0.clone(), mouth.clone());
        let name = format!("program-{}", ear.worker().0);
        let work = move || {
            drop(work(&*program, &own, &told));
            own.end(Exit::Code(0));
        };
        let thread = std::thread::Builder::new().name(name);
        thread.spawn(work).map_err(|error| error.to_string())?;
        Ok(Box::new(Line { tell, mouth, ear }))
    }
}

/// The life of a program's thread, until it is told to leave or was killed.
fn work(program: &dyn Program, mouth: &Mouth, told: &Receiver<Told>) -> Result<(), Undo> {
    let opens = Opens::new(program.files());
    mouth.say(Heard::Hello(None))?;
    mouth.say(Heard::Ready)?;
    loop {
        let begin = match told.recv() {
            Ok(Told::Begin(begin)) => begin,
            Ok(Told::Answer(..)) => continue,
            Ok(Told::Leave) | Err(_) => return Ok(()),
        };
        let turn = begin.turn;
        let mut desk = Desk { turn, mouth, answers: told, opens: &opens };
        let run = std::panic::AssertUnwindSafe(|| program.run(&begin, &mut desk));
        mouth.say(match std::panic::catch_unwind(run) {
            Ok(Ok(said)) => Heard::Done(turn, Batch::default(), Gave::Body(said)),
            Ok(Err(Undo::Refused(why))) => Heard::Failed(turn, Class::Abort, why),
            Ok(Err(Undo::Failed(why))) => Heard::Failed(turn, Class::RunTimeError, why),
            Ok(Err(Undo::Left)) => return Err(Undo::Left),
            Err(_) => Heard::Failed(turn, Class::Crash, "it panicked".to_owned()),
        })?;
    }
}

/// The way to a thread.
struct Line {
    tell: Sender<Told>,
    mouth: Mouth,
    ear: Ear,
}

impl Line {
    fn tell(&self, told: Told) {
        // One that has ended is heard to have.
        drop(self.tell.send(told));
    }
}

impl Link for Line {
    fn begin(&mut self, begin: &Begin) {
        self.tell(Told::Begin(begin.clone()));
    }

    fn answer(&mut self, turn: Turn, answers: Vec<Answered>) {
        self.tell(Told::Answer(turn, answers));
    }

    fn leave(&mut self) {
        self.tell(Told::Leave);
    }

    fn kill(&mut self) {
        // It is not waited for, and whatever it still does is heard by nobody.
        self.mouth.end(Exit::Signal(9));
        self.tell(Told::Leave);
    }

    fn sweep(&mut self) {
        self.ear.hear(Heard::Swept);
    }

    fn descriptors<'a>(&'a self, _: &mut Vec<(BorrowedFd<'a>, Wants)>) {}

    fn hear(&mut self, _: &mut Vec<Heard>) {}
}
