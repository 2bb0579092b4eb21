//! The worker's side of a file: what is answered without the records, and what is asked.

use crate::definition::{Access, Lengths, Organization};
use crate::open::{Mode, Opened, Opening};
use crate::operation::{
    Answer, Deleted, Direction, Edge, Operation, Placing, Relation, Replaced, Stand, Wanted,
};
use crate::print::{Advancing, Control, Feed, Owed};
use crate::status::Status;

/// What a program says of a file in SELECT and FD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Select {
    /// How its records are ordered.
    pub organization: Organization,
    /// How the program goes through it.
    pub access: Access,
    /// How long its records are.
    pub lengths: Lengths,
    /// The greatest number that its RELATIVE KEY holds; `None` where there is none.
    pub largest: Option<u64>,
}

/// How a file is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// CLOSE.
    Plain,
    /// WITH LOCK: this worker does not open it again.
    Lock,
    /// WITH NO REWIND.
    NoRewind,
    /// REEL or UNIT: the file stays open, unless it is indexed or not there.
    Unit,
}

/// A record that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area<'a> {
    /// The record named in the statement, in its whole length.
    pub bytes: &'a [u8],
    /// What DEPENDING ON says, where FD has it.
    pub depending: Option<i64>,
    /// The RELATIVE KEY, where there is one. What is less than 1 counts as 0.
    pub number: u64,
}

