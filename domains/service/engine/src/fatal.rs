//! What no engine goes on from.

use std::convert::Infallible;

use tsugi_vocabulary::Epoch;

/// Why the process has to end: what is durable is read from the disk by the next one, and nothing
/// is told any more. There is no way back from it: whoever is given one gives nothing back
/// ([`LastWord`]).
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// A commit, a sync or a reading has failed: what is durable is not known here.
    #[error("the store is broken: {0}")]
    Broken(String),
    /// Another engine has the store.
    #[error("the store belongs to {0} now")]
    Superseded(Epoch),
    /// The last moment has passed: another engine may answer.
    #[error("the last moment has passed")]
    LastMoment,
    /// The rules have met what nothing could lead to.
    #[error("the rules have met what nothing leads to: {0}")]
    Impossible(String),
}

/// What is done with the last word of an engine. It never comes back, so nothing is told after it.
pub type LastWord = Box<dyn FnOnce(Fatal) -> Infallible + Send>;

/// The exit code of a process whose engine could not go on.
pub const EXIT: i32 = 70;

impl Fatal {
    /// Ends the process with [`EXIT`], at once: nothing is flushed, closed or told.
    pub fn end_process(self) -> Infallible {
        eprintln!("{self}");
        std::process::exit(EXIT)
    }
}
