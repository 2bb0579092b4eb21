//! The client of a database: one connection, a row every so often, each committed before the
//! next. It remembers every commit that was answered.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use super::{Ask, Call, CallEnd, LIMIT, Noted, OWN_PAUSE, Speaks};
use crate::kernel::now;
use crate::rows::{self, Connection};

/// How long a connection may take to open: whoever is not there is asked again soon.
const OPENS: Duration = Duration::from_millis(50);
/// How many unanswered commits are asked again before the next new one.
const AT_ONCE: usize = 4;
/// How long all rows may take to be read.
const READS: Duration = Duration::from_secs(5);

pub(super) struct Committer {
    to: SocketAddr,
    noted: Noted,
    connection: Option<Connection>,
    answered: BTreeSet<u64>,
    again: VecDeque<u64>,
    persists: bool,
    serial: u64,
}

impl Committer {
    pub(super) fn new(to: SocketAddr, noted: Noted) -> Self {
        let (answered, again) = (BTreeSet::new(), VecDeque::new());
        Self { to, noted, connection: None, answered, again, persists: false, serial: 0 }
    }

    pub(super) fn run(&mut self, asked: &Receiver<Ask>) {
        let every = Speaks::Rows.every();
        let mut next = now();
        loop {
            loop {
                match asked.try_recv() {
                    Ok(Ask::Again(serials)) => {
                        self.again.extend(serials);
                        self.persists = true;
                    }
                    Ok(Ask::EnoughAgain) => {
                        self.again.clear();
                        self.persists = false;
                    }
                    Ok(Ask::Kept(answer)) => drop(answer.send(self.kept())),
                    Ok(Ask::Work(_)) => {}
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            thread::sleep(next.saturating_sub(now()));
            self.serial += 1;
            self.commit(self.serial, false);
            for serial in (0..AT_ONCE).map_while(|_| self.again.pop_front()).collect::<Vec<_>>() {
                self.commit(serial, true);
            }
            next += every;
            if now().saturating_sub(next) > OWN_PAUSE {
                next = now() + every;
            }
        }
    }

    fn commit(&mut self, serial: u64, again: bool) {
        let from = now();
        let end = match self.try_commit(serial) {
            Ok(node) => {
                self.answered.insert(serial);
                CallEnd::Answered { number: serial, node, told_by: None }
            }
            Err(error) => {
                self.connection = None;
                if again && self.persists {
                    self.again.push_back(serial);
                }
                CallEnd::Failed(error.to_string())
            }
        };
        let call = Call { serial, from, until: now(), end, again };
        self.noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(call);
    }

    fn try_commit(&mut self, serial: u64) -> io::Result<String> {
        self.connection()?.commit(serial, LIMIT)
    }

    fn connection(&mut self) -> io::Result<&mut Connection> {
        let open = match self.connection.take() {
            Some(open) => open,
            None => Connection::open(self.to, OPENS)?,
        };
        Ok(self.connection.insert(open))
    }

    /// What is wrong with the rows that are there.
    fn kept(&mut self) -> Vec<String> {
        let there = Connection::open(self.to, READS).and_then(|mut c| c.serials(READS));
        match there {
            Ok(there) => rows::unlike(self.answered.iter().copied(), &there),
            Err(error) => vec![format!("the rows cannot be read: {error}")],
        }
    }
}
