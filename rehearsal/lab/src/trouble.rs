//! Why the lab could not do what it was asked.

use std::io;

/// Why the lab could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Something of the machine is missing.
    #[error("this machine lacks something the lab needs: {0}")]
    Missing(String),
    /// Another lab runs.
    #[error("another lab is running (process {0})")]
    Busy(String),
    /// Something did not go as it must.
    #[error("{0}")]
    Failed(String),
    /// A program in a host ended with an error.
    #[error("answered {code}: {said}")]
    Answered {
        /// The exit code.
        code: i32,
        /// What it printed.
        said: String,
    },
    /// The kernel refused something.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Trouble {
    /// A host that should be on is off.
    #[must_use]
    pub fn off(name: &str) -> Self {
        Self::Failed(format!("{name} has no power"))
    }
}
