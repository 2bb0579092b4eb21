//! What a file is: organization, lengths of records, keys; checked once, then believed. As a worker
//! is told it, not yet checked, it stands in `programs/frames/src/frame.rs`.

/// How a file's records are ordered. The numbers are those of the file catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Organization {
    /// Lines of text, without trailing spaces.
    LineSequential = 0,
    /// Records one after the other.
    Sequential = 1,
    /// Records by primary key, and by alternate keys.
    Indexed = 2,
    /// Records by number.
    Relative = 3,
}

impl Organization {
    /// The one with this number.
    #[must_use]
    pub const fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::LineSequential),
            1 => Some(Self::Sequential),
            2 => Some(Self::Indexed),
            3 => Some(Self::Relative),
            _ => None,
        }
    }
}

/// How a program goes through a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// In order only.
    Sequential,
    /// By key only.
    Random,
    /// Both.
    Dynamic,
}

/// Lengths of records, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Of the shortest.
    pub min: u32,
    /// Of the longest.
    pub max: u32,
}

/// A piece of a record that is (part of) a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins, in bytes from 0.
    pub offset: u32,
    /// How long it is, in bytes.
    pub length: u32,
}

/// Whether several records may have the same value of an alternate key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// A second one is refused.
    Refused,
    /// They are read in the order of writing.
    Allowed,
}

/// A key of an indexed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its parts, in declared order: one, or several of a split key.
    pub parts: Vec<Part>,
    /// WITH DUPLICATES or not; a primary key refuses them.
    pub duplicates: Duplicates,
    /// SUPPRESS WHEN: an alternate value made of this byte alone is not in the index.
    pub suppressed: Option<u8>,
}

impl Key {
    /// How long a value of it is, in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.parts.iter().map(|part| part.length as usize).sum()
    }

    /// The value in a record: its parts joined. A part that lies behind the record's end is spaces.
    #[must_use]
    pub fn value(&self, record: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(self.length());
        for part in &self.parts {
            let from = (part.offset as usize).min(record.len());
            let to = from.saturating_add(part.length as usize).min(record.len());
            let held = record.get(from..to).unwrap_or_default();
            value.extend_from_slice(held);
            value.resize(value.len() + (part.length as usize - held.len()), b' ');
        }
        value
    }

    /// Whether a value of it is in the index.
    #[must_use]
    pub fn is_indexed(&self, value: &[u8]) -> bool {
        self.suppressed.is_none_or(|byte| value.iter().any(|at| *at != byte))
    }
}

/// Why there is no such file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The longest record is empty, or longer than [`RECORD_MAX`].
    Record,
    /// The shortest record is longer than the longest.
    Lengths,
    /// An indexed file has no key, or another one has; or there are more than [`KEYS_MAX`].
    Keys,
    /// A key has no part, more than [`PARTS_MAX`], or an empty one. Which key, from 0.
    Parts(usize),
    /// A key does not lie within the shortest record. Which key, from 0.
    Outside(usize),
    /// The primary key has duplicates or is suppressed.
    Primary,
    /// Bytes that no file catalogue holds.
    Bytes,
}

/// Longest record, in bytes.
pub const RECORD_MAX: u32 = 32 << 20;
/// Most keys of a file, as in GnuCOBOL.
pub const KEYS_MAX: usize = 255;
/// Most parts of a key, as in GnuCOBOL.
pub const PARTS_MAX: usize = 8;
/// First byte of the canonical form of keys.
const VERSION: u8 = 1;

/// What a file is; every one that exists is free of flaws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    organization: Organization,
    lengths: Lengths,
    keys: Vec<Key>,
}

