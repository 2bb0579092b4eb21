//! Puts a draft straight to the ledger, as commands do; the core has its own way.

use std::sync::Arc;

use tsugi_cluster_rules::node::Fate;
use tsugi_cluster_rules::record::Draft;
use tsugi_ledger::Ledger;

use super::{Later, Proposer};
use crate::agent;

/// Puts drafts to the ledger that is there.
pub struct Direct {
    ledger: Arc<dyn Fn() -> Option<Arc<dyn Ledger>> + Send + Sync>,
}

impl Direct {
    /// Over a ledger that may not be there yet.
    #[must_use]
    pub fn new(ledger: Arc<dyn Fn() -> Option<Arc<dyn Ledger>> + Send + Sync>) -> Self {
        Self { ledger }
    }
}

impl Proposer for Direct {
    fn propose(&self, draft: Draft) -> Later<Fate> {
        let ledger = (self.ledger)();
        Box::pin(async move {
            let Some(ledger) = ledger else { return Fate::Unknown };
            agent::put(&*ledger, &draft).await
        })
    }
}
