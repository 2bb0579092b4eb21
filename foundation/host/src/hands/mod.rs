//! The privileged process of a node: a closed list of requests, and the parent of all others.

mod client;
mod family;
pub(crate) mod launch;
pub(crate) mod programs;
mod serve;
mod slow;
mod start;
mod starter;
mod turns;
pub(crate) mod words;

use std::io;
use std::path::PathBuf;

use tsugi_vocabulary::Span;

use crate::fence::Fence;

pub use self::{client::Hands, client::SOCKET, start::node_mark};

/// How the hands of a node are set up.
#[derive(Clone, Debug)]
pub struct HandsConfig {
    /// Sockets of the processes: `/run/tsugi` or a directory of the user. Below it the hands
    /// make [`AGENT_DIR`], which belongs to the agent.
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
    /// The watchdog that the guardian feeds, if it is not the usual one.
    pub watchdog: Option<PathBuf>,
    /// How long the agent may take to hand everything over after SIGTERM.
    pub stop_limit: Span,
    /// Exit codes of the agent after which it is not started again: the hands end with them.
    pub final_codes: Vec<i32>,
}

/// The directory below the run directory in which the agent makes its own sockets.
pub const AGENT_DIR: &str = "agent";

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

/// Runs the hands until they are told to stop by SIGTERM or SIGINT; the result is the exit code
/// of the process. To be called from the main thread before any other thread is started: from
/// then on its threads have few rights and few system calls, and another would keep all.
///
/// # Errors
/// They could not start; nothing is left behind.
pub fn run(config: HandsConfig) -> Result<i32, StartFailure> {
    let mut desk = start::start(config)?;
    Ok(desk.work())
}
