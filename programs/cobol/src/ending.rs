//! How a program ends that does not return.

use std::fmt;

use tsugi_frames::{Class, Failed, Turn};

/// How a program has ended without returning. Its worker cannot run another call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// STOP RUN.
    StopRun {
        /// What it gives: RETURN-CODE, unless the statement says otherwise.
        code: i32,
    },
    /// libcob found an error.
    RunTimeError {
        /// File, line and what is wrong, as libcob says it.
        text: String,
    },
    /// It asked for what a call may not do.
    Refused(Forbidden),
    /// Something called `exit`.
    Exited {
        /// The exit code.
        code: i32,
    },
    /// It wrote beside a parameter: it takes it for longer than it is.
    Overrun {
        /// Which, from 1.
        parameter: usize,
    },
    /// The worker's own code panicked.
    Panicked {
        /// What it said.
        text: String,
    },
}

/// What a call may not do, because it would not be undone with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// COMMIT or ROLLBACK: the unit of work is the call's.
    UnitOfWork(&'static str),
    /// A routine of the runtime system that reaches beside the store.
    Routine(&'static str),
    /// WRITE … ADVANCING: a line of the store has no paper.
    Advancing,
    /// LINAGE.
    Linage,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnitOfWork(statement) => write!(
                f,
                "{statement}: what a call did is kept or undone with its reply, as a whole; take \
                 the statement out, or set the service's policy to ignore it"
            ),
            Self::Routine(name) => write!(
                f,
                "CALL \"{name}\": it reaches beside the store, where nothing is undone with the \
                 call; use a file of the service's file set"
            ),
            Self::Advancing => f.write_str(
                "WRITE … ADVANCING: a file of the store holds lines, and no paper; write the \
                 lines one by one",
            ),
            Self::Linage => f.write_str("LINAGE: a file of the store holds lines, and no pages"),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StopRun { code } => write!(f, "STOP RUN with {code}"),
            Self::RunTimeError { text } | Self::Panicked { text } => f.write_str(text),
            Self::Refused(what) => what.fmt(f),
            Self::Exited { code } => write!(f, "exit with {code}"),
            Self::Overrun { parameter } => {
                write!(f, "written beside parameter {parameter}: it is shorter than declared")
            }
        }
    }
}

impl Ending {
    /// As it is said to the engine.
    #[must_use]
    pub fn failed(&self, turn: Turn) -> Failed<'static> {
        let (class, code) = match self {
            Self::StopRun { code } | Self::Exited { code } => (Class::StopRun, *code),
            Self::RunTimeError { .. } | Self::Refused(_) => (Class::RunTimeError, 1),
            Self::Overrun { .. } => (Class::Overrun, 0),
            Self::Panicked { .. } => (Class::Panic, 0),
        };
        let longest = tsugi_frames::limits::TEXT as usize;
        let mut text = self.to_string();
        text.truncate(text.floor_char_boundary(longest));
        Failed { turn, class, code, text: text.into() }
    }
}
