//! Paths of parts: what can be written below any folder and leads nowhere else.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{FOLDERS_MOST, PATH_MOST};

/// A path of a part: folders and a name with `/` between them, each of letters, digits and
/// `. _ - @ # $`, beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartPath(String);

/// Why a text is no path of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathRefused {
    /// Longer than [`PATH_MOST`].
    Long,
    /// It begins at the root.
    Absolute,
    /// It leads to the folder above.
    Parent,
    /// A folder or the name has no letters, or is `.`.
    Empty,
    /// A character that may not stand there.
    Character,
    /// In more than [`FOLDERS_MOST`] folders.
    Deep,
}

impl PartPath {
    /// Examines a text.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(text: &str) -> Result<Self, PathRefused> {
        if text.len() > PATH_MOST {
            return Err(PathRefused::Long);
        }
        if text.starts_with('/') {
            return Err(PathRefused::Absolute);
        }
        if text.split('/').any(|piece| piece == "..") {
            return Err(PathRefused::Parent);
        }
        for piece in text.split('/') {
            if matches!(piece, "" | ".") {
                return Err(PathRefused::Empty);
            }
            let may = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@#$".contains(&byte);
            let begins = piece.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
            if !begins || !piece.bytes().all(may) {
                return Err(PathRefused::Character);
            }
        }
        if text.split('/').count() > FOLDERS_MOST + 1 {
            return Err(PathRefused::Deep);
        }
        Ok(Self(text.to_owned()))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Every folder that it is in, the outermost first.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }
}

impl fmt::Display for PartPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for PartPath {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PartPath {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::new(&text).map_err(|why| D::Error::custom(format!("{text}: {why:?}")))
    }
}
