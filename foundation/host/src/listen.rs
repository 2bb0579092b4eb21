//! A program that is started with its listening socket, as systemd starts one by a socket unit:
//! the port is bound before its address is on this machine.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, IntoRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
    sockopt,
};

/// Where a program finds the first socket that it was started with.
const FIRST: RawFd = 3;
/// As many callers may wait as the kernel allows without being told.
const WAITING: i32 = 1024;

/// Becomes the program `run`, which finds one socket that listens at `at`: `LISTEN_FDS` is 1, and
/// `LISTEN_PID` its own number. Of sockets that this process was started with, it gets none, nor
/// their names. Comes back only when that failed.
///
/// # Errors
/// The port is in use, or there is no such program.
pub fn become_program(at: SocketAddr, run: &[OsString]) -> io::Error {
    try_become(at, run).err().unwrap_or_else(|| io::Error::from(io::ErrorKind::Other))
}

fn try_become(at: SocketAddr, run: &[OsString]) -> io::Result<()> {
    let (program, words) =
        run.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    keep(listening(at, Address::Anywhere)?)?;
    leave_behind_the_others()?;
    let mut command = Command::new(program);
    // Names of a former start would be one for a socket that has another, or too many.
    command.args(words).env("LISTEN_FDS", "1").env_remove("LISTEN_FDNAMES");
    Err(command.env("LISTEN_PID", std::process::id().to_string()).exec())
}

/// Where an address is that is listened at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// On this machine now, or there is no socket.
    Here,
    /// On this machine or not: it may come later.
    Anywhere,
}

/// A socket that listens. Two processes never listen at one address: what is passed over are only
/// connections that are ending.
///
/// # Errors
/// The port is in use, or the address is not here and has to be.
pub fn listening(at: SocketAddr, address: Address) -> io::Result<OwnedFd> {
    let family = if at.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    if address == Address::Anywhere {
        setsockopt(&fd, sockopt::IpFreebind, &true)?;
    }
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

/// Whatever else was inherited does not reach the program: it would hold ports of which nobody
/// told it.
fn leave_behind_the_others() -> io::Result<()> {
    let mut open: Vec<RawFd> = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    open.into_iter().filter(|fd| *fd > FIRST).try_for_each(close_at_exec)
}

#[expect(unsafe_code, reason = "a descriptor of a certain number has no safe form")]
fn close_at_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: the call takes numbers only, and changes nothing before this process becomes another.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } != -1 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        // Closed since it was listed, as the listing itself is.
        error if error.raw_os_error() == Some(libc::EBADF) => Ok(()),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set where this test is the process that becomes the program.
    const INSIDE: &str = "TSUGI_TEST_BECOMES_A_PROGRAM";
    const LOOKS: &str = r#"[ "$LISTEN_PID" = $$ ] && [ "$LISTEN_FDS" = 1 ] || exit 5
[ -z "${LISTEN_FDNAMES+set}" ] || exit 6
[ -e /proc/$$/fd/3 ] || exit 7
[ ! -e /proc/$$/fd/4 ] && [ ! -e /proc/$$/fd/9 ] || exit 8
echo became the program"#;

    #[test]
    fn a_program_gets_its_one_socket_and_nothing_of_a_former_start() {
        if std::env::var_os(INSIDE).is_some() {
            let run = ["sh", "-c", LOOKS].map(OsString::from);
            let at = "192.0.2.77:7903".parse().unwrap();
            panic!("{}", become_program(at, &run));
        }
        let name = "listen::tests::a_program_gets_its_one_socket_and_nothing_of_a_former_start";
        let former = "exec 3</dev/null 4</dev/null 9</dev/null; exec \"$@\"";
        let done = Command::new("sh")
            .args(["-c", former, "sh"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(INSIDE, "1")
            .envs([("LISTEN_FDS", "3"), ("LISTEN_FDNAMES", "a:b:c")])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.ends_with("became the program\n"), "{done:?}");
    }

    #[test]
    fn a_port_is_bound_before_its_address_is_here_and_by_one_program() {
        // 192.0.2.0/24 is set aside for documents: no machine holds it.
        for absent in ["192.0.2.77:7901", "[2001:db8::77]:7901"] {
            let at: SocketAddr = absent.parse().unwrap();
            let first = listening(at, Address::Anywhere).unwrap();
            assert_eq!(
                listening(at, Address::Anywhere).unwrap_err().kind(),
                io::ErrorKind::AddrInUse
            );
            drop(first);
        }
    }
}
