//! Files of records, in the order of their keys as bytes: what a unit of work does with them.
//!
//! *File*: a name, what it is to those who use it, and which generation of records it has.
//! *Generation*: the records of a file from one time it was made anew to the next; the rows of one
//! that is over are swept away in portions, outside of any call. *Entry*: the value of an alternate
//! key in one record, with its place among equal ones.
//!
//! Whatever a file is for, is decided elsewhere. Keys compare as unsigned bytes, a shorter one
//! before a longer one that begins with it. Each look-up is one statement on one index.

use crate::statement as sql;
use crate::{LARGEST_OUTCOME, Row, Trouble, Value};

/// How long a key may be, in bytes: what an index of PostgreSQL holds beside its other columns.
pub const LONGEST_KEY: usize = 2_048;
/// How long a record may be, in bytes: it has to come back beside its key.
pub const LONGEST_RECORD: usize = LARGEST_OUTCOME - (1 << 16);

/// One statement on the files of a store. [`Files`] makes it, a unit of work carries it out.
#[derive(Debug)]
pub struct OnFile {
    pub(crate) text: &'static str,
    pub(crate) values: Vec<Value>,
}

/// What carries out statements on files.
pub trait OnFiles {
    /// Carries one out. What it gives back is read to its end.
    ///
    /// # Errors
    /// The unit of work is gone, with what it stands in.
    fn on_file(&mut self, what: &OnFile) -> Result<Vec<Row>, Trouble>;
}

/// What a file is, in numbers and bytes that whoever uses it understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Which kind of file.
    pub kind: i64,
    /// The shortest record.
    pub shortest: i64,
    /// The longest record.
    pub longest: i64,
    /// Its keys.
    pub keys: Vec<u8>,
}

/// What the store knows of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its number.
    pub no: i64,
    /// Its name: one file of a store has it.
    pub name: String,
    /// What it is.
    pub shape: Shape,
    /// The generation of records that it has.
    pub generation: i64,
    /// How many records it may have at most.
    pub most: Option<i64>,
    /// How many it has; counted only where there is a most.
    pub records: i64,
}

/// Where to look in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek<K> {
    /// The first of all.
    First,
    /// The last of all.
    Last,
    /// The first that is this or greater.
    AtLeast(K),
    /// The first that is greater.
    Above(K),
    /// The last that is less.
    Below(K),
    /// The last that is this or less.
    AtMost(K),
}

/// A record and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its key.
    pub key: Vec<u8>,
    /// Its bytes.
    pub record: Vec<u8>,
}

/// The value of an alternate key in one record. In the order of key and place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The value.
    pub key: Vec<u8>,
    /// Its place among equal ones.
    pub place: i64,
    /// The key of the record.
    pub of: Vec<u8>,
}

/// Whether something was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Was {
    /// It was.
    There,
    /// It was not.
    Missing,
}

