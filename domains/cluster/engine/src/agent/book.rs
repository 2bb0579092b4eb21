//! Where each node listens: as it was founded, then as the applied configuration says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{PoisonError, RwLock};

use tsugi_cluster_rules::record::Record;
use tsugi_vocabulary::NodeName;

use super::founding::Founding;

/// The addresses of all nodes that were ever named to this one.
#[derive(Debug, Default)]
pub(super) struct Book(RwLock<BTreeMap<NodeName, Vec<SocketAddr>>>);

impl Book {
    pub(super) fn of(founding: &Founding) -> Self {
        Self(RwLock::new(founding.voters.values().cloned().collect()))
    }

    /// Takes over what the applied configuration says. A node that it no longer names keeps its
    /// last address: it may have a vote until the list of voters has changed.
    pub(super) fn learn(&self, record: &Record) {
        let Some(spec) = record.spec() else { return };
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (node, its) in &spec.nodes {
            if known.get(node) != Some(&its.addresses) {
                known.insert(node.clone(), its.addresses.clone());
            }
        }
    }

    pub(super) fn addresses(&self, node: &NodeName) -> Vec<SocketAddr> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(node).cloned().unwrap_or_default()
    }

    pub(super) fn nodes(&self) -> Vec<NodeName> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}
