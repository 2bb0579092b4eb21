//! The ledger of the false world: one truth, leaders that come and go, copies that lag.
//!
//! Raft itself, and the ledger on a shared disk, are tested with the real ones; here is what their
//! users may meet: no leader, a leader that does not know it was replaced, answers that never come,
//! entries that take effect after that, copies that are behind.

use std::sync::Arc;

use tsugi_cluster_rules::record::{Draft, Record};
use tsugi_vocabulary::Index;

/// The committed truth, and who leads.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    /// The record at every committed place that a copy may still need, newest last.
    pub head: Arc<Record>,
    /// The leader by number, if one is elected.
    pub leader: Option<usize>,
    /// Who led last.
    pub last: Option<usize>,
    /// Rises with every election.
    pub term: u64,
}

impl Truth {
    pub fn new(record: Record) -> Self {
        Self { head: Arc::new(record), leader: None, last: None, term: 0 }
    }

    /// Commits a draft if all it was decided on still stands.
    pub fn commit(&mut self, draft: &Draft) -> Option<Index> {
        if !self.head.admits(draft) {
            return None;
        }
        let index = Index(self.head.applied.0 + 1);
        let mut next = Record::clone(&self.head);
        next.apply(draft, index);
        self.head = Arc::new(next);
        Some(index)
    }
}
