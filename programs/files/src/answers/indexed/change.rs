//! WRITE, REWRITE and DELETE of indexed files.

use crate::definition::Duplicates;
use crate::operation::{Answer, Deleted, Failure, Malformed, Placing, Replaced};
use crate::records::{Entry, PLACE_MAX, Records, Seek};
use crate::status::Status;

use super::File;

/// What a record needs in the index of one alternate key.
enum Row {
    /// None: its value is suppressed.
    None,
    /// This value.
    Value(Vec<u8>),
}

impl<R: Records> File<'_, R> {
    pub(super) fn write(
        &mut self,
        record: &[u8],
        placing: Placing,
    ) -> Result<Answer, Failure<R::Error>> {
        let primary = self.primary()?.value(record);
        let last = self.cursor.last_written.as_ref();
        let (least, exists) = match placing {
            // Whatever is there already, keys that are to ascend from nothing did not.
            Placing::AscendingFromEmpty => (last, Status::OutOfOrder),
            Placing::Ascending => (last, Status::Exists),
            Placing::ByKey => (None, Status::Exists),
            Placing::Number(_) | Placing::Append | Placing::Printed(_) => {
                return Err(Failure::Malformed(Malformed::Organization));
            }
        };
        if least.is_some_and(|least| primary < *least) {
            return Ok(Answer::of(Status::OutOfOrder));
        }
        self.hold_first()?;
        self.cursor.last_written = Some(primary.clone());
        if self.has_other(record, &primary)? || self.records.record(&primary)?.is_some() {
            return Ok(Answer::of(exists));
        }
        if self.records.is_full()? {
            return Ok(Answer::of(Status::Beyond));
        }
        self.records.put(&primary, record)?;
        let mut status = Status::Done;
        for number in self.alternates() {
            status = status.max(self.enter(number, record, &primary)?);
        }
        Ok(Answer::of(status))
    }

    pub(super) fn rewrite(
        &mut self,
        record: &[u8],
        replaced: Replaced,
    ) -> Result<Answer, Failure<R::Error>> {
        let primary = self.primary()?.value(record);
        match replaced {
            Replaced::SameKey => {}
            Replaced::LastRead => match &self.cursor.last_read {
                None => return Err(Failure::Malformed(Malformed::NothingRead)),
                Some(read) if *read != primary => return Ok(Answer::of(Status::OutOfOrder)),
                Some(_) => {}
            },
            Replaced::Number(_) => return Err(Failure::Malformed(Malformed::Organization)),
        }
        // Alternates first: a second of a unique one is told also where there is no such record.
        if self.has_other(record, &primary)? {
            return Ok(Answer::of(Status::Exists));
        }
        let Some(old) = self.records.record(&primary)? else {
            return Ok(Answer::of(Status::NotFound));
        };
        self.records.put(&primary, record)?;
        let mut status = Status::Done;
        for number in self.alternates() {
            let key = self.key(number)?;
            // One that keeps its value keeps its place.
            if key.value(&old) != key.value(record) {
                self.leave(number, &old, &primary)?;
                status = status.max(self.enter(number, record, &primary)?);
            }
        }
        Ok(Answer::of(status))
    }

    pub(super) fn delete(&mut self, deleted: Deleted<'_>) -> Result<Answer, Failure<R::Error>> {
        let primary = match deleted {
            Deleted::Key(value) if value.len() == self.primary()?.length() => value.to_vec(),
            Deleted::Key(_) => return Err(Failure::Malformed(Malformed::KeyLength)),
            Deleted::LastRead => {
                let read = self.cursor.last_read.clone();
                read.ok_or(Failure::Malformed(Malformed::NothingRead))?
            }
            Deleted::Number(_) => return Err(Failure::Malformed(Malformed::Organization)),
        };
        self.hold_first()?;
        let Some(old) = self.records.record(&primary)? else {
            return Ok(Answer::of(Status::NotFound));
        };
        for number in self.alternates() {
            self.leave(number, &old, &primary)?;
        }
        self.records.remove(&primary)?;
        Ok(Answer::of(Status::Done))
    }

    fn alternates(&self) -> std::ops::Range<usize> {
        1..self.terms.definition.keys().len()
    }

    fn row(&self, number: usize, record: &[u8]) -> Result<Row, Failure<R::Error>> {
        let key = self.key(number)?;
        let value = key.value(record);
        Ok(if key.is_indexed(&value) { Row::Value(value) } else { Row::None })
    }

    /// Whether another record has one of the values that only one may have.
    fn has_other(&mut self, record: &[u8], primary: &[u8]) -> Result<bool, Failure<R::Error>> {
        for number in self.alternates() {
            match (self.key(number)?.duplicates, self.row(number, record)?) {
                (Duplicates::Refused, Row::Value(value)) => {
                    let there = self.records.seek_entry(number, Seek::AtLeast((&value, 0)))?;
                    if there.is_some_and(|at| at.key == value && at.primary != primary) {
                        return Ok(true);
                    }
                }
                (Duplicates::Refused, Row::None) | (Duplicates::Allowed, _) => {}
            }
        }
        Ok(false)
    }

    /// Enters a record in the index of an alternate key, behind all that have the same value.
    fn enter(
        &mut self,
        number: usize,
        record: &[u8],
        primary: &[u8],
    ) -> Result<Status, Failure<R::Error>> {
        let key = match self.row(number, record)? {
            Row::None => return Ok(Status::Done),
            Row::Value(key) => key,
        };
        let (place, status) = match self.key(number)?.duplicates {
            Duplicates::Refused => (0, Status::Done),
            Duplicates::Allowed => {
                let last = self.records.seek_entry(number, Seek::AtMost((&key, PLACE_MAX)))?;
                match last.filter(|last| last.key == key) {
                    None => (1, Status::Done),
                    // A value whose places are used up is as good as a damaged file.
                    Some(last) if last.place >= PLACE_MAX => return Err(Failure::Inconsistent),
                    Some(last) => (last.place + 1, Status::Duplicate),
                }
            }
        };
        self.records.put_entry(number, &Entry { key, place, primary: primary.to_vec() })?;
        Ok(status)
    }

    /// Takes a record out of the index of an alternate key.
    fn leave(
        &mut self,
        number: usize,
        record: &[u8],
        primary: &[u8],
    ) -> Result<(), Failure<R::Error>> {
        match self.row(number, record)? {
            Row::None => Ok(()),
            Row::Value(value) => {
                let entry = self.records.entry_of(number, primary)?;
                let entry = entry.filter(|entry| entry.key == value);
                let entry = entry.ok_or(Failure::Inconsistent)?;
                Ok(self.records.remove_entry(number, &entry)?)
            }
        }
    }
}
