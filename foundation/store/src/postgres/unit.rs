//! A unit of work: a transaction whose first write was its call's row, so that another node that
//! has the same call waits before its program runs.

use super::cancel::Sent;
use super::link::{Fault, Link};
use super::record::{Place, blamed};
use super::{Cancel, Isolation, Postgres};
use crate::file::{OnFile, OnFiles};
use crate::op::{ONLY_READS, of_the_record, waits_for_the_commit};
use crate::store::{Call, Finished, Nested, Work};
use crate::{LARGEST_OUTCOME, Op, Outcome, Reply, Row, SqlError, Trouble, Value};

/// What is said of an operation that gives back more than [`LARGEST_OUTCOME`].
pub(super) const TOO_MUCH: &str = "a statement gives back too much";

/// The code of a statement that was ended.
const HALTED: &str = "57014";

/// One name for all: PostgreSQL means the innermost.
const SAVEPOINT: &str = "SAVEPOINT u";
const TAKE_BACK: &str = "ROLLBACK TO SAVEPOINT u";
const RELEASE: &str = "RELEASE SAVEPOINT u";
const READ_ONLY: &str = "SET TRANSACTION READ ONLY";

/// What a statement that was ended means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halted {
    /// Its unit of work is gone: whoever had it ended has no use for it.
    Gone,
    /// It is refused: what stands around it goes on without it.
    Refused,
}

pub(super) struct Unit<'a> {
    session: &'a mut Postgres,
    call: Call,
    place: Place,
    ended: bool,
}

struct Inner<'a> {
    session: &'a mut Postgres,
    ended: bool,
}

/// A unit that is of no call: a transaction of its own.
pub(super) struct Aside<'a> {
    session: &'a mut Postgres,
    ended: bool,
}

impl<'a> Aside<'a> {
    pub(super) fn new(session: &'a mut Postgres) -> Self {
        Self { session, ended: false }
    }
}

impl<'a> Unit<'a> {
    pub(super) fn new(session: &'a mut Postgres, call: Call, place: Place) -> Self {
        Self { session, call, place, ended: false }
    }
}

impl Postgres {
    /// Runs a statement that reads, for a service that only reads: no reply of it is kept.
    ///
    /// # Errors
    /// It was refused: it writes, or means nothing. Or the server is away.
    pub fn query(&mut self, text: &str, values: &[Value]) -> Result<Vec<Row>, Trouble> {
        self.start(Isolation::Reading)?;
        let asked = match permitted(text) {
            Ok(()) => self.ask(text, values),
            Err(fault) => Err(fault),
        };
        match asked {
            Ok(answer) => {
                self.roll_back();
                Ok(answer.rows)
            }
            Err(Fault::Said(error)) => {
                self.roll_back();
                Err(Trouble::Refused(error))
            }
            // The server takes writes, or there would be no connection: this transaction does not.
            Err(Fault::ReadOnly) => {
                self.roll_back();
                Err(Trouble::Refused(writes()))
            }
            Err(fault) => Err(self.ended(fault)),
        }
    }

    /// Runs an operation in a transaction that reads; it alone is ended by `cancel`. Where the
    /// server was told to end it the session is not there any more: that word may come late, and
    /// would end a statement of ours, or of the next call.
    pub(super) fn read_only(&mut self, op: &Op, cancel: &Cancel) -> Result<Outcome, Trouble> {
        self.stands()?;
        self.save();
        cancel.points_at(self.unit.as_ref().map(Link::token));
        let done = match op {
            Op::Sql { .. } | Op::Read { .. } => self.operate(op),
            Op::Define { .. } => Err(Fault::ReadOnly),
        };
        let sent = cancel.points_at(None);
        if sent == Sent::Word {
            self.cut();
        }
        let error = match done {
            Ok(outcome) => {
                if sent == Sent::Nothing {
                    self.first(RELEASE);
                }
                return Ok(outcome);
            }
            Err(Fault::Said(error)) => error,
            Err(Fault::Halted(text)) => halted(text),
            Err(Fault::ReadOnly) => writes(),
            Err(fault) => return Err(self.ended(fault)),
        };
        if sent == Sent::Nothing {
            self.take_back()?;
        }
        Err(Trouble::Refused(error))
    }

