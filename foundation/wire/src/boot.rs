//! One start of an agent: a number that rises with every start, and the random boot id.

use std::fmt;
use std::path::{Path, PathBuf};

use tsugi_vocabulary::{BootId, Wall};

use crate::files::{self, FileFailure};
use crate::secret;

/// Which start of a node a message belongs to. A later start has a higher `started`, also when
/// the node's clock was set back in between, so an old boot can never come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Rises with every start; a few more than the wall clock's milliseconds at most.
    pub started: u64,
    /// Drawn at random at this start.
    pub id: BootId,
}

/// Why the number of this start could not be made durable.
#[derive(Debug, thiserror::Error)]
pub enum BootFailure {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileFailure),
    /// The file holds something else than a number. It has no default: guessing one could let
    /// this start pass for an old one.
    #[error("{path} does not hold the number of the last start but {found:?}")]
    NotANumber {
        /// Which file.
        path: PathBuf,
        /// What it begins with.
        found: String,
    },
}

impl Boot {
    /// Begins a new start: one above the number in `path`, at least `now`, and durable there
    /// before it is returned.
    ///
    /// # Errors
    /// A [`BootFailure`]; the node must not speak to others then.
    pub fn begin(path: &Path, now: Wall) -> Result<Self, BootFailure> {
        let last = match files::read_text_if_there(path)? {
            None => 0,
            Some(text) => text.trim().parse::<u64>().map_err(|_| BootFailure::NotANumber {
                path: path.to_path_buf(),
                found: text.chars().take(40).collect(),
            })?,
        };
        let started = now.0.max(last.saturating_add(1));
        files::replace(path, format!("{started}\n").as_bytes())?;
        Ok(Self { started, id: BootId(u128::from_be_bytes(secret::random())) })
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_has_a_higher_number_also_when_the_clock_was_set_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boot");
        let first = Boot::begin(&path, Wall(5_000)).unwrap();
        let second = Boot::begin(&path, Wall(10)).unwrap();
        let third = Boot::begin(&path, Wall(9_000)).unwrap();
        assert_eq!((first.started, second.started, third.started), (5_000, 5_001, 9_000));
        assert_ne!(first.id, second.id);
    }

    #[test]
    fn a_damaged_number_is_a_failure_and_has_no_default() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boot");
        std::fs::write(&path, "seven").unwrap();
        assert!(matches!(Boot::begin(&path, Wall(1)), Err(BootFailure::NotANumber { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "seven");
    }
}
