//! Operations and answers as frames have them: said by the worker, heard by the engine.
//!
//! What this room decides on and what is sent are two lists of the same things: frames stay what
//! they are while tables change. Both ends translate here, and a test takes each there and back.

use tsugi_frames::{
    Bytes, FileOperation, FileResult, Meant as SaidMeant, Optional as SaidOptional,
    Placing as SaidPlacing, Shape,
};

use crate::definition::{Access, Definition, Duplicates, Flaw, Key, Lengths, Organization, Part};
use crate::open::{Mode, Opened, Opening, Optional};
use crate::operation::{
    Answer, Deleted, Direction, Edge, Operation, Placing, Relation, Replaced, Stand, Wanted,
};
use crate::print::Control;
use crate::status::Status;

/// A name on either side, by the same table.
macro_rules! same {
    ($($name:ident { $($one:ident)* })*) => { $(
        impl From<$name> for tsugi_frames::$name {
            fn from(ours: $name) -> Self {
                match ours { $($name::$one => Self::$one,)* }
            }
        }
        impl From<tsugi_frames::$name> for $name {
            fn from(said: tsugi_frames::$name) -> Self {
                match said { $(tsugi_frames::$name::$one => Self::$one,)* }
            }
        }
    )* };
}

same! {
    Relation { Equal Greater AtLeast Less AtMost First Last }
    Mode { Input Output InputOutput Extend }
    Access { Sequential Random Dynamic }
    Optional { Yes No }
    Stand { Opened Started Passed }
    Edge { Inside End Beginning Both }
    Organization { LineSequential Sequential Indexed Relative }
    Duplicates { Refused Allowed }
}

/// What was said is no operation on a file: the engine ends whoever said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// The number of a record is eight bytes.
    Number,
    /// A print control is four bytes or five.
    Control,
    /// It is carried out by whoever keeps the files, not on the records of one.
    OfTheFile,
    /// There is no such status.
    Status(u8),
}

/// An OPEN as the engine hears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The index of the file in *welcome*.
    pub file: u16,
    /// How it is opened.
    pub mode: Mode,
    /// How the program goes through it.
    pub access: Access,
    /// Whether it may be missing.
    pub optional: Optional,
    /// What the program says of the file, where it is not what *welcome* says.
    pub differs: Option<Definition>,
}

impl Request {
    /// As it is sent.
    #[must_use]
    pub fn said(&self) -> FileOperation<'static> {
        FileOperation::Open {
            file: self.file,
            mode: self.mode.into(),
            access: self.access.into(),
            optional: self.optional.into(),
            shape: self.differs.as_ref().map(shape),
        }
    }

    /// What was sent.
    ///
    /// # Errors
    ///
    /// When there can be no such file. `None`: it was no OPEN.
    pub fn heard(said: &FileOperation<'_>) -> Option<Result<Self, Flaw>> {
        let FileOperation::Open { file, mode, access, optional, shape } = said else { return None };
        let differs = match shape.as_ref().map(definition).transpose() {
            Ok(differs) => differs,
            Err(flaw) => return Some(Err(flaw)),
        };
        let (mode, access) = ((*mode).into(), (*access).into());
        Some(Ok(Self {
            file: *file,
            mode,
            access,
            optional: SaidOptional::into(*optional),
            differs,
        }))
    }
}

/// What an OPEN has come to, as it is sent.
#[must_use]
pub fn opening_said(opening: Opening) -> FileResult<'static> {
    let status = match opening {
        Opening::Refused(status) | Opening::Done(status, _) => status,
    };
    status_said(status)
}

/// What was sent of an OPEN: which records an opened file has follows from status and mode.
#[must_use]
pub fn opening_heard(status: Status, mode: Mode) -> Opening {
    if !status.is_done() {
        return Opening::Refused(status);
    }
    let opened = match (status, mode) {
        (_, Mode::Output) => Opened::Made,
        (Status::OptionalMissing, Mode::Input) => Opened::Absent,
        (Status::OptionalMissing, Mode::InputOutput | Mode::Extend) => Opened::Made,
        (_, Mode::Input | Mode::InputOutput | Mode::Extend) => Opened::Kept,
    };
    Opening::Done(status, opened)
}

