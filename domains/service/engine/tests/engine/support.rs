//! A store that can be watched, a program that can be held, and an engine on both.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::{JoinHandle, spawn_blocking};
use tsugi_service_engine::worker::thread::{Desk, Program, Threads, Undo};
use tsugi_service_engine::worker::{
    Answered, Begin, Ear, Gave, Heard, Link, Nursery, Said, Turn, Waits, Wants,
};
use tsugi_service_engine::{
    Answer, Asked, Beside, Calls, Engine, Fatal, Identity, Interface, LastWord, Opened, SameBytes,
    Service, Sessions, Settings, names,
};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::id::{CallId, Incarnation, Life, Serial};
use tsugi_service_rules::worker::life::Exit;
use tsugi_service_rules::worker::pool;
use tsugi_store::suite;
use tsugi_store::{
    Begun, Block, Call, Id, Key, Look, Nested, Op, OpenRefused, Portion, Purged, Reply, Request,
    Sqlite, Store, Stored, Trouble, Value,
};
use tsugi_vocabulary::{Epoch, Span};

use crate::server::{Database, Server};

/// Gates by name, open until one is shut.
#[derive(Default)]
pub struct Gates {
    shut: Mutex<BTreeMap<String, usize>>,
    moved: Condvar,
}

impl Gates {
    pub fn shut(&self, name: &str) {
        self.shut.lock().unwrap().insert(name.to_owned(), 0);
    }

    pub fn open(&self, name: &str) {
        self.shut.lock().unwrap().remove(name);
        self.moved.notify_all();
    }

    /// Passes the gate, or waits in front of it.
    pub fn pass(&self, name: &str) {
        let mut shut = self.shut.lock().unwrap();
        if let Some(waiting) = shut.get_mut(name) {
            *waiting += 1;
            self.moved.notify_all();
        }
        while shut.contains_key(name) {
            shut = self.moved.wait(shut).unwrap();
        }
    }

    /// Waits until so many stand in front of a gate that is shut.
    pub fn reached(&self, name: &str, many: usize) {
        let mut shut = self.shut.lock().unwrap();
        while shut.get(name).is_none_or(|waiting| *waiting < many) {
            shut = self.moved.wait(shut).unwrap();
        }
    }
}

/// What a store was asked for.
#[derive(Default)]
pub struct Counts {
    pub begins: AtomicUsize,
    pub commits: AtomicUsize,
    /// The commit of this number fails.
    pub failing: AtomicUsize,
    /// The commit of this number panics.
    pub panicking: AtomicUsize,
    /// No room is found by this many commits from then on.
    pub full: AtomicUsize,
    /// What it was asked for, in order.
    pub log: Mutex<Vec<&'static str>>,
}

/// Begins a call of the counter, beside whatever else its test does.
pub fn ask(calls: &Calls, serial: u64) -> JoinHandle<Answer> {
    let calls = calls.clone();
    tokio::spawn(async move { call(&calls, serial, "a").await })
}

/// Waits until so many stand in front of a gate that is shut.
pub async fn reached(stand: &Stand, gate: &'static str, many: usize) {
    let gates = stand.gates.clone();
    spawn_blocking(move || gates.reached(gate, many)).await.unwrap();
}

/// A store that is watched. Its commits pass the gate `commit`.
pub struct Watched {
    pub store: Sqlite,
    pub counts: Arc<Counts>,
    pub gates: Arc<Gates>,
}

