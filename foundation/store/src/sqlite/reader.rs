//! Reading beside the writer: stored replies, and services that only read. What is seen is
//! committed, and so durable: the log is synced before a reader is shown its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::hooks::AuthContext;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, params_from_iter};

use super::clients::Clients;
use super::open::{FILE, STEADY};
use super::permit::{Permit, Whose};
use super::record::{find, row_of, seen};
use super::{Interrupt, outside, refused};
use crate::op::{ONLY_READS, of_the_record, waits_for_the_commit};
use crate::{
    Id, LARGEST_OUTCOME, Op, Outcome, Request, Row, Seen, SqlError, Stored, Trouble, Value,
};

/// Opens further readers of one store.
#[derive(Clone, Debug)]
pub struct Readers(PathBuf);

impl Readers {
    pub(super) fn of(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// A reader of its own, for another thread.
    ///
    /// # Errors
    /// [`Trouble::Away`]: the file cannot be opened.
    pub fn open(&self) -> Result<Reader, Trouble> {
        Reader::open(&self.0)
    }
}

/// A connection that only reads. It belongs to one thread.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    permit: Arc<Permit>,
    /// What is known beside the file; nobody of a reader that the writer does not know.
    clients: Option<Clients>,
}

impl Reader {
    pub(super) fn open(folder: &Path) -> Result<Self, Trouble> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened =
            Connection::open_with_flags(folder.join(FILE), flags).and_then(|mut reader| {
                reader.busy_timeout(Duration::from_millis(50))?;
                reader.set_db_config(STEADY, true)?;
                reader.execute_batch(
                    "PRAGMA cache_size = -4096; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; \
                 PRAGMA query_only = 1; PRAGMA trusted_schema = 0;",
                )?;
                // No program opens a transaction: one that stays open keeps the log from ending.
                let permit = Arc::new(Permit::new(Whose::Program));
                let asked = permit.clone();
                let answer = move |context: AuthContext<'_>| asked.answer(&context.action);
                reader.authorizer(Some(answer))?;
                Ok((reader, permit))
            });
        let (connection, permit) = opened.map_err(|error| Trouble::Away(error.to_string()))?;
        Ok(Self { connection, permit, clients: None })
    }

    /// With what is known of clients beside the file.
    pub(super) fn knowing(self, clients: Clients) -> Self {
        Self { clients: Some(clients), ..self }
    }

    /// What ends a statement that does not end by itself, from another thread.
    #[must_use]
    pub fn interrupt(&self) -> Interrupt {
        Interrupt(self.connection.get_interrupt_handle())
    }

    /// Runs an operation that reads. All from the first to [`Reader::release`] see the store as it
    /// was then; meanwhile its log does not end.
    ///
    /// # Errors
    /// [`Trouble::Refused`]: it writes, means nothing or was interrupted. All else: it could not
    /// be read.
    pub fn view(&self, op: &Op) -> Result<Outcome, Trouble> {
        if self.connection.is_autocommit() {
            self.ours(VIEW)?;
        }
        self.read(op)
    }

    /// Ends what [`Reader::view`] has begun.
    ///
    /// # Errors
    /// It cannot be ended: the reader is not used any more.
    pub fn release(&self) -> Result<(), Trouble> {
        if self.connection.is_autocommit() { Ok(()) } else { self.ours(RELEASE) }
    }

    fn ours(&self, text: &str) -> Result<(), Trouble> {
        self.permit.set(Whose::Ours);
        let done = self.connection.execute_batch(text);
        self.permit.set(Whose::Program);
        done.map_err(|error| unread(&error))
    }

    /// The durable reply of a call, where there is one.
    ///
    /// # Errors
    /// It could not be read.
    pub fn find(&self, id: &Id) -> Result<Option<Stored>, Trouble> {
        let found = find(&self.connection, id);
        match found.map_err(|error| unread(&error))? {
            Some(found) => found.read(),
            None => Ok(None),
        }
    }

    /// What is durable under an id, and of its client. Whoever writes beside may be between two of
    /// the statements: the one thread that writes asks while it does not.
    ///
    /// # Errors
    /// It could not be read.
    pub fn seen(&self, id: &Id) -> Result<Seen, Trouble> {
        let known = match (&self.clients, id) {
            (Some(clients), Id::Serial(serial)) => match clients.seen(serial) {
                Ok(seen) => return Ok(seen),
                Err(commits) => Some((clients, serial, commits)),
            },
            (None, _) | (Some(_), Id::Key(_)) => None,
        };
        let (seen, no) = seen(&self.connection, id).map_err(|error| unread(&error))??;
        if let (Some((clients, serial, commits)), Some(no)) = (known, no) {
            clients.learn(serial, no, &seen, commits);
        }
        Ok(seen)
    }

    /// The unknown calls of a service, at most so many ([`crate::Store::unknown`]).
    ///
    /// # Errors
    /// It could not be read.
    pub fn unknown(&self, service: i64, most: i64) -> Result<Vec<Id>, Trouble> {
        outside::unknown(&self.connection, service, most).map_err(|error| unread(&error))
    }

    /// What an unknown call asks ([`crate::Store::asked`]).
    ///
    /// # Errors
    /// It could not be read.
    pub fn asked(&self, id: &Id) -> Result<Option<Request>, Trouble> {
        outside::asked(&self.connection, id).map_err(|error| unread(&error))
    }

    /// Runs a statement that reads.
    ///
    /// # Errors
    /// It was refused: it writes, or means nothing.
    pub fn query(&self, text: &str, values: &[Value]) -> Result<Vec<Row>, Trouble> {
        self.read(&Op::sql(text, values)).map(|outcome| outcome.rows)
    }

    fn read(&self, op: &Op) -> Result<Outcome, Trouble> {
        let done = match op {
            Op::Sql { text, .. } | Op::Read { text, .. } => {
                self.reads_only(text).and_then(|()| self.operate(op))
            }
            Op::Define { .. } => Err(Unable::Refused(ONLY_READS)),
        };
        done.map_err(|unable| match &unable {
            Unable::Sql(error) => match error.sqlite_error_code() {
                Some(
                    ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::CannotOpen
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked,
                ) => unread(error),
                Some(_) | None => Trouble::Refused(unable.told()),
            },
            Unable::Refused(_) => Trouble::Refused(unable.told()),
        })
    }

    fn operate(&self, op: &Op) -> Result<Outcome, Unable> {
        operate(&self.connection, op)
    }

    /// What writes is refused by that name, before anything of it is run.
    fn reads_only(&self, text: &str) -> Result<(), Unable> {
        if text.trim_start().starts_with(crate::statement::OURS) {
            return Ok(());
        }
        let reads = self.connection.prepare_cached(text)?.readonly();
        if reads { Ok(()) } else { Err(Unable::Refused(ONLY_READS)) }
    }
}

