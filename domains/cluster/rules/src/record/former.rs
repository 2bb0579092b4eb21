//! What is kept of those who do not belong any more, or not yet again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{NodeName, Span};

use super::NodeRecord;
use crate::timing::{LONGEST_TTL, TTL_CAP};

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
    /// Whether leases of the former ledger may still run.
    #[serde(default, skip_serializing_if = "LeasesBefore::is_unsaid")]
    pub leases: LeasesBefore,
}

/// Whether leases of the ledger before a restored one may still run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeasesBefore {
    /// A version before stretches has made it, and did not say: the longest TTL of a profile is
    /// waited for, at every start of a voter.
    #[default]
    Unsaid,
    /// They may, and nobody knows whether that ledger was stretched: no voter promises anything
    /// for the longest TTL there is after its start.
    MayRun,
    /// That time has passed since no majority of the former voters was out there.
    RanOut,
}

impl LeasesBefore {
    fn is_unsaid(&self) -> bool {
        *self == Self::Unsaid
    }

    /// For how long they may run yet, for one who knows only this; none if they do not.
    #[must_use]
    pub const fn may_run_for(self) -> Option<Span> {
        match self {
            Self::Unsaid => Some(LONGEST_TTL),
            Self::MayRun => Some(TTL_CAP),
            Self::RanOut => None,
        }
    }
}

impl Gone {
    /// What is kept of this node.
    #[must_use]
    pub fn of(node: &NodeRecord) -> Self {
        Self { voter: node.voter, certificate: node.certificate.clone() }
    }
}
