//! What goes wrong with the disk: what may be tried again, and what may not.

use super::store::Store;
use crate::StorageFailure;

/// Why nothing came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A read failed. Nothing was changed by that, so it is read again later.
    Away(StorageFailure),
    /// A write failed, or what stands there cannot be: nobody knows what was written, and this
    /// process must not write again.
    Broken(StorageFailure),
}

impl Trouble {
    pub(crate) fn unread(store: &impl Store, error: &std::io::Error) -> Self {
        Self::Away(StorageFailure::Io { file: store.name(), what: error.to_string() })
    }

    pub(crate) fn unwritten(store: &impl Store, error: &std::io::Error) -> Self {
        Self::Broken(StorageFailure::Io { file: store.name(), what: error.to_string() })
    }

    pub(crate) fn damaged(store: &impl Store, what: &str) -> Self {
        Self::Broken(Self::damage(store, what))
    }

    pub(crate) fn damage(store: &impl Store, what: &str) -> StorageFailure {
        StorageFailure::Damaged { file: store.name(), what: what.to_owned() }
    }

    /// What to tell a person.
    pub(crate) fn failure(self) -> StorageFailure {
        match self {
            Self::Away(failure) | Self::Broken(failure) => failure,
        }
    }
}
