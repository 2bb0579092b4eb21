//! The rows of a program's last statement, and which statements the engine keeps for this worker.

use std::collections::{BTreeMap, VecDeque};

use tsugi_frames::{Code, Operation, Outcome, Rest, Rows, Value};

use super::host::Host;
use super::owned;

/// How many statements of a worker are kept at a time.
const KEPT: u16 = 64;
/// How many rows are asked for at a time once the first answer was not all of them.
const MORE: u32 = 1000;

/// What an operation was not done for, and what there is to say about it.
pub type Refused = (Code, String);

/// The statements that were sent, by their texts: the text goes with the first use of a slot.
#[derive(Debug, Default)]
pub struct Slots {
    kept: BTreeMap<String, u16>,
    last: u16,
}

/// How a statement is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Slot {
    /// Its text is there already.
    Kept(u16),
    /// Its text is to be kept there.
    New(u16),
}

impl Slots {
    /// Where this statement is; it takes the place of the one that was sent first.
    pub fn of(&mut self, text: &str) -> Slot {
        if let Some(slot) = self.kept.get(text) {
            return Slot::Kept(*slot);
        }
        self.last = self.last % KEPT + 1;
        self.kept.retain(|_, slot| *slot != self.last);
        self.kept.insert(text.to_owned(), self.last);
        Slot::New(self.last)
    }

    /// The engine may not have this statement.
    pub fn forget(&mut self, text: &str) {
        self.kept.remove(text);
    }
}

/// The rows of one statement that have not been looked at.
#[derive(Debug, Default)]
pub struct Cursor {
    slot: u16,
    columns: usize,
    values: VecDeque<Value<'static>>,
    rest: Rest,
}

impl Cursor {
    /// Runs a statement; how many rows it changed.
    ///
    /// # Errors
    /// It was not done. There are no rows then.
    pub fn run(
        &mut self,
        host: &mut Host<'_>,
        slots: &mut Slots,
        text: &str,
        rows: tsugi_frames::Grid<'_>,
    ) -> Result<u64, Refused> {
        *self = Self::default();
        let (slot, sent) = match slots.of(text) {
            Slot::Kept(slot) => (slot, ""),
            Slot::New(slot) => (slot, text),
        };
        self.slot = slot;
        let operation = Operation::Sql { text: sent.into(), rows };
        let ran = host.ask(slot, operation, |outcome| self.take(outcome));
        if ran.is_err() && !sent.is_empty() {
            slots.forget(text);
        }
        ran
    }

    /// The next row, if there is one.
    ///
    /// # Errors
    /// Another number of columns ([`Code::Mistaken`], and the row stays), no further row, or what
    /// the store says.
    pub fn next(
        &mut self,
        host: &mut Host<'_>,
        columns: usize,
    ) -> Result<Vec<Value<'static>>, Refused> {
        if self.values.is_empty() && self.rest == Rest::More {
            let rows = MORE.min(host.limits().rows);
            host.ask(self.slot, Operation::More { rows }, |outcome| self.take(outcome))?;
        }
        if self.values.is_empty() {
            return Err((Code::NoRow, String::new()));
        }
        if columns != self.columns {
            let says = format!("a row has {} columns, not {columns}", self.columns);
            return Err((Code::Mistaken, says));
        }
        Ok(self.values.drain(..columns).collect())
    }

    fn take(&mut self, outcome: Outcome<'_>) -> Result<u64, Refused> {
        match outcome {
            Outcome::Rows(Rows { changed, rest, rows }) => {
                self.columns = rows.columns().into();
                self.values.extend(rows.values().iter().map(owned::value));
                self.rest = rest;
                Ok(changed)
            }
            Outcome::Trouble(trouble) => Err((trouble.code, trouble.text.into_owned())),
            // Read as rows, nothing of it would be true.
            Outcome::Reply(_) | Outcome::File(_) => {
                Err((Code::Mistaken, "the engine has answered something else".to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_sent_with_its_text_once_and_again_when_its_place_was_taken() {
        let mut slots = Slots::default();
        assert_eq!(slots.of("a"), Slot::New(1));
        assert_eq!(slots.of("a"), Slot::Kept(1));
        for number in 2..=KEPT {
            assert_eq!(slots.of(&number.to_string()), Slot::New(number));
        }
        assert_eq!(slots.of("a"), Slot::Kept(1));
        assert_eq!(slots.of("b"), Slot::New(1));
        assert_eq!(slots.of("a"), Slot::New(2));
        assert_eq!(slots.of("2"), Slot::New(3));
        assert_eq!(slots.kept.len(), usize::from(KEPT));
    }

    #[test]
    fn what_the_engine_may_not_have_is_sent_again() {
        let mut slots = Slots::default();
        assert_eq!(slots.of("a"), Slot::New(1));
        slots.forget("a");
        assert_eq!(slots.of("a"), Slot::New(2));
    }
}
