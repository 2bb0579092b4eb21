//! Refusals of a source: what in a data division is not understood, or has no form outside of it.

use serde::Serialize;

use crate::field::Place;
use crate::picture::NoPicture;

/// Why a source has no interface. Nothing of it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Where.
    pub at: Place,
    /// The item that it is about, where it has a name.
    pub item: Option<String>,
    /// Why.
    pub why: Why,
}

/// Why a source is refused. Numbered for ever; the first that holds at a place is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "refused", content = "detail", rename_all = "kebab-case")]
pub enum Why {
    /// 1 There is no entry.
    NoEntry,
    /// 2 There is no PROCEDURE DIVISION.
    NoProcedure,
    /// 3 The source ends inside an entry, or a literal does not end in its line.
    Unfinished,
    /// 4 A word that is not known at that place.
    Unknown {
        /// The word.
        word: String,
    },
    /// 5 Something else has to stand there.
    Expected {
        /// What.
        what: Expected,
        /// What stands there.
        found: String,
    },
    /// 6 A usage that has no value outside of a program: POINTER, INDEX, OBJECT …
    Usage {
        /// The word.
        word: String,
    },
    /// 7 A clause that is not supported.
    Clause {
        /// The word.
        word: String,
    },
    /// 8 The picture is none.
    Picture {
        /// As it is written.
        picture: String,
        /// Why.
        why: NoPicture,
    },
    /// 9 An item that is no group has no picture.
    PictureMissing,
    /// 10 The picture and the usage do not go together, or there are too many digits for it.
    PictureForUsage {
        /// The picture.
        picture: String,
    },
    /// 11 A group has a picture, or an item below it that is no group has items of its own.
    GroupWithPicture,
    /// 12 A level that cannot stand there.
    Level {
        /// The level.
        level: u8,
    },
    /// 13 Deeper than [`crate::layout::DEPTH_MAX`].
    Deep,
    /// 14 The record is longer than [`crate::picture::BYTES_MAX`] bytes.
    Large,
    /// 15 It redefines what does not stand right before it.
    Redefines {
        /// What.
        target: String,
    },
    /// 16 A redefinition is longer than what it redefines.
    LongerRedefinition {
        /// What it redefines.
        target: String,
    },
    /// 17 The number of occurrences is none, or the fewest are more than the most.
    Occurs,
    /// 18 DEPENDING ON an item that is no whole number of the same record before the table, or
    /// that is not the only item of the record with its name.
    Depending {
        /// The item.
        on: String,
    },
    /// 19 A table with DEPENDING ON that is in a table, is redefined, or has items behind it.
    DependingPlace,
    /// 20 Two items side by side have one name in JSON.
    SameName {
        /// The name.
        name: String,
    },
    /// 21 A table of items without a name.
    NamelessTable,
    /// 22 Parameters that are handed over otherwise than by reference.
    ByValue {
        /// The word.
        word: String,
    },
    /// 23 A parameter that the LINKAGE SECTION does not have.
    NoSuchParameter {
        /// Its name.
        name: String,
    },
    /// 24 A parameter that stands there twice.
    SameParameter {
        /// Its name.
        name: String,
    },
    /// 25 More items than [`crate::layout::ITEMS_MAX`], more values than
    /// [`crate::layout::VALUES_MAX`], or more parameters than a program has.
    Many,
    /// 26 P in the picture of a packed number: GnuCOBOL 3.1 moves such numbers wrongly (of 900 in
    /// `PIC 9(3)PP COMP-3` it keeps nothing), so that they have no value to be told.
    ScaledPacked {
        /// The picture.
        picture: String,
    },
    /// 27 The source is longer than [`crate::source::SOURCE_MAX`].
    Long,
    /// 28 The compiler lays it over what stands behind it: it fills the end of each group of a
    /// table up by moving the last item, and has moved this one more than once.
    Overlap,
}

/// What has to stand at a place of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// A level number.
    Level,
    /// A name.
    Name,
    /// A whole number above zero.
    Number,
    /// A picture.
    Picture,
    /// A usage.
    Usage,
    /// LEADING or TRAILING.
    SignPlace,
    /// A value.
    Value,
    /// The period at the end.
    Period,
}
