//! A server of PostgreSQL as Debian has it, for one test.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::unistd::{User, geteuid};
use tempfile::TempDir;
use tsugi_store::{Claim, OpenRefused, Postgres};

const BIN: &str = "/usr/lib/postgresql/15/bin";
const USER: &str = "postgres";
const MEMORY: &str = "/dev/shm";

/// Runs a program and ends it, and all that it has in a folder, when its own input ends: with the
/// process that has started it, however that ends.
const KEPT: &str = r#"trap "" TERM INT HUP; folder="$1"; shift; exec 3<&0; "$@" </dev/null & pid=$!
    cat <&3 >/dev/null; kill -QUIT $pid; wait $pid; rm -rf "$folder""#;

pub struct Server {
    pub folder: TempDir,
    keeper: Child,
    databases: AtomicU32,
}

fn path(name: &str) -> String {
    let path = format!("{BIN}/{name}");
    assert!(Path::new(&path).exists(), "{path}: install postgresql-15");
    path
}

/// A program as the server's user: it refuses to be root.
fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    if geteuid().is_root() {
        let user = user();
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn user() -> User {
    User::from_name(USER).unwrap().expect("Debian's package makes it")
}

impl Server {
    pub fn new() -> Self {
        Self::on(|_| {})
    }

    /// One that follows another, and takes no writes.
    pub fn standby() -> Self {
        Self::on(|data| std::fs::write(data.join("standby.signal"), "").expect("it is written"))
    }

    fn on(change: impl FnOnce(&Path)) -> Self {
        // In memory: what is tried here are ends of processes, not of power.
        let folder = TempDir::new_in(MEMORY).or_else(|_| TempDir::new()).expect("a folder");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        if geteuid().is_root() {
            let user = user();
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        let data = folder.path().join("data");
        let mut initdb = program(&path("initdb"));
        initdb.args(["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust"]);
        initdb.args(["--username", USER, "--pgdata"]).arg(&data);
        let made = initdb.output().expect("it runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        change(&data);
        let keeper = started(folder.path());
        let server = Self { folder, keeper, databases: AtomicU32::new(0) };
        server.answers();
        server
    }

    /// Waits until it answers.
    pub fn answers(&self) {
        let server = self;
        let begun = Instant::now();
        while !server.psql("postgres", "SELECT 1").status.success() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the server answers");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn psql(&self, database: &str, text: &str) -> std::process::Output {
        let mut psql = Command::new(format!("{BIN}/psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", database]);
        psql.arg("-h").arg(self.folder.path()).args(["-c", text]).output().expect("it runs")
    }

    pub fn database(&self) -> Database<'_> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("d{number}");
        let made = self.psql("postgres", &format!("CREATE DATABASE {name}"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Database { server: self, name }
    }
}

/// Starts a server on what is in a folder.
fn started(folder: &Path) -> Child {
    let mut keeper = program("/bin/sh");
    keeper.args(["-c", KEPT, "sh"]).arg(folder).arg(path("postgres"));
    keeper.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    keeper.args(["-c", "listen_addresses=", "-c", "max_wal_size=64MB"]).stdin(Stdio::piped());
    keeper.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let ended = self.keeper.wait();
        assert!(std::thread::panicking() || ended.is_ok());
    }
}

pub struct Database<'a> {
    pub server: &'a Server,
    pub name: String,
}

impl Database<'_> {
    pub fn address(&self, folder: &Path) -> String {
        format!("host={} user={USER} dbname={}", folder.display(), self.name)
    }

    pub fn session(&self, claim: &Claim) -> Result<Postgres, OpenRefused> {
        Postgres::open(&self.address(self.server.folder.path()), claim)
    }

    pub fn another(&self, claim: &Claim) -> Postgres {
        let address = self.address(self.server.folder.path());
        Postgres::another(&address, claim).expect("it opens")
    }

    pub fn ask(&self, text: &str) -> String {
        let said = self.server.psql(&self.name, text);
        assert!(said.status.success(), "{text}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }
}
