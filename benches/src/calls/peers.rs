//! What others do with the same work where they can run here: a key that is inserted once and a
//! number that is counted up, in one durable transaction.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;

use crate::Figure;

/// Where Debian puts the programs of PostgreSQL.
const BIN: &str = "/usr/lib/postgresql/15/bin";
const SPAN: Duration = Duration::from_secs(3);
/// How many numbers there are.
const KEYS: u32 = 10_000;

/// Every peer that is here, and what is measured on the server of one of them; of the others it is
/// said why they were not run.
pub fn run(on_server: impl FnOnce(&Server) -> Vec<Figure>) -> Vec<Figure> {
    println!("NATS JetStream, sync always: not run (needs a nats-server of 2.10 or later)");
    println!("Restate, DBOS: not run (not on this machine)");
    if !Path::new(BIN).join("pgbench").exists() {
        println!("PostgreSQL, and tsugi on it: not run (no {BIN}/pgbench)");
        return Vec::new();
    }
    let server = Server::start();
    let of = |name, clients, keys| server.measure(name, clients, keys);
    let mut figures = vec![
        of("PostgreSQL, own keys", 16, KEYS),
        of("PostgreSQL, own keys", 64, KEYS),
        of("PostgreSQL, one hot row", 64, 1),
    ];
    figures.extend(on_server(&server));
    figures
}

/// A server of its own, with the settings that come with it: each commit waits for the disk.
pub struct Server {
    folder: TempDir,
    process: Child,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("it is ours");
        if let Some(user) = user() {
            let whose = (Some(user.uid.as_raw()), Some(user.gid.as_raw()));
            chown(folder.path(), whose.0, whose.1).expect("root may");
        }
        let data = folder.path().join("data");
        let mut initdb = program("initdb");
        initdb.args(["--no-locale", "--encoding=UTF8", "--auth=trust", "--username=bench"]);
        run_to_its_end(initdb.arg("--pgdata").arg(&data));
        let mut postgres = program("postgres");
        postgres.arg("-D").arg(&data).arg("-k").arg(folder.path());
        postgres.args(["-c", "listen_addresses=", "-c", "max_connections=200"]);
        let process = postgres.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self { folder, process: process.expect("it starts") };
        let began = Instant::now();
        while !server.psql("select 1").output().expect("it runs").status.success() {
            assert!(began.elapsed() < Duration::from_secs(60), "the server answers");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    fn psql(&self, statement: &str) -> Command {
        let mut psql = program("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "bench", "-h"]);
        psql.arg(self.folder.path()).args(["-d", "postgres", "-c", statement]);
        psql
    }

    fn number(&self, query: &str) -> u64 {
        let said = run_to_its_end(&mut self.psql(query));
        said.trim().parse().expect("a number")
    }

    /// How the store reaches it.
    pub fn address(&self) -> String {
        format!("host={} user=bench dbname=postgres", self.folder.path().display())
    }

    /// A table of numbers that are 0, as the counter's library has it, and no others.
    pub fn make_counter(&self, keys: std::ops::RangeInclusive<u64>) {
        run_to_its_end(&mut self.psql(&format!(
            "drop table if exists counter; \
             create table counter (key text primary key, value bigint not null); \
             insert into counter select key::text, 0 from generate_series({}, {}) as key; \
             analyze counter",
            keys.start(),
            keys.end()
        )));
    }

    /// The sum of those numbers.
    pub fn counted(&self) -> u64 {
        self.number("select sum(value) from counter")
    }

    fn measure(&self, name: &str, clients: usize, keys: u32) -> Figure {
        run_to_its_end(&mut self.psql(&format!(
            "drop table if exists counter, seen; drop sequence if exists serials; \
             create table counter (key integer primary key, value integer not null); \
             create table seen (key bigint primary key); create sequence serials; \
             insert into counter select key, 0 from generate_series(1, {keys}) as key"
        )));
        let script = self.folder.path().join("script.sql");
        let text = format!(
            "\\set key random(1, {keys})\nbegin;\ninsert into seen values (nextval('serials'));\n\
             update counter set value = value + 1 where key = :key;\nend;\n"
        );
        fs::write(&script, text).expect("there is room");
        let logs = TempDir::new_in(self.folder.path()).expect("a folder");
        if let Some(user) = user() {
            chown(logs.path(), Some(user.uid.as_raw()), None).expect("root may");
        }
        let mut pgbench = program("pgbench");
        pgbench.args(["-n", "-M", "prepared", "-U", "bench", "-j", "2", "-h"]);
        pgbench.arg(self.folder.path()).arg("-f").arg(&script);
        pgbench.args(["-T", &SPAN.as_secs().to_string(), "-c", &clients.to_string(), "--log"]);
        pgbench.arg(format!("--log-prefix={}", logs.path().join("log").display()));
        run_to_its_end(pgbench.arg("postgres"));
        let times = times(logs.path());
        let done = times.len() as u64;
        assert_eq!(self.number("select sum(value) from counter"), done, "lost or doubled");
        assert_eq!(self.number("select count(*) from seen"), done, "keys lost or doubled");
        Figure::of(name, clients, times, SPAN)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).expect("a pid"));
        let asked = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGQUIT);
        let ended = self.process.wait();
        assert!(std::thread::panicking() || (asked.is_ok() && ended.is_ok()));
    }
}

/// Who runs the server, which refuses to be root's.
fn user() -> Option<User> {
    let named = || User::from_name("postgres").expect("users can be read");
    geteuid().is_root().then(|| named().expect("its package makes this user"))
}

fn program(name: &str) -> Command {
    let mut command = Command::new(PathBuf::from(BIN).join(name));
    if let Some(user) = user() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command.current_dir("/");
    command
}

fn run_to_its_end(command: &mut Command) -> String {
    let ended = command.output().expect("it runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

/// How long each transaction took: the third column of each line, in microseconds.
fn times(logs: &Path) -> Vec<Duration> {
    let files = fs::read_dir(logs).expect("it is ours").flatten();
    let texts: Vec<_> = files
        .map(|file| fs::read_to_string(file.path()).expect("it is a log of pgbench"))
        .collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    let time = |line: &str| line.split(' ').nth(2)?.parse().ok().map(Duration::from_micros);
    lines.map(|line| time(line).expect("a line of pgbench")).collect()
}
