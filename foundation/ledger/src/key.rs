//! The name of one entry, and who keeps the ledger.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest key in bytes.
pub const LONGEST_KEY: usize = 200;

/// The name of one entry: words of `[A-Za-z0-9_.-]` joined by `/`, at most 200 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(Arc<str>);

/// Why a text is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// The text is empty.
    #[error("a key may not be empty")]
    Empty,
    /// The text is longer than 200 bytes.
    #[error("a key has at most 200 bytes, this one has {length}")]
    TooLong {
        /// How many bytes it has.
        length: usize,
    },
    /// The text holds a character that no key may hold.
    #[error("a key is made of letters, digits, _ . - and /, not {found:?}")]
    Character {
        /// The first such character.
        found: char,
    },
}

impl Key {
    /// Takes `text` as a key, or says why it is none.
    ///
    /// # Errors
    /// The first rule of [`KeyRefused`] that the text breaks.
    pub fn new(text: &str) -> Result<Self, KeyRefused> {
        if text.is_empty() {
            return Err(KeyRefused::Empty);
        }
        if text.len() > LONGEST_KEY {
            return Err(KeyRefused::TooLong { length: text.len() });
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
        match text.chars().find(|c| !fits(*c)) {
            Some(found) => Err(KeyRefused::Character { found }),
            None => Ok(Self(Arc::from(text))),
        }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Key {
    type Error = KeyRefused;
    fn try_from(text: String) -> Result<Self, KeyRefused> {
        Self::new(&text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0.to_string()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Who keeps a copy of the ledger and has a vote. A voter that lost its copy never comes back
/// under its old number: it may have voted, and forgotten for whom.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct VoterId(pub u64);

impl fmt::Display for VoterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// Which cluster a ledger belongs to: 128 random bits drawn when the cluster was founded.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ClusterId(pub u128);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_words_joined_by_slashes() {
        assert_eq!(Key::new("group/PAY").unwrap().as_str(), "group/PAY");
        assert_eq!(Key::new(""), Err(KeyRefused::Empty));
        assert_eq!(Key::new("a b"), Err(KeyRefused::Character { found: ' ' }));
        assert_eq!(Key::new(&"x".repeat(201)), Err(KeyRefused::TooLong { length: 201 }));
    }
}
