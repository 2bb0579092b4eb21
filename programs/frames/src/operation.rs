//! What a program may ask of the engine.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::code::Code;
use crate::file::FileOperation;
use crate::limits::{self, Limits};
use crate::value::Grid;
use crate::wrong::{Limit, TooLarge};

/// Where an operation stands in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is carried out.
    Now,
    /// Its name, number and parameters are fixed; it is answered [`Code::NotInThisVersion`].
    Reserved,
    /// What it tells stands in *begin*; it is not asked in a frame.
    InBegin,
}

/// The operations of the program interface by their numbers, which are kept for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is told where its parameters stand")]
pub enum Number {
    Sql,
    More,
    Call,
    Log,
    Abort,
    Info,
    Left,
    Put,
    TimerSet,
    TimerCancel,
    Data,
    FileRead,
    FileNext,
    FilePrevious,
    FileStart,
    FileWrite,
    FileRewrite,
    FileDelete,
    FileOpen,
    FileRemove,
}

impl Number {
    /// All of them with number, name in frames, and standing.
    pub const TABLE: [(Self, u8, &'static str, Standing); 20] = [
        (Self::Sql, 1, "sql", Standing::Now),
        (Self::More, 2, "more", Standing::Now),
        (Self::Call, 3, "call", Standing::Now),
        (Self::Log, 4, "log", Standing::Now),
        (Self::Abort, 5, "abort", Standing::Now),
        (Self::Info, 6, "info", Standing::InBegin),
        (Self::Left, 7, "left", Standing::InBegin),
        (Self::Put, 8, "put", Standing::Reserved),
        (Self::TimerSet, 9, "timer_set", Standing::Reserved),
        (Self::TimerCancel, 10, "timer_cancel", Standing::Reserved),
        (Self::Data, 11, "data", Standing::Reserved),
        (Self::FileRead, 32, "f_read", Standing::Now),
        (Self::FileNext, 33, "f_next", Standing::Now),
        (Self::FilePrevious, 34, "f_previous", Standing::Now),
        (Self::FileStart, 35, "f_start", Standing::Now),
        (Self::FileWrite, 36, "f_write", Standing::Now),
        (Self::FileRewrite, 37, "f_rewrite", Standing::Now),
        (Self::FileDelete, 38, "f_delete", Standing::Now),
        (Self::FileOpen, 39, "f_open", Standing::Now),
        (Self::FileRemove, 40, "f_remove", Standing::Now),
    ];

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.row().1
    }

    /// Its name in lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// Where it stands in this version.
    #[must_use]
    pub fn standing(self) -> Standing {
        self.row().3
    }

    /// The operation of a number, if it is asked in frames.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        let mut asked = Self::TABLE.into_iter().filter(|row| row.3 != Standing::InBegin);
        asked.find(|row| row.1 == number).map(|row| row.0)
    }

    fn row(self) -> (Self, u8, &'static str, Standing) {
        Self::TABLE[self as usize]
    }
}

/// Whether the program waits for what comes of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waits {
    /// It does: the answer has a result for it.
    #[default]
    Yes,
    /// It does not: there is no result, and a failure ends the call.
    No,
}

/// One operation of a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked<'a> {
    /// Whether its result is waited for.
    #[serde(default, skip_serializing_if = "is_yes")]
    pub waits: Waits,
    /// Which of the worker's statements (0: none is kept), or which of its opens of files.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub slot: u16,
    /// What is asked.
    #[serde(rename = "do")]
    pub operation: Operation<'a>,
}

impl Asked<'_> {
    /// Whether an *answer* has a result for it. A line of the log never has one, and a call that is
    /// aborted ends. Where no operation of an *ask* has one, there is no answer.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        let never = matches!(self.operation.number(), Number::Log | Number::Abort);
        self.waits == Waits::Yes && !never
    }
}

fn is_yes(waits: &Waits) -> bool {
    *waits == Waits::Yes
}

fn is_zero(slot: &u16) -> bool {
    *slot == 0
}

