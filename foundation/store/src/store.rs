//! The trait: one store, many units of work. It blocks; whoever must not wait has a thread for it.

use std::fmt;

use crate::file::OnFiles;
use crate::{Block, Content, Id, Key, Op, Outcome, Reply, Request, Stored, Trouble};

/// A call that is to become a unit of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which.
    pub id: Id,
    /// What it asks.
    pub content: Content,
}

/// What the store says to a call.
pub enum Begun<'a> {
    /// It was never carried out: here is its unit of work.
    New(Box<dyn Work + 'a>),
    /// It was, and this is its reply, durable.
    Stored(Stored),
    /// It was carried out in this sitting, with the same content: it may be answered once the
    /// sitting is committed.
    Seated(Seat),
    /// The id belongs to another content.
    OtherContent,
    /// At or under the watermark, or of a client's life that is over: never carried out again.
    Expired,
    /// The key was used; its reply is no longer kept.
    Forgotten,
    /// Another node of the group carries it out just now.
    Running,
    /// It acts outside the store and was interrupted: nobody knows.
    Unknown,
}

impl fmt::Debug for Begun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(_) => f.write_str("New"),
            Self::Stored(stored) => f.debug_tuple("Stored").field(stored).finish(),
            Self::Seated(seat) => f.debug_tuple("Seated").field(seat).finish(),
            Self::OtherContent => f.write_str("OtherContent"),
            Self::Expired => f.write_str("Expired"),
            Self::Forgotten => f.write_str("Forgotten"),
            Self::Running => f.write_str("Running"),
            Self::Unknown => f.write_str("Unknown"),
        }
    }
}

/// One unit of work. Dropped without [`Work::finish`] it is rolled back.
pub trait Work: OnFiles {
    /// Runs operations in order, each to its end, up to the first that is refused.
    ///
    /// # Errors
    /// After [`Trouble::Refused`] the unit goes on without that operation, those before it are
    /// kept and those after it were not run. After all else the unit is gone.
    fn run(&mut self, ops: &[Op]) -> Result<Vec<Outcome>, Trouble>;

    /// A unit within this one: of another service on the same store.
    ///
    /// # Errors
    /// The unit is gone, with what it stands in.
    fn nested(&mut self) -> Result<Box<dyn Nested + '_>, Trouble>;

    /// Takes back everything that was done in this unit so far; it goes on empty. An abnormal end
    /// is stored so.
    ///
    /// # Errors
    /// The unit is gone.
    fn undo(&mut self) -> Result<(), Trouble>;

    /// Puts the reply beside the effects.
    ///
    /// # Errors
    /// The unit is gone. With [`Trouble::Unknown`] it may be committed: see [`Store::look`].
    fn finish(self: Box<Self>, reply: &Reply) -> Result<Finished, Trouble>;
}

/// A unit within a unit. Dropped without [`Nested::keep`] it is rolled back, and the outer one
/// goes on without it.
pub trait Nested: OnFiles {
    /// As [`Work::run`].
    ///
    /// # Errors
    /// As [`Work::run`].
    fn run(&mut self, ops: &[Op]) -> Result<Vec<Outcome>, Trouble>;

    /// As [`Work::nested`].
    ///
    /// # Errors
    /// As [`Work::nested`].
    fn nested(&mut self) -> Result<Box<dyn Nested + '_>, Trouble>;

    /// Makes its effects part of the outer unit; of one that stands aside, of the sitting, or
    /// durable where the store has none.
    ///
    /// # Errors
    /// The outer unit is gone, too.
    fn keep(self: Box<Self>) -> Result<(), Trouble>;
}

/// The place of a unit in its sitting, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat(pub usize);

/// How far a finished unit has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It is durable once [`Store::commit`] has returned; before, nobody may be told.
    InSitting(Seat),
    /// It is durable.
    Committed,
}

/// What to look for after a commit of which nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The call that it was of, or the one of which something was changed.
    pub id: Id,
    /// The process of the database that had the commit.
    pub session: i64,
    /// When that process began, in microseconds of Unix time: numbers of processes come again.
    pub began: i64,
    /// What says that it was committed, where it was no unit of work: a reply says so for itself,
    /// but that something was taken away may be somebody else's doing.
    pub change: Option<Change>,
}

/// A change as it is marked beside what it changes: by the session that makes it, and by its
/// number there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The session.
    pub session: String,
    /// Its number, from 1.
    pub number: i64,
}

/// Where a walk through all kept replies is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cursor {
    /// Before the first.
    #[default]
    Start,
    /// After this reply: number of the client, serial.
    Replies(i64, i64),
    /// Before the first of the replies under keys.
    KeysStart,
    /// After this key.
    Keys(Key),
    /// After this client.
    Clients(i64),
    /// Everything was looked at.
    End,
}

/// What is looked at next of what may be too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    /// From where on.
    pub from: Cursor,
    /// What was written before this moment is too old, in milliseconds of Unix time.
    pub before: i64,
    /// How many rows are looked at, at most.
    pub rows: i64,
}

