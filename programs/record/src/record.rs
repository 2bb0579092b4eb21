//! A record and its JSON, and when two of them are the same.

use crate::code_page::Wave;
use crate::conversion::{Conversion, Nul, Numbers};
use crate::decode::decode;
use crate::encode::encode;
use crate::field::Layout;
use crate::json::{Json, NameOrder};
use crate::unfit::DoesNotFit;

/// The record's value as JSON, its names in the order of its items.
///
/// # Errors
/// The first item whose bytes are no value of it.
pub fn to_json(
    layout: &Layout,
    record: &[u8],
    conversion: &Conversion,
) -> Result<String, DoesNotFit> {
    Ok(decode(layout, record, conversion)?.written(NameOrder::Record))
}

/// The record that a JSON text describes.
///
/// # Errors
/// It is no JSON, or the first item that its value does not fit.
pub fn from_json(
    layout: &Layout,
    text: &[u8],
    conversion: &Conversion,
) -> Result<Vec<u8>, DoesNotFit> {
    encode(layout, &Json::read(text)?, conversion)
}

/// What a JSON text says, in the one way of saying it: two texts whose canonical forms are equal
/// hand a program the same values, however they are written. Numbers are texts without zeros that
/// say nothing, names are sorted, what is filled up is left out.
///
/// # Errors
/// As for [`from_json`].
pub fn canonical(
    layout: &Layout,
    text: &[u8],
    conversion: &Conversion,
) -> Result<String, DoesNotFit> {
    canonical_of(layout, &from_json(layout, text, conversion)?, conversion)
}

/// The canonical form of a record's own bytes.
///
/// # Errors
/// As for [`to_json`].
pub fn canonical_of(
    layout: &Layout,
    record: &[u8],
    conversion: &Conversion,
) -> Result<String, DoesNotFit> {
    // What is behind a NUL is handed over as well: two texts that differ there are not the same.
    let conversion = Conversion {
        numbers: Numbers::Texts,
        nul: Nul::Keep,
        wave: Wave::Microsoft,
        ..conversion.clone()
    };
    let mut value = decode(layout, record, &conversion)?;
    without_sign_of_zero(&mut value);
    Ok(value.written(NameOrder::Sorted))
}

/// A binary fraction may be nought with a sign; it is the same number. Others are texts here.
fn without_sign_of_zero(value: &mut Json) {
    match value {
        Json::Number(text) if text == "-0.0" => *text = "0.0".to_owned(),
        Json::Array(values) => values.iter_mut().for_each(without_sign_of_zero),
        Json::Object(members) => {
            members.iter_mut().for_each(|(_, value)| without_sign_of_zero(value));
        }
        Json::Null | Json::Truth(_) | Json::Number(_) | Json::Text(_) => {}
    }
}
