//! What an agent knows at this moment, published for the faces; reading it never disturbs the core.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tsugi_cluster_rules::lease::disk_vote::DiskSight;
use tsugi_cluster_rules::monitors::{MonitorId, Word};
use tsugi_cluster_rules::plan::{Settled, Sight};
use tsugi_cluster_rules::record::{FenceFault, Record};
use tsugi_cluster_rules::watch::table::State;
use tsugi_vocabulary::{BootId, Generation, Index, NodeName, ResourceName, Span, Wall};

/// One picture of what an agent knows.
#[derive(Clone, Debug)]
pub struct Standing {
    /// When the picture was made.
    pub at: Wall,
    /// The node that it was made on.
    pub me: NodeName,
    /// Its boot.
    pub boot: BootId,
    /// The record as applied here.
    pub record: Arc<Record>,
    /// The newest entry of the ledger that this node has applied or heard of.
    pub newest: Index,
    /// Whether it has listened for long enough to call a node lost.
    pub settled: Settled,
    /// What it sees of every node, itself among them.
    pub sights: BTreeMap<NodeName, Sight>,
    /// Whether it sees the disk that has a vote, if one has.
    pub disk: DiskSight,
    /// How long ago the other node was last seen to write on that disk.
    pub on_disk: Option<Span>,
    /// Whom it takes for the ledger's leader.
    pub leader: Option<NodeName>,
    /// The voters' list it knows.
    pub membership: Generation,
    /// What this node can do to itself when it cannot let go of a group: `watchdog`, `reboot`,
    /// `broken-watchdog` (then only a reboot is left) or `none`; empty until it is known.
    pub self_fence: String,
    /// Groups that took longer to be let go of here than their stop budget.
    pub slow_stops: BTreeMap<tsugi_vocabulary::GroupName, SlowStop>,
    /// Logs of programs that could not be written here, and why.
    pub lost_logs: BTreeSet<String>,
    /// What is wrong with the fence devices of other nodes, as this node asked them last.
    pub fence_faults: BTreeMap<NodeName, FenceFault>,
    /// Scripts by which groups choose who takes them over that print no number here, and why.
    pub score_faults: BTreeMap<tsugi_vocabulary::GroupName, String>,
    /// Mirrors whose role is to be given up here and which somebody has in use, by group and DRBD's
    /// name, and how each stands.
    pub mirrors_in_use: BTreeMap<(tsugi_vocabulary::GroupName, String), String>,
    /// When the fence devices of other nodes last answered well from here; none if one never did.
    pub fence_tests: BTreeMap<NodeName, Option<Wall>>,
    /// By how many parts in a million this node's lease clock differs from the steered one.
    pub clock_ppm: Option<i64>,
    /// Over which networks something of each other node comes now, by their place in the list of
    /// addresses; a node that is missing was never heard.
    pub carried: BTreeMap<NodeName, BTreeSet<usize>>,
    /// How many datagrams were dropped since this agent started, by reason.
    pub drops: [(&'static str, u64); 10],
    /// This node's own configuration file, if it differs from the applied one.
    pub other_file: Option<OtherFile>,
    /// When this node's certificate ends.
    pub certificate_until: Option<Wall>,
    /// How the watched programs stand that are here, by group and the name they run under.
    pub watches: BTreeMap<(tsugi_vocabulary::GroupName, ResourceName), State>,
    /// How each monitor stands of the groups that run here.
    pub monitors: BTreeMap<(tsugi_vocabulary::GroupName, MonitorId), Word>,
    /// How long each group's lease still runs here.
    pub leases: BTreeMap<tsugi_vocabulary::GroupName, Span>,
}

/// A measured stop and what it should have kept to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowStop {
    /// How long it took.
    pub took: Span,
    /// The stop budget of the group.
    pub budget: Span,
}

/// A configuration file that is not the applied one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherFile {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of its text.
    pub hash: String,
}

impl Standing {
    /// Whether the record is as new as any that was heard of; not known before all were heard.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.settled == Settled::Yes && self.record.applied >= self.newest
    }

    /// Whether it has looked: an agent that has just begun has not, and does not know yet what
    /// stands in its own ledger. A node of no cluster has nothing to look at.
    #[must_use]
    pub fn is_informed(&self) -> bool {
        let looked = self.sights.contains_key(&self.me);
        let behind = self.record.spec().is_none() && self.record.applied < self.newest;
        self.certificate_until.is_none() || (looked && !behind)
    }

    /// How many votes a disk has, and how many of them are seen: none or one.
    #[must_use]
    pub const fn disk_votes(&self) -> (usize, usize) {
        match self.disk {
            DiskSight::None => (0, 0),
            DiskSight::Seen | DiskSight::OnlyHere => (1, 1),
            DiskSight::NotSeen => (1, 0),
        }
    }

    /// Whether this node can be sure to stop itself; true until it is known.
    #[must_use]
    pub fn can_fence_itself(&self) -> bool {
        ["", "watchdog", "reboot"].contains(&self.self_fence.as_str())
    }

    /// The file of this node that differs, and the version that is in force. A file that has been
    /// applied since it was looked at differs no more.
    #[must_use]
    pub fn differing_file(&self) -> Option<(&Path, u64)> {
        let applied = self.record.config.as_deref()?;
        let other = self.other_file.as_ref().filter(|other| other.hash != applied.hash)?;
        Some((&other.path, applied.version))
    }
}

/// What a face may use of a running agent.
#[derive(Clone)]
pub struct AgentView {
    /// The newest picture.
    pub standing: watch::Receiver<Arc<Standing>>,
}
