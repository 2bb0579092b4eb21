//! Standard streams: frames have descriptors of their own, so that no program reads or writes them.
#![expect(unsafe_code, reason = "a descriptor is put in the place of another")]

use std::fs::File;
use std::io::{self, stderr, stdin, stdout};
use std::os::fd::{AsFd, AsRawFd, RawFd};

/// What the worker's standard input and output were.
#[derive(Debug)]
pub struct Pipes {
    /// What the engine says.
    pub from_engine: File,
    /// What is said to it.
    pub to_engine: File,
}

/// Moves the frames away from the standard streams, before anything was read or written: from now
/// on ACCEPT reads the end of a file, DISPLAY goes where standard error goes, and a child of a
/// program has neither pipe.
///
/// # Errors
/// What the system says.
pub fn apart() -> io::Result<Pipes> {
    // Copies that no child is given.
    let from_engine = File::from(stdin().as_fd().try_clone_to_owned()?);
    let to_engine = File::from(stdout().as_fd().try_clone_to_owned()?);
    let null = File::open("/dev/null")?;
    put(null.as_raw_fd(), stdin().as_raw_fd())?;
    put(stderr().as_raw_fd(), stdout().as_raw_fd())?;
    Ok(Pipes { from_engine, to_engine })
}

/// Puts a descriptor in the place of another.
fn put(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: both are open; the one that is replaced is a standard stream, which nobody owns.
    let put = unsafe { libc::dup2(from, to) };
    if put == to { Ok(()) } else { Err(io::Error::last_os_error()) }
}
