//! The agent's end of the hands' socket.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use crate::request::{Report, Request, RequestId};
use crate::socket::{Connection, MESSAGE_LONGEST, Received};
use crate::{Gone, Host, codec};

/// The name of the hands' socket in the run directory.
pub const SOCKET: &str = "hands.sock";

/// The agent's end of the hands' socket `RUN_DIR/hands.sock`. Nothing in it waits; a poll of
/// its descriptor tells when a report has come.
#[derive(Debug)]
pub struct Hands {
    connection: Connection,
    last: RequestId,
    buffer: Box<[u8]>,
}

impl Hands {
    /// Connects to the hands of the node whose run directory this is.
    ///
    /// # Errors
    /// The socket is not there or refuses us.
    pub fn connect(run_dir: &Path) -> io::Result<Self> {
        Ok(Self {
            connection: Connection::to(&run_dir.join(SOCKET))?,
            last: RequestId(0),
            buffer: vec![0; MESSAGE_LONGEST].into_boxed_slice(),
        })
    }
}

impl AsFd for Hands {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl Host for Hands {
    fn ask(&mut self, request: &Request) -> Result<RequestId, Gone> {
        let id = RequestId(self.last.0 + 1);
        let message = codec::message(&(id, request.clone()));
        if message.len() > MESSAGE_LONGEST {
            return Err(Gone { why: "the request is longer than a message may be".to_owned() });
        }
        self.connection.send(&message).map_err(|error| Gone { why: error.to_string() })?;
        self.last = id;
        Ok(id)
    }

    fn next_report(&mut self) -> Result<Option<Report>, Gone> {
        match self.connection.receive(&mut self.buffer) {
            Ok(Received::Message(length)) => match codec::read(&self.buffer[..length]) {
                Ok(report) => Ok(Some(report)),
                Err(unreadable) => Err(Gone { why: unreadable.to_string() }),
            },
            Ok(Received::Nothing) => Ok(None),
            Ok(Received::End) => Err(Gone { why: "the hands ended".to_owned() }),
            Err(error) => Err(Gone { why: error.to_string() }),
        }
    }
}
