//! What a store says when it does not do what it was asked.

use std::fmt;

use tsugi_vocabulary::Epoch;

use crate::Look;

/// What the database said to a statement of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// The code: of SQLite the extended one as a number, of PostgreSQL the SQLSTATE.
    pub code: String,
    /// The words.
    pub text: String,
}

/// Why a unit of work, or a whole sitting, is not there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Somebody else was faster: run it again from its beginning. Nothing of the sitting is kept.
    #[error("it has to be run again")]
    Again,
    /// The whole transaction is gone: of no call of the sitting anything is kept, and none may be
    /// answered.
    #[error("the whole sitting is gone: {0}")]
    Gone(String),
    /// The commit was sent and nothing came back. See [`crate::Store::look`].
    #[error("whether it was committed is not known")]
    Unknown(Box<Look>),
    /// The program's own mistake. Its unit of work stands, without that statement.
    #[error("{0}")]
    Refused(SqlError),
    /// A newer ownership, or a newer run of this one, writes. Nothing of the sitting is kept, and
    /// nothing will be told any more.
    #[error("the store belongs to {found} now")]
    Superseded {
        /// What the store has seen.
        found: Epoch,
    },
    /// No room on the disk. Nothing of the sitting is kept, and nothing is half done.
    #[error("the disk is full")]
    Full,
    /// The database cannot be reached. Nothing of the sitting is kept.
    #[error("the database is away: {0}")]
    Away(String),
    /// The database takes no writes. Nothing of the sitting is kept.
    #[error("the database takes no writes")]
    ReadOnly,
    /// A commit, a sync or a reading failed, or the store is not what we made: what is durable is
    /// not known here. The process must end; the next open reads what is there.
    #[error("the store is broken: {0}")]
    Broken(String),
}

/// Why a store was not opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenRefused {
    /// A living engine has it.
    #[error("another engine has {0} open")]
    InUse(String),
    /// It has seen a higher epoch.
    #[error("the store has seen {found}, this is {own}")]
    Superseded {
        /// The highest it has seen.
        found: Epoch,
        /// The claimed one.
        own: Epoch,
    },
    /// It keeps the work of another group.
    #[error("the store is of group {0}")]
    Foreign(String),
    /// It was written by a later version.
    #[error("the store's format is at step {found}, this build knows {known}")]
    TooNew {
        /// The highest step in it.
        found: i64,
        /// The highest step of this build.
        known: i64,
    },
    /// A step was carried out with another text than this build's.
    #[error("step {0} of the store's format is another one than this build's")]
    OtherStep(i64),
    /// Another member has it open by another version: neither would know what the other means.
    #[error("{member} has the store open by version {found}, this is {own}")]
    OtherVersion {
        /// Who: group and member.
        member: String,
        /// By which version.
        found: String,
        /// That of this build.
        own: String,
    },
    /// A setting that safety rests on is not as it must be.
    #[error("{name} is {found}, not {needed}")]
    Setting {
        /// Which.
        name: String,
        /// What it is.
        found: String,
        /// What it must be.
        needed: String,
    },
    /// The system or the database said no.
    #[error("{place}: {what}")]
    Failed {
        /// The file or the server.
        place: String,
        /// What was said.
        what: String,
    },
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.code)
    }
}