/// The files of a store, within one unit of work.
pub struct Files<'a>(&'a mut (dyn OnFiles + 'a));

impl<'a> Files<'a> {
    /// Those that a unit of work sees and changes.
    pub fn of(unit: &'a mut (dyn OnFiles + 'a)) -> Self {
        Self(unit)
    }

    fn ask(&mut self, text: &'static str, values: Vec<Value>) -> Result<Vec<Row>, Trouble> {
        self.0.on_file(&OnFile { text, values })
    }

    /// The file of this name.
    ///
    /// # Errors
    /// The unit of work is gone; so in every function here.
    pub fn find(&mut self, name: &str) -> Result<Option<File>, Trouble> {
        let rows = self.ask(sql::FILE, vec![name.into()])?;
        rows.into_iter().next().map(file).transpose()
    }

    /// All files, in the order of their names.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn all(&mut self) -> Result<Vec<File>, Trouble> {
        let rows = self.ask(sql::FILES, Vec::new())?;
        let mut files = rows.into_iter().map(file).collect::<Result<Vec<_>, _>>()?;
        files.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(files)
    }

    /// Makes a file without records; where there is one of this name, nothing is done. `at` is now,
    /// in milliseconds of Unix time.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn make(&mut self, name: &str, shape: &Shape, at: i64) -> Result<Was, Trouble> {
        if self.find(name)?.is_some() {
            return Ok(Was::There);
        }
        let generation = self.generation()?;
        let mut values = vec![Value::from(name)];
        values.extend(columns(shape));
        values.extend([generation.into(), Value::Null, at.into()]);
        let made = self.ask(sql::NEW_FILE, values)?;
        // Nobody can have made it since: units of work are apart from each other.
        if made.is_empty() {
            return Err(Trouble::Broken(format!("file {name} was made twice")));
        }
        Ok(Was::Missing)
    }

    /// Makes a file that is there anew, as a new generation: without records, of this shape.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn renew(&mut self, file: &File, shape: &Shape, at: i64) -> Result<File, Trouble> {
        let generation = self.generation()?;
        self.ask(sql::GENERATION_OVER, vec![file.generation.into()])?;
        let mut values = vec![Value::from(file.no)];
        values.extend(columns(shape));
        values.extend([generation.into(), at.into()]);
        self.ask(sql::RENEW_FILE, values)?;
        Ok(File { shape: shape.clone(), generation, records: 0, ..file.clone() })
    }

    /// Takes a file away.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn remove(&mut self, file: &File) -> Result<(), Trouble> {
        self.ask(sql::GENERATION_OVER, vec![file.generation.into()])?;
        self.ask(sql::DROP_FILE, vec![file.no.into()])?;
        Ok(())
    }

    /// Says how many records a file may have at most. Those that it has are counted once.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn limit(&mut self, file: &File, most: Option<i64>) -> Result<(), Trouble> {
        let most = most.map_or(Value::Null, Value::Integer);
        self.ask(sql::LIMIT_FILE, vec![file.no.into(), most, file.generation.into()])?;
        Ok(())
    }

    /// Takes rows of generations that are over away, so many at most of each of two tables.
    /// Whether there were any.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn sweep(&mut self, most: i64) -> Result<Was, Trouble> {
        let Some(row) = self.ask(sql::GARBAGE, Vec::new())?.into_iter().next() else {
            return Ok(Was::Missing);
        };
        let generation = Columns(row.into_iter()).int()?;
        let mut gone = 0;
        for text in [sql::SWEEP_ENTRIES, sql::SWEEP_RECORDS] {
            gone += self.ask(text, vec![generation.into(), most.into()])?.len();
        }
        if gone == 0 {
            self.ask(sql::DROP_GENERATION, vec![generation.into()])?;
        }
        Ok(Was::There)
    }

    /// The records of a file.
    #[must_use]
    pub fn records(self, file: &File) -> Records<'a> {
        let counts = file.most.map(|_| file.no);
        Records { files: self, generation: file.generation, counts }
    }

    fn generation(&mut self) -> Result<i64, Trouble> {
        let rows = self.ask(sql::NEW_GENERATION, Vec::new())?;
        Columns(rows.into_iter().next().unwrap_or_default().into_iter()).int()
    }
}

/// The records of one file, and the entries of its alternate keys, within one unit of work.
pub struct Records<'a> {
    files: Files<'a>,
    generation: i64,
    /// The file whose records are counted.
    counts: Option<i64>,
}

