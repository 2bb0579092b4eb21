//! A store on PostgreSQL: one session, in which each unit of work is a transaction. Nodes of a
//! parallel group work beside each other, each with as many sessions as it has workers.
//!
//! A session has two connections. On one stands the unit of work, serializable. The other looks at
//! what is committed, each time anew: within a serializable transaction the record is seen as it
//! was when that began, and what is read there of rows that all calls write would make every two
//! calls fail that meet.

mod blocks;
mod cancel;
mod link;
mod open;
mod outside;
mod packages;
mod purge;
mod reader;
mod record;
mod seen;
mod standing;
mod unit;
mod value;
mod words;

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Runtime;
use tsugi_vocabulary::Epoch;

use crate::claim::{column, number};
use crate::statement::EPOCH;
use crate::store::{Begun, Call, Change, Cursor, Finished, Look, Nested, Portion, Purged, Store};
use crate::{Block, Claim, Id, Key, Reply, Request, Stored, Trouble, Value};
pub use cancel::Cancel;
use link::{Fault, Link, int};
pub use reader::PostgresReader;
use record::{Claimed, Judged};
pub use standing::{Asynchronous, Failover, Opening};
use unit::{Aside, Unit};

/// A session. It belongs to one thread, which waits for the server.
pub struct Postgres {
    /// Where the unit of work stands.
    unit: Option<Link>,
    /// What ends its statement from another thread.
    cancel: Cancel,
    /// What is sent there with the next statement.
    before: String,
    /// Where is looked at what is committed.
    beside: Option<Link>,
    pool: deadpool_postgres::Pool,
    claim: Claim,
    /// How the sessions of this run are named.
    name: String,
    changes: Changes,
    opening: Opening,
    superseded: Option<Epoch>,
    /// Runs the connections while the thread waits. The last to go.
    runtime: Runtime,
}

/// What is there when a call's row is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    /// That it acts outside of the store.
    Started,
}

/// The changes that a session makes beside units of work.
#[derive(Clone, Debug)]
struct Changes {
    /// What no other session of any run is called.
    session: String,
    /// The number of the last one.
    last: i64,
    /// The last one of which it is known that it is committed: nobody looks for it any more.
    committed: i64,
}

impl Changes {
    /// Those of a session that is new, of a run of this name.
    fn of(run: &str) -> Self {
        static SESSIONS: AtomicU64 = AtomicU64::new(1);
        let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
        Self { session: format!("{run}:{number}"), last: 0, committed: 0 }
    }
}

/// How far a transaction of ours is apart from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Isolation {
    /// Each statement sees what is committed when it begins.
    Committed,
    /// As if it were alone.
    Serializable,
    /// It sees one moment, and writes nothing.
    Reading,
}

impl Isolation {
    const fn begin(self) -> &'static str {
        match self {
            Self::Committed => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Self::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE",
            Self::Reading => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        }
    }
}

impl Postgres {
    /// What ends a statement of this session's unit of work, from another thread.
    #[must_use]
    pub fn canceller(&self) -> Cancel {
        self.cancel.clone()
    }

    fn standing(&self) -> Result<(), Trouble> {
        self.superseded.map_or(Ok(()), |found| Err(Trouble::Superseded { found }))
    }

    /// Begins a transaction with the next statement.
    fn start(&mut self, isolation: Isolation) -> Result<(), Trouble> {
        self.standing()?;
        self.take_clean()?;
        self.first(isolation.begin());
        Ok(())
    }

    /// Whether a row that begins with an epoch says that this session may write. That nobody of an
    /// older run is left was seen to before its successor began; this is the second look.
    fn owns(&mut self, row: Option<&[Value]>) -> Result<(), Trouble> {
        let Some(row) = row else {
            return Err(Trouble::Broken("its epoch is not there".to_owned()));
        };
        let own = &self.claim;
        let (incarnation, counter, run) = (int(row, 0)?, int(row, 1)?, int(row, 2)?);
        if (incarnation, counter, run)
            == (column(own.epoch.incarnation), column(own.epoch.counter), own.run)
        {
            return Ok(());
        }
        let found = Epoch { incarnation: number(incarnation), counter: number(counter) };
        self.cut();
        self.superseded = Some(found);
        Err(Trouble::Superseded { found })
    }

