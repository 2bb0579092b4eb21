//! What the records of a file are asked for: look-ups in order, and changes of one row.

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

/// A row of an alternate key: the value in one record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The value.
    pub key: Vec<u8>,
    /// Which of the records with this value: 0 of a unique key, else from 1 in order of writing.
    pub place: u64,
    /// The primary key of the record.
    pub primary: Vec<u8>,
}

/// The greatest place there can be: what a signed column of the store holds.
pub const PLACE_MAX: u64 = i64::MAX as u64;

/// A record under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Primary key; of other than indexed files the number, eight bytes, most significant first.
    pub key: Vec<u8>,
    /// The record, with its own length.
    pub record: Vec<u8>,
}

/// The records of one file, and the rows of its alternate keys.
///
/// Keys compare as unsigned bytes, a shorter one before a longer one that begins with it; rows of
/// an alternate key by (key, place). Nothing else may change them between two calls of one
/// transaction. An error is the store's: whoever asked gives up the call.
pub trait Records {
    /// What the store says when it fails.
    type Error;

    /// The record with exactly this key.
    ///
    /// # Errors
    ///
    /// When the store fails; so in every function here.
    fn record(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The record at a place in the order of keys.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn seek(&mut self, seek: Seek<&[u8]>) -> Result<Option<Held>, Self::Error>;

    /// Writes a record, in place of the one with this key if there is one.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn put(&mut self, key: &[u8], record: &[u8]) -> Result<(), Self::Error>;

    /// Takes the record with this key away.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn remove(&mut self, key: &[u8]) -> Result<(), Self::Error>;

    /// The row of alternate key `number` (from 1) at a place in the order of (key, place).
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn seek_entry(
        &mut self,
        number: usize,
        seek: Seek<(&[u8], u64)>,
    ) -> Result<Option<Entry>, Self::Error>;

    /// The row of alternate key `number` that belongs to a record.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn entry_of(&mut self, number: usize, primary: &[u8]) -> Result<Option<Entry>, Self::Error>;

    /// Writes a row of alternate key `number`; there is none with this (key, place).
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn put_entry(&mut self, number: usize, entry: &Entry) -> Result<(), Self::Error>;

    /// Takes a row of alternate key `number` away.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn remove_entry(&mut self, number: usize, entry: &Entry) -> Result<(), Self::Error>;

    /// Whether the file has as many records as its file set allows.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn is_full(&mut self) -> Result<bool, Self::Error>;
}

/// The key of a record with this number.
#[must_use]
pub const fn number_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number of a record with this key; `None` if it is the key of an indexed file.
#[must_use]
pub fn number_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}
