//! Sequential and line sequential files: records by ordinal.

mod printed;

use crate::definition::{Definition, Organization};
use crate::operation::{Answer, Direction, Failure, Malformed, Operation, Placing, Replaced};
use crate::print::{End, Line, Printed};
use crate::records::{Held, Records, Seek, number_key, number_of};
use crate::status::Status;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The ordinal from which READ goes on.
    next: u64,
    /// The record that a REWRITE means, and its length.
    last_read: Option<(u64, usize)>,
}

impl Cursor {
    pub(super) const fn new() -> Self {
        Self { next: 1, last_read: None }
    }
}

pub(super) struct File<'a, R> {
    pub(super) definition: &'a Definition,
    pub(super) records: &'a mut R,
    pub(super) cursor: &'a mut Cursor,
}

impl<R: Records> File<'_, R> {
    pub(super) fn answer(
        &mut self,
        operation: &Operation<'_>,
    ) -> Result<Answer, Failure<R::Error>> {
        match *operation {
            Operation::Step { direction: Direction::Next, .. } => self.next(),
            Operation::Write { record, placing: Placing::Append } => self.append(record),
            Operation::Write { record, placing: Placing::Printed(control) } => {
                self.print(record, control)
            }
            Operation::Rewrite { record, replaced: Replaced::LastRead } => self.rewrite(record),
            Operation::Step { direction: Direction::Previous, .. }
            | Operation::Read(_)
            | Operation::Start { .. }
            | Operation::Write { .. }
            | Operation::Rewrite { .. }
            | Operation::Delete(_) => Err(Failure::Malformed(Malformed::Organization)),
        }
    }

    fn next(&mut self) -> Result<Answer, Failure<R::Error>> {
        let from = number_key(self.cursor.next);
        let Some(Held { key, record }) = self.records.seek(Seek::AtLeast(&from))? else {
            return Ok(Answer::of(Status::AtEnd));
        };
        let ordinal = number_of(&key).ok_or(Failure::Inconsistent)?;
        let lengths = self.definition.lengths();
        let read = match self.definition.organization() {
            Organization::LineSequential => Line::of(record).ok_or(Failure::Inconsistent)?.read(),
            _ => Some(Printed::of(record, lengths.max).ok_or(Failure::Inconsistent)?.record),
        };
        let Some(mut record) = read else { return Ok(Answer::of(Status::AtEnd)) };
        // What was imported may be of any length: what does not fit the area is dropped.
        record.truncate(lengths.max as usize);
        self.cursor.next = ordinal.saturating_add(1);
        self.cursor.last_read = Some((ordinal, record.len()));
        let status = match self.definition.organization() {
            Organization::Sequential if record.len() < lengths.min as usize => Status::Short,
            Organization::LineSequential
            | Organization::Sequential
            | Organization::Indexed
            | Organization::Relative => Status::Done,
        };
        Ok(Answer::record(status, record))
    }

    fn append(&mut self, record: &[u8]) -> Result<Answer, Failure<R::Error>> {
        let last = match self.records.seek(Seek::Last)? {
            Some(held) => {
                if self.is_begun(&held.record)? {
                    return self.go_on(record);
                }
                number_of(&held.key).ok_or(Failure::Inconsistent)?
            }
            None => 0,
        };
        let ordinal = last.checked_add(1);
        let (Some(ordinal), false) = (ordinal, self.records.is_full()?) else {
            return Ok(Answer::of(Status::Full));
        };
        let record = match self.definition.organization() {
            Organization::LineSequential => without_trailing_spaces(record),
            Organization::Sequential | Organization::Indexed | Organization::Relative => record,
        };
        self.records.put(&number_key(ordinal), record)?;
        Ok(Answer::of(Status::Done))
    }

    fn rewrite(&mut self, record: &[u8]) -> Result<Answer, Failure<R::Error>> {
        let Some((ordinal, length)) = self.cursor.last_read else {
            return Err(Failure::Malformed(Malformed::NothingRead));
        };
        if record.len() != length {
            return Ok(Answer::of(Status::WrongLength));
        }
        let key = number_key(ordinal);
        let max = self.definition.lengths().max;
        let held = self.records.record(&key)?.unwrap_or_default();
        let record = record.to_vec();
        let row = match self.definition.organization() {
            Organization::LineSequential => Line::new(record, End::Ended).row(max),
            Organization::Sequential | Organization::Indexed | Organization::Relative => {
                // What was printed around it stays.
                let held = Printed::of(held, max).ok_or(Failure::Inconsistent)?;
                Printed { record, ..held }.row(max)
            }
        };
        self.records.put(&key, &row)?;
        Ok(Answer::of(Status::Done))
    }
}

fn without_trailing_spaces(record: &[u8]) -> &[u8] {
    let end = record.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at + 1);
    record.get(..end).unwrap_or(record)
}
