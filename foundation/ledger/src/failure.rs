//! Why the ledger did not answer. Each variant says what is known about the effect.

use tsugi_vocabulary::{Generation, Index};

use crate::VoterId;

/// Why a question to the ledger has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No voter leads, or the leader cannot be reached. Nothing took effect.
    #[error("no voter leads the ledger, or it cannot be reached; nothing took effect")]
    NoLeader,
    /// It was sent and no answer came in time. It may or may not have taken effect, or still
    /// take effect; only reading tells.
    #[error("the ledger did not answer in time; the change may or may not have taken effect")]
    Unknown,
    /// This copy of the ledger was stopped.
    #[error("this copy of the ledger was stopped")]
    Stopped,
    /// The disk of this copy failed. The process must not use the ledger any more.
    #[error("the copy of the ledger on this node failed: {0}")]
    Storage(StorageFailure),
    /// Another node demanded the end of this life of the node. The process must end.
    #[error("another node demanded that this node ends")]
    Poisoned,
    /// The change is larger than the ledger takes. Nothing took effect.
    #[error("a change may have {limit} {part}, this one has {size}")]
    TooLarge {
        /// What is too large.
        part: &'static str,
        /// How large it is.
        size: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The voter cannot be added or taken away. Nothing took effect.
    #[error("{0}")]
    Voters(VotersRefused),
    /// The other side speaks a version that this build does not know. Nothing took effect.
    #[error("the other side speaks ledger protocol {theirs}, this build speaks {ours}")]
    Version {
        /// The version of this build.
        ours: u8,
        /// The version that the other side named.
        theirs: u8,
    },
}

/// Why a change of the voters was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VotersRefused {
    /// The number was given out before.
    #[error("voter {id} was given out before; the next free number is {next}")]
    Used {
        /// The number asked for.
        id: VoterId,
        /// The lowest number that was never given out.
        next: VoterId,
    },
    /// The node has a voter already.
    #[error("node {node} is voter {id} already")]
    NodeHasVoter {
        /// The node.
        node: String,
        /// Its voter.
        id: VoterId,
    },
    /// There is no such voter.
    #[error("there is no voter {id}")]
    Unknown {
        /// The number asked for.
        id: VoterId,
    },
    /// The last voter cannot be taken away.
    #[error("{id} is the last voter")]
    Last {
        /// The voter.
        id: VoterId,
    },
    /// Another change of the voters is under way.
    #[error("another change of the voters is under way")]
    Busy,
    /// The list is not the one that this was decided on.
    #[error("the voters have changed: their list has generation {now}")]
    Changed {
        /// The generation of the present list.
        now: Generation,
    },
    /// The new voter did not catch up in time; it has no vote.
    #[error("voter {id} did not catch up with the ledger in time")]
    Behind {
        /// The voter.
        id: VoterId,
    },
}

/// What the disk did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageFailure {
    /// A record is there and is not what was written, or one that was acknowledged is gone.
    #[error("{file} is damaged: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// Which record, and what is wrong with it.
        what: String,
    },
    /// There is no ledger in this directory.
    #[error("there is no ledger at {file}")]
    Missing {
        /// Where it should be.
        file: String,
    },
    /// This voter kept a ledger here and it is gone. It may have voted and forgotten for whom, so
    /// its node comes back under a new number only.
    #[error("the ledger of {owner} at {file} is gone; its node must join again as a new voter")]
    Lost {
        /// Where it should be.
        file: String,
        /// Whose it was.
        owner: String,
    },
    /// There is a ledger in this directory already.
    #[error("there is a ledger at {file} already")]
    Exists {
        /// Where it is.
        file: String,
    },
    /// Another process uses the file.
    #[error("{file} is in use by another process")]
    InUse {
        /// The file.
        file: String,
    },
    /// The ledger belongs to another cluster or voter.
    #[error("{file} belongs to {found}, not to {expected}")]
    Foreign {
        /// The file.
        file: String,
        /// Whose it should be.
        expected: String,
        /// Whose it is.
        found: String,
    },
    /// The file was written by a later version.
    #[error("{file} has format {found}, this version reads up to {known}")]
    TooNew {
        /// The file.
        file: String,
        /// Its format.
        found: u8,
        /// The newest format this build reads.
        known: u8,
    },
    /// The disk is full.
    #[error("no space is left for {file}")]
    Full {
        /// The file.
        file: String,
    },
    /// A read, write or sync failed. What was written before it may be lost.
    #[error("{file}: {what}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        what: String,
    },
}

impl From<StorageFailure> for Failure {
    fn from(failure: StorageFailure) -> Self {
        Self::Storage(failure)
    }
}

/// Why the changes after a place cannot be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("changes are remembered from {oldest} on; read the whole view")]
pub struct Forgotten {
    /// The place after which every change is still remembered.
    pub oldest: Index,
}
