//! What comes from the engine and goes to it, in the worker: a pipe each way, read and written by
//! one thread that waits.
#![expect(unsafe_code, reason = "a last word ends its process")]

use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::Instant;

use tsugi_frames::limits::TEXT;
use tsugi_frames::{
    Answer, Ask, Asked, Call, Class, Decoder, Encoding, Failed, Frame, Limits, Side, Turn, Turns,
    Welcome, Wrong,
};

use super::owned;

/// Why there is nobody to talk with any more.
#[derive(Debug)]
pub enum Over {
    /// The engine has closed its end, or has ended.
    Closed,
    /// A pipe failed.
    Failed(io::Error),
    /// The engine has said what nobody says.
    Wrong(Wrong),
}

impl Over {
    /// What the worker exits with; nobody but a person looks at it.
    #[must_use]
    pub const fn exit_code(&self) -> i32 {
        match self {
            Self::Closed => 0,
            Self::Failed(_) => 74,
            Self::Wrong(_) => 76,
        }
    }
}

impl From<Wrong> for Over {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

/// A call that was begun.
#[derive(Debug)]
pub struct Begun {
    /// Its turn.
    pub turn: Turn,
    /// What it is.
    pub call: Call<'static>,
    /// When it was read.
    pub at: Instant,
}

/// Both pipes of a worker.
#[derive(Debug)]
pub struct Link {
    from: File,
    to: File,
    decoder: Decoder,
    limits: Limits,
    turns: Turns,
    begun: VecDeque<Begun>,
    /// Whether the engine has told the worker to leave.
    standing: Standing,
    out: Vec<u8>,
    /// The turn whose program runs.
    running: Rc<Cell<Turn>>,
    /// Which process talks over them.
    process: u32,
}

/// Says that the program of the call under way has failed, and ends the process: for a program
/// that ends without returning to its worker, as STOP RUN does. Where no call is under way, it says
/// that the program cannot start.
#[derive(Debug)]
pub struct LastWord {
    to: File,
    turn: Rc<Cell<Turn>>,
}

impl LastWord {
    /// Says it, and ends the process with `code`. What is registered for its exit is not run: the
    /// program would go on there.
    pub fn say(&self, class: Class, code: i32, text: &str) -> ! {
        let text = owned::cut(text, TEXT).into();
        let failed = Frame::Failed(Failed { turn: self.turn.get(), class, code, text });
        let mut out = Vec::new();
        // Without it the exit code says what there is to say.
        if Encoding::Binary.write(&failed, &Limits::DEFAULT, &mut out).is_ok() {
            (&self.to).write_all(&out).ok();
        }
        // SAFETY: ends this process at once, and nothing of it is used any more.
        unsafe { libc::_exit(code) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Stays,
    Leaves,
}

/// What one frame has brought.
enum Came<T> {
    Welcome(Box<Welcome<'static>>),
    Answer(T),
    /// It is kept here.
    Kept,
}

impl Link {
    /// Talks over two pipes, in the binary form.
    #[must_use]
    pub fn new(from: File, to: File) -> Self {
        let limits = Limits::DEFAULT;
        Self {
            from,
            to,
            decoder: Decoder::new(Encoding::Binary, Side::Engine, limits),
            limits,
            turns: Turns::default(),
            begun: VecDeque::new(),
            standing: Standing::Stays,
            out: Vec::new(),
            running: Rc::new(Cell::new(Turn::NONE)),
            process: std::process::id(),
        }
    }

    /// How much of everything fits.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A program that has forked is two, and only the first may talk: the other ends here,
    /// unheard, and without what is registered for its exit.
    pub(super) fn leave_if_forked(&self) {
        if std::process::id() != self.process {
            // SAFETY: ends this process at once, and nothing of it is used any more.
            unsafe { libc::_exit(1) }
        }
    }

    /// Says something; waits until there is room for it in the pipe.
    ///
    /// # Errors
    /// It passes a limit and was not said ([`Wrong::TooLarge`]), or nobody hears it.
    pub fn say(&mut self, frame: &Frame<'_>) -> Result<(), Over> {
        self.leave_if_forked();
        self.out.clear();
        Encoding::Binary.write(frame, &self.limits, &mut self.out)?;
        self.turns.take(frame)?;
        match self.to.write_all(&self.out) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Over::Closed),
            Err(error) => Err(Over::Failed(error)),
        }
    }

    /// How many bytes an operation would take in a frame; one that passes a limit takes none.
    pub(super) fn size(&mut self, turn: Turn, asked: &Asked<'_>) -> usize {
        self.out.clear();
        let frame = Frame::Ask(Ask { turn, operations: vec![asked.clone()] });
        Encoding::Binary.write(&frame, &self.limits, &mut self.out).ok();
        self.out.len()
    }

    /// What a program says that ends its process without returning from its call.
    ///
    /// # Errors
    /// There is no further descriptor.
    pub(super) fn last_word(&self) -> io::Result<LastWord> {
        Ok(LastWord { to: self.to.try_clone()?, turn: Rc::clone(&self.running) })
    }

    /// From now on a last word is about this turn.
    pub(super) fn runs(&self, turn: Turn) {
        self.running.set(turn);
    }

    /// Waits for the engine's *welcome* and takes its limits.
    ///
    /// # Errors
    /// Nobody says it.
    pub fn welcome(&mut self) -> Result<Welcome<'static>, Over> {
        match self.take(|answer| answer.turn)? {
            Came::Welcome(welcome) => {
                self.decoder.adopt(welcome.limits)?;
                self.limits = welcome.limits;
                Ok(*welcome)
            }
            Came::Answer(turn) => Err(Wrong::Turn { expected: Turn::NONE, said: turn }.into()),
            Came::Kept => Err(Wrong::Shape.into()),
        }
    }

