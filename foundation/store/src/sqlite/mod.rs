//! A store on the group's volume: one file, one writer, many units of work to a commit.
//!
//! Each unit stands in a savepoint of the one transaction that is the sitting. Nothing of it is
//! told before the caller's [`Store::commit`] has returned, which is one sync for all.

mod blocks;
mod checkpoint;
mod clients;
mod fault;
mod looked;
mod open;
mod outside;
mod packages;
mod permit;
mod purge;
mod reader;
mod record;
mod unit;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode, params};
use tsugi_vocabulary::Epoch;

pub use checkpoint::{Checkpointed, Checkpoints};
pub use fault::Faults;
#[cfg(any(test, feature = "suite"))]
pub use fault::{Moment, Plan};
pub use looked::{Known, Looked};
pub use reader::{Reader, Readers};

use crate::claim::{column, number};
use crate::statement::EPOCH;
use crate::store::{Begun, Call, Look, Nested, Portion, Purged, Seat, Store};
use crate::{Block, Claim, Content, Id, Key, Reply, Request, SqlError, Stored, Trouble};
use clients::Clients;
use permit::{Permit, Whose};
use record::Verdict;
use unit::Unit;

const BEGIN: &str = "/*tsugi*/ BEGIN IMMEDIATE";
const COMMIT: &str = "/*tsugi*/ COMMIT";
const ROLLBACK: &str = "/*tsugi*/ ROLLBACK";

/// How often a rollback is begun again that an [`Interrupt`] has met.
const INTERRUPTS: usize = 1_000;

/// The writer. It belongs to one thread.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    reader: Reader,
    clients: Clients,
    permit: Arc<Permit>,
    faults: Faults,
    claim: Claim,
    state: State,
    /// How many pages the log had after the last commit.
    logged: Arc<AtomicU64>,
    folder: PathBuf,
    /// Held for the life of the engine: a second one is refused.
    _lock: File,
}

/// How the sitting stands.
#[derive(Debug)]
enum State {
    /// No transaction.
    Closed,
    /// A transaction, with the units that are finished in it.
    Open(Vec<(Id, Content)>),
    /// The transaction is gone, and its units with it. The caller has to say that it knows.
    Spoiled(String),
    /// A newer owner or a newer run writes.
    Superseded(Epoch),
    /// What is durable is not known here.
    Broken(String),
}

/// Ends what the writer runs just now. It belongs to whoever watches over time limits.
pub struct Interrupt(rusqlite::InterruptHandle);

impl Interrupt {
    /// The statement that runs just now ends, and its sitting is [`Trouble::Gone`]. Where none
    /// runs nothing happens: whoever has seen that a statement did not end asks again.
    pub fn now(&self) {
        self.0.interrupt();
    }
}

impl Sqlite {
    /// What ends a statement that does not end by itself, from another thread.
    #[must_use]
    pub fn interrupt(&self) -> Interrupt {
        Interrupt(self.connection.get_interrupt_handle())
    }

    /// A reader of its own, for another thread.
    ///
    /// # Errors
    /// [`Trouble::Away`]: the file cannot be opened.
    pub fn reader(&self) -> Result<Reader, Trouble> {
        Ok(Reader::open(&self.folder)?.knowing(self.clients.clone()))
    }

    /// What opens readers later, for other threads.
    #[must_use]
    pub fn readers(&self) -> Readers {
        Readers::of(&self.folder)
    }

    /// What copies committed pages from the log into the file, for another thread.
    ///
    /// # Errors
    /// [`Trouble::Away`]: the file cannot be opened.
    pub fn checkpoints(&self) -> Result<Checkpoints, Trouble> {
        Checkpoints::open(&self.folder)
    }

    /// How many pages the log had after the last commit of this writer, for whoever copies it; 0
    /// before the first. It falls where the log has begun anew.
    #[must_use]
    pub fn logged(&self) -> Arc<AtomicU64> {
        self.logged.clone()
    }

