//! A group's work while its volume is here: the store claimed, its services found, the engine
//! started; and all of it ended in order.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read as _};

use tsugi_messages::{self as messages, Message};
use tsugi_package::deploy::Problem;
use tsugi_package::shelf::Shelf;
use tsugi_service_engine::worker::pipe::Ward;
use tsugi_service_engine::{
    Calls, EXIT, Engine, Fatal, LastWord, Opened, Refused, Sessions, Settings,
};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_store::{Claim, Failover, OpenRefused, Opening, Packages, Postgres, Sqlite, Trouble};

use crate::around::{Around, Database, Hold};
use crate::log::Log;
use crate::reserve::Reserve;
use crate::services::{self, Found, Made};
use crate::shelf;

/// The version that says what it opens.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A group that is open here.
#[derive(Debug)]
pub struct Group {
    engine: Engine,
    /// Its services, also those that cannot run.
    pub found: Vec<Found>,
    /// What its engine was started with.
    pub settings: Settings,
    /// Its volume, where its store does not hold that.
    _volume: Option<File>,
}

/// Why a group was not opened. Nothing of it is held any more.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// The store is another's, or cannot be used.
    #[error(transparent)]
    Store(#[from] OpenRefused),
    /// What the store has of packages cannot be read.
    #[error(transparent)]
    Rows(#[from] Trouble),
    /// It is not known what lies on the shelf.
    #[error("{0}")]
    Shelf(String),
    /// The system gives no thread or no chance.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl From<Problem> for NotOpened {
    fn from(problem: Problem) -> Self {
        Self::Shelf(shelf::why(&problem))
    }
}

impl NotOpened {
    /// What is said of it.
    #[must_use]
    pub fn message(&self, around: &Around, hold: &Hold) -> Message {
        let (group, path) = (&around.group, hold.volume.display());
        match self {
            Self::Store(OpenRefused::Superseded { found, own }) => {
                messages::serve_superseded(group, path, own, found)
            }
            Self::Store(OpenRefused::OtherVersion { member, found, own }) => {
                messages::serve_other_version(group, member, found, own)
            }
            Self::Store(OpenRefused::InUse(_)) => messages::serve_store_in_use(group, path),
            Self::Store(_) | Self::Rows(_) | Self::Shelf(_) | Self::System(_) => {
                messages::serve_not_opened(group, path, self)
            }
        }
    }
}

/// A store that is claimed under the epoch of a hold: whoever is refused has changed nothing.
pub enum Claimed {
    /// On the volume.
    Volume(Sqlite),
    /// On a server, who has it claimed, and the volume, which is taken.
    Server(OnServer, Claim, File),
}

/// A session that waits for its server, also when it is closed: never where tasks are driven.
pub struct OnServer(Option<Box<Postgres>>);

impl Drop for OnServer {
    fn drop(&mut self) {
        let session = self.0.take();
        apart(move || drop(session));
    }
}

/// In a thread of its own: what waits for a server does not do so where tasks are driven.
fn apart<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(what).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

impl Claimed {
    /// Claims the store of a group.
    ///
    /// # Errors
    /// It is another's, or cannot be trusted.
    pub fn claim(around: &Around, hold: &Hold) -> Result<Self, NotOpened> {
        let member = around.database.as_ref().map(|of| of.member.clone());
        let claim = Claim {
            group: around.group.clone(),
            member: member.unwrap_or_default(),
            epoch: hold.epoch,
            run: run()?,
            node: around.node.clone(),
            at: shelf::wall_ms(),
        };
        Ok(match &around.database {
            None => Self::Volume(Sqlite::open(&hold.store(), &claim)?),
            Some(of) => {
                let in_use = || OpenRefused::InUse(hold.volume.display().to_string());
                let volume = shelf::take(&hold.volume)?.ok_or_else(in_use)?;
                let opened = apart(|| Postgres::open(&of.server, &claim))?;
                Self::Server(OnServer(Some(Box::new(opened))), claim, volume)
            }
        })
    }
}

/// What a group is opened with beside its store.
#[derive(Clone, Copy)]
pub struct Staff<'a> {
    /// Holds its workers.
    pub ward: &'a Ward,
    /// The log of its life.
    pub log: &'a Log,
    /// Its workers that were started before its volume came.
    pub reserve: &'a Reserve,
}