impl Definition {
    /// A file of this kind.
    ///
    /// # Errors
    ///
    /// When there can be no such file.
    pub fn new(organization: Organization, lengths: Lengths, keys: Vec<Key>) -> Result<Self, Flaw> {
        if lengths.max == 0 || lengths.max > RECORD_MAX {
            return Err(Flaw::Record);
        }
        if lengths.min > lengths.max {
            return Err(Flaw::Lengths);
        }
        let fits = match organization {
            Organization::Indexed => (1..=KEYS_MAX).contains(&keys.len()),
            Organization::LineSequential | Organization::Sequential | Organization::Relative => {
                keys.is_empty()
            }
        };
        if !fits {
            return Err(Flaw::Keys);
        }
        for (number, key) in keys.iter().enumerate() {
            let empty = key.parts.iter().any(|part| part.length == 0);
            if empty || !(1..=PARTS_MAX).contains(&key.parts.len()) {
                return Err(Flaw::Parts(number));
            }
            let end = |part: &Part| part.offset.checked_add(part.length);
            if !key.parts.iter().all(|part| end(part).is_some_and(|end| end <= lengths.min)) {
                return Err(Flaw::Outside(number));
            }
        }
        let primary = keys.first();
        if primary
            .is_some_and(|key| key.duplicates == Duplicates::Allowed || key.suppressed.is_some())
        {
            return Err(Flaw::Primary);
        }
        Ok(Self { organization, lengths, keys })
    }

    /// How its records are ordered.
    #[must_use]
    pub const fn organization(&self) -> Organization {
        self.organization
    }

    /// How long its records are.
    #[must_use]
    pub const fn lengths(&self) -> Lengths {
        self.lengths
    }

    /// Its keys: the primary one first, then the alternates. Empty unless it is indexed.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Its keys in the form in which the file catalogue keeps and compares them, byte by byte.
    ///
    /// One byte of version, one of how many keys; of each key one byte of what it is (1 duplicates,
    /// 2 suppressed), the suppressed byte, the number of parts, and of each part offset and length
    /// as four bytes each, least significant first.
    #[must_use]
    pub fn key_bytes(&self) -> Vec<u8> {
        let small = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
        let mut bytes = vec![VERSION, small(self.keys.len())];
        for key in &self.keys {
            let duplicates = u8::from(key.duplicates == Duplicates::Allowed);
            bytes.push(duplicates | u8::from(key.suppressed.is_some()) << 1);
            bytes.push(key.suppressed.unwrap_or_default());
            bytes.push(small(key.parts.len()));
            for part in &key.parts {
                bytes.extend(part.offset.to_le_bytes());
                bytes.extend(part.length.to_le_bytes());
            }
        }
        bytes
    }

    /// A file as the catalogue has it.
    ///
    /// # Errors
    ///
    /// When there can be no such file, or the bytes of its keys are none that
    /// [`key_bytes`](Self::key_bytes) writes.
    pub fn from_catalogue(
        organization: u8,
        lengths: Lengths,
        key_bytes: &[u8],
    ) -> Result<Self, Flaw> {
        let organization = Organization::of(organization).ok_or(Flaw::Bytes)?;
        let mut bytes = key_bytes.iter().copied();
        let keys = keys(&mut bytes).filter(|_| bytes.next().is_none()).ok_or(Flaw::Bytes)?;
        let definition = Self::new(organization, lengths, keys)?;
        // One file, one form: otherwise two that are equal would count as different.
        if definition.key_bytes() == key_bytes { Ok(definition) } else { Err(Flaw::Bytes) }
    }
}

fn keys(bytes: &mut impl Iterator<Item = u8>) -> Option<Vec<Key>> {
    if bytes.next()? != VERSION {
        return None;
    }
    let count = bytes.next()?;
    (0..count).map(|_| key(bytes)).collect()
}

fn key(bytes: &mut impl Iterator<Item = u8>) -> Option<Key> {
    let what = bytes.next()?;
    let byte = bytes.next()?;
    let count = bytes.next()?;
    let duplicates = if what & 1 == 0 { Duplicates::Refused } else { Duplicates::Allowed };
    let suppressed = (what & 2 != 0).then_some(byte);
    let mut four = || {
        let mut out = [0; 4];
        for at in &mut out {
            *at = bytes.next()?;
        }
        Some(u32::from_le_bytes(out))
    };
    let parts = (0..count).map(|_| Some(Part { offset: four()?, length: four()? }));
    Some(Key { parts: parts.collect::<Option<_>>()?, duplicates, suppressed })
}
