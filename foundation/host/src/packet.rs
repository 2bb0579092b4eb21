//! A packet socket of one link: whole frames out, whole frames of one kind in.
#![expect(unsafe_code, reason = "the address of a packet socket has no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

use crate::sys;

/// The socket.
#[derive(Debug)]
pub struct Packets {
    socket: OwnedFd,
}

impl Packets {
    /// Opens one on the link with number `link` for frames of `ethertype`.
    ///
    /// # Errors
    /// The right is missing, or the link is.
    pub fn open(link: u32, ethertype: u16) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // Protocol 0 receives nothing until the socket is bound to its link.
        // SAFETY: socket takes integers.
        let raw = Errno::result(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
        let socket = sys::own(raw);
        // SAFETY: all-zero bytes are a valid address.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = ethertype.to_be();
        address.sll_ifindex = link.cast_signed();
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the address is valid for the call and of the length given.
        let failed = unsafe { libc::bind(raw, (&raw const address).cast(), length) };
        Errno::result(failed)?;
        Ok(Self { socket })
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// The link is down.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        send(self.socket.as_raw_fd(), frame, MsgFlags::empty())?;
        Ok(())
    }

    /// The next frame; what does not fit is cut off.
    ///
    /// # Errors
    /// The link went down.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        match recv(self.socket.as_raw_fd(), buffer, MsgFlags::empty()) {
            Ok(length) => Ok(Some(&buffer[..length])),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until a frame has come or `wait_ms` have passed.
    ///
    /// # Errors
    /// The call that failed.
    pub fn wait(&self, wait_ms: i32) -> io::Result<()> {
        sys::wait_readable(&[&self.socket], wait_ms)?;
        Ok(())
    }
}
