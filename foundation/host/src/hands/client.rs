//! The agent's end of the hands' socket.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::AGENT_DIR;
use crate::output::Outputs;
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
    outputs: Outputs,
    ready: Epoll,
}

impl Hands {
    /// Connects to the hands of the node whose run directory this is.
    ///
    /// # Errors
    /// The socket is not there or refuses us.
    pub fn connect(run_dir: &Path) -> io::Result<Self> {
        let connection = Connection::to(&run_dir.join(SOCKET))?;
        let outputs = Outputs::open(run_dir.join(AGENT_DIR))?;
        let ready = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for heard in [connection.as_fd(), outputs.bell()] {
            ready.add(heard, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        }
        Ok(Self {
            connection,
            outputs,
            ready,
            outbox: Outbox::new(OUTBOX_MOST),
            last: RequestId(0),
            buffer: vec![0; MESSAGE_LONGEST].into_boxed_slice(),
        })
    }
}

impl AsFd for Hands {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.0.as_fd()
    }
}

impl Host for Hands {
    fn ask(&mut self, request: &Request) -> Result<RequestId, Gone> {
        let id = RequestId(self.last.0 + 1);
        let posted = match request {
            Request::Spawn(program) => match self.outputs.connect(id, program) {
                Ok(program) => self.outbox.post(&self.connection, &(id, Request::Spawn(program))),
                Err(failure) => {
                    self.outputs.refuse(id, failure);
                    Ok(())
                }
            },
            other => self.outbox.post(&self.connection, &(id, other)),
        };
        posted.map_err(|error| Gone { why: error.to_string() })?;
        self.last = id;
        Ok(id)
    }

    fn next_report(&mut self) -> Result<Option<Report>, Gone> {
        // What the hands had no room for goes out as their answers come in.
        let flushed = self.outbox.flush(&self.connection);
        flushed.map_err(|error| Gone { why: error.to_string() })?;
        if let Some(report) = self.outputs.next() {
            return Ok(Some(report));
        }
        loop {
            let report = match self.connection.receive(&mut self.buffer) {
                Ok(Received::Message(length)) => codec::read(&self.buffer[..length]),
                Ok(Received::Nothing) => return Ok(None),
                Ok(Received::End) => return Err(Gone { why: "the hands ended".to_owned() }),
                Err(error) => return Err(Gone { why: error.to_string() }),
            };
            let report = report.map_err(|unreadable| Gone { why: unreadable.to_string() })?;
            if let Some(report) = self.outputs.pass(report) {
                return Ok(Some(report));
            }
        }
    }
}