/// What a program says of a file, as it is sent.
#[must_use]
pub fn shape(definition: &Definition) -> Shape {
    let keys = definition.keys().iter().map(|key| tsugi_frames::Key {
        duplicates: key.duplicates.into(),
        suppressed: key.suppressed,
        parts: key.parts.iter().map(said_part).collect(),
    });
    Shape {
        organization: definition.organization().into(),
        shortest: definition.lengths().min,
        longest: definition.lengths().max,
        keys: keys.collect(),
    }
}

/// What was sent of a file.
///
/// # Errors
///
/// When there can be no such file.
pub fn definition(shape: &Shape) -> Result<Definition, Flaw> {
    let keys = shape.keys.iter().map(|key| Key {
        duplicates: key.duplicates.into(),
        suppressed: key.suppressed,
        parts: key.parts.iter().map(heard_part).collect(),
    });
    let lengths = Lengths { min: shape.shortest, max: shape.longest };
    Definition::new(shape.organization.into(), lengths, keys.collect())
}

/// What *welcome* says of a file.
///
/// # Errors
///
/// When there can be no such file.
pub fn listed(file: &tsugi_frames::File<'_>) -> Result<Definition, Flaw> {
    definition(&Shape {
        organization: file.organization,
        shortest: file.shortest,
        longest: file.longest,
        keys: file.keys.clone(),
    })
}

const fn said_part(part: &Part) -> tsugi_frames::Part {
    tsugi_frames::Part { offset: part.offset, length: part.length }
}

const fn heard_part(part: &tsugi_frames::Part) -> Part {
    Part { offset: part.offset, length: part.length }
}

/// An operation as it is sent. Of what READ NEXT finds one record is of use.
#[must_use]
pub fn operation_said<'a>(operation: &Operation<'a>) -> FileOperation<'a> {
    match *operation {
        Operation::Read(wanted) => {
            let (key, value) = said_wanted(wanted);
            FileOperation::Read { key, value }
        }
        Operation::Step { direction, stand, edge, largest } => {
            let (stand, edge, records) = (stand.into(), edge.into(), 1);
            match direction {
                Direction::Next => FileOperation::Next { records, stand, edge, largest },
                Direction::Previous => FileOperation::Previous { records, stand, edge, largest },
            }
        }
        Operation::Start { relation, wanted } => {
            let (key, value) = said_wanted(wanted);
            FileOperation::Start { key, relation: relation.into(), value }
        }
        Operation::Write { record, placing } => {
            let (placing, place) = match placing {
                Placing::AscendingFromEmpty => (SaidPlacing::AscendingFromEmpty, Bytes::default()),
                Placing::Ascending => (SaidPlacing::Ascending, Bytes::default()),
                Placing::ByKey => (SaidPlacing::ByKey, Bytes::default()),
                Placing::Number(number) => (SaidPlacing::ByNumber, eight(number)),
                Placing::Append => (SaidPlacing::Append, Bytes::default()),
                Placing::Printed(control) => (SaidPlacing::Printed, control.bytes().into()),
            };
            FileOperation::Write { placing, place, record: record.into() }
        }
        Operation::Rewrite { record, replaced } => {
            let (meant, place) = match replaced {
                Replaced::LastRead => (SaidMeant::LastRead, Bytes::default()),
                Replaced::SameKey => (SaidMeant::ByKey, Bytes::default()),
                Replaced::Number(number) => (SaidMeant::ByNumber, eight(number)),
            };
            FileOperation::Rewrite { meant, place, record: record.into() }
        }
        Operation::Delete(deleted) => {
            let (meant, place) = match deleted {
                Deleted::LastRead => (SaidMeant::LastRead, Bytes::default()),
                Deleted::Key(value) => (SaidMeant::ByKey, value.into()),
                Deleted::Number(number) => (SaidMeant::ByNumber, eight(number)),
            };
            FileOperation::Delete { meant, place }
        }
    }
}

