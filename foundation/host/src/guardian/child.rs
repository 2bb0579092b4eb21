//! A child of the guardian, for what may never come back. It runs no other program: it is the
//! guardian once more, under the same filter, with the rights that it kept and as urgent.
#![expect(unsafe_code, reason = "clone, and the end of the child")]

use std::io;

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::guarded::Release;
use super::release::{Beside, LOOK_AGAIN, Steps};
use crate::sys;

/// The guardian has never so many descriptors: a few of its own and four connections.
const OPEN_MOST: i32 = 64;
const COMPLETE: i32 = 0;
const INCOMPLETE: i32 = 1;

/// Has `steps` taken by a child. One that hangs ends with the guardian, before it does anything
/// else.
///
/// # Errors
/// There is no room for another process.
pub fn begin(steps: Steps) -> io::Result<Beside> {
    let guardian = std::process::id();
    // SAFETY: numbers. This process has no other thread that could hold a lock, and the child has
    // memory of its own.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    let pid = Pid::from_raw(Errno::result(pid)? as i32);
    if pid.as_raw() == 0 {
        let complete = alone(guardian).is_ok() && steps() == Release::Complete;
        // SAFETY: ends this process at once, and nothing of it is used any more.
        unsafe { libc::_exit(if complete { COMPLETE } else { INCOMPLETE }) };
    }
    Ok(Box::new(move || match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => None,
        Ok(WaitStatus::Exited(_, COMPLETE)) => Some(Release::Complete),
        Ok(_) | Err(_) => Some(Release::Incomplete),
    }))
}

/// Has a child take no steps, as it is done at a deadline.
///
/// # Errors
/// There is none, or nobody learns what comes of it.
pub fn rehearse() -> io::Result<()> {
    let mut beside = begin(Box::new(|| Release::Complete))?;
    loop {
        match beside() {
            // A child as urgent as this process does not run before it waits.
            None => std::thread::sleep(LOOK_AGAIN.to_std()),
            Some(Release::Complete) => return Ok(()),
            Some(Release::Incomplete) => return Err(Errno::ECHILD.into()),
        }
    }
}

/// A child that hangs must not keep the guardian's connections, by which others see its end, nor
/// its watchdog. And one that comes back late must not touch what is mounted there by then.
fn alone(guardian: u32) -> io::Result<()> {
    for descriptor in libc::STDERR_FILENO + 1..OPEN_MOST {
        // SAFETY: what owned it is never used again in this process.
        unsafe { libc::close(descriptor) };
    }
    sys::die_with_parent(guardian)
}
