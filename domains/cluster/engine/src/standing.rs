//! What an agent knows at this moment, published for the faces; reading it never disturbs the core.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tsugi_cluster_rules::plan::{Settled, Sight};
use tsugi_cluster_rules::record::Record;
use tsugi_vocabulary::{BootId, Generation, Index, NodeName, Span, Wall};

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
    /// Whom it takes for the ledger's leader.
    pub leader: Option<NodeName>,
    /// The voters' list it knows.
    pub membership: Generation,
    /// What this node can do to itself when it cannot let go of a group: `watchdog`, `reboot`,
    /// or nothing, with the words for the operator.
    pub self_fence: String,
    /// Groups that took longer to be let go of here than their stop budget.
    pub slow_stops: BTreeMap<tsugi_vocabulary::GroupName, SlowStop>,
    /// How many datagrams were dropped since this agent started, by reason.
    pub drops: [(&'static str, u64); 10],
    /// The hash of this node's own file, if it differs from the applied configuration's.
    pub other_file: Option<String>,
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

impl Standing {
    /// Whether the record is as new as any that was heard of; not known before all were heard.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.settled == Settled::Yes && self.record.applied >= self.newest
    }
}

/// What a face may use of a running agent.
#[derive(Clone)]
pub struct AgentView {
    /// The newest picture.
    pub standing: watch::Receiver<Arc<Standing>>,
}
