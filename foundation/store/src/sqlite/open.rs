//! How a store is opened: alone, with everything durable that is read, and claimed.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use rusqlite::config::DbConfig;
use rusqlite::hooks::AuthContext;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use tsugi_vocabulary::Epoch;

use super::clients::Clients;
use super::permit::{Permit, Whose};
use super::{BEGIN, COMMIT, Faults, Reader, Sqlite, State};
use crate::claim::{column, number};
use crate::migrate::{Dialect, due};
use crate::statement::{CLAIM, INTERRUPT_KEYS, INTERRUPT_REPLIES, STEP_DONE, STEPS};
use crate::{Claim, OpenRefused};

pub(super) const FILE: &str = "store.db";
const LOG: &str = "store.db-wal";
const LOCK: &str = "engine.lock";

/// A statement has one plan, whatever its values are. Otherwise SQLite makes those anew, at every
/// run, whose plan another value might change.
pub(super) const STEADY: DbConfig = DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;

/// A process that an engine has just forked has its lock until it is another program: so long a
/// lock that is held is asked for again, and so often.
const FORKED: Duration = Duration::from_millis(100);
const AGAIN: Duration = Duration::from_millis(1);

/// What every setting must be, read back after it was set. An error of the disk must be an error
/// and not a signal, so nothing is mapped; the log is copied by a thread of its own.
const SETTINGS: [(&str, &str, &str); 10] = [
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", "2"),
    ("wal_autocheckpoint", "0", "0"),
    ("journal_size_limit", "16777216", "16777216"),
    ("cache_size", "-32768", "-32768"),
    ("mmap_size", "0", "0"),
    ("temp_store", "MEMORY", "2"),
    ("trusted_schema", "0", "0"),
    ("foreign_keys", "1", "1"),
    ("cell_size_check", "1", "1"),
];

impl Sqlite {
    /// Opens the store in `folder`, makes it where there is none, and claims it.
    ///
    /// # Errors
    /// It is not ours to write, or what it needs to be safe is not there.
    pub fn open(folder: &Path, claim: &Claim) -> Result<Self, OpenRefused> {
        Self::open_with(folder, claim, Faults::none())
    }

    /// As [`Sqlite::open`], with calls that fail.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub fn open_with(folder: &Path, claim: &Claim, faults: Faults) -> Result<Self, OpenRefused> {
        let io = |error: std::io::Error| failed(folder, &error);
        faults.system(|| make(folder)).map_err(io)?;
        let lock = alone(folder, &faults)?;
        for (file, cache) in [(LOG, Cache::Dropped), (FILE, Cache::Kept)] {
            faults.system(|| make_durable(&folder.join(file), cache)).map_err(io)?;
        }
        faults.system(|| File::open(folder)?.sync_all()).map_err(io)?;
        let permit = Arc::new(Permit::new(Whose::Ours));
        let path = folder.join(FILE);
        let mut connection = faults.system(|| Ok(connect(&path))).map_err(io)??;
        let asked = permit.clone();
        let hooked = connection
            .authorizer(Some(move |context: AuthContext<'_>| asked.answer(&context.action)));
        hooked.map_err(|error| failed(&path, &error))?;
        settle(&connection, &path, &faults)?;
        // A setting would take it away again.
        let logged = Self::count_logged(&mut connection).map_err(|error| failed(&path, &error))?;
        claimed(&connection, claim, (&path, &faults))?;
        // The names of new files must outlive a power loss, too.
        faults.system(|| File::open(folder)?.sync_all()).map_err(io)?;
        let reader = Reader::open(folder).map_err(|trouble| failed(&path, &trouble))?;
        let (claim, folder, state) = (claim.clone(), PathBuf::from(folder), State::Closed);
        let clients = Clients::default();
        Ok(Self {
            connection,
            reader,
            clients,
            permit,
            faults,
            claim,
            state,
            logged,
            folder,
            _lock: lock,
        })
    }
}

pub(super) fn failed(place: &Path, what: &dyn std::fmt::Display) -> OpenRefused {
    OpenRefused::Failed { place: place.display().to_string(), what: what.to_string() }
}

/// Makes the folder, and none above it: where a volume is not mounted there is no store.
fn make(folder: &Path) -> std::io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// The lock that a living engine holds. The kernel gives it back when the last process ends that
/// has inherited it.
fn alone(folder: &Path, faults: &Faults) -> Result<File, OpenRefused> {
    let path = folder.join(LOCK);
    let open = || OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = faults.system(open).map_err(|error| failed(&path, &error))?;
    let until = Instant::now() + FORKED;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(AGAIN),
            Err(TryLockError::WouldBlock) => {
                return Err(OpenRefused::InUse(folder.display().to_string()));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&path, &error)),
        }
    }
}

/// Whether what the machine remembers of a file is read from the disk again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cache {
    /// It is: what a sync that failed has left there looks as if it were on the disk.
    Dropped,
    /// It is not. Only a copy of the log writes the file. One whose sync failed has not been told
    /// to the log, which has all of its pages still: they are read from there, and copied again.
    /// Of a file with ten million replies it would take seconds.
    Kept,
}

