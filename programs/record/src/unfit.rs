//! Values that do not fit a record, and bytes that are no value.

use serde::Serialize;

use crate::json::Shape;

/// A value that does not fit, and why. Nothing of it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DoesNotFit {
    /// Where it stands: `order.lines[2].price`, counted from nought; empty for the whole.
    pub path: String,
    /// Why.
    pub why: Misfit,
}

impl DoesNotFit {
    /// What does not fit where it stands.
    #[must_use]
    pub fn new(why: Misfit) -> Self {
        Self { path: String::new(), why }
    }

    /// The same, seen from the group that it is in.
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    /// The same, seen from the table that it is in.
    #[must_use]
    pub fn at(self, index: u32) -> Self {
        self.within(&format!("[{index}]"))
    }
}

/// Why a value does not fit. Numbered for ever; the first that holds is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "refused", content = "detail", rename_all = "kebab-case")]
pub enum Misfit {
    /// 1 The text is longer than the limit.
    Large {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// 2 It is no JSON from this byte on.
    NotJson {
        /// Counted from nought.
        at: usize,
    },
    /// 3 Arrays and objects are deeper inside of each other than the limit.
    Deep {
        /// The limit.
        most: usize,
    },
    /// 4 A name stands twice in one object.
    SameName {
        /// The name.
        name: String,
    },
    /// 5 The record has no such item.
    Unknown {
        /// The name.
        name: String,
    },
    /// 6 The bytes of this item go by another name here.
    OtherName {
        /// That name.
        chosen: String,
    },
    /// 7 It is not there.
    Missing,
    /// 8 It is of another kind.
    Kind {
        /// What it has to be.
        expected: Shape,
        /// What it is.
        found: Shape,
    },
    /// 9 The item is only read: its text is made by its picture.
    OnlyRead,
    /// 10 It is no number.
    NotANumber {
        /// As it was given.
        value: String,
    },
    /// 11 It is less than zero, and the item has no sign.
    Sign {
        /// As it was given.
        value: String,
    },
    /// 12 More digits behind the point than the item has, or, where it has none for the last
    /// before the point, digits there.
    Fraction {
        /// As it was given.
        value: String,
        /// How many it has; less than nought: how many it has not before the point.
        scale: i8,
    },
    /// 13 More digits than the item has.
    Digits {
        /// As it was given.
        value: String,
        /// How many it has, those behind the point included.
        digits: u8,
        /// How many of them are behind the point.
        scale: i8,
    },
    /// 14 More than its bytes hold.
    Range {
        /// As it was given.
        value: String,
        /// Its bytes.
        bytes: u32,
    },
    /// 15 No binary fraction holds it: it is too great, or so small that it would be nought.
    Infinite {
        /// As it was given.
        value: String,
    },
    /// 16 A control character.
    Control {
        /// Its number in Unicode.
        letter: u32,
    },
    /// 17 The code page has no such character.
    NotInCodePage {
        /// The character.
        letter: char,
    },
    /// 18 A character of another width than two bytes in PIC N.
    Width {
        /// The character.
        letter: char,
    },
    /// 19 More bytes than the item has.
    Long {
        /// Its bytes in the code page.
        bytes: usize,
        /// Those of the item.
        most: u32,
    },
    /// 20 Too many or too few occurrences.
    Occurrences {
        /// How many.
        given: usize,
        /// The fewest.
        least: u32,
        /// The most.
        most: u32,
    },
    /// 21 The item that says how many occurrences there are says another number.
    Count {
        /// The item.
        on: String,
        /// How many there are.
        given: u32,
    },
    /// 22 A record of another length.
    RecordLength {
        /// Its bytes.
        bytes: usize,
        /// Those of the layout.
        expected: u32,
    },
    /// 23 Bytes that are no number of this item.
    NotDigits {
        /// The bytes, in hexadecimal.
        bytes: String,
    },
    /// 24 Bytes that are no text of the code page.
    NotText {
        /// The bytes, in hexadecimal.
        bytes: String,
    },
    /// 25 Text that ends in the middle of a character.
    HalfCharacter {
        /// The bytes, in hexadecimal.
        bytes: String,
    },
    /// 26 As many occurrences as the table cannot have.
    CountOutside {
        /// The item that says how many.
        on: String,
        /// What it says.
        value: String,
    },
    /// 27 An infinite binary fraction, or none.
    NotFinite,
    /// 28 A parameter that only the program fills.
    OnlyAnswered,
}

/// The most bytes that are shown.
const SHOWN_MAX: usize = 40;

/// Bytes in hexadecimal, as many as are shown.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(SHOWN_MAX).map(|byte| format!("{byte:02x}")).collect()
}
