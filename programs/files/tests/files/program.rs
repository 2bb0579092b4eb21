//! A program with one file: worker and engine in one, over any records.

use std::fmt::Debug;

use tsugi_files::answers::{Cursor, ReadDuplicates, Terms};
use tsugi_files::definition::{Definition, Organization};
use tsugi_files::front::{Area, Closing, Front, Next, Select, Verb};
use tsugi_files::open::{
    Known, Mode, Named, Opened, Opening, Optional, Others, Presence, Recreate, Rights, delete_file,
    open,
};
use tsugi_files::operation::{Answer, Direction, Operation, Wanted};
use tsugi_files::print::{Advancing, Feed};
use tsugi_files::records::Records;
use tsugi_files::status::Status;

use super::memory::Memory;
use super::script::{Length, Line, Order, Shown};
use super::sqlite::Sqlite;

/// Records that can be made anew: a generation.
pub trait Generations: Records<Error: Debug> {
    fn renew(&mut self);
}

impl Generations for Memory {
    fn renew(&mut self) {
        let quota = self.quota;
        *self = Self::default();
        self.quota = quota;
    }
}

impl Generations for Sqlite {
    fn renew(&mut self) {
        Self::renew(self);
    }
}

/// Whether FD says DEPENDING ON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depending {
    Yes,
    No,
}

/// What a program says of its file.
#[derive(Clone, Debug)]
pub struct Declared {
    pub select: Select,
    pub definition: Definition,
    pub optional: Optional,
    pub depending: Depending,
}

/// Bytes that a script cannot hold, and what is written for them.
const WRITTEN: [(u8, u8); 4] = [(b'~', b'\n'), (b'^', b'\r'), (b'!', 0), (b'?', 0xff)];

fn meant(byte: u8) -> u8 {
    WRITTEN.into_iter().find(|(written, _)| *written == byte).map_or(byte, |(_, meant)| meant)
}

fn written(byte: u8) -> u8 {
    WRITTEN.into_iter().find(|(_, meant)| *meant == byte).map_or(byte, |(written, _)| written)
}

/// Who keeps the file of a program.
pub trait Behind {
    /// OPEN.
    fn open(&mut self, mode: Mode) -> Opening;
    /// DELETE FILE.
    fn delete_file(&mut self) -> Status;
    /// Anything that needs the records.
    fn answer(&mut self, operation: &Operation<'_>) -> Answer;
}

/// The program's fields.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    area: Vec<u8>,
    number: u32,
    depending: u32,
}

/// The program, its fields and its file.
pub struct Program<S> {
    pub declared: Declared,
    pub front: Front,
    cursor: Option<Cursor>,
    pub records: S,
    pub presence: Presence,
    pub known: Known,
    fields: Fields,
}

impl<S: Generations> Program<S> {
    pub fn new(declared: Declared, records: S) -> Self {
        let front = Front::new(declared.select);
        let known = Known {
            presence: Presence::Missing,
            rights: Rights::Change,
            recreate: Recreate::Refused,
            others: Others::Share,
        };
        let (presence, fields) = (Presence::Missing, Fields::default());
        Self { declared, front, cursor: None, records, presence, known, fields }
    }

    /// Carries a line out.
    pub fn run(&mut self, line: &Line) -> Shown {
        let Self { declared, front, cursor, records, presence, known, fields } = self;
        let mut here = Here { declared, cursor, records, presence, known };
        run(declared, front, fields, line, &mut here)
    }

    /// Writes a line's record with what was counted around it.
    pub fn print(&mut self, line: &Line, around: Advancing) -> Shown {
        let Self { declared, front, cursor, records, presence, known, fields } = self;
        let mut here = Here { declared, cursor, records, presence, known };
        fields.of(declared, line);
        let bytes = fields.area.clone();
        let area = Area { bytes: &bytes, depending: None, number: 0 };
        let status = asked(declared, front, fields, Verb::Print(area, around), &mut here);
        fields.shown(status)
    }
}

/// The engine's half, over records that are here.
struct Here<'a, S> {
    declared: &'a Declared,
    cursor: &'a mut Option<Cursor>,
    records: &'a mut S,
    presence: &'a mut Presence,
    known: &'a Known,
}

impl<S> Here<'_, S> {
    fn named(&self) -> Named {
        Named::In(Known { presence: *self.presence, ..*self.known })
    }
}

impl<S: Generations> Behind for Here<'_, S> {
    fn open(&mut self, mode: Mode) -> Opening {
        let organization = self.declared.select.organization;
        let opening = open(organization, mode, self.declared.optional, self.named());
        if let Opening::Done(_, opened) = opening {
            match opened {
                Opened::Made => {
                    self.records.renew();
                    *self.presence = Presence::Fits;
                }
                Opened::Kept | Opened::Absent => {}
            }
            *self.cursor = None;
        }
        opening
    }

    fn delete_file(&mut self) -> Status {
        let status = delete_file(self.named());
        if status == Status::Done {
            self.records.renew();
            *self.presence = Presence::Missing;
        }
        status
    }

    fn answer(&mut self, operation: &Operation<'_>) -> Answer {
        let definition = &self.declared.definition;
        let cursor = self.cursor.get_or_insert_with(|| Cursor::new(definition));
        let terms = Terms { definition, read_duplicates: ReadDuplicates::Untold };
        cursor.answer(terms, self.records, operation).expect("an answer")
    }
}

