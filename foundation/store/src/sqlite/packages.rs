//! The rows of packages. They are changed while no sitting is open: each change is a commit of its
//! own, durable when it returns.

use rusqlite::params;

use super::{Sqlite, State};
use crate::package::{Package, Packages, Stands};
use crate::statement as sql;
use crate::store::{Nested, Store as _};
use crate::{SqlError, Trouble};

/// A row as it stands in the table.
type Row = ([u8; 32], String, String, i64, i64);

impl Packages for Sqlite {
    fn packages(&mut self) -> Result<Vec<Package>, Trouble> {
        self.standing()?;
        let rows: Vec<Row> = self.ours(|connection| {
            let mut all = connection.prepare_cached(sql::PACKAGES)?;
            let rows = all.query_map([], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })?;
            rows.collect()
        })?;
        let read = |(id, name, services, column, at): Row| match Stands::read(column) {
            Some(stands) => {
                let services = services.lines().map(str::to_owned).collect();
                Ok(Package { id, name, services, stands, at })
            }
            None => Err(self.broken(format!("a package stands at {column}"))),
        };
        rows.into_iter().map(read).collect()
    }

    fn keep_package(&mut self, package: &Package) -> Result<(), Trouble> {
        let Package { id, name, services, at, .. } = package;
        let (services, kept) = (services.join("\n"), Stands::Kept.column());
        self.alone(|desk| {
            desk.changed(sql::KEEP_PACKAGE, params![id, name, services, kept, at]).map(drop)
        })
    }

    fn make_package_current<E: From<Trouble>>(
        &mut self,
        id: &[u8; 32],
        at: i64,
        with: impl FnOnce(&mut dyn Nested) -> Result<(), E>,
    ) -> Result<(), E> {
        self.alone(|desk| {
            let (current, former) = (Stands::Current.column(), Stands::Former.column());
            desk.changed(sql::REPLACE_PACKAGE, params![id, current, former, at])?;
            if desk.changed(sql::MAKE_PACKAGE, params![id, current, at])? != 1 {
                let text = "the package has no row".to_owned();
                return Err(Trouble::Refused(SqlError { code: "0".to_owned(), text }).into());
            }
            let mut unit = desk.nest()?;
            with(&mut *unit)?;
            Ok(unit.keep()?)
        })
    }

    fn delete_package(&mut self, id: &[u8; 32]) -> Result<(), Trouble> {
        self.alone(|desk| desk.changed(sql::DELETE_PACKAGE, params![id]).map(drop))
    }
}

impl Sqlite {
    fn changed(&mut self, text: &str, values: impl rusqlite::Params) -> Result<usize, Trouble> {
        self.ours(|connection| connection.prepare_cached(text)?.execute(values))
    }

    /// Does something in a commit of its own.
    fn alone<E: From<Trouble>>(
        &mut self,
        what: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.standing()?;
        if !matches!(self.state, State::Closed) {
            return Err(Trouble::Again.into());
        }
        self.sit()?;
        match what(self) {
            Ok(()) => Ok(self.commit()?),
            Err(why) => {
                self.abandon()?;
                Err(why)
            }
        }
    }
}
