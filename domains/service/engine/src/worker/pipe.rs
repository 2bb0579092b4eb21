//! Workers in processes of their own, spoken to in frames over a pipe each way.
//!
//! A process is started in a group of its own and killed with it. What has left that group is not
//! found here: containment is whoever gives the command's.

mod process;
mod talk;

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process::{ChildStdin, ChildStdout, Command};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tsugi_frames::{Decoder, Encoding, Limits, Side};
use tsugi_service_rules::worker::life::Turn;

use super::{Answered, Begin, Ear, Heard, Link, Nursery, Wants};
use process::Process;
use talk::Talk;

/// How much is read at once before other workers are heard.
const AT_ONCE: usize = 64;
/// A process that has closed its stream and ends does so within this time; one that does not is
/// told to have closed it.
const ENDING: Duration = Duration::from_millis(50);

/// Takes what a program logs: level and line.
pub type Log = Arc<dyn Fn(u8, &str) + Send + Sync>;

/// What the workers of a package are.
pub struct Package {
    /// The command of a worker, without its streams.
    pub command: Box<dyn Fn() -> Command + Send>,
    /// How its frames are written.
    pub encoding: Encoding,
    /// How much of everything fits.
    pub limits: Limits,
    /// The group that the engine serves.
    pub group: String,
    /// The node that it runs on.
    pub node: String,
    /// What its programs are compiled for.
    pub code_page: String,
    /// The time zone of the cluster.
    pub time_zone: String,
    /// What the body of a reply is.
    pub content_type: String,
    /// Bytes that a worker may write to its error output in one call.
    pub output: u64,
    /// Takes what a program logs: level and line.
    pub log: Log,
}

impl Package {
    /// A command that says one line of JSON a frame, for a group on a node.
    #[must_use]
    pub fn of_lines(
        (group, node): (&str, &str),
        command: impl Fn() -> Command + Send + 'static,
    ) -> Self {
        Self {
            command: Box::new(command),
            group: group.to_owned(),
            node: node.to_owned(),
            encoding: Encoding::Lines,
            limits: Limits::DEFAULT,
            code_page: "utf-8".to_owned(),
            time_zone: "UTC".to_owned(),
            content_type: "application/json".to_owned(),
            output: 1 << 20,
            log: Arc::new(|_, _| {}),
        }
    }
}

/// Bears the processes of one package.
pub struct Processes(pub Package);

impl Nursery for Processes {
    fn bear(&mut self, ear: Ear) -> Result<Box<dyn Link>, String> {
        let Self(package) = self;
        let told = |error: std::io::Error| error.to_string();
        let (process, input, output) =
            Process::start((package.command)(), package.output, ear.clone()).map_err(told)?;
        never_wait(output.as_fd()).map_err(told)?;
        never_wait(input.as_fd()).map_err(told)?;
        Ok(Box::new(Pipes {
            process,
            input: Some(input),
            output: Some(output),
            decoder: Decoder::new(package.encoding, Side::Worker, package.limits),
            out: Vec::new(),
            talk: Talk::new(package),
            ear,
        }))
    }
}

fn never_wait(fd: BorrowedFd<'_>) -> std::io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

/// The way to one process.
struct Pipes {
    process: Process,
    /// None once it has closed it, or was told to leave and everything is said.
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    decoder: Decoder,
    /// What there was no room for yet.
    out: Vec<u8>,
    talk: Talk,
    ear: Ear,
}

impl Pipes {
    /// Sends what there is room for.
    fn send(&mut self) {
        while let (Some(input), false) = (&mut self.input, self.out.is_empty()) {
            match input.write(&self.out) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // It does not read any more: its end is heard.
                Err(_) => {
                    self.input = None;
                    self.out.clear();
                }
            }
        }
    }

    /// Reads what has come; whether there may be more.
    fn receive(&mut self) -> bool {
        let Some(output) = &mut self.output else { return false };
        match output.read(self.decoder.room()) {
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
                true
            }
            Err(error) => error.kind() == ErrorKind::Interrupted,
        }
    }

    /// Understands what has been read.
    fn understand(&mut self, heard: &mut Vec<Heard>) {
        loop {
            match self.decoder.frame() {
                Ok(Some(frame)) => self.talk.take(&frame, heard, &mut self.out),
                Ok(None) => return,
                Err(wrong) => {
                    heard.push(talk::wrong(&wrong));
                    // Nothing after it is read.
                    self.output = None;
                    return;
                }
            }
        }
    }
}

impl Link for Pipes {
    fn begin(&mut self, begin: &Begin) {
        self.process.begin();
        self.talk.begin(begin, &mut self.out);
        self.send();
    }

    fn answer(&mut self, turn: Turn, answers: Vec<Answered>) {
        self.talk.answer(turn, answers, &mut self.out);
        self.send();
    }

    fn leave(&mut self) {
        self.talk.leave(&mut self.out);
        self.send();
    }

    fn kill(&mut self) {
        self.process.kill();
    }

    fn sweep(&mut self) {
        // Its group was killed when it had ended, before its number could be another's.
        self.ear.hear(Heard::Swept);
    }

    fn descriptors<'a>(&'a self, all: &mut Vec<(BorrowedFd<'a>, Wants)>) {
        all.extend(self.output.iter().map(|output| (output.as_fd(), Wants::Words)));
        let full = self.input.iter().filter(|_| !self.out.is_empty());
        all.extend(full.map(|input| (input.as_fd(), Wants::Room)));
    }

    fn hear(&mut self, heard: &mut Vec<Heard>) {
        self.send();
        for _ in 0..AT_ONCE {
            let more = self.receive();
            self.understand(heard);
            if !more {
                break;
            }
        }
        self.send();
    }
}
