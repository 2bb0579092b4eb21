//! Numbers with digits: a decimal as bytes, and bytes as a decimal.

use crate::decimal::{Decimal, NoScale};
use crate::dialect::Sign;
use crate::field::{Form, Limit, Number, Order, SignAt, Zero};
use crate::unfit::{Misfit, hex};

/// What is added to the digit that holds the sign of a number less than zero.
const OVERPUNCH: u8 = 0x40;

/// Writes a number into the bytes of its item.
///
/// # Errors
/// It does not fit; the bytes are as before.
pub(crate) fn put(number: &Number, value: Decimal, out: &mut [u8]) -> Result<(), Misfit> {
    let shown = || value.to_string();
    let by_bytes = matches!(number.form, Form::Binary { limit: Limit::Bytes, .. });
    let too_many = || too_large(number, shown(), out.len());
    if value.is_negative() && number.sign == Sign::Unsigned {
        return Err(Misfit::Sign { value: shown() });
    }
    let unscaled = value.at_scale(i32::from(number.scale)).map_err(|error| match error {
        NoScale::Fraction => Misfit::Fraction { value: shown(), scale: number.scale },
        NoScale::Large => too_many(),
    })?;
    let most = power(number.digits);
    if !by_bytes && unscaled.unsigned_abs() >= most {
        return Err(too_many());
    }
    match number.form {
        Form::Display { sign, zero } => display(number, unscaled, (sign, zero), out),
        Form::Packed => packed(unscaled, Some(number.sign), out),
        Form::PackedUnsigned => packed(unscaled, None, out),
        Form::Binary { order, .. } => {
            if !in_bytes(unscaled, number.sign, out.len()) {
                return Err(too_many());
            }
            binary(unscaled, order, out);
        }
    }
    Ok(())
}

/// What an item of so many bytes says of a number that it has no room for.
pub(crate) fn too_large(number: &Number, value: String, bytes: usize) -> Misfit {
    match number.form {
        Form::Binary { limit: Limit::Bytes, .. } => {
            Misfit::Range { value, bytes: u32::try_from(bytes).unwrap_or(u32::MAX) }
        }
        Form::Display { .. } | Form::Packed | Form::PackedUnsigned | Form::Binary { .. } => {
            Misfit::Digits { value, digits: number.digits, scale: number.scale }
        }
    }
}

fn display(number: &Number, unscaled: i128, (at, zero): (SignAt, Zero), out: &mut [u8]) {
    if unscaled == 0 && zero == Zero::Spaces {
        out.fill(b' ');
        return;
    }
    let negative = unscaled < 0;
    let (signed, mark) = (number.sign == Sign::Signed, if negative { b'-' } else { b'+' });
    let digits = match (at, signed, out) {
        (SignAt::LeadingSeparate, true, [sign, digits @ ..])
        | (SignAt::TrailingSeparate, true, [digits @ .., sign]) => {
            *sign = mark;
            digits
        }
        (_, _, digits) => digits,
    };
    let mut rest = unscaled.unsigned_abs();
    for byte in digits.iter_mut().rev() {
        *byte = b'0' + digit(rest);
        rest /= 10;
    }
    let holder = match at {
        SignAt::Trailing => digits.last_mut(),
        SignAt::Leading => digits.first_mut(),
        SignAt::LeadingSeparate | SignAt::TrailingSeparate => None,
    };
    if let Some(byte) = holder.filter(|_| negative) {
        *byte += OVERPUNCH;
    }
}

/// The last digit.
fn digit(value: u128) -> u8 {
    u8::try_from(value % 10).unwrap_or(0)
}

/// Two digits a byte; the last half is the sign where there is one.
fn packed(unscaled: i128, sign: Option<Sign>, out: &mut [u8]) {
    let mut rest = unscaled.unsigned_abs();
    let mut take = || {
        let last = digit(rest);
        rest /= 10;
        last
    };
    let mut low_is_sign = sign.map(|sign| match sign {
        Sign::Unsigned => 0x0f,
        Sign::Signed if unscaled < 0 => 0x0d,
        Sign::Signed => 0x0c,
    });
    for byte in out.iter_mut().rev() {
        let low = low_is_sign.take().unwrap_or_else(&mut take);
        *byte = low | (take() << 4);
    }
}

