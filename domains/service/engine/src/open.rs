//! How an engine is started, and what it ends with.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::{limits, sitting};
use tsugi_store::{
    Block, Checkpoints, Claim, Failover, Id, Op, OpenRefused, Outcome, Postgres, PostgresReader,
    Reader, Request, Seen, Sqlite, Store, Trouble,
};
use tsugi_vocabulary::{Epoch, Moment, Span};

use crate::calls::Calls;
use crate::clock;
use crate::core::{Core, Letter, Looks, Opens, Parallel, Session};
use crate::fatal::LastWord;
use crate::groups::OtherGroups;
use crate::inbox::Inbox;
use crate::inquirer;
use crate::service::Service;
use crate::watch::{Halt, Watch};

/// Reads what the store has, beside its writer.
pub trait Reads: Send {
    /// What is durable under an id, and of its client.
    ///
    /// # Errors
    /// It could not be read.
    fn seen(&mut self, id: &Id) -> Result<Seen, Trouble>;

    /// Calls of a service that are unknown ([`Store::unknown`]).
    ///
    /// # Errors
    /// It could not be read.
    fn unknown_of(&mut self, service: i64, most: i64) -> Result<Vec<Id>, Trouble>;

    /// What an unknown call asks ([`Store::asked`]).
    ///
    /// # Errors
    /// It could not be read.
    fn asked_of(&mut self, id: &Id) -> Result<Option<Request>, Trouble>;
}

impl Reads for Reader {
    fn seen(&mut self, id: &Id) -> Result<Seen, Trouble> {
        Self::seen(self, id)
    }

    fn unknown_of(&mut self, service: i64, most: i64) -> Result<Vec<Id>, Trouble> {
        self.unknown(service, most)
    }

    fn asked_of(&mut self, id: &Id) -> Result<Option<Request>, Trouble> {
        self.asked(id)
    }
}

/// A store that is open and claimed, as an engine needs it.
pub struct Opened {
    /// Its writer.
    pub store: Box<dyn Store + Send>,
    /// What works beside it.
    pub beside: Beside,
    /// What ends a statement of the writer, from another thread.
    pub halt: Halt,
}

/// What works on a store beside its writer.
pub struct Beside {
    /// What reads for the core.
    pub reads: Box<dyn Reads>,
    /// What opens readers for services that only read; without it they run as any other.
    pub opens: Option<Opens>,
    /// Its log, where somebody has to copy that into its file.
    pub log: Option<Log>,
}

impl Beside {
    /// A store on SQLite.
    ///
    /// # Errors
    /// Its file could not be opened again.
    pub fn of(store: &Sqlite) -> Result<Self, Trouble> {
        let readers = store.readers();
        let opens: Opens = Box::new(move || Ok(Box::new(readers.open()?)));
        let reads = Box::new(store.reader()?);
        Ok(Self { reads, opens: Some(opens), log: Some(Log::of(store)?) })
    }
}

/// The log of a store on a volume.
pub struct Log {
    /// How many pages it had after the last commit.
    pub logged: Arc<AtomicU64>,
    /// What copies it while the writer writes.
    pub beside: Checkpoints,
    /// What copies it while the writer does not.
    pub between: Checkpoints,
}

impl Log {
    /// That of a store on SQLite.
    ///
    /// # Errors
    /// Its file could not be opened again.
    pub fn of(store: &Sqlite) -> Result<Self, Trouble> {
        let (beside, between) = (store.checkpoints()?, store.checkpoints()?);
        Ok(Self { logged: store.logged(), beside, between })
    }
}

/// How a store is kept in order beside its calls.
#[derive(Clone, Copy, Debug)]
pub struct Upkeep {
    /// How long a reply is kept that nobody has confirmed. Whoever asks for it later is told that
    /// it has expired; of a key a tombstone stays.
    pub replies: Span,
    /// How long after a walk through all that is kept the next begins.
    pub every: Span,
    /// How many pages the log may grow by until it is copied.
    pub log: u64,
}

impl Default for Upkeep {
    fn default() -> Self {
        let hour = 3_600;
        Self { replies: Span::secs(7 * 24 * hour), every: Span::secs(hour), log: 2_048 }
    }
}

impl Opened {
    /// On SQLite.
    ///
    /// # Errors
    /// What reads beside the writer could not be opened.
    pub fn sqlite(store: Sqlite) -> Result<Self, Trouble> {
        let (beside, interrupt) = (Beside::of(&store)?, store.interrupt());
        Ok(Self { store: Box::new(store), beside, halt: Box::new(move || interrupt.now()) })
    }
}