impl Store for Watched {
    fn begin(&mut self, call: &Call) -> Result<Begun<'_>, Trouble> {
        self.counts.begins.fetch_add(1, Ordering::SeqCst);
        self.counts.log.lock().unwrap().push("begin");
        self.store.begin(call)
    }

    fn aside(&mut self) -> Result<Box<dyn Nested + '_>, Trouble> {
        self.store.aside()
    }

    fn commit(&mut self) -> Result<(), Trouble> {
        self.gates.pass("commit");
        let now = self.counts.commits.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(now != self.counts.panicking.load(Ordering::SeqCst), "told to panic");
        if now == self.counts.failing.load(Ordering::SeqCst) {
            return Err(Trouble::Broken("told to fail".to_owned()));
        }
        let full = |n: usize| n.checked_sub(1);
        if self.counts.full.fetch_update(Ordering::SeqCst, Ordering::SeqCst, full).is_ok() {
            return Err(Trouble::Full);
        }
        self.store.commit()
    }

    fn abandon(&mut self) -> Result<(), Trouble> {
        self.store.abandon()
    }

    fn find(&mut self, id: &Id) -> Result<Option<Stored>, Trouble> {
        self.store.find(id)
    }

    fn confirm(&mut self, id: &Id, at: i64) -> Result<bool, Trouble> {
        self.counts.log.lock().unwrap().push("confirm");
        self.gates.pass("confirm");
        self.store.confirm(id, at)
    }

    fn start(&mut self, call: &Call, request: &Request) -> Result<bool, Trouble> {
        self.store.start(call, request)
    }

    fn unknown(&mut self, service: i64, most: i64) -> Result<Vec<Id>, Trouble> {
        self.store.unknown(service, most)
    }

    fn asked(&mut self, id: &Id) -> Result<Option<Request>, Trouble> {
        self.store.asked(id)
    }

    fn interrupted(&mut self, id: &Id) -> Result<bool, Trouble> {
        self.store.interrupted(id)
    }

    fn resolve(&mut self, id: &Id, reply: Option<&Reply>) -> Result<bool, Trouble> {
        self.store.resolve(id, reply)
    }

    fn forget(&mut self, key: &Key) -> Result<bool, Trouble> {
        self.store.forget(key)
    }

    fn block(&mut self, service: i64, block: Option<&Block>) -> Result<bool, Trouble> {
        self.store.block(service, block)
    }

    fn blocks(&mut self) -> Result<Vec<(i64, Block)>, Trouble> {
        self.store.blocks()
    }

    fn purge(&mut self, portion: &Portion) -> Result<Purged, Trouble> {
        self.counts.log.lock().unwrap().push("purge");
        self.gates.pass("purge");
        self.store.purge(portion)
    }

    fn look(&mut self, look: &Look) -> Result<Option<Stored>, Trouble> {
        self.store.look(look)
    }
}

/// Counts: adds one and gives back what it is then. What the body says may hold it or end it.
#[derive(Default)]
pub struct Counter {
    pub gates: Arc<Gates>,
    pub runs: AtomicUsize,
    pub asked: AtomicUsize,
}

impl Program for Counter {
    fn run(&self, call: &Begin, desk: &mut Desk<'_>) -> Result<Said, Undo> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let body = String::from_utf8_lossy(call.given.first()).into_owned();
        self.gates.pass(if body == "hold at 3" { "late" } else { "begin" });
        self.asked.fetch_add(1, Ordering::SeqCst);
        let outcome = desk.run(suite::add(1))?.map_err(Undo::Failed)?;
        let Value::Integer(value) = outcome.rows[0][0] else { panic!("{outcome:?}") };
        match body.as_str() {
            "panic" => panic!("as it was told to"),
            "refuse" => return Err(Undo::Refused("no".to_owned())),
            "hold" | "hold at 3" if body == "hold" || value == 3 => {
                self.gates.pass("hold");
                desk.run(suite::add(0))?.map_err(Undo::Failed)?;
            }
            "endless" => {
                let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                    SELECT count(*) FROM n";
                desk.run(Op::sql(text, vec![]))?.map_err(Undo::Failed)?;
            }
            "mistake" => {
                let wrong = desk.run(Op::sql("SELECT nothing", vec![]))?;
                assert!(wrong.is_err(), "it means nothing");
            }
            _ => {}
        }
        Ok(Said { content_type: "text/plain".to_owned(), body: value.to_string().into() })
    }
}

/// Workers whose words the test says: and what they were told.
#[derive(Clone, Default)]
pub struct Puppets(Arc<(Mutex<Cast>, Condvar)>);

#[derive(Default)]
struct Cast {
    begun: Vec<(Ear, Begin)>,
}

/// One that does nothing by itself.
struct Puppet {
    all: Puppets,
    ear: Ear,
}

impl Puppets {
    /// What was begun first and not taken yet, by whom.
    pub fn begun(&self) -> (Ear, Begin) {
        let (cast, moved) = &*self.0;
        let mut cast = cast.lock().unwrap();
        while cast.begun.is_empty() {
            cast = moved.wait(cast).unwrap();
        }
        cast.begun.remove(0)
    }