    /// Takes the transaction back. Where that cannot be told the session ends, and it with it.
    fn roll_back(&mut self) {
        self.before.clear();
        if self.unit.is_some() && self.plain("ROLLBACK").is_err() {
            self.cut();
        }
    }

    /// Commits. Every statement before was answered without an error, or this is not called: a
    /// commit that the server makes a rollback would be told as one that was done.
    fn commit_now(&mut self, of: Option<(&Id, Option<Change>)>) -> Result<(), Trouble> {
        let Some(link) = &self.unit else {
            return Err(Trouble::Gone("the session has ended".to_owned()));
        };
        let look = of.map(|(id, change)| link.look(id, change));
        match self.try_plain("COMMIT") {
            Ok(()) => Ok(()),
            Err(fault) => {
                self.cut();
                Err(match (fault, look) {
                    (Fault::Again | Fault::Locked, _) => Trouble::Again,
                    (Fault::Away(_) | Fault::Halted(_), Some(look)) => {
                        Trouble::Unknown(Box::new(look))
                    }
                    (Fault::Away(why) | Fault::Halted(why), None) => Trouble::Away(why),
                    (Fault::Full, _) => Trouble::Full,
                    (Fault::ReadOnly, _) => Trouble::ReadOnly,
                    (Fault::Said(error), _) => Trouble::Gone(error.to_string()),
                })
            }
        }
    }

    /// A transaction that is no unit of work.
    fn alone<T>(
        &mut self,
        isolation: Isolation,
        what: impl FnOnce(&mut Self) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.owned(isolation)?;
        let done = what(self).inspect_err(|_| self.roll_back())?;
        self.commit_now(None)?;
        Ok(done)
    }

    /// A transaction that changes what is kept of a call. Its number stands beside the change:
    /// where its commit is not answered, that says what became of it. The server's own number of it
    /// does not: after a crash another transaction may have that.
    fn changing<T>(
        &mut self,
        id: &Id,
        what: impl FnOnce(&mut Self) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.start(Isolation::Committed)?;
        self.changes.last += 1;
        let Changes { session, last: number, committed } = self.changes.clone();
        let values = [
            self.claim.group.as_str().into(),
            self.claim.member.as_str().into(),
            session.as_str().into(),
            number.into(),
            committed.into(),
        ];
        let owns = self
            .ours(words::EPOCH_AND_CHANGE, &values)
            .and_then(|rows| self.owns(rows.first().map(Vec::as_slice)));
        let done = owns.and_then(|()| what(self)).inspect_err(|_| self.roll_back())?;
        self.commit_now(Some((id, Some(Change { session, number }))))?;
        self.changes.committed = number;
        Ok(done)
    }

    /// Begins a transaction under an epoch that is still ours.
    fn owned(&mut self, isolation: Isolation) -> Result<(), Trouble> {
        self.start(isolation)?;
        let values = [self.claim.group.as_str().into(), self.claim.member.as_str().into()];
        let owns =
            self.ours(EPOCH, &values).and_then(|rows| self.owns(rows.first().map(Vec::as_slice)));
        owns.inspect_err(|_| self.roll_back())
    }

    /// Looks, claims the call's row, and looks again: while the row is claimed nobody else carries
    /// the call out, and what somebody has carried out before is seen, also where its row was
    /// taken away again.
    fn judged(&mut self, call: &Call) -> Result<Result<record::Place, Begun<'static>>, Trouble> {
        let judged = self.judge(call)?;
        let (claimed, before) = match judged {
            Judged::Said(said) => return Ok(Err(said)),
            Judged::Open(client) => {
                let client = self.client_of(call, client)?;
                self.start(Isolation::Serializable)?;
                (self.claim_row(call, client), Before::Nothing)
            }
            Judged::Started(started) => {
                self.start(Isolation::Serializable)?;
                (self.claim_started(call, started), Before::Started)
            }
        };
        let again = match claimed {
            Ok(Claimed::Running) => Ok(Err(Begun::Running)),
            Err(trouble) => Err(trouble),
            Ok(claimed) => self.judge(call).and_then(|judged| match (judged, claimed, before) {
                (Judged::Said(said), _, _) => Ok(Err(said)),
                (Judged::Open(_), Claimed::Ours(place), Before::Nothing)
                | (Judged::Started(_), Claimed::Ours(place), Before::Started) => Ok(Ok(place)),
                (Judged::Open(_) | Judged::Started(_), _, _) => Err(Trouble::Again),
            }),
        };
        if !matches!(again, Ok(Ok(_))) {
            self.roll_back();
        }
        again
    }
}

