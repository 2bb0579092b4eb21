//! The engine in a process of its own, with its door and a worker that holds a shared library; and
//! what its store says in the end.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use tsugi_door::{Deployed, Door, Open, Order, Settings as OfDoor};
use tsugi_frames::{Hash, Service as Named};
use tsugi_host::enclosed::User;
use tsugi_service_engine::worker::pipe::{Package, Processes, Ward};
use tsugi_service_engine::{Engine, Opened, SameBytes, Service, Settings};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::worker::pool;
use tsugi_store::{Claim, Sqlite};
use tsugi_vocabulary::{Epoch, Span};
use tsugi_worker::{Environment, Spawn};

/// The name under which this program is the engine.
pub const ENGINE: &str = "calls-engine";
/// And its worker.
pub const WORKER: &str = "calls-worker";
/// How many numbers one client counts in one life.
pub const KEYS_EACH: u64 = 1_000;
/// The number that all count.
pub const HOT: u64 = 0;
/// How many clients and lives have numbers.
const CLIENTS: u64 = 64;
const LIVES: u64 = 2;
/// Whose rights the worker has where this is run by root.
const NOBODY: u32 = 61_236;

/// The number that this call of a client counts.
pub const fn key(life: u64, client: usize, serial: u64) -> u64 {
    ((life - 1) * CLIENTS + client as u64) * KEYS_EACH + serial % KEYS_EACH + 1
}

/// A folder on the disk with a store in which all numbers are 0, and the library.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mode = fs::Permissions::from_mode(0o711);
    fs::set_permissions(folder.path(), mode).expect("it is ours");
    drop(opened(folder.path(), 1));
    let mut store = connect(folder.path());
    let made = store.execute_batch(
        "create table counter (key text primary key, value integer not null) without rowid, strict",
    );
    made.expect("the statement is right");
    let filled = store.transaction().expect("the disk works");
    {
        let mut insert = filled.prepare("insert into counter values (?1, 0)").expect("it is right");
        for key in HOT..=LIVES * CLIENTS * KEYS_EACH {
            insert.execute([key.to_string()]).expect("each key once");
        }
    }
    filled.commit().expect("the disk works");
    compile(folder.path());
    folder
}

fn connect(folder: &Path) -> Connection {
    Connection::open(folder.join("store.db")).expect("the directory is ours")
}

/// The sum of all numbers is what was answered: none was lost and none counted twice.
pub fn check(folder: &Path, answered: u64) {
    let sum: i64 = connect(folder)
        .query_row("select sum(value) from counter", [], |row| row.get(0))
        .expect("it is there");
    assert_eq!(u64::try_from(sum), Ok(answered), "calls were lost or doubled");
}

fn compile(folder: &Path) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let done = Command::new("cc")
        .args(["-std=gnu99", "-O2", "-fPIC", "-shared", "-I"])
        .arg(here.join("../programs/program/include"))
        .arg("-o")
        .arg(folder.join("counter.so"))
        .arg(here.join("src/calls/counter.c"))
        .output()
        .expect("a compiler of C");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn epoch(counter: u64) -> Epoch {
    Epoch { incarnation: 1, counter }
}

fn opened(folder: &Path, counter: u64) -> Sqlite {
    let claim = Claim {
        group: "bench".parse().expect("a name"),
        member: String::new(),
        epoch: epoch(counter),
        run: 1,
        node: "here".parse().expect("a name"),
        at: 0,
    };
    Sqlite::open(folder, &claim).expect("it opens")
}

/// The engine as it runs.
pub struct Running {
    process: Child,
    at: SocketAddr,
}

impl Running {
    /// Starts it; it listens when this returns.
    pub fn start(folder: &Path) -> Self {
        let this = std::env::current_exe().expect("a program has a path");
        let mut command = Command::new(this);
        command.arg(ENGINE).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it starts");
        let out = process.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("it tells its address");
        let at = line.trim().parse().expect("it tells its address");
        Self { process, at }
    }

    pub const fn address(&self) -> SocketAddr {
        self.at
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// How many megabytes of it are in memory.
    pub fn resident_mb(&self) -> f64 {
        let status = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(status).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.expect("Linux tells it") / 1024.0
    }

    /// Ends it in order.
    pub fn end(mut self) {
        drop(self.process.stdin.take());
        let ended = self.process.wait().expect("it was started here");
        assert!(ended.success(), "the engine ended with {ended}");
    }
}

/// What this program does as the engine: serves until nobody holds its standard input.
pub fn serve(mut words: impl Iterator<Item = String>) -> ExitCode {
    let folder = words.next().expect("a folder");
    let folder = Path::new(&folder);
    let settings = Settings::alone(epoch(2));
    let opened = Opened::sqlite(opened(folder, 2)).expect("it opens");
    let word = Box::new(|fatal| {
        eprintln!("the engine ends: {fatal}");
        std::process::exit(1)
    });
    let engine = Engine::start(opened, vec![service(folder)], settings.clone(), word);
    let engine = engine.expect("it starts");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let door = Door::open(listener, &OfDoor::on_loopback("here".parse().expect("a name")));
    let door = door.expect("it opens");
    door.sign().open(Open::new(engine.calls(), &settings, vec![deployed()]));
    println!("{}", door.address());
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).expect("it is read to its end");
    door.close(Duration::from_secs(1));
    engine.hand_over(Span::secs(5));
    ExitCode::SUCCESS
}

fn deployed() -> Deployed {
    Deployed {
        name: "counter".to_owned(),
        summary: String::new(),
        body: serde_json::json!({ "type": "integer" }),
        reply: serde_json::json!({ "type": "integer" }),
        order: Order::None,
    }
}

fn service(folder: &Path) -> Service {
    let ward = Ward::claim(&format!("bench-{}", std::process::id()), folder.join("workers"));
    let mut workers = pool::Settings { recycle: 0, ..pool::Settings::default() };
    workers.limits.call = Span::secs(30);
    Service {
        number: ServiceNumber(1),
        name: "counter".into(),
        workers,
        interface: Arc::new(SameBytes),
        nursery: Box::new(Processes::new(ward.expect("a place"), package(folder))),
    }
}

fn package(folder: &Path) -> Package {
    let this = std::env::current_exe().expect("a program has a path");
    let worker = vec![this.to_string_lossy().into_owned(), WORKER.to_owned()];
    let root = nix::unistd::geteuid().is_root();
    let user = if root { User::Other { uid: NOBODY, gid: NOBODY } } else { User::Same };
    let environment = Environment {
        group: "bench".to_owned(),
        node: "here".to_owned(),
        time_zone: "UTC".to_owned(),
        locale: "C.UTF-8".to_owned(),
        code_page: "utf-8".to_owned(),
    };
    let spawn = Spawn::library(worker, &folder.join("counter.so"), user, environment);
    let counter = Named {
        index: 0,
        name: "counter".into(),
        module: "".into(),
        entry: "counter".into(),
        parameters: vec![0],
        layout: Hash([0; 32]),
    };
    Package { services: vec![counter], ..Package::new(spawn, "application/json") }
}
