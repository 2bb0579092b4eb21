//! Workers that are started before there is an engine: what stands by has them ready, with their
//! program loaded, and the engine that is started later takes them as its own.
//!
//! Until then nobody counts their births or their ends. One that is not taken is killed when it is
//! forgotten.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::sync::Arc;

use tsugi_frames::{Decoder, Side};
use tsugi_worker::{Number, Printed, Streams};

use super::out::Out;
use super::talk::Talk;
pub use super::ward::Bell;
use super::{Package, Pipes, Ward};
use crate::worker::{Ear, Heard, Link, Unheard};

/// A process without an engine.
pub struct Early {
    ward: Ward,
    number: Number,
    /// None once it was handed on.
    talking: Option<Talking>,
}

/// What is said to one and by it.
struct Talking {
    printed: Printed,
    out: Out,
    /// None once it has closed it, or has said something wrong.
    output: Option<File>,
    decoder: Decoder,
    talk: Talk,
    heard: Vec<Heard>,
}

/// How far one has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loads {
    /// It has not loaded its program yet.
    Still,
    /// It waits for its first call.
    Ready,
    /// It has ended, or has said something else.
    Never,
}

impl Early {
    /// Starts one. What it prints and logs is for the log of the package; the bell is rung when its
    /// process has ended, on a thread that does not wait.
    ///
    /// # Errors
    /// There are no pipes; nothing is started.
    pub fn start(ward: &Ward, package: &Package, bell: Bell) -> io::Result<Self> {
        let held = ward.hold_early(&package.spawn, (bell, package.log.clone()))?;
        Ok(Self::of(ward, held, package))
    }

    pub(super) fn of(ward: &Ward, held: (Number, Streams), package: &Package) -> Self {
        let (number, Streams { from, to, printed }) = held;
        let talking = Talking {
            printed,
            out: Out::new(to),
            output: Some(from),
            decoder: Decoder::new(package.spawn.encoding, Side::Worker, package.limits),
            talk: Talk::new(package),
            heard: Vec::new(),
        };
        Self { ward: ward.clone(), number, talking: Some(talking) }
    }

    pub(super) const fn number(&self) -> Number {
        self.number
    }

    /// Takes what has come of it and says what is to be said; it does not wait.
    pub fn hear(&mut self) -> Loads {
        let runs = self.ward.is_early(self.number);
        match &mut self.talking {
            Some(talking) if runs => talking.hear(),
            Some(_) | None => Loads::Never,
        }
    }

    /// The way to it, now that an engine hears it. Its package is this one.
    pub(super) fn link(mut self, package: &Package, ear: Ear) -> Box<dyn Link> {
        let talking = self.talking.take().expect("it is handed on once");
        let Talking { printed, out, output, decoder, mut talk, heard } = talking;
        talk.logs_to(package);
        Box::new(Pipes {
            ward: self.ward.clone(),
            number: self.number,
            printed,
            out,
            output,
            encoding: package.spawn.encoding,
            limits: package.limits,
            decoder,
            held: Arc::default(),
            unread: Unheard::Nothing,
            ahead: Vec::new(),
            talk,
            heard_early: heard,
            ear,
        })
    }
}

impl Talking {
    fn hear(&mut self) -> Loads {
        self.out.send();
        while let Some(output) = &mut self.output {
            match output.read(self.decoder.room()) {
                Ok(0) => self.output = None,
                Ok(length) => {
                    self.decoder.filled(length);
                    self.understand();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.output = None,
            }
        }
        self.out.send();
        match (&self.output, &self.heard[..]) {
            (Some(_), [] | [Heard::Hello(None)]) => Loads::Still,
            (Some(_), [Heard::Hello(None), Heard::Ready]) => Loads::Ready,
            _ => Loads::Never,
        }
    }

    fn understand(&mut self) {
        loop {
            match self.decoder.frame() {
                Ok(Some(frame)) => self.talk.take(&frame, &mut self.heard, self.out.room()),
                Ok(None) => return,
                Err(_) => {
                    self.output = None;
                    return;
                }
            }
        }
    }
}

/// Whoever forgets one has it killed.
impl Drop for Early {
    fn drop(&mut self) {
        if self.talking.is_some() {
            self.ward.end(self.number);
        }
    }
}

impl std::fmt::Debug for Early {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Early").field("number", &self.number).finish_non_exhaustive()
    }
}