/// The least number with more digits.
fn power(digits: u8) -> u128 {
    10_u128.checked_pow(u32::from(digits)).unwrap_or(u128::MAX)
}

/// Whether so many bytes hold it.
fn in_bytes(unscaled: i128, sign: Sign, bytes: usize) -> bool {
    let bits = bits(bytes);
    match sign {
        Sign::Unsigned => (0..1_i128 << bits).contains(&unscaled),
        Sign::Signed => {
            let half = 1_i128 << (bits - 1);
            (-half..half).contains(&unscaled)
        }
    }
}

/// Of so many bytes, 8 to 64.
fn bits(bytes: usize) -> u32 {
    u32::try_from(bytes.clamp(1, 8) * 8).unwrap_or(64)
}

fn binary(unscaled: i128, order: Order, out: &mut [u8]) {
    let low_first = unscaled.to_le_bytes();
    for (byte, value) in out.iter_mut().zip(low_first) {
        *byte = value;
    }
    if order == Order::HighFirst {
        out.reverse();
    }
}

/// Reads a number from the bytes of its item.
///
/// # Errors
/// They are no number of it.
pub(crate) fn get(number: &Number, bytes: &[u8]) -> Result<Decimal, Misfit> {
    let unscaled = match number.form {
        Form::Display { sign, zero } => {
            if zero == Zero::Spaces && bytes.iter().all(|byte| *byte == b' ') {
                Some(0)
            } else {
                displayed(number, sign, bytes)
            }
        }
        Form::Packed => unpacked(number, bytes),
        Form::PackedUnsigned => {
            halves_value(bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]), number.digits)
        }
        Form::Binary { order, .. } => Some(from_binary(number.sign, order, bytes)),
    };
    let unscaled = unscaled.ok_or_else(|| Misfit::NotDigits { bytes: hex(bytes) })?;
    Ok(Decimal::new(unscaled, i32::from(number.scale)))
}

fn displayed(number: &Number, at: SignAt, bytes: &[u8]) -> Option<i128> {
    let last = bytes.len().checked_sub(1)?;
    let mut digits = bytes.to_vec();
    let mut negative = false;
    if number.sign == Sign::Signed {
        match at {
            SignAt::LeadingSeparate | SignAt::TrailingSeparate => {
                let place = if at == SignAt::LeadingSeparate { 0 } else { last };
                negative = match digits.remove(place) {
                    b'-' => true,
                    b'+' => false,
                    _ => return None,
                };
            }
            SignAt::Leading | SignAt::Trailing => {
                let first = at == SignAt::Leading;
                let holder = if first { digits.first_mut() } else { digits.last_mut() }?;
                if (b'0' + OVERPUNCH..=b'9' + OVERPUNCH).contains(&*holder) {
                    *holder -= OVERPUNCH;
                    negative = true;
                }
            }
        }
    }
    let mut value = 0_i128;
    for byte in digits {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    Some(if negative { -value } else { value })
}

fn unpacked(number: &Number, bytes: &[u8]) -> Option<i128> {
    let halves: Vec<u8> = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]).collect();
    let (sign, digits) = halves.split_last()?;
    let value = halves_value(digits.iter().copied(), number.digits)?;
    match (sign, number.sign) {
        // B is less than zero elsewhere; here a program reads it as it reads A, C, E and F.
        (0x0a | 0x0b | 0x0c | 0x0e | 0x0f, _) => Some(value),
        (0x0d, Sign::Signed) => Some(-value),
        (0x0d, Sign::Unsigned) if value == 0 => Some(0),
        _ => None,
    }
}

/// The value of digits of which a last one that fills a byte up has to be nought.
fn halves_value(halves: impl Iterator<Item = u8>, digits: u8) -> Option<i128> {
    let mut value = 0_i128;
    for half in halves {
        if half > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(half))?;
    }
    let most = power(digits);
    (value.unsigned_abs() < most).then_some(value)
}

fn from_binary(sign: Sign, order: Order, bytes: &[u8]) -> i128 {
    let value = |value: i128, byte: &u8| (value << 8) | i128::from(*byte);
    let unsigned = match order {
        Order::HighFirst => bytes.iter().fold(0, value),
        Order::LowFirst => bytes.iter().rev().fold(0, value),
    };
    let half = 1_i128 << (bits(bytes.len()) - 1);
    if sign == Sign::Signed && unsigned >= half { unsigned - (half << 1) } else { unsigned }
}