/// A statement about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb<'a> {
    /// OPEN.
    Open(Mode),
    /// CLOSE.
    Close(Closing),
    /// READ NEXT, READ PREVIOUS, and READ of a file in sequential access.
    Step(Direction),
    /// READ by key.
    Read(Wanted<'a>),
    /// START; with LENGTH, how many leading bytes of the value count.
    Start(Relation, Wanted<'a>, Option<i64>),
    /// WRITE.
    Write(Area<'a>),
    /// WRITE … ADVANCING.
    Print(Area<'a>, Advancing),
    /// REWRITE.
    Rewrite(Area<'a>),
    /// DELETE; of an indexed file by the value of its primary key in the record area.
    Delete(Wanted<'a>),
    /// UNLOCK.
    Unlock,
    /// DELETE FILE.
    DeleteFile,
}

/// What follows from a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// This is its status.
    Answered(Status),
    /// [`open`](crate::open::open) says, then [`opened`](Front::opened).
    Open(Mode),
    /// [`delete_file`](crate::open::delete_file) says.
    DeleteFile,
    /// The engine says, then [`answered`](Front::answered).
    Ask(Operation<'a>),
}

/// What the next READ goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// An OPTIONAL file that is not there, not read yet.
    AbsentUnread,
    /// An OPTIONAL file that is not there.
    Absent,
    /// The engine has one.
    At(Stand, Edge),
    /// The file stayed open when its call ended: the engine has forgotten it.
    Lost,
}

/// Whether REWRITE and DELETE may follow in sequential access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastVerb {
    /// A READ that gave a record.
    Read,
    /// Another one.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    mode: Mode,
    position: Position,
    last_verb: LastVerb,
    /// How long the record read or written last was.
    length: usize,
    /// What CLOSE would write, and is there already.
    owed: Owed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Locked,
    Open(Open),
}

/// One file of one program in one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    select: Select,
    state: State,
}

impl Front {
    /// A closed file.
    #[must_use]
    pub const fn new(select: Select) -> Self {
        Self { select, state: State::Closed }
    }

    /// How it is open; `None` when it is not.
    #[must_use]
    pub const fn mode(&self) -> Option<Mode> {
        match &self.state {
            State::Open(open) => Some(open.mode),
            State::Closed | State::Locked => None,
        }
    }

    /// A statement about it: checked, and answered or asked.
    pub fn verb<'a>(&mut self, verb: Verb<'a>) -> Next<'a> {
        match (&mut self.state, verb) {
            (State::Closed, Verb::Open(mode)) => Next::Open(mode),
            (State::Locked, Verb::Open(_) | Verb::DeleteFile) => {
                Next::Answered(Status::ClosedWithLock)
            }
            (State::Open(_), Verb::Open(_) | Verb::DeleteFile) => {
                Next::Answered(Status::AlreadyOpen)
            }
            (State::Closed, Verb::DeleteFile) => Next::DeleteFile,
            // libcob answers so whether the file is open or not.
            (_, Verb::Unlock) => Next::Answered(Status::Done),
            (State::Closed | State::Locked, Verb::Close(_)) => Next::Answered(Status::NotOpen),
            (State::Open(_), Verb::Close(closing)) => Next::Answered(self.close(closing)),
            (State::Closed | State::Locked, verb) => Next::Answered(not_open(verb)),
            (State::Open(open), verb) => open.verb(&self.select, verb),
        }
    }

    /// What OPEN came to.
    pub fn opened(&mut self, mode: Mode, opening: Opening) -> Status {
        match opening {
            Opening::Refused(status) => status,
            Opening::Done(status, opened) => {
                let position = match opened {
                    Opened::Kept | Opened::Made => Position::At(Stand::Opened, Edge::Inside),
                    Opened::Absent => Position::AbsentUnread,
                };
                let last_verb = LastVerb::Other;
                let owed = Owed::Nothing;
                self.state = State::Open(Open { mode, position, last_verb, length: 0, owed });
                status
            }
        }
    }

    /// What the engine answered.
    pub fn answered(&mut self, operation: &Operation<'_>, answer: &Answer) {
        if let State::Open(open) = &mut self.state {
            open.answered(operation, answer);
        }
    }

    /// The call ended and the file was left open: the engine has dropped its position.
    pub fn call_ended(&mut self) {
        if let State::Open(open) = &mut self.state {
            open.last_verb = LastVerb::Other;
            open.position = match open.position {
                Position::AbsentUnread | Position::Absent => open.position,
                Position::At(..) | Position::Lost => Position::Lost,
            };
        }
    }

    fn close(&mut self, closing: Closing) -> Status {
        let absent = match &self.state {
            State::Open(open) => {
                matches!(open.position, Position::AbsentUnread | Position::Absent)
            }
            State::Closed | State::Locked => true,
        };
        // What NO REWIND, REEL and UNIT say is heard only where there is a file of bytes.
        let heard = match self.select.organization {
            Organization::Indexed => false,
            Organization::LineSequential | Organization::Sequential | Organization::Relative => {
                !absent
            }
        };
        match (closing, heard) {
            (Closing::Plain, _) | (Closing::NoRewind | Closing::Unit, false) => {
                self.state = State::Closed;
                Status::Done
            }
            (Closing::Lock, _) => {
                self.state = State::Locked;
                Status::Done
            }
            (Closing::NoRewind, true) => {
                self.state = State::Closed;
                Status::NoUnit
            }
            (Closing::Unit, true) => {
                if let State::Open(open) = &mut self.state {
                    open.last_verb = LastVerb::Other;
                }
                Status::NoUnit
            }
        }
    }
}

/// What a statement is refused with where the file is not open as it needs.
const fn not_open(verb: Verb<'_>) -> Status {
    match verb {
        Verb::Step(_) | Verb::Read(_) | Verb::Start(..) => Status::NotForReading,
        Verb::Write(_) | Verb::Print(..) => Status::NotForWriting,
        Verb::Rewrite(_) | Verb::Delete(_) => Status::NotForChanging,
        Verb::Open(_) | Verb::DeleteFile => Status::AlreadyOpen,
        Verb::Close(_) | Verb::Unlock => Status::NotOpen,
    }
}

