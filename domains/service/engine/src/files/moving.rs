//! Files of a store from and to files outside of it, listed and checked: what an operator does
//! while no engine has the store.

use std::io::{Read, Write};

use tsugi_files::answers::{Cursor, ReadDuplicates, Terms};
use tsugi_files::definition::{Definition, Duplicates, Flaw, Organization};
use tsugi_files::operation::{Failure, Operation, Placing};
use tsugi_files::outside::{Cut, Form, Misshapen, More, Piece, Written};
use tsugi_files::print::outside::{self as printed, Out};
use tsugi_files::records::number_of;
use tsugi_files::status::Status;
use tsugi_store::file::{self, File, OnFiles, Seek};
use tsugi_store::{Store, Trouble};

use super::{InStore, TooLong, Unkept, definition, fits, shape};

/// How many bytes are read at once.
const AT_ONCE: usize = 1 << 16;

/// Why records were not moved. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Unmoved {
    /// The store did not do it.
    #[error("the store: {0}")]
    Store(#[from] Trouble),
    /// The file outside could not be read or written.
    #[error("the file outside: {0}")]
    Outside(#[from] std::io::Error),
    /// The file outside has no records of this form, or a record has no place in it.
    #[error("{0}")]
    Misshapen(Misshapen),
    /// The store has no such file.
    #[error("there is no file {0}")]
    Missing(String),
    /// The store has one of this name.
    #[error("there is a file {0} already")]
    There(String),
    /// The store can keep no such file.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// What the store says of the file is no file.
    #[error("the store's file is none: {0:?}")]
    Flaw(Flaw),
    /// A record is shorter or longer than those of the file.
    #[error("record {0} has {1} bytes, not {2} to {3}")]
    Length(u64, usize, u32, u32),
    /// A program would not have been allowed to write this record.
    #[error("record {record}: file status {}", .status.characters())]
    Status {
        /// Which, from 1.
        record: u64,
        /// What the program would have been told.
        status: Status,
    },
    /// The file may have so many records and no more: this one has no place, nor what follows.
    #[error("record {record}: the file may have {most} records")]
    Full {
        /// Which, from 1.
        record: u64,
        /// How many it may have.
        most: i64,
    },
    /// Records are missing before this one, and the form has no place for its number.
    #[error("record {0} is not the next one, and this form has no numbers")]
    Gap(u64),
    /// Rows contradict each other.
    #[error("the file is damaged: check it")]
    Damaged,
}

impl From<Misshapen> for Unmoved {
    fn from(what: Misshapen) -> Self {
        Self::Misshapen(what)
    }
}

impl From<Unkept> for Unmoved {
    fn from(unkept: Unkept) -> Self {
        match unkept {
            Unkept::Trouble(trouble) => Self::Store(trouble),
            Unkept::Damaged => Self::Damaged,
        }
    }
}

/// What becomes of a file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is moved.
    Refused,
    /// It is made anew.
    Replaced,
}

/// How a file of this kind stands outside of a store: as GnuCOBOL has it. An indexed one is moved
/// by a program into records of several lengths.
#[must_use]
pub const fn form(definition: &Definition) -> Form {
    let lengths = definition.lengths();
    match definition.organization() {
        Organization::LineSequential => Form::Lines,
        Organization::Sequential if lengths.min == lengths.max => Form::Fixed(lengths.max),
        Organization::Sequential | Organization::Indexed => Form::Varying,
        Organization::Relative => Form::Places(lengths.max),
    }
}

/// Makes a file of the store out of one that is outside, whole or not at all. How many records it
/// has.
///
/// # Errors
/// Nothing was changed.
pub fn import(
    store: &mut dyn Store,
    (name, existing): (&str, Existing),
    definition: &Definition,
    (form, from): (Form, &mut dyn Read),
    at: i64,
) -> Result<u64, Unmoved> {
    let mut ends = Clashing::Ends;
    let done = imported(store, (name, existing), definition, (form, from), (at, &mut ends));
    ended(store, done)
}

/// In which order the records of one value of an alternate key are read: its number, and the
/// primary keys of the file's records in the order of that key, each as long as it is.
pub type InOrder<'a> = (usize, &'a mut dyn Read);

