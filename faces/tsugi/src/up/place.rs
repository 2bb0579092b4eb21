//! Where a trial cluster lives: one directory a user, one trial at a time.

use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

/// The nodes of a trial; the last only votes.
pub const NODES: [&str; 3] = ["node1", "node2", "witness"];
/// The group of a trial.
pub const GROUP: &str = "ESSRV01";
/// How often the lock is tried, and how long apart.
const GLANCES: u32 = 5;
const GLANCE: std::time::Duration = std::time::Duration::from_millis(20);
/// The port of agents and of the service; every trial has addresses of its own.
const PORT: u16 = 7400;
const SERVICE_PORT: u16 = 9003;

/// What is in it, and who may go there.
const FOLDERS: [(&str, u32); 5] = [
    ("nodes", 0o700),
    ("volume", 0o711),
    ("packages", 0o700),
    ("standby", 0o700),
    ("workers", 0o711),
];
/// Whose rights the programs of a trial have that root starts.
const NOBODY: &str = "nobody";

/// Where the group waits for what it is to run. Whoever reads a line there goes on: as long as the
/// gate is closed that waits.
const GATE: &str = "gate";

/// The gate while this process has it.
pub struct Gate {
    path: PathBuf,
    closed: fs::File,
}

impl Gate {
    /// Opens it for whoever waits and for all that come.
    pub fn open(&mut self) -> io::Result<()> {
        let beside = self.path.with_extension("open");
        fs::write(&beside, "\n")?;
        fs::rename(&beside, &self.path)?;
        // Those who have come to the closed one read a line there, more than there are nodes.
        self.closed.write_all(&[b'\n'; 64])
    }
}

/// A trial's directory, with its lock if this process runs the trial.
pub struct Place {
    dir: PathBuf,
    net: u8,
    _lock: Option<Flock<fs::File>>,
}

/// Why a trial cannot be started.
pub enum Taken {
    /// Another runs.
    By {
        /// Where.
        path: PathBuf,
        /// Its process.
        pid: String,
    },
    /// The system refused.
    System(io::Error),
}

