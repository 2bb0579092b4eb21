//! The privileged process of a node: a closed list of requests, and the parent of all others.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use tsugi_vocabulary::Span;

use crate::fence::Fence;
use crate::request::{Report, Request, RequestId};
use crate::{Gone, Host};

/// How the hands of a node are set up.
#[derive(Clone, Debug)]
pub struct HandsConfig {
    /// Sockets and logs of the processes; `/run/tsugi` or a directory of the user.
    pub run_dir: PathBuf,
    /// What survives; given to the agent's user.
    pub data_dir: PathBuf,
    /// The agent's command line; none in tests that are the agent themselves.
    pub agent: Option<Vec<String>>,
    /// The guardian's command line: it must call [`crate::guardian::run`].
    pub guardian: Vec<String>,
    /// The user and group id of the agent, when the hands are root.
    pub user: Option<(u32, u32)>,
    /// What a reset does.
    pub fence: Fence,
    /// How long the agent may take to hand everything over after SIGTERM.
    pub stop_limit: Span,
    /// Exit codes of the agent after which it is not started again: the hands end with them.
    pub final_codes: Vec<i32>,
}

/// The agent's end of the hands' socket `RUN_DIR/hands.sock`.
#[derive(Debug)]
pub struct Hands {
    socket: OwnedFd,
}

impl Hands {
    /// Connects to the hands of the node whose run directory this is.
    ///
    /// # Errors
    /// The socket is not there or refuses us.
    pub fn connect(_run_dir: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl AsFd for Hands {
    /// Readable when a report has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Host for Hands {
    fn ask(&mut self, _request: &Request) -> Result<RequestId, Gone> {
        Err(Gone { why: String::new() })
    }
    fn next_report(&mut self) -> Result<Option<Report>, Gone> {
        Err(Gone { why: String::new() })
    }
}

/// Why the hands did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartFailure {
    /// Other hands work in this run or data directory.
    #[error("another process works in {dir}")]
    Taken {
        /// The directory.
        dir: PathBuf,
    },
    /// A call of the system failed.
    #[error("{step}")]
    System {
        /// What was called.
        step: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Runs the hands until they are told to stop; the result is the exit code of the process.
///
/// # Errors
/// They could not start; nothing is left behind.
pub fn run(_config: HandsConfig) -> Result<i32, StartFailure> {
    Ok(1)
}
