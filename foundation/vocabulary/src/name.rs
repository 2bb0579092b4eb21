//! Names: one type a noun, so that a node cannot stand where a group is due.

use std::cmp::Ordering;
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name, in characters.
const LONGEST: usize = 31;

/// Why a text is not a name. Names are `[A-Za-z0-9_-]{1,31}` and do not begin with `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameRefused {
    /// The text is empty.
    Empty,
    /// The text is longer than 31 characters.
    TooLong {
        /// How many characters it has.
        length: usize,
    },
    /// The text holds a character that is neither a letter, a digit, `_` nor `-`.
    Character {
        /// The first such character.
        found: char,
    },
    /// The text begins with `-` and would read as an option.
    LeadingDash,
}

impl fmt::Display for NameRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a name may not be empty"),
            Self::TooLong { length } => {
                write!(f, "a name has at most 31 characters, this one has {length}")
            }
            Self::Character { found } => {
                write!(f, "a name is made of letters, digits, _ and -, not {found:?}")
            }
            Self::LeadingDash => write!(f, "a name may not begin with -"),
        }
    }
}

impl std::error::Error for NameRefused {}

fn examine(text: &str) -> Result<(), NameRefused> {
    if text.is_empty() {
        return Err(NameRefused::Empty);
    }
    let length = text.chars().count();
    if length > LONGEST {
        return Err(NameRefused::TooLong { length });
    }
    if text.starts_with('-') {
        return Err(NameRefused::LeadingDash);
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_' || *c == '-')) {
        Some(found) => Err(NameRefused::Character { found }),
        None => Ok(()),
    }
}

/// The text of a name, in its place: names are compared, copied and looked up with every beat, and
/// one that stood elsewhere would be fetched from there each time. Behind its end are zeros, so
/// that the bytes are in the order of the texts; the last byte is its length.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Text([u8; LONGEST + 1]);

impl Text {
    fn new(text: &str) -> Result<Self, NameRefused> {
        examine(text)?;
        let mut bytes = [0; LONGEST + 1];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes[LONGEST] = u8::try_from(text.len()).expect("it is not longer than the longest");
        Ok(Self(bytes))
    }

    fn as_str(&self) -> &str {
        let bytes = &self.0[..usize::from(self.0[LONGEST])];
        str::from_utf8(bytes).expect("a name is made of ASCII characters")
    }
}

impl Ord for Text {
    /// By words: most names differ in the first, and a search compares several.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let words = self.0.as_chunks::<8>().0.iter().zip(other.0.as_chunks::<8>().0);
        let mut pairs = words.map(|(a, b)| (u64::from_be_bytes(*a), u64::from_be_bytes(*b)));
        pairs.find(|(a, b)| a != b).map_or(Ordering::Equal, |(a, b)| a.cmp(&b))
    }
}

impl PartialOrd for Text {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Takes a name from what is being read.
struct Reading;

impl Visitor<'_> for Reading {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Text::new(text).map_err(E::custom)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text);

        impl $name {
            /// Takes `text` as a name, or says why it is none.
            ///
            /// # Errors
            /// The first rule of [`NameRefused`] that the text breaks.
            pub fn new(text: &str) -> Result<Self, NameRefused> {
                Ok(Self(Text::new(text)?))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(Reading).map(Self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameRefused;
            fn from_str(text: &str) -> Result<Self, NameRefused> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

name!(
    /// A machine of the cluster: a node that runs groups, or the witness.
    NodeName
);
name!(
    /// A set of resources that moves as one (failover group, resource group).
    GroupName
);
name!(
    /// One resource of a group: an address, a volume, a process.
    ResourceName
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_letters_digits_underscore_and_dash() {
        assert_eq!(NodeName::new("node-1_A").unwrap().as_str(), "node-1_A");
        assert_eq!(NodeName::new(""), Err(NameRefused::Empty));
        assert_eq!(NodeName::new("a/b"), Err(NameRefused::Character { found: '/' }));
        assert_eq!(NodeName::new("給与"), Err(NameRefused::Character { found: '給' }));
        assert_eq!(NodeName::new("-n"), Err(NameRefused::LeadingDash));
        assert_eq!(NodeName::new(&"x".repeat(32)), Err(NameRefused::TooLong { length: 32 }));
    }

    #[test]
    fn names_stand_in_the_order_of_their_texts() {
        let (longest, last) = ("z".repeat(31), "z".repeat(30) + "a");
        let mut texts = ["a", "a-1", "a1", "A", "a_", "node-10", "node-1", &longest, &last, "z"];
        let mut names = texts.map(|text| GroupName::new(text).unwrap());
        names.sort();
        texts.sort_unstable();
        assert_eq!(names.each_ref().map(GroupName::as_str), texts);
        assert_eq!(names[0], names[0].clone());
    }
}
