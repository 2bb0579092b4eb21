//! The cluster's record: who may run what, small, linearizable, mirrored in memory on every node.
//!
//! *Key*, *entry*, *version*: an entry stands under a key and was last changed at a place, its
//! version. *Change*: writes that take effect together if their conditions hold. *View*: all
//! entries at one place. *Voter*: who keeps a copy and a vote. *Incarnation*: one life of the
//! ledger, between two restores.
//!
//! Invariant: a change that was told *committed* is in every later view of every voter.
//! Invariant: a view never goes back, also not over a restart.
//! Invariant: a number given out once (a place, a voter, an incarnation) is never given out
//! again.

mod backup;
mod change;
pub mod disk;
mod entries;
mod failure;
mod format;
pub mod gate;
#[cfg(test)]
mod gate_tests;
mod key;
mod ledger;
mod memory;
mod mutant;
mod published;
mod raft;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
mod view;

pub use backup::{Backup, BackupRefused, Floor};
pub use change::{Change, Command, Condition, LARGEST_CHANGE, MOST_PARTS, Outcome, Value, Voter};
pub use entries::{Entries, Entry};
pub use failure::{Failure, Forgotten, StorageFailure, VotersRefused};
pub use format::{FORMAT, Unreadable};
pub use key::{ClusterId, Key, KeyRefused, LONGEST_KEY, VoterId};
pub use ledger::{Leadership, Ledger, Pending};
pub use memory::Memory;
#[cfg(feature = "mutants")]
pub use mutant::plant;
pub use published::Applied;
#[cfg(any(test, feature = "suite"))]
pub use raft::Switchboard;
pub use raft::{
    Answer, Following, LARGEST_MESSAGE, LastCopy, Owner, Peers, RaftLedger, Seat, SendFailure,
    Timing,
};
pub use view::{FIRST_LEVEL, View, Voters};
