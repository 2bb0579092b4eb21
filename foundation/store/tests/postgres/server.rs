//! A server of PostgreSQL as Debian has it, for one test.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;
use tsugi_store::{Claim, OpenRefused, Postgres};

const BIN: &str = "/usr/lib/postgresql/15/bin";
const USER: &str = "postgres";

pub struct Server {
    pub folder: TempDir,
    process: Child,
    databases: AtomicU32,
}

/// A program of the server. It refuses to be root.
fn program(name: &str) -> Command {
    let path = format!("{BIN}/{name}");
    assert!(Path::new(&path).exists(), "{path}: install postgresql-15");
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
        let folder = TempDir::new().expect("a folder");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        if geteuid().is_root() {
            let user = user();
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        let data = folder.path().join("data");
        let mut initdb = program("initdb");
        initdb.args(["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust"]);
        initdb.args(["--username", USER, "--pgdata"]).arg(&data);
        let made = initdb.output().expect("it runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut postgres = program("postgres");
        postgres.arg("-D").arg(&data).arg("-k").arg(folder.path());
        postgres.args(["-c", "listen_addresses="]).stdout(Stdio::null()).stderr(Stdio::null());
        let process = postgres.spawn().expect("it starts");
        let server = Self { folder, process, databases: AtomicU32::new(0) };
        let begun = Instant::now();
        while !server.psql("postgres", "SELECT 1").status.success() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the server answers");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
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

impl Drop for Server {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).expect("a pid"));
        let asked = kill(pid, Signal::SIGQUIT);
        let ended = self.process.wait();
        assert!(std::thread::panicking() || (asked.is_ok() && ended.is_ok()));
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