    /// How many were begun and not taken.
    pub fn many(&self) -> usize {
        self.0.0.lock().unwrap().begun.len()
    }

    fn change(&self, change: impl FnOnce(&mut Cast)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }
}

impl Nursery for Puppets {
    fn bear(&mut self, ear: Ear) -> Result<Box<dyn Link>, String> {
        ear.hear(Heard::Hello(None));
        ear.hear(Heard::Ready);
        Ok(Box::new(Puppet { all: self.clone(), ear }))
    }
}

impl Link for Puppet {
    fn takes_ahead(&self, _: u64) -> bool {
        true
    }

    fn begin(&mut self, begin: &Begin) {
        self.all.change(|cast| cast.begun.push((self.ear.clone(), begin.clone())));
    }

    fn answer(&mut self, _: Turn, _: Vec<Answered>) {}

    fn leave(&mut self) {
        self.ear.hear(Heard::Ended(Exit::Code(0), String::new()));
    }

    fn kill(&mut self) {
        self.ear.hear(Heard::Ended(Exit::Signal(9), String::new()));
    }

    fn sweep(&mut self) {
        self.ear.hear(Heard::Swept);
    }

    fn descriptors<'a>(&'a self, _: &mut Vec<(BorrowedFd<'a>, Wants)>) {}

    fn hear(&mut self, _: &mut Vec<Heard>) {}
}

/// An operation that counts, in the call of this turn.
pub fn counts(begin: &Begin) -> Heard {
    let op = tsugi_service_engine::worker::Asked::Store(suite::add(1), Waits::Yes);
    Heard::Asked(begin.turn, vec![op].into())
}

/// The good end of a call.
pub fn done(begin: &Begin) -> Heard {
    let said = Said { content_type: "text/plain".to_owned(), body: b"done".to_vec() };
    Heard::Done(begin.turn, Vec::new().into(), Gave::Body(said))
}

/// An engine on a store of its own.
pub struct Stand {
    pub folder: TempDir,
    pub gates: Arc<Gates>,
    pub counts: Arc<Counts>,
    pub program: Arc<Counter>,
    pub interface: Arc<dyn Interface>,
    /// Where its store is, if not in the folder.
    pub database: Option<Database<'static>>,
    pub epoch: u64,
}

/// In a thread of its own: what waits for a server does not do so where tasks are driven.
pub fn apart<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(what).join().expect("it does not panic"))
}

/// One for all tests that do not harm it.
static SERVER: LazyLock<Server> = LazyLock::new(Server::new);

impl suite::Stand for Database<'_> {
    fn open(&mut self, claim: &tsugi_store::Claim) -> Result<Box<dyn Store>, OpenRefused> {
        Ok(Box::new(self.session(claim)?))
    }

    fn bytes(&self) -> &'static str {
        "BYTEA"
    }

    fn taken_over(&mut self, claim: &tsugi_store::Claim) {
        let (counter, run) = (claim.epoch.counter, claim.run);
        self.ask(&format!("UPDATE tsugi_epoch SET counter = {counter}, run = {run}"));
    }
}

pub const SERVICE: ServiceNumber = ServiceNumber(3);

/// One worker, none to spare, patient enough for a machine that is busy.
pub fn workers(start: usize) -> pool::Settings {
    let mut settings =
        pool::Settings { start, spare: 0, most: start + 2, ..pool::Settings::default() };
    settings.limits.call = Span::secs(30);
    settings
}

impl Stand {
    pub fn new() -> Self {
        Self::in_folder(TempDir::new_in("/dev/shm").expect("a folder in memory"))
    }

    /// A store on a server, with its number at 0.
    pub fn on_postgres() -> Self {
        Self::in_database(SERVER.database())
    }

    pub fn in_database(mut database: Database<'static>) -> Self {
        apart(|| drop(suite::founded(&mut database)));
        Self::of(TempDir::new().expect("a folder"), Some(database))
    }

