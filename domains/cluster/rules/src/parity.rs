//! Whether a node could take each group now, and what differs from another node: pure. What is
//! there is looked up elsewhere, by the names that are made here.
//!
//! An item is written as `kind:name`, the same on every node: `file:/opt/pay/start`, `user:pay`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{GroupName, NodeName, Wall};

use crate::ocf::AgentName;
use crate::record::FenceFault;
use crate::unit::UnitName;

mod items;
mod listener;
mod verdict;

pub use items::items;
pub use listener::outside;
pub use verdict::{Answered, Could, Verdict, could, new_ones, verdicts};

/// A file system with less free than this many percent is short.
pub const LEAST_FREE: u64 = 5;

/// A certificate that ends within so many days is too short to count on.
pub const LEAST_DAYS: u64 = 7;

/// Clocks that are further apart than so many milliseconds are not the same.
pub const MOST_APART_MS: u64 = 1_000;

/// What stands for the directory in which a node keeps what must survive.
pub const DATA: &str = "tsugi-data";
/// What stands for the directory in which the private folders of runs are.
pub const RUNS: &str = "tsugi-runs";

/// Something that a group needs on a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A program that is run: there, executable for who runs it, the same everywhere.
    Program {
        /// Its path.
        path: String,
        /// The user it runs as, if one is named.
        user: Option<String>,
    },
    /// A file that a program is given by name.
    File(String),
    /// A resource agent.
    Agent(AgentName),
    /// The fence agent of another node.
    Fence(String),
    /// The file of the password of a fence device.
    Secret(String),
    /// A user that a program runs as.
    User(String),
    /// A block device or an image.
    Device(String),
    /// A directory that every node reaches.
    Shared(String),
    /// Where a volume of the group is mounted.
    Mount {
        /// The directory.
        path: String,
        /// What is mounted there.
        device: String,
    },
    /// Room on the file system under it; [`DATA`] and [`RUNS`] stand for the node's own places.
    Space(String),
    /// A network interface.
    Link(String),
    /// A limit of the programs.
    Limit(String),
    /// A program that checks or mends a file system.
    Tool(String),
    /// A package, where the system has a list of them that can be read.
    Package(String),
    /// A unit of systemd that a program is given by name.
    Unit(String),
    /// A unit of systemd that is a resource, and so is started by nobody else.
    OwnUnit(UnitName),
    /// The fence device of this other node, as it answers from here.
    Reach(NodeName),
    /// The authority that the node's certificate is from.
    Authority,
    /// The node's certificate.
    Certificate,
    /// Whether something keeps the clock on time.
    Clock,
    /// What programs are held together by: cgroups of version 2.
    Cgroups,
    /// The kernel.
    Kernel,
    /// What stops the node when it cannot let go of a group.
    SelfFence,
    /// The version of this program, and for which processor it was made.
    Version,
    /// The rules of the time zone.
    Zone,
    /// Whether programs of the group may run there, as this command says.
    Entitlement(Vec<String>),
}

impl Item {
    /// Its name, the same on every node.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Program { path, user: None } => format!("program:{path}"),
            Self::Program { path, user: Some(user) } => format!("program:{path} ({user})"),
            Self::File(path) => format!("file:{path}"),
            Self::Agent(agent) => format!("agent:{agent}"),
            Self::Fence(agent) => format!("fence:{agent}"),
            Self::Secret(path) => format!("secret:{path}"),
            Self::User(name) => format!("user:{name}"),
            Self::Device(path) => format!("device:{path}"),
            Self::Shared(path) => format!("shared:{path}"),
            Self::Mount { path, .. } => format!("mount:{path}"),
            Self::Space(path) => format!("space:{path}"),
            Self::Link(name) => format!("link:{name}"),
            Self::Limit(name) => format!("limit:{name}"),
            Self::Tool(path) => format!("tool:{path}"),
            Self::Package(name) => format!("package:{name}"),
            Self::Unit(name) => format!("unit:{name}"),
            Self::OwnUnit(name) => format!("own-unit:{name}"),
            Self::Reach(node) => format!("fence-device:{node}"),
            Self::Authority => "certificate:authority".to_owned(),
            Self::Certificate => "certificate:node".to_owned(),
            Self::Clock => "clock:synchronised".to_owned(),
            Self::Cgroups => "kernel:cgroup2".to_owned(),
            Self::Kernel => "kernel:release".to_owned(),
            Self::SelfFence => "self-fence:node".to_owned(),
            Self::Version => "version:tsugi".to_owned(),
            Self::Zone => "zone:localtime".to_owned(),
            Self::Entitlement(run) => format!("entitlement:{}", run.join(" ")),
        }
    }

    /// Whether a group cannot do without it; what is only compared may be missing everywhere.
    #[must_use]
    pub const fn is_needed(&self) -> bool {
        match self {
            Self::Program { .. }
            | Self::Agent(_)
            | Self::Fence(_)
            | Self::Secret(_)
            | Self::User(_)
            | Self::Device(_)
            | Self::Shared(_)
            | Self::Mount { .. }
            | Self::Space(_)
            | Self::Link(_)
            | Self::Reach(_)
            | Self::OwnUnit(_)
            | Self::Entitlement(_)
            | Self::Certificate => true,
            Self::File(_)
            | Self::Limit(_)
            | Self::Tool(_)
            | Self::Package(_)
            | Self::Unit(_)
            | Self::Authority
            | Self::Clock
            | Self::Cgroups
            | Self::Kernel
            | Self::SelfFence
            | Self::Version
            | Self::Zone => false,
        }
    }
}

