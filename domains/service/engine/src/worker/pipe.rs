//! Workers in processes of their own, spoken to in frames over a pipe each way.
//!
//! The attendant of the engine starts, holds and ends them (the [`Ward`]); what one of them says
//! is read here, by the core. Nothing here waits.
//!
//! Invariant: what is held of one worker has a limit, whatever it does. While more of what it has
//! asked for is not carried out, or of what it was told is not read, it is not listened to: it
//! waits for room in its pipe, and its time limit goes on as far as its call is not kept waiting.

mod early;
mod log;
mod out;
mod package;
mod talk;
mod values;
mod ward;

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tsugi_frames::{Decoder, Encoding, Limits, Side};
use tsugi_service_rules::worker::life::Turn;
use tsugi_store::Op;
use tsugi_worker::{Number, Printed};

use super::{Answered, Asked, Batch, Begin, Ear, Heard, Link, Nursery, Unheard, Wants, held};
use crate::files::Files;
pub use early::{Bell, Early, Loads};
pub use log::{Line, Log};
use out::Out;
pub use package::Package;
use talk::Talk;
pub use ward::Ward;

/// A call of more bytes is not begun ahead: a pipe has room for twice as many.
const AHEAD_MOST: u64 = 32 << 10;
/// How much is read at once before other workers are heard.
const AT_ONCE: usize = 64;
/// A process that has closed its stream and ends is seen to within this time, also on a machine
/// that is busy; one that does not is told to have closed it.
const ENDING: Duration = Duration::from_secs(1);
/// How many bytes of what a worker has asked for may wait to be carried out; the frame that passes
/// it is the last that is read.
const HELD_MOST: usize = 1 << 20;
/// What an operation takes beside its text and its values, in bytes.
const EACH: usize = 2 * size_of::<Asked>();

/// Bears the processes of one package, in the ward of their engine.
pub struct Processes {
    ward: Ward,
    package: Package,
    /// Those that were started before: they are taken first.
    early: Vec<Early>,
}

impl Processes {
    /// Those of this package.
    #[must_use]
    pub const fn new(ward: Ward, package: Package) -> Self {
        Self { ward, package, early: Vec::new() }
    }

    /// Has some that were started before, of the same package: they run the very same bytes, with
    /// the same rights and limits.
    #[must_use]
    pub fn after(self, early: Vec<Early>) -> Self {
        Self { early, ..self }
    }
}

impl Nursery for Processes {
    fn files(&self) -> Files {
        self.package.files.clone()
    }

    fn bear(&mut self, ear: Ear) -> Result<Box<dyn Link>, String> {
        let Self { ward, package, early } = self;
        let whose = (ear.clone(), package.log.clone());
        // One that has ended meanwhile is forgotten.
        while let Some(mut early) = early.pop() {
            if early.hear() != Loads::Never && ward.takes(early.number(), whose.clone()) {
                return Ok(early.link(package, ear));
            }
        }
        let held = ward.hold(&package.spawn, whose).map_err(|error| error.to_string())?;
        let born = Early::of(ward, held, package);
        Ok(born.link(package, ear))
    }
}

/// The way to one process.
struct Pipes {
    ward: Ward,
    number: Number,
    /// What it has printed in the call that it has.
    printed: Printed,
    /// What it is told.
    out: Out,
    /// None once it has closed it, has said something wrong, or was killed.
    output: Option<File>,
    encoding: Encoding,
    limits: Limits,
    decoder: Decoder,
    /// Bytes of what it has asked for and is not carried out.
    held: Arc<AtomicUsize>,
    /// Whether what was read may have something that was not looked at.
    unread: Unheard,
    /// What begins a call ahead and goes with the next answer.
    ahead: Vec<u8>,
    talk: Talk,
    /// What was heard of it before there was an engine, in its order.
    heard_early: Vec<Heard>,
    ear: Ear,
}

impl Pipes {
    /// Whether so much of it is held that it is not listened to.
    fn is_over(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= HELD_MOST || !self.takes_answers()
    }