impl Reads for Postgres {
    fn seen(&mut self, id: &Id) -> Result<Seen, Trouble> {
        Self::seen(self, id)
    }

    fn unknown_of(&mut self, service: i64, most: i64) -> Result<Vec<Id>, Trouble> {
        self.unknown(service, most)
    }

    fn asked_of(&mut self, id: &Id) -> Result<Option<Request>, Trouble> {
        self.asked(id)
    }
}

impl Session for Postgres {
    fn halt(&self) -> Halt {
        let cancel = self.canceller();
        Box::new(move || cancel.now())
    }

    fn failover(&mut self) -> Result<Failover, Trouble> {
        Self::failover(self)
    }
}

impl Looks for PostgresReader {
    fn view(&mut self, op: &Op) -> Result<Outcome, Trouble> {
        Self::view(self, op)
    }

    fn release(&mut self) -> Result<(), Trouble> {
        Self::release(self);
        Ok(())
    }

    fn halt(&self) -> Halt {
        let cancel = self.interrupt();
        Box::new(move || cancel.now())
    }
}

/// A store whose units of work stand beside each other, open and claimed: by its sessions.
pub struct Sessions {
    /// As many units of work as stand beside each other.
    pub units: Vec<Box<dyn Session>>,
    /// What reads beside them and writes what is small; at least one.
    pub clerks: Vec<Box<dyn Session>>,
    /// What looks whether the store is there.
    pub lookout: Box<dyn Session>,
    /// The services that operators have blocked, by their numbers.
    pub blocks: Vec<(i64, Block)>,
    /// What opens readers for services that only read; without it they run as any other.
    pub opens: Option<Opens>,
}

/// How many clerks an engine has.
const CLERKS: usize = 2;

impl Sessions {
    /// On PostgreSQL, with so many units of work beside each other; each session is up to two
    /// connections. It waits for the server, and not where tasks are driven: there it panics.
    ///
    /// # Errors
    /// It is not ours to write, the server cannot keep what a store promises, or sessions of an
    /// older run do not end.
    pub fn postgres(server: &str, claim: &Claim, units: usize) -> Result<Self, OpenRefused> {
        Self::beside(Postgres::open(server, claim)?, (server, claim), units)
    }

    /// Beside a first session that has claimed the store.
    ///
    /// # Errors
    /// As [`Sessions::postgres`].
    pub fn beside(
        mut first: Postgres,
        (server, claim): (&str, &Claim),
        units: usize,
    ) -> Result<Self, OpenRefused> {
        let another = || -> Result<Box<dyn Session>, OpenRefused> {
            Ok(Box::new(Postgres::another(server, claim)?))
        };
        let unread = |trouble: Trouble| OpenRefused::Failed {
            place: "tsugi_block".to_owned(),
            what: trouble.to_string(),
        };
        let blocks = first.blocks().map_err(unread)?;
        // All at once: each has its own connections to wait for.
        let all: Result<Vec<_>, OpenRefused> = std::thread::scope(|scope| {
            let opening: Vec<_> =
                (0..units.max(1) + CLERKS).map(|_| scope.spawn(another)).collect();
            let opened = opening.into_iter().map(|one| match one.join() {
                Ok(opened) => opened,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            opened.collect()
        });
        let mut units = all?;
        let clerks = units.split_off(units.len() - CLERKS);
        let (server, claim) = (server.to_owned(), claim.clone());
        let opens: Opens = Box::new(move || Ok(Box::new(PostgresReader::new(&server, &claim))));
        let lookout = Box::new(first);
        Ok(Self { units, clerks, lookout, blocks, opens: Some(opens) })
    }
}

/// What an engine is told beside its store and its services.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much it holds at once.
    pub calls: limits::Limits,
    /// How much one sitting takes, and how long.
    pub sitting: sitting::Limits,
    /// How its store is kept in order.
    pub upkeep: Upkeep,
    /// The epoch of the group: programs are told it.
    pub epoch: Epoch,
    /// Until when it may answer, in nanoseconds of the clock of leases. Whoever renews the lease
    /// raises it.
    pub last: Arc<AtomicU64>,
    /// Services that cannot run, and why: nothing is started for them until they are opened
    /// ([`Calls::set_open`]). What is stored of them is told.
    pub closed: BTreeMap<ServiceNumber, crate::Refused>,
    /// Services that name one that decides about their unknown calls: its name. It only reads, and
    /// is asked again after an interruption.
    pub resolvers: BTreeMap<ServiceNumber, Arc<str>>,
    /// The way to services of other groups, where there is one.
    pub groups: Option<Arc<dyn OtherGroups>>,
}

impl Settings {
    /// Those of an engine that may answer for ever: nobody else could have its store.
    #[must_use]
    pub fn alone(epoch: Epoch) -> Self {
        Self {
            calls: limits::Limits::default(),
            sitting: sitting::Limits::default(),
            upkeep: Upkeep::default(),
            epoch,
            last: Arc::new(AtomicU64::new(u64::MAX)),
            closed: BTreeMap::new(),
            resolvers: BTreeMap::new(),
            groups: None,
        }
    }