/// How an item is on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Fact {
    /// It is not there.
    Missing,
    /// It is there and cannot be executed.
    NotExecutable,
    /// It could not be looked at.
    Unreadable {
        /// Why.
        why: String,
    },
    /// It is there; the mark is the same wherever it is the same.
    There {
        /// A hash, a number, a version.
        mark: String,
    },
    /// Room.
    Free {
        /// In percent.
        percent: u64,
    },
    /// A directory that something would be mounted over.
    NotEmpty,
    /// What only its owner mounts is mounted at this place, though the group does not run here.
    InUse {
        /// Where.
        at: String,
    },
    /// A link without a carrier, or set down.
    NoCarrier,
    /// A device that has not answered well from here, or not lately.
    Untested,
    /// A device that fails what is asked of it from here.
    Fails {
        /// How.
        fault: FenceFault,
    },
    /// Something that ends.
    Lasts {
        /// In so many days.
        days: u64,
    },
    /// A unit that nobody may start.
    Masked,
    /// A unit that systemd starts by itself, as when the machine starts.
    Enabled {
        /// By this link.
        by: String,
    },
    /// A unit of the group that runs, though the group does not run here.
    Active,
    /// What is asked whether programs may run there says that they may not.
    NotEntitled {
        /// How it said so.
        why: String,
    },
}

/// What one node has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The node.
    pub node: NodeName,
    /// The hash of the configuration that it was made for.
    pub config: String,
    /// The names of the items that each group needs.
    pub groups: BTreeMap<GroupName, BTreeSet<String>>,
    /// How each is there.
    pub facts: BTreeMap<String, Fact>,
    /// Those that no group can do without.
    pub needed: BTreeSet<String>,
    /// The node's time on the wall when it had looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Wall>,
}

/// Why a node could not take a group, or could take it only otherwise than another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The group.
    pub group: GroupName,
    /// The item.
    pub item: String,
    /// What is wrong with it.
    pub what: Wrong,
}

/// What is wrong with an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// It is not there.
    Missing,
    /// It cannot be executed.
    NotExecutable,
    /// It could not be looked at.
    Unreadable(String),
    /// There is too little room: so many percent are free.
    Full(u64),
    /// Something lies where a volume is mounted.
    NotEmpty,
    /// The volume is mounted at this place, though the group does not run there.
    InUse(String),
    /// The link does not carry.
    NoCarrier,
    /// The fence device has not answered well from there, or not lately.
    Untested,
    /// The fence device fails what is asked of it from there.
    Fails(FenceFault),
    /// The certificate ends in so many days.
    Ends(u64),
    /// The unit is masked.
    Masked,
    /// Systemd starts the unit by itself, by this link.
    Enabled(String),
    /// The unit runs there, though the group does not.
    Active,
    /// Its programs may not run there.
    NotEntitled(String),
    /// Its clock is so many milliseconds ahead of the clock that it was compared with, or behind.
    Apart(i64),
    /// It is otherwise on another node.
    Differs {
        /// How it is here.
        here: String,
        /// How it is there.
        there: String,
    },
    /// A program is told to listen there, or asked there, and the address does not come with the
    /// group.
    NotOfGroup,
    /// This node may run the group too, and has not said how it is there.
    NotCompared(NodeName),
    /// The node has looked for another configuration.
    OtherConfig,
    /// The node could not be asked.
    NotAsked(String),
}
