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
mod purge;
mod record;
mod seen;
mod unit;
mod value;

use tokio::runtime::Runtime;
use tsugi_vocabulary::Epoch;

use crate::claim::{column, number};
use crate::statement::EPOCH;
use crate::store::{Begun, Call, Cursor, Finished, Look, Nested, Portion, Purged, Store};
use crate::{Block, Claim, Id, Key, Reply, SqlError, Stored, Trouble, Value};
pub use cancel::Cancel;
use link::{Fault, Link, int};
use record::{Claimed, Judged};
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
    superseded: Option<Epoch>,
    /// Runs the connections while the thread waits. The last to go.
    runtime: Runtime,
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
    fn commit_now(&mut self, id: Option<&Id>) -> Result<(), Trouble> {
        let look = match (&self.unit, id) {
            (Some(link), Some(id)) => Some(link.look(id)),
            (Some(_), None) => None,
            (None, _) => return Err(Trouble::Gone("the session has ended".to_owned())),
        };
        match self.try_plain("COMMIT") {
            Ok(()) => Ok(()),
            Err(fault) => {
                self.cut();
                Err(match (fault, look) {
                    (Fault::Again | Fault::Locked, _) => Trouble::Again,
                    (Fault::Away(_), Some(look)) => Trouble::Unknown(Box::new(look)),
                    (Fault::Away(why), None) => Trouble::Away(why),
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
        let client = match self.judge(call)? {
            Judged::Open(client) => client,
            Judged::Said(said) => return Ok(Err(said)),
        };
        let client = self.client_of(call, client)?;
        self.start(Isolation::Serializable)?;
        let claimed = self.claim_row(call, client);
        let again = match claimed {
            Ok(Claimed::Running) => Ok(Err(Begun::Running)),
            Err(trouble) => Err(trouble),
            Ok(claimed) => self.judge(call).and_then(|judged| match (judged, claimed) {
                (Judged::Said(said), _) => Ok(Err(said)),
                (Judged::Open(_), Claimed::Ours(place)) => Ok(Ok(place)),
                (Judged::Open(_), _) => Err(Trouble::Again),
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
        self.alone(Isolation::Committed, |session| session.confirmed(id, at))
    }

    fn start(&mut self, _: &Call, _: i64, _: i64) -> Result<bool, Trouble> {
        Err(not_here())
    }

    fn interrupted(&mut self, _: &Id) -> Result<bool, Trouble> {
        Err(not_here())
    }

    fn resolve(&mut self, _: &Id, _: Option<&Reply>) -> Result<bool, Trouble> {
        Err(not_here())
    }

    fn forget(&mut self, key: &Key) -> Result<bool, Trouble> {
        self.alone(Isolation::Committed, |session| session.forgotten(key))
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
}

/// Calls that act outside the store are not carried out on PostgreSQL yet.
fn not_here() -> Trouble {
    let text = "calls that act outside the store are not carried out on PostgreSQL".to_owned();
    Trouble::Refused(SqlError { code: "0A000".to_owned(), text })
}

/// The session that had a commit, as long as it is there; asked to end.
const ENDED_SESSION: &str = "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE pid = ?1::bigint AND (extract(epoch FROM backend_start) * 1000000)::bigint = ?2";
