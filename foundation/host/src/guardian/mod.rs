//! The guardian: told deadlines, it releases a group by itself when one passes.

pub(crate) mod environment;
mod kill_timer;
pub mod message;
mod orders;
pub(crate) mod release;
pub(crate) mod table;
mod watch;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use tsugi_vocabulary::{GroupName, Moment};

use crate::socket::{Connection, Outbox, Received};
use crate::{Gone, Guard, clock, codec};
use message::{Notice, Order, SOCKET};

const NOTICE_LONGEST: usize = 1024;
/// So many orders may wait for a guardian that does not take them; it is about to be killed then.
const ORDERS_MOST: usize = 2048;

/// The agent's end of the guardian's socket.
#[derive(Debug)]
pub struct Guardian {
    connection: Connection,
    outbox: Outbox,
    /// Over it extensions go that the guardian reads in time: a renewal a beat need not wake it.
    in_time: Option<Connection>,
    /// The last deadline that was told for each group: before it the guardian looks.
    told: BTreeMap<GroupName, Moment>,
}

impl Guardian {
    /// Connects to the guardian of the node whose run directory this is.
    ///
    /// # Errors
    /// The socket is not there or refuses us.
    pub fn connect(run_dir: &Path) -> io::Result<Self> {
        let place = run_dir.join(SOCKET);
        let connection = Connection::to(&place)?;
        // A guardian of a version that does not know this ends the connection.
        let in_time = Connection::to(&place).and_then(|in_time| {
            in_time.send(&codec::message(&Order::InTime)?)?;
            Ok(in_time)
        });
        let (outbox, in_time) = (Outbox::new(ORDERS_MOST), in_time.ok());
        Ok(Self { connection, outbox, in_time, told: BTreeMap::new() })
    }

    /// Notes the deadlines that an order tells; whether the guardian looks by itself before each
    /// of those that were told before.
    fn looks_in_time(&mut self, order: &Order) -> bool {
        let now = clock::now();
        match order {
            Order::Arm(arm) => {
                self.told.insert(arm.group.clone(), arm.deadline);
                false
            }
            Order::Extend(extensions) => extensions.iter().fold(true, |all, extension| {
                let before = self.told.insert(extension.group.clone(), extension.deadline);
                all && before.is_some_and(|deadline| now < deadline)
            }),
            Order::Disarm { group, .. } => {
                self.told.remove(group);
                false
            }
            Order::Recall | Order::InTime => false,
        }
    }

    /// Leaves extensions where the guardian finds them in time; none if it must be woken for them.
    fn leave(&mut self, order: &Order) -> Option<()> {
        let in_time = self.in_time.as_ref()?;
        match codec::message(order).and_then(|message| in_time.send(&message)) {
            Ok(()) => Some(()),
            // It has not read for long: the order that wakes it makes it read these first.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_gone) => {
                self.in_time = None;
                None
            }
        }
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
        if self.looks_in_time(order) && self.leave(order).is_some() {
            return Ok(());
        }
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