    /// Counts the pages of the log at every commit.
    fn count_logged(connection: &mut Connection) -> rusqlite::Result<Arc<AtomicU64>> {
        let logged = Arc::new(AtomicU64::new(0));
        let counted = logged.clone();
        connection.wal_hook(Some(move |_: &mut Wal, pages| {
            counted.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(logged)
    }

    /// The folder of the store.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the file end at this many pages, or where it ends now: a disk that is full.
    ///
    /// # Errors
    /// As a statement of ours.
    #[cfg(any(test, feature = "suite"))]
    pub fn limit_pages(&mut self, pages: u32) -> Result<(), Trouble> {
        let text = format!("PRAGMA max_page_count = {pages}");
        self.ours(|connection| connection.query_row(&text, [], |_| Ok(())))
    }

    /// Runs statements of ours.
    fn ours<T>(
        &mut self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Trouble> {
        let done = self.faults.around(&self.connection, run);
        done.map_err(|error| self.told(&error, Whose::Ours))
    }

    /// One statement of ours without parameters and rows.
    fn plain(&mut self, text: &str) -> Result<(), Trouble> {
        self.ours(|connection| connection.prepare_cached(text)?.execute([]).map(drop))
    }

    /// What an error means. What matters is less its code than whether the transaction is still
    /// there: SQLite may have ended it by itself.
    fn told(&mut self, error: &rusqlite::Error, whose: Whose) -> Trouble {
        let gone = matches!(self.state, State::Open(_)) && self.connection.is_autocommit();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => self.spoil("the disk is full", Trouble::Full),
            Some(ErrorCode::ReadOnly) => self.spoil("it takes no writes", Trouble::ReadOnly),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                self.spoil("somebody else writes", Trouble::Again)
            }
            Some(ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted) => self.gone(error),
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::InternalMalfunction,
            ) => self.broken(error.to_string()),
            Some(_) | None if gone => self.gone(error),
            Some(_) | None => match whose {
                Whose::Program | Whose::Definition => Trouble::Refused(refused(error)),
                // Our statements are fixed: when one means nothing, the tables are not ours.
                Whose::Ours => self.broken(error.to_string()),
            },
        }
    }

    fn gone(&mut self, error: &rusqlite::Error) -> Trouble {
        let why = error.to_string();
        self.spoil(&why, Trouble::Gone(why.clone()))
    }

    /// Ends the sitting without its units.
    fn spoil(&mut self, why: &str, trouble: Trouble) -> Trouble {
        if matches!(self.state, State::Open(_)) {
            self.state = State::Spoiled(why.to_owned());
        }
        match self.roll_back() {
            Ok(()) => trouble,
            Err(broken) => broken,
        }
    }

    /// Takes the transaction back, if there is one.
    fn roll_back(&mut self) -> Result<(), Trouble> {
        self.clients.rolled_back();
        if self.connection.is_autocommit() {
            return Ok(());
        }
        let mut done = self.take_back_all();
        for _ in 0..INTERRUPTS {
            // It was meant for a statement that has ended meanwhile.
            let Err(error) = &done else { break };
            if error.sqlite_error_code() != Some(ErrorCode::OperationInterrupted) {
                break;
            }
            done = if self.connection.is_autocommit() { Ok(()) } else { self.take_back_all() };
        }
        match done {
            Ok(()) if self.connection.is_autocommit() => Ok(()),
            Ok(()) => Err(self.broken("a transaction cannot be rolled back".to_owned())),
            Err(error) => Err(self.broken(error.to_string())),
        }
    }

    fn take_back_all(&self) -> rusqlite::Result<()> {
        self.faults.around(&self.connection, |connection| {
            connection.prepare_cached(ROLLBACK)?.execute([]).map(drop)
        })
    }

    fn broken(&mut self, why: String) -> Trouble {
        self.state = State::Broken(why.clone());
        Trouble::Broken(why)
    }

    /// Whether anything may be done at all.
    fn standing(&self) -> Result<(), Trouble> {
        match &self.state {
            State::Closed | State::Open(_) => Ok(()),
            State::Spoiled(why) => Err(Trouble::Gone(why.clone())),
            State::Superseded(found) => Err(Trouble::Superseded { found: *found }),
            State::Broken(why) => Err(Trouble::Broken(why.clone())),
        }
    }

    /// Opens a sitting, unless one is open. The epoch is read within it: nothing can change it
    /// before the sitting ends, as nobody else writes meanwhile.
    fn sit(&mut self) -> Result<(), Trouble> {
        self.standing()?;
        if matches!(self.state, State::Open(_)) {
            return Ok(());
        }
        self.plain(BEGIN)?;
        self.state = State::Open(Vec::new());
        let (group, member) = (self.claim.group.as_str().to_owned(), self.claim.member.clone());
        let (incarnation, counter, run): (i64, i64, i64) = self.ours(|connection| {
            let mut epoch = connection.prepare_cached(EPOCH)?;
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            epoch.query_row(params![group, member], read)
        })?;
        let own = self.claim.epoch;
        if (incarnation, counter, run)
            == (column(own.incarnation), column(own.counter), self.claim.run)
        {
            return Ok(());
        }
        let found = Epoch { incarnation: number(incarnation), counter: number(counter) };
        self.roll_back()?;
        self.state = State::Superseded(found);
        Err(Trouble::Superseded { found })
    }

    /// Does `what` in the sitting.
    fn seated<T>(
        &mut self,
        what: impl FnOnce(&mut Self) -> Result<T, Trouble>,
    ) -> Result<(T, Seat), Trouble> {
        self.sit()?;
        let done = what(self)?;
        Ok((done, self.seat()))
    }

    /// How many units are finished in the sitting.
    fn seat(&self) -> Seat {
        match &self.state {
            State::Open(finished) => Seat(finished.len()),
            State::Closed | State::Spoiled(_) | State::Superseded(_) | State::Broken(_) => Seat(0),
        }
    }

    /// A call that is finished in this sitting, where this is another one of it.
    fn sits(&self, call: &Call) -> Option<Verdict> {
        let State::Open(finished) = &self.state else { return None };
        let seat = finished.iter().position(|(id, _)| id.names_same(&call.id))?;
        let same = finished[seat].1 == call.content;
        Some(if same { Verdict::Seated(Seat(seat)) } else { Verdict::OtherContent })
    }

    /// After a commit that was not one.
    fn not_committed(&mut self, error: &rusqlite::Error) -> Trouble {
        match error.sqlite_error_code() {
            // Told by a write, so before the sync: the record that ends the transaction is not
            // in the log. A sync that finds no room is told as an I/O error.
            Some(ErrorCode::DiskFull) => self.spoil("the disk is full", Trouble::Full),
            // A constraint that waits for the commit: refused where tables are made, but not in
            // those that came from elsewhere. And an interrupt that was meant for a statement
            // which has ended meanwhile: it is looked for before a commit does anything.
            Some(ErrorCode::ConstraintViolation | ErrorCode::OperationInterrupted) => {
                self.gone(error)
            }
            Some(_) | None => self.broken(error.to_string()),
        }
    }
}

fn refused(error: &rusqlite::Error) -> SqlError {
    let code = match error {
        // What could not be prepared has its own form, with the place in the text.
        rusqlite::Error::SqlInputError { error, .. } => error.extended_code,
        other => other.sqlite_error().map_or(0, |error| error.extended_code),
    };
    SqlError { code: code.to_string(), text: error.to_string() }
}

impl Store for Sqlite {
    fn begin(&mut self, call: &Call) -> Result<Begun<'_>, Trouble> {
        let fresh = matches!(self.state, State::Closed);
        self.sit()?;
        let verdict = match self.sits(call) {
            Some(verdict) => verdict,
            None => self.verdict(call)?,
        };
        let begun = match verdict {
            Verdict::New(client) => {
                self.plain(unit::SAVEPOINT)?;
                return Ok(Begun::New(Box::new(Unit::new(self, call.clone(), client))));
            }
            Verdict::Started(client) => {
                self.plain(unit::SAVEPOINT)?;
                let unit = Unit::new(self, call.clone(), client).started();
                return Ok(Begun::New(Box::new(unit)));
            }
            Verdict::Unknown => Begun::Unknown,
            Verdict::Stored(stored) => Begun::Stored(stored),
            Verdict::Seated(seat) => Begun::Seated(seat),
            Verdict::OtherContent => Begun::OtherContent,
            Verdict::Expired => Begun::Expired,
            Verdict::Forgotten => Begun::Forgotten,
        };
        // A question alone leaves no transaction behind.
        if fresh {
            self.roll_back()?;
            self.state = State::Closed;
        }
        Ok(begun)
    }

