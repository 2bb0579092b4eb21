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
    /// How often its agent has told its log each message since it started, by id.
    pub messages: BTreeMap<String, u64>,
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
