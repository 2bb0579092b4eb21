//! What may be asked of the hands, and what they answer: a closed list of twelve requests.
//!
//! The agent decides; the hands, the one privileged process of a node, carry out exactly these
//! requests and nothing else. All of it is data, so that the simulator answers the same.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Epoch, GroupName, ResourceName, Span};

pub use crate::failure::Failure;
pub use crate::guardian::guarded::Release;
pub use crate::process::ProgramId;

/// Ties an answer to its request; chosen by the one who asks, rising.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct RequestId(pub u64);

/// By what right a request brings something of a group to life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Right {
    /// Under a lease. Refused unless the guardian is armed for exactly this epoch and its
    /// deadline lies ahead, before *and* after the act; undone if it passed in between. So an
    /// agent that was frozen between deciding and asking brings nothing to life.
    Lease {
        /// The group.
        group: GroupName,
        /// The epoch that the guardian must be armed for.
        epoch: Epoch,
    },
    /// Without a lease: a check on a standby node, a clean-up, a group whose pause pins it.
    Free {
        /// The group.
        group: GroupName,
        /// The epoch it is told as; [`Epoch::NONE`] if it has none.
        epoch: Epoch,
    },
}

impl Right {
    /// The group.
    #[must_use]
    pub fn group(&self) -> &GroupName {
        match self {
            Self::Lease { group, .. } | Self::Free { group, .. } => group,
        }
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Lease { epoch, .. } | Self::Free { epoch, .. } => *epoch,
        }
    }
}

/// One request; its place here is its number in a message.
///
/// Each is answered once by a [`Report::Answer`] of the same id, in any order: a slow one never
/// stands before a fast one. Only at one place (an address, a mount point, the processes of a
/// group) there is an order: what brings up waits for all that was asked before it, and what takes
/// down waits for what is being brought up and takes back what waits to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Add an address to a link, without the kernel's duplicate detection; verified afterwards.
    /// An address that is already there is `Done`.
    AddAddress {
        /// By what right.
        right: Right,
        /// The link's name.
        link: String,
        /// The address.
        address: IpAddr,
        /// The length of its network prefix.
        prefix: u8,
    },
    /// Remove an address from every link of this node that has it; verified afterwards. One that
    /// is nowhere is `Done`.
    RemoveAddress {
        /// The address.
        address: IpAddr,
    },
    /// Ask the network once (ARP probe, neighbour solicitation) whether someone has the address.
    Probe {
        /// The link to ask on.
        link: String,
        /// The address.
        address: IpAddr,
        /// How long to listen for an answer; at most [`PROBE_LONGEST`].
        wait: Span,
    },
    /// Tell the network once (gratuitous ARP, unsolicited neighbour advertisement) that the
    /// address is here. When to repeat it: [`crate::address::raise::ANNOUNCE_AFTER`].
    Announce {
        /// The link that has the address.
        link: String,
        /// The address.
        address: IpAddr,
    },
    /// Mount a volume.
    Mount {
        /// By what right.
        right: Right,
        /// What to mount.
        source: Source,
        /// Where; made if it is not there.
        dir: PathBuf,
    },
    /// Unmount a volume; verified. One that is not mounted is `Unmounted`.
    Unmount {
        /// Where it is mounted.
        dir: PathBuf,
        /// Gently or at once.
        how: Unmounting,
    },
    /// Start a program or a script.
    Spawn(Program),
    /// Send a signal.
    Signal {
        /// To whom.
        target: Target,
        /// Its number.
        signal: i32,
    },
    /// Kill every process of a group, whatever it did to hide, and verify that none is left.
    KillGroup {
        /// The group.
        group: GroupName,
    },
    /// What runs, is mounted and is held here. What is just coming up or going down is not here:
    /// neither a program that was told to end, nor a place at which another request acts or waits.
    List,
    /// Reset this machine (or what stands for it, see [`crate::fence::Fence`]). No answer.
    Reset {
        /// Why, for the kernel's log.
        reason: String,
    },
    /// From now on push [`Event`]s to this connection, first those nobody has seen yet.
    Watch,
}

/// The longest that one conflict probe may listen.
pub const PROBE_LONGEST: Span = Span::millis(10);

/// What a volume is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A directory that is always there. If it is not the place where it is wanted, it is bound
    /// there. It fences nothing by itself.
    Directory(PathBuf),
    /// A file with an ext4 or xfs file system, through a loop device with direct I/O; what turns
    /// out to be a block device is mounted as one.
    Image(PathBuf),
    /// A block device with an ext4 or xfs file system.
    Device(PathBuf),
}

/// How a volume is unmounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unmounting {
    /// Processes that still use it are killed, data are written out, the unmount is verified.
    /// Unbounded: the disk may be slow.
    Orderly,
    /// The file system is shut down without flushing its log, then unmounted: bounded, and what
    /// was not fsynced is gone.
    Emergency,
    /// As `Orderly`, but nobody is killed: what is in use stays mounted, and its users are told.
    Gentle,
}

/// Whom a signal goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// Every process of the group.
    Group(GroupName),
    /// One program and its process group.
    Program(ProgramId),
}

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Purpose {
    /// It is the service: it runs until it is stopped, and its end is an event.
    Service,
    /// A start script; what it leaves running in the background belongs to the group.
    Start,
    /// A stop script; what it leaves running is killed when it ends.
    Stop,
    /// A monitor script; what it leaves running is killed when it ends.
    Monitor,
}

