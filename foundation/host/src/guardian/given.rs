//! The guardian reads what the hands have given to it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::environment::{CGROUP, FENCE, HANDS, LISTENER, NODE_MARK, TABLE, WATCHDOG};
use crate::fence::Fence;
use crate::sys;

/// All of it.
pub struct Given {
    /// The memory of the table.
    pub table: OwnedFd,
    /// The listening socket.
    pub listener: OwnedFd,
    /// The pid of the hands.
    pub hands_pid: u32,
    /// The node's place in the cgroup tree.
    pub cgroup: Option<PathBuf>,
    /// What a reset does.
    pub fence: Fence,
    /// The watchdog that it feeds.
    pub watchdog: Option<PathBuf>,
    /// How the programs of the node are marked.
    pub mark: String,
}

/// Reads it; a guardian that was not started by the hands finds nothing and must not run.
///
/// # Errors
/// Something is missing.
pub fn read() -> io::Result<Given> {
    let word = |name: &str| {
        std::env::var(name).map_err(|_| io::Error::new(io::ErrorKind::NotFound, name.to_owned()))
    };
    let hands_pid =
        word(HANDS)?.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let path = |text: String| (!text.is_empty()).then(|| PathBuf::from(text));
    Ok(Given {
        hands_pid,
        cgroup: path(word(CGROUP)?),
        watchdog: path(word(WATCHDOG)?),
        fence: Fence::of(&word(FENCE)?),
        mark: word(NODE_MARK)?,
        table: sys::inherited(TABLE)?,
        listener: sys::inherited(LISTENER)?,
    })
}
