//! Indexed files: records by primary key, and by alternate keys.

mod change;

use crate::definition::{Definition, Duplicates, Key};
use crate::operation::{
    Answer, Direction, Edge, Failure, Malformed, Operation, Relation, Stand, Wanted,
};
use crate::records::{Entry, Held, PLACE_MAX, Records, Seek};
use crate::status::Status;

use super::{ReadDuplicates, Terms};

/// What was read last by one key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    /// The first record there was at OPEN; looked up before anything can change it.
    FirstAtOpen,
    /// This one; before the first, a value of zero bytes.
    At(Entry),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The key of reference.
    reference: usize,
    /// Of each key what was read last by it: a READ or START that fails turns to its key, and
    /// reading goes on from where that key was left.
    marks: Vec<Mark>,
    /// The primary key of the record that a REWRITE or DELETE in sequential access means.
    last_read: Option<Vec<u8>>,
    /// The primary key that the next one must not be less than in sequential access.
    last_written: Option<Vec<u8>>,
}

impl Cursor {
    pub(super) fn new(definition: &Definition) -> Self {
        let zeros = |key: &Key| zeros(definition, key);
        let mut marks: Vec<_> = definition.keys().iter().map(zeros).map(Mark::At).collect();
        if let Some(primary) = marks.first_mut() {
            *primary = Mark::FirstAtOpen;
        }
        Self { reference: 0, marks, last_read: None, last_written: None }
    }
}

fn zeros(definition: &Definition, key: &Key) -> Entry {
    let primary = definition.keys().first().map_or(0, Key::length);
    Entry { key: vec![0; key.length()], place: 0, primary: vec![0; primary] }
}

pub(super) struct File<'a, R> {
    pub(super) terms: Terms<'a>,
    pub(super) records: &'a mut R,
    pub(super) cursor: &'a mut Cursor,
}

/// An entry of the key of reference, and the record it belongs to.
struct Found {
    entry: Entry,
    record: Vec<u8>,
}

