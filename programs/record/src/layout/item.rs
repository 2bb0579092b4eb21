//! One item that is no group: its bytes and what it holds, by picture, usage and dialect.

use crate::dialect::{BinaryLimit, Dialect, Native, Sign, bytes_of_digits, digits_of_bytes};
use crate::entry::{Entry, Usage};
use crate::field::{Field, Form, Justified, Kind, Limit, Number, Order, SignAt, Zero};
use crate::picture::{Digits, Picture};
use crate::refused::{Refused, Why};

use super::refuse;

/// The most digits of a binary number.
const BINARY_DIGITS_MAX: u8 = 18;

/// Bytes and content of an item.
pub(super) fn size(
    entry: &Entry,
    usage: Option<Usage>,
    sign: Option<SignAt>,
    dialect: Dialect,
) -> Result<(u32, Kind), Refused> {
    let usage = usage.unwrap_or(Usage::Display);
    if let Some(without) = without_picture(usage) {
        return match &entry.picture {
            Some(picture) => Err(refuse(entry, Why::PictureForUsage { picture: picture.clone() })),
            None => Ok(without),
        };
    }
    let written = entry.picture.as_ref().ok_or_else(|| refuse(entry, Why::PictureMissing))?;
    let wrong = || refuse(entry, Why::PictureForUsage { picture: written.clone() });
    let picture = Picture::read(written)
        .map_err(|why| refuse(entry, Why::Picture { picture: written.clone(), why }))?;
    let plain = entry.justified == Justified::Left;
    match (picture, usage) {
        (Picture::Numeric(digits), Usage::Display) if plain => {
            Ok(display(digits, sign.unwrap_or(SignAt::Trailing), entry.zero))
        }
        // All others have no zero that could be written as spaces.
        (Picture::Edited(bytes), Usage::Display) if plain => Ok((bytes, Kind::Edited)),
        _ if entry.zero == Zero::Spaces => Err(wrong()),
        (Picture::Numeric(digits), Usage::Packed | Usage::PackedUnsigned) if is_scaled(digits) => {
            Err(refuse(entry, Why::ScaledPacked { picture: written.clone() }))
        }
        (Picture::Numeric(digits), usage) if plain => {
            numeric(digits, usage, dialect).ok_or_else(wrong)
        }
        (Picture::Alphanumeric(bytes), Usage::CompX | Usage::Native) if plain => {
            whole_bytes(bytes, usage, dialect).ok_or_else(wrong)
        }
        (Picture::Alphanumeric(bytes) | Picture::Alphabetic(bytes), Usage::Display) => {
            Ok((bytes, Kind::Text(entry.justified)))
        }
        (Picture::National(letters), Usage::Display | Usage::National) if plain => {
            Ok((letters * 2, Kind::National))
        }
        _ => Err(wrong()),
    }
}

/// Whether there is a P in its picture.
fn is_scaled(digits: Digits) -> bool {
    digits.scale < 0 || i16::from(digits.scale) > i16::from(digits.stored)
}

/// Usages that have no picture.
fn without_picture(usage: Usage) -> Option<(u32, Kind)> {
    match usage {
        Usage::Single => Some((4, Kind::Single)),
        Usage::Double => Some((8, Kind::Double)),
        Usage::Whole { bytes, sign } => {
            let form = Form::Binary { order: Order::LowFirst, limit: Limit::Bytes };
            let digits = digits_of_bytes(usize::from(bytes)).unwrap_or(BINARY_DIGITS_MAX);
            let number = Number { digits, scale: 0, sign, form };
            Some((u32::from(bytes), Kind::Number(number)))
        }
        Usage::Display
        | Usage::Binary
        | Usage::Native
        | Usage::CompX
        | Usage::Packed
        | Usage::PackedUnsigned
        | Usage::National => None,
    }
}

fn display(digits: Digits, sign: SignAt, zero: Zero) -> (u32, Kind) {
    let separate = matches!(sign, SignAt::LeadingSeparate | SignAt::TrailingSeparate);
    let extra = u32::from(separate && digits.sign == Sign::Signed);
    let kind = number(digits, Form::Display { sign, zero });
    (u32::from(digits.stored) + extra, kind)
}

fn number(digits: Digits, form: Form) -> Kind {
    Kind::Number(Number { digits: digits.stored, scale: digits.scale, sign: digits.sign, form })
}

fn numeric(digits: Digits, usage: Usage, dialect: Dialect) -> Option<(u32, Kind)> {
    let stored = u32::from(digits.stored);
    let by_dialect = match dialect.binary_limit {
        BinaryLimit::Picture => Limit::Digits,
        BinaryLimit::Bytes => Limit::Bytes,
    };
    let (bytes, form) = match usage {
        Usage::Packed => (stored / 2 + 1, Form::Packed),
        Usage::PackedUnsigned if digits.sign == Sign::Unsigned => {
            (stored.div_ceil(2), Form::PackedUnsigned)
        }
        _ if digits.stored > BINARY_DIGITS_MAX => return None,
        Usage::Binary => (
            dialect.binary_size.bytes(digits.stored, digits.sign, Native::No),
            Form::Binary { order: Order::HighFirst, limit: by_dialect },
        ),
        Usage::Native => (
            dialect.binary_size.bytes(digits.stored, digits.sign, Native::Yes),
            Form::Binary { order: Order::LowFirst, limit: Limit::Bytes },
        ),
        Usage::CompX if digits.sign == Sign::Unsigned => (
            bytes_of_digits(digits.stored),
            Form::Binary { order: Order::HighFirst, limit: by_dialect },
        ),
        Usage::Display
        | Usage::CompX
        | Usage::PackedUnsigned
        | Usage::Single
        | Usage::Double
        | Usage::National
        | Usage::Whole { .. } => return None,
    };
    Some((bytes, number(digits, form)))
}

/// `PIC X(n)` as a binary number without a sign.
fn whole_bytes(bytes: u32, usage: Usage, dialect: Dialect) -> Option<(u32, Kind)> {
    let stored = digits_of_bytes(usize::try_from(bytes).ok()?)?;
    let digits = Digits { stored, scale: 0, sign: Sign::Unsigned };
    Some(if usage == Usage::CompX {
        let form = Form::Binary { order: Order::HighFirst, limit: Limit::Bytes };
        (bytes, number(digits, form))
    } else {
        let form = Form::Binary { order: Order::LowFirst, limit: Limit::Bytes };
        (dialect.binary_size.bytes(stored, Sign::Unsigned, Native::Yes), number(digits, form))
    })
}

/// The multiple of bytes at which a SYNCHRONIZED item begins.
pub(super) fn alignment(field: &Field) -> u32 {
    let number = match field.kind {
        Kind::Single | Kind::Double => true,
        Kind::Number(number) => matches!(number.form, Form::Binary { .. }),
        Kind::Group(_) | Kind::Text(_) | Kind::National | Kind::Edited => false,
    };
    if number && matches!(field.bytes, 2 | 4 | 8) { field.bytes } else { 1 }
}