/// A program to start. Its environment is built from empty and its arguments arrive byte for
/// byte; no shell reads them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// By what right, and of which group.
    pub right: Right,
    /// The resource it belongs to.
    pub name: ResourceName,
    /// What it is for.
    pub purpose: Purpose,
    /// Its arguments; the first is the program.
    pub argv: Vec<String>,
    /// Its whole environment. `TSUGI_GROUP` and `TSUGI_EPOCH` are added to it.
    pub env: Vec<(String, String)>,
    /// Where it starts; `/` if nowhere else.
    pub dir: Option<PathBuf>,
    /// User and group id; those of the hands if none.
    pub user: Option<(u32, u32)>,
    /// What it may use.
    pub limits: Limits,
    /// Where its output goes.
    pub output: Output,
    /// After this time it and all it started is killed.
    pub time_limit: Option<Span>,
}

/// What a program may use; `None` is what the hands may use themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Open files.
    pub open_files: Option<u64>,
    /// Address space in bytes.
    pub memory_bytes: Option<u64>,
    /// Processes and threads of its user.
    pub processes: Option<u64>,
    /// Bytes of a core file.
    pub core_bytes: Option<u64>,
}

/// Where the output of a program goes. It never fills the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Nowhere.
    Discard,
    /// The last bytes are kept and come with [`Ended`].
    Tail {
        /// How many bytes to keep; at most [`TAIL_LONGEST`].
        keep: u32,
    },
    /// To a file, which is renamed to `NAME.1` when it has reached its limit.
    File {
        /// The file.
        path: PathBuf,
        /// How many bytes it may have.
        limit: u64,
    },
    /// Into a pipe of this name. So the hands are asked by the agent's end of their socket, which
    /// reads the pipe and does the rest of this list itself.
    Pipe {
        /// The pipe.
        path: PathBuf,
        /// What becomes of what is written into it; the hands only keep it for the next agent.
        then: Box<Output>,
    },
    /// To the one and to the other, neither of which is itself this.
    Both(Box<Output>, Box<Output>),
}

/// The longest tail of output that is kept.
pub const TAIL_LONGEST: u32 = 16 * 1024;

/// What comes from the hands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The answer to a request.
    Answer {
        /// Which request.
        id: RequestId,
        /// What became of it.
        outcome: Result<Answer, Failure>,
    },
    /// Something happened.
    Event(Event),
}

/// A request was carried out, and this was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is so.
    Done,
    /// What a probe heard.
    Probed {
        /// The link-layer address of another machine that has the address.
        conflict: Option<[u8; 6]>,
    },
    /// The program runs.
    Spawned(ProgramId),
    /// The volume is mounted.
    Mounted {
        /// The block device, if there is one.
        device: Option<PathBuf>,
    },
    /// The volume is not mounted any more.
    Unmounted {
        /// The processes that had to be killed for it.
        killed: Vec<u32>,
    },
    /// No process of the group is left.
    Killed {
        /// How many there were.
        count: u32,
    },
    /// What is here.
    Listing(Listing),
}

/// What the hands have at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The programs they started that still run.
    pub programs: Vec<Running>,
    /// Where the output of those goes that write into a pipe.
    pub outputs: Vec<(ProgramId, Output)>,
    /// Every process of each group that has any, known by name or not.
    pub processes: Vec<(GroupName, Vec<u32>)>,
    /// Where the volumes they mounted are.
    pub mounts: Vec<PathBuf>,
    /// Every address of this node with the name of its link.
    pub addresses: Vec<(String, IpAddr)>,
    /// What the hands can do here.
    pub powers: Powers,
}

/// What the hands can do on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Powers {
    /// Whether they may add addresses and mount.
    pub rank: Rank,
    /// How a group is killed.
    pub kill: KillBy,
    /// What a reset does.
    pub fence: crate::fence::able::Capability,
}

/// Whether the hands are privileged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rank {
    /// They run as root.
    Privileged,
    /// They run as a user: programs only.
    #[default]
    Ordinary,
}

/// How a group is killed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KillBy {
    /// By `cgroup.kill`: nothing hides from it.
    Cgroup,
    /// By process group and descent.
    #[default]
    Descent,
}

/// A program that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Which process.
    pub id: ProgramId,
    /// Its group.
    pub group: GroupName,
    /// The epoch it was started under.
    pub epoch: Epoch,
    /// Its resource.
    pub name: ResourceName,
    /// What it is for.
    pub purpose: Purpose,
}

/// Something happened that nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A program ended.
    Ended(Ended),
    /// The guardian died. Every group that was armed has been released by the hands.
    GuardianLost {
        /// The groups with their epochs, and whether nothing of them is left.
        released: Vec<(GroupName, Epoch, Release)>,
    },
    /// A guardian is there (again) with nothing armed.
    GuardianReady,
    /// A program's log cannot be written; the program goes on. Told once a minute at most.
    LogLost(Failure),
    /// The node is to stop: everything should be handed over in an orderly way.
    Stopping,
}

/// The end of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// What it was.
    pub program: Running,
    /// How it ended.
    pub how: HowEnded,
    /// Whether its time limit ended it.
    pub limit: TimeLimit,
    /// The last of its output, if that was wanted.
    pub tail: Vec<u8>,
    /// How many bytes of output before the tail were dropped.
    pub dropped: u64,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HowEnded {
    /// By itself with this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
}

/// Whether a program ended within its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeLimit {
    /// It did, or had none.
    Kept,
    /// It was killed for it.
    Exceeded,
}
