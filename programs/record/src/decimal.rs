//! Exact decimal numbers: no binary fraction stands between text and digits.

use std::fmt;

use serde::Serialize;

/// The longest text of a number that is looked at.
const TEXT_MAX: usize = 128;
/// The most digits that are kept, zeros at either end left out.
const DIGITS_MAX: usize = 38;
/// The greatest exponent, of either sign.
const EXPONENT_MAX: i32 = 100;

/// `unscaled` times ten to the power of `-scale`, with no zero at the end of `unscaled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    unscaled: i128,
    scale: i32,
}

/// Why a text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoNumber {
    /// It has characters that no number has, or not there.
    Form,
    /// More digits or a greater exponent than any item has.
    Large,
}

/// Why a number cannot be written with so many digits behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoScale {
    /// Digits would be lost behind the point.
    Fraction,
    /// There would be more digits than any item has.
    Large,
}

impl Decimal {
    /// The number `unscaled` times ten to the power of `-scale`.
    #[must_use]
    pub fn new(unscaled: i128, scale: i32) -> Self {
        if unscaled == 0 {
            return Self { unscaled, scale: 0 };
        }
        let (mut unscaled, mut scale) = (unscaled, scale);
        while unscaled % 10 == 0 {
            unscaled /= 10;
            scale -= 1;
        }
        Self { unscaled, scale }
    }

    /// Reads `-12.50`, `+7`, `007`, `1.5e3`.
    ///
    /// # Errors
    /// It is no number, or has more digits than any item.
    pub fn read(text: &str) -> Result<Self, NoNumber> {
        if text.len() > TEXT_MAX {
            return Err(NoNumber::Large);
        }
        let (sign, rest) = match text.as_bytes().first() {
            Some(b'-') => (-1, &text[1..]),
            Some(b'+') => (1, &text[1..]),
            _ => (1, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(NoNumber::Form),
            None => (mantissa, ""),
        };
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !are_digits(whole) || !are_digits(fraction) {
            return Err(NoNumber::Form);
        }
        let digits = format!("{whole}{fraction}");
        let kept = digits.trim_end_matches('0');
        let dropped = i32::try_from(digits.len() - kept.len()).unwrap_or(EXPONENT_MAX);
        let kept = kept.trim_start_matches('0');
        if kept.is_empty() {
            return Ok(Self { unscaled: 0, scale: 0 });
        }
        if kept.len() > DIGITS_MAX {
            return Err(NoNumber::Large);
        }
        let unscaled: i128 = kept.parse().map_err(|_| NoNumber::Large)?;
        let behind = i32::try_from(fraction.len()).unwrap_or(EXPONENT_MAX);
        Ok(Self { unscaled: sign * unscaled, scale: behind - dropped - exponent })
    }

    /// Whether it is less than zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.unscaled < 0
    }

    /// The whole number that it is with so many digits behind the point.
    ///
    /// # Errors
    /// Digits would be lost, or there would be too many.
    pub fn at_scale(self, scale: i32) -> Result<i128, NoScale> {
        if self.unscaled == 0 {
            return Ok(0);
        }
        let shift = u32::try_from(scale - self.scale).map_err(|_| NoScale::Fraction)?;
        let power = 10_i128.checked_pow(shift).ok_or(NoScale::Large)?;
        self.unscaled.checked_mul(power).ok_or(NoScale::Large)
    }
}

fn exponent_of(text: &str) -> Result<i32, NoNumber> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NoNumber::Form);
    }
    let exponent: i32 = text.parse().map_err(|_| NoNumber::Large)?;
    if exponent.abs() > EXPONENT_MAX { Err(NoNumber::Large) } else { Ok(exponent) }
}

/// Without exponent: `-12.5`, `0.05`, `1200`.
impl fmt::Display for Decimal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let digits = self.unscaled.unsigned_abs().to_string();
        let Ok(behind) = usize::try_from(self.scale) else {
            let zeros = usize::try_from(-self.scale).unwrap_or(0);
            return write!(to, "{sign}{digits}{}", "0".repeat(zeros));
        };
        if behind == 0 {
            return write!(to, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = behind + 1);
        let (whole, fraction) = padded.split_at(padded.len() - behind);
        write!(to, "{sign}{whole}.{fraction}")
    }
}
