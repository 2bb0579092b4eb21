//! Copying committed pages from the log into the file, beside the writer, so that the log stays
//! short and the next open has little to read.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::open::FILE;
use crate::Trouble;

/// The connection that copies. It belongs to one thread.
#[derive(Debug)]
pub struct Checkpoints {
    connection: Connection,
}

/// How far the log is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpointed {
    /// How many pages the log has.
    pub pages: i64,
    /// How many of them stand in the file.
    pub copied: i64,
}

impl Checkpoints {
    pub(super) fn open(folder: &Path) -> Result<Self, Trouble> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(folder.join(FILE), flags).and_then(|own| {
            own.busy_timeout(Duration::ZERO)?;
            own.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            own.execute_batch(
                "PRAGMA synchronous = FULL; PRAGMA mmap_size = 0; PRAGMA cache_size = -256; \
                 PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 16777216;",
            )?;
            Ok(own)
        });
        let connection = opened.map_err(|error| Trouble::Away(error.to_string()))?;
        Ok(Self { connection })
    }

    /// Copies what no reader holds back, without waiting for anybody.
    ///
    /// # Errors
    /// [`Trouble::Full`], [`Trouble::Again`]; [`Trouble::Broken`] where a write or sync failed:
    /// the process must end.
    pub fn run(&self) -> Result<Checkpointed, Trouble> {
        let done = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok(Checkpointed { pages: row.get(1)?, copied: row.get(2)? })
        });
        done.map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Trouble::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Again,
            Some(_) | None => Trouble::Broken(error.to_string()),
        })
    }
}
