//! The ledger that machines keep on a disk they share, where there are two of them and no third.
//!
//! Each node writes its own blocks and reads those of the others. *Vow*: what a node has bound
//! itself to. *Word*: that it is there, and what it asks and answers. *Region*: its copy of the
//! ledger, a snapshot and the frames behind it, in one of three areas. *Term*: one try to lead.
//! *Claims*: for which groups a node asks the disk for its vote in their leases (`claims.rs`); the
//! ledger itself has no use for them.
//!
//! Invariant: what takes effect is decided by the order of reads and writes alone (`keeper.rs`);
//! clocks only say when somebody tries to lead (`clerk.rs`).
//!
//! Why it is so: `docs/decisions/0015-the-ledger-on-a-shared-disk.md`.

mod board;
mod claimant;
mod claims;
mod clerk;
#[cfg(test)]
mod corpus_tests;
mod found;
mod frame;
mod keeper;
mod layout;
mod node;
#[cfg(any(test, feature = "suite"))]
mod platter;
mod region;
mod store;
mod trial;
mod trouble;
mod vow;
#[cfg(any(test, feature = "suite"))]
mod walk;
#[cfg(test)]
mod walk_tests;
mod word;

pub use claimant::{Claimant, Claiming};
pub use claims::ClaimBlocks;
pub use found::{found, would_found};
pub use layout::{Layout, MOST_SEATS};
pub use node::{DiskLedger, DiskSeat, Pace};
#[cfg(any(test, feature = "suite"))]
pub use platter::Reach;
pub use store::{BLOCK, SharedDisk, Store};
pub use trial::{FirstFailed, Noting, Spot, try_writing};
#[cfg(any(test, feature = "suite"))]
pub use walk::{Act, Walk, Wrong};
