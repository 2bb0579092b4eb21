//! What is kept of those who do not belong any more, or not yet again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::NodeName;

use super::NodeRecord;

/// What is kept of a node that was taken out for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// The number that it had, which nobody gets again.
    pub voter: u64,
    /// The fingerprint of the certificate that it had: whoever shows it is refused.
    pub certificate: Option<String>,
}

/// What is kept of the cluster that a restored ledger follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The first number of a voter under this life: whoever has a lower one has not come in.
    pub first: u64,
    /// The lists of voters that the former ledger may have had last. Nothing is started while a
    /// majority of any of them is out there: it could still hold a lease. A node that comes in
    /// adds the list that it knew.
    pub former: Vec<BTreeSet<NodeName>>,
    /// Those that a person named lost for good when the ledger was recovered without them. While
    /// one is waited for, it has put its own copy aside if it asks to come in, and is taken out.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lost: BTreeSet<NodeName>,
}

impl Gone {
    /// What is kept of this node.
    #[must_use]
    pub fn of(node: &NodeRecord) -> Self {
        Self { voter: node.voter, certificate: node.certificate.clone() }
    }
}