const VIEW: &str = "/*tsugi*/ BEGIN";
const RELEASE: &str = "/*tsugi*/ ROLLBACK";

/// What it means that nothing could be read.
fn unread(error: &rusqlite::Error) -> Trouble {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Again,
        Some(_) | None => Trouble::Away(error.to_string()),
    }
}

/// Why an operation was not carried out.
pub(super) enum Unable {
    /// SQLite said so.
    Sql(rusqlite::Error),
    /// We do.
    Refused(&'static str),
}

impl Unable {
    fn told(&self) -> SqlError {
        match self {
            Self::Sql(error) => refused(error),
            Self::Refused(why) => SqlError { code: "0".to_owned(), text: (*why).to_owned() },
        }
    }
}

impl From<rusqlite::Error> for Unable {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// One run without parameters.
const ONCE: &[Row] = &[Vec::new()];

/// Runs one operation to its end.
pub(super) fn operate(connection: &Connection, op: &Op) -> Result<Outcome, Unable> {
    let (text, rows) = match op {
        Op::Sql { text, rows } | Op::Read { text, rows } => (text, rows.as_slice()),
        Op::Define { text } => {
            if waits_for_the_commit(text) {
                return Err(Unable::Refused("a constraint may not wait for the commit"));
            }
            if of_the_record(text) {
                return Err(Unable::Refused("a definition may not name the record"));
            }
            (text, ONCE)
        }
    };
    if text.trim_start().starts_with(crate::statement::OURS) {
        return Err(Unable::Refused("a statement may not begin so"));
    }
    // A definition is not kept: whoever is given a kept statement is not asked for again.
    match op {
        Op::Sql { .. } => run(connection, &mut *connection.prepare_cached(text)?, rows),
        Op::Read { .. } => {
            let mut statement = connection.prepare_cached(text)?;
            match statement.readonly() {
                true => run(connection, &mut statement, rows),
                false => Err(Unable::Refused(ONLY_READS)),
            }
        }
        Op::Define { .. } => run(connection, &mut connection.prepare(text)?, rows),
    }
}

fn run(
    connection: &Connection,
    statement: &mut Statement<'_>,
    rows: &[Row],
) -> Result<Outcome, Unable> {
    let mut out = Outcome::default();
    let mut size = 0;
    for row in rows {
        let columns = statement.column_count();
        let mut found = statement.query(params_from_iter(row))?;
        while let Some(row) = found.next()? {
            let row = row_of(row, columns)?;
            size += row.iter().map(Value::size).sum::<usize>();
            if size > LARGEST_OUTCOME {
                return Err(Unable::Refused("a statement gives back too much"));
            }
            out.rows.push(row);
        }
        drop(found);
        if !statement.readonly() {
            out.changed += connection.changes();
        }
    }
    Ok(out)
}