impl Store for Postgres {
    fn begin(&mut self, call: &Call) -> Result<Begun<'_>, Trouble> {
        self.standing()?;
        match self.judged(call)? {
            Ok(place) => Ok(Begun::New(Box::new(Unit::new(self, call.clone(), place)))),
            Err(said) => Ok(said),
        }
    }

    fn aside(&mut self) -> Result<Box<dyn Nested + '_>, Trouble> {
        self.owned(Isolation::Serializable)?;
        Ok(Box::new(Aside::new(self)))
    }

    fn commit(&mut self) -> Result<(), Trouble> {
        self.standing()
    }

    fn abandon(&mut self) -> Result<(), Trouble> {
        self.standing()
    }

    fn find(&mut self, id: &Id) -> Result<Option<Stored>, Trouble> {
        self.found(id)
    }

    fn confirm(&mut self, id: &Id, at: i64) -> Result<bool, Trouble> {
        self.changing(id, |session| session.confirmed(id, at))
    }

    fn start(&mut self, call: &Call, request: &Request) -> Result<bool, Trouble> {
        self.standing()?;
        self.kept_start(call, request)
    }

    fn unknown(&mut self, service: i64, most: i64) -> Result<Vec<Id>, Trouble> {
        self.standing()?;
        self.all_unknown(service, most)
    }

    fn asked(&mut self, id: &Id) -> Result<Option<Request>, Trouble> {
        self.standing()?;
        self.asked_of(id)
    }

    fn interrupted(&mut self, id: &Id) -> Result<bool, Trouble> {
        self.changing(id, |session| session.kept_interrupted(id))
    }

    fn resolve(&mut self, id: &Id, reply: Option<&Reply>) -> Result<bool, Trouble> {
        self.changing(id, |session| session.resolved(id, reply))
    }

    fn forget(&mut self, key: &Key) -> Result<bool, Trouble> {
        self.changing(&Id::Key(*key), |session| session.forgotten(key))
    }

    fn block(&mut self, service: i64, block: Option<&Block>) -> Result<bool, Trouble> {
        self.alone(Isolation::Committed, |session| session.blocked(service, block))
    }

    fn blocks(&mut self) -> Result<Vec<(i64, Block)>, Trouble> {
        self.all_blocked()
    }

    fn purge(&mut self, portion: &Portion) -> Result<Purged, Trouble> {
        // A client goes only if it has no reply, and none just now: both have to see each other.
        let isolation = match portion.from {
            Cursor::Clients(_) => Isolation::Serializable,
            Cursor::Start
            | Cursor::Replies(..)
            | Cursor::KeysStart
            | Cursor::Keys(_)
            | Cursor::End => Isolation::Committed,
        };
        let (rows, next) = self.alone(isolation, |session| session.purged(portion))?;
        Ok(Purged { rows, next, finished: Finished::Committed })
    }

    fn look(&mut self, look: &Look) -> Result<Option<Stored>, Trouble> {
        let session = [Value::Integer(look.session), Value::Integer(look.began)];
        self.wait_until_gone(ENDED_SESSION, &session)?;
        self.found(&look.id)
    }

    fn committed(&mut self, look: &Look) -> Result<bool, Trouble> {
        let session = [Value::Integer(look.session), Value::Integer(look.began)];
        self.wait_until_gone(ENDED_SESSION, &session)?;
        let Some(Change { session, number }) = &look.change else {
            return Err(Trouble::Gone("a change without its number".to_owned()));
        };
        let values = [session.as_str().into(), (*number).into()];
        self.read(words::CHANGED, &values).map(|rows| !rows.is_empty())
    }
}

/// The session that had a commit, as long as it is there; asked to end.
const ENDED_SESSION: &str = "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE pid = ?1::bigint AND (extract(epoch FROM backend_start) * 1000000)::bigint = ?2";
