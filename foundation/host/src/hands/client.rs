//! The agent's end of the hands' socket.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use crate::request::{Report, Request, RequestId};
use crate::socket::{Connection, MESSAGE_LONGEST, Outbox, Received};
use crate::{Gone, Host, codec};

/// The name of the hands' socket in the run directory.
pub const SOCKET: &str = "hands.sock";
/// So many requests may wait for hands that do not take them.
const OUTBOX_MOST: usize = 8192;

/// The agent's end of the hands' socket `RUN_DIR/hands.sock`. Nothing in it waits; a poll of
/// its descriptor tells when a report has come.
#[derive(Debug)]
pub struct Hands {
    connection: Connection,
    outbox: Outbox,
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
            outbox: Outbox::new(OUTBOX_MOST),
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
        let posted = self.outbox.post(&self.connection, &(id, request));
        posted.map_err(|error| Gone { why: error.to_string() })?;
        self.last = id;
        Ok(id)
    }

    fn next_report(&mut self) -> Result<Option<Report>, Gone> {
        // What the hands had no room for goes out as their answers come in.
        let flushed = self.outbox.flush(&self.connection);
        flushed.map_err(|error| Gone { why: error.to_string() })?;
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
