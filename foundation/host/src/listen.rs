//! A program that is started with its listening socket, as systemd starts one by a socket unit:
//! the port is bound before its address is on this machine.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, IntoRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
    sockopt,
};

/// Where a program finds the first socket that it was started with.
const FIRST: i32 = 3;
/// As many callers may wait as the kernel allows without being told.
const WAITING: i32 = 1024;

/// Becomes the program `run`, which finds one socket that listens at `at`: `LISTEN_FDS` is 1, and
/// `LISTEN_PID` its own number. Comes back only when that failed.
///
/// # Errors
/// The port is in use, or there is no such program.
pub fn become_program(at: SocketAddr, run: &[OsString]) -> io::Error {
    try_become(at, run).err().unwrap_or_else(|| io::Error::from(io::ErrorKind::Other))
}

fn try_become(at: SocketAddr, run: &[OsString]) -> io::Result<()> {
    let (program, words) =
        run.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    keep(listening(at)?)?;
    let mut command = Command::new(program);
    command.args(words).env("LISTEN_FDS", "1");
    Err(command.env("LISTEN_PID", std::process::id().to_string()).exec())
}

fn listening(at: SocketAddr) -> io::Result<OwnedFd> {
    let family = if at.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    setsockopt(&fd, sockopt::IpFreebind, &true)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(at))?;
    listen(&fd, Backlog::new(WAITING)?)?;
    Ok(fd)
}

/// Puts the socket where the program looks for it.
#[expect(unsafe_code, reason = "a descriptor of a certain number has no safe form")]
fn keep(socket: OwnedFd) -> io::Result<()> {
    let socket = socket.into_raw_fd();
    // SAFETY: both calls take numbers only. The socket is nobody else's, and whatever had the
    // number 3 was inherited by this process, which has no use for it and becomes the program.
    let placed =
        unsafe { libc::dup2(socket, FIRST) != -1 && libc::fcntl(FIRST, libc::F_SETFD, 0) != -1 };
    if placed { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_bound_before_its_address_is_here_and_by_one_program() {
        // 192.0.2.0/24 is set aside for documents: no machine holds it.
        for absent in ["192.0.2.77:7901", "[2001:db8::77]:7901"] {
            let at: SocketAddr = absent.parse().unwrap();
            let first = listening(at).unwrap();
            assert_eq!(listening(at).unwrap_err().kind(), io::ErrorKind::AddrInUse);
            drop(first);
        }
    }
}