/// Whether a statement may be made of a file that is open in a mode.
const fn is_allowed(mode: Mode, access: Access, verb: Verb<'_>) -> bool {
    match (verb, mode, access) {
        (Verb::Step(_), Mode::Input | Mode::InputOutput, _) => true,
        (Verb::Read(_), Mode::Input | Mode::InputOutput, Access::Random | Access::Dynamic) => true,
        (
            Verb::Start(..),
            Mode::Input | Mode::InputOutput,
            Access::Sequential | Access::Dynamic,
        ) => true,
        (Verb::Write(_) | Verb::Print(..), Mode::Output, _) => true,
        (Verb::Write(_) | Verb::Print(..), Mode::Extend, Access::Sequential) => true,
        (Verb::Write(_) | Verb::Print(..), Mode::InputOutput, Access::Random | Access::Dynamic) => {
            true
        }
        (Verb::Rewrite(_) | Verb::Delete(_), Mode::InputOutput, _) => true,
        (Verb::Step(_), Mode::Output | Mode::Extend, _)
        | (Verb::Read(_), Mode::Output | Mode::Extend, _)
        | (Verb::Read(_), _, Access::Sequential)
        | (Verb::Start(..), Mode::Output | Mode::Extend, _)
        | (Verb::Start(..), _, Access::Random)
        | (Verb::Write(_) | Verb::Print(..), Mode::Input, _)
        | (Verb::Write(_) | Verb::Print(..), Mode::Extend, Access::Random | Access::Dynamic)
        | (Verb::Write(_) | Verb::Print(..), Mode::InputOutput, Access::Sequential)
        | (Verb::Rewrite(_) | Verb::Delete(_), Mode::Input | Mode::Output | Mode::Extend, _)
        | (Verb::Open(_) | Verb::DeleteFile | Verb::Close(_) | Verb::Unlock, _, _) => false,
    }
}

