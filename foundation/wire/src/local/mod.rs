//! The control socket of one machine: the command line asks, the agent answers, in JSON.
//!
//! The same frames as between nodes, on a unix socket of mode 0660. Who asks is told by the
//! kernel, not by the asking program.

mod client;
mod peer;
mod server;

pub use client::{LocalClient, LocalFailure};
pub use peer::LocalPeer;
pub use server::{Gone, Items, LocalListener, LocalServer, LocalService, serve_local};

/// Where the agent of a machine listens unless told otherwise.
pub const AGENT_SOCKET: &str = "/run/tsugi/agent.sock";

/// How many bytes of `/proc/<pid>/environ` are looked through for a hint.
const ENVIRON_LIMIT: u64 = 64 * 1024;
