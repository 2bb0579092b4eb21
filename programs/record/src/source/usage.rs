//! The words of USAGE.

use crate::dialect::Sign;
use crate::entry::Usage;

/// What a word says of an item's usage.
pub(super) enum Meaning {
    /// It is a usage.
    Is(Usage),
    /// It is one, of so many bytes, and SIGNED or UNSIGNED may follow.
    Whole(u8),
    /// It is one that has no value outside of a program.
    Refused,
    /// It is none.
    None,
}

/// What a word says.
pub(super) fn meaning(word: &str) -> Meaning {
    let short = word.replace("COMPUTATIONAL", "COMP");
    let whole = |bytes, sign| Meaning::Is(Usage::Whole { bytes, sign });
    match short.as_str() {
        "DISPLAY" => Meaning::Is(Usage::Display),
        "BINARY" | "COMP" | "COMP-4" => Meaning::Is(Usage::Binary),
        "COMP-1" | "FLOAT-SHORT" => Meaning::Is(Usage::Single),
        "COMP-2" | "FLOAT-LONG" => Meaning::Is(Usage::Double),
        "COMP-3" | "PACKED-DECIMAL" => Meaning::Is(Usage::Packed),
        "COMP-5" => Meaning::Is(Usage::Native),
        "COMP-6" => Meaning::Is(Usage::PackedUnsigned),
        "COMP-X" => Meaning::Is(Usage::CompX),
        "NATIONAL" => Meaning::Is(Usage::National),
        "BINARY-CHAR" => Meaning::Whole(1),
        "BINARY-SHORT" => Meaning::Whole(2),
        "BINARY-LONG" | "BINARY-INT" => Meaning::Whole(4),
        "BINARY-DOUBLE" | "BINARY-LONG-LONG" | "BINARY-C-LONG" => Meaning::Whole(8),
        "SIGNED-SHORT" => whole(2, Sign::Signed),
        "UNSIGNED-SHORT" => whole(2, Sign::Unsigned),
        "SIGNED-INT" => whole(4, Sign::Signed),
        "UNSIGNED-INT" => whole(4, Sign::Unsigned),
        "SIGNED-LONG" => whole(8, Sign::Signed),
        "UNSIGNED-LONG" => whole(8, Sign::Unsigned),
        "INDEX" | "POINTER" | "PROGRAM-POINTER" | "PROCEDURE-POINTER" | "FUNCTION-POINTER"
        | "OBJECT" | "HANDLE" | "THREAD" | "BIT" | "DISPLAY-1" | "COMP-0" | "COMP-N"
        | "FLOAT-EXTENDED" | "FLOAT-BINARY-32" | "FLOAT-BINARY-64" | "FLOAT-BINARY-128"
        | "FLOAT-DECIMAL-16" | "FLOAT-DECIMAL-34" | "FLOAT-DECIMAL-7" => Meaning::Refused,
        _ => Meaning::None,
    }
}
