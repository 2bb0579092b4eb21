//! The thread that writes the file. Everything that waits is written in one transaction with one
//! sync; after the first failure nothing is written any more.

use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::file::{File, sql};
use crate::format::seal;
use crate::{Failure, StorageFailure};

/// How many writes one transaction takes at most.
const MOST: usize = 256;

/// One change of the tables.
pub(crate) enum Write {
    /// Entries of the log, each sealed.
    Log(Vec<(u64, Vec<u8>)>),
    /// Takes every entry of the log from this place on away.
    Truncate(u64),
    /// Takes every entry of the log up to this place away, and keeps the note of it.
    Purge(u64, Vec<u8>),
    /// A note: the vote, the committed place, where the snapshot stands.
    Note(&'static str, Vec<u8>),
    /// A part of a snapshot that is not valid yet.
    Part { slot: u8, part: u64, bytes: Vec<u8> },
    /// The snapshot in `slot` is whole: its note replaces the other's.
    Snapshot { slot: u8, note: Vec<u8> },
    /// Takes away what an unfinished snapshot left in `slot`.
    Clear { slot: u8 },
}

type Done = Box<dyn FnOnce(Result<(), StorageFailure>) + Send>;
type Read = Box<dyn FnOnce(Result<&File, StorageFailure>) + Send>;

enum Job {
    Write(Write, Done),
    Read(Read),
}

/// The way to the thread. When the last one is gone the thread ends and the file is closed.
#[derive(Clone)]
pub(crate) struct Store {
    jobs: mpsc::Sender<Job>,
    failed: watch::Sender<Option<Failure>>,
    closed: watch::Receiver<bool>,
}

impl Store {
    /// Starts the thread that owns `file` from now on.
    pub(crate) fn start(file: File) -> Self {
        let (jobs, queue) = mpsc::channel();
        let failed = watch::Sender::new(None);
        let (open, closed) = watch::channel(false);
        let teller = failed.clone();
        let spawned = thread::Builder::new().name("ledger-disk".to_owned()).spawn(move || {
            Desk { file, failed: None, teller }.run(&queue);
            open.send_replace(true);
        });
        spawned.expect("a process that cannot start a thread cannot keep a ledger");
        Self { jobs, failed, closed }
    }

    /// Told the failure after which nothing is written any more.
    pub(crate) fn failing(&self) -> watch::Sender<Option<Failure>> {
        self.failed.clone()
    }

    /// Told once the file is closed. It is closed when the last [`Store`] is gone.
    pub(crate) fn closed(&self) -> watch::Receiver<bool> {
        self.closed.clone()
    }

    /// Writes, and calls `done` from the thread once it is durable or has failed.
    pub(crate) fn write(&self, write: Write, done: Done) {
        if let Err(mpsc::SendError(Job::Write(_, done))) = self.jobs.send(Job::Write(write, done)) {
            done(Err(gone()));
        }
    }

    /// Writes, and answers once it is durable.
    pub(crate) async fn durable(&self, write: Write) -> Result<(), StorageFailure> {
        let (tell, told) = oneshot::channel();
        self.write(write, Box::new(move |result| drop(tell.send(result))));
        told.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Reads after everything that was asked to be written before.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&File) -> Result<T, StorageFailure> + Send + 'static,
    ) -> Result<T, StorageFailure> {
        let (tell, told) = oneshot::channel();
        let job = Job::Read(Box::new(move |file| drop(tell.send(file.and_then(read)))));
        if self.jobs.send(job).is_err() {
            return Err(gone());
        }
        told.await.unwrap_or_else(|_| Err(gone()))
    }
}

fn gone() -> StorageFailure {
    StorageFailure::Io { file: "ledger.db".to_owned(), what: "it was closed".to_owned() }
}

struct Desk {
    file: File,
    failed: Option<StorageFailure>,
    teller: watch::Sender<Option<Failure>>,
}

