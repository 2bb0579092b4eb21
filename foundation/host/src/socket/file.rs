//! Messages that bring a file.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::{Connection, Received};

/// The most files that the kernel lets a message bring (`SCM_MAX_FD`). With room for fewer it would
/// hand over some and say that it had dropped others, and those would stay open.
const FILES_MOST: usize = 253;

/// Receives a message into `buffer`, and the file that came with it, if one did; files after the
/// first are closed.
///
/// # Errors
/// The call that failed, or a message that is longer than `buffer`.
pub fn receive(from: &Connection, buffer: &mut [u8]) -> io::Result<(Received, Option<OwnedFd>)> {
    let (mut parts, mut space) = ([IoSliceMut::new(buffer)], nix::cmsg_space!([RawFd; FILES_MOST]));
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

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::IoSlice;

    use nix::sys::socket::{ControlMessage, sendmsg};

    use super::*;
    use crate::socket::listen_at;

    /// How often this process has the file open.
    fn open(path: &std::path::Path) -> usize {
        let all = fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
        all.filter(|fd| fs::read_link(fd.path()).is_ok_and(|to| to == path)).count()
    }

    #[test]
    fn a_message_that_brings_many_files_leaves_none_open_but_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("socket");
        let listener = listen_at(&place, None).unwrap();
        let sender = Connection::to(&place).unwrap();
        let (receiver, _) = Connection::accept(&listener).unwrap().unwrap();
        let path = dir.path().join("file");
        let file = File::create(&path).unwrap();
        let files = [file.as_raw_fd(); 7];
        let (parts, with) = ([IoSlice::new(b"x")], [ControlMessage::ScmRights(&files)]);
        let to = sender.as_fd().as_raw_fd();
        sendmsg::<()>(to, &parts, &with, MsgFlags::empty(), None).unwrap();
        let (received, brought) = receive(&receiver, &mut [0; 8]).unwrap();
        assert_eq!(received, Received::Message(1));
        assert_eq!(open(&path), 2, "its own and the first that was brought");
        drop(brought);
        assert_eq!(open(&path), 1);
    }
}