/// What is asked, with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation<'a> {
    /// Run a statement, once a row of parameters.
    Sql {
        /// Its text. With a slot it is kept there; empty, the one that is kept there is meant.
        #[serde(default)]
        text: Cow<'a, str>,
        /// Its parameters.
        #[serde(default = "Grid::once")]
        rows: Grid<'a>,
    },
    /// Further rows of the statement of this slot.
    More {
        /// How many at most.
        rows: u32,
    },
    /// Call another service.
    Call {
        /// Its name.
        service: Cow<'a, str>,
        /// Its parameters.
        #[serde(deserialize_with = "crate::few::list")]
        body: Vec<Bytes<'a>>,
    },
    /// Write a line to the log. Never answered.
    Log {
        /// 0 debug, 1 information, 2 warning, 3 error.
        level: u8,
        /// The line.
        text: Cow<'a, str>,
    },
    /// End the call and undo what it did. Never answered.
    Abort {
        /// Why.
        text: Cow<'a, str>,
    },
    /// Put something on a queue. Reserved.
    Put {
        /// The queue.
        queue: Cow<'a, str>,
        /// What.
        body: Bytes<'a>,
        /// What it is kept in order by.
        key: Bytes<'a>,
    },
    /// Set a timer. Reserved.
    TimerSet {
        /// Its name.
        name: Cow<'a, str>,
        /// When, in milliseconds since 1970.
        at_ms: i64,
        /// Which service is called then.
        service: Cow<'a, str>,
        /// With what.
        body: Bytes<'a>,
    },
    /// Cancel a timer. Reserved.
    TimerCancel {
        /// Its name.
        name: Cow<'a, str>,
    },
    /// The next datum of a batch, or one that was made. Reserved.
    Data {
        /// What was made; none asks for the next.
        out: Option<Bytes<'a>>,
    },
    /// An operation on a file of COBOL.
    File(FileOperation<'a>),
    /// What was asked passes a limit of programs: it was not read, and is answered
    /// [`Code::TooLarge`]. It cannot be sent.
    #[serde(skip)]
    TooLarge(Number, TooLarge),
}

impl Operation<'_> {
    /// Its number.
    #[must_use]
    pub fn number(&self) -> Number {
        match self {
            Self::Sql { .. } => Number::Sql,
            Self::More { .. } => Number::More,
            Self::Call { .. } => Number::Call,
            Self::Log { .. } => Number::Log,
            Self::Abort { .. } => Number::Abort,
            Self::Put { .. } => Number::Put,
            Self::TimerSet { .. } => Number::TimerSet,
            Self::TimerCancel { .. } => Number::TimerCancel,
            Self::Data { .. } => Number::Data,
            Self::File(file) => file.number(),
            Self::TooLarge(number, _) => *number,
        }
    }

    /// What it is answered without being carried out, if it is.
    #[must_use]
    pub fn refused(&self) -> Option<Code> {
        if matches!(self, Self::TooLarge(..)) {
            return Some(Code::TooLarge);
        }
        match self.number().standing() {
            Standing::Now => None,
            Standing::Reserved | Standing::InBegin => Some(Code::NotInThisVersion),
        }
    }

    /// Whether it is within the limits of programs. Asked before it is sent, so that the program
    /// is told and not its worker killed, and again where it is received.
    ///
    /// # Errors
    /// The first limit that is passed.
    pub fn check(&self, limits: &Limits) -> Result<(), TooLarge> {
        let name = |text: &str| TooLarge::length(Limit::Name, text.len(), limits::NAME);
        let record = |bytes: &Bytes| TooLarge::length(Limit::Record, bytes.len(), limits.record);
        match self {
            Self::Sql { text, rows } => {
                TooLarge::length(Limit::SqlText, text.len(), limits.sql_text)?;
                let (columns, most) = (rows.columns().into(), limits.parameters.into());
                TooLarge::over(Limit::Parameters, columns, most)?;
                TooLarge::over(Limit::Rows, rows.len(), limits.rows)?;
                let mut values = rows.values().iter();
                values.try_for_each(|value| {
                    TooLarge::length(Limit::Record, value.held(), limits.record)
                })
            }
            Self::More { rows } => TooLarge::over(Limit::Rows, *rows, limits.rows),
            Self::Call { service, body } => {
                name(service)?;
                let most = limits.parameters.into();
                TooLarge::length(Limit::Parameters, body.len(), most)?;
                body.iter().try_for_each(record)
            }
            Self::Log { text, .. } => TooLarge::length(Limit::LogLine, text.len(), limits.log_line),
            Self::Abort { text } => TooLarge::length(Limit::Text, text.len(), limits::TEXT),
            Self::Put { queue, body, key } => {
                name(queue)?;
                TooLarge::length(Limit::Key, key.len(), limits::KEY)?;
                record(body)
            }
            Self::TimerSet { name: timer, service, body, .. } => {
                name(timer)?;
                name(service)?;
                record(body)
            }
            Self::TimerCancel { name: timer } => name(timer),
            Self::Data { out } => out.iter().try_for_each(record),
            Self::File(file) => file.check(limits),
            Self::TooLarge(_, too_large) => Err(*too_large),
        }
    }
}
