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
    /// It asked for what a call may not do; as text, the statement.
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
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnitOfWork(statement) => f.write_str(statement),
            Self::Routine(name) => write!(f, "CALL \"{name}\""),
        }
    }
}

/// What is known of it: what it means and what to do is told by its class.
impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StopRun { code } => write!(f, "STOP RUN {code}"),
            Self::RunTimeError { text } | Self::Panicked { text } => f.write_str(text),
            Self::Refused(what) => what.fmt(f),
            Self::Exited { code } => write!(f, "exit {code}"),
            Self::Overrun { parameter } => {
                write!(f, "parameter {parameter}")
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
            Self::RunTimeError { .. } => (Class::RunTimeError, 1),
            Self::Refused(_) => (Class::Forbidden, 0),
            Self::Overrun { .. } => (Class::Overrun, 0),
            Self::Panicked { .. } => (Class::Panic, 0),
        };
        let longest = tsugi_frames::limits::TEXT as usize;
        let mut text = self.to_string();
        text.truncate(text.floor_char_boundary(longest));
        Failed { turn, class, code, text: text.into() }
    }
}
