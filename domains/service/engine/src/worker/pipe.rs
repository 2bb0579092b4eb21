//! Workers in processes of their own, spoken to in frames over a pipe each way.
//!
//! The attendant of the engine starts, holds and ends them (the [`Ward`]); what one of them says
//! is read here, by the core. Nothing here waits.

mod log;
mod package;
mod talk;
mod ward;

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use tsugi_frames::{Decoder, Encoding, Limits, Side};
use tsugi_service_rules::worker::life::Turn;
use tsugi_worker::{Number, Printed, Streams};

use crate::files::Files;

use super::{Answered, Begin, Ear, Heard, Link, Nursery, Wants};
pub use log::{Line, Log};
pub use package::Package;
use talk::Talk;
pub use ward::Ward;

/// How much is read at once before other workers are heard.
const AT_ONCE: usize = 64;
/// A process that has closed its stream and ends does so within this time; one that does not is
/// told to have closed it.
const ENDING: Duration = Duration::from_millis(300);

/// Bears the processes of one package, in the ward of their engine.
pub struct Processes {
    ward: Ward,
    package: Package,
}

impl Processes {
    /// Those of this package.
    #[must_use]
    pub const fn new(ward: Ward, package: Package) -> Self {
        Self { ward, package }
    }
}

impl Nursery for Processes {
    fn files(&self) -> Files {
        self.package.files.clone()
    }

    fn bear(&mut self, ear: Ear) -> Result<Box<dyn Link>, String> {
        let Self { ward, package } = self;
        let whose = (ear.clone(), package.log.clone());
        let held = ward.hold(&package.spawn, whose).map_err(|error| error.to_string())?;
        let (number, Streams { from, to, printed }) = held;
        Ok(Box::new(Pipes {
            ward: ward.clone(),
            number,
            printed,
            input: Some(to),
            output: Some(from),
            encoding: package.spawn.encoding,
            limits: package.limits,
            decoder: Decoder::new(package.spawn.encoding, Side::Worker, package.limits),
            out: Vec::new(),
            talk: Talk::new(package),
            ear,
        }))
    }
}

/// The way to one process.
struct Pipes {
    ward: Ward,
    number: Number,
    /// What it has printed in the call that it has.
    printed: Printed,
    /// None once it has closed it.
    input: Option<File>,
    /// None once it has closed it, has said something wrong, or was killed.
    output: Option<File>,
    encoding: Encoding,
    limits: Limits,
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
                Err(_) => self.input = None,
            }
        }
        if self.input.is_none() {
            self.out.clear();
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
                    return self.silence();
                }
            }
        }
    }

    /// Nothing more of it is taken, also not what stands in its pipe or was read.
    fn silence(&mut self) {
        self.output = None;
        self.decoder = Decoder::new(self.encoding, Side::Worker, self.limits);
    }
}

impl Link for Pipes {
    fn begin(&mut self, begin: &Begin) {
        self.printed.begin();
        if let Err(failed) = self.talk.begin(begin, &mut self.out) {
            self.ear.hear(failed);
        }
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
        self.silence();
        self.ward.end(self.number);
    }

    fn sweep(&mut self) {
        // Its attendant does, whenever a process has ended, and tells it.
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

/// Whoever forgets a worker without an end of it has it killed.
impl Drop for Pipes {
    fn drop(&mut self) {
        self.ward.end(self.number);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tsugi_worker::{Environment, Spawn};

    use super::Package;

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
}
