//! The bytes of a command and of its outcome.

use std::sync::Arc;

use super::{Reader, Unreadable, Writer};
use crate::change::MOST_PARTS;
use crate::{Change, Command, Condition, Outcome};

pub(crate) fn write_command(to: &mut Writer, command: &Command) {
    match command {
        Command::Change(change) => write_change(to.u8(1), change),
        Command::RaiseLevel { level } => {
            to.u8(2).u16(*level);
        }
    }
}

fn write_change(to: &mut Writer, change: &Change) {
    to.count(change.conditions.len());
    for condition in &change.conditions {
        to.key(&condition.key).index(condition.version);
    }
    to.count(change.writes.len());
    for (key, value) in &change.writes {
        to.key(key);
        match value {
            Some(value) => to.u8(1).bytes(value),
            None => to.u8(0),
        };
    }
}

pub(crate) fn read_command(from: &mut Reader<'_>) -> Result<Command, Unreadable> {
    match from.u8()? {
        1 => Ok(Command::Change(read_change(from)?)),
        2 => Ok(Command::RaiseLevel { level: from.u16()? }),
        found => Err(Unreadable::Form { what: "command", found }),
    }
}

fn read_change(from: &mut Reader<'_>) -> Result<Change, Unreadable> {
    let mut change = Change::new();
    for _ in 0..parts(from)? {
        change.conditions.push(Condition { key: from.key()?, version: from.index()? });
    }
    for _ in 0..parts(from)? {
        let key = from.key()?;
        let value = if from.flag("value")? { Some(Arc::from(from.bytes()?)) } else { None };
        change.writes.push((key, value));
    }
    Ok(change)
}

fn parts(from: &mut Reader<'_>) -> Result<usize, Unreadable> {
    let count = from.count()?;
    if count > MOST_PARTS { Err(Unreadable::Text { what: "change" }) } else { Ok(count) }
}

pub(crate) fn write_outcome(to: &mut Writer, outcome: &Outcome) {
    match outcome {
        Outcome::Committed(index) => to.u8(1).index(*index),
        Outcome::Refused { key, expected, found } => {
            to.u8(2).key(key).index(*expected).index(*found)
        }
        Outcome::TooNew { key, format, level } => to.u8(3).key(key).u16(*format).u16(*level),
    };
}

pub(crate) fn read_outcome(from: &mut Reader<'_>) -> Result<Outcome, Unreadable> {
    Ok(match from.u8()? {
        1 => Outcome::Committed(from.index()?),
        2 => Outcome::Refused { key: from.key()?, expected: from.index()?, found: from.index()? },
        3 => Outcome::TooNew { key: from.key()?, format: from.u16()?, level: from.u16()? },
        found => return Err(Unreadable::Form { what: "outcome", found }),
    })
}