impl Open {
    fn verb<'a>(&mut self, select: &Select, verb: Verb<'a>) -> Next<'a> {
        let read_before = std::mem::replace(&mut self.last_verb, LastVerb::Other);
        if !is_allowed(self.mode, select.access, verb) {
            return Next::Answered(not_open(verb));
        }
        let asked = match verb {
            Verb::Step(direction) => self.step(select, direction),
            Verb::Read(wanted) => self.read(wanted),
            Verb::Start(relation, wanted, size) => self.start(relation, wanted, size),
            Verb::Write(area) => self.write(select, area, None),
            Verb::Print(area, advancing) => self.write(select, area, Some(advancing)),
            Verb::Rewrite(area) => self.rewrite(select, area, read_before),
            Verb::Delete(wanted) => delete(select, wanted, read_before),
            Verb::Open(_) | Verb::Close(_) | Verb::Unlock | Verb::DeleteFile => Err(not_open(verb)),
        };
        asked.map_or_else(Next::Answered, Next::Ask)
    }

    fn step<'a>(&mut self, select: &Select, direction: Direction) -> Result<Operation<'a>, Status> {
        let (stand, edge) = match self.position {
            Position::AbsentUnread => {
                self.position = Position::Absent;
                return Err(Status::AtEnd);
            }
            Position::Absent | Position::Lost => return Err(Status::NoPosition),
            Position::At(stand, edge) => (stand, edge),
        };
        match (direction, edge) {
            (Direction::Next, Edge::End | Edge::Both)
            | (Direction::Previous, Edge::Beginning | Edge::Both) => Err(Status::NoPosition),
            (Direction::Next, Edge::Inside | Edge::Beginning)
            | (Direction::Previous, Edge::Inside | Edge::End) => {
                Ok(Operation::Step { direction, stand, edge, largest: select.largest })
            }
        }
    }

    fn read<'a>(&mut self, wanted: Wanted<'a>) -> Result<Operation<'a>, Status> {
        match self.position {
            // The first READ of a file that is not there meets its end, also by key.
            Position::AbsentUnread => {
                self.position = Position::Absent;
                Err(Status::AtEnd)
            }
            Position::Absent => Err(Status::NotFound),
            Position::At(..) | Position::Lost => Ok(Operation::Read(wanted)),
        }
    }

    fn start<'a>(
        &mut self,
        relation: Relation,
        wanted: Wanted<'a>,
        size: Option<i64>,
    ) -> Result<Operation<'a>, Status> {
        match self.position {
            Position::AbsentUnread | Position::Absent => {
                self.position = Position::Absent;
                return Err(Status::NotFound);
            }
            Position::Lost => {}
            // Also a START that is refused for its LENGTH ends what OPEN or START began.
            Position::At(_, edge) => self.position = Position::At(Stand::Passed, edge),
        }
        let wanted = match (wanted, size) {
            (Wanted::Key { number, value }, Some(size)) => {
                let size = usize::try_from(size).unwrap_or_default();
                let value = value.get(..size).filter(|value| !value.is_empty());
                Wanted::Key { number, value: value.ok_or(Status::NotFound)? }
            }
            (wanted @ (Wanted::Key { .. } | Wanted::Number(_)), _) => wanted,
        };
        Ok(Operation::Start { relation, wanted })
    }

    fn write<'a>(
        &mut self,
        select: &Select,
        area: Area<'a>,
        advancing: Option<Advancing>,
    ) -> Result<Operation<'a>, Status> {
        let record = of_length(select.lengths, area)?;
        self.length = record.len();
        let placing = match (select.organization, select.access, self.mode) {
            (Organization::LineSequential | Organization::Sequential, _, _) => {
                self.printed(select.organization, advancing)
            }
            (Organization::Relative, Access::Sequential, _) => Placing::Append,
            (Organization::Relative, Access::Random | Access::Dynamic, _) => {
                Placing::Number(area.number)
            }
            (Organization::Indexed, Access::Sequential, Mode::Output) => {
                Placing::AscendingFromEmpty
            }
            (
                Organization::Indexed,
                Access::Sequential,
                Mode::Input | Mode::InputOutput | Mode::Extend,
            ) => Placing::Ascending,
            (Organization::Indexed, Access::Random | Access::Dynamic, _) => Placing::ByKey,
        };
        Ok(Operation::Write { record, placing })
    }

    /// How a record is written behind the last. Without ADVANCING a line is ended behind it, and
    /// a record without lines has nothing around it; what is owed to CLOSE stays so there.
    const fn printed(self, organization: Organization, advancing: Option<Advancing>) -> Placing {
        let lines = match organization {
            Organization::LineSequential => Some(Advancing::Before(Feed::Lines(1))),
            Organization::Sequential | Organization::Relative | Organization::Indexed => None,
        };
        let advancing = match (advancing, lines, self.owed) {
            // As it is written where nothing is said.
            (
                Some(
                    Advancing::Before(Feed::Lines(1)) | Advancing::Counted { before: 0, behind: 1 },
                )
                | None,
                Some(_),
                Owed::Nothing,
            )
            | (None, None, Owed::Nothing) => return Placing::Append,
            (Some(advancing), _, _) | (None, Some(advancing), Owed::LineFeed) => advancing,
            (None, None, Owed::LineFeed) => Advancing::After(Feed::Nothing),
        };
        Placing::Printed(Control { advancing, owed: self.owed })
    }

    fn rewrite<'a>(
        &mut self,
        select: &Select,
        area: Area<'a>,
        read_before: LastVerb,
    ) -> Result<Operation<'a>, Status> {
        let replaced = match (select.access, read_before, select.organization) {
            (Access::Sequential, LastVerb::Other, _) => return Err(Status::NoReadBefore),
            (Access::Sequential, LastVerb::Read, _)
            | (_, _, Organization::LineSequential | Organization::Sequential) => Replaced::LastRead,
            (Access::Random | Access::Dynamic, _, Organization::Indexed) => Replaced::SameKey,
            (Access::Random | Access::Dynamic, _, Organization::Relative) => {
                Replaced::Number(area.number)
            }
        };
        // In a sequential file nothing can move: the whole record named in the statement has to be
        // as long as the one read. GnuCOBOL compares that one also where DEPENDING ON is shorter.
        let fixed = match select.organization {
            Organization::Sequential => true,
            Organization::LineSequential | Organization::Indexed | Organization::Relative => false,
        };
        let other = area
            .depending
            .is_some_and(|depending| usize::try_from(depending).ok() != Some(self.length));
        if fixed && (area.bytes.len() != self.length || other) {
            return Err(Status::WrongLength);
        }
        let record = of_length(select.lengths, area)?;
        Ok(Operation::Rewrite { record, replaced })
    }

    fn answered(&mut self, operation: &Operation<'_>, answer: &Answer) {
        match operation {
            Operation::Read(_) => self.was_read(answer, None),
            Operation::Step { direction, .. } => self.was_read(answer, Some(*direction)),
            Operation::Start { .. } => {
                let edge = if answer.status == Status::Done { Edge::Inside } else { Edge::End };
                self.position = Position::At(Stand::Started, edge);
            }
            Operation::Write { placing: Placing::Printed(control), .. } => {
                if answer.status.is_done() {
                    self.owed = match control.advancing {
                        Advancing::Before(_) | Advancing::Counted { .. } => Owed::Nothing,
                        Advancing::After(_) => Owed::LineFeed,
                    };
                }
            }
            Operation::Write { .. } | Operation::Rewrite { .. } | Operation::Delete(_) => {}
        }
    }

    fn was_read(&mut self, answer: &Answer, direction: Option<Direction>) {
        if let Some(record) = &answer.record {
            self.length = record.len();
        }
        match (answer.status, self.position, direction) {
            (Status::Done | Status::Duplicate, _, _) => {
                self.last_verb = LastVerb::Read;
                self.position = Position::At(Stand::Passed, Edge::Inside);
            }
            (Status::AtEnd, Position::At(stand, edge), Some(direction)) => {
                self.position = Position::At(stand, edge.met(direction));
            }
            (_, _, _) => {}
        }
    }
}

