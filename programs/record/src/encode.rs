//! JSON as a record's bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::code_page::NoNational;
use crate::conversion::{Control, Conversion, Edited, Missing};
use crate::decimal::{Decimal, NoNumber};
use crate::decode::counter;
use crate::field::{Field, Justified, Kind, Layout, Number, Occurs};
use crate::json::{Json, Shape};
use crate::layout::{chosen, members, overlays, shown};
use crate::number;
use crate::unfit::{DoesNotFit, Misfit};

/// The record of a value.
///
/// # Errors
/// The first item that its value does not fit.
pub fn encode(
    layout: &Layout,
    value: &Json,
    conversion: &Conversion,
) -> Result<Vec<u8>, DoesNotFit> {
    let mut encoder = Encoder::of(layout, conversion);
    encoder.field(&layout.root, value, 0)?;
    encoder.count(layout)?;
    Ok(encoder.record)
}

/// A record that nobody has filled: spaces and zeros, and tables as short as they may be.
#[must_use]
pub fn initial(layout: &Layout, conversion: &Conversion) -> Vec<u8> {
    let mut encoder = Encoder::of(layout, conversion);
    encoder.absent(&layout.root);
    // The fewest occurrences of a table may be more than its counter can say: it stays nought.
    let _fits = encoder.count(layout);
    encoder.record
}

struct Encoder<'a> {
    record: Vec<u8>,
    conversion: &'a Conversion,
    /// Items that say how often a table occurs, by name, and where they stand.
    counters: BTreeMap<String, u32>,
    /// Those of them that were given.
    given: BTreeSet<String>,
    /// How often the tables occur.
    counts: BTreeMap<String, u32>,
}

impl<'a> Encoder<'a> {
    /// With spaces and zeros in every item.
    fn of(layout: &Layout, conversion: &'a Conversion) -> Self {
        let long = usize::try_from(layout.bytes()).unwrap_or(0);
        let mut encoder = Self {
            record: vec![0; long],
            conversion,
            counters: BTreeMap::new(),
            given: BTreeSet::new(),
            counts: BTreeMap::new(),
        };
        encoder.find_counters(layout, &layout.root);
        encoder.initial(&layout.root, 0);
        encoder
    }

    fn find_counters(&mut self, layout: &Layout, field: &Field) {
        if let Occurs::Depending { on, .. } = &field.occurs
            && let Some((counter, _)) = counter(&layout.root, on)
        {
            self.counters.insert(on.clone(), counter.offset);
        }
        if let Kind::Group(fields) = &field.kind {
            for inner in fields {
                self.find_counters(layout, inner);
            }
        }
    }