impl Group {
    /// Starts the services that are deployed for a group whose store is claimed.
    ///
    /// # Errors
    /// What is deployed cannot be read.
    pub fn open(
        claimed: Claimed,
        (around, hold): (&Around, &Hold),
        staff: Staff<'_>,
    ) -> Result<Self, NotOpened> {
        match (claimed, &around.database) {
            (Claimed::Volume(store), _) => Self::on_volume(store, (around, hold), staff),
            (Claimed::Server(mut store, claim, volume), Some(database)) => {
                let store = store.0.take().ok_or_else(unnamed)?;
                let opened = apart(|| {
                    let claimed = (*store, &claim, database);
                    Self::on_server(claimed, (around, hold), staff)
                })?;
                Ok(Self { _volume: Some(volume), ..opened })
            }
            (Claimed::Server(..), None) => Err(unnamed()),
        }
    }

    fn on_volume(
        mut store: Sqlite,
        (around, hold): (&Around, &Hold),
        staff: Staff<'_>,
    ) -> Result<Self, NotOpened> {
        let shelf = shelf::open(&hold.volume, &mut store)?;
        let (found, made, settings) = start((&mut store, &shelf), (around, hold), staff)?;
        let word = last_word(around, hold, staff.log);
        let opened = Opened::sqlite(store)?;
        let engine = Engine::start(opened, made.services, settings.clone(), word)?;
        Ok(Self { engine, found, settings, _volume: None })
    }

    fn on_server(
        (mut store, claim, database): (Postgres, &Claim, &Database),
        (around, hold): (&Around, &Hold),
        staff: Staff<'_>,
    ) -> Result<Self, NotOpened> {
        let (group, log) = (&around.group, staff.log);
        log.tell(&match store.opening() {
            Opening::First => messages::serve_first_member(group, VERSION),
            Opening::Joined => messages::serve_joined_members(group, VERSION),
        });
        if let Failover::MayLose(why) = store.failover()? {
            log.tell(&messages::serve_failover_may_lose(group, why));
        }
        let shelf = shelf::join(&hold.volume, &mut store)?;
        let (found, made, settings) = start((&mut store, &shelf), (around, hold), staff)?;
        let word = last_word(around, hold, staff.log);
        let sessions = Sessions::beside(store, (&database.server, claim), database.sessions)?;
        let engine = Engine::on_sessions(sessions, made.services, settings.clone(), word)?;
        Ok(Self { engine, found, settings, _volume: None })
    }

    /// What doors call.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.engine.calls()
    }

    /// Takes no more calls, gives those that run the time of a move, and closes the store.
    pub fn hand_over(self, around: &Around) {
        self.engine.hand_over(around.grace);
    }
}

/// A store is claimed where none was named: nothing leads here.
fn unnamed() -> NotOpened {
    NotOpened::Shelf("a server that nobody has named".to_owned())
}

/// What is deployed, as its engine is started with it.
fn start(
    (store, shelf): (&mut impl Packages, &Shelf),
    (around, hold): (&Around, &Hold),
    staff: Staff<'_>,
) -> Result<(Vec<Found>, Made, Settings), NotOpened> {
    let found = services::find(store, shelf)?;
    let made = services::make(&found, around, staff);
    let (calls, closed) = (around.calls, made.closed.clone());
    let resolvers = services::resolvers(&found);
    let groups = around.groups.clone().map(|groups| groups as _);
    let settings = Settings { calls, closed, resolvers, groups, ..Settings::alone(hold.epoch) };
    say(&found, &made.closed, staff.log);
    staff.reserve.opened(&found, shelf);
    Ok((found, made, settings))
}

fn last_word(around: &Around, hold: &Hold, log: &Log) -> LastWord {
    let told = (log.clone(), around.clone(), hold.clone());
    Box::new(move |fatal| end(&fatal, &told))
}

/// Says what runs and what does not.
fn say(found: &[Found], closed: &BTreeMap<ServiceNumber, Refused>, log: &Log) {
    for one in found {
        let (name, package) = (&one.name, format!("{} {}", one.of, one.package));
        match closed.get(&services::number(name)) {
            None => log.tell(&messages::service_runs(name, package)),
            Some(refused) => {
                let why = one.runs.as_ref().err().cloned();
                let why = why.unwrap_or_else(|| format!("{refused:?}"));
                log.tell(&messages::service_cannot_run(name, package, why));
            }
        }
    }
    if found.is_empty() {
        log.tell(&messages::nothing_deployed());
    }
}

/// The last word of an engine: what is durable is read from the disk by the next process.
fn end(fatal: &Fatal, (log, around, hold): &(Log, Around, Hold)) -> Infallible {
    let (group, path) = (&around.group, hold.volume.display());
    log.tell(&messages::serve_cannot_go_on(group, path, fatal));
    std::process::exit(EXIT)
}

/// 63 random bits: two engines of one epoch differ in them.
fn run() -> io::Result<i64> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(i64::from_ne_bytes(bytes) & i64::MAX)
}