impl Edge {
    /// The end in this direction was met.
    const fn met(self, direction: Direction) -> Self {
        match (self, direction) {
            (Self::Inside | Self::End, Direction::Next) => Self::End,
            (Self::Inside | Self::Beginning, Direction::Previous) => Self::Beginning,
            (Self::Beginning | Self::Both, Direction::Next)
            | (Self::End | Self::Both, Direction::Previous) => Self::Both,
        }
    }
}

fn delete<'a>(
    select: &Select,
    wanted: Wanted<'a>,
    read_before: LastVerb,
) -> Result<Operation<'a>, Status> {
    let deleted = match (select.organization, select.access, read_before, wanted) {
        (Organization::LineSequential | Organization::Sequential, _, _, _) => {
            return Err(Status::NotForChanging);
        }
        (_, Access::Sequential, LastVerb::Other, _) => return Err(Status::NoReadBefore),
        (_, Access::Sequential, LastVerb::Read, _) => Deleted::LastRead,
        (_, Access::Random | Access::Dynamic, _, Wanted::Key { value, .. }) => Deleted::Key(value),
        (_, Access::Random | Access::Dynamic, _, Wanted::Number(number)) => Deleted::Number(number),
    };
    Ok(Operation::Delete(deleted))
}

/// The record in the length that DEPENDING ON says, at most that of the area.
fn of_length(lengths: Lengths, area: Area<'_>) -> Result<&[u8], Status> {
    let whole = area.bytes.len();
    let length = area.depending.and_then(|said| usize::try_from(said).ok()).unwrap_or(whole);
    let record = area.bytes.get(..length).unwrap_or(area.bytes);
    let allowed = lengths.min as usize..=lengths.max as usize;
    if allowed.contains(&record.len()) { Ok(record) } else { Err(Status::WrongLength) }
}