    fn aside(&mut self) -> Result<Box<dyn Nested + '_>, Trouble> {
        self.sit()?;
        self.nest()
    }

    fn commit(&mut self) -> Result<(), Trouble> {
        self.standing()?;
        if matches!(self.state, State::Closed) {
            return Ok(());
        }
        let done = self.faults.around(&self.connection, |connection| {
            connection.prepare_cached(COMMIT)?.execute([]).map(drop)
        });
        match done {
            Ok(()) if self.connection.is_autocommit() => {
                self.state = State::Closed;
                self.clients.committed();
                Ok(())
            }
            Ok(()) => Err(self.broken("a commit has left its transaction open".to_owned())),
            Err(error) => Err(self.not_committed(&error)),
        }
    }

    fn abandon(&mut self) -> Result<(), Trouble> {
        match &self.state {
            State::Closed => Ok(()),
            State::Open(_) | State::Spoiled(_) => {
                self.roll_back()?;
                self.state = State::Closed;
                Ok(())
            }
            State::Superseded(_) | State::Broken(_) => self.standing(),
        }
    }

    fn find(&mut self, id: &Id) -> Result<Option<Stored>, Trouble> {
        if let State::Broken(why) = &self.state {
            return Err(Trouble::Broken(why.clone()));
        }
        self.reader.find(id)
    }

    fn confirm(&mut self, id: &Id, at: i64) -> Result<bool, Trouble> {
        Ok(self.seated(|desk| desk.confirmed(id, at))?.0)
    }

    fn start(&mut self, call: &Call, request: &Request) -> Result<bool, Trouble> {
        Ok(self.seated(|desk| desk.kept_start(call, request))?.0)
    }

    fn unknown(&mut self, service: i64, most: i64) -> Result<Vec<Id>, Trouble> {
        self.standing()?;
        self.reader.unknown(service, most)
    }

    fn asked(&mut self, id: &Id) -> Result<Option<Request>, Trouble> {
        self.standing()?;
        self.reader.asked(id)
    }

    fn interrupted(&mut self, id: &Id) -> Result<bool, Trouble> {
        Ok(self.seated(|desk| desk.kept_interrupted(id))?.0)
    }

    fn resolve(&mut self, id: &Id, reply: Option<&Reply>) -> Result<bool, Trouble> {
        Ok(self.seated(|desk| desk.resolved(id, reply))?.0)
    }

    fn forget(&mut self, key: &Key) -> Result<bool, Trouble> {
        Ok(self.seated(|desk| desk.forgotten(key))?.0)
    }

    fn block(&mut self, service: i64, block: Option<&Block>) -> Result<bool, Trouble> {
        Ok(self.seated(|desk| desk.blocked(service, block))?.0)
    }

    fn blocks(&mut self) -> Result<Vec<(i64, Block)>, Trouble> {
        self.standing()?;
        self.all_blocked()
    }

    fn purge(&mut self, portion: &Portion) -> Result<Purged, Trouble> {
        let ((rows, next), seat) = self.seated(|desk| desk.purged(portion))?;
        Ok(Purged { rows, next, finished: crate::Finished::InSitting(seat) })
    }

    fn look(&mut self, look: &Look) -> Result<Option<Stored>, Trouble> {
        self.find(&look.id)
    }
}
