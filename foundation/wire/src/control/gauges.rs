//! What only monitoring systems read of a node: times and counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Utc;

/// The times and counts of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauges {
    /// When its certificate ends.
    pub certificate_until: Option<Utc>,
    /// The fence devices of the other nodes, as they answer it.
    pub fence_tests: Vec<FenceTest>,
    /// What its last round found to differ; none before the first.
    pub differences: Vec<Differences>,
    /// How long ago each node was heard by it, over each network.
    pub heard: Vec<HeardOver>,
    /// How long ago the other of two nodes was seen to write on the disk that they share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_disk: Option<SeenOnDisk>,
    /// The mirrored volumes of the groups that it may run, as they stand on it.
    #[serde(default)]
    pub mirrors: Vec<MirrorState>,
    /// How often its agent has told its log each message since it started, by id.
    pub messages: BTreeMap<String, u64>,
}

/// How a volume that DRBD mirrors stands on a node, in DRBD's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorState {
    /// The group.
    pub group: String,
    /// DRBD's name of it.
    pub name: String,
    /// `Connected`, `WFConnection`, …; `Unconfigured` where it is not up.
    pub connection: String,
    /// `Primary` or `Secondary`; `Unknown` where it is not up.
    pub role: String,
    /// `UpToDate`, `Inconsistent`, …; `DUnknown` where it is not up.
    pub disk: String,
    /// The same of the other side.
    pub peer_disk: String,
    /// How much of it the two sides do not have alike, in bytes; none where it is not up.
    pub out_of_sync: Option<u64>,
}

/// The last test of a fence device that ended well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceTest {
    /// Whose device it is.
    pub node: String,
    /// When; none if no test has.
    pub at: Option<Utc>,
}

/// By how much a node differs from what a group needs there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differences {
    /// The group.
    pub group: String,
    /// The node.
    pub node: String,
    /// How many things speak against it.
    pub count: u64,
}

/// When a node was seen to write on a shared disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenOnDisk {
    /// The node.
    pub node: String,
    /// How long ago, in microseconds.
    pub ago_us: u64,
}

/// When a node was heard over one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardOver {
    /// The node.
    pub node: String,
    /// The network, by its place in the list of addresses, from 0.
    pub network: u64,
    /// How long ago, in microseconds.
    pub ago_us: u64,
}