    /// A store with its number at 0.
    pub fn in_folder(folder: TempDir) -> Self {
        struct Founded<'a>(&'a Path);
        impl suite::Stand for Founded<'_> {
            fn open(
                &mut self,
                claim: &tsugi_store::Claim,
            ) -> Result<Box<dyn Store>, tsugi_store::OpenRefused> {
                Ok(Box::new(Sqlite::open(self.0, claim)?))
            }
            fn bytes(&self) -> &'static str {
                "BLOB"
            }
            fn taken_over(&mut self, _: &tsugi_store::Claim) {}
        }
        drop(suite::founded(&mut Founded(folder.path())));
        Self::of(folder, None)
    }

    fn of(folder: TempDir, database: Option<Database<'static>>) -> Self {
        let gates = Arc::new(Gates::default());
        let program = Counter { gates: gates.clone(), ..Counter::default() };
        let (program, counts) = (Arc::new(program), Arc::default());
        let interface = Arc::new(SameBytes);
        Self { folder, gates, counts, program, interface, database, epoch: 10 }
    }

    pub fn runs(&self) -> usize {
        self.program.runs.load(Ordering::SeqCst)
    }

    /// The next engine on the store, with so many workers.
    pub fn engine(&mut self, start: usize) -> (Engine, Receiver<Fatal>) {
        let nursery = Box::new(Threads(self.program.clone()));
        self.engine_with(workers(start), nursery, |_| {})
    }

    pub fn engine_with(
        &mut self,
        workers: pool::Settings,
        nursery: Box<dyn Nursery>,
        change: impl FnOnce(&mut Settings),
    ) -> (Engine, Receiver<Fatal>) {
        self.epoch += 1;
        if let Some(database) = &self.database {
            let claim = suite::claim(self.epoch, 1);
            let address = database.address(database.server.folder.path());
            let sessions = apart(|| Sessions::postgres(&address, &claim, workers.start));
            let program = (workers, nursery, self.interface.clone());
            return in_parallel(sessions.expect("it opens"), self.epoch, program, change);
        }
        let store = opened(self.folder.path(), self.epoch);
        let (counts, gates) = (self.counts.clone(), self.gates.clone());
        let program = (workers, nursery, self.interface.clone());
        start(Watched { store, counts, gates }, self.epoch, program, change)
    }

    /// The next engine on the store, with one worker that counts, and further services.
    pub fn engine_beside(
        &mut self,
        more: Vec<Service>,
        change: impl FnOnce(&mut Settings),
    ) -> (Engine, Receiver<Fatal>) {
        self.epoch += 1;
        let nursery: Box<dyn Nursery> = Box::new(Threads(self.program.clone()));
        let program = (workers(1), nursery, self.interface.clone());
        if let Some(database) = &self.database {
            let claim = suite::claim(self.epoch, 1);
            let address = database.address(database.server.folder.path());
            let sessions = apart(|| Sessions::postgres(&address, &claim, 2)).expect("it opens");
            return in_parallel_beside(sessions, self.epoch, (program, more), change);
        }
        let store = opened(self.folder.path(), self.epoch);
        let (counts, gates) = (self.counts.clone(), self.gates.clone());
        start_beside(Watched { store, counts, gates }, self.epoch, (program, more), change)
    }

    /// What the number is in the store, past any engine.
    pub fn value(&self) -> i64 {
        if let Some(database) = &self.database {
            return database
                .ask("SELECT value FROM counter WHERE name = 'n'")
                .parse()
                .expect("a number");
        }
        let path = self.folder.path().join("store.db");
        let reader = rusqlite::Connection::open(path).expect("it opens");
        reader.query_row("SELECT value FROM counter", [], |row| row.get(0)).expect("it is there")
    }
}

/// A store. A process that another test has just forked may have its lock until it is another
/// program.
pub fn opened(folder: &Path, epoch: u64) -> Sqlite {
    loop {
        match Sqlite::open(folder, &suite::claim(epoch, 1)) {
            Err(OpenRefused::InUse(_)) => std::thread::yield_now(),
            opened => return opened.expect("it opens"),
        }
    }
}

/// What the service that counts is made of: its workers, who bears them, and what its callers say
/// and are told.
pub type Runs = (pool::Settings, Box<dyn Nursery>, Arc<dyn Interface>);