/// What a portion did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// How many rows were taken away or became tombstones.
    pub rows: usize,
    /// Where the next portion begins.
    pub next: Cursor,
    /// When that is durable.
    pub finished: Finished,
}

/// The work's record, claimed by one engine.
///
/// What it tells is in *sittings*: units that become durable together, in SQLite. In PostgreSQL
/// each unit is a transaction of its own, and [`Store::commit`] has nothing to do.
pub trait Store {
    /// Judges a call and begins its unit of work. The epoch is read in the same transaction.
    ///
    /// # Errors
    /// Nothing was begun; what else is gone says the [`Trouble`].
    fn begin(&mut self, call: &Call) -> Result<Begun<'_>, Trouble>;

    /// Begins a unit of work that is of no call: what an operator does with the files of the store.
    ///
    /// # Errors
    /// Nothing was begun; what else is gone says the [`Trouble`].
    fn aside(&mut self) -> Result<Box<dyn Nested + '_>, Trouble>;

    /// Makes everything finished so far durable. When it returns, its calls may be answered.
    ///
    /// # Errors
    /// With [`Trouble::Broken`] it is not known what is durable: the process must end. With all
    /// else nothing of the sitting is kept.
    fn commit(&mut self) -> Result<(), Trouble>;

    /// Gives the sitting up: nothing of it is kept.
    ///
    /// # Errors
    /// [`Trouble::Broken`].
    fn abandon(&mut self) -> Result<(), Trouble>;

    /// The durable reply of a call, where there is one.
    ///
    /// # Errors
    /// It could not be read.
    fn find(&mut self, id: &Id) -> Result<Option<Stored>, Trouble>;

    /// The client has this reply, and those of all its lower serials: they need not be kept, and
    /// what was never carried out of them never will be. A key's leaves a tombstone. `at` is now,
    /// for a client that is new, in milliseconds of Unix time. Of a key: whether there was a reply.
    ///
    /// # Errors
    /// The sitting is gone.
    fn confirm(&mut self, id: &Id, at: i64) -> Result<bool, Trouble>;

    /// Keeps that a call is about to act outside the store, in a commit before its program runs.
    /// Its unit of work begins as a new one and puts its reply in the place of that. False: there
    /// is something under its id, or it has expired, and nothing was kept. What it asks is kept
    /// with it until it is known what became of it.
    ///
    /// # Errors
    /// The sitting is gone.
    fn start(&mut self, call: &Call, request: &Request) -> Result<bool, Trouble>;

    /// The calls of a service that are unknown and whose requests are kept, at most so many; the
    /// oldest of these first.
    ///
    /// # Errors
    /// It could not be read.
    fn unknown(&mut self, service: i64, most: i64) -> Result<Vec<Id>, Trouble>;

    /// What a call asks that is unknown; none where it is not, or nothing was kept.
    ///
    /// # Errors
    /// It could not be read.
    fn asked(&mut self, id: &Id) -> Result<Option<Request>, Trouble>;

    /// Keeps that a call which was started is unknown. Whether it was started.
    ///
    /// # Errors
    /// The sitting is gone.
    fn interrupted(&mut self, id: &Id) -> Result<bool, Trouble>;

    /// Somebody has decided what an unknown call counts as: this reply, or none, and then it may
    /// be carried out. Whether it was unknown.
    ///
    /// # Errors
    /// The sitting is gone.
    fn resolve(&mut self, id: &Id, reply: Option<&Reply>) -> Result<bool, Trouble>;

    /// Takes a key out of the record by an operator's order: a later call with it is carried out.
    /// Whether there was one.
    ///
    /// # Errors
    /// The sitting is gone.
    fn forget(&mut self, key: &Key) -> Result<bool, Trouble>;

    /// Keeps that a service takes no calls, by its number, or that it takes them again: for the
    /// engines that come. Whether that changes what is kept.
    ///
    /// # Errors
    /// The sitting is gone.
    fn block(&mut self, service: i64, block: Option<&Block>) -> Result<bool, Trouble>;

    /// All services that take no calls, by their numbers.
    ///
    /// # Errors
    /// It could not be read.
    fn blocks(&mut self) -> Result<Vec<(i64, Block)>, Trouble>;

    /// Takes away what is too old, and raises the watermark over it in the same transaction.
    ///
    /// # Errors
    /// The sitting is gone.
    fn purge(&mut self, portion: &Portion) -> Result<Purged, Trouble>;

    /// What became of a commit of which nothing came back, once nobody can change it any more.
    ///
    /// # Errors
    /// It is still not known.
    fn look(&mut self, look: &Look) -> Result<Option<Stored>, Trouble>;

    /// Whether a change was committed of whose commit nothing came back ([`Store::confirm`],
    /// [`Store::start`], [`Store::interrupted`], [`Store::resolve`], [`Store::forget`]), once
    /// nobody can change that any more. Made again without asking, it could meet what somebody has
    /// kept since.
    ///
    /// # Errors
    /// It is still not known, or there is no such commit: a store with sittings has none.
    fn committed(&mut self, _: &Look) -> Result<bool, Trouble> {
        Err(Trouble::Gone("no commit of this store is in doubt".to_owned()))
    }
}
