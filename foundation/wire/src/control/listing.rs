//! Everything that a status is about, one row each, in the status words of the former product.

use serde::{Deserialize, Serialize};

/// A status word, as runbooks and screens of the former product have it (its reference guide, REST
/// API and `clpstat`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusWord {
    /// All is well.
    Normal,
    /// Service goes on, and somebody should look.
    Caution,
    /// It is not as it should be.
    Error,
    /// Left alone by somebody's order.
    Suspend,
    /// It is not meant to be there.
    Unused,
    /// Up.
    Online,
    /// Not up, and not meant to be.
    Offline,
    /// Coming up.
    OnlinePending,
    /// Going down.
    OfflinePending,
    /// It failed while it was coming up or was up.
    OnlineFailure,
    /// It failed while it was going down: something may be left.
    OfflineFailure,
    /// Nobody knows; also what a later version says.
    #[default]
    #[serde(other)]
    Unknown,
}

impl StatusWord {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Normal,
        Self::Caution,
        Self::Error,
        Self::Suspend,
        Self::Unknown,
        Self::Unused,
        Self::Online,
        Self::Offline,
        Self::OnlinePending,
        Self::OfflinePending,
        Self::OnlineFailure,
        Self::OfflineFailure,
    ];
}

/// The whole list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The cluster.
    pub cluster: StatusWord,
    /// Every node.
    pub nodes: Vec<NodeRow>,
    /// Every way on which another node is heard, as the node sees it that was asked.
    pub heartbeats: Vec<HeartbeatRow>,
    /// Every group.
    pub groups: Vec<GroupRow>,
    /// Every resource, on each node that runs groups.
    pub resources: Vec<PartRow>,
    /// Every monitor, on each node that runs groups; a watched program where it was loaded.
    pub monitors: Vec<PartRow>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRow {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub status: StatusWord,
}

/// A way on which a node is heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatRow {
    /// The node that is heard.
    pub node: String,
    /// Its address there.
    pub address: String,
    /// Whether it is heard.
    pub status: StatusWord,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    /// Its name.
    pub name: String,
    /// The node that has it.
    pub node: Option<String>,
    /// How it stands.
    pub status: StatusWord,
}

/// A resource or a monitor on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRow {
    /// Its group.
    pub group: String,
    /// The resource, or the watch id of a program.
    pub name: String,
    /// What it is: `address`, `volume`, `process`, `ocf`, `unit`; of a monitor what it asks:
    /// `command`, `tcp`, `http`, `ping`, `link`, `disk`, `ocf`, `unit`, `process` or `watch` for a
    /// program's end.
    pub kind: String,
    /// The node.
    pub node: String,
    /// How it stands there.
    pub status: StatusWord,
}
