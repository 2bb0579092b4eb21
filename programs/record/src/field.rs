//! A layout: the items of a record, where each stands and what it holds.
//!
//! It is made by laying out, never read from a file: its numbers agree with each other.

use serde::Serialize;

use crate::dialect::Sign;

/// The layout of one record: an item of level 01 or 77.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// The record itself.
    pub root: Field,
}

impl Layout {
    /// How many bytes the record has, all occurrences counted.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        self.root.all_bytes()
    }
}

/// A line of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, as the compiler names it; a copybook has its own.
    pub file: String,
    /// Its line, the first is 1.
    pub line: u32,
}

/// An item of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// As the source has it, in upper case; none for FILLER.
    pub name: Option<String>,
    /// What it is called in JSON.
    pub json: String,
    /// Where the source says so.
    pub at: Place,
    /// Where it begins in the record, in bytes; of a table its first occurrence.
    pub offset: u32,
    /// Bytes of one occurrence.
    pub bytes: u32,
    /// How often it stands there.
    pub occurs: Occurs,
    /// The item whose bytes it has under another name.
    pub redefines: Option<String>,
    /// What it holds.
    pub kind: Kind,
    /// Names of its values (level 88).
    pub conditions: Vec<Condition>,
}

impl Field {
    /// Bytes of all occurrences.
    #[must_use]
    pub fn all_bytes(&self) -> u32 {
        self.bytes.saturating_mul(self.occurs.most())
    }

    /// Whether it has no name of its own and is no table: what is in it belongs to what it is in.
    #[must_use]
    pub fn is_transparent(&self) -> bool {
        self.name.is_none() && matches!(self.kind, Kind::Group(_))
    }
}

/// How often an item stands there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occurs {
    /// Once; it is no table.
    Once,
    /// A table of so many.
    Times(u32),
    /// As often as another item of the record says; its bytes are those of the most.
    Depending {
        /// The fewest.
        least: u32,
        /// The most.
        most: u32,
        /// The item that says how many.
        on: String,
    },
}

impl Occurs {
    /// The most occurrences.
    #[must_use]
    pub fn most(&self) -> u32 {
        match self {
            Self::Once => 1,
            Self::Times(times) => *times,
            Self::Depending { most, .. } => *most,
        }
    }
}

/// What an item holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Other items.
    Group(Vec<Field>),
    /// Characters, filled up with spaces.
    Text(Justified),
    /// Characters of two bytes.
    National,
    /// Text that was made of a number or of text by its picture; it is only read.
    Edited,
    /// A number with digits.
    Number(Number),
    /// COMP-1.
    Single,
    /// COMP-2.
    Double,
}

/// At which end text is filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Justified {
    /// Spaces behind it.
    Left,
    /// JUSTIFIED RIGHT: spaces before it.
    Right,
}

/// A number with digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Number {
    /// Digits of its picture that are stored.
    pub digits: u8,
    /// Digits behind the decimal point; see [`crate::picture::Digits::scale`].
    pub scale: i8,
    /// Whether it may be less than zero.
    pub sign: Sign,
    /// How its digits are stored.
    pub form: Form,
}

/// How the digits of a number are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A character a digit.
    Display {
        /// Where the sign is.
        sign: SignAt,
        /// What zero is written as.
        zero: Zero,
    },
    /// COMP-3: two digits a byte, the sign in the last half.
    Packed,
    /// COMP-6: two digits a byte, no sign.
    PackedUnsigned,
    /// Two's complement.
    Binary {
        /// Which byte comes first.
        order: Order,
        /// What bounds its value.
        limit: Limit,
    },
}

/// Where the sign of a number in characters is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignAt {
    /// In the last digit: `p` to `y` for 0 to 9 of a number less than zero.
    Trailing,
    /// In the first digit.
    Leading,
    /// A character behind the digits.
    TrailingSeparate,
    /// A character before the digits.
    LeadingSeparate,
}

/// What zero is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Zero {
    /// Digits.
    Digits,
    /// Spaces: BLANK WHEN ZERO.
    Spaces,
}

/// Which byte of a binary number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The highest: COMP, BINARY, COMP-X.
    HighFirst,
    /// The lowest: COMP-5 and its like on the machines that tsugi runs on.
    LowFirst,
}

/// What bounds a binary number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// The digits of its picture.
    Digits,
    /// Its bytes.
    Bytes,
}

/// A name for values of an item (level 88).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// As the source has it, in upper case.
    pub name: String,
    /// Its values as the source has them, quotes taken off; two for a range.
    pub values: Vec<(String, Option<String>)>,
}