    /// Begins what can be taken back.
    pub(super) fn save(&mut self) {
        self.first(SAVEPOINT);
    }

    fn take_back(&mut self) -> Result<(), Trouble> {
        self.first(TAKE_BACK);
        self.plain(RELEASE)
    }

    pub(super) const fn is_in_unit(&self) -> bool {
        self.unit.is_some()
    }

    /// Whether the unit of work is still there.
    fn stands(&self) -> Result<(), Trouble> {
        match self.unit {
            Some(_) => Ok(()),
            None => Err(Trouble::Gone("the session has ended".to_owned())),
        }
    }

    fn run_all(&mut self, ops: &[Op], halted: Halted) -> Result<Vec<Outcome>, Trouble> {
        ops.iter().map(|op| self.run_one(op, halted)).collect()
    }

    fn run_one(&mut self, op: &Op, halted: Halted) -> Result<Outcome, Trouble> {
        self.stands()?;
        self.save();
        if let Op::Read { .. } = op {
            // Until that savepoint ends.
            self.first(READ_ONLY);
        }
        match self.operate(op) {
            Ok(outcome) => {
                self.first(RELEASE);
                Ok(outcome)
            }
            Err(Fault::Said(error)) => {
                self.take_back()?;
                Err(Trouble::Refused(error))
            }
            // The server takes writes, or there would be no unit: this operation may not.
            Err(Fault::ReadOnly) if matches!(op, Op::Read { .. }) => {
                self.take_back()?;
                Err(Trouble::Refused(writes()))
            }
            Err(Fault::Halted(text)) if halted == Halted::Refused => {
                self.take_back()?;
                Err(Trouble::Refused(SqlError { code: HALTED.to_owned(), text }))
            }
            Err(fault) => Err(self.ended(fault)),
        }
    }

    fn operate(&mut self, op: &Op) -> Result<Outcome, Fault> {
        let once = [Row::new()];
        let (text, rows) = match op {
            Op::Sql { text, rows } | Op::Read { text, rows } => {
                permitted(text)?;
                (text, rows.as_slice())
            }
            Op::Define { text } => {
                definable(text)?;
                (text, once.as_slice())
            }
        };
        let reads = word(text) == "SELECT";
        let (mut out, mut size) = (Outcome::default(), 0);
        for row in rows {
            let answer = self.ask(text, row)?;
            size += answer.rows.iter().flatten().map(Value::size).sum::<usize>();
            if size > LARGEST_OUTCOME {
                return Err(Fault::said(TOO_MUCH));
            }
            out.changed += if reads { 0 } else { answer.changed };
            out.rows.extend(answer.rows);
        }
        Ok(out)
    }

    fn asked_of_files(&mut self, what: &OnFile) -> Result<Vec<Row>, Trouble> {
        self.stands()?;
        self.ours(what.text, &what.values)
    }

    pub(super) fn nest(&mut self) -> Result<Box<dyn Nested + '_>, Trouble> {
        self.stands()?;
        self.save();
        Ok(Box::new(Inner { session: self, ended: false }))
    }
}

/// That a statement was ended.
pub(super) fn halted(text: String) -> SqlError {
    SqlError { code: HALTED.to_owned(), text }
}

/// That a service that only reads has changed something.
fn writes() -> SqlError {
    SqlError { code: "0".to_owned(), text: ONLY_READS.to_owned() }
}

/// The first word of a statement.
fn word(text: &str) -> String {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    text[..end].to_ascii_uppercase()
}