/// As [`import`], of an indexed file of which it is told in which order records of one value are
/// read. Those that it is not told of are read before, in the order of the primary key.
///
/// # Errors
/// Nothing was changed.
pub fn import_in_order(
    store: &mut dyn Store,
    named: (&str, Existing),
    definition: &Definition,
    (from, orders): (&mut dyn Read, &mut [InOrder<'_>]),
    at: i64,
) -> Result<u64, Unmoved> {
    let mut all = || {
        let mut unit = store.aside()?;
        let count = make(&mut *unit, named, definition, (Form::Varying, from), at)?;
        let last = i64::try_from(count).map_err(|_| Unmoved::Damaged)?;
        for (number, order) in &mut *orders {
            in_order(&mut *unit, (named.0, last), definition, (*number, order))?;
        }
        unit.keep()?;
        Ok(count)
    };
    let done = all();
    ended(store, done)
}

/// Gives the entries of an alternate key new places behind all that they can have.
fn in_order(
    unit: &mut dyn OnFiles,
    (name, mut place): (&str, i64),
    definition: &Definition,
    (number, order): (usize, &mut dyn Read),
) -> Result<(), Unmoved> {
    let number = i64::try_from(number).map_err(|_| Unmoved::Damaged)?;
    let primary = definition.keys().first().ok_or(Unmoved::Damaged)?;
    let length = primary.parts.iter().map(|part| part.length).sum();
    let mut files = file::Files::of(unit);
    let file = files.find(name)?.ok_or(Unmoved::Damaged)?;
    let mut rows = files.records(&file);
    let (mut cut, mut bytes) = (Cut::new(Form::Fixed(length)), vec![0; AT_ONCE]);
    loop {
        let read = order.read(&mut bytes)?;
        let more = if read == 0 { More::None } else { More::Perhaps };
        cut.give(bytes.get(..read).unwrap_or_default());
        while let Some(piece) = cut.next(more)? {
            // What the source does not keep under this key has no entry of it.
            let Some(entry) = rows.entry_of(number, &piece.record)? else { continue };
            place += 1;
            rows.remove_entry(number, &entry)?;
            rows.put_entry(number, &file::Entry { place, ..entry })?;
        }
        if more == More::None {
            return Ok(());
        }
    }
}

/// A record that another one keeps out: the value of one of its keys is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// Which record, from 1.
    pub record: u64,
    /// Which key, from 0.
    pub key: usize,
    /// The value.
    pub value: Vec<u8>,
}

/// What [`import`] in place of a file would do; nothing is changed. How many records would go in,
/// and the first [`FINDINGS`] of those that clash.
///
/// # Errors
/// What would end the import beside keys.
pub fn rehearse(
    store: &mut dyn Store,
    name: &str,
    definition: &Definition,
    (form, from): (Form, &mut dyn Read),
) -> Result<(u64, Vec<Clash>), Unmoved> {
    let mut gathered = Clashing::Gathered(Vec::new());
    let named = (name, Existing::Replaced);
    let done = imported(store, named, definition, (form, from), (0, &mut gathered));
    store.abandon()?;
    match gathered {
        Clashing::Gathered(clashes) => Ok((done?, clashes)),
        Clashing::Ends => Ok((done?, Vec::new())),
    }
}

/// What becomes of a record whose key is there already.
enum Clashing {
    /// It ends the import.
    Ends,
    /// It is told, and left out.
    Gathered(Vec<Clash>),
}

fn imported(
    store: &mut dyn Store,
    (name, existing): (&str, Existing),
    definition: &Definition,
    (form, from): (Form, &mut dyn Read),
    (at, clashing): (i64, &mut Clashing),
) -> Result<u64, Unmoved> {
    let mut unit = store.aside()?;
    let file = (name, existing);
    let count = filled(&mut *unit, file, definition, (form, from), (at, clashing))?;
    unit.keep()?;
    Ok(count)
}

/// Makes a file out of one that is outside, in a unit of work that is kept or given up with it. How
/// many records it has.
///
/// # Errors
/// The unit of work is to be given up.
pub fn make(
    unit: &mut dyn OnFiles,
    (name, existing): (&str, Existing),
    definition: &Definition,
    (form, from): (Form, &mut dyn Read),
    at: i64,
) -> Result<u64, Unmoved> {
    filled(unit, (name, existing), definition, (form, from), (at, &mut Clashing::Ends))
}

fn filled(
    unit: &mut dyn OnFiles,
    (name, existing): (&str, Existing),
    definition: &Definition,
    (form, from): (Form, &mut dyn Read),
    (at, clashing): (i64, &mut Clashing),
) -> Result<u64, Unmoved> {
    fits(definition)?;
    let mut files = file::Files::of(unit);
    match (files.find(name)?, existing) {
        (Some(_), Existing::Refused) => return Err(Unmoved::There(name.to_owned())),
        (Some(file), Existing::Replaced) => drop(files.renew(&file, &shape(definition), at)?),
        (None, _) => drop(files.make(name, &shape(definition), at)?),
    }
    let file = files.find(name)?.ok_or(Unmoved::Damaged)?;
    let mut into = Filling {
        definition,
        form,
        cursor: Cursor::new(definition),
        records: InStore(files.records(&file)),
        count: 0,
        most: file.most,
        clashing,
    };
    let (mut cut, mut bytes) = (Cut::new(form), vec![0; AT_ONCE]);
    loop {
        let read = from.read(&mut bytes)?;
        let more = if read == 0 { More::None } else { More::Perhaps };
        cut.give(bytes.get(..read).unwrap_or_default());
        while let Some(piece) = cut.next(more)? {
            into.put(piece)?;
        }
        if more == More::None {
            break;
        }
    }
    Ok(into.count)
}

/// Commits what was done, or gives it up.
fn ended<T>(store: &mut dyn Store, done: Result<T, Unmoved>) -> Result<T, Unmoved> {
    match done {
        Ok(done) => {
            store.commit()?;
            Ok(done)
        }
        Err(why) => {
            store.abandon()?;
            Err(why)
        }
    }
}

/// A file that is being filled, as a program would.
struct Filling<'a> {
    definition: &'a Definition,
    form: Form,
    cursor: Cursor,
    records: InStore<'a>,
    count: u64,
    most: Option<i64>,
    clashing: &'a mut Clashing,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    /// It is in the file.
    In,
    /// Another one keeps it out, and that is told.
    Told,
}

