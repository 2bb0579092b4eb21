//! The guardian: told deadlines, it releases a group by itself when one passes.

pub(crate) mod environment;
mod kill_timer;
pub mod message;
mod orders;
pub(crate) mod release;
pub(crate) mod table;
mod watch;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use crate::socket::{Connection, Outbox, Received};
use crate::{Gone, Guard, codec};
use message::{Notice, Order, SOCKET};

const NOTICE_LONGEST: usize = 1024;
/// So many orders may wait for a guardian that does not take them; it is about to be killed then.
const ORDERS_MOST: usize = 2048;

/// The agent's end of the guardian's socket.
#[derive(Debug)]
pub struct Guardian {
    connection: Connection,
    outbox: Outbox,
}

impl Guardian {
    /// Connects to the guardian of the node whose run directory this is.
    ///
    /// # Errors
    /// The socket is not there or refuses us.
    pub fn connect(run_dir: &Path) -> io::Result<Self> {
        let connection = Connection::to(&run_dir.join(SOCKET))?;
        Ok(Self { connection, outbox: Outbox::new(ORDERS_MOST) })
    }
}

impl AsFd for Guardian {
    /// Readable when a notice has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl Guard for Guardian {
    fn tell(&mut self, order: &Order) -> Result<(), Gone> {
        let sent = self.outbox.post(&self.connection, order);
        sent.map_err(|error| Gone { why: error.to_string() })
    }

    fn next_notice(&mut self) -> Result<Option<Notice>, Gone> {
        let flushed = self.outbox.flush(&self.connection);
        flushed.map_err(|error| Gone { why: error.to_string() })?;
        let mut buffer = [0; NOTICE_LONGEST];
        match self.connection.receive(&mut buffer) {
            Ok(Received::Message(length)) => match codec::read(&buffer[..length]) {
                Ok(notice) => Ok(Some(notice)),
                Err(unreadable) => Err(Gone { why: unreadable.to_string() }),
            },
            Ok(Received::Nothing) => Ok(None),
            Ok(Received::End) => Err(Gone { why: "the guardian ended".to_owned() }),
            Err(error) => Err(Gone { why: error.to_string() }),
        }
    }
}

/// Runs the guardian; the hands start it and give it all it needs. The result is the exit code
/// of the process.
#[must_use]
pub fn run() -> i32 {
    watch::run()
}
