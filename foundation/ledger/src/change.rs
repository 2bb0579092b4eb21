//! What is asked of the ledger, and what came of it.

use std::sync::Arc;

use tsugi_vocabulary::Index;

use crate::{Failure, Key, VoterId};

/// The most bytes that the keys and values of one change have together.
pub const LARGEST_CHANGE: usize = 4 << 20;
/// The most conditions, and the most writes, of one change.
pub const MOST_PARTS: usize = 4096;

/// The bytes of an entry. The first byte is the version of their format.
pub type Value = Arc<[u8]>;

/// What a change rests on: the entry `key` stands at `version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The entry.
    pub key: Key,
    /// The place of the entry's last change; `Index(0)` says that there must be no entry.
    pub version: Index,
}

/// Writes that take effect together, or not at all if one condition does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// All must hold at the moment the change takes effect.
    pub conditions: Vec<Condition>,
    /// The new bytes of each entry; `None` takes the entry away.
    pub writes: Vec<(Key, Option<Value>)>,
}

impl Change {
    /// A change without conditions and writes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the condition that `key` stands at `version`.
    #[must_use]
    pub fn when(mut self, key: Key, version: Index) -> Self {
        self.conditions.push(Condition { key, version });
        self
    }

    /// Adds the condition that there is no entry `key`.
    #[must_use]
    pub fn when_absent(self, key: Key) -> Self {
        self.when(key, Index(0))
    }

    /// Adds a write.
    #[must_use]
    pub fn write(mut self, key: Key, value: impl Into<Value>) -> Self {
        self.writes.push((key, Some(value.into())));
        self
    }

    /// How many bytes it takes, near enough: keys, values and what goes with them.
    #[must_use]
    pub fn size(&self) -> usize {
        let key = |key: &Key| key.as_str().len() + 16;
        let conditions: usize = self.conditions.iter().map(|c| key(&c.key)).sum();
        let value = |value: &Option<Value>| value.as_ref().map_or(0, |bytes| bytes.len());
        let writes: usize = self.writes.iter().map(|(name, v)| key(name) + value(v)).sum();
        conditions + writes
    }

    /// Checks that the ledger takes a change of this size.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] with the first part that is too large.
    pub fn check_size(&self) -> Result<(), Failure> {
        let within = |part, size, limit| {
            if size > limit { Err(Failure::TooLarge { part, size, limit }) } else { Ok(()) }
        };
        within("conditions", self.conditions.len(), MOST_PARTS)?;
        within("writes", self.writes.len(), MOST_PARTS)?;
        within("bytes", self.size(), LARGEST_CHANGE)
    }

    /// Takes the entry `key` away.
    #[must_use]
    pub fn remove(mut self, key: Key) -> Self {
        self.writes.push((key, None));
        self
    }
}

/// What came of a change or of another command. Each is final, on every voter alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect at this place; every entry it wrote has this version now.
    Committed(Index),
    /// It had no effect: a condition did not hold.
    Refused {
        /// The first entry whose condition did not hold.
        key: Key,
        /// The version that the condition named.
        expected: Index,
        /// The version that was there; `Index(0)` for no entry.
        found: Index,
    },
    /// It had no effect: a value is of a format that the cluster has not agreed on yet, and an
    /// older node could not read it.
    TooNew {
        /// The entry that would have been written.
        key: Key,
        /// The first byte of its value.
        format: u16,
        /// The feature level of the ledger.
        level: u16,
    },
}

impl Outcome {
    /// The place at which it took effect, if it did.
    #[must_use]
    pub fn committed(&self) -> Option<Index> {
        match self {
            Self::Committed(index) => Some(*index),
            Self::Refused { .. } | Self::TooNew { .. } => None,
        }
    }
}

impl Command {
    /// How many bytes it takes, near enough.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Change(change) => change.size(),
            Self::RaiseLevel { .. } => 4,
        }
    }
}

/// One entry of the log: what the voters agree on, one place after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A change of entries.
    Change(Change),
    /// From here on values up to this format may be written. Never lowers the level.
    RaiseLevel {
        /// The new feature level.
        level: u16,
    },
}

/// A voter as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Voter {
    /// Its number, never used twice.
    pub id: VoterId,
    /// The machine it runs on.
    pub node: tsugi_vocabulary::NodeName,
}
