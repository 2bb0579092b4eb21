//! Operations on files of COBOL, and what comes of them.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::frame::{Key, Organization};
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
    AtLeast,
    Less,
    AtMost,
    First,
    Last,
}

impl Relation {
    /// All of them; a relation's number is its place.
    pub const ALL: [Self; 7] = [
        Self::Equal,
        Self::Greater,
        Self::AtLeast,
        Self::Less,
        Self::AtMost,
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

/// OPTIONAL of the SELECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "whether the word stands there")]
pub enum Optional {
    Yes,
    No,
}

impl Optional {
    /// Both; the number is the place.
    pub const ALL: [Self; 2] = [Self::Yes, Self::No];
}

/// What READ NEXT and READ PREVIOUS go on from, as the worker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// OPEN: nothing was read yet.
    Opened,
    /// A START: the record found is still to be read.
    Started,
    /// The record read last.
    Passed,
}

impl Stand {
    /// All of them; a stand's number is its place.
    pub const ALL: [Self; 3] = [Self::Opened, Self::Started, Self::Passed];
}

/// Which ends of the file were met without a record being read since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// None.
    Inside,
    /// READ NEXT met the end, or a START failed.
    End,
    /// READ PREVIOUS met the beginning.
    Beginning,
    /// Both.
    Both,
}

impl Edge {
    /// All of them; an edge's number is its place.
    pub const ALL: [Self; 4] = [Self::Inside, Self::End, Self::Beginning, Self::Both];
}

/// Where a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placing {
    /// By its keys, which ascend from the beginning: sequential access, OUTPUT.
    AscendingFromEmpty,
    /// By its keys, which ascend from the first one written: sequential access, EXTEND.
    Ascending,
    /// By its keys.
    ByKey,
    /// Under the number in `place`.
    ByNumber,
    /// Behind the last one.
    Append,
    /// Behind the last byte, with the print control in `place`.
    Printed,
}

impl Placing {
    /// All of them; a placing's number is its place.
    pub const ALL: [Self; 6] = [
        Self::AscendingFromEmpty,
        Self::Ascending,
        Self::ByKey,
        Self::ByNumber,
        Self::Append,
        Self::Printed,
    ];
}

/// Which record is changed or taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meant {
    /// The one read just before.
    LastRead,
    /// The one with the primary key that stands in the record, or in `place` where there is none.
    ByKey,
    /// The one with the number in `place`.
    ByNumber,
}

impl Meant {
    /// All of them; the number is the place.
    pub const ALL: [Self; 3] = [Self::LastRead, Self::ByKey, Self::ByNumber];
}

/// What a program says of a file, where it is not what *welcome* says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// How its records are found.
    pub organization: Organization,
    /// The shortest record.
    pub shortest: u32,
    /// The longest record.
    pub longest: u32,
    /// Its keys, the primary one first.
    #[serde(default, deserialize_with = "crate::few::list")]
    pub keys: Vec<Key>,
}

