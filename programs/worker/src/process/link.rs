//! What comes from the engine and goes to it, in the worker: a pipe each way, read and written by
//! one thread that waits.
#![expect(unsafe_code, reason = "a last word ends its process")]

use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::rc::Rc;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tsugi_frames::limits::TEXT;
use tsugi_frames::{
    Answer, Ask, Asked, Call, Class, Decoder, Encoding, Failed, Frame, Limits, Side, Turn, Turns,
    Welcome, Wrong,
};

use super::owned;
use crate::awake::Awake;

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
    awake: Awake,
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
            awake: Awake::default(),
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

    /// Looks whether an answer comes soon, while a program waits for one. The next call may come
    /// at any time or never: for that nobody is awake.
    fn look_out(&mut self) {
        let Self { from, turns, awake, .. } = self;
        if turns.under_way() == Turn::NONE {
            return;
        }
        awake.wait(|| {
            let mut from = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
            // An end of it is something to read, too.
            poll(&mut from, PollTimeout::ZERO).ok().filter(|ready| *ready > 0)
        });
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
            self.look_out();
            match self.from.read(self.decoder.room()) {
                Ok(0) => return Err(Over::Closed),
                Ok(length) => self.decoder.filled(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Over::Failed(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::available_parallelism;

    use tsugi_frames::{
        Begin, Grid, Hello, Operation, Outcome, Ready, Rest, Rows, Runs, Versions, Waits,
    };

    use super::*;

    fn call() -> Call<'static> {
        Call {
            service: 0,
            id: "c/1".into(),
            parent: "".into(),
            client: "c".into(),
            epoch: 1,
            attempt: 1,
            left_ms: 1_000,
            catalogue: 0,
            parameters: vec![],
        }
    }

    fn hello() -> Frame<'static> {
        Frame::Hello(Hello {
            versions: Versions::CURRENT,
            pid: 1,
            runs: Runs::Program,
            libcob: "".into(),
            can: 0,
            modules: Vec::new(),
        })
    }

    fn ask(turn: Turn) -> Frame<'static> {
        let operation = Operation::More { rows: 1 };
        let operations = vec![Asked { waits: Waits::Yes, slot: 1, operation }];
        Frame::Ask(Ask { turn, operations })
    }

    #[test]
    fn a_worker_waits_awake_for_an_answer_and_for_nothing_else() {
        let (from, mut tells) = nix::unistd::pipe().map(|(a, b)| (a, File::from(b))).unwrap();
        let (hears, to) = nix::unistd::pipe().unwrap();
        let mut tell = move |frame: &Frame<'_>| {
            let mut out = Vec::new();
            Encoding::Binary.write(frame, &Limits::DEFAULT, &mut out).unwrap();
            tells.write_all(&out).unwrap();
        };
        let mut link = Link::new(from.into(), to.into());
        link.say(&hello()).unwrap();
        let welcome = Welcome {
            versions: Versions::CURRENT,
            limits: Limits::DEFAULT,
            group: "pay".into(),
            node: "node1".into(),
            code_page: "utf-8".into(),
            time_zone: "UTC".into(),
            services: vec![],
            files: vec![],
        };
        tell(&Frame::Welcome(welcome));
        link.welcome().unwrap();
        link.say(&Frame::Ready(Ready {})).unwrap();
        let turn = Turn(1);
        tell(&Frame::Begin(Begin { turn, calls: vec![call()] }));
        assert!(link.begun().unwrap().is_some());
        assert_eq!(link.awake.looked(), 0, "no call was under way");
        link.say(&ask(turn)).unwrap();
        let rows = Rows { changed: 0, rest: Rest::None, rows: Grid::default() };
        tell(&Frame::Answer(Answer { turn, results: vec![Outcome::Rows(rows)] }));
        link.answer(|answer| assert_eq!(answer.turn, turn)).unwrap();
        let many = available_parallelism().map_or(1, std::num::NonZero::get) > 1;
        assert_eq!(link.awake.looked(), u64::from(many));
        // Its engine is gone while it waits for an answer.
        link.say(&ask(turn)).unwrap();
        drop((tell, hears));
        assert!(matches!(link.answer(|_| ()), Err(Over::Closed)));
    }
}
