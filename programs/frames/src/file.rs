//! Operations on files of COBOL, and what comes of them.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::limits::{self, Limits};
use crate::operation::Number;
use crate::wrong::{Limit, TooLarge};

/// How a key is compared in START.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the relation of its name")]
pub enum Relation {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    First,
    Last,
}

impl Relation {
    /// All of them; a relation's number is its place.
    pub const ALL: [Self; 7] = [
        Self::Equal,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::First,
        Self::Last,
    ];
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the OPEN of its name")]
pub enum Mode {
    Input,
    Output,
    InputOutput,
    Extend,
}

impl Mode {
    /// All of them; a mode's number is its place.
    pub const ALL: [Self; 4] = [Self::Input, Self::Output, Self::InputOutput, Self::Extend];
}

/// ACCESS MODE of the SELECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the access of its name")]
pub enum Access {
    Sequential,
    Random,
    Dynamic,
}

impl Access {
    /// All of them; an access' number is its place.
    pub const ALL: [Self; 3] = [Self::Sequential, Self::Random, Self::Dynamic];
}

/// An operation on the file of a slot. Keys are bytes as they stand in the record; of a relative
/// file eight bytes, the highest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the parameters are those of the verb")]
pub enum FileOperation<'a> {
    /// READ by a key. `key` counts a file's keys, 0 is the primary one.
    #[serde(rename = "f_read")]
    Read { key: u16, value: Bytes<'a> },
    /// READ NEXT; so many records at most are of use.
    #[serde(rename = "f_next")]
    Next { records: u16 },
    /// READ PREVIOUS.
    #[serde(rename = "f_previous")]
    Previous { records: u16 },
    /// START. `value` may be the leading bytes of a key.
    #[serde(rename = "f_start")]
    Start { key: u16, relation: Relation, value: Bytes<'a> },
    /// WRITE. An empty `place` is the key in the record, or the one after the last.
    #[serde(rename = "f_write")]
    Write { place: Bytes<'a>, record: Bytes<'a> },
    /// REWRITE. An empty `place` is the record that was read last, or the key in the record.
    #[serde(rename = "f_rewrite")]
    Rewrite { place: Bytes<'a>, record: Bytes<'a> },
    /// DELETE. An empty `place` is the record that was read last.
    #[serde(rename = "f_delete")]
    Delete { place: Bytes<'a> },
    /// OPEN, where the store has a part in it.
    #[serde(rename = "f_open")]
    Open { mode: Mode, access: Access },
    /// DELETE FILE.
    #[serde(rename = "f_remove")]
    Remove {},
}

/// What came of an operation on a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileResult<'a> {
    /// FILE STATUS, two digits as a number.
    pub status: u8,
    /// The record, and those after it that were read ahead.
    #[serde(default, deserialize_with = "crate::few::list")]
    pub records: Vec<Record<'a>>,
}

/// One record of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record<'a> {
    /// Its number in a relative file; else 0.
    pub number: u64,
    /// Its bytes.
    pub record: Bytes<'a>,
}

impl FileOperation<'_> {
    /// Its number.
    #[must_use]
    pub const fn number(&self) -> Number {
        match self {
            Self::Read { .. } => Number::FileRead,
            Self::Next { .. } => Number::FileNext,
            Self::Previous { .. } => Number::FilePrevious,
            Self::Start { .. } => Number::FileStart,
            Self::Write { .. } => Number::FileWrite,
            Self::Rewrite { .. } => Number::FileRewrite,
            Self::Delete { .. } => Number::FileDelete,
            Self::Open { .. } => Number::FileOpen,
            Self::Remove {} => Number::FileRemove,
        }
    }

    pub(crate) fn check(&self, limits: &Limits) -> Result<(), TooLarge> {
        let key = |bytes: &Bytes| TooLarge::length(Limit::Key, bytes.len(), limits::KEY);
        let record = |bytes: &Bytes| TooLarge::length(Limit::Record, bytes.len(), limits.record);
        match self {
            Self::Read { value, .. } | Self::Start { value, .. } => key(value),
            Self::Next { records } | Self::Previous { records } => {
                TooLarge::over(Limit::Listed, (*records).into(), limits::RECORDS.into())
            }
            Self::Write { place, record: bytes } | Self::Rewrite { place, record: bytes } => {
                key(place)?;
                record(bytes)
            }
            Self::Delete { place } => key(place),
            Self::Open { .. } | Self::Remove {} => Ok(()),
        }
    }
}
