//! What the hands give to the guardian: two descriptors and a few words.

use std::os::fd::RawFd;

/// The name of the guardian's socket in the run directory.
pub const SOCKET: &str = "guardian.sock";
/// The descriptor of the table.
pub const TABLE: RawFd = 3;
/// The descriptor of the listening socket.
pub const LISTENER: RawFd = 4;
/// The pid of the hands.
pub const HANDS: &str = "TSUGI_GUARDIAN_HANDS";
/// The node's place in the cgroup tree; empty if there is none.
pub const CGROUP: &str = "TSUGI_GUARDIAN_CGROUP";
/// What a reset does.
pub const FENCE: &str = "TSUGI_GUARDIAN_FENCE";
/// The watchdog that it feeds; empty if there is none.
pub const WATCHDOG: &str = "TSUGI_GUARDIAN_WATCHDOG";
/// What the agent may tell that not every version knows, in words: [`OPEN`].
pub const KNOWS: &str = "TSUGI_GUARDIAN_KNOWS";
/// Volumes that are [`Open`](super::guarded::VolumeKind::Open).
pub const OPEN: &str = "open";
/// How the programs of the node are marked.
pub const NODE_MARK: &str = "TSUGI_GUARDIAN_MARK";