    /// The name of an item that says how often a table occurs.
    fn counts<'f>(&self, field: &'f Field) -> Option<&'f String> {
        let name = field.name.as_ref()?;
        (self.counters.get(name) == Some(&field.offset)).then_some(name)
    }

    fn bytes(&mut self, field: &Field, shift: u32) -> &mut [u8] {
        let from = usize::try_from(field.offset + shift).unwrap_or(usize::MAX);
        let end = from.saturating_add(usize::try_from(field.bytes).unwrap_or(0));
        self.record.get_mut(from..end).unwrap_or_default()
    }

    /// Spaces and zeros in every item, FILLER too, as INITIALIZE has them.
    fn initial(&mut self, field: &Field, shift: u32) {
        for index in 0..field.occurs.most() {
            let shift = shift + index * field.bytes;
            match &field.kind {
                Kind::Group(fields) => {
                    // The one that is shown last, over what is longer than it.
                    for inner in overlays(fields).flat_map(|same| same.iter().rev()) {
                        self.initial(inner, shift);
                    }
                    for inner in chosen(fields, &self.conversion.chosen) {
                        self.initial(inner, shift);
                    }
                }
                Kind::Text(_) | Kind::Edited => self.bytes(field, shift).fill(b' '),
                Kind::National => {
                    let fill = self.conversion.national.fill();
                    for pair in self.bytes(field, shift).chunks_exact_mut(2) {
                        pair.copy_from_slice(&fill);
                    }
                }
                Kind::Number(number) => {
                    let zero = number::put(number, Decimal::new(0, 0), self.bytes(field, shift));
                    zero.expect("zero fits every number");
                }
                Kind::Single | Kind::Double => self.bytes(field, shift).fill(0),
            }
        }
    }

    fn field(&mut self, field: &Field, value: &Json, shift: u32) -> Result<(), DoesNotFit> {
        let (least, most) = match &field.occurs {
            Occurs::Once => return self.one(field, value, shift),
            Occurs::Times(times) if self.conversion.missing == Missing::Initial => (0, *times),
            Occurs::Times(times) => (*times, *times),
            Occurs::Depending { least, most, .. } => (*least, *most),
        };
        let Json::Array(values) = value else { return Err(kind(Shape::Array, value)) };
        let given = values.len();
        let count = u32::try_from(given).ok().filter(|count| (least..=most).contains(count));
        let Some(count) = count else {
            return Err(DoesNotFit::new(Misfit::Occurrences { given, least, most }));
        };
        if let Occurs::Depending { on, .. } = &field.occurs {
            self.agree(on, count)?;
        }
        for (index, value) in (0..count).zip(values) {
            self.one(field, value, shift + index * field.bytes).map_err(|error| error.at(index))?;
        }
        Ok(())
    }

    /// Two tables that depend on one item have equally many occurrences.
    fn agree(&mut self, on: &str, given: u32) -> Result<(), DoesNotFit> {
        let before = *self.counts.entry(on.to_owned()).or_insert(given);
        if before == given {
            return Ok(());
        }
        Err(DoesNotFit::new(Misfit::Count { on: on.to_owned(), given }))
    }

    fn one(&mut self, field: &Field, value: &Json, shift: u32) -> Result<(), DoesNotFit> {
        let result = match &field.kind {
            Kind::Group(fields) => return self.group(fields, value, shift),
            Kind::Text(justified) => self.text(field, value, (shift, *justified)),
            Kind::Edited if self.conversion.edited == Edited::OnlyRead => Err(Misfit::OnlyRead),
            Kind::Edited => self.text(field, value, (shift, Justified::Left)),
            Kind::National => self.national(field, value, shift),
            Kind::Number(number) => decimal(value, number, field.bytes)
                .and_then(|decimal| number::put(number, decimal, self.bytes(field, shift))),
            Kind::Single => single(value).map(|bytes| {
                self.bytes(field, shift).copy_from_slice(&bytes);
            }),
            Kind::Double => double(value).map(|bytes| {
                self.bytes(field, shift).copy_from_slice(&bytes);
            }),
        };
        result.map_err(DoesNotFit::new)
    }

    fn group(&mut self, fields: &[Field], value: &Json, shift: u32) -> Result<(), DoesNotFit> {
        let Json::Object(given) = value else { return Err(kind(Shape::Object, value)) };
        let shown = shown(fields, &self.conversion.chosen);
        let known: BTreeSet<&str> = shown.iter().map(|field| field.json.as_str()).collect();
        if let Some((name, _)) = given.iter().find(|(name, _)| !known.contains(name.as_str())) {
            return Err(DoesNotFit::new(no_member(fields, &shown, name)).within(name));
        }
        let given: BTreeMap<&str, &Json> =
            given.iter().map(|(name, value)| (name.as_str(), value)).collect();
        for field in shown {
            match given.get(field.json.as_str()) {
                Some(value) => {
                    let counts = self.counts(field).cloned();
                    self.given.extend(counts);
                    let done = self.field(field, value, shift);
                    done.map_err(|error| error.within(&field.json))?;
                }
                None if self.may_be_missing(field) => self.absent(field),
                None => return Err(DoesNotFit::new(Misfit::Missing).within(&field.json)),
            }
        }
        Ok(())
    }

    fn may_be_missing(&self, field: &Field) -> bool {
        let only_read = field.kind == Kind::Edited && self.conversion.edited == Edited::OnlyRead;
        self.counts(field).is_some() || only_read || self.conversion.missing == Missing::Initial
    }

    /// A table that is not there has as few occurrences as it may.
    fn absent(&mut self, field: &Field) {
        if let Occurs::Depending { least, on, .. } = &field.occurs {
            self.counts.entry(on.clone()).or_insert(*least);
        }
        if let Kind::Group(fields) = &field.kind {
            for inner in shown(fields, &self.conversion.chosen) {
                self.absent(inner);
            }
        }
    }

    /// Writes how many occurrences the tables have, or compares it with what was given.
    fn count(&mut self, layout: &Layout) -> Result<(), DoesNotFit> {
        for (on, count) in std::mem::take(&mut self.counts) {
            let Some((field, number)) = counter(&layout.root, &on) else { continue };
            let refuse = |why| DoesNotFit::new(why).within(&field.json);
            let own = Decimal::new(i128::from(count), 0);
            if !self.given.contains(&on) {
                number::put(&number, own, self.bytes(field, 0)).map_err(refuse)?;
            } else if number::get(&number, self.bytes(field, 0)) != Ok(own) {
                return Err(refuse(Misfit::Count { on, given: count }));
            }
        }
        Ok(())
    }

    fn text(
        &mut self,
        field: &Field,
        value: &Json,
        (shift, justified): (u32, Justified),
    ) -> Result<(), Misfit> {
        let text = self.plain(value)?;
        let encoded = self.conversion.code_page.encode(text);
        let encoded = encoded.map_err(|letter| Misfit::NotInCodePage { letter })?;
        let bytes = self.bytes(field, shift);
        let Some(spare) = bytes.len().checked_sub(encoded.len()) else {
            return Err(Misfit::Long { bytes: encoded.len(), most: field.bytes });
        };
        bytes.fill(b' ');
        let from = if justified == Justified::Right { spare } else { 0 };
        bytes[from..from + encoded.len()].copy_from_slice(&encoded);
        Ok(())
    }

    fn national(&mut self, field: &Field, value: &Json, shift: u32) -> Result<(), Misfit> {
        let national = self.conversion.national;
        let encoded = national.encode(self.plain(value)?).map_err(|error| match error {
            NoNational::Unknown(letter) => Misfit::NotInCodePage { letter },
            NoNational::Width(letter) => Misfit::Width { letter },
        })?;
        let bytes = self.bytes(field, shift);
        if encoded.len() > bytes.len() {
            return Err(Misfit::Long { bytes: encoded.len(), most: field.bytes });
        }
        let (text, rest) = bytes.split_at_mut(encoded.len());
        text.copy_from_slice(&encoded);
        for pair in rest.chunks_exact_mut(2) {
            pair.copy_from_slice(&national.fill());
        }
        Ok(())
    }

    fn plain<'v>(&self, value: &'v Json) -> Result<&'v str, Misfit> {
        let Json::Text(text) = value else {
            return Err(Misfit::Kind { expected: Shape::Text, found: value.shape() });
        };
        let control = text.chars().find(|letter| letter.is_control());
        match control.filter(|_| self.conversion.control == Control::Refused) {
            Some(letter) => Err(Misfit::Control { letter: u32::from(letter) }),
            None => Ok(text),
        }
    }
}

