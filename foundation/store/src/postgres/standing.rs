//! How a store on PostgreSQL stands: who else has it open, by which version, and what a failover of
//! the database would cost.

use std::fmt;

use super::link::int;
use super::{Postgres, words};
use crate::{OpenRefused, Trouble, Value};

/// The version of this build. Members of different versions do not have one store open.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether a group's store was open when a member opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// No other member had it open.
    First,
    /// Another member of the group has it open.
    Joined,
}

/// What becomes of committed work when the database fails over to another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// A commit waits for a standby, or there is no standby to fail over to.
    Kept,
    /// What was committed last may be gone: a call may be carried out again, and an answer differ
    /// from the one that was told.
    MayLose(Asynchronous),
}

/// Why a standby may lack what was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asynchronous {
    /// `synchronous_commit` waits for the server's own disk alone.
    Commits,
    /// There are standbys, and `synchronous_standby_names` names none.
    Names,
}

impl fmt::Display for Asynchronous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commits => "synchronous_commit = local",
            Self::Names => "synchronous_standby_names = ''",
        })
    }
}

impl Postgres {
    /// Whether another member of the group had the store open when this one opened it.
    #[must_use]
    pub const fn opening(&self) -> Opening {
        self.opening
    }

    /// What a failover of the database would cost, as the server is set up now.
    ///
    /// # Errors
    /// It could not be asked.
    pub fn failover(&mut self) -> Result<Failover, Trouble> {
        let row = self.read(words::REPLICATION, &[])?.pop().unwrap_or_default();
        let (Some(Value::Text(commits)), Some(Value::Text(names))) = (row.first(), row.get(1))
        else {
            return Err(Trouble::Broken("a setting is no text".to_owned()));
        };
        let standbys = int(&row, 2)?;
        Ok(match (&**commits, names.is_empty()) {
            ("local", _) => Failover::MayLose(Asynchronous::Commits),
            (_, true) if standbys > 0 => Failover::MayLose(Asynchronous::Names),
            (_, true | false) => Failover::Kept,
        })
    }

    /// Looks who else has this database's stores open. Whoever claims one holds the steps, so
    /// that no two do so at once.
    pub(super) fn look_at_members(&mut self) -> Result<(), Unfit> {
        let own = [self.claim.group.as_str().into(), self.claim.member.as_str().into()];
        self.opening = Opening::First;
        for row in self.ours(words::MEMBERS, &own)? {
            let [Value::Text(group), Value::Text(member), Value::Text(version)] = row.as_slice()
            else {
                return Err(Trouble::Broken("a member is no text".to_owned()).into());
            };
            if version != VERSION {
                let (member, found) = (format!("{group}/{member}"), version.clone());
                let own = VERSION.to_owned();
                return Err(Unfit::Refused(OpenRefused::OtherVersion { member, found, own }));
            }
            if *group == *self.claim.group.as_str() {
                self.opening = Opening::Joined;
            }
        }
        Ok(())
    }

    /// Writes down that this member has the store open, by which version, and what its sessions
    /// are called.
    pub(super) fn is_member(&mut self, sessions: &str) -> Result<(), Trouble> {
        let values = [
            self.claim.group.as_str().into(),
            self.claim.member.as_str().into(),
            sessions.into(),
            VERSION.into(),
            self.claim.at.into(),
        ];
        self.ours(words::OPENED, &values).map(drop)
    }
}

/// Why a store is not opened beside others.
pub(super) enum Unfit {
    Refused(OpenRefused),
    Trouble(Trouble),
}

impl From<Trouble> for Unfit {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}
