//! What is looked at: the machine by its files, and what only the agent knows of its node.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use nix::unistd::{Group, User};
use tsugi_cluster_rules::record::{FenceFault, LinkState};
use tsugi_host::discipline::{Discipline, discipline};
use tsugi_vocabulary::{GroupName, NodeName, Wall};

/// A user of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// The name of that group, if it has one.
    pub group: Option<String>,
}

/// A machine, and the few things of it that are not files.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Below which its files are.
    pub root: PathBuf,
    /// The process whose limits programs inherit.
    pub hands: u32,
    /// Who a user is.
    pub user: fn(&Path, &str) -> io::Result<Option<Account>>,
    /// How many percent of the file system under a path are free.
    pub free: fn(&Path) -> io::Result<u64>,
    /// Whether something keeps the clock on time.
    pub discipline: fn(&Path) -> io::Result<Discipline>,
}

impl Machine {
    /// The one that this process runs on; its parent are the hands.
    #[must_use]
    pub fn here() -> Self {
        Self {
            root: PathBuf::from("/"),
            hands: nix::unistd::getppid().as_raw().cast_unsigned(),
            user: |_, name| account(name),
            free: |path| {
                let found = statvfs(path)?;
                Ok(found.blocks_available().saturating_mul(100) / found.blocks().max(1))
            },
            discipline: |_| discipline(),
        }
    }

    /// Where a path of the machine is.
    pub(super) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

fn account(name: &str) -> io::Result<Option<Account>> {
    let Some(user) = User::from_name(name)? else { return Ok(None) };
    let group = Group::from_gid(user.gid)?.map(|group| group.name);
    Ok(Some(Account { uid: user.uid.as_raw(), gid: user.gid.as_raw(), group }))
}

/// How the fence device of another node answers from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// It answered well, not long ago.
    Well,
    /// It did not, or not lately.
    Untested,
    /// It fails what is asked of it.
    Fails(FenceFault),
}

/// What an agent knows of its node.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its name.
    pub me: NodeName,
    /// The time on its wall.
    pub at: Wall,
    /// Its network interfaces.
    pub links: BTreeMap<String, LinkState>,
    /// The fence devices of the other nodes.
    pub devices: BTreeMap<NodeName, Device>,
    /// The fingerprint of the authority that its certificate is from.
    pub authority: String,
    /// When its certificate ends.
    pub certificate_until: Option<Wall>,
    /// What stops it when it cannot let go of a group.
    pub self_fence: String,
    /// The version of this program.
    pub version: String,
    /// Where it keeps what must survive.
    pub data: PathBuf,
    /// Where the private folders of runs are.
    pub runs: PathBuf,
    /// The groups that it owns.
    pub owns: BTreeSet<GroupName>,
}
