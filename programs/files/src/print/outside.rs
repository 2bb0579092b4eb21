//! What was printed, on its way to a file outside of the store and back.

use super::{Advancing, Control, End, Feed, Line, Owed, Printed};
use crate::definition::{Definition, Organization};
use crate::operation::Placing;
use crate::outside::Form;

/// What a row becomes outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// This record.
    Record(Vec<u8>),
    /// These bytes, whatever the form has around a record.
    Raw(Vec<u8>),
    /// These bytes, which may be less than a record where they are the last.
    Piece(Vec<u8>),
}

/// What a row becomes in a form; `None`: the row is none.
#[must_use]
pub fn out(definition: &Definition, form: Form, row: Vec<u8>) -> Option<Out> {
    let max = definition.lengths().max;
    Some(match (definition.organization(), form) {
        (Organization::LineSequential, Form::Lines) => {
            let mut line = Line::of(row)?;
            if !line.is_marked() {
                return Some(Out::Record(line.bytes));
            }
            line.bytes.extend(match line.end {
                End::Ended => Some(b'\n'),
                End::Open => None,
            });
            Out::Raw(line.bytes)
        }
        (Organization::LineSequential, _) => {
            let mut record = Line::of(row)?.read().unwrap_or_default();
            if let Form::Fixed(length) = form
                && record.len() < length as usize
            {
                record.resize(length as usize, b' ');
            }
            Out::Record(record)
        }
        (Organization::Sequential, Form::Fixed(length)) if row.len() < length as usize => {
            Out::Piece(row)
        }
        (Organization::Sequential, _) => {
            let printed = Printed::of(row, max)?;
            let size = u16::try_from(printed.record.len()).ok();
            match (size, form, printed.before.is_empty() && printed.behind.is_empty()) {
                (Some(size), Form::Varying, false) => {
                    let head = size.to_be_bytes();
                    let all =
                        [&printed.before[..], &head, &[0, 0], &printed.record, &printed.behind];
                    Out::Raw(all.concat())
                }
                _ => Out::Record(printed.record),
            }
        }
        (Organization::Relative | Organization::Indexed, _) => Out::Record(row),
    })
}

/// Whether bytes are a row of the file, as far as length and marks go.
#[must_use]
pub fn is_row(definition: &Definition, row: &[u8]) -> bool {
    let max = definition.lengths().max;
    match definition.organization() {
        Organization::LineSequential => Line::of(row.to_vec())
            .is_some_and(|line| line.is_marked() || line.bytes.len() <= max as usize),
        Organization::Sequential => Printed::of(row.to_vec(), max).is_some(),
        Organization::Relative | Organization::Indexed => row.len() <= max as usize,
    }
}

/// Whether a line has a print control in it.
#[must_use]
pub fn is_printed(line: &[u8]) -> bool {
    line.iter().any(|byte| matches!(byte, b'\r' | b'\x0c'))
}

/// A line from outside as what a program has written: each piece that a form feed or a carriage
/// return ends, and the rest. The carriage return is one of ADVANCING 0, which READ does not give.
#[must_use]
pub fn parts(line: &[u8]) -> Vec<(&[u8], Placing)> {
    let (mut parts, mut rest) = (Vec::new(), line);
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\x0c')) {
        let (part, behind) = rest.split_at(at);
        let feed = if behind.starts_with(b"\r") { Feed::Lines(0) } else { Feed::Page };
        let control = Control { advancing: Advancing::Before(feed), owed: Owed::Nothing };
        parts.push((part, Placing::Printed(control)));
        rest = behind.get(1..).unwrap_or_default();
    }
    parts.push((rest, Placing::Append));
    parts
}
