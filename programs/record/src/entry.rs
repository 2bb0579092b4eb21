//! One data description entry: what its clauses say, before it has a place in a record.

use crate::dialect::Sign;
use crate::field::{Condition, Justified, Place, SignAt, Zero};

/// A data description entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// 1 to 49, or 77.
    pub level: u8,
    /// In upper case; none for FILLER.
    pub name: Option<String>,
    /// Where it begins.
    pub at: Place,
    /// PICTURE.
    pub picture: Option<String>,
    /// USAGE, of its own.
    pub usage: Option<Usage>,
    /// SIGN, of its own.
    pub sign: Option<SignAt>,
    /// OCCURS.
    pub occurs: Option<Repeats>,
    /// REDEFINES.
    pub redefines: Option<String>,
    /// SYNCHRONIZED.
    pub alignment: Alignment,
    /// JUSTIFIED.
    pub justified: Justified,
    /// BLANK WHEN ZERO.
    pub zero: Zero,
    /// The entries of level 88 behind it.
    pub conditions: Vec<Condition>,
}

impl Entry {
    /// An entry without any clause.
    #[must_use]
    pub fn new(level: u8, name: Option<String>, at: Place) -> Self {
        Self {
            level,
            name,
            at,
            picture: None,
            usage: None,
            sign: None,
            occurs: None,
            redefines: None,
            alignment: Alignment::None,
            justified: Justified::Left,
            zero: Zero::Digits,
            conditions: Vec::new(),
        }
    }
}

/// OCCURS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeats {
    /// The fewest, where two numbers are given.
    pub least: Option<u32>,
    /// The most.
    pub most: u32,
    /// DEPENDING ON.
    pub on: Option<String>,
    /// The groups that it is said to be OF, the nearest first.
    pub of: Vec<String>,
}

/// Whether an item begins where its machine reads it fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// Right behind the one before it.
    None,
    /// SYNCHRONIZED.
    Synchronized,
}

/// USAGE, as far as a value of it has a form outside of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// DISPLAY.
    Display,
    /// COMP, COMP-4, BINARY.
    Binary,
    /// COMP-5.
    Native,
    /// COMP-X.
    CompX,
    /// COMP-3, PACKED-DECIMAL.
    Packed,
    /// COMP-6.
    PackedUnsigned,
    /// COMP-1, FLOAT-SHORT.
    Single,
    /// COMP-2, FLOAT-LONG.
    Double,
    /// NATIONAL.
    National,
    /// BINARY-CHAR, -SHORT, -LONG, -DOUBLE: so many bytes, without a picture.
    Whole {
        /// 1, 2, 4 or 8.
        bytes: u8,
        /// SIGNED unless it says UNSIGNED.
        sign: Sign,
    },
}