    /// Reads what has come; whether there may be more.
    fn receive(&mut self) -> bool {
        let Some(output) = &mut self.output else { return false };
        let room = self.decoder.room();
        let most = room.len();
        match output.read(room) {
            Ok(0) => {
                self.output = None;
                let ear = self.ear.clone();
                let late = std::thread::Builder::new().name("closed".to_owned());
                // Without a thread its time limit finds it.
                drop(late.spawn(move || {
                    std::thread::sleep(ENDING);
                    ear.hear(Heard::Closed);
                }));
                false
            }
            Ok(length) => {
                self.decoder.filled(length);
                // A pipe gives all that it has.
                length == most
            }
            Err(error) => error.kind() == ErrorKind::Interrupted,
        }
    }

    /// Understands what has been read, as long as not too much is held.
    fn understand(&mut self, heard: &mut Vec<Heard>) {
        loop {
            if self.is_over() {
                self.unread = Unheard::Held;
                return;
            }
            self.unread = Unheard::Nothing;
            let (pending, known) = (self.decoder.pending(), heard.len());
            match self.decoder.frame() {
                Ok(Some(frame)) => {
                    let before = self.talk.under_way();
                    self.talk.take(&frame, heard, self.out.room());
                    // What is printed between two calls is counted to the first.
                    if ![before, tsugi_frames::Turn::NONE].contains(&self.talk.under_way()) {
                        self.printed.begin();
                    }
                }
                Ok(None) => return,
                Err(wrong) => {
                    heard.push(talk::wrong(&wrong));
                    return self.silence();
                }
            }
            let length = pending - self.decoder.pending();
            if matches!(heard[known..], [.., Heard::Wrong(_)]) {
                return self.silence();
            }
            for heard in &mut heard[known..] {
                if let Heard::Asked(_, batch) | Heard::Done(_, batch, _) = heard {
                    let bytes = length.max(taken(batch));
                    batch.weigh(&self.held, bytes);
                }
            }
        }
    }

    /// Nothing more of it is taken, also not what stands in its pipe or was read.
    fn silence(&mut self) {
        self.output = None;
        self.unread = Unheard::Nothing;
        self.decoder = Decoder::new(self.encoding, Side::Worker, self.limits);
    }
}

impl Link for Pipes {
    fn begin(&mut self, begin: &Begin) {
        self.printed.begin();
        if let Err(failed) = self.talk.begin(begin, self.out.room()) {
            self.ear.hear(failed);
        }
        self.out.send();
    }

    fn takes_ahead(&self, bytes: u64) -> bool {
        self.talk.takes_ahead() && self.out.unsent() == 0 && bytes <= AHEAD_MOST
    }

    fn begin_ahead(&mut self, begin: &Begin) {
        self.talk.begin_ahead(begin, &mut self.ahead);
    }

    fn answer(&mut self, turn: Turn, answers: Vec<Answered>) {
        self.talk.answer(turn, answers, self.out.room());
        // In one write, and behind the answer: who waits for that never waits for room.
        self.out.room().append(&mut self.ahead);
        self.out.send();
    }

    fn leave(&mut self) {
        self.talk.leave(self.out.room());
        self.out.send();
    }

    fn kill(&mut self) {
        self.silence();
        self.ward.end(self.number);
    }

    fn sweep(&mut self) {
        // Its attendant does, whenever a process has ended, and tells it.
    }

    fn descriptors<'a>(&'a self, all: &mut Vec<(BorrowedFd<'a>, Wants)>) {
        let output = self.output.iter().filter(|_| self.unread == Unheard::Nothing);
        all.extend(output.map(|output| (output.as_fd(), Wants::Words)));
        all.extend(self.out.waits().map(|input| (input, Wants::Room)));
    }

    fn hear(&mut self, heard: &mut Vec<Heard>) {
        heard.append(&mut self.heard_early);
        self.out.send();
        // What was read before comes first.
        self.understand(heard);
        for _ in 0..AT_ONCE {
            let more = self.unread == Unheard::Nothing && self.receive();
            self.understand(heard);
            if !more {
                break;
            }
        }
        self.out.send();
    }

    fn may_speak(&self) -> bool {
        let early = !self.heard_early.is_empty();
        self.has_call() || early || self.unread != Unheard::Nothing || self.out.unsent() > 0
    }

