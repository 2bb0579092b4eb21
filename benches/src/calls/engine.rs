//! The engine in a process of its own, with its door and workers; and what its store says in the
//! end.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use tsugi_door::{Door, Open, Settings as OfDoor};
use tsugi_service_engine::{Engine, Opened, Sessions, Settings, Upkeep};
use tsugi_store::{Claim, Sqlite};
use tsugi_vocabulary::{Epoch, Span};

use super::programs::{self, Program};

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
const LIVES: u64 = 3;
/// The word of an engine that walks through all that is kept without a rest.
const PURGING: &str = "purging";

/// The number that this call of a client counts.
pub const fn key(life: u64, client: usize, serial: u64) -> u64 {
    ((life - 1) * CLIENTS + client as u64) * KEYS_EACH + serial % KEYS_EACH + 1
}

/// All numbers that are counted.
pub const fn keys() -> std::ops::RangeInclusive<u64> {
    HOT..=LIVES * CLIENTS * KEYS_EACH
}

/// What an engine is started with.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Where its programs are, and its store where it is on SQLite.
    pub folder: &'a Path,
    pub program: Program,
    pub upkeep: Upkept,
    /// The server of its store, and how many calls it carries out at once; else it is on SQLite.
    pub server: Option<(&'a str, usize)>,
}

/// Whether what is too old is taken away meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkept {
    /// By the settings that come with it.
    Seldom,
    /// A walk begins as soon as the last has ended.
    Always,
}

/// A folder on the disk with a store in which all numbers are 0, and its program.
pub fn folder(program: Program) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let_in(folder.path());
    let mut store = opened(folder.path());
    if program == Program::Cobol {
        programs::make_file(&mut store);
    }
    drop(store);
    let mut store = connect(folder.path());
    let made = store.execute_batch(
        "create table counter (key text primary key, value integer not null) without rowid, strict",
    );
    made.expect("the statement is right");
    let filled = store.transaction().expect("the disk works");
    {
        let mut insert = filled.prepare("insert into counter values (?1, 0)").expect("it is right");
        for key in keys() {
            insert.execute([key.to_string()]).expect("each key once");
        }
    }
    filled.commit().expect("the disk works");
    program.make(folder.path());
    folder
}

/// Workers have another user.
pub fn let_in(folder: &Path) {
    let mode = fs::Permissions::from_mode(0o711);
    fs::set_permissions(folder, mode).expect("it is ours");
}

fn connect(folder: &Path) -> Connection {
    Connection::open(folder.join("store.db")).expect("the directory is ours")
}

/// What was counted is what was answered: nothing was lost and nothing counted twice.
pub fn check(folder: &Path, program: Program, answered: u64) {
    let counted = match program {
        Program::Library => {
            let sum: i64 = connect(folder)
                .query_row("select sum(value) from counter", [], |row| row.get(0))
                .expect("it is there");
            u64::try_from(sum).expect("they count up")
        }
        Program::Cobol => programs::counted_in_file(&mut opened(folder)),
    };
    assert_eq!(counted, answered, "calls were lost or doubled");
}

const EPOCH: Epoch = Epoch { incarnation: 1, counter: 1 };

/// The claim of all engines here: one after the other, never two at once.
pub fn claim() -> Claim {
    Claim {
        group: "bench".parse().expect("a name"),
        member: String::new(),
        epoch: EPOCH,
        run: 1,
        node: "here".parse().expect("a name"),
        at: 0,
    }
}

pub fn opened(folder: &Path) -> Sqlite {
    Sqlite::open(folder, &claim()).expect("it opens")
}

/// The engine as it runs.
pub struct Running {
    process: Child,
    at: SocketAddr,
}

impl Running {
    /// Starts it; it listens when this returns.
    pub fn start(plan: &Plan<'_>) -> Self {
        let this = std::env::current_exe().expect("a program has a path");
        let mut command = Command::new(this);
        let upkeep = if plan.upkeep == Upkept::Always { PURGING } else { "" };
        command.arg(ENGINE).arg(plan.folder).args([plan.program.word(), upkeep]);
        if let Some((server, workers)) = plan.server {
            command.args([server, &workers.to_string()]);
        }
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
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

    /// Kills it.
    pub fn kill(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it was started here");
    }
}

/// What this program does as the engine: serves until nobody holds its standard input.
pub fn serve(mut words: impl Iterator<Item = String>) -> ExitCode {
    let folder = words.next().expect("a folder");
    let folder = Path::new(&folder);
    let program = Program::of(&words.next().expect("a program"));
    let mut settings = Settings::alone(EPOCH);
    if words.next().as_deref() == Some(PURGING) {
        settings.upkeep = Upkeep { every: Span::millis(1), ..Upkeep::default() };
    }
    let word = Box::new(|fatal| {
        eprintln!("the engine ends: {fatal}");
        std::process::exit(1)
    });
    let engine = if let (Some(server), Some(workers)) = (words.next(), words.next()) {
        let workers = workers.parse().expect("a number");
        let sessions = Sessions::postgres(&server, &claim(), workers).expect("it opens");
        let services = vec![program.service(folder, workers)];
        Engine::on_sessions(sessions, services, settings.clone(), word)
    } else {
        let opened = Opened::sqlite(opened(folder)).expect("it opens");
        Engine::start(opened, vec![program.service(folder, 1)], settings.clone(), word)
    };
    let engine = engine.expect("it starts");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let door = Door::open(listener, &OfDoor::on_loopback("here".parse().expect("a name")));
    let door = door.expect("it opens");
    door.sign().open(Open::new(engine.calls(), &settings, vec![program.deployed()]));
    println!("{}", door.address());
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).expect("it is read to its end");
    door.close(Duration::from_secs(1));
    engine.hand_over(Span::secs(5));
    ExitCode::SUCCESS
}
