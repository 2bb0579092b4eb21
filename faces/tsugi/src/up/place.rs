//! Where a trial cluster lives: one directory a user, one trial at a time.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// The nodes of a trial; the last only votes.
pub const NODES: [&str; 3] = ["node1", "node2", "witness"];
/// The group of a trial.
pub const GROUP: &str = "COUNTER";
/// How often the lock is tried, and how long apart.
const GLANCES: u32 = 5;
const GLANCE: std::time::Duration = std::time::Duration::from_millis(20);
/// The port of agents and of the counter; every trial has addresses of its own.
const PORT: u16 = 7400;
const SERVICE_PORT: u16 = 9003;

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
    std::env::temp_dir().join(format!("tsugi-up-{}", nix::unistd::geteuid()))
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
        if fs::symlink_metadata(&dir)?.uid() != nix::unistd::geteuid().as_raw() {
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
        for name in ["nodes", "volume"] {
            let path = self.dir.join(name);
            if path.exists() {
                fs::remove_dir_all(&path)?;
            }
            fs::create_dir(&path)?;
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

    /// Where the counter is called.
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
        let address = |node| self.address(node).ip();
        format!(
            r#"# Two nodes and a witness on this machine, and a group that counts.
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
name = "counter"
kind = "process"
run = ["{exe}", "sample", "counter", "--listen", "{service}", "--volume", "{volume}", "--create",
  "--patience", "30"]
ready = "ready"
after = ["address"]
"#,
            address("node1"),
            address("node2"),
            address("witness"),
            volume = volume.display(),
            ip = service.ip(),
            exe = exe.display(),
        )
    }
}