impl<R: Records> File<'_, R> {
    pub(super) fn answer(
        &mut self,
        operation: &Operation<'_>,
    ) -> Result<Answer, Failure<R::Error>> {
        match *operation {
            Operation::Read(wanted) => self.read(wanted),
            Operation::Step { direction, stand, edge, .. } => self.step(direction, stand, edge),
            Operation::Start { relation, wanted } => self.start(relation, wanted),
            Operation::Write { record, placing } => self.write(record, placing),
            Operation::Rewrite { record, replaced } => self.rewrite(record, replaced),
            Operation::Delete(deleted) => self.delete(deleted),
        }
    }

    fn key(&self, number: usize) -> Result<&Key, Failure<R::Error>> {
        let key = self.terms.definition.keys().get(number);
        key.ok_or(Failure::Malformed(Malformed::NoSuchKey))
    }

    fn primary(&self) -> Result<&Key, Failure<R::Error>> {
        self.key(0)
    }

    fn read(&mut self, wanted: Wanted<'_>) -> Result<Answer, Failure<R::Error>> {
        let (number, value) = key_value(wanted)?;
        if self.key(number)?.length() != value.len() {
            return Err(Failure::Malformed(Malformed::KeyLength));
        }
        self.cursor.reference = number;
        match self.near(Seek::AtLeast((value, 0)))?.filter(|found| found.entry.key == value) {
            Some(found) => self.give(found),
            None => Ok(Answer::of(Status::NotFound)),
        }
    }

    fn step(
        &mut self,
        direction: Direction,
        stand: Stand,
        edge: Edge,
    ) -> Result<Answer, Failure<R::Error>> {
        match (direction, stand, edge) {
            (Direction::Previous, Stand::Opened, Edge::Inside | Edge::Beginning) => {
                return Ok(Answer::of(Status::AtEnd));
            }
            (_, Stand::Opened | Stand::Started, _) => {
                // What OPEN or START found is given in either direction, while it is there.
                let mark = self.mark()?;
                let found = self.near(Seek::AtLeast((&mark.key, mark.place)))?;
                if let Some(found) = found.filter(|found| found.entry == mark) {
                    return self.give(found);
                }
            }
            (_, Stand::Passed, _) => {}
        }
        let found = match (direction, edge) {
            (Direction::Next, Edge::Beginning | Edge::Both) => self.near(Seek::First)?,
            (Direction::Previous, Edge::End | Edge::Both) => self.near(Seek::Last)?,
            (Direction::Next, Edge::Inside | Edge::End) => {
                let mark = self.mark()?;
                self.near(Seek::Above((&mark.key, mark.place)))?
            }
            (Direction::Previous, Edge::Inside | Edge::Beginning) => {
                let mark = self.mark()?;
                self.near(Seek::Below((&mark.key, mark.place)))?
            }
        };
        match found {
            Some(found) => self.give(found),
            None => Ok(Answer::of(Status::AtEnd)),
        }
    }

    fn start(
        &mut self,
        relation: Relation,
        wanted: Wanted<'_>,
    ) -> Result<Answer, Failure<R::Error>> {
        let (number, value) = key_value(wanted)?;
        let key = self.key(number)?;
        if value.is_empty() || value.len() > key.length() {
            return Err(Failure::Malformed(Malformed::KeyLength));
        }
        let duplicates = key.duplicates;
        self.cursor.reference = number;
        let begins = |found: &Found| found.entry.key.starts_with(value);
        let found = match relation {
            Relation::First => self.near(Seek::First)?,
            Relation::Last => self.near(Seek::Last)?,
            Relation::Equal => self.near(Seek::AtLeast((value, 0)))?.filter(begins),
            Relation::AtLeast => self.near(Seek::AtLeast((value, 0)))?,
            Relation::Greater => match behind_prefix(value) {
                Some(above) => self.near(Seek::AtLeast((&above, 0)))?,
                None => None,
            },
            Relation::Less => self.near(Seek::Below((value, 0)))?,
            Relation::AtMost => match self.near(Seek::AtLeast((value, 0)))?.filter(begins) {
                None => self.near(Seek::Below((value, 0)))?,
                // With LENGTH it is the first full value that begins so, as in GnuCOBOL; of its
                // duplicates the last.
                Some(found) => match duplicates {
                    Duplicates::Refused => Some(found),
                    Duplicates::Allowed => {
                        self.near(Seek::AtMost((&found.entry.key, PLACE_MAX)))?
                    }
                },
            },
        };
        match found {
            Some(found) => {
                self.set_mark(found.entry);
                Ok(Answer::of(Status::Done))
            }
            None => Ok(Answer::of(Status::NotFound)),
        }
    }

    /// Gives a record to the program and takes its place as the position.
    fn give(&mut self, found: Found) -> Result<Answer, Failure<R::Error>> {
        let status = match (self.terms.read_duplicates, self.cursor.reference) {
            (ReadDuplicates::Untold, _) | (ReadDuplicates::Told, 0) => Status::Done,
            (ReadDuplicates::Told, number) => {
                let (key, place) = (&found.entry.key, found.entry.place);
                let next = self.records.seek_entry(number, Seek::Above((key, place)))?;
                let same = next.is_some_and(|next| next.key == *key);
                if same { Status::Duplicate } else { Status::Done }
            }
        };
        self.cursor.last_read = Some(found.entry.primary.clone());
        self.set_mark(found.entry);
        Ok(Answer::record(status, found.record))
    }

    fn set_mark(&mut self, entry: Entry) {
        if let Some(mark) = self.cursor.marks.get_mut(self.cursor.reference) {
            *mark = Mark::At(entry);
        }
    }

    /// What was read last by the key of reference.
    fn mark(&mut self) -> Result<Entry, Failure<R::Error>> {
        let number = self.cursor.reference;
        if number == 0 {
            self.hold_first()?;
        }
        match self.cursor.marks.get(number) {
            Some(Mark::At(entry)) => Ok(entry.clone()),
            Some(Mark::FirstAtOpen) | None => Err(Failure::Malformed(Malformed::NoSuchKey)),
        }
    }

    /// Looks up which record is the first, where READ still goes by that: before it may change.
    fn hold_first(&mut self) -> Result<(), Failure<R::Error>> {
        if self.cursor.marks.first() != Some(&Mark::FirstAtOpen) {
            return Ok(());
        }
        let first = self.records.seek(Seek::First)?;
        let entry = match first {
            Some(held) => primary_entry(held.key),
            None => zeros(self.terms.definition, self.primary()?),
        };
        if let Some(mark) = self.cursor.marks.first_mut() {
            *mark = Mark::At(entry);
        }
        Ok(())
    }

    /// The entry of the key of reference at a place in its order, and its record.
    fn near(&mut self, seek: Seek<(&[u8], u64)>) -> Result<Option<Found>, Failure<R::Error>> {
        let number = self.cursor.reference;
        if number == 0 {
            let held = self.records.seek(without_place(seek))?;
            return Ok(held.map(|Held { key, record }| Found { entry: primary_entry(key), record }));
        }
        let Some(entry) = self.records.seek_entry(number, seek)? else {
            return Ok(None);
        };
        let record = self.records.record(&entry.primary)?.ok_or(Failure::Inconsistent)?;
        Ok(Some(Found { entry, record }))
    }
}

/// The primary key's own entry: it is its record's.
fn primary_entry(key: Vec<u8>) -> Entry {
    Entry { primary: key.clone(), key, place: 0 }
}

fn without_place(seek: Seek<(&[u8], u64)>) -> Seek<&[u8]> {
    match seek {
        Seek::First => Seek::First,
        Seek::Last => Seek::Last,
        Seek::AtLeast((key, _)) => Seek::AtLeast(key),
        Seek::Above((key, _)) => Seek::Above(key),
        Seek::Below((key, _)) => Seek::Below(key),
        Seek::AtMost((key, _)) => Seek::AtMost(key),
    }
}

/// The least value above all that begin with this one; `None` if it is all ones.
fn behind_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut above = prefix.get(..=last)?.to_vec();
    if let Some(byte) = above.last_mut() {
        *byte = byte.saturating_add(1);
    }
    Some(above)
}

fn key_value<E>(wanted: Wanted<'_>) -> Result<(usize, &[u8]), Failure<E>> {
    match wanted {
        Wanted::Key { number, value } => Ok((number, value)),
        Wanted::Number(_) => Err(Failure::Malformed(Malformed::Organization)),
    }
}