impl Desk {
    fn run(mut self, queue: &mpsc::Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let mut writes = Vec::new();
            let mut job = Some(first);
            while let Some(next) = job.take() {
                match next {
                    Job::Write(write, done) => writes.push((write, done)),
                    Job::Read(read) => {
                        self.write(&mut writes);
                        read(match &self.failed {
                            Some(failure) => Err(failure.clone()),
                            None => Ok(&self.file),
                        });
                    }
                }
                if writes.len() < MOST {
                    job = queue.try_recv().ok();
                }
            }
            self.write(&mut writes);
        }
        // As after a power loss: what is durable is durable already, and every start is the same.
        self.file.abandon();
    }

    fn write(&mut self, writes: &mut Vec<(Write, Done)>) {
        if writes.is_empty() {
            return;
        }
        let (writes, done): (Vec<Write>, Vec<Done>) = writes.drain(..).unzip();
        let result = match &self.failed {
            Some(failure) => Err(failure.clone()),
            None => self.transact(writes),
        };
        for done in done {
            done(result.clone());
        }
    }

    fn transact(&mut self, writes: Vec<Write>) -> Result<(), StorageFailure> {
        self.file.writes += 1;
        let result = one_transaction(&mut self.file.connection, writes, self.file.writes);
        match result {
            Ok(()) => {
                self.file.note_seen();
                Ok(())
            }
            Err(error) => {
                let failure = sql(self.file.path(), &error);
                self.file.abandon();
                self.failed = Some(failure.clone());
                self.teller.send_replace(Some(Failure::Storage(failure.clone())));
                Err(failure)
            }
        }
    }
}

/// Writes into a file that no [`Store`] owns yet.
pub(crate) fn at_once(file: &mut File, writes: Vec<Write>) -> Result<(), StorageFailure> {
    file.writes += 1;
    one_transaction(&mut file.connection, writes, file.writes)
        .map_err(|error| sql(file.path(), &error))
}

fn one_transaction(
    connection: &mut Connection,
    writes: Vec<Write>,
    count: u64,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for write in writes {
        carry_out(&transaction, write)?;
    }
    let end: Option<u64> = transaction
        .prepare_cached("SELECT max(place) + 1 FROM log")?
        .query_row([], |row| row.get(0))?;
    let body = [count.to_le_bytes(), end.unwrap_or(0).to_le_bytes()].concat();
    put_note(&transaction, "writes", &seal(b"writes", &body))?;
    transaction.commit()
}

fn put_note(on: &Connection, name: &str, record: &[u8]) -> rusqlite::Result<()> {
    let mut put = on.prepare_cached("INSERT OR REPLACE INTO note VALUES (?1, ?2)")?;
    put.execute((name, record)).map(drop)
}

fn carry_out(on: &Connection, write: Write) -> rusqlite::Result<()> {
    match write {
        Write::Log(entries) => {
            let mut put = on.prepare_cached("INSERT OR REPLACE INTO log VALUES (?1, ?2)")?;
            for (place, record) in entries {
                put.execute((place, record))?;
            }
            Ok(())
        }
        Write::Truncate(from) => {
            on.prepare_cached("DELETE FROM log WHERE place >= ?1")?.execute([from]).map(drop)
        }
        Write::Purge(upto, note) => {
            on.prepare_cached("DELETE FROM log WHERE place <= ?1")?.execute([upto])?;
            put_note(on, "purged", &note)
        }
        Write::Note(name, record) => put_note(on, name, &record),
        Write::Part { slot, part, bytes } => {
            let mut put = on.prepare_cached("INSERT OR REPLACE INTO part VALUES (?1, ?2, ?3)")?;
            put.execute((slot, part, bytes)).map(drop)
        }
        Write::Snapshot { slot, note } => {
            on.prepare_cached("DELETE FROM part WHERE slot <> ?1")?.execute([slot])?;
            put_note(on, "snapshot", &note)
        }
        Write::Clear { slot } => {
            on.prepare_cached("DELETE FROM part WHERE slot = ?1")?.execute([slot]).map(drop)
        }
    }
}
