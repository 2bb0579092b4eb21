//! PostgreSQL as Debian has it, in a group: once by its resource agent, once by scripts.

use std::fmt::Write as _;
use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::User;

use super::served::Served;
use crate::Trouble;
use crate::host::{Host, data, disk};

/// Who starts and stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `ocf:heartbeat:pgsql`, unchanged.
    Agent,
    /// The scripts of the sample.
    Scripts,
}

const BIN: &str = "/usr/lib/postgresql/15/bin";
const USER: &str = "postgres";
/// The sample's scripts, where a node has them.
const SCRIPTS: &str = "/etc/tsugi/postgres";
const SAMPLE: [(&str, &str); 4] = [
    ("start", include_str!("../../../../samples/postgres/start")),
    ("stop", include_str!("../../../../samples/postgres/stop")),
    ("monitor", include_str!("../../../../samples/postgres/monitor")),
    ("pg_ctl-waits", include_str!("../../../../samples/postgres/pg_ctl-waits")),
];
/// Everything else is as PostgreSQL has it: above all, a commit waits for the disk. After a power
/// loss one call for the whole file system takes the place of one for each of a thousand files.
const SETTINGS: &str = "listen_addresses = '*'\nshared_buffers = 16MB\nmax_connections = 20\n\
    wal_level = minimal\nmax_wal_senders = 0\nmin_wal_size = 8MB\nmax_wal_size = 32MB\n\
    recovery_init_sync_method = syncfs\n";

/// Where the server of a group keeps its files.
fn files(served: &Served) -> String {
    format!("{}/data", data(served.volume()))
}

/// The resource of a group that is PostgreSQL. The agent keeps ten seconds of the stop's limit for
/// itself: with ten or less it ends the server at once, which has to recover then. It advises 60.
pub(super) fn resource(served: &Served, way: Way) -> String {
    let (group, port, files) = (served.group, served.port, files(served));
    let (volume, head) = (data(served.volume()), format!("[[group.{group}.resource]]"));
    match way {
        Way::Agent => format!(
            r#"
{head}
name = "program"
kind = "ocf"
agent = "ocf:heartbeat:pgsql"
after = ["volume"]
every = "1s"
limit = "5s"
stop_limit = "60s"

[group.{group}.resource.parameters]
pgctl = "{SCRIPTS}/pg_ctl-waits"
psql = "{BIN}/psql"
pgdata = "{files}"
pgport = "{port}"
socketdir = "{volume}"
start_opt = "-p {port} -k {volume}"
logfile = "{volume}/postgres.log"
"#
        ),
        Way::Scripts => format!(
            r#"
{head}
name = "program"
kind = "process"
after = ["volume"]
user = "{USER}"
start = ["{SCRIPTS}/start", "{files}", "{port}"]
stop = ["{SCRIPTS}/stop", "{files}"]
monitor = ["{SCRIPTS}/monitor", "{files}", "{port}"]
every = "1s"
limit = "1s"
"#
        ),
    }
}

/// Gives a host the scripts.
pub(super) fn install(host: &Host) -> Result<(), Trouble> {
    for (name, text) in SAMPLE {
        let path = format!("{SCRIPTS}/{name}");
        host.write(&path, text)?;
        std::fs::set_permissions(host.place(&path)?, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Puts a fresh database with one empty table on a volume.
///
/// # Errors
/// PostgreSQL is not installed, or the volume is too small.
pub fn fill(volume: &Path) -> Result<(), Trouble> {
    let user = User::from_name(USER).ok().flatten();
    let user = user.ok_or_else(|| Trouble::Missing("the user postgres".into()))?;
    chown(volume, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    std::fs::set_permissions(volume, Permissions::from_mode(0o700))?;
    let files = volume.join("data");
    let mut initdb = run("initdb");
    initdb.args(["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust"]);
    disk::output({
        initdb.args(["--wal-segsize=1", "--pgdata"]).arg(&files);
        initdb
    })?;
    add(&files.join("postgresql.conf"), SETTINGS)?;
    add(&files.join("pg_hba.conf"), "host all all 10.77.0.0/16 trust\n")?;
    let mut single = run("postgres");
    single.arg("--single").arg("-D").arg(&files).arg(USER);
    single.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut single = single.spawn()?;
    let mut input = single.stdin.take().expect("was asked for");
    writeln!(input, "{}", crate::rows::TABLE)?;
    drop(input);
    let done = single.wait()?;
    if done.success() { Ok(()) } else { Err(Trouble::Failed(format!("no table: {done}"))) }
}

/// A program of the server, run by its user.
fn run(program: &str) -> Command {
    let mut command = Command::new("runuser");
    command.current_dir("/").args(["-u", USER, "--"]).arg(format!("{BIN}/{program}"));
    command
}

fn add(file: &Path, text: &str) -> Result<(), Trouble> {
    let mut whole = String::new();
    writeln!(whole, "\n{}", text.trim_end()).expect("a string takes every text");
    Ok(OpenOptions::new().append(true).open(file)?.write_all(whole.as_bytes())?)
}