/// What was sent, on a file of this organization.
///
/// # Errors
///
/// When it is no operation on records.
pub fn operation_heard<'a>(
    said: &'a FileOperation<'a>,
    organization: Organization,
) -> Result<Operation<'a>, Unheard> {
    let step = |direction, stand: &tsugi_frames::Stand, edge: &tsugi_frames::Edge, largest: &_| {
        let (stand, edge) = ((*stand).into(), (*edge).into());
        Operation::Step { direction, stand, edge, largest: *largest }
    };
    Ok(match said {
        FileOperation::Read { key, value } => Operation::Read(wanted(organization, *key, value)?),
        FileOperation::Next { stand, edge, largest, .. } => {
            step(Direction::Next, stand, edge, largest)
        }
        FileOperation::Previous { stand, edge, largest, .. } => {
            step(Direction::Previous, stand, edge, largest)
        }
        FileOperation::Start { key, relation, value } => {
            let wanted = wanted(organization, *key, value)?;
            Operation::Start { relation: (*relation).into(), wanted }
        }
        FileOperation::Write { placing, place, record } => {
            let placing = match placing {
                SaidPlacing::AscendingFromEmpty => Placing::AscendingFromEmpty,
                SaidPlacing::Ascending => Placing::Ascending,
                SaidPlacing::ByKey => Placing::ByKey,
                SaidPlacing::ByNumber => Placing::Number(number(place)?),
                SaidPlacing::Append => Placing::Append,
                SaidPlacing::Printed => {
                    Placing::Printed(Control::of(place).ok_or(Unheard::Control)?)
                }
            };
            Operation::Write { record, placing }
        }
        FileOperation::Rewrite { meant, place, record } => {
            let replaced = match meant {
                SaidMeant::LastRead => Replaced::LastRead,
                SaidMeant::ByKey => Replaced::SameKey,
                SaidMeant::ByNumber => Replaced::Number(number(place)?),
            };
            Operation::Rewrite { record, replaced }
        }
        FileOperation::Delete { meant, place } => Operation::Delete(match meant {
            SaidMeant::LastRead => Deleted::LastRead,
            SaidMeant::ByKey => Deleted::Key(place),
            SaidMeant::ByNumber => Deleted::Number(number(place)?),
        }),
        FileOperation::Open { .. } | FileOperation::Remove {} => return Err(Unheard::OfTheFile),
    })
}

/// An answer as it is sent.
#[must_use]
pub fn answer_said(answer: &Answer) -> FileResult<'_> {
    let record = answer.record.as_ref().map(|record| tsugi_frames::Record {
        number: answer.number.unwrap_or_default(),
        record: record.as_slice().into(),
    });
    FileResult {
        number: answer.number,
        records: record.into_iter().collect(),
        ..status_said(answer.status)
    }
}

/// What was answered.
///
/// # Errors
///
/// When there is no such status.
pub fn answer_heard(said: &FileResult<'_>) -> Result<Answer, Unheard> {
    Ok(Answer {
        status: status_heard(said)?,
        record: said.records.first().map(|first| first.record.to_vec()),
        number: said.number,
    })
}

/// A status alone, as it is sent.
#[must_use]
pub fn status_said(status: Status) -> FileResult<'static> {
    let status = match status.characters().as_bytes() {
        [tens, ones] => (tens - b'0') * 10 + (ones - b'0'),
        _ => u8::MAX,
    };
    FileResult { status, number: None, records: Vec::new() }
}

/// The status of what was answered.
///
/// # Errors
///
/// When there is none such.
pub fn status_heard(said: &FileResult<'_>) -> Result<Status, Unheard> {
    Status::of(&format!("{:02}", said.status)).ok_or(Unheard::Status(said.status))
}

fn eight(number: u64) -> Bytes<'static> {
    number.to_be_bytes().to_vec().into()
}

fn number(bytes: &[u8]) -> Result<u64, Unheard> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| Unheard::Number)
}

fn said_wanted(wanted: Wanted<'_>) -> (u16, Bytes<'_>) {
    match wanted {
        // There are no more keys than `KEYS_MAX`.
        Wanted::Key { number, value } => (u16::try_from(number).unwrap_or(u16::MAX), value.into()),
        Wanted::Number(number) => (0, eight(number)),
    }
}

fn wanted(organization: Organization, key: u16, value: &[u8]) -> Result<Wanted<'_>, Unheard> {
    match organization {
        Organization::Indexed => Ok(Wanted::Key { number: key.into(), value }),
        Organization::Relative | Organization::LineSequential | Organization::Sequential => {
            number(value).map(Wanted::Number)
        }
    }
}
