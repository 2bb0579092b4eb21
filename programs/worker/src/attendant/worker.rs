//! What a worker says and is told, on the engine's side. Nothing here waits.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tsugi_frames::{Decoder, Encoding, Frame, Kind, Limits, Side, Turn, Turns, Wrong};

use super::{Number, Printed, Streams};

/// Why a worker is not listened to any more; what it deserves is the engine's to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broke {
    /// What it said is no frame, is of another turn, or passes a limit.
    Wrong(Wrong),
    /// It said this before it could.
    Order(Kind),
}

impl From<Wrong> for Broke {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

/// What reading has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// All that was there; [`Worker::frame`] tells whether it is enough for a frame.
    Taken,
    /// As much as there was room for: take the frames, then read again.
    Full,
    /// The worker has closed its stream, or a pipe failed. What it said before stands. Who ends
    /// closes too: how it ended is told by its attendant, mostly a moment later.
    Closed,
}

/// Whether all that was said is in the pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// It is.
    All,
    /// So many bytes are not: the worker does not read. Its descriptor tells when there is room.
    Waits(usize),
    /// It never will be: the worker has closed its end.
    Closed,
}

/// How far the talk has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Silent,
    Greeted,
    Welcomed,
    Ready,
    /// It was killed, or has said what nobody says.
    Unheard,
}

/// The engine's ends of a worker's pipes, and where their talk stands. When it is dropped, the
/// worker sees the end of its stream; that it ends is its attendant's.
#[derive(Debug)]
pub struct Worker {
    number: Number,
    from: File,
    to: File,
    encoding: Encoding,
    decoder: Decoder,
    limits: Limits,
    turns: Turns,
    stage: Stage,
    out: Vec<u8>,
    written: usize,
    printed: Printed,
}

impl Worker {
    pub(super) fn new(number: Number, streams: Streams, encoding: Encoding) -> Self {
        let Streams { from, to, printed } = streams;
        let limits = Limits::DEFAULT;
        Self {
            number,
            from,
            to,
            encoding,
            decoder: Decoder::new(encoding, Side::Worker, limits),
            limits,
            turns: Turns::default(),
            stage: Stage::Silent,
            out: Vec::new(),
            written: 0,
            printed,
        }
    }

    /// Which one it is.
    #[must_use]
    pub const fn number(&self) -> Number {
        self.number
    }

    /// Can be read from when the worker has said something, or has closed its stream.
    #[must_use]
    pub fn hears(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }

    /// Can be written to when there is room; only of interest while [`Self::unsent`] is above 0.
    #[must_use]
    pub fn speaks(&self) -> BorrowedFd<'_> {
        self.to.as_fd()
    }

    /// The turn under way; none is [`Turn::NONE`].
    #[must_use]
    pub fn under_way(&self) -> Turn {
        self.turns.under_way()
    }

    /// How many turns were begun and have not ended.
    #[must_use]
    pub fn begun(&self) -> usize {
        self.turns.begun()
    }

    /// Bytes that wait for room in the pipe. Who begins calls ahead looks at it first: what is
    /// ahead has to fit into the pipe beside the answer that its worker waits for.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.out.len() - self.written
    }

    /// Says something and writes as much as there is room for. With the first moment of a call,
    /// which is a *begin* or the end of the call before it, it may again print all that one may.
    ///
    /// # Errors
    /// It was not said: it passes a limit, or is not to be said now ([`Wrong`]). Nothing has
    /// changed.
    pub fn say(&mut self, frame: &Frame<'_>) -> Result<Flushed, Wrong> {
        self.put(frame)?;
        Ok(self.flush())
    }

    /// Says something that goes with what is said next, in one write.
    ///
    /// # Errors
    /// As for [`Self::say`].
    pub fn put(&mut self, frame: &Frame<'_>) -> Result<(), Wrong> {
        let fits = match frame.kind() {
            Kind::Welcome => self.stage == Stage::Greeted,
            Kind::Begin | Kind::Answer => self.stage == Stage::Ready,
            Kind::Leave => matches!(self.stage, Stage::Welcomed | Stage::Ready),
            Kind::Hello | Kind::Ready | Kind::Ask | Kind::Done | Kind::Failed => false,
        };
        if !fits {
            return Err(Wrong::Side(frame.kind().number()));
        }
        let before = self.out.len();
        self.encoding.write(frame, &self.limits, &mut self.out)?;
        let under_way = self.turns.under_way();
        if let Err(wrong) = self.turns.take(frame) {
            self.out.truncate(before);
            return Err(wrong);
        }
        if self.turns.under_way() != under_way {
            self.printed.begin();
        }
        if let Frame::Welcome(welcome) = frame {
            self.decoder.adopt(welcome.limits)?;
            self.limits = welcome.limits;
            self.stage = Stage::Welcomed;
        }
        Ok(())
    }

    /// Writes as much as there is room for.
    pub fn flush(&mut self) -> Flushed {
        while self.written < self.out.len() {
            match self.to.write(&self.out[self.written..]) {
                Ok(0) => return Flushed::Closed,
                Ok(length) => self.written += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Flushed::Waits(self.unsent());
                }
                Err(_) => return Flushed::Closed,
            }
        }
        self.out.clear();
        self.written = 0;
        Flushed::All
    }

    /// Reads once what has come, without waiting.
    pub fn fill(&mut self) -> Filled {
        if self.stage == Stage::Unheard {
            return Filled::Closed;
        }
        loop {
            let room = self.decoder.room();
            if room.is_empty() {
                return Filled::Full;
            }
            let most = room.len();
            match self.from.read(room) {
                Ok(0) => return Filled::Closed,
                Ok(length) => {
                    self.decoder.filled(length);
                    return if length < most { Filled::Taken } else { Filled::Full };
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Filled::Taken,
                Err(_) => return Filled::Closed,
            }
        }
    }

    /// The next thing that it said, if all of it has come. It lends what stands in the buffer.
    ///
    /// # Errors
    /// It said what nobody says; from then on nothing is taken.
    pub fn frame(&mut self) -> Result<Option<Frame<'_>>, Broke> {
        if self.stage == Stage::Unheard {
            return Ok(None);
        }
        let Self { decoder, turns, stage, printed, .. } = self;
        // What comes after something wrong is not looked at.
        let before = std::mem::replace(stage, Stage::Unheard);
        let Some(frame) = decoder.frame()? else {
            *stage = before;
            return Ok(None);
        };
        let kind = frame.kind();
        let next = match (before, kind) {
            (Stage::Silent, Kind::Hello) => Stage::Greeted,
            (Stage::Welcomed, Kind::Ready) => Stage::Ready,
            (Stage::Ready, Kind::Ask | Kind::Done) | (_, Kind::Failed) => before,
            (_, _) => return Err(Broke::Order(kind)),
        };
        let under_way = turns.under_way();
        turns.take(&frame)?;
        // What is printed between two calls is counted to the first.
        if !matches!(turns.under_way(), now if now == under_way || now == Turn::NONE) {
            printed.begin();
        }
        *stage = next;
        Ok(Some(frame))
    }

    /// From now on nothing that it says is taken, also not what has come already.
    pub(super) fn silence(&mut self) {
        self.stage = Stage::Unheard;
        self.out.clear();
        self.written = 0;
    }
}

/// The engine's end of a pipe: who reads or writes it never waits.
pub(super) fn unwaiting(end: OwnedFd) -> io::Result<File> {
    let flags = OFlag::from_bits_retain(fcntl(&end, FcntlArg::F_GETFL)?);
    fcntl(&end, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(end.into())
}
