//! What a manifest says of a file, as those have it who keep files.

use serde::{Deserialize, Serialize};
use tsugi_files::definition::{self as kept, Definition, Flaw, Lengths};

use super::{File, Organization};

/// A key of an indexed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// What the source calls it: a program's own word.
    pub name: String,
    /// Whether several records may have one value of it.
    #[serde(default, skip_serializing_if = "Duplicates::are_refused")]
    pub duplicates: Duplicates,
    /// SUPPRESS WHEN: a value of this byte alone is not in the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<u8>,
    /// Its parts: one, or several of a split key.
    #[serde(rename = "part")]
    pub parts: Vec<Piece>,
}

/// Whether several records may have one value of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// A second one is refused.
    #[default]
    Refused,
    /// WITH DUPLICATES.
    Allowed,
}

impl Duplicates {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn are_refused(&self) -> bool {
        *self == Self::Refused
    }
}

/// A piece of a record, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Where it begins, from 0.
    pub offset: u32,
    /// How long it is.
    pub length: u32,
}

impl File {
    /// Whether two declarations can be of one file: names of keys are a program's own, and one may
    /// have shorter records than the other.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        let of = |file: &Self| {
            let keys: Vec<_> = file.keys.iter().map(Key::kept).collect();
            (file.organization, file.longest, keys)
        };
        self.name == other.name && of(self) == of(other)
    }

    /// What it is to a store.
    ///
    /// # Errors
    /// There can be no such file.
    pub fn definition(&self) -> Result<Definition, Flaw> {
        let organization = match self.organization {
            Organization::Indexed => kept::Organization::Indexed,
            Organization::Relative => kept::Organization::Relative,
            Organization::Sequential => kept::Organization::Sequential,
            Organization::LineSequential => kept::Organization::LineSequential,
        };
        let lengths = Lengths { min: self.shortest, max: self.longest };
        Definition::new(organization, lengths, self.keys.iter().map(Key::kept).collect())
    }
}

impl Key {
    fn kept(&self) -> kept::Key {
        let part = |piece: &Piece| kept::Part { offset: piece.offset, length: piece.length };
        kept::Key {
            parts: self.parts.iter().map(part).collect(),
            duplicates: match self.duplicates {
                Duplicates::Refused => kept::Duplicates::Refused,
                Duplicates::Allowed => kept::Duplicates::Allowed,
            },
            suppressed: self.suppressed,
        }
    }
}