/// What a program may: reads all, writes its own tables. PostgreSQL is asked for one statement at
/// a time, so that its first word says what it is.
fn permitted(text: &str) -> Result<(), Fault> {
    let word = word(text);
    let reads = word == "SELECT" || word == "VALUES";
    if !reads && !["INSERT", "UPDATE", "DELETE", "WITH"].contains(&word.as_str()) {
        return Err(Fault::said("a program may not do that"));
    }
    if is_escaped(text) || (!reads && of_the_record(text)) {
        return Err(Fault::said("a program may not write the record"));
    }
    let lower = text.to_ascii_lowercase();
    if lower.contains("set_config") || (!reads && lower.contains("pg_settings")) {
        return Err(Fault::said("a program may not change its session"));
    }
    Ok(())
}

fn definable(text: &str) -> Result<(), Fault> {
    let known = ["CREATE", "ALTER", "DROP"].contains(&word(text).as_str());
    if !known || of_the_record(text) || is_escaped(text) {
        return Err(Fault::said("a definition may not do that"));
    }
    if waits_for_the_commit(text) {
        return Err(Fault::said("a constraint may not wait for the commit"));
    }
    Ok(())
}

/// Whether a text has names whose letters are written as numbers.
fn is_escaped(text: &str) -> bool {
    text.to_ascii_lowercase().contains("u&\"")
}

impl OnFiles for Unit<'_> {
    fn on_file(&mut self, what: &OnFile) -> Result<Vec<Row>, Trouble> {
        self.session.asked_of_files(what).map_err(blamed)
    }
}

impl OnFiles for Inner<'_> {
    fn on_file(&mut self, what: &OnFile) -> Result<Vec<Row>, Trouble> {
        self.session.asked_of_files(what).map_err(blamed)
    }
}

impl OnFiles for Aside<'_> {
    fn on_file(&mut self, what: &OnFile) -> Result<Vec<Row>, Trouble> {
        self.session.asked_of_files(what)
    }
}

impl Work for Unit<'_> {
    fn run(&mut self, ops: &[Op]) -> Result<Vec<Outcome>, Trouble> {
        self.session.run_all(ops, Halted::Gone)
    }

    fn nested(&mut self) -> Result<Box<dyn Nested + '_>, Trouble> {
        self.session.nest()
    }

    fn undo(&mut self) -> Result<(), Trouble> {
        self.session.stands()?;
        self.session.plain(TAKE_BACK)
    }

    fn finish(mut self: Box<Self>, reply: &Reply) -> Result<Finished, Trouble> {
        self.session.stands()?;
        self.session.fill(&self.place, reply)?;
        self.ended = true;
        self.session.commit_now(Some((&self.call.id, None)))?;
        self.session.follow(&self.place, reply.at);
        Ok(Finished::Committed)
    }
}

impl Nested for Inner<'_> {
    fn run(&mut self, ops: &[Op]) -> Result<Vec<Outcome>, Trouble> {
        self.session.run_all(ops, Halted::Refused)
    }

    fn nested(&mut self) -> Result<Box<dyn Nested + '_>, Trouble> {
        self.session.nest()
    }

    fn keep(mut self: Box<Self>) -> Result<(), Trouble> {
        self.session.stands()?;
        self.session.first(RELEASE);
        self.ended = true;
        Ok(())
    }
}

impl Nested for Aside<'_> {
    fn run(&mut self, ops: &[Op]) -> Result<Vec<Outcome>, Trouble> {
        self.session.run_all(ops, Halted::Gone)
    }

    fn nested(&mut self) -> Result<Box<dyn Nested + '_>, Trouble> {
        self.session.nest()
    }

    fn keep(mut self: Box<Self>) -> Result<(), Trouble> {
        self.session.stands()?;
        self.ended = true;
        self.session.commit_now(None)
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.session.roll_back();
        }
    }
}

impl Drop for Unit<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.session.roll_back();
        }
    }
}

impl Drop for Inner<'_> {
    fn drop(&mut self) {
        // Without its session the whole unit is gone, and says so when it is asked.
        if !self.ended && self.session.unit.is_some() {
            drop(self.session.take_back());
        }
    }
}
