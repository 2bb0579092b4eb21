//! Values that show how an item is stored: its digits, its sign, its end that is filled up.

use crate::code_page::CodePage;
use crate::conversion::Conversion;
use crate::decimal::Decimal;
use crate::dialect::Sign;
use crate::encode::encode;
use crate::field::{Field, Kind, Layout, Number, Occurs};
use crate::json::Json;

/// Digits behind the point of the program's common number.
pub(super) const SCALE: i32 = 18;
/// All digits of it, and of its whole number.
pub(super) const DIGITS: usize = 38;
/// The longest text.
const TEXT_MAX: usize = 20;

/// A value, how the program gets it, and its bytes.
pub(super) struct Sample {
    /// As it is shown.
    pub value: String,
    /// What is moved to the item.
    pub from: From,
    /// What then stands there.
    pub bytes: Vec<u8>,
}

/// What the program moves to an item.
pub(super) enum From {
    /// A number with [`SCALE`] digits behind the point: sign and digits.
    Fraction(String),
    /// A whole number: sign and digits.
    Whole(String),
    /// A text.
    Text(String),
}

/// The samples of an item that is no group.
pub(super) fn samples(field: &Field) -> Vec<Sample> {
    let values = match &field.kind {
        Kind::Number(number) => numbers(number),
        Kind::Single | Kind::Double => vec![Decimal::new(-15, 1), Decimal::new(12_345, 0)],
        Kind::Text(_) => return text(field).into_iter().collect(),
        // What is moved there is not told by the layout, or not in characters of one byte.
        Kind::Edited | Kind::National | Kind::Group(_) => return Vec::new(),
    };
    values.into_iter().filter_map(|value| number(field, value)).collect()
}

/// The greatest, one whose digits differ, the least, and nought; of either sign.
fn numbers(number: &Number) -> Vec<Decimal> {
    let most = 10_i128.checked_pow(u32::from(number.digits)).unwrap_or(i128::MAX);
    let scale = i32::from(number.scale);
    let mut out = Vec::new();
    for unscaled in [most - 1, 123_456_789_123_456_789 % most, 1] {
        out.push(Decimal::new(unscaled, scale));
        if number.sign == Sign::Signed {
            out.push(Decimal::new(-unscaled, scale));
        }
    }
    out.push(Decimal::new(0, 0));
    out
}

fn number(field: &Field, value: Decimal) -> Option<Sample> {
    let within = |unscaled: &i128| unscaled.unsigned_abs().to_string().len() <= DIGITS;
    let fraction = value.at_scale(SCALE).ok().filter(within);
    let from = match (fraction, value.at_scale(0).ok().filter(within)) {
        (Some(unscaled), _) => From::Fraction(signed(unscaled)),
        (None, Some(unscaled)) => From::Whole(signed(unscaled)),
        (None, None) => return None,
    };
    let value = value.to_string();
    let bytes = alone(field, &Json::Number(value.clone()))?;
    Some(Sample { value, from, bytes })
}

fn signed(unscaled: i128) -> String {
    let sign = if unscaled < 0 { '-' } else { '+' };
    format!("{sign}{:0>DIGITS$}", unscaled.unsigned_abs())
}

fn text(field: &Field) -> Option<Sample> {
    let long = usize::try_from(field.bytes).ok()?.saturating_sub(1).clamp(1, TEXT_MAX);
    let value: String = ('A'..='Z').take(long).collect();
    let bytes = alone(field, &Json::Text(value.clone()))?;
    Some(Sample { from: From::Text(value.clone()), value, bytes })
}

/// The bytes of an item as if it were a record.
fn alone(field: &Field, value: &Json) -> Option<Vec<u8>> {
    let root = Field { offset: 0, occurs: Occurs::Once, ..field.clone() };
    encode(&Layout { root }, value, &Conversion::of(CodePage::Ascii)).ok()
}
