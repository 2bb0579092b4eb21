//! A unit of work: a savepoint in the sitting. A stack by its nature, so that units never overlap.

use super::permit::Whose;
use super::reader::{Unable, operate};
use super::{Sqlite, State};
use rusqlite::params_from_iter;

use super::record::row_of;
use crate::file::{OnFile, OnFiles};
use crate::store::{Call, Finished, Nested, Work};
use crate::{Op, Outcome, Reply, Row, SqlError, Trouble};

/// One name for all: SQLite means the innermost.
pub(super) const SAVEPOINT: &str = "/*tsugi*/ SAVEPOINT u";
const TAKE_BACK: &str = "/*tsugi*/ ROLLBACK TO u";
const RELEASE: &str = "/*tsugi*/ RELEASE u";

pub(super) struct Unit<'a> {
    desk: &'a mut Sqlite,
    call: Call,
    client: Option<i64>,
    /// Whether its reply takes the place of the row that says that it was started.
    begins: Begins,
    ended: bool,
}

/// What is under the id of a unit when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    New,
    Started,
}

struct Inner<'a> {
    desk: &'a mut Sqlite,
    ended: bool,
}

impl<'a> Unit<'a> {
    pub(super) fn new(desk: &'a mut Sqlite, call: Call, client: Option<i64>) -> Self {
        Self { desk, call, client, begins: Begins::New, ended: false }
    }

    /// That it would begin is kept, because it acts outside.
    pub(super) fn started(mut self) -> Self {
        self.begins = Begins::Started;
        self
    }
}

impl Sqlite {
    fn run_all(&mut self, ops: &[Op]) -> Result<Vec<Outcome>, Trouble> {
        self.standing()?;
        ops.iter().map(|op| self.run_one(op)).collect()
    }

    fn run_one(&mut self, op: &Op) -> Result<Outcome, Trouble> {
        let whose = match op {
            Op::Sql { .. } | Op::Read { .. } => Whose::Program,
            Op::Define { .. } => Whose::Definition,
        };
        // Each operation is whole or not at all, however many rows it has.
        self.plain(SAVEPOINT)?;
        let permit = &self.permit;
        let done = self.faults.around(&self.connection, |connection| {
            permit.set(whose);
            let done = operate(connection, op);
            permit.set(Whose::Ours);
            match done {
                Err(Unable::Sql(error)) => Err(error),
                other => Ok(other),
            }
        });
        let trouble = match done {
            Ok(Ok(outcome)) => {
                self.plain(RELEASE)?;
                return Ok(outcome);
            }
            Ok(Err(Unable::Refused(why))) => {
                Trouble::Refused(SqlError { code: "0".to_owned(), text: why.to_owned() })
            }
            Ok(Err(Unable::Sql(error))) | Err(error) => self.told(&error, whose),
        };
        if matches!(trouble, Trouble::Refused(_)) {
            self.take_back()?;
        }
        Err(trouble)
    }

    /// A statement of ours on files. It fails only with the sitting, so it needs no savepoint.
    fn asked_of_files(&mut self, what: &OnFile) -> Result<Vec<Row>, Trouble> {
        self.standing()?;
        self.ours(|connection| {
            let mut statement = connection.prepare_cached(what.text)?;
            let columns = statement.column_count();
            let mut found = statement.query(params_from_iter(&what.values))?;
            let mut rows = Vec::new();
            while let Some(row) = found.next()? {
                rows.push(row_of(row, columns)?);
            }
            Ok(rows)
        })
    }

    pub(super) fn nest(&mut self) -> Result<Box<dyn Nested + '_>, Trouble> {
        self.standing()?;
        self.plain(SAVEPOINT)?;
        Ok(Box::new(Inner { desk: self, ended: false }))
    }

    /// Ends the innermost savepoint without its effects.
    fn take_back(&mut self) -> Result<(), Trouble> {
        self.plain(TAKE_BACK)?;
        self.release()
    }

    /// Ends the innermost savepoint. The sitting itself must still be there: a savepoint that was
    /// the transaction would have been committed by this.
    fn release(&mut self) -> Result<(), Trouble> {
        self.plain(RELEASE)?;
        if self.connection.is_autocommit() {
            return Err(self.broken("a unit of work stood in no sitting".to_owned()));
        }
        Ok(())
    }

    /// Ends a savepoint whose owner was dropped. What that says stands in the state, and is told
    /// to whoever comes next.
    fn dropped(&mut self) {
        if matches!(self.state, State::Open(_)) {
            drop(self.take_back());
        }
    }
}

impl OnFiles for Unit<'_> {
    fn on_file(&mut self, what: &OnFile) -> Result<Vec<Row>, Trouble> {
        self.desk.asked_of_files(what)
    }
}

impl OnFiles for Inner<'_> {
    fn on_file(&mut self, what: &OnFile) -> Result<Vec<Row>, Trouble> {
        self.desk.asked_of_files(what)
    }
}

impl Work for Unit<'_> {
    fn run(&mut self, ops: &[Op]) -> Result<Vec<Outcome>, Trouble> {
        self.desk.run_all(ops)
    }

    fn nested(&mut self) -> Result<Box<dyn Nested + '_>, Trouble> {
        self.desk.nest()
    }

    fn undo(&mut self) -> Result<(), Trouble> {
        self.desk.standing()?;
        self.desk.plain(TAKE_BACK)
    }

    fn finish(mut self: Box<Self>, reply: &Reply) -> Result<Finished, Trouble> {
        self.desk.standing()?;
        let (call, client) = (self.call.clone(), self.client);
        if self.begins == Begins::Started {
            self.desk.drop_started(&call.id)?;
        }
        self.desk.write_reply((&call, client), reply)?;
        self.desk.release()?;
        self.ended = true;
        let seat = self.desk.seat();
        if let State::Open(finished) = &mut self.desk.state {
            finished.push((call.id, call.content));
        }
        Ok(Finished::InSitting(seat))
    }
}

impl Nested for Inner<'_> {
    fn run(&mut self, ops: &[Op]) -> Result<Vec<Outcome>, Trouble> {
        self.desk.run_all(ops)
    }

    fn nested(&mut self) -> Result<Box<dyn Nested + '_>, Trouble> {
        self.desk.nest()
    }

    fn keep(mut self: Box<Self>) -> Result<(), Trouble> {
        self.desk.standing()?;
        self.desk.release()?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Unit<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.desk.dropped();
        }
    }
}

impl Drop for Inner<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.desk.dropped();
        }
    }
}
