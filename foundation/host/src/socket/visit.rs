//! The end of those who ask: neither hands nor guardian do.

use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::sys::socket::{UnixAddr, connect};

use super::{Connection, new_socket};

impl Connection {
    /// Connects to the listener at `path`.
    ///
    /// # Errors
    /// The call that failed.
    pub fn to(path: &Path) -> io::Result<Self> {
        let socket = new_socket()?;
        connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
        Ok(Self { socket })
    }
}
