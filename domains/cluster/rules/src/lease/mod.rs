//! Leases: the right to act, in time (L1–L12). The epoch makes a late actor harmless.
//!
//! [`holder::Holder`] is the asking side: which of my groups may I run, and until when.
//! [`voter::Voter`] is the promising side. [`heartbeat`] is what passes between them.

pub mod heartbeat;
pub mod holder;
pub mod voter;
