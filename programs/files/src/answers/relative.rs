//! Relative files: records by number.

use crate::operation::{
    Answer, Deleted, Direction, Edge, Failure, Malformed, Operation, Placing, Relation, Replaced,
    Stand, Wanted,
};
use crate::records::{Held, Records, Seek, number_key, number_of};
use crate::status::Status;

/// The greatest number of a record: what libcob's `int` holds.
pub(crate) const NUMBER_MAX: u64 = i32::MAX as u64;

/// What READ NEXT goes on from. Also writing and deleting by number move it, as in GnuCOBOL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    /// The record with this number is still to be given, if it is there.
    On(u64),
    /// The record with this number was the last one.
    After(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    spot: Spot,
    /// The record that a REWRITE or DELETE in sequential access means.
    last_read: Option<u64>,
}

impl Cursor {
    pub(super) const fn new() -> Self {
        Self { spot: Spot::On(1), last_read: None }
    }
}

/// A record and its number.
struct Numbered {
    number: u64,
    record: Vec<u8>,
}

pub(super) struct File<'a, R> {
    pub(super) records: &'a mut R,
    pub(super) cursor: &'a mut Cursor,
}

impl<R: Records> File<'_, R> {
    pub(super) fn answer(
        &mut self,
        operation: &Operation<'_>,
    ) -> Result<Answer, Failure<R::Error>> {
        match *operation {
            Operation::Read(wanted) => self.read(number(wanted)?),
            Operation::Step { direction, stand, edge, largest } => {
                self.step(direction, stand, edge, largest)
            }
            Operation::Start { relation, wanted } => self.start(relation, number(wanted)?),
            Operation::Write { record, placing } => match placing {
                Placing::Number(number) => self.write(number, record),
                Placing::Append => self.append(record),
                Placing::AscendingFromEmpty
                | Placing::Ascending
                | Placing::ByKey
                | Placing::Printed(_) => Err(Failure::Malformed(Malformed::Organization)),
            },
            Operation::Rewrite { record, replaced } => match replaced {
                Replaced::Number(number) => self.rewrite(number, record),
                Replaced::LastRead => self.rewrite(self.last_read()?, record),
                Replaced::SameKey => Err(Failure::Malformed(Malformed::Organization)),
            },
            Operation::Delete(deleted) => match deleted {
                Deleted::Number(number) => self.delete(number),
                Deleted::LastRead => self.delete(self.last_read()?),
                Deleted::Key(_) => Err(Failure::Malformed(Malformed::Organization)),
            },
        }
    }

    fn last_read(&self) -> Result<u64, Failure<R::Error>> {
        self.cursor.last_read.ok_or(Failure::Malformed(Malformed::NothingRead))
    }

    fn read(&mut self, number: u64) -> Result<Answer, Failure<R::Error>> {
        if !is_number(number) {
            return Ok(Answer::of(Status::NotFound));
        }
        match self.records.record(&number_key(number))? {
            Some(record) => {
                self.given(number);
                Ok(Answer::record(Status::Done, record))
            }
            None => {
                self.cursor.spot = Spot::On(number);
                Ok(Answer::of(Status::NotFound))
            }
        }
    }

    fn given(&mut self, number: u64) {
        *self.cursor = Cursor { spot: Spot::After(number), last_read: Some(number) };
    }

    fn step(
        &mut self,
        direction: Direction,
        stand: Stand,
        edge: Edge,
        largest: Option<u64>,
    ) -> Result<Answer, Failure<R::Error>> {
        let seek = match (direction, edge, stand, self.cursor.spot) {
            (Direction::Next, Edge::Beginning | Edge::Both, _, _) => Seek::First,
            (Direction::Next, Edge::Inside | Edge::End, _, Spot::On(number)) => {
                Seek::AtLeast(number)
            }
            (Direction::Next, Edge::Inside | Edge::End, _, Spot::After(number)) => {
                Seek::Above(number)
            }
            (Direction::Previous, Edge::End | Edge::Both, _, _) => Seek::Last,
            (Direction::Previous, Edge::Inside | Edge::Beginning, Stand::Opened, _) => {
                return Ok(Answer::of(Status::AtEnd));
            }
            (
                Direction::Previous,
                Edge::Inside | Edge::Beginning,
                Stand::Started,
                Spot::On(number),
            ) => Seek::AtMost(number),
            (
                Direction::Previous,
                Edge::Inside | Edge::Beginning,
                Stand::Started | Stand::Passed,
                Spot::On(number) | Spot::After(number),
            ) => Seek::Below(number),
        };
        let Some(Numbered { number, record }) = self.seek(seek)? else {
            return Ok(Answer::of(Status::AtEnd));
        };
        if largest.is_some_and(|largest| largest < number) {
            // The record is in the area, its number nowhere; the next READ NEXT meets it again.
            self.cursor.spot = Spot::On(number);
            let status = Status::NumberTooLong;
            return Ok(Answer { status, record: Some(record), number: Some(0) });
        }
        self.given(number);
        Ok(Answer { status: Status::Done, record: Some(record), number: Some(number) })
    }

    fn seek(&mut self, seek: Seek<u64>) -> Result<Option<Numbered>, Failure<R::Error>> {
        let key;
        let seek = match seek {
            Seek::First => Seek::First,
            Seek::Last => Seek::Last,
            Seek::AtLeast(number) => {
                key = number_key(number);
                Seek::AtLeast(key.as_slice())
            }
            Seek::Above(number) => {
                key = number_key(number);
                Seek::Above(key.as_slice())
            }
            Seek::Below(number) => {
                key = number_key(number);
                Seek::Below(key.as_slice())
            }
            Seek::AtMost(number) => {
                key = number_key(number);
                Seek::AtMost(key.as_slice())
            }
        };
        match self.records.seek(seek)? {
            None => Ok(None),
            Some(Held { key, record }) => {
                let number = number_of(&key).ok_or(Failure::Inconsistent)?;
                Ok(Some(Numbered { number, record }))
            }
        }
    }

    fn start(&mut self, relation: Relation, number: u64) -> Result<Answer, Failure<R::Error>> {
        let found = match relation {
            Relation::Equal => {
                self.seek(Seek::AtLeast(number))?.filter(|found| found.number == number)
            }
            Relation::Greater => self.seek(Seek::Above(number))?,
            Relation::AtLeast => self.seek(Seek::AtLeast(number))?,
            Relation::Less => self.seek(Seek::Below(number))?,
            Relation::AtMost => self.seek(Seek::AtMost(number))?,
            Relation::First => self.seek(Seek::First)?,
            Relation::Last => self.seek(Seek::Last)?,
        };
        Ok(match found {
            Some(Numbered { number, .. }) => {
                self.cursor.spot = Spot::On(number);
                Answer::of(Status::Done)
            }
            None => Answer::of(Status::NotFound),
        })
    }

    fn write(&mut self, number: u64, record: &[u8]) -> Result<Answer, Failure<R::Error>> {
        if !is_number(number) {
            return Ok(Answer::of(Status::Beyond));
        }
        if self.records.record(&number_key(number))?.is_some() {
            return Ok(Answer::of(Status::Exists));
        }
        self.put_new(number, record)
    }

    fn append(&mut self, record: &[u8]) -> Result<Answer, Failure<R::Error>> {
        let last = self.seek(Seek::Last)?.map_or(0, |last| last.number);
        let number = last.saturating_add(1);
        if !is_number(number) {
            return Ok(Answer::of(Status::Beyond));
        }
        let answer = self.put_new(number, record)?;
        let number = answer.status.is_done().then_some(number);
        Ok(Answer { number, ..answer })
    }

    fn put_new(&mut self, number: u64, record: &[u8]) -> Result<Answer, Failure<R::Error>> {
        if self.records.is_full()? {
            return Ok(Answer::of(Status::Beyond));
        }
        self.records.put(&number_key(number), record)?;
        self.cursor.spot = Spot::After(number);
        Ok(Answer::of(Status::Done))
    }

    fn rewrite(&mut self, number: u64, record: &[u8]) -> Result<Answer, Failure<R::Error>> {
        let status = self.there(number)?;
        if status.is_done() {
            self.records.put(&number_key(number), record)?;
        }
        Ok(Answer::of(status))
    }

    fn delete(&mut self, number: u64) -> Result<Answer, Failure<R::Error>> {
        let status = self.there(number)?;
        if status.is_done() {
            self.records.remove(&number_key(number))?;
        }
        Ok(Answer::of(status))
    }

    /// Goes to a record that is to be changed.
    fn there(&mut self, number: u64) -> Result<Status, Failure<R::Error>> {
        if !is_number(number) {
            return Ok(Status::Beyond);
        }
        let held = self.records.record(&number_key(number))?.is_some();
        let (spot, status) = if held {
            (Spot::After(number), Status::Done)
        } else {
            (Spot::On(number), Status::NotFound)
        };
        self.cursor.spot = spot;
        Ok(status)
    }
}

fn is_number(number: u64) -> bool {
    (1..=NUMBER_MAX).contains(&number)
}

fn number<E>(wanted: Wanted<'_>) -> Result<u64, Failure<E>> {
    match wanted {
        Wanted::Number(number) => Ok(number),
        Wanted::Key { .. } => Err(Failure::Malformed(Malformed::Organization)),
    }
}