/// Has what a former engine wrote on the disk before anything rests on it. One that was killed
/// between its write and its sync leaves whole transactions in the cache; SQLite would take them
/// for committed, their calls would be answered, and a power loss would take them back.
fn make_durable(path: &Path, cache: Cache) -> std::io::Result<()> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    file.sync_data()?;
    match cache {
        Cache::Dropped => Ok(posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?),
        Cache::Kept => Ok(()),
    }
}

fn connect(path: &Path) -> Result<Connection, OpenRefused> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(|error| failed(path, &error))
}

fn settle(connection: &Connection, path: &Path, faults: &Faults) -> Result<(), OpenRefused> {
    let told = |error: rusqlite::Error| failed(path, &error);
    connection.busy_timeout(Duration::ZERO).map_err(told)?;
    connection.set_prepared_statement_cache_capacity(256);
    // A planned move does not wait for the log to be copied.
    let config = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(config, true).map_err(told)?;
    connection.set_db_config(STEADY, true).map_err(told)?;
    for (name, value, needed) in SETTINGS {
        let found = faults.around(connection, |connection| {
            connection.execute_batch(&format!("PRAGMA {name} = {value}"))?;
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, Value>(0))
        });
        let found = match found.map_err(told)? {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text,
            Value::Null | Value::Real(_) | Value::Blob(_) => String::new(),
        };
        if found != needed {
            let (name, needed) = (name.to_owned(), needed.to_owned());
            return Err(OpenRefused::Setting { name, found, needed });
        }
    }
    Ok(())
}

/// Makes the tables what this build knows and the epoch the claimed one, in one transaction. Who
/// is refused has changed nothing.
fn claimed(
    connection: &Connection,
    claim: &Claim,
    (path, faults): (&Path, &Faults),
) -> Result<(), OpenRefused> {
    let told = |error: rusqlite::Error| failed(path, &error);
    let run = |text: &str| {
        faults.around(connection, |connection| connection.execute_batch(text)).map_err(told)
    };
    run(BEGIN)?;
    let done = faults.around(connection, steps_done).map_err(told)?;
    if !done.is_empty() {
        let seen = faults.around(connection, epochs).map_err(told)?;
        refuse(claim, &seen)?;
    }
    for step in due(&done)? {
        run(&step.text(Dialect::Sqlite))?;
        let values = params![step.number, step.hash(), claim.at];
        let noted = |connection: &Connection| connection.execute(STEP_DONE, values);
        faults.around(connection, noted).map_err(told)?;
    }
    let raised = faults.around(connection, |connection| {
        let values = params![
            claim.group.as_str(),
            claim.member,
            column(claim.epoch.incarnation),
            column(claim.epoch.counter),
            claim.run,
            claim.node.as_str(),
            claim.at,
        ];
        connection.execute(CLAIM, values)
    });
    if raised.map_err(told)? != 1 {
        return Err(failed(path, &"the epoch was not raised"));
    }
    // No run of whoever had it is left: what was started and has no end is unknown.
    for text in [INTERRUPT_REPLIES, INTERRUPT_KEYS] {
        run(text)?;
    }
    run(COMMIT)
}

fn steps_done(connection: &Connection) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
    let there = "SELECT 1 FROM sqlite_schema WHERE name = 'tsugi_step'";
    if connection.query_row(there, [], |_| Ok(())).optional()?.is_none() {
        return Ok(Vec::new());
    }
    let mut steps = connection.prepare(STEPS)?;
    let rows = steps.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Whose rows there are, and under which epoch. A volume has those of one group.
pub(super) fn epochs(connection: &Connection) -> rusqlite::Result<Vec<(String, String, Epoch)>> {
    let text = "SELECT grp, member, incarnation, counter FROM tsugi_epoch";
    let mut rows = connection.prepare(text)?;
    let rows = rows.query_map([], |row| {
        let epoch = Epoch { incarnation: number(row.get(2)?), counter: number(row.get(3)?) };
        Ok((row.get(0)?, row.get(1)?, epoch))
    })?;
    rows.collect()
}

fn refuse(claim: &Claim, seen: &[(String, String, Epoch)]) -> Result<(), OpenRefused> {
    for (group, member, found) in seen {
        if group != claim.group.as_str() {
            return Err(OpenRefused::Foreign(group.clone()));
        }
        if *member == claim.member && *found > claim.epoch {
            return Err(OpenRefused::Superseded { found: *found, own: claim.epoch });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::{statement, suite};

    #[test]
    fn a_statement_keeps_its_plan_whatever_its_values_are() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let store = Sqlite::open(folder.path(), &suite::claim(5, 1)).expect("it opens");
        let reader = Connection::open(folder.path().join(FILE)).expect("it is there");
        reader.set_db_config(STEADY, true).expect("it takes this setting");
        for connection in [&store.connection, &reader] {
            let mut reply = connection.prepare(statement::REPLY).expect("it is right");
            for n in 0..3 {
                let found = reply.query_row([n, n], |_| Ok(())).optional();
                assert_eq!(found, Ok(None));
            }
            assert_eq!(reply.get_status(StatementStatus::RePrepare), 0);
        }
    }
}
