//! A group's work while its volume is here: the store claimed, its services found, the engine
//! started; and all of it ended in order.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read as _};

use tsugi_messages::{self as messages, Message};
use tsugi_package::deploy::Problem;
use tsugi_service_engine::worker::pipe::Ward;
use tsugi_service_engine::{Calls, EXIT, Engine, Fatal, Opened, Refused, Settings};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_store::{Claim, OpenRefused, Sqlite, Trouble};

use crate::around::{Around, Hold};
use crate::log::Log;
use crate::services::{self, Found};
use crate::shelf;

/// A group that is open here.
#[derive(Debug)]
pub struct Group {
    engine: Engine,
    /// Its services, also those that cannot run.
    pub found: Vec<Found>,
    /// What its engine was started with.
    pub settings: Settings,
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
            Self::Store(OpenRefused::InUse(_)) => messages::serve_store_in_use(group, path),
            Self::Store(_) | Self::Rows(_) | Self::Shelf(_) | Self::System(_) => {
                messages::serve_not_opened(group, path, self)
            }
        }
    }
}

/// A store that is claimed under the epoch of a hold: whoever is refused has changed nothing.
#[derive(Debug)]
pub struct Claimed(Sqlite);

impl Claimed {
    /// Claims the store of a volume.
    ///
    /// # Errors
    /// It is another's, or cannot be trusted.
    pub fn claim(around: &Around, hold: &Hold) -> Result<Self, NotOpened> {
        let claim = Claim {
            group: around.group.clone(),
            member: String::new(),
            epoch: hold.epoch,
            run: run()?,
            node: around.node.clone(),
            at: shelf::wall_ms(),
        };
        Ok(Self(Sqlite::open(&hold.store(), &claim)?))
    }
}

impl Group {
    /// Starts the services that are deployed on a volume whose store is claimed.
    ///
    /// # Errors
    /// What is deployed there cannot be read.
    pub fn open(
        Claimed(mut store): Claimed,
        (around, hold): (&Around, &Hold),
        (ward, log): (&Ward, &Log),
    ) -> Result<Self, NotOpened> {
        let shelf = shelf::open(&hold.volume, &mut store)?;
        let found = services::find(&mut store, &shelf)?;
        let made = services::make(&found, around, (ward, log));
        let (calls, closed) = (around.calls, made.closed.clone());
        let settings = Settings { calls, closed, ..Settings::alone(hold.epoch) };
        say(&found, &made.closed, log);
        let told = (log.clone(), around.clone(), hold.clone());
        let word = Box::new(move |fatal| end(&fatal, &told));
        let opened = Opened::sqlite(store)?;
        let engine = Engine::start(opened, made.services, settings.clone(), word)?;
        Ok(Self { engine, found, settings })
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
