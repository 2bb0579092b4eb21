//! The rows of packages: which ones the store knows, and which its services run.

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