/// An operation on an open file; the slot is the worker's number for that open. Keys are bytes as
/// they stand in the record; of a relative file eight bytes, the highest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the parameters are those of the verb")]
pub enum FileOperation<'a> {
    /// READ by a key. `key` counts a file's keys, 0 is the primary one.
    #[serde(rename = "f_read")]
    Read { key: u16, value: Bytes<'a> },
    /// READ NEXT; so many records at most are of use. `largest` is the greatest number that the
    /// RELATIVE KEY holds.
    #[serde(rename = "f_next")]
    Next { records: u16, stand: Stand, edge: Edge, largest: Option<u64> },
    /// READ PREVIOUS.
    #[serde(rename = "f_previous")]
    Previous { records: u16, stand: Stand, edge: Edge, largest: Option<u64> },
    /// START. `value` may be the leading bytes of a key.
    #[serde(rename = "f_start")]
    Start { key: u16, relation: Relation, value: Bytes<'a> },
    /// WRITE.
    #[serde(rename = "f_write")]
    Write { placing: Placing, place: Bytes<'a>, record: Bytes<'a> },
    /// REWRITE.
    #[serde(rename = "f_rewrite")]
    Rewrite { meant: Meant, place: Bytes<'a>, record: Bytes<'a> },
    /// DELETE.
    #[serde(rename = "f_delete")]
    Delete { meant: Meant, place: Bytes<'a> },
    /// OPEN: from now on the slot means this open of the file with this index. What the slot
    /// meant before is closed; nobody tells of a CLOSE.
    #[serde(rename = "f_open")]
    Open { file: u16, mode: Mode, access: Access, optional: Optional, shape: Option<Shape> },
    /// DELETE FILE; the slot is the index of the file.
    #[serde(rename = "f_remove")]
    Remove {},
}

/// What came of an operation on a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileResult<'a> {
    /// FILE STATUS, two digits as a number.
    pub status: u8,
    /// What the RELATIVE KEY is set to; it stays where there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
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

impl FileResult<'_> {
    /// The same with bytes of its own.
    #[must_use]
    pub fn into_owned(self) -> FileResult<'static> {
        let own = |one: Record<'_>| Record { number: one.number, record: one.record.into_owned() };
        let records = self.records.into_iter().map(own).collect();
        FileResult { status: self.status, number: self.number, records }
    }
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

    /// The same with bytes of its own.
    #[must_use]
    pub fn into_owned(self) -> FileOperation<'static> {
        match self {
            Self::Read { key, value } => FileOperation::Read { key, value: value.into_owned() },
            Self::Next { records, stand, edge, largest } => {
                FileOperation::Next { records, stand, edge, largest }
            }
            Self::Previous { records, stand, edge, largest } => {
                FileOperation::Previous { records, stand, edge, largest }
            }
            Self::Start { key, relation, value } => {
                FileOperation::Start { key, relation, value: value.into_owned() }
            }
            Self::Write { placing, place, record } => {
                let (place, record) = (place.into_owned(), record.into_owned());
                FileOperation::Write { placing, place, record }
            }
            Self::Rewrite { meant, place, record } => {
                let (place, record) = (place.into_owned(), record.into_owned());
                FileOperation::Rewrite { meant, place, record }
            }
            Self::Delete { meant, place } => {
                FileOperation::Delete { meant, place: place.into_owned() }
            }
            Self::Open { file, mode, access, optional, shape } => {
                FileOperation::Open { file, mode, access, optional, shape }
            }
            Self::Remove {} => FileOperation::Remove {},
        }
    }

    pub(crate) fn check(&self, limits: &Limits) -> Result<(), TooLarge> {
        let key = |bytes: &Bytes| TooLarge::length(Limit::Key, bytes.len(), limits::KEY);
        let record = |bytes: &Bytes| TooLarge::length(Limit::Record, bytes.len(), limits.record);
        match self {
            Self::Read { value, .. } | Self::Start { value, .. } => key(value),
            Self::Next { records, .. } | Self::Previous { records, .. } => {
                TooLarge::over(Limit::Listed, (*records).into(), limits::RECORDS.into())
            }
            Self::Write { place, record: bytes, .. }
            | Self::Rewrite { place, record: bytes, .. } => {
                key(place)?;
                record(bytes)
            }
            Self::Delete { place, .. } => key(place),
            Self::Open { shape: Some(shape), .. } => keys(&shape.keys),
            Self::Open { shape: None, .. } | Self::Remove {} => Ok(()),
        }
    }
}

/// How many keys of a file and parts of a key there may be.
pub(crate) fn keys(keys: &[Key]) -> Result<(), TooLarge> {
    TooLarge::length(Limit::Listed, keys.len(), limits::KEYS.into())?;
    let parts = |key: &Key| TooLarge::length(Limit::Listed, key.parts.len(), limits::PARTS.into());
    keys.iter().try_for_each(parts)
}
