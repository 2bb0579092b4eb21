//! A record's bytes as JSON.

use crate::code_page::NoText;
use crate::conversion::{Conversion, Nul, Numbers};
use crate::field::{Field, Form, Justified, Kind, Layout, Limit, Number, Occurs};
use crate::json::Json;
use crate::layout::shown;
use crate::number;
use crate::unfit::{DoesNotFit, Misfit, hex};

/// Digits that a reader with binary fractions keeps.
const SAFE_DIGITS: u8 = 15;
/// Digits of the greatest number of so many bytes.
const DIGITS_OF_BYTES: [u8; 8] = [3, 5, 8, 10, 13, 15, 17, 20];

/// The value of a record.
///
/// # Errors
/// The first item whose bytes are no value of it.
pub fn decode(layout: &Layout, record: &[u8], conversion: &Conversion) -> Result<Json, DoesNotFit> {
    let expected = layout.bytes();
    if usize::try_from(expected).ok() != Some(record.len()) {
        let why = Misfit::RecordLength { bytes: record.len(), expected };
        return Err(DoesNotFit::new(why));
    }
    Decoder { layout, record, conversion }.field(&layout.root, 0)
}

struct Decoder<'a> {
    layout: &'a Layout,
    record: &'a [u8],
    conversion: &'a Conversion,
}

impl Decoder<'_> {
    /// An item with all its occurrences; `shift` is where the occurrence of the table that it is
    /// in begins, counted from the first.
    fn field(&self, field: &Field, shift: u32) -> Result<Json, DoesNotFit> {
        let times = match &field.occurs {
            Occurs::Once => return self.one(field, shift),
            Occurs::Times(times) => *times,
            Occurs::Depending { least, most, on } => self.count(on, (*least, *most))?,
        };
        let one =
            |index| self.one(field, shift + index * field.bytes).map_err(|error| error.at(index));
        (0..times).map(one).collect::<Result<_, _>>().map(Json::Array)
    }

    fn count(&self, on: &str, (least, most): (u32, u32)) -> Result<u32, DoesNotFit> {
        let Some((field, number)) = counter(&self.layout.root, on) else {
            return Ok(most);
        };
        let value = number::get(&number, self.bytes(field, 0))
            .map_err(|why| DoesNotFit::new(why).within(&field.json))?;
        let count = value.at_scale(0).ok().and_then(|count| u32::try_from(count).ok());
        count.filter(|count| (least..=most).contains(count)).ok_or_else(|| {
            let (on, value) = (on.to_owned(), value.to_string());
            DoesNotFit::new(Misfit::CountOutside { on, value })
        })
    }

    fn bytes(&self, field: &Field, shift: u32) -> &[u8] {
        let from = usize::try_from(field.offset + shift).unwrap_or(usize::MAX);
        let long = usize::try_from(field.bytes).unwrap_or(0);
        let end = from.saturating_add(long);
        self.record.get(from..end).unwrap_or_default()
    }

    fn one(&self, field: &Field, shift: u32) -> Result<Json, DoesNotFit> {
        let bytes = self.bytes(field, shift);
        let value = match &field.kind {
            Kind::Group(fields) => {
                let mut members = Vec::new();
                for member in shown(fields, &self.conversion.chosen) {
                    let value = self.field(member, shift);
                    let value = value.map_err(|error| error.within(&member.json))?;
                    members.push((member.json.clone(), value));
                }
                return Ok(Json::Object(members));
            }
            Kind::Text(justified) => self.text(bytes, *justified),
            Kind::Edited => self.text(bytes, Justified::Left),
            Kind::National => self.national(bytes),
            Kind::Number(number) => self.number(number, bytes),
            Kind::Single => real(single(bytes)),
            Kind::Double => real(double(bytes)),
        };
        value.map_err(DoesNotFit::new)
    }

    fn text(&self, bytes: &[u8], justified: Justified) -> Result<Json, Misfit> {
        let mut kept = bytes;
        if self.conversion.nul == Nul::Cut {
            let end = kept.iter().position(|byte| *byte == 0).unwrap_or(kept.len());
            kept = &kept[..end];
        }
        // A space is no second byte in any of the code pages.
        while let [rest @ .., b' '] = kept {
            kept = rest;
        }
        if justified == Justified::Right {
            while let [b' ', rest @ ..] = kept {
                kept = rest;
            }
        }
        let text = self.conversion.code_page.decode(kept, self.conversion.wave);
        text.map(Json::Text).map_err(|error| no_text(error, kept))
    }

    /// A program that never moved anything there has NULs in it: INITIALIZE leaves PIC N alone.
    fn national(&self, bytes: &[u8]) -> Result<Json, Misfit> {
        let cut = bytes.chunks(2).position(|pair| pair == [0, 0]);
        let end = cut.filter(|_| self.conversion.nul == Nul::Cut).map_or(bytes.len(), |at| 2 * at);
        let kept = &bytes[..end];
        let text = self.conversion.national.decode(kept, self.conversion.wave);
        text.map(Json::Text).map_err(|error| no_text(error, kept))
    }

    fn number(&self, number: &Number, bytes: &[u8]) -> Result<Json, Misfit> {
        let text = number::get(number, bytes)?.to_string();
        let as_number = match self.conversion.numbers {
            Numbers::ByDigits => digits(number, bytes.len()) <= SAFE_DIGITS,
            Numbers::Numbers => true,
            Numbers::Texts => false,
        };
        Ok(if as_number { Json::Number(text) } else { Json::Text(text) })
    }
}

/// The item that says how often a table occurs.
pub(crate) fn counter<'a>(root: &'a Field, name: &str) -> Option<(&'a Field, Number)> {
    let mut open = vec![root];
    while let Some(field) = open.pop() {
        if field.occurs != Occurs::Once || field.redefines.is_some() {
            continue;
        }
        match &field.kind {
            Kind::Group(fields) => open.extend(fields.iter().rev()),
            Kind::Number(number) if field.name.as_deref() == Some(name) => {
                return Some((field, *number));
            }
            _ => {}
        }
    }
    None
}

/// The most digits that a number of the item is written with.
fn digits(number: &Number, bytes: usize) -> u8 {
    let stored = match number.form {
        Form::Binary { limit: Limit::Bytes, .. } => {
            bytes.checked_sub(1).and_then(|at| DIGITS_OF_BYTES.get(at)).copied().unwrap_or(20)
        }
        _ => number.digits,
    };
    let scale = i16::from(number.scale);
    let all = i16::from(stored).max(scale).max(i16::from(stored) - scale);
    u8::try_from(all).unwrap_or(u8::MAX)
}

fn no_text(error: NoText, bytes: &[u8]) -> Misfit {
    match error {
        NoText::Half => Misfit::HalfCharacter { bytes: hex(bytes) },
        NoText::Unknown => Misfit::NotText { bytes: hex(bytes) },
    }
}

fn single(bytes: &[u8]) -> Option<String> {
    let value = f32::from_le_bytes(bytes.try_into().ok()?);
    value.is_finite().then(|| serde_json::to_string(&value).ok()).flatten()
}

fn double(bytes: &[u8]) -> Option<String> {
    let value = f64::from_le_bytes(bytes.try_into().ok()?);
    value.is_finite().then(|| serde_json::to_string(&value).ok()).flatten()
}

fn real(text: Option<String>) -> Result<Json, Misfit> {
    text.map(Json::Number).ok_or(Misfit::NotFinite)
}
