//! What a worker is told, and what there was no room for yet.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};

/// How much memory is kept once all is sent, in bytes.
const KEPT: usize = 256 * 1024;

/// The way to what a worker reads. Nothing here waits.
pub(super) struct Out {
    /// None once it has closed its end.
    input: Option<File>,
    bytes: Vec<u8>,
    sent: usize,
}

impl Out {
    pub(super) const fn new(input: File) -> Self {
        Self { input: Some(input), bytes: Vec::new(), sent: 0 }
    }

    /// Where what is told next is written, behind what waits.
    pub(super) const fn room(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes that wait for room in the pipe.
    pub(super) const fn unsent(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// What is to be waited for, while something waits.
    pub(super) fn waits(&self) -> Option<BorrowedFd<'_>> {
        self.input.as_ref().filter(|_| self.unsent() > 0).map(|input| input.as_fd())
    }

    /// Sends what there is room for. Who does not read any more is told nothing: its end is heard.
    pub(super) fn send(&mut self) {
        while let (Some(input), true) = (&mut self.input, self.sent < self.bytes.len()) {
            match input.write(&self.bytes[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.input = None,
            }
        }
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.sent = 0;
    }
}