impl Filling<'_> {
    fn put(&mut self, piece: Piece) -> Result<(), Unmoved> {
        let Piece { number, mut record } = piece;
        let lines = self.definition.organization() == Organization::LineSequential;
        if lines && self.form == Form::Lines && printed::is_printed(&record) {
            for (record, placing) in printed::parts(&record) {
                self.write(number, record, placing)?;
            }
            self.count += 1;
            return Ok(());
        }
        let lengths = self.definition.lengths();
        if self.form == Form::Lines && record.len() < lengths.min as usize {
            // A line has lost its trailing spaces.
            record.resize(lengths.min as usize, b' ');
        }
        let placing = match (self.definition.organization(), self.form) {
            (Organization::Indexed, _) => Placing::ByKey,
            (Organization::Relative, Form::Places(_)) => Placing::Number(number),
            (Organization::Relative, _)
            | (Organization::Sequential | Organization::LineSequential, _) => Placing::Append,
        };
        if self.write(number, &record, placing)? == Put::In {
            self.count += 1;
        }
        Ok(())
    }

    /// Writes a record as a program would.
    fn write(&mut self, number: u64, record: &[u8], placing: Placing) -> Result<Put, Unmoved> {
        let lengths = self.definition.lengths();
        let terms = Terms { definition: self.definition, read_duplicates: ReadDuplicates::Untold };
        let write = Operation::Write { record, placing };
        let status = match self.cursor.answer(terms, &mut self.records, &write) {
            Ok(answer) => answer.status,
            Err(Failure::Store(unkept)) => return Err(unkept.into()),
            Err(Failure::Inconsistent) => return Err(Unmoved::Damaged),
            Err(Failure::Malformed(_)) => {
                return Err(Unmoved::Length(number, record.len(), lengths.min, lengths.max));
            }
        };
        if status == Status::Exists && matches!(self.clashing, Clashing::Gathered(_)) {
            return self.told(number, record).map(|()| Put::Told);
        }
        if !status.is_done() {
            if let (Status::Full | Status::Beyond, Some(most)) = (status, self.most) {
                return Err(Unmoved::Full { record: number, most });
            }
            return Err(Unmoved::Status { record: number, status });
        }
        Ok(Put::In)
    }

    /// Adds a record that is left out to those that are told, by its first key that is there.
    fn told(&mut self, number: u64, record: &[u8]) -> Result<(), Unmoved> {
        for (place, key) in (0..).zip(self.definition.keys()) {
            let value = key.value(record);
            let rows = &mut self.records.0;
            let is_there = match (place, key.duplicates) {
                (0, _) => rows.record(&value)?.is_some(),
                (_, Duplicates::Allowed) => false,
                (_, Duplicates::Refused) => {
                    let first = rows.seek_entry(place, Seek::AtLeast((&value, 0)))?;
                    key.is_indexed(&value) && first.is_some_and(|entry| entry.key == value)
                }
            };
            if is_there {
                if let Clashing::Gathered(all) = &mut *self.clashing
                    && all.len() < FINDINGS
                {
                    let key = usize::try_from(place).unwrap_or(0);
                    all.push(Clash { record: number, key, value });
                }
                return Ok(());
            }
        }
        Err(Unmoved::Damaged)
    }
}

