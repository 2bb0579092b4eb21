//! Which thread of the agent is real-time: the one that keeps the leases, and no other.

use std::io;

use crate::sys;

/// The real-time priority of the agent's lease thread: below the guardian, above the hands.
pub const AGENT_PRIORITY: i32 = 10;

/// Makes the calling thread the lease thread; threads that it starts are ordinary ones. The
/// first thread of an agent that the hands started is one already.
///
/// # Errors
/// The right is missing: leases are kept all the same, but a loaded machine may lose them.
pub fn become_lease_thread() -> io::Result<()> {
    sys::real_time(AGENT_PRIORITY)
}

/// Makes the calling thread an ordinary one, if the lease is kept by another.
///
/// # Errors
/// The kernel refuses.
pub fn become_ordinary_thread() -> io::Result<()> {
    sys::real_time(0)
}
