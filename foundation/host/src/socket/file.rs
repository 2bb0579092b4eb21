//! Messages that bring a file.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::{Connection, Received};

/// Receives a message into `buffer`, and the file that came with it, if one did; files after the
/// first are closed.
///
/// # Errors
/// The call that failed, or a message that is longer than `buffer`.
pub fn receive(from: &Connection, buffer: &mut [u8]) -> io::Result<(Received, Option<OwnedFd>)> {
    let (mut parts, mut space) = ([IoSliceMut::new(buffer)], nix::cmsg_space!([RawFd; 1]));
    let (from, flags) = (from.as_fd().as_raw_fd(), MsgFlags::MSG_CMSG_CLOEXEC);
    let came = loop {
        match recvmsg::<()>(from, &mut parts, Some(&mut space), flags) {
            Ok(came) => break came,
            Err(Errno::EAGAIN) => return Ok((Received::Nothing, None)),
            Err(Errno::ECONNRESET) => return Ok((Received::End, None)),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let mut files = Vec::new();
    for control in came.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            files.extend(raw.into_iter().map(crate::sys::own));
        }
    }
    if came.flags.contains(MsgFlags::MSG_TRUNC) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let received = if came.bytes == 0 { Received::End } else { Received::Message(came.bytes) };
    Ok((received, files.into_iter().next()))
}