/// Carries a line out over whoever keeps the file.
pub fn run(
    declared: &Declared,
    front: &mut Front,
    fields: &mut Fields,
    line: &Line,
    behind: &mut dyn Behind,
) -> Shown {
    fields.of(declared, line);
    let status = carry_out(declared, front, fields, line, behind);
    fields.shown(status)
}

fn carry_out(
    declared: &Declared,
    front: &mut Front,
    fields: &mut Fields,
    line: &Line,
    behind: &mut dyn Behind,
) -> Status {
    let bytes = fields.area.clone();
    let depending = match declared.depending {
        Depending::Yes => Some(i64::from(fields.depending)),
        Depending::No => None,
    };
    let area = Area { bytes: &bytes, depending, number: u64::from(fields.number) };
    let value = |number: usize| {
        let key = declared.definition.keys().get(number);
        key.map(|key| key.value(&bytes)).unwrap_or_default()
    };
    let (value, primary) = (value(line.key), value(0));
    asked(declared, front, fields, verb(declared, line, area, (&value, &primary)), behind)
}

fn asked(
    declared: &Declared,
    front: &mut Front,
    fields: &mut Fields,
    verb: Verb<'_>,
    behind: &mut dyn Behind,
) -> Status {
    match front.verb(verb) {
        Next::Answered(status) => status,
        Next::Open(mode) => {
            let opening = behind.open(mode);
            front.opened(mode, opening)
        }
        Next::DeleteFile => behind.delete_file(),
        Next::Ask(operation) => {
            let answer = behind.answer(&operation);
            front.answered(&operation, &answer);
            fields.fill(declared, &answer);
            answer.status
        }
    }
}

/// What a line means, with the values of the key it goes by and of the primary one.
fn verb<'a>(
    declared: &Declared,
    line: &Line,
    area: Area<'a>,
    (value, primary): (&'a [u8], &'a [u8]),
) -> Verb<'a> {
    let indexed = declared.select.organization == Organization::Indexed;
    let wanted = |number, value| match indexed {
        true => Wanted::Key { number, value },
        false => Wanted::Number(area.number),
    };
    let lines = Feed::Lines(u16::try_from(line.length).expect("a few lines"));
    match line.order {
        Order::OpenInput => Verb::Open(Mode::Input),
        Order::OpenOutput => Verb::Open(Mode::Output),
        Order::OpenBoth => Verb::Open(Mode::InputOutput),
        Order::OpenExtend => Verb::Open(Mode::Extend),
        Order::Close => Verb::Close(Closing::Plain),
        Order::CloseLock => Verb::Close(Closing::Lock),
        Order::CloseNoRewind => Verb::Close(Closing::NoRewind),
        Order::CloseUnit => Verb::Close(Closing::Unit),
        Order::Next => Verb::Step(Direction::Next),
        Order::Previous => Verb::Step(Direction::Previous),
        Order::Read => Verb::Read(wanted(line.key, value)),
        Order::Start(relation, length) => {
            let size = match length {
                Length::Whole => None,
                Length::Leading => Some(i64::from(line.length)),
            };
            Verb::Start(relation, wanted(line.key, value), size)
        }
        Order::Write => Verb::Write(area),
        Order::Before => Verb::Print(area, Advancing::Before(lines)),
        Order::After => Verb::Print(area, Advancing::After(lines)),
        Order::BeforePage => Verb::Print(area, Advancing::Before(Feed::Page)),
        Order::AfterPage => Verb::Print(area, Advancing::After(Feed::Page)),
        Order::Rewrite => Verb::Rewrite(area),
        Order::Delete => Verb::Delete(wanted(0, primary)),
        Order::Unlock => Verb::Unlock,
        Order::DeleteFile => Verb::DeleteFile,
    }
}

impl Fields {
    /// As a line of the script has them.
    fn of(&mut self, declared: &Declared, line: &Line) {
        let size = declared.definition.lengths().max as usize;
        self.area = line.record.bytes().map(meant).collect();
        self.area.resize(size, b' ');
        (self.number, self.depending) = (line.number, line.depending);
    }

    fn shown(&self, status: Status) -> Shown {
        let record = self.area.iter().map(|byte| char::from(written(*byte))).collect();
        let status = status.characters().to_owned();
        Shown { status, number: self.number, depending: self.depending, record }
    }

    /// Puts what was answered into them.
    fn fill(&mut self, declared: &Declared, answer: &Answer) {
        if let Some(record) = &answer.record {
            if declared.select.organization == Organization::LineSequential {
                self.area.fill(b' ');
            }
            self.area[..record.len()].copy_from_slice(record);
            let read = matches!(answer.status, Status::Done | Status::Duplicate);
            if read && declared.depending == Depending::Yes {
                self.depending = u32::try_from(record.len()).expect("a length");
            }
        }
        if let Some(number) = answer.number {
            self.number = u32::try_from(number % 10_000).expect("four digits");
        }
    }
}