fn kind(expected: Shape, value: &Json) -> DoesNotFit {
    DoesNotFit::new(Misfit::Kind { expected, found: value.shape() })
}

/// Why a group has no such member: it is unknown, or another one is chosen for its bytes.
fn no_member(fields: &[Field], shown: &[&Field], name: &str) -> Misfit {
    let other = members(fields).into_iter().find(|field| field.json == name);
    let over = |field: &&&Field| other.is_some_and(|other| other.offset == field.offset);
    match shown.iter().find(over) {
        Some(field) => Misfit::OtherName { chosen: field.json.clone() },
        None => Misfit::Unknown { name: name.to_owned() },
    }
}

fn numeral(value: &Json) -> Result<&str, Misfit> {
    match value {
        Json::Number(text) | Json::Text(text) => Ok(text),
        Json::Null | Json::Truth(_) | Json::Array(_) | Json::Object(_) => {
            Err(Misfit::Kind { expected: Shape::Number, found: value.shape() })
        }
    }
}

/// The longest numeral that is shown in a refusal.
const SHOWN_MAX: usize = 60;

fn cut(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}

fn decimal(value: &Json, number: &Number, bytes: u32) -> Result<Decimal, Misfit> {
    let text = numeral(value)?;
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    Decimal::read(text).map_err(|error| match error {
        NoNumber::Form => Misfit::NotANumber { value: cut(text) },
        NoNumber::Large => number::too_large(number, cut(text), bytes),
    })
}

/// A number in the form that decimals have too: no `inf`, no `NaN`. What is not nought does not
/// become it.
fn real<T>(value: &Json, known: impl Fn(&T) -> bool) -> Result<T, Misfit>
where
    T: std::str::FromStr + PartialEq + Default,
{
    let text = numeral(value)?;
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let number: T = match text.parse() {
        Ok(number) if plain => number,
        _ => return Err(Misfit::NotANumber { value: cut(text) }),
    };
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let lost = number == T::default() && mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b));
    if known(&number) && !lost { Ok(number) } else { Err(Misfit::Infinite { value: cut(text) }) }
}

fn single(value: &Json) -> Result<[u8; 4], Misfit> {
    real(value, |number: &f32| number.is_finite()).map(f32::to_le_bytes)
}

fn double(value: &Json) -> Result<[u8; 8], Misfit> {
    real(value, |number: &f64| number.is_finite()).map(f64::to_le_bytes)
}
