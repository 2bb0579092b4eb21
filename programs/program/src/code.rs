//! How an operation ended: one list for all spellings of the program interface.
//!
//! Frames have it too (`programs/frames/src/code.rs`): what a library includes uses nothing.

use std::error::Error;
use std::fmt;

/// How an operation ended, other than done. After each but [`Code::Late`] the call may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// There is no further row.
    NoRow,
    /// A key is there already; the statement alone was undone.
    Duplicate,
    /// A rule of the tables does not allow it; the statement alone was undone.
    Constraint,
    /// A limit was passed; the text says which one.
    TooLarge,
    /// What belongs to the unit of work, or a write in a service that only reads.
    NotAllowed,
    /// The statement cannot be understood, or has another number of parameters or columns.
    Mistaken,
    /// The service that was called is unknown, blocked or full.
    CalleeRefused,
    /// The service that was called ended abnormally; what it did is undone.
    CalleeFailed,
    /// A service that waits for this call would be called.
    Cycle,
    /// Calls are nested deeper than the limit.
    TooDeep,
    /// A service of another store was called while this call holds the writer.
    WriterHeld,
    /// The deadline of the call has passed; its worker is about to be killed.
    Late,
    /// The host does not carry the operation out, or is too old to know it.
    NotInThisVersion,
    /// The store failed. Never told to a program: its worker is killed.
    Store,
    /// A code that a newer host has and this crate does not know.
    Other(u16),
}

/// The number of an operation that was done.
pub const DONE: u16 = 0;

impl Code {
    /// Every code with a name, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::NoRow,
        Self::Duplicate,
        Self::Constraint,
        Self::TooLarge,
        Self::NotAllowed,
        Self::Mistaken,
        Self::CalleeRefused,
        Self::CalleeFailed,
        Self::Cycle,
        Self::TooDeep,
        Self::WriterHeld,
        Self::Late,
        Self::NotInThisVersion,
        Self::Store,
    ];

    /// Its number, the same in C and in frames; kept for ever.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::NoRow => 10,
            Self::Duplicate => 22,
            Self::Constraint => 23,
            Self::TooLarge => 34,
            Self::NotAllowed => 37,
            Self::Mistaken => 42,
            Self::CalleeRefused => 60,
            Self::CalleeFailed => 61,
            Self::Cycle => 62,
            Self::TooDeep => 63,
            Self::WriterHeld => 64,
            Self::Late => 65,
            Self::NotInThisVersion => 74,
            Self::Store => 99,
            Self::Other(number) => number,
        }
    }

    /// The code of a number; none for the number of what was done.
    #[must_use]
    pub fn of(number: u16) -> Option<Self> {
        let named = || Self::ALL.into_iter().find(|code| code.number() == number);
        (number != DONE).then(|| named().unwrap_or(Self::Other(number)))
    }
}

/// An operation that was not done, and what the host says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotDone {
    /// How it ended.
    pub code: Code,
    /// What there is to say about it; may be empty.
    pub text: String,
}

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code.number())?;
        if self.text.is_empty() { Ok(()) } else { write!(f, " {}", self.text) }
    }
}

impl Error for NotDone {}
