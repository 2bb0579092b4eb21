//! What a worker asks the engine of a file, and what it is answered.
//!
//! Here it is decided on. As bytes it is in `programs/frames/src/file.rs`; [`crate::spoken`] makes
//! the one of the other.

use crate::print::Control;
use crate::status::Status;

/// Which way a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// READ NEXT.
    Next,
    /// READ PREVIOUS.
    Previous,
}

/// What the position rests on, as the worker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// On OPEN: nothing was read yet.
    Opened,
    /// On a START: the record found is still to be read, either way.
    Started,
    /// On the record read last.
    Passed,
}

/// Which ends of the file were met without a record being read since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// None.
    Inside,
    /// READ NEXT met the end, or a START failed.
    End,
    /// READ PREVIOUS met the beginning.
    Beginning,
    /// Both: the file was empty.
    Both,
}

/// What START compares by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `=`
    Equal,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// FIRST: the value does not count.
    First,
    /// LAST: the value does not count.
    Last,
}

/// Which record is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// That with this value of a key of an indexed file.
    Key {
        /// Which key: 0 the primary one, then the alternates.
        number: usize,
        /// The value; for START it may be its leading bytes.
        value: &'a [u8],
    },
    /// That with this number of a relative file. What is less than 1 counts as 0.
    Number(u64),
}

/// Where a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placing {
    /// Indexed, sequential access, OUTPUT: keys ascend.
    AscendingFromEmpty,
    /// Indexed, sequential access, EXTEND: keys ascend from the first one written.
    Ascending,
    /// Indexed, random or dynamic access: by the record's keys.
    ByKey,
    /// Relative, random or dynamic access: under this number.
    Number(u64),
    /// Behind the last one.
    Append,
    /// Sequential and line sequential: behind the last byte, with a print control.
    Printed(Control),
}

/// Which record is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The one read just before: sequential access.
    LastRead,
    /// The one with the same primary key.
    SameKey,
    /// The one with this number.
    Number(u64),
}

/// Which record is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted<'a> {
    /// The one read just before: sequential access.
    LastRead,
    /// The one with this primary key.
    Key(&'a [u8]),
    /// The one with this number.
    Number(u64),
}

/// An operation that needs the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// READ by key.
    Read(Wanted<'a>),
    /// READ NEXT or READ PREVIOUS.
    Step {
        /// Which way.
        direction: Direction,
        /// What the position rests on.
        stand: Stand,
        /// Which ends were met.
        edge: Edge,
        /// The greatest number that the RELATIVE KEY holds; `None` where there is none.
        largest: Option<u64>,
    },
    /// START.
    Start {
        /// By what.
        relation: Relation,
        /// From which value.
        wanted: Wanted<'a>,
    },
    /// WRITE.
    Write {
        /// The record, with its own length.
        record: &'a [u8],
        /// Where.
        placing: Placing,
    },
    /// REWRITE.
    Rewrite {
        /// The record, with its own length.
        record: &'a [u8],
        /// Which one it replaces.
        replaced: Replaced,
    },
    /// DELETE.
    Delete(Deleted<'a>),
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The FILE STATUS.
    pub status: Status,
    /// The record read, with its own length. Of a line sequential file the rest of the area is
    /// filled with spaces; else it stays as it is.
    pub record: Option<Vec<u8>>,
    /// What the RELATIVE KEY is set to.
    pub number: Option<u64>,
}

impl Answer {
    /// Only a status.
    #[must_use]
    pub const fn of(status: Status) -> Self {
        Self { status, record: None, number: None }
    }

    /// A record that was read.
    #[must_use]
    pub const fn record(status: Status, record: Vec<u8>) -> Self {
        Self { status, record: Some(record), number: None }
    }
}

/// What no worker that keeps to the rules asks; its engine ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The file's organization knows no such operation.
    Organization,
    /// The file has no key with this number.
    NoSuchKey,
    /// The value of a key is empty, too long, or for READ too short.
    KeyLength,
    /// The record is shorter than the file's shortest or longer than its longest.
    RecordLength,
    /// A change of the record read just before, and none was.
    NothingRead,
}

/// Why an operation has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<E> {
    /// The store failed.
    Store(E),
    /// The question was none.
    Malformed(Malformed),
    /// A row of an alternate key has no record, or a record lacks its row: the store is damaged.
    Inconsistent,
}

impl<E> From<E> for Failure<E> {
    fn from(error: E) -> Self {
        Self::Store(error)
    }
}
