//! The two connections of a session: statements and their answers, each read to its end, and what
//! an error means.

use std::pin::pin;
use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use futures_util::TryStreamExt as _;
use tokio_postgres::CancelToken;
use tokio_postgres::error::SqlState;

use super::Postgres;
use super::value::{fits, row_of};
use crate::statement::dollars;
use crate::store::Change;
use crate::{Id, LARGEST_OUTCOME, Look, Row, SqlError, Trouble, Value};

/// How long sessions that were asked to end are waited for.
const GONE: Duration = Duration::from_secs(10);
/// How long until they are looked for again, at first and at most.
const FIRST: Duration = Duration::from_millis(1);
const MOST: Duration = Duration::from_millis(20);

/// How many prepared statements a connection keeps. The cache itself has no end.
const PREPARED: usize = 256;

/// Which process of the server a connection has, and whether that server takes writes: the way may
/// lead to another one than before. The beginning is a number: a text of it would be another one
/// in another time zone.
const OWN: &str = "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::bigint, \
    pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' \
    FROM pg_stat_activity WHERE pid = pg_backend_pid()";

/// Of the connection beside: its commits wait for nothing.
const LAZY: &str = "SET synchronous_commit = off";

/// A connection that has seen no error.
pub(super) struct Link {
    object: Object,
    backend: Backend,
}

/// The process of the server that a connection has.
#[derive(Clone, Copy)]
pub(super) struct Backend {
    /// When the connection was made: what tells it from the next one.
    made: Instant,
    pid: i64,
    began: i64,
}

/// What an error means.
pub(super) enum Fault {
    /// A serialization failure or a deadlock.
    Again,
    /// Somebody else has held a row for too long.
    Locked,
    /// The server, or the way to it.
    Away(String),
    /// The statement was ended from another thread, or by its time.
    Halted(String),
    Full,
    ReadOnly,
    /// All else that the server, or we, have against the statement.
    Said(SqlError),
}

/// What a statement gave.
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    pub(super) changed: u64,
}

impl Link {
    /// What ends a statement of it.
    pub(super) fn token(&self) -> CancelToken {
        self.object.cancel_token()
    }

    pub(super) fn look(&self, id: &Id, change: Option<Change>) -> Look {
        let Backend { pid: session, began, .. } = self.backend;
        Look { id: id.clone(), session, began, change }
    }

    async fn backend(&self) -> Result<Backend, Trouble> {
        let own = self.answer(OWN, &[]).await.map_err(Fault::of_ours)?;
        let row = own.rows.into_iter().next().unwrap_or_default();
        if int(&row, 2)? != 0 {
            return Err(Trouble::ReadOnly);
        }
        Ok(Backend { made: self.backend.made, pid: int(&row, 0)?, began: int(&row, 1)? })
    }

    /// A statement, with its answer read to its end. `before` are statements without parameters
    /// and rows, sent with it and carried out first.
    async fn ask(&self, before: &str, text: &str, values: &[Value]) -> Result<Answer, Fault> {
        if before.is_empty() {
            return self.answer(text, values).await;
        }
        let (before, answer) =
            tokio::join!(self.object.batch_execute(before), self.answer(text, values));
        before.map_err(|error| Fault::of(&error))?;
        answer
    }

    async fn answer(&self, text: &str, values: &[Value]) -> Result<Answer, Fault> {
        let of = |error: tokio_postgres::Error| Fault::of(&error);
        let statement = self.object.prepare_cached(&dollars(text)).await.map_err(of)?;
        fits(statement.params(), values).map_err(|why| Fault::said(&why))?;
        let answer = self.object.query_raw(&statement, values.iter()).await.map_err(of)?;
        let mut answer = pin!(answer);
        let (mut rows, mut size) = (Vec::new(), 0);
        while let Some(row) = answer.try_next().await.map_err(of)? {
            let row = row_of(&row).map_err(|why| Fault::said(&why))?;
            size += row.iter().map(Value::size).sum::<usize>();
            if size > LARGEST_OUTCOME {
                return Err(Fault::said(super::unit::TOO_MUCH));
            }
            rows.push(row);
        }
        let changed = answer.rows_affected().unwrap_or(0);
        Ok(Answer { rows, changed })
    }
}

impl Fault {
    /// What an error of the driver means.
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            return Self::Away(error.to_string());
        };
        let code = said.code();
        if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) {
            return Self::Again;
        }
        if *code == SqlState::LOCK_NOT_AVAILABLE {
            return Self::Locked;
        }
        if *code == SqlState::DISK_FULL {
            return Self::Full;
        }
        if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
            return Self::ReadOnly;
        }
        let text = said.message().to_owned();
        if *code == SqlState::QUERY_CANCELED {
            return Self::Halted(text);
        }
        // The connection, what the server has too little of, the operator who ends it, the system,
        // the server itself.
        if ["08", "53", "57", "58", "XX"].iter().any(|class| code.code().starts_with(class)) {
            return Self::Away(text);
        }
        Self::Said(SqlError { code: code.code().to_owned(), text })
    }

    pub(super) fn said(text: &str) -> Self {
        Self::Said(SqlError { code: "0".to_owned(), text: text.to_owned() })
    }

    /// What it means for a transaction that was not to be committed yet, over a statement of ours.
    pub(super) fn of_ours(self) -> Trouble {
        match self {
            Self::Again | Self::Locked => Trouble::Again,
            Self::Away(why) | Self::Halted(why) => Trouble::Away(why),
            Self::Full => Trouble::Full,
            Self::ReadOnly => Trouble::ReadOnly,
            // Our statements are fixed: when one means nothing, the tables are not ours.
            Self::Said(error) => Trouble::Broken(error.to_string()),
        }
    }
}

