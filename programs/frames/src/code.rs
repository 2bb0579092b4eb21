//! How an operation ended: one list for all spellings of the program interface.

use serde::{Deserialize, Serialize};

/// How an operation ended. The number stands in frames and in C, two characters in COBOL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u16", try_from = "u16")]
pub enum Code {
    /// It was done.
    Done,
    /// There is no (further) row; the call may go on.
    NoRow,
    /// A key is there already; the statement alone was undone, the call may go on.
    Duplicate,
    /// A rule of the tables does not allow it; the statement alone was undone.
    Constraint,
    /// A limit was passed; which one is told beside it.
    TooLarge,
    /// What belongs to the unit of work, or a write in a service that only reads.
    NotAllowed,
    /// The statement cannot be understood; its SQLSTATE says why.
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
    /// The operation has a name and a number, and this version does not carry it out.
    NotInThisVersion,
    /// The store failed. Never told to a program: its worker is killed.
    Store,
}

impl Code {
    /// Every code, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Done,
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

    /// Its number in frames and in C; kept for ever.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Done => 0,
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
        }
    }

    /// Its two characters in COBOL.
    #[must_use]
    pub const fn characters(self) -> [u8; 2] {
        let number = self.number();
        [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
    }

    /// The code of a number, if there is one.
    #[must_use]
    pub fn of(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }
}

impl From<Code> for u16 {
    fn from(code: Code) -> Self {
        code.number()
    }
}

impl TryFrom<u16> for Code {
    type Error = String;

    fn try_from(number: u16) -> Result<Self, String> {
        Self::of(number).ok_or_else(|| format!("code {number}"))
    }
}
