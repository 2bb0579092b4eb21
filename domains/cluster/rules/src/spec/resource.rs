//! What a group is made of: its resources, and how each is asked whether it is well.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{ResourceName, Span};

use crate::monitors::{MonitorId, NotifyMethod, OnFailure, one_or_many};
use crate::ocf::{AgentName, Undo};
use crate::reservation::Reservation;
use crate::unit::UnitName;
use crate::volume::Retries;

/// One resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceSpec {
    /// Its name, unique in the group.
    pub name: ResourceName,
    /// What it is.
    pub kind: ResourceKind,
    /// The resources of the group that must be up before it starts.
    pub after: BTreeSet<ResourceName>,
    /// How long its start may take.
    pub start_limit: Span,
    /// How long its orderly stop may take before it is killed.
    pub stop_limit: Span,
}

/// The kinds of resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ResourceKind {
    /// A floating address.
    Address {
        /// The address.
        address: IpAddr,
        /// The length of its network's prefix in bits.
        prefix: u8,
        /// The interfaces it may stand on, best first; empty for a loopback address that a
        /// program holds by exclusive bind.
        links: Vec<String>,
    },
    /// A volume.
    Volume {
        /// What is mounted.
        source: VolumeSource,
        /// Where.
        mount: String,
        /// When its file system is checked before it is mounted.
        #[serde(default, skip_serializing_if = "VolumeCheck::is_usual")]
        check: VolumeCheck,
        /// How often it is tried again.
        #[serde(default, skip_serializing_if = "Retries::is_usual")]
        retries: Retries,
        /// The resource of DRBD that its source is the device of: made primary before the mount,
        /// and secondary after the release.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drbd: Option<String>,
        /// How its storage refuses the writes of a node that it was taken from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reservation: Option<Reservation>,
    },
    /// A program.
    Process {
        /// A supervised program, or scripts.
        how: ProcessHow,
        /// Variables added to its environment.
        environment: BTreeMap<String, String>,
        /// The user it runs as; none is the user that the node gives to programs.
        user: Option<String>,
        /// How its health is asked: it is well if all of them say so.
        #[serde(default, rename = "monitor", with = "one_or_many")]
        monitors: Vec<Monitor>,
        /// What takes away what a failure has left: absolute path and arguments. It is run before
        /// a start that follows a failure or an end that nobody saw, and after a stop for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cleanup: Option<Vec<String>>,
    },
    /// What a resource agent starts, stops and looks after.
    Ocf {
        /// The agent.
        agent: AgentName,
        /// What it is told: `OCF_RESKEY_` and the name.
        parameters: BTreeMap<String, String>,
        /// What takes away what it has made, where the agent is not asked.
        undo: Undo,
        /// How closely its monitor looks: 0, 10 or 20.
        level: u32,
        /// When its monitor is asked.
        monitor: Rhythm,
    },
    /// What systemd starts and stops, and whose processes are systemd's.
    Unit {
        /// The service unit.
        unit: UnitName,
        /// When systemd is asked how it is.
        monitor: Rhythm,
    },
}

/// When something is asked, and when its word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rhythm {
    /// How often.
    pub every: Span,
    /// How long one run may take; longer is a failure.
    pub limit: Span,
    /// How many failures in a row are a failure of the resource.
    pub failures: u32,
    /// How long after the start the first one is due; none waits for `every`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
}

/// What a volume is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeSource {
    /// A directory that every node reaches, as on a network file system: nothing is mounted.
    Directory,
    /// A block device or an image file with ext4 or xfs, mounted by its owner only.
    Block(String),
}

/// When an ext4 is checked with `e2fsck -p`, which mends what can be mended without a person;
/// anything else fails the start. An xfs checks itself when it is mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeCheck {
    /// Never.
    Never,
    /// When it could not be mounted because it is damaged; then it is mounted once more.
    #[default]
    Failed,
    /// Before every mount.
    Always,
}

impl VolumeCheck {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// How a program is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcessHow {
    /// Run and supervised by the node: its death is seen at once.
    Program {
        /// Absolute path and arguments.
        run: Vec<String>,
        /// A line that it prints when it serves; none means that being started is being ready.
        ready: Option<String>,
    },
    /// Started and stopped by scripts that end; watched by a monitor only.
    Scripts {
        /// Absolute path and arguments of the start script.
        start: Vec<String>,
        /// Absolute path and arguments of the stop script.
        stop: Vec<String>,
        /// A command that ends with 0 if it runs already: then the start script is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        running: Option<Vec<String>>,
        /// What becomes of the start script when a node has come back.
        #[serde(default, skip_serializing_if = "OnRecover::is_skip")]
        on_recover: OnRecover,
        /// What starts it again where it is, in place of a stop and a start: absolute path and
        /// arguments. What comes after it stays up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restart: Option<Vec<String>>,
    },
}

