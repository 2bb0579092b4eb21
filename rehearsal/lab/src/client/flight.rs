//! One call under way.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, connect, getsockopt, recv, send,
    setsockopt, socket, sockopt,
};

use super::CallEnd;

pub(super) struct Flight {
    pub(super) serial: u64,
    pub(super) from: Duration,
    pub(super) again: bool,
    socket: OwnedFd,
    asked: bool,
}

/// How far a call came in one step.
pub(super) enum Step {
    /// No further.
    Waits,
    /// It was sent; now the answer is waited for.
    Asked,
    /// To its end.
    Ended(CallEnd),
}

impl Flight {
    /// Starts connecting.
    pub(super) fn begin(
        to: SocketAddr,
        serial: u64,
        from: Duration,
        again: bool,
    ) -> io::Result<Self> {
        let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(family, SockType::Stream, flags, None)?;
        setsockopt(&socket, sockopt::TcpNoDelay, &true)?;
        // The end of a call leaves nothing behind: no connection lingers.
        setsockopt(&socket, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
        match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Self { serial, from, again, socket, asked: false })
    }

    pub(super) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    pub(super) fn step(&mut self, client: &str) -> Step {
        match self.try_step(client) {
            Ok(step) => step,
            Err(Errno::EAGAIN) => Step::Waits,
            Err(error) => Step::Ended(CallEnd::Failed(format!("{error:?}"))),
        }
    }

    fn try_step(&mut self, client: &str) -> Result<Step, Errno> {
        if !self.asked {
            let error = getsockopt(&self.socket, sockopt::SocketError)?;
            if error != 0 {
                return Err(Errno::from_raw(error));
            }
            let line = format!("CALL {client} {}\n", self.serial);
            send(self.socket.as_raw_fd(), line.as_bytes(), MsgFlags::MSG_NOSIGNAL)?;
            self.asked = true;
            return Ok(Step::Asked);
        }
        let mut answer = [0; 256];
        let length = recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        Ok(Step::Ended(read(&answer[..length])))
    }
}

/// A reply begins with the number and the node.
fn read(answer: &[u8]) -> CallEnd {
    let text = String::from_utf8_lossy(answer);
    let mut words = text.split_whitespace();
    match (words.next().and_then(|word| word.parse().ok()), words.next()) {
        (Some(number), Some(node)) => {
            CallEnd::Answered { number, node: node.into(), told_by: None }
        }
        (None, _) if answer.is_empty() => CallEnd::Failed("closed".into()),
        (_, _) => CallEnd::Failed(format!("answered {:?}", text.trim())),
    }
}