impl From<io::Error> for Taken {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

fn directory() -> PathBuf {
    std::env::temp_dir().join(format!("tsugi-up-{}", geteuid()))
}

impl Place {
    /// Takes the directory for a new trial. What an earlier one left there is ended and removed.
    pub fn take() -> Result<Self, Taken> {
        let dir = directory();
        match fs::DirBuilder::new().mode(0o700).create(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error.into());
            }
            Ok(()) | Err(_) => {}
        }
        // Everybody may write where it lies; nobody else may have made it.
        if fs::symlink_metadata(&dir)?.uid() != geteuid().as_raw() {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied).into());
        }
        for tries_left in (0..GLANCES).rev() {
            let file = fs::OpenOptions::new().create(true).append(true).open(dir.join("lock"))?;
            if let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                return Ok(Self { dir, net: 0, _lock: Some(lock) });
            }
            // A command that looks whether a trial runs holds it for a moment.
            if tries_left > 0 {
                std::thread::sleep(GLANCE);
            }
        }
        let pid = fs::read_to_string(dir.join("pid")).unwrap_or_default();
        Err(Taken::By { path: dir, pid: pid.trim().to_owned() })
    }

    /// Makes the directory ready: a free corner of the loopback network, the nodes' directories.
    pub fn furnish(&mut self) -> io::Result<()> {
        for (name, mode) in FOLDERS {
            let path = self.dir.join(name);
            if path.exists() {
                fs::remove_dir_all(&path)?;
            }
            fs::DirBuilder::new().mode(mode).create(&path)?;
        }
        if geteuid().is_root() {
            // The workers' user goes through it to their program.
            fs::set_permissions(&self.dir, fs::Permissions::from_mode(0o711))?;
        }
        let first = u8::try_from(std::process::id() % 200 + 20).unwrap_or(20);
        let free = |net: &u8| {
            let of = |host| SocketAddr::from((Ipv4Addr::new(127, 77, *net, host), PORT));
            [1, 2, 3].iter().all(|host| TcpListener::bind(of(*host)).is_ok())
        };
        let net = (0..30_u8).map(|n| first.wrapping_add(n).max(20)).find(free);
        self.net = net.ok_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))?;
        for name in NODES {
            fs::create_dir_all(self.data_dir(name))?;
        }
        fs::write(self.dir.join("pid"), format!("{}\n", std::process::id()))?;
        fs::write(self.dir.join("net"), format!("{}\n", self.net))
    }

    /// Closes the gate.
    pub fn close(&self) -> io::Result<Gate> {
        let path = self.dir.join(GATE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR)?;
        // Whoever opens it to read would wait for a writer, and a writer for him.
        let closed = fs::OpenOptions::new().read(true).write(true).open(&path)?;
        Ok(Gate { path, closed })
    }

    /// The trial that runs now, if one does.
    pub fn running() -> Option<Self> {
        let dir = directory();
        let file = fs::OpenOptions::new().append(true).open(dir.join("lock")).ok()?;
        if Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
            return None;
        }
        let net = fs::read_to_string(dir.join("net")).ok()?.trim().parse().ok()?;
        Some(Self { dir, net, _lock: None })
    }

    /// The directory of all.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The nodes' names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        NODES.into_iter()
    }

    /// A node's run directory.
    pub fn run_dir(&self, node: &str) -> PathBuf {
        self.dir.join("nodes").join(node).join("run")
    }

    /// A node's data directory.
    pub fn data_dir(&self, node: &str) -> PathBuf {
        self.dir.join("nodes").join(node).join("data")
    }

    /// The directory that stands for the shared volume.
    pub fn volume(&self) -> PathBuf {
        self.dir.join("volume")
    }

    /// Where its packages are made.
    pub fn packages(&self) -> PathBuf {
        self.dir.join("packages")
    }

    /// Where the service is called.
    pub fn service(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::new(127, 77, self.net, 100), SERVICE_PORT))
    }

    /// Where a node's agent listens.
    pub fn address(&self, node: &str) -> SocketAddr {
        let host = NODES.iter().position(|n| *n == node).unwrap_or(0) + 1;
        let host = u8::try_from(host).unwrap_or(1);
        SocketAddr::from((Ipv4Addr::new(127, 77, self.net, host), PORT))
    }

    /// The configuration of the trial.
    pub fn config(&self, exe: &Path) -> String {
        let (volume, service) = (self.volume(), self.service());
        let user = if geteuid().is_root() { format!(" --user {NOBODY}") } else { String::new() };
        let address = |node| self.address(node).ip();
        format!(
            r#"# Two nodes and a witness on this machine, a group with address and volume,
# and the daemon of its calls, which stands by on every node and is handed the volume once its
# package is there.
[cluster]
name = "trial"

[node.node1]
address = ["{}"]

[node.node2]
address = ["{}"]

[witness]
address = ["{}"]

[group.{GROUP}]
prefer = ["node1", "node2"]

[[group.{GROUP}.resource]]
name = "volume"
kind = "volume"
mount = "{volume}"

[[group.{GROUP}.resource]]
name = "address"
kind = "address"
address = "{ip}/32"
after = ["volume"]

[[group.{GROUP}.resource]]
name = "service"
kind = "process"
start_limit = "120s"
run = ["/bin/sh", "-c", '''read -r line < "$1/gate"
exec "$0" serve activate --control "$1/standby/$TSUGI_NODE" --volume "$1/volume"
''', "{exe}", "{dir}"]
ready = "ready"
after = ["address"]

[group.standby]
mode = "parallel"

[[group.standby.resource]]
name = "daemon"
kind = "process"
run = ["/bin/sh", "-c", '''exec "$0" serve standby --listen-late --group {GROUP} \
  --listen {service} --control "$1/standby/$TSUGI_NODE" \
  --workers "$1/workers/$TSUGI_NODE"{user}''', "{exe}", "{dir}"]
ready = "ready"
"#,
            address("node1"),
            address("node2"),
            address("witness"),
            volume = volume.display(),
            ip = service.ip(),
            exe = exe.display(),
            dir = self.dir.display(),
        )
    }
}