impl Records<'_> {
    /// The record with exactly this key.
    ///
    /// # Errors
    /// The unit of work is gone; so in every function here.
    pub fn record(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        let rows = self.files.ask(sql::RECORD, vec![self.generation.into(), blob(key)])?;
        Ok(rows.into_iter().next().map(held).transpose()?.map(|held| held.record))
    }

    /// The record at a place in the order of keys.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn seek(&mut self, seek: Seek<&[u8]>) -> Result<Option<Held>, Trouble> {
        let (text, key) = match seek {
            Seek::First => (sql::RECORD_FIRST, None),
            Seek::Last => (sql::RECORD_LAST, None),
            Seek::AtLeast(key) => (sql::RECORD_AT_LEAST, Some(key)),
            Seek::Above(key) => (sql::RECORD_ABOVE, Some(key)),
            Seek::Below(key) => (sql::RECORD_BELOW, Some(key)),
            Seek::AtMost(key) => (sql::RECORD_AT_MOST, Some(key)),
        };
        let values = [self.generation.into()].into_iter().chain(key.map(blob)).collect();
        self.files.ask(text, values)?.into_iter().next().map(held).transpose()
    }

    /// Writes a record, in place of the one with this key if there is one.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn put(&mut self, key: &[u8], record: &[u8]) -> Result<(), Trouble> {
        if let Some(no) = self.counts
            && self.record(key)?.is_none()
        {
            self.files.ask(sql::COUNT_RECORD, vec![no.into(), 1.into()])?;
        }
        let values = vec![self.generation.into(), blob(key), blob(record)];
        self.files.ask(sql::PUT_RECORD, values)?;
        Ok(())
    }

    /// Takes the record with this key away.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn remove(&mut self, key: &[u8]) -> Result<Was, Trouble> {
        let gone = self.files.ask(sql::DROP_RECORD, vec![self.generation.into(), blob(key)])?;
        if gone.is_empty() {
            return Ok(Was::Missing);
        }
        if let Some(no) = self.counts {
            self.files.ask(sql::COUNT_RECORD, vec![no.into(), (-1).into()])?;
        }
        Ok(Was::There)
    }

    /// The entry of an alternate key at a place in the order of (key, place).
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn seek_entry(
        &mut self,
        number: i64,
        seek: Seek<(&[u8], i64)>,
    ) -> Result<Option<Entry>, Trouble> {
        let (text, at) = match seek {
            Seek::First => (sql::ENTRY_FIRST, None),
            Seek::Last => (sql::ENTRY_LAST, None),
            Seek::AtLeast(at) => (sql::ENTRY_AT_LEAST, Some(at)),
            Seek::Above(at) => (sql::ENTRY_ABOVE, Some(at)),
            Seek::Below(at) => (sql::ENTRY_BELOW, Some(at)),
            Seek::AtMost(at) => (sql::ENTRY_AT_MOST, Some(at)),
        };
        let mut values = vec![self.generation.into(), number.into()];
        if let Some((key, place)) = at {
            values.extend([blob(key), place.into()]);
        }
        self.files.ask(text, values)?.into_iter().next().map(entry).transpose()
    }

    /// The entry of an alternate key that belongs to a record.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn entry_of(&mut self, number: i64, record: &[u8]) -> Result<Option<Entry>, Trouble> {
        let values = vec![self.generation.into(), number.into(), blob(record)];
        self.files.ask(sql::ENTRY_OF, values)?.into_iter().next().map(entry).transpose()
    }

    /// Writes an entry; where its place is taken, or its record has one, nothing is done.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn put_entry(&mut self, number: i64, entry: &Entry) -> Result<Was, Trouble> {
        let mut values = vec![self.generation.into(), number.into()];
        values.extend([blob(&entry.key), entry.place.into(), blob(&entry.of)]);
        let put = self.files.ask(sql::PUT_ENTRY, values)?;
        Ok(if put.is_empty() { Was::There } else { Was::Missing })
    }

    /// Takes an entry away.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn remove_entry(&mut self, number: i64, entry: &Entry) -> Result<(), Trouble> {
        let mut values = vec![self.generation.into(), number.into()];
        values.extend([blob(&entry.key), entry.place.into()]);
        self.files.ask(sql::DROP_ENTRY, values)?;
        Ok(())
    }

    /// How many records there are. It walks through all of them.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn count(&mut self) -> Result<u64, Trouble> {
        let row = self.files.ask(sql::RECORDS, vec![self.generation.into()])?.into_iter().next();
        let count = Columns(row.unwrap_or_default().into_iter()).int()?;
        u64::try_from(count).map_err(|_| misread(Some(count.into())))
    }

    /// Whether the file has as many records as it may.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn is_full(&mut self) -> Result<bool, Trouble> {
        let Some(no) = self.counts else { return Ok(false) };
        let row = self.files.ask(sql::COUNTED, vec![no.into()])?.into_iter().next();
        let mut row = Columns(row.unwrap_or_default().into_iter());
        let (most, records) = (row.int_or_none()?, row.int()?);
        Ok(most.is_some_and(|most| records >= most))
    }
}

fn blob(bytes: &[u8]) -> Value {
    Value::Blob(bytes.to_vec())
}

fn columns(shape: &Shape) -> [Value; 4] {
    let Shape { kind, shortest, longest, keys } = shape;
    [(*kind).into(), (*shortest).into(), (*longest).into(), blob(keys)]
}

/// A row of ours, read from left to right.
struct Columns(std::vec::IntoIter<Value>);

impl Columns {
    fn int(&mut self) -> Result<i64, Trouble> {
        self.int_or_none()?.ok_or_else(|| misread(None))
    }

    fn int_or_none(&mut self) -> Result<Option<i64>, Trouble> {
        match self.0.next() {
            Some(Value::Integer(number)) => Ok(Some(number)),
            Some(Value::Null) => Ok(None),
            other => Err(misread(other)),
        }
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Trouble> {
        match self.0.next() {
            Some(Value::Blob(bytes)) => Ok(bytes),
            other => Err(misread(other)),
        }
    }

    fn text(&mut self) -> Result<String, Trouble> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(text),
            other => Err(misread(other)),
        }
    }
}

fn misread(found: Option<Value>) -> Trouble {
    Trouble::Broken(format!("a column of a file is {found:?}"))
}

fn file(row: Row) -> Result<File, Trouble> {
    let mut row = Columns(row.into_iter());
    let (no, name) = (row.int()?, row.text()?);
    let (kind, shortest, longest) = (row.int()?, row.int()?, row.int()?);
    let shape = Shape { kind, shortest, longest, keys: row.bytes()? };
    let (generation, most, records) = (row.int()?, row.int_or_none()?, row.int()?);
    Ok(File { no, name, shape, generation, most, records })
}

fn held(row: Row) -> Result<Held, Trouble> {
    let mut row = Columns(row.into_iter());
    Ok(Held { key: row.bytes()?, record: row.bytes()? })
}

fn entry(row: Row) -> Result<Entry, Trouble> {
    let mut row = Columns(row.into_iter());
    Ok(Entry { key: row.bytes()?, place: row.int()?, of: row.bytes()? })
}
