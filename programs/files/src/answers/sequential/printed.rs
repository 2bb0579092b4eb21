//! Records behind the last byte of a file, with what is written around them.

use super::{File, without_trailing_spaces};
use crate::definition::Organization;
use crate::operation::{Answer, Failure};
use crate::print::{Advancing, Control, End, Feed, Line, Owed, Printed};
use crate::records::{Held, Records, Seek, number_key, number_of};
use crate::status::Status;

/// How the rows of a file are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Lines,
    Pieces,
    Records,
}

/// The rows that are written: the first at `first`, in place of the one there if it `goes_on`.
struct Rows {
    first: u64,
    goes_on: GoesOn,
    rows: Vec<Vec<u8>>,
}

/// Whether the first row was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GoesOn {
    Yes,
    No,
}

impl<R: Records> File<'_, R> {
    const fn cut(&self) -> Cut {
        let lengths = self.definition.lengths();
        match self.definition.organization() {
            Organization::LineSequential => Cut::Lines,
            _ if lengths.min == lengths.max => Cut::Pieces,
            _ => Cut::Records,
        }
    }

    /// Whether what is written next goes on in this row, which is the last.
    pub(super) fn is_begun(&self, row: &[u8]) -> Result<bool, Failure<R::Error>> {
        match self.cut() {
            Cut::Lines => {
                let line = Line::of(row.to_vec()).ok_or(Failure::Inconsistent)?;
                Ok(line.end == End::Open)
            }
            Cut::Pieces => Ok(row.len() < self.definition.lengths().max as usize),
            Cut::Records => Ok(false),
        }
    }

    /// Writes a record without ADVANCING where a row is begun.
    pub(super) fn go_on(&mut self, record: &[u8]) -> Result<Answer, Failure<R::Error>> {
        let feed = match self.cut() {
            Cut::Lines => Feed::Lines(1),
            Cut::Pieces | Cut::Records => Feed::Nothing,
        };
        self.print(record, Control { advancing: Advancing::Before(feed), owed: Owed::Nothing })
    }

    /// WRITE … ADVANCING.
    pub(super) fn print(
        &mut self,
        record: &[u8],
        control: Control,
    ) -> Result<Answer, Failure<R::Error>> {
        let last = self.records.seek(Seek::Last)?;
        let last = match last {
            Some(Held { key, record }) => {
                Some((number_of(&key).ok_or(Failure::Inconsistent)?, record))
            }
            None => None,
        };
        let (before, behind) = control.advancing.around();
        let rows = match self.cut() {
            Cut::Lines => {
                let record = without_trailing_spaces(record);
                let bytes = [before.as_slice(), record, &behind].concat();
                self.lines(last, control.owed, &bytes)
            }
            Cut::Pieces => {
                let bytes = [before.as_slice(), record, &behind].concat();
                Some(self.pieces(last, control.owed, &bytes))
            }
            Cut::Records => {
                let printed = Printed { record: record.to_vec(), before, behind };
                Some(self.behind(last, control.owed, printed)?)
            }
        };
        self.put(&rows.ok_or(Failure::Inconsistent)?)
    }

    /// Bytes behind the last line. `None`: the last row is no line.
    fn lines(&self, last: Option<(u64, Vec<u8>)>, owed: Owed, bytes: &[u8]) -> Option<Rows> {
        let max = self.definition.lengths().max;
        let (first, goes_on, mut begun) = match last {
            None => (1, GoesOn::No, Vec::new()),
            Some((ordinal, row)) => {
                let line = Line::of(row)?;
                match (line.end, owed) {
                    (End::Open, _) | (End::Ended, Owed::LineFeed) => {
                        (ordinal, GoesOn::Yes, line.bytes)
                    }
                    (End::Ended, Owed::Nothing) => {
                        (ordinal.saturating_add(1), GoesOn::No, Vec::new())
                    }
                }
            }
        };
        let mut rows = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' => {
                    rows.push(Line::new(std::mem::take(&mut begun), End::Ended).row(max));
                }
                byte => begun.push(*byte),
            }
        }
        if !begun.is_empty() {
            rows.push(Line::new(begun, End::Open).row(max));
        }
        Some(Rows { first, goes_on, rows })
    }

    /// Bytes behind the last piece.
    fn pieces(&self, last: Option<(u64, Vec<u8>)>, owed: Owed, bytes: &[u8]) -> Rows {
        let max = self.definition.lengths().max as usize;
        let (ordinal, mut held) = last.unwrap_or((0, Vec::new()));
        let was = held.len();
        if owed == Owed::LineFeed && held.last() == Some(&b'\n') {
            held.pop();
        }
        let (first, goes_on, mut all) = if was > 0 && held.len() < max {
            (ordinal, GoesOn::Yes, held)
        } else {
            (ordinal.saturating_add(1), GoesOn::No, Vec::new())
        };
        all.extend_from_slice(bytes);
        Rows { first, goes_on, rows: all.chunks(max).map(<[u8]>::to_vec).collect() }
    }

    /// A record of its own length behind the last, which loses the line feed of a CLOSE.
    fn behind(
        &self,
        last: Option<(u64, Vec<u8>)>,
        owed: Owed,
        printed: Printed,
    ) -> Result<Rows, Failure<R::Error>> {
        let max = self.definition.lengths().max;
        let (ordinal, held) = match last {
            Some((ordinal, row)) => {
                (ordinal, Some(Printed::of(row, max).ok_or(Failure::Inconsistent)?))
            }
            None => (0, None),
        };
        let row = printed.row(max);
        Ok(match held {
            Some(mut held) if owed == Owed::LineFeed && held.behind.last() == Some(&b'\n') => {
                held.behind.pop();
                Rows { first: ordinal, goes_on: GoesOn::Yes, rows: vec![held.row(max), row] }
            }
            Some(_) | None => {
                Rows { first: ordinal.saturating_add(1), goes_on: GoesOn::No, rows: vec![row] }
            }
        })
    }

    /// Writes rows, all or none: new ones first, because there may be no place for them.
    fn put(&mut self, rows: &Rows) -> Result<Answer, Failure<R::Error>> {
        let count = rows.rows.len() as u64;
        if rows.first.checked_add(count).is_none() {
            return Ok(Answer::of(Status::Full));
        }
        let old = usize::from(rows.goes_on == GoesOn::Yes);
        for (number, row) in (rows.first..).zip(&rows.rows).skip(old) {
            if self.records.is_full()? {
                let new = rows.first + old as u64;
                for number in new..number {
                    self.records.remove(&number_key(number))?;
                }
                return Ok(Answer::of(Status::Full));
            }
            self.records.put(&number_key(number), row)?;
        }
        let first = number_key(rows.first);
        match (rows.goes_on, rows.rows.first()) {
            (GoesOn::Yes, Some(row)) => self.records.put(&first, row)?,
            // Nothing is left of what was there.
            (GoesOn::Yes, None) => self.records.remove(&first)?,
            (GoesOn::No, _) => {}
        }
        Ok(Answer::of(Status::Done))
    }
}