/// The service that counts.
fn counter(
    workers: pool::Settings,
    nursery: Box<dyn Nursery>,
    interface: Arc<dyn Interface>,
) -> Service {
    Service { number: SERVICE, name: "counter".into(), workers, interface, nursery }
}

/// An engine on a store that is open.
pub fn start(
    watched: Watched,
    epoch: u64,
    program: Runs,
    change: impl FnOnce(&mut Settings),
) -> (Engine, Receiver<Fatal>) {
    start_beside(watched, epoch, (program, Vec::new()), change)
}

/// An engine on a store that is open, with further services.
pub fn start_beside(
    watched: Watched,
    epoch: u64,
    (program, more): (Runs, Vec<Service>),
    change: impl FnOnce(&mut Settings),
) -> (Engine, Receiver<Fatal>) {
    let interrupt = watched.store.interrupt();
    let halt = Box::new(move || interrupt.now());
    let beside = Beside::of(&watched.store).expect("it opens");
    let opened = Opened { store: Box::new(watched), beside, halt };
    let (services, settings, word, last) = parts(epoch, (program, more), change);
    (Engine::start(opened, services, settings, word).expect("it starts"), last)
}

/// An engine with these services, on a store as it is opened.
pub fn start_opened(
    opened: Opened,
    epoch: u64,
    services: Vec<Service>,
) -> (Engine, Receiver<Fatal>) {
    let counter = Box::new(Threads(Arc::new(Counter::default())));
    let runs: Runs = (workers(1), counter, Arc::new(SameBytes));
    let (services, settings, word, last) = parts(epoch, (runs, services), |_| {});
    (Engine::start(opened, services, settings, word).expect("it starts"), last)
}

/// An engine on the sessions of a store.
pub fn in_parallel(
    sessions: Sessions,
    epoch: u64,
    runs: Runs,
    change: impl FnOnce(&mut Settings),
) -> (Engine, Receiver<Fatal>) {
    in_parallel_beside(sessions, epoch, (runs, Vec::new()), change)
}

/// An engine on the sessions of a store, with further services.
pub fn in_parallel_beside(
    sessions: Sessions,
    epoch: u64,
    (runs, more): (Runs, Vec<Service>),
    change: impl FnOnce(&mut Settings),
) -> (Engine, Receiver<Fatal>) {
    let (services, settings, word, last) = parts(epoch, (runs, more), change);
    (Engine::on_sessions(sessions, services, settings, word).expect("it starts"), last)
}

fn parts(
    epoch: u64,
    ((workers, nursery, interface), more): (Runs, Vec<Service>),
    change: impl FnOnce(&mut Settings),
) -> (Vec<Service>, Settings, LastWord, Receiver<Fatal>) {
    let mut services = vec![counter(workers, nursery, interface)];
    services.extend(more);
    let mut settings = Settings::alone(Epoch { incarnation: 1, counter: epoch });
    change(&mut settings);
    let (said, last) = channel();
    let word = Box::new(move |fatal| -> Infallible {
        eprintln!("last word: {fatal}");
        said.send(fatal).expect("the test waits for it");
        loop {
            std::thread::park();
        }
    });
    (services, settings, word, last)
}

pub fn life(incarnation: u64) -> Life {
    let client = names::client(&Identity("test".to_owned()), "caller");
    Life { client, incarnation: Incarnation(incarnation) }
}

pub fn id(serial: u64) -> CallId {
    CallId::Counted { life: life(1), serial: Serial::new(serial).unwrap() }
}

pub fn asked(id: CallId, lowest: u64, body: &str) -> Asked {
    Asked {
        id,
        lowest: Serial::new(lowest).unwrap(),
        service: "counter".to_owned(),
        order: None,
        body: body.as_bytes().into(),
        patience: Some(Duration::from_secs(20)),
    }
}

/// A client's call, by its serial.
pub async fn call(calls: &Calls, serial: u64, body: &str) -> Answer {
    calls.call(asked(id(serial), 1, body)).await
}

/// What a reply says.
pub fn text(answer: &Answer) -> String {
    match answer {
        Answer::Reply(reply) => String::from_utf8_lossy(&reply.body).into_owned(),
        other => panic!("{other:?}"),
    }
}
