//! The guardian: told deadlines, it releases a group by itself when one passes.

pub mod message;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::{Gone, Guard};
use message::{Notice, Order};

/// The agent's end of the guardian's socket `RUN_DIR/guardian.sock`.
#[derive(Debug)]
pub struct Guardian {
    socket: OwnedFd,
}

impl Guardian {
    /// Connects to the guardian of the node whose run directory this is.
    ///
    /// # Errors
    /// The socket is not there or refuses us.
    pub fn connect(_run_dir: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl AsFd for Guardian {
    /// Readable when a notice has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Guard for Guardian {
    fn tell(&mut self, _order: &Order) -> Result<(), Gone> {
        Err(Gone { why: String::new() })
    }
    fn next_notice(&mut self) -> Result<Option<Notice>, Gone> {
        Err(Gone { why: String::new() })
    }
}

/// Runs the guardian; the hands start it and give it all it needs by its environment.
pub fn run() -> i32 {
    1
}