    pub(crate) fn last_moment(&self) -> Moment {
        Moment(self.last.load(Ordering::SeqCst))
    }
}

/// A running engine.
pub struct Engine {
    calls: Calls,
    /// Over the statements of its one writer, where it has one.
    watch: Option<Watch>,
    core: JoinHandle<()>,
    /// Who asks about unknown calls, where a service names somebody to ask.
    inquirer: Option<JoinHandle<()>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// Starts one on a store that is open and claimed. `last_word` is called where it cannot go on.
    ///
    /// # Errors
    /// No thread could be started, or what operators have blocked could not be read.
    pub fn start(
        opened: Opened,
        services: Vec<Service>,
        settings: Settings,
        last_word: LastWord,
    ) -> std::io::Result<Self> {
        let Opened { store, beside, halt } = opened;
        let watch = Watch::start(halt)?;
        let (calls, inbox) = front(&services);
        let resolvers = settings.resolvers.clone();
        let core = Core::new((store, watch.clone()), beside, services, settings, inbox)?;
        Self::with((calls, Some(watch)), resolvers, move || core.run(last_word))
    }

    /// Starts one on a store whose units of work stand beside each other.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn on_sessions(
        sessions: Sessions,
        services: Vec<Service>,
        settings: Settings,
        last_word: LastWord,
    ) -> std::io::Result<Self> {
        let (calls, inbox) = front(&services);
        let resolvers = settings.resolvers.clone();
        let core = Parallel::new(sessions, services, settings, inbox)?;
        Self::with((calls, None), resolvers, move || core.run(last_word))
    }

    fn with(
        (calls, watch): (Calls, Option<Watch>),
        resolvers: BTreeMap<ServiceNumber, Arc<str>>,
        core: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Self> {
        let inquirer = inquirer::start(&calls, resolvers)?;
        let thread = std::thread::Builder::new().name("calls".to_owned());
        Ok(Self { calls, watch, core: thread.spawn(core)?, inquirer })
    }

    /// What doors call.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// The group is going to another node: from here on nothing is taken, and who asks is told so.
    /// [`Engine::hand_over`] waits for the end of it; this grace counts then.
    pub fn begin_move(&self, grace: Span) {
        // A statement that runs on is no reason to be here for longer: the core hears no letter
        // while it waits for one.
        if let Some(watch) = &self.watch {
            watch.caps(clock::now() + grace);
        }
        drop(self.calls.inbox.put(Letter::Move(grace)));
    }

    /// The group is going to another node: takes no more calls, gives those that run so long, rolls
    /// back what has not ended by then, commits what has, and hands the store over. Returns when
    /// that is done: the store is closed, and nothing is told any more.
    pub fn hand_over(self, grace: Span) {
        self.begin_move(grace);
        // One that met the end of its process has said so by its last word.
        drop(self.core.join());
        // It has heard by now that nobody tells it anything any more.
        if let Some(inquirer) = self.inquirer {
            drop(inquirer.join());
        }
    }
}

/// What doors call of an engine with these services, and where its letters go.
fn front(services: &[Service]) -> (Calls, Arc<Inbox<Letter>>) {
    let inbox = Arc::new(Inbox::new());
    let known = services.iter().map(|service| {
        let known = (service.number, service.name.clone(), service.interface.clone());
        (service.name.to_string(), known)
    });
    let calls = Calls {
        inbox: inbox.clone(),
        services: Arc::new(known.collect::<BTreeMap<_, _>>()),
        callers: Arc::new(AtomicU64::new(1)),
        inquiries: Arc::default(),
    };
    (calls, inbox)
}
