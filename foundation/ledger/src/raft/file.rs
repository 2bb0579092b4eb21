//! The one file of a voter: its tables, how it is opened, and what is checked before it is used.
//!
//! Beside its directory stands a note of who ever kept a ledger there, so that a voter whose
//! directory was lost does not begin again under its number.
//!
//! Next to it stands a short file that names the last write that was acknowledged. It is written
//! after the sync and never synced itself: after a power loss it may name an older write, but
//! when it names a newer one than the ledger holds, an acknowledged record is gone.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use crate::format::{Reader, Unreadable, Writer, seal, unseal};
use crate::{ClusterId, StorageFailure, VoterId};

const NAME: &str = "ledger.db";
const SEEN: &str = "ledger.seen";

/// Whose ledger a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The cluster.
    pub cluster: ClusterId,
    /// The voter.
    pub voter: VoterId,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) connection: Connection,
    path: PathBuf,
    seen: std::fs::File,
    /// How many writes were acknowledged.
    pub(crate) writes: u64,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "voter {} of cluster {}", self.voter, self.cluster)
    }
}

/// What the system said, as a failure of `file`.
pub(crate) fn sql(file: &Path, error: &rusqlite::Error) -> StorageFailure {
    let name = file.display().to_string();
    let what = error.to_string();
    match error.sqlite_error_code() {
        // Our statements are fixed: when one means nothing, the tables are not what we made.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown) | None => {
            StorageFailure::Damaged { file: name, what }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StorageFailure::InUse { file: name }
        }
        Some(ErrorCode::DiskFull) => StorageFailure::Full { file: name },
        Some(_) => StorageFailure::Io { file: name, what },
    }
}

fn io(file: &Path, error: &std::io::Error) -> StorageFailure {
    let name = file.display().to_string();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StorageFailure::Full { file: name },
        _ => StorageFailure::Io { file: name, what: error.to_string() },
    }
}

/// What is wrong with the record `what` of `file`.
pub(crate) fn damaged(file: &Path, what: &str, why: &Unreadable) -> StorageFailure {
    let name = file.display().to_string();
    match why {
        Unreadable::TooNew { found, known } => {
            StorageFailure::TooNew { file: name, found: *found, known: *known }
        }
        _ => StorageFailure::Damaged { file: name, what: format!("{what}: {why}") },
    }
}

/// The note of who kept a ledger in `directory`. It stands beside it, not in it.
fn kept_beside(directory: &Path) -> PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push(".kept");
    directory.with_file_name(name)
}

