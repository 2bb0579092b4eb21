//! What a store says of itself to somebody who does not write it.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use tsugi_vocabulary::Epoch;

use super::Sqlite;
use super::open::{FILE, epochs, failed};
use crate::package::Stands;
use crate::{OpenRefused, statement as sql};

/// What a store says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The group whose work it keeps.
    pub group: String,
    /// Which member of it; empty where the group is single.
    pub member: String,
    /// The highest ownership that it has seen.
    pub epoch: Epoch,
    /// The packages that have a row, by name, the oldest first.
    pub packages: Vec<Known>,
}

/// A package that a store knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The hash of its manifest.
    pub id: [u8; 32],
    /// What people call it.
    pub name: String,
    /// The services that it has.
    pub services: Vec<String>,
    /// Where it stands.
    pub stands: Stands,
    /// Since when, in milliseconds of Unix time.
    pub at: i64,
}

impl Sqlite {
    /// What the store of a folder says of itself, also while an engine has it; none where there is
    /// none yet. Nothing is claimed or changed by it.
    ///
    /// # Errors
    /// It cannot be read, or is none of ours.
    pub fn look(folder: &Path) -> Result<Option<Looked>, OpenRefused> {
        let path = folder.join(FILE);
        let told = |error: rusqlite::Error| failed(&path, &error);
        if !path.try_exists().map_err(|error| failed(&path, &error))? {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(told)?;
        // Its log is copied by whoever writes it.
        let config = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        connection.set_db_config(config, true).map_err(told)?;
        connection.execute_batch("PRAGMA query_only = 1; BEGIN").map_err(told)?;
        let Some((group, member, epoch)) = claims(&connection).map_err(told)?.pop() else {
            return Ok(None);
        };
        let packages = packages(&connection).map_err(told)?;
        Ok(Some(Looked { group, member, epoch, packages }))
    }
}

fn claims(connection: &Connection) -> rusqlite::Result<Vec<(String, String, Epoch)>> {
    if there(connection, "tsugi_epoch")? { epochs(connection) } else { Ok(Vec::new()) }
}

fn packages(connection: &Connection) -> rusqlite::Result<Vec<Known>> {
    if !there(connection, "tsugi_package")? {
        return Ok(Vec::new());
    }
    let mut all = connection.prepare(sql::PACKAGES)?;
    let rows = all.query_map([], |row| {
        let column = row.get("stands")?;
        let stands = Stands::read(column);
        let stands = stands.ok_or(rusqlite::Error::IntegralValueOutOfRange(0, column))?;
        let services: String = row.get("services")?;
        let services = services.lines().map(str::to_owned).collect();
        let (id, name, at) = (row.get("id")?, row.get("name")?, row.get("at")?);
        Ok(Known { id, name, services, stands, at })
    })?;
    rows.collect()
}

fn there(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let text = "SELECT 1 FROM sqlite_schema WHERE name = ?1";
    Ok(connection.query_row(text, [table], |_| Ok(())).optional()?.is_some())
}
