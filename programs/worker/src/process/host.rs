//! What a program may ask for while it runs one call.
#![expect(unsafe_code, reason = "a worker that nobody hears ends without the program's own code")]

use std::mem;
use std::time::Duration;

use tsugi_frames::{
    Ask, Asked, Call, Code, Frame, Limits, Operation, Outcome, Service, TooLarge, Trouble, Turn,
    Waits, Welcome, Wrong,
};

use super::link::{Begun, Link, Over};
use super::owned::cut;

/// What a value counts beside its bytes, so that no frame has more values than it may.
const EACH: usize = 14;

/// The engine, as the program of one call sees it. Where the engine is gone, the process ends: no
/// program is told.
#[derive(Debug)]
pub struct Host<'c> {
    link: &'c mut Link,
    welcome: &'c Welcome<'static>,
    begun: &'c Begun,
    later: Vec<Asked<'static>>,
    /// About how many bytes they take.
    later_bytes: usize,
    lines: u16,
}

impl<'c> Host<'c> {
    pub(crate) fn new(link: &'c mut Link, welcome: &'c Welcome<'static>, begun: &'c Begun) -> Self {
        Self { link, welcome, begun, later: Vec::new(), later_bytes: 0, lines: 0 }
    }

    /// What the worker was told at its start.
    #[must_use]
    pub const fn welcome(&self) -> &'c Welcome<'static> {
        self.welcome
    }

    /// What call this is.
    #[must_use]
    pub const fn call(&self) -> &'c Call<'static> {
        &self.begun.call
    }

    /// Which service was called.
    #[must_use]
    pub fn service(&self) -> Option<&'c Service<'static>> {
        self.welcome.services.iter().find(|service| service.index == self.begun.call.service)
    }

    /// How much of everything fits.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        self.link.limits()
    }

    /// How long until the deadline, from when the call was read on; the engine measures for itself
    /// and kills the worker then.
    #[must_use]
    pub fn left(&self) -> Duration {
        let whole = Duration::from_millis(self.begun.call.left_ms.into());
        whole.saturating_sub(self.begun.at.elapsed())
    }

    /// Asks for an operation that is answered, and waits; lends what came of it. One that passes a
    /// limit is not sent: what came of it is [`Code::TooLarge`].
    pub fn ask<T>(
        &mut self,
        slot: u16,
        operation: Operation<'_>,
        lend: impl FnOnce(Outcome<'_>) -> T,
    ) -> T {
        if let Err(too_large) = operation.check(self.limits()) {
            return lend(refused(too_large));
        }
        let asked = Asked { waits: Waits::Yes, slot, operation };
        if !self.later.is_empty() && self.later_bytes + self.weight(&asked) > self.room() {
            self.send_later();
        }
        let mut operations: Vec<Asked<'_>> = mem::take(&mut self.later);
        self.later_bytes = 0;
        let alone = operations.is_empty();
        operations.push(asked);
        match self.link.say(&Frame::Ask(Ask { turn: self.turn(), operations })) {
            Ok(()) => {}
            Err(Over::Wrong(Wrong::TooLarge(too_large))) if alone => {
                return lend(refused(too_large));
            }
            Err(over) => self.end(over),
        }
        let answered = self.link.answer(|answer| {
            let one = <[Outcome<'_>; 1]>::try_from(answer.results);
            one.map(|[outcome]| lend(outcome)).map_err(|_| Over::Wrong(Wrong::Shape))
        });
        match answered {
            Ok(Ok(taken)) => taken,
            Ok(Err(over)) | Err(over) => self.end(over),
        }
    }

    /// Asks for an operation that nobody waits for: it goes with the next that is waited for, or
    /// with the call's end. If it fails, so does the call.
    ///
    /// # Errors
    /// It passes a limit, and is not asked.
    pub fn later(&mut self, slot: u16, operation: Operation<'static>) -> Result<(), TooLarge> {
        operation.check(self.limits())?;
        let asked = Asked { waits: Waits::No, slot, operation };
        let bytes = self.weight(&asked);
        let full = self.later.len() + 1 >= usize::from(self.limits().operations);
        if full || self.later_bytes + bytes > self.room() {
            self.send_later();
        }
        self.later_bytes += bytes;
        self.later.push(asked);
        Ok(())
    }

    /// How many bytes an operation takes in a frame; a value counts for more than one.
    fn weight(&mut self, asked: &Asked<'_>) -> usize {
        let values = match &asked.operation {
            Operation::Sql { rows, .. } => rows.values().len() * EACH,
            _ => 0,
        };
        values + self.link.size(self.begun.turn, asked)
    }

    /// How many bytes of operations go into one frame, with one record beside them.
    fn room(&self) -> usize {
        let limits = self.limits();
        usize::try_from(limits.frame - limits.record).unwrap_or(usize::MAX) / 2
    }

    fn send_later(&mut self) {
        self.later_bytes = 0;
        let (turn, operations) = (self.turn(), mem::take(&mut self.later));
        if !operations.is_empty() {
            self.send(Frame::Ask(Ask { turn, operations }));
        }
    }

    /// Writes a line to the log at once, so that it is kept whatever becomes of the program. What
    /// is longer than a line is cut, and what is more than the lines of a call is not written.
    ///
    /// 0 is debug, 1 information, 2 a warning, 3 an error; more is an error too.
    pub fn log(&mut self, level: u8, text: &str) {
        if self.lines >= self.limits().log_lines {
            return;
        }
        self.lines += 1;
        let text = cut(text, self.limits().log_line);
        let level = level.min(tsugi_frames::limits::LEVEL);
        let operation = Operation::Log { level, text: text.into() };
        let line = Asked { waits: Waits::No, slot: 0, operation };
        self.send(Frame::Ask(Ask { turn: self.turn(), operations: vec![line] }));
    }

    /// Ends the process: the engine is gone, or has said what nobody says. What the program has
    /// registered for its own exit is not run, because it could hang.
    pub fn end(&self, over: Over) -> ! {
        // SAFETY: ends this process at once, and nothing of it is used any more.
        unsafe { libc::_exit(over.exit_code()) }
    }

    /// What is asked and not yet sent.
    pub(crate) fn unsent(&mut self) -> Vec<Asked<'static>> {
        mem::take(&mut self.later)
    }

    const fn turn(&self) -> Turn {
        self.begun.turn
    }

    fn send(&mut self, frame: Frame<'_>) {
        if let Err(over) = self.link.say(&frame) {
            self.end(over);
        }
    }
}

fn refused(too_large: TooLarge) -> Outcome<'static> {
    let TooLarge { limit, size, most } = too_large;
    let text = format!("{limit:?}: {size}, at most {most}").into();
    Outcome::Trouble(Trouble {
        code: Code::TooLarge,
        sqlstate: "".into(),
        message: "".into(),
        text,
    })
}