fn note_kept(directory: &Path, owner: Owner) -> Result<(), StorageFailure> {
    use std::io::Write;
    let place = kept_beside(directory);
    let write = || {
        let mut note = std::fs::File::create(&place)?;
        writeln!(note, "{owner}")?;
        note.sync_all()?;
        std::fs::File::open(place.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    write().map_err(|error| io(&place, &error))
}

/// Refuses where `owner`, or anybody, kept a ledger; there is none, or nothing in it.
fn refuse_lost(directory: &Path, owner: Option<Owner>) -> Result<(), StorageFailure> {
    let Ok(kept) = std::fs::read_to_string(kept_beside(directory)) else { return Ok(()) };
    let kept = kept.trim_end();
    if owner.is_some_and(|owner| owner.to_string() != kept) {
        return Ok(());
    }
    let file = directory.join(NAME).display().to_string();
    Err(StorageFailure::Lost { file, owner: kept.to_owned() })
}

impl File {
    /// Makes the file of `owner` in `directory`, which must hold none.
    pub(crate) fn create(directory: &Path, owner: Owner) -> Result<Self, StorageFailure> {
        std::fs::create_dir_all(directory).map_err(|error| io(directory, &error))?;
        let mut file = Self::connect(directory, OpenFlags::SQLITE_OPEN_CREATE)?;
        if !file.is_blank()? {
            return Err(StorageFailure::Exists { file: file.path.display().to_string() });
        }
        refuse_lost(directory, Some(owner))?;
        let mut body = Writer::new();
        body.u128(owner.cluster.0).voter(owner.voter);
        let header = seal(b"owner", &body.done());
        let made = file.connection.transaction().and_then(|transaction| {
            transaction.execute_batch(
                "CREATE TABLE log (place INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
                 CREATE TABLE note (name TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;
                 CREATE TABLE part (slot INTEGER, part INTEGER, bytes BLOB NOT NULL,
                                    PRIMARY KEY (slot, part)) STRICT;",
            )?;
            transaction.execute("INSERT INTO note VALUES ('owner', ?1)", [header])?;
            transaction.commit()
        });
        made.map_err(|error| sql(&file.path, &error))?;
        // The names of the new files must outlive a power loss too.
        let synced = std::fs::File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| io(directory, &error))?;
        // Before the first vote: from here on the file may not be made a second time.
        note_kept(directory, owner)?;
        file.note_seen();
        Ok(file)
    }

    /// Opens the file in `directory`, which must belong to `owner`.
    pub(crate) fn open(directory: &Path, owner: Owner) -> Result<Self, StorageFailure> {
        let mut file = Self::existing(directory)?;
        let found = file.owner()?;
        if found != owner {
            return Err(StorageFailure::Foreign {
                file: file.path.display().to_string(),
                expected: owner.to_string(),
                found: found.to_string(),
            });
        }
        file.check_seen(directory)?;
        Ok(file)
    }

    /// Whose ledger stands in `directory`.
    pub(crate) fn owner_in(directory: &Path) -> Result<Owner, StorageFailure> {
        let file = Self::existing(directory)?;
        let owner = file.owner();
        file.abandon();
        owner
    }

    fn existing(directory: &Path) -> Result<Self, StorageFailure> {
        let path = directory.join(NAME);
        let missing = StorageFailure::Missing { file: path.display().to_string() };
        if path.exists() {
            let file = Self::connect(directory, OpenFlags::empty())?;
            if !file.is_blank()? {
                return Ok(file);
            }
        }
        refuse_lost(directory, None)?;
        Err(missing)
    }

    /// Whether its making was interrupted: it has no tables, and none was acknowledged.
    fn is_blank(&self) -> Result<bool, StorageFailure> {
        let tables: u64 = self.sql(|connection| {
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        })?;
        let seen = self.seen.metadata().map_err(|error| io(&self.path, &error))?.len();
        Ok(tables == 0 && seen == 0)
    }

    fn connect(directory: &Path, flags: OpenFlags) -> Result<Self, StorageFailure> {
        let path = directory.join(NAME);
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(&path, flags).and_then(|connection| {
            connection.busy_timeout(std::time::Duration::ZERO)?;
            // One process alone, so there is no shared memory; each commit is synced.
            connection.execute_batch(
                "PRAGMA locking_mode = EXCLUSIVE;
                 PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = FULL;
                 PRAGMA wal_autocheckpoint = 2000;
                 PRAGMA journal_size_limit = 16777216;
                 PRAGMA cache_size = -512;
                 PRAGMA mmap_size = 0;
                 PRAGMA temp_store = MEMORY;
                 BEGIN IMMEDIATE; COMMIT;",
            )?;
            Ok(connection)
        });
        let connection = opened.map_err(|error| sql(&path, &error))?;
        let place = directory.join(SEEN);
        let mut options = std::fs::OpenOptions::new();
        let seen = options.read(true).write(true).create(true).truncate(false).open(&place);
        let seen = seen.map_err(|error| io(&place, &error))?;
        Ok(Self { connection, path, seen, writes: 0 })
    }

    fn owner(&self) -> Result<Owner, StorageFailure> {
        let read = |body: &[u8]| {
            let mut from = Reader::new(body);
            let owner = Owner { cluster: ClusterId(from.u128()?), voter: from.voter()? };
            from.end()?;
            Ok(owner)
        };
        self.note("owner", read)?.ok_or_else(|| StorageFailure::Damaged {
            file: self.path.display().to_string(),
            what: "owner: it is not there".to_owned(),
        })
    }

    fn check_seen(&mut self, directory: &Path) -> Result<(), StorageFailure> {
        let count = |body: &[u8]| Reader::new(body).u64();
        self.writes = self.note("writes", count)?.unwrap_or(0);
        let place = directory.join(SEEN);
        let bytes = std::fs::read(&place).map_err(|error| io(&place, &error))?;
        // Torn or empty: it says nothing, and nothing rests on it.
        let seen = unseal(b"seen", &bytes).and_then(|body| Reader::new(body).u64()).unwrap_or(0);
        if seen > self.writes {
            return Err(StorageFailure::Damaged {
                file: self.path.display().to_string(),
                what: format!("write {seen} was acknowledged, the file ends at {}", self.writes),
            });
        }
        Ok(())
    }

    /// Notes that every write so far is acknowledged. A failure here loses no record.
    pub(crate) fn note_seen(&self) {
        use std::os::unix::fs::FileExt;
        let record = seal(b"seen", &self.writes.to_le_bytes());
        if self.seen.write_all_at(&record, 0).is_err() {
            // The note protects against damage only; without it the ledger is as safe as SQLite.
        }
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` on the tables.
    pub(crate) fn sql<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StorageFailure> {
        work(&self.connection).map_err(|error| sql(&self.path, &error))
    }

    /// The note `name`, read by `read`.
    pub(crate) fn note<T>(
        &self,
        name: &str,
        read: impl FnOnce(&[u8]) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, StorageFailure> {
        let record: Option<Vec<u8>> = self.sql(|connection| {
            let mut query = connection.prepare_cached("SELECT record FROM note WHERE name = ?1")?;
            query.query_row([name], |row| row.get(0)).optional()
        })?;
        let Some(record) = record else { return Ok(None) };
        let body = unseal(name.as_bytes(), &record).and_then(read);
        body.map(Some).map_err(|why| damaged(&self.path, name, &why))
    }

    /// Closes without touching the disk again: after a failed sync nothing may be written.
    pub(crate) fn abandon(&self) {
        let refused =
            self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        debug_assert!(refused.is_ok(), "a known setting");
    }
}
