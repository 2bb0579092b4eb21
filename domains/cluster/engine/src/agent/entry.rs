//! What a node that enters the cluster, or comes back to it, says at another's door.
//!
//! It has proved its certificate; a number is given to the certificate, not to the name, so an
//! answer that was lost is asked for again, and a node that was wiped gets another number.

use serde::{Deserialize, Serialize};

use super::founding::Founding;

/// A ledger that this node keeps, or kept last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Which life of the ledger.
    pub incarnation: u64,
    /// Under which number.
    pub voter: u64,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// My number, and who else there is. What I kept of another life of the ledger is put aside.
    Number {
        /// The newest that I kept.
        kept: Option<Kept>,
    },
    /// Whether I still belong.
    Look,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Everything that is needed to start; the asker's number is in it.
    Number {
        /// It.
        founding: Box<Founding>,
    },
    /// How the asker stands here.
    Stands {
        /// Which life of the ledger this node keeps.
        incarnation: u64,
        /// The asker's number, if it has one.
        voter: Option<u64>,
    },
    /// The asker was taken out of the cluster.
    Removed {
        /// Which life of the ledger says so.
        incarnation: u64,
    },
    /// Not now, or not here; nothing was given out.
    No {
        /// Why.
        why: WhyNot,
    },
}

/// Why no number is given out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyNot {
    /// The applied configuration has no such node.
    #[error("the applied configuration names no such node; name it there first")]
    NotConfigured,
    /// The cluster is being founded: only its founder knows who has come.
    #[error("the cluster is being founded; only the node that founds it gives numbers out")]
    NotTheFounder,
    /// The number of the founding was given to another certificate of this name, and a new one
    /// needs a majority, which has not come together yet.
    #[error("another machine came under this name; a majority must have joined before this one")]
    NameTaken,
    /// A number is an entry of the ledger.
    #[error("no majority of the voters can be reached, and a number is an entry of the ledger")]
    NoMajority,
    /// It kept a ledger that is later than this one: this one would give an epoch out twice.
    #[error(
        "it kept incarnation {kept} of the ledger and this one is {ours}: \
         set the clock right and restore again, on that node"
    )]
    Later {
        /// What it kept.
        kept: u64,
        /// What this node keeps.
        ours: u64,
    },
    /// The question cannot be read: it is of another version.
    #[error("the question cannot be read: another version asked it")]
    Unreadable,
}

/// The bytes of a question or an answer.
pub fn to_bytes<T: Serialize>(what: &T) -> Vec<u8> {
    serde_json::to_vec(what).expect("questions and answers are plain data")
}
