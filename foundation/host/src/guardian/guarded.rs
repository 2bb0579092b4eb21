//! What is guarded, and what came of its release. All that the hands know of what agent and
//! guardian say to each other.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Epoch, GroupName, Moment, Span};

/// The most addresses of one group.
pub const ADDRESSES_MOST: usize = 8;
/// The most volumes of one group.
pub const VOLUMES_MOST: usize = 4;
/// The longest path of a volume in bytes.
pub const PATH_LONGEST: usize = 120;
/// The most groups that one guardian guards.
pub const GROUPS_MOST: usize = 512;

/// A group to guard, and what there is to take from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    /// The group; its processes are those that the hands started for it.
    pub group: GroupName,
    /// Its epoch.
    pub epoch: Epoch,
    /// When the release starts.
    pub deadline: Moment,
    /// How long the release may take before the fence does it (S of L3).
    pub allowed: Span,
    /// Its addresses, removed from whatever link has them.
    pub addresses: Vec<IpAddr>,
    /// Its volumes.
    pub volumes: Vec<Volume>,
}

/// A volume to take from a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Where it is mounted.
    pub dir: PathBuf,
    /// What is there.
    pub kind: VolumeKind,
}

/// What a volume is, as far as releasing it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeKind {
    /// A file system of its own: shut down, then unmounted.
    FileSystem,
    /// A directory: only the processes are killed and a binding is undone; the file system it
    /// is on belongs to others.
    Directory,
    /// What a resource agent has made, an address or a mount, wherever it is: nothing here takes
    /// it away, so the release of its group ends the machine.
    BeyondReach,
    /// A file system of its own on a disk that nothing keeps from this node once its lease is over.
    Open,
}

/// Whether a release left something behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Release {
    /// Nothing of the group is left here.
    Complete,
    /// Something is left and a fence was asked for.
    Incomplete,
}
