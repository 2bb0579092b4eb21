//! Options of every TCP connection: no waiting for more to send, and a dead peer is noticed.

use std::io;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::TcpStream;

/// After so many seconds of silence the system asks whether the peer is there.
const KEEPALIVE_AFTER_S: u32 = 2;
/// How many seconds between two such questions.
const KEEPALIVE_EVERY_S: u32 = 1;
/// After so many unanswered questions the connection is dead.
const KEEPALIVE_COUNT: u32 = 3;
/// Bytes sent and not acknowledged for so long mean that the connection is dead.
const UNACKNOWLEDGED_MS: u32 = 3_000;

pub(crate) fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    setsockopt(tcp, sockopt::KeepAlive, &true)?;
    setsockopt(tcp, sockopt::TcpKeepIdle, &KEEPALIVE_AFTER_S)?;
    setsockopt(tcp, sockopt::TcpKeepInterval, &KEEPALIVE_EVERY_S)?;
    setsockopt(tcp, sockopt::TcpKeepCount, &KEEPALIVE_COUNT)?;
    setsockopt(tcp, sockopt::TcpUserTimeout, &UNACKNOWLEDGED_MS)?;
    Ok(())
}
