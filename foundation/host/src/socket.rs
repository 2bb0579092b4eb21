//! Local sockets that keep messages apart (`SOCK_SEQPACKET`), and who is at the other end.

pub mod file;
mod visit;

use std::collections::VecDeque;
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, Shutdown, SockFlag, SockType, UnixAddr, accept4, bind,
    getsockopt, listen, recv, send, shutdown, socket, sockopt,
};

use serde::Serialize;

use crate::codec;

/// The longest message of these sockets.
pub const MESSAGE_LONGEST: usize = 128 * 1024;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its process when it connected.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
}

/// Listens at `path` for those who may open it: mode 0660, and the group of the agent's user.
///
/// # Errors
/// The call that failed.
pub fn listen_at(path: &Path, group: Option<u32>) -> io::Result<OwnedFd> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = new_socket()?;
    bind(listener.as_raw_fd(), &UnixAddr::new(path)?)?;
    chown(path, None, group)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o660))?;
    listen(&listener, Backlog::new(16)?)?;
    Ok(listener)
}

fn new_socket() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)
}

/// One end of a connection; it never waits.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What came of receiving.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A message of so many bytes.
    Message(usize),
    /// Nothing yet.
    Nothing,
    /// The other end is gone.
    End,
}

impl Connection {
    /// Takes the next one who wants to connect, if there is one.
    ///
    /// # Errors
    /// The call that failed.
    pub fn accept(listener: &OwnedFd) -> io::Result<Option<(Self, Peer)>> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let raw = match accept4(listener.as_raw_fd(), flags) {
            Ok(raw) => raw,
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNABORTED) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let socket = crate::sys::own(raw);
        let peer = getsockopt(&socket, sockopt::PeerCredentials)?;
        Ok(Some((Self { socket }, Peer { pid: peer.pid(), uid: peer.uid() })))
    }

    /// Ends the connection; both ends see it at their next look.
    pub fn hang_up(&self) {
        shutdown(self.socket.as_raw_fd(), Shutdown::Both).ok();
    }

    /// Sends a whole message or nothing.
    ///
    /// # Errors
    /// The other end is gone, or does not take messages any more (`WouldBlock`).
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        loop {
            match send(self.socket.as_raw_fd(), message, MsgFlags::MSG_NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Receives a message into `buffer`; one that does not fit is an error.
    ///
    /// # Errors
    /// The call that failed, or a message that is too long.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        loop {
            match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC) {
                Ok(0) => return Ok(Received::End),
                Ok(length) if length > buffer.len() => {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                Ok(length) => return Ok(Received::Message(length)),
                Err(Errno::EAGAIN) => return Ok(Received::Nothing),
                Err(Errno::ECONNRESET) => return Ok(Received::End),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The messages of a connection that the other end has not taken yet.
#[derive(Debug)]
pub struct Outbox {
    waiting: VecDeque<Vec<u8>>,
    most: usize,
}

impl Outbox {
    /// An empty one for at most `most` messages.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { waiting: VecDeque::new(), most }
    }

    /// Sends a message after those that wait, now or with a later flush.
    ///
    /// # Errors
    /// The other end is gone or does not take anything any more, or this is no message.
    pub fn post<T: Serialize>(&mut self, through: &Connection, value: &T) -> io::Result<()> {
        let message = codec::message(value)?;
        if message.len() > MESSAGE_LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.waiting.push_back(message);
        self.flush(through)?;
        if self.waiting.len() > self.most { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    /// Sends as much as the other end takes.
    ///
    /// # Errors
    /// The other end is gone.
    pub fn flush(&mut self, through: &Connection) -> io::Result<()> {
        while let Some(message) = self.waiting.front() {
            match through.send(message) {
                Ok(()) => drop(self.waiting.pop_front()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