/// Writes all records of a file of the store, in their order, to a file outside. How many.
///
/// # Errors
/// What was written outside is not the file.
pub fn export(
    store: &mut dyn Store,
    name: &str,
    (form, to): (Form, &mut dyn Write),
) -> Result<u64, Unmoved> {
    let done = exported(store, name, (form, to));
    store.abandon()?;
    done
}

fn exported(
    store: &mut dyn Store,
    name: &str,
    (form, to): (Form, &mut dyn Write),
) -> Result<u64, Unmoved> {
    let mut unit = store.aside()?;
    let mut files = file::Files::of(&mut *unit);
    let file = files.find(name)?.ok_or_else(|| Unmoved::Missing(name.to_owned()))?;
    let definition = definition(&file).map_err(Unmoved::Flaw)?;
    let organization = definition.organization();
    let mut records = files.records(&file);
    let (mut written, mut bytes, mut count) = (Written::new(form), Vec::new(), 0);
    let mut next = records.seek(Seek::First)?;
    while let Some(held) = next {
        let number = match (organization, form) {
            (Organization::Relative, Form::Places(_)) => number_of(&held.key),
            (Organization::Relative, _) => {
                let number = number_of(&held.key).ok_or(Unmoved::Damaged)?;
                let is_next = number == count + 1;
                Some(if is_next { number } else { return Err(Unmoved::Gap(number)) })
            }
            _ => Some(count + 1),
        };
        next = records.seek(Seek::Above(&held.key))?;
        let number = number.ok_or(Unmoved::Damaged)?;
        match printed::out(&definition, form, held.record).ok_or(Unmoved::Damaged)? {
            Out::Record(record) => written.add(number, &record, &mut bytes)?,
            // Only the last piece may be shorter than a record.
            Out::Piece(piece) if next.is_some() => written.add(number, &piece, &mut bytes)?,
            Out::Piece(raw) | Out::Raw(raw) => written.add_raw(number, &raw, &mut bytes),
        }
        count += 1;
        if bytes.len() >= AT_ONCE {
            to.write_all(&bytes)?;
            bytes.clear();
        }
    }
    to.write_all(&bytes)?;
    to.flush()?;
    Ok(count)
}

/// A file as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What it is.
    pub definition: Result<Definition, Flaw>,
    /// How many records it has.
    pub records: u64,
    /// How many it may have.
    pub most: Option<i64>,
}

