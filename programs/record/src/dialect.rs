//! What a compiler's options change in a record: sizes of binary numbers, and what they may hold.

use serde::{Deserialize, Serialize};

/// How many bytes a binary number has by its digits (`binary-size` of GnuCOBOL).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinarySize {
    /// 1, 2, 4 or 8: `-std=default`.
    OneTwoFourEight,
    /// As few as the digits need, 1 to 8: `-std=mf`.
    OneToEight,
    /// 2, 4 or 8: `-std=ibm`. COMP-5 of one or two digits has one byte all the same.
    TwoFourEight,
}

/// What bounds the value of COMP and BINARY (`binary-truncate` of GnuCOBOL).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinaryLimit {
    /// The digits of the picture.
    Picture,
    /// The bytes.
    Bytes,
}

/// Whether a redefinition may be longer than what it redefines (`larger-redefines-ok`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LongerRedefinition {
    /// It is an error.
    Refused,
    /// What comes after begins behind the longest.
    Allowed,
}

/// What a program is compiled as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// Bytes of binary numbers.
    pub binary_size: BinarySize,
    /// What bounds COMP and BINARY.
    pub binary_limit: BinaryLimit,
    /// Redefinitions longer than what they redefine, below level 01.
    pub longer: LongerRedefinition,
}

impl Dialect {
    /// `-std=default`.
    pub const DEFAULT: Self = Self {
        binary_size: BinarySize::OneTwoFourEight,
        binary_limit: BinaryLimit::Picture,
        longer: LongerRedefinition::Refused,
    };
    /// `-std=mf`.
    pub const MF: Self = Self {
        binary_size: BinarySize::OneToEight,
        binary_limit: BinaryLimit::Bytes,
        longer: LongerRedefinition::Allowed,
    };
    /// `-std=ibm`.
    pub const IBM: Self = Self {
        binary_size: BinarySize::TwoFourEight,
        binary_limit: BinaryLimit::Bytes,
        longer: LongerRedefinition::Refused,
    };
}

/// Digits that a number of so many bytes always holds.
const DIGITS_OF_BYTES: [u8; 8] = [2, 4, 7, 9, 12, 14, 16, 18];

/// How many digits `PIC X(n)` has as a binary number; none for more than eight bytes.
#[must_use]
pub fn digits_of_bytes(bytes: usize) -> Option<u8> {
    DIGITS_OF_BYTES.get(bytes.checked_sub(1)?).copied()
}

/// Bytes of COMP-X by its digits, in every dialect: as few as the digits need.
#[must_use]
pub fn bytes_of_digits(digits: u8) -> u32 {
    let longer = DIGITS_OF_BYTES.iter().filter(|most| **most < digits).count();
    // Eight bytes hold 19 digits without a sign; 18 is the most a binary number has.
    u32::try_from(longer.min(7)).unwrap_or(7) + 1
}

/// Bytes of a number with a sign by its digits, as few as they need.
const SIGNED_DIGITS_OF_BYTES: [u8; 8] = [2, 4, 6, 9, 11, 14, 16, 18];

impl BinarySize {
    /// Bytes of COMP, BINARY and COMP-5 with 1 to 18 digits.
    #[must_use]
    pub fn bytes(self, digits: u8, sign: Sign, usage: Native) -> u32 {
        match self {
            Self::OneToEight => match sign {
                Sign::Signed => {
                    let less = SIGNED_DIGITS_OF_BYTES.iter().filter(|most| **most < digits).count();
                    u32::try_from(less.min(7)).unwrap_or(7) + 1
                }
                Sign::Unsigned => bytes_of_digits(digits),
            },
            Self::TwoFourEight if digits <= 2 && usage == Native::No => 2,
            Self::OneTwoFourEight | Self::TwoFourEight => match digits {
                0..=2 => 1,
                3..=4 => 2,
                5..=9 => 4,
                _ => 8,
            },
        }
    }
}

/// Whether a number may be less than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// `S` in its picture.
    Signed,
    /// No `S`.
    Unsigned,
}

/// Whether a binary number is COMP-5 or its like: the machine's own order of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// It is.
    Yes,
    /// COMP and BINARY.
    No,
}