/// What becomes of a start script on a node that was lost and has come back, while its group runs
/// elsewhere (CL-06).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnRecover {
    /// It is not run: the guard that scripts spell in two ways, one of which never guards.
    #[default]
    Skip,
    /// It is run with the event RECOVER.
    Run,
}

impl OnRecover {
    fn is_skip(&self) -> bool {
        *self == Self::Skip
    }
}

impl ResourceKind {
    /// How its storage refuses whoever does not own it.
    #[must_use]
    pub const fn reservation(&self) -> Option<Reservation> {
        match self {
            Self::Volume { reservation, .. } => *reservation,
            Self::Address { .. } | Self::Process { .. } | Self::Ocf { .. } | Self::Unit { .. } => {
                None
            }
        }
    }

    /// Whether it is a volume that more than one node can write: its storage refuses nobody.
    #[must_use]
    pub const fn is_open_volume(&self) -> bool {
        matches!(self, Self::Volume { source: VolumeSource::Block(_), reservation: None, .. })
    }

    /// What becomes of its start script when a node has come back.
    #[must_use]
    pub const fn on_recover(&self) -> OnRecover {
        match self {
            Self::Process { how: ProcessHow::Scripts { on_recover, .. }, .. } => *on_recover,
            Self::Process { how: ProcessHow::Program { .. }, .. }
            | Self::Address { .. }
            | Self::Volume { .. }
            | Self::Ocf { .. }
            | Self::Unit { .. } => OnRecover::Skip,
        }
    }
}

/// What says whether a resource is well, how often it is asked and when its word counts (PH-04).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// Its name, unique in its resource; the only one may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ResourceName>,
    /// What is asked.
    #[serde(flatten)]
    pub check: Check,
    /// How often.
    pub every: Span,
    /// How long one run may take; longer is a failure.
    pub limit: Span,
    /// How many failures in a row are a failure of the resource.
    pub failures: u32,
    /// How long after the start the first one is due; none waits for `every`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// What its failure leads to.
    #[serde(default, skip_serializing_if = "OnFailure::is_fallover")]
    pub action: OnFailure,
    /// What is run at each of its failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<NotifyMethod>,
}

/// What a monitor asks. All but a command are `tsugi monitor …`, run as a process of its own like
/// a command: one that hangs is ended at the limit and hangs nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Absolute path and arguments; exit code 0 is health.
    Run(Vec<String>),
    /// A connection is accepted at `host:port`.
    Tcp(String),
    /// `http://host…` answers with a status of 200 to 399.
    Http(String),
    /// The host answers an echo request.
    Ping(IpAddr),
    /// The interface carries frames.
    Link(String),
    /// A device or file can be read past the cache; a directory takes a file that is synced.
    Disk(String),
}

impl Monitor {
    /// One without a name that is asked this every so often, and whose first no is a failure.
    #[must_use]
    pub const fn new(check: Check, every: Span) -> Self {
        let (limit, action) = (every, OnFailure::Fallover);
        Self { name: None, check, every, limit, failures: 1, delay: None, action, notify: None }
    }

    /// When it is asked, and when its word counts.
    #[must_use]
    pub const fn rhythm(&self) -> Rhythm {
        let Self { every, limit, failures, delay, .. } = *self;
        Rhythm { every, limit, failures, delay }
    }
}

impl ResourceSpec {
    /// Its monitors. What a resource agent or systemd looks after has one, without a name.
    #[must_use]
    pub fn monitors(&self) -> Vec<MonitorId> {
        let id = |name: &Option<ResourceName>| MonitorId::new(self.name.clone(), name.clone());
        match &self.kind {
            ResourceKind::Process { monitors, .. } => {
                monitors.iter().map(|m| id(&m.name)).collect()
            }
            ResourceKind::Ocf { .. } | ResourceKind::Unit { .. } => vec![id(&None)],
            ResourceKind::Address { .. } | ResourceKind::Volume { .. } => Vec::new(),
        }
    }

    /// The monitor of this name.
    #[must_use]
    pub fn monitor(&self, name: Option<&ResourceName>) -> Option<&Monitor> {
        match &self.kind {
            ResourceKind::Process { monitors, .. } => {
                monitors.iter().find(|m| m.name.as_ref() == name)
            }
            ResourceKind::Ocf { .. }
            | ResourceKind::Unit { .. }
            | ResourceKind::Address { .. }
            | ResourceKind::Volume { .. } => None,
        }
    }

    /// What starts it again where it is, in place of a stop and a start.
    #[must_use]
    pub fn restart(&self) -> Option<&[String]> {
        match &self.kind {
            ResourceKind::Process { how: ProcessHow::Scripts { restart, .. }, .. } => {
                restart.as_deref()
            }
            ResourceKind::Process { how: ProcessHow::Program { .. }, .. }
            | ResourceKind::Ocf { .. }
            | ResourceKind::Unit { .. }
            | ResourceKind::Address { .. }
            | ResourceKind::Volume { .. } => None,
        }
    }
}