/// All files of a store, by their names.
///
/// # Errors
/// The store did not do it.
pub fn list(store: &mut dyn Store) -> Result<Vec<Listed>, Trouble> {
    let mut unit = store.aside()?;
    let all = file::Files::of(&mut *unit).all()?;
    let mut listed = Vec::with_capacity(all.len());
    for file in all {
        let records = file::Files::of(&mut *unit).records(&file).count()?;
        let definition = definition(&file);
        listed.push(Listed { name: file.name, definition, records, most: file.most });
    }
    drop(unit);
    store.abandon()?;
    Ok(listed)
}

/// What is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// What the store says of it is no file.
    Definition(Flaw),
    /// The record with this key is longer than any may be, or has another primary key.
    Record(Vec<u8>),
    /// The alternate key of this number has no entry of the record with this key, or another one
    /// than its value.
    Entry(usize, Vec<u8>),
    /// An entry of the alternate key of this number has no record, or its place is none.
    Stray(usize, file::Entry),
}

/// The most findings that are told of one file.
pub const FINDINGS: usize = 100;

/// Looks at every record of a file and every entry of its alternate keys. How many records there
/// are, and the first [`FINDINGS`] of what is wrong.
///
/// # Errors
/// The store did not do it, or has no such file.
pub fn check(store: &mut dyn Store, name: &str) -> Result<(u64, Vec<Finding>), Unmoved> {
    let done = checked(store, name);
    store.abandon()?;
    done
}

fn checked(store: &mut dyn Store, name: &str) -> Result<(u64, Vec<Finding>), Unmoved> {
    let mut unit = store.aside()?;
    let mut files = file::Files::of(&mut *unit);
    let file = files.find(name)?.ok_or_else(|| Unmoved::Missing(name.to_owned()))?;
    match definition(&file) {
        Ok(definition) => Ok(walked(files, &file, &definition)?),
        Err(flaw) => Ok((0, vec![Finding::Definition(flaw)])),
    }
}

fn walked(
    files: file::Files<'_>,
    file: &File,
    definition: &Definition,
) -> Result<(u64, Vec<Finding>), Trouble> {
    let mut rows = files.records(file);
    let (mut count, mut found) = (0, Vec::new());
    let mut next = rows.seek(Seek::First)?;
    while let Some(held) = next {
        count += 1;
        let primary = definition.keys().first().map(|key| key.value(&held.record));
        let own = match &primary {
            Some(value) => *value == held.key,
            None => number_of(&held.key).is_some_and(|number| number > 0),
        };
        if !own || !printed::is_row(definition, &held.record) {
            found.push(Finding::Record(held.key.clone()));
        }
        for (number, key) in (0..).zip(definition.keys()).skip(1) {
            let value = key.value(&held.record);
            let expected = key.is_indexed(&value).then_some(value);
            let entry = rows.entry_of(number, &held.key)?.map(|entry| entry.key);
            if entry != expected {
                found.push(Finding::Entry(usize::try_from(number).unwrap_or(0), held.key.clone()));
            }
        }
        if found.len() >= FINDINGS {
            break;
        }
        next = rows.seek(Seek::Above(&held.key))?;
    }
    for (number, key) in definition.keys().iter().enumerate().skip(1) {
        strays(&mut rows, (number, key.duplicates), &mut found)?;
    }
    found.truncate(FINDINGS);
    Ok((count, found))
}

/// Entries without a record, of a place that is none, or of a value that is there twice.
fn strays(
    rows: &mut file::Records<'_>,
    (number, duplicates): (usize, Duplicates),
    found: &mut Vec<Finding>,
) -> Result<(), Trouble> {
    let column = i64::try_from(number).unwrap_or(i64::MAX);
    let mut next = rows.seek_entry(column, Seek::First)?;
    while let Some(entry) = next {
        next = rows.seek_entry(column, Seek::Above((&entry.key, entry.place)))?;
        let placed = match duplicates {
            Duplicates::Refused => entry.place == 0,
            Duplicates::Allowed => entry.place > 0,
        };
        if !placed || rows.record(&entry.of)?.is_none() {
            found.push(Finding::Stray(number, entry));
        }
        if found.len() >= FINDINGS {
            return Ok(());
        }
    }
    Ok(())
}