/// A whole number of a row of ours.
pub(super) fn int(row: &[Value], place: usize) -> Result<i64, Trouble> {
    match row.get(place) {
        Some(Value::Integer(number)) => Ok(*number),
        other => Err(Trouble::Broken(format!("a number is {other:?}"))),
    }
}

/// A whole number of a row of ours, or none.
pub(super) fn int_or_none(row: &[Value], place: usize) -> Result<Option<i64>, Trouble> {
    match row.get(place) {
        Some(Value::Null) => Ok(None),
        _ => int(row, place).map(Some),
    }
}

impl Postgres {
    /// Takes a connection on which nothing is left of its last unit of work.
    pub(super) fn take_clean(&mut self) -> Result<(), Trouble> {
        self.before.clear();
        let former = self.unit.take();
        let known = former.as_ref().map(|link| link.backend);
        // Given back, so that it is cleaned when it is taken.
        drop(former);
        let link = self.taken(known)?;
        self.cancel.points_at(Some(link.token()));
        self.unit = Some(link);
        Ok(())
    }

    fn taken(&self, known: Option<Backend>) -> Result<Link, Trouble> {
        let taken = self.runtime.block_on(self.pool.get());
        let object = taken.map_err(|error| Trouble::Away(error.to_string()))?;
        if object.statement_cache.size() > PREPARED {
            object.statement_cache.clear();
        }
        let made = Object::metrics(&object).created;
        if let Some(backend) = known.filter(|known| known.made == made) {
            return Ok(Link { object, backend });
        }
        let mut link = Link { object, backend: Backend { made, pid: 0, began: 0 } };
        match self.runtime.block_on(link.backend()) {
            Ok(backend) => {
                link.backend = backend;
                Ok(link)
            }
            Err(trouble) => {
                self.end(Some(link));
                Err(trouble)
            }
        }
    }

    /// Ends the connection of the unit of work: one that saw an error is not used again.
    pub(super) fn cut(&mut self) {
        self.before.clear();
        self.cancel.points_at(None);
        let link = self.unit.take();
        self.end(link);
    }

    fn end(&self, link: Option<Link>) {
        let Some(link) = link else { return };
        drop(Object::take(link.object));
        // The socket is closed when its task is, and that wants a turn.
        self.runtime.block_on(async {
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        });
    }

    /// A statement without parameters and rows, to be sent with the next one. Only such as cannot
    /// fail in a transaction that stands.
    pub(super) fn first(&mut self, text: &str) {
        if !self.before.is_empty() {
            self.before += "; ";
        }
        self.before += text;
    }

    /// One statement without parameters and rows.
    pub(super) fn try_plain(&mut self, text: &str) -> Result<(), Fault> {
        self.first(text);
        let before = std::mem::take(&mut self.before);
        let Some(link) = &self.unit else { return Err(Fault::Away("no session".to_owned())) };
        let done = self.runtime.block_on(link.object.batch_execute(&before));
        done.map_err(|error| Fault::of(&error))
    }

    /// As [`Self::try_plain`], of ours: an error ends the connection.
    pub(super) fn plain(&mut self, text: &str) -> Result<(), Trouble> {
        self.try_plain(text).map_err(|fault| self.ended(fault))
    }

    /// A statement on the connection of the unit of work.
    pub(super) fn ask(&mut self, text: &str, values: &[Value]) -> Result<Answer, Fault> {
        let before = std::mem::take(&mut self.before);
        let Some(link) = &self.unit else { return Err(Fault::Away("no session".to_owned())) };
        self.runtime.block_on(link.ask(&before, text, values))
    }

    /// A statement of ours on it: an error ends the connection.
    pub(super) fn ours(&mut self, text: &str, values: &[Value]) -> Result<Vec<Row>, Trouble> {
        match self.ask(text, values) {
            Ok(answer) => Ok(answer.rows),
            Err(fault) => Err(self.ended(fault)),
        }
    }

    /// Ends the connection over an error that was not a program's.
    pub(super) fn ended(&mut self, fault: Fault) -> Trouble {
        self.cut();
        fault.of_ours()
    }

    /// A statement of ours outside of the unit of work: it sees what is committed now.
    pub(super) fn read(&mut self, text: &str, values: &[Value]) -> Result<Vec<Row>, Trouble> {
        if self.beside.is_none() {
            let link = self.taken(None)?;
            // What it writes is only what would be done again.
            let done = self.runtime.block_on(link.object.batch_execute(LAZY));
            self.beside = Some(link);
            if let Err(error) = done {
                return Err(self.ended_beside(Fault::of(&error)));
            }
        }
        let Some(link) = &self.beside else { return Err(Trouble::Away("no session".to_owned())) };
        match self.runtime.block_on(link.answer(text, values)) {
            Ok(answer) => Ok(answer.rows),
            Err(fault) => Err(self.ended_beside(fault)),
        }
    }

    fn ended_beside(&mut self, fault: Fault) -> Trouble {
        let link = self.beside.take();
        self.end(link);
        fault.of_ours()
    }

    /// Asks until no session is listed any more.
    pub(super) fn wait_until_gone(&mut self, text: &str, values: &[Value]) -> Result<(), Trouble> {
        let (begun, mut pause) = (Instant::now(), FIRST);
        loop {
            let left = self.read(text, values)?;
            if left.is_empty() {
                return Ok(());
            }
            if begun.elapsed() > GONE {
                let pids: Vec<_> = left.iter().filter_map(|row| int(row, 0).ok()).collect();
                return Err(Trouble::Away(format!("sessions {pids:?} do not end")));
            }
            self.runtime.block_on(async { tokio::time::sleep(pause).await });
            pause = (pause * 2).min(MOST);
        }
    }
}
