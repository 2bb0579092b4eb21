//! Files of COBOL programs, in the unit of work of their call.
//!
//! What an operation finds and changes is decided by `tsugi-files`, over the store's records in
//! the order of their keys. A worker names an open file by a slot; what a slot means is kept for
//! the life of the worker ([`Opens`]), where it stands for one call only.

pub mod moving;
mod opens;
mod records;

use std::sync::Arc;

use tsugi_files::answers::ReadDuplicates;
use tsugi_files::definition::{Definition, Flaw, Lengths};
use tsugi_files::open::{Recreate, Rights};
use tsugi_store::file::{File, LONGEST_KEY, LONGEST_RECORD, Shape};

pub use opens::{Asking, Opens};
pub use records::{InStore, Unkept};

/// Whether a service runs without a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// Without it no call is taken.
    Before,
    /// A program may make it, or be told that it is missing.
    No,
}

/// A file that the programs of a service may open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name in the store.
    pub name: Arc<str>,
    /// What the package says that it is; workers are told so.
    pub definition: Definition,
    /// What the programs may do with it.
    pub rights: Rights,
    /// What becomes of one with other attributes at OPEN OUTPUT.
    pub recreate: Recreate,
    /// What READ tells of duplicates.
    pub read_duplicates: ReadDuplicates,
    /// Whether it has to be there before the first call.
    pub needed: Needed,
    /// How many records one may have that a program makes; one that is there has its own.
    pub most: Option<i64>,
}

impl Declared {
    /// A file that programs may read and change, and that has to be there.
    #[must_use]
    pub fn new(name: &str, definition: Definition) -> Self {
        Self {
            name: name.into(),
            definition,
            rights: Rights::Change,
            recreate: Recreate::Refused,
            read_duplicates: ReadDuplicates::default(),
            needed: Needed::Before,
            most: None,
        }
    }

    /// A file that may have so many records and no more, where a program makes it.
    #[must_use]
    pub fn at_most(self, most: Option<i64>) -> Self {
        Self { most, ..self }
    }

    /// A file that programs may make.
    #[must_use]
    pub fn made_by_programs(self) -> Self {
        Self { needed: Needed::No, ..self }
    }
}

/// The files of a service's programs: a file is named by its index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(Arc<[Declared]>);

impl Files {
    /// These, in this order.
    #[must_use]
    pub fn new(files: impl IntoIterator<Item = Declared>) -> Self {
        Self(files.into_iter().collect())
    }

    /// All of them, by their index.
    #[must_use]
    pub fn all(&self) -> &[Declared] {
        &self.0
    }

    fn get(&self, index: u16) -> Option<&Declared> {
        self.0.get(usize::from(index))
    }
}

/// What a file is, as the store keeps it.
#[must_use]
pub fn shape(definition: &Definition) -> Shape {
    let lengths = definition.lengths();
    Shape {
        kind: definition.organization() as i64,
        shortest: lengths.min.into(),
        longest: lengths.max.into(),
        keys: definition.key_bytes(),
    }
}

/// What a file of the store is.
///
/// # Errors
/// The store has what no file is.
pub fn definition(file: &File) -> Result<Definition, Flaw> {
    let Shape { kind, shortest, longest, keys } = &file.shape;
    let organization = u8::try_from(*kind).map_err(|_| Flaw::Bytes)?;
    let length = |length: i64| u32::try_from(length).map_err(|_| Flaw::Lengths);
    let lengths = Lengths { min: length(*shortest)?, max: length(*longest)? };
    Definition::from_catalogue(organization, lengths, keys)
}

/// Why a store keeps no such file, beside what is wrong with it anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLong {
    /// Its longest record.
    #[error("a record of {0} bytes is longer than {LONGEST_RECORD}")]
    Record(u32),
    /// One of its keys, counted from 0.
    #[error("key {0} has {1} bytes, more than {LONGEST_KEY}")]
    Key(usize, usize),
}

/// Whether a store can keep such a file.
///
/// # Errors
/// A record or a key of it is too long.
pub fn fits(definition: &Definition) -> Result<(), TooLong> {
    let longest = definition.lengths().max;
    if usize::try_from(longest).is_ok_and(|longest| longest > LONGEST_RECORD) {
        return Err(TooLong::Record(longest));
    }
    let mut keys = definition.keys().iter().map(|key| key.length()).enumerate();
    match keys.find(|(_, length)| *length > LONGEST_KEY) {
        Some((number, length)) => Err(TooLong::Key(number, length)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tsugi_files::definition::{Duplicates, Key, Organization, Part};

    use super::*;

    fn indexed(length: u32) -> Definition {
        let parts = vec![Part { offset: 0, length }];
        let key = Key { parts, duplicates: Duplicates::Refused, suppressed: None };
        let lengths = Lengths { min: length, max: length.max(100) };
        Definition::new(Organization::Indexed, lengths, vec![key]).expect("a file")
    }

    #[test]
    fn what_a_store_keeps_of_a_file_is_the_file() {
        let definition_of = indexed(4);
        let file = File {
            no: 1,
            name: "F".to_owned(),
            shape: shape(&definition_of),
            generation: 1,
            most: None,
            records: 0,
        };
        assert_eq!(definition(&file), Ok(definition_of));
        let shape = Shape { kind: 7, ..file.shape.clone() };
        assert_eq!(definition(&File { shape, ..file }), Err(Flaw::Bytes));
    }

    #[test]
    fn keys_that_no_index_holds_are_refused() {
        assert_eq!(fits(&indexed(2_048)), Ok(()));
        assert_eq!(fits(&indexed(2_049)), Err(TooLong::Key(0, 2_049)));
        let long = Lengths { min: 0, max: 32 << 20 };
        let long = Definition::new(Organization::Sequential, long, Vec::new()).expect("a file");
        assert_eq!(fits(&long), Err(TooLong::Record(32 << 20)));
    }
}