    /// Waits for the next call; none when the worker is to leave and has ended what was begun.
    ///
    /// # Errors
    /// There will be none.
    pub fn begun(&mut self) -> Result<Option<Begun>, Over> {
        loop {
            if let Some(begun) = self.begun.pop_front() {
                return Ok(Some(begun));
            }
            if self.standing == Standing::Leaves {
                return Ok(None);
            }
            self.take(|_| ())?;
        }
    }

    /// Waits for the answer to what was asked, and lends it.
    ///
    /// # Errors
    /// There will be none.
    pub fn answer<T>(&mut self, lend: impl FnOnce(Answer<'_>) -> T) -> Result<T, Over> {
        let mut lend = Some(lend);
        loop {
            let came = self.take(|answer| lend.take().map(|lend| lend(answer)))?;
            match came {
                Came::Answer(Some(taken)) => return Ok(taken),
                Came::Answer(None) | Came::Welcome(_) => return Err(Wrong::Shape.into()),
                Came::Kept => {}
            }
        }
    }

    /// Waits for the end of what the engine says, without hearing it.
    ///
    /// # Errors
    /// A pipe failed.
    pub fn wait_for_the_end(&mut self) -> io::Result<()> {
        let mut heard = [0; 4096];
        while self.from.read(&mut heard)? > 0 {}
        Ok(())
    }

    /// Takes one frame, by what it is and not by when it comes.
    fn take<T>(&mut self, mut answered: impl FnMut(Answer<'_>) -> T) -> Result<Came<T>, Over> {
        self.leave_if_forked();
        loop {
            if let Some(frame) = self.decoder.frame()? {
                self.turns.take(&frame)?;
                return Ok(match frame {
                    Frame::Welcome(welcome) => Came::Welcome(Box::new(owned::welcome(welcome))),
                    Frame::Answer(answer) => Came::Answer(answered(answer)),
                    Frame::Begin(begin) => {
                        let at = Instant::now();
                        // One in this version; the decoder holds the engine to that.
                        for call in begin.calls {
                            let (turn, call) = (begin.turn, owned::call(call));
                            self.begun.push_back(Begun { turn, call, at });
                        }
                        Came::Kept
                    }
                    Frame::Leave(_) => {
                        self.standing = Standing::Leaves;
                        Came::Kept
                    }
                    Frame::Hello(_)
                    | Frame::Ready(_)
                    | Frame::Ask(_)
                    | Frame::Done(_)
                    | Frame::Failed(_) => return Err(Wrong::Side(frame.kind().number()).into()),
                });
            }
            match self.from.read(self.decoder.room()) {
                Ok(0) => return Err(Over::Closed),
                Ok(length) => self.decoder.filled(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Over::Failed(error)),
            }
        }
    }
}