    fn has_call(&self) -> bool {
        self.talk.under_way() != tsugi_frames::Turn::NONE
    }

    fn unheard(&self) -> Unheard {
        match self.unread {
            _ if !self.heard_early.is_empty() => Unheard::Ready,
            Unheard::Held if !self.is_over() => Unheard::Ready,
            unread => unread,
        }
    }

    fn record_most(&self) -> usize {
        usize::try_from(self.limits.record).unwrap_or(usize::MAX)
    }

    fn takes_answers(&self) -> bool {
        self.out.unsent() < usize::try_from(self.limits.frame).unwrap_or(usize::MAX)
    }
}

/// How much memory operations take, in bytes, about; of those with small values more than they
/// came as.
fn taken(batch: &Batch) -> usize {
    let values = |asked: &Asked| match asked {
        Asked::Store(Op::Sql { text, rows } | Op::Read { text, rows }, _) => {
            text.len() + rows.iter().map(|row| held(row)).sum::<usize>()
        }
        Asked::File(asking, _) => asking.size(),
        Asked::Call(calling, _) => calling.size(),
        Asked::NotCalled(not, _) => not.text.len(),
        Asked::Cannot(why) => why.len(),
        Asked::Store(Op::Define { .. }, _)
        | Asked::Refused(..)
        | Asked::Own(_)
        | Asked::Known(..) => 0,
    };
    batch.operations.iter().map(|asked| EACH + values(asked)).sum()
}

/// Whoever forgets a worker without an end of it has it killed.
impl Drop for Pipes {
    fn drop(&mut self) {
        self.ward.end(self.number);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tsugi_worker::{Environment, Spawn};

    use tsugi_frames::{Frame, Turn as Number};

    use super::{Begin, Package, Talk, Turn};
    use crate::worker::Given;

    /// A command that does nothing.
    pub fn package() -> Package {
        let environment = Environment {
            group: "pay".to_owned(),
            node: "node1".to_owned(),
            time_zone: "UTC".to_owned(),
            locale: "C.UTF-8".to_owned(),
            code_page: "utf-8".to_owned(),
        };
        let user = tsugi_host::enclosed::User::Same;
        Package::new(Spawn::command(vec!["true".to_owned()], user, environment), "text/plain")
    }

    #[test]
    fn what_is_begun_ahead_leaves_the_call_under_way_as_it_is() {
        let (mut talk, mut heard, mut out) = (Talk::new(&package()), Vec::new(), Vec::new());
        let hello = tsugi_frames::Hello {
            versions: tsugi_frames::Versions::CURRENT,
            pid: 1,
            runs: tsugi_frames::Runs::Program,
            libcob: "".into(),
            can: tsugi_frames::CAN_AHEAD,
            modules: Vec::new(),
        };
        assert!(!talk.takes_ahead(), "it has not said that it does");
        talk.take(&Frame::Hello(hello), &mut heard, &mut out);
        talk.take(&Frame::Ready(tsugi_frames::Ready {}), &mut heard, &mut out);
        let begin = |turn: u64| Begin {
            turn: Turn(turn),
            service: "counter".into(),
            id: format!("c/{turn}"),
            parent: String::new(),
            client: "c".to_owned(),
            epoch: 1,
            attempt: 1,
            left_ms: 1,
            given: Given::body(b"a".as_slice().into()),
        };
        assert_eq!(talk.begin(&begin(1), &mut out), Ok(()));
        let ask = tsugi_frames::Ask { turn: Number(1), operations: vec![] };
        talk.take(&Frame::Ask(ask), &mut heard, &mut out);
        assert!(talk.takes_ahead());
        let mut ahead = Vec::new();
        talk.begin_ahead(&begin(2), &mut ahead);
        assert!(!ahead.is_empty() && !talk.takes_ahead());
        assert_eq!(talk.under_way(), Number(1));
        let replies = vec![tsugi_frames::Reply { return_code: 0, parameters: vec![] }];
        let done =
            tsugi_frames::Done { turn: Number(1), operations: vec![], replies, open: vec![] };
        talk.take(&Frame::Done(done), &mut heard, &mut out);
        assert_eq!(talk.under_way(), Number(2));
        assert!(talk.takes_ahead());
    }
}
