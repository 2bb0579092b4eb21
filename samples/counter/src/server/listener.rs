//! The listening socket: of one process at a time, also for an address that is not here yet.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen as listen_on,
    setsockopt, socket, sockopt,
};

use crate::{CounterError, Doing};

/// How often an address that another process has is asked for.
const AGAIN: Duration = Duration::from_millis(5);

/// Listens on `address`, and waits at most `patience` for another process to leave it.
pub(crate) fn listen_within(
    address: SocketAddr,
    freebind: bool,
    patience: Duration,
) -> Result<TcpListener, CounterError> {
    let end = Instant::now() + patience;
    loop {
        match listen(address, freebind) {
            Err(CounterError::Io { source, .. })
                if source.kind() == ErrorKind::AddrInUse && Instant::now() < end =>
            {
                std::thread::sleep(AGAIN);
            }
            done => return done,
        }
    }
}

/// Listens on `address`. Two processes never listen on one address: SO_REUSEPORT is not set, and
/// SO_REUSEADDR on Linux only passes over connections that are ending.
pub(super) fn listen(address: SocketAddr, freebind: bool) -> Result<TcpListener, CounterError> {
    let what = || format!("listen on {address}");
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Stream, flags, None).doing(what)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true).doing(what)?;
    if freebind {
        setsockopt(&fd, sockopt::IpFreebind, &true).doing(what)?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address)).doing(what)?;
    listen_on(&fd, Backlog::new(1024).expect("below the limit of every kernel")).doing(what)?;
    Ok(TcpListener::from(fd))
}
