//! The rows of packages on PostgreSQL: what its services run is the same for all members of a
//! group. Each change is a commit of its own.

use super::record::bytes;
use super::{Isolation, Postgres};
use crate::package::{Package, Packages, Stands};
use crate::statement as sql;
use crate::store::Nested;
use crate::{SqlError, Trouble, Value};

impl Packages for Postgres {
    fn packages(&mut self) -> Result<Vec<Package>, Trouble> {
        self.standing()?;
        let unread = || Trouble::Broken("a package is not one of ours".to_owned());
        let read = |row: Vec<Value>| match <[Value; 5]>::try_from(row) {
            Ok([Value::Blob(id), Value::Text(name), Value::Text(services), stands, at]) => {
                let (Value::Integer(stands), Value::Integer(at)) = (stands, at) else {
                    return Err(unread());
                };
                let id = id.try_into().map_err(|_| unread())?;
                let stands = Stands::read(stands).ok_or_else(unread)?;
                let services = services.lines().map(str::to_owned).collect();
                Ok(Package { id, name, services, stands, at })
            }
            Ok(_) | Err(_) => Err(unread()),
        };
        self.read(sql::PACKAGES, &[])?.into_iter().map(read).collect()
    }

    fn keep_package(&mut self, package: &Package) -> Result<(), Trouble> {
        let Package { id, name, services, at, .. } = package;
        let values = [
            bytes(id),
            name.as_str().into(),
            services.join("\n").as_str().into(),
            Stands::Kept.column().into(),
            (*at).into(),
        ];
        self.alone(Isolation::Committed, |session| {
            session.ours(sql::KEEP_PACKAGE, &values).map(drop)
        })
    }

    fn make_package_current<E: From<Trouble>>(
        &mut self,
        id: &[u8; 32],
        at: i64,
        with: impl FnOnce(&mut dyn Nested) -> Result<(), E>,
    ) -> Result<(), E> {
        self.owned(Isolation::Serializable)?;
        let made = self.made_current(id, at, with).inspect_err(|_| self.roll_back());
        made.and_then(|()| Ok(self.commit_now(None)?))
    }

    fn delete_package(&mut self, id: &[u8; 32]) -> Result<(), Trouble> {
        let values = [bytes(id)];
        self.alone(Isolation::Committed, |session| {
            session.ours(sql::DELETE_PACKAGE, &values).map(drop)
        })
    }
}

impl Postgres {
    fn made_current<E: From<Trouble>>(
        &mut self,
        id: &[u8; 32],
        at: i64,
        with: impl FnOnce(&mut dyn Nested) -> Result<(), E>,
    ) -> Result<(), E> {
        let (current, former) = (Stands::Current.column(), Stands::Former.column());
        let replaced = [bytes(id), current.into(), former.into(), at.into()];
        self.ours(sql::REPLACE_PACKAGE, &replaced)?;
        let made = match self.ask(sql::MAKE_PACKAGE, &[bytes(id), current.into(), at.into()]) {
            Ok(answer) => answer.changed,
            Err(fault) => return Err(self.ended(fault).into()),
        };
        if made != 1 {
            let text = "the package has no row".to_owned();
            return Err(Trouble::Refused(SqlError { code: "0".to_owned(), text }).into());
        }
        let mut unit = self.nest()?;
        with(&mut *unit)?;
        Ok(unit.keep()?)
    }
}
