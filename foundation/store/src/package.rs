//! The rows of packages: which ones the store knows, and which its services run.

use crate::Trouble;
use crate::store::Nested;

/// The rows of packages in a store. Each change is a commit of its own, durable when it returns.
pub trait Packages {
    /// All packages that have a row, by name, the oldest first.
    ///
    /// # Errors
    /// They cannot be read, or a row is not one of ours.
    fn packages(&mut self) -> Result<Vec<Package>, Trouble>;

    /// Gives a package a row, unless it has one; it is kept, whatever it says of where it stands.
    ///
    /// # Errors
    /// Nothing was changed; with [`Trouble::Broken`] that is not known.
    fn keep_package(&mut self, package: &Package) -> Result<(), Trouble>;

    /// Makes a package current, and the one of its name that was current former; `with` is what is
    /// made with it, in the same commit.
    ///
    /// # Errors
    /// As [`Packages::keep_package`]; what `with` says; [`Trouble::Refused`] where it has no row.
    fn make_package_current<E: From<Trouble>>(
        &mut self,
        id: &[u8; 32],
        at: i64,
        with: impl FnOnce(&mut dyn Nested) -> Result<(), E>,
    ) -> Result<(), E>;

    /// Takes the row of a package away, if it has one.
    ///
    /// # Errors
    /// As [`Packages::keep_package`].
    fn delete_package(&mut self, id: &[u8; 32]) -> Result<(), Trouble>;
}

/// A package that has a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// The hash of its manifest.
    pub id: [u8; 32],
    /// What people call it. Of one name one package at most is current.
    pub name: String,
    /// What callers call its services: known also where its files are not as they were.
    pub services: Vec<String>,
    /// Where it stands.
    pub stands: Stands,
    /// Since when, in milliseconds of Unix time.
    pub at: i64,
}

/// Where a package that has a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stands {
    /// It is not what its services run.
    Kept,
    /// It is.
    Current,
    /// It was.
    Former,
}

impl Stands {
    /// As the column has it.
    pub(crate) const fn column(self) -> i64 {
        match self {
            Self::Kept => 0,
            Self::Current => 1,
            Self::Former => 2,
        }
    }

    /// What a column has; none of a number that was never written.
    pub(crate) const fn read(column: i64) -> Option<Self> {
        match column {
            0 => Some(Self::Kept),
            1 => Some(Self::Current),
            2 => Some(Self::Former),
            _ => None,
        }
    }
}
