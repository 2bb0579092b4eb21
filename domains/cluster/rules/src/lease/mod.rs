//! Leases: the right to act, in time (L1–L12). The epoch makes a late actor harmless.
//!
//! [`holder::Holder`] is the asking side: which of my groups may I run, and until when.
//! [`voter::Voter`] is the promising side. [`heartbeat`] is what passes between them.
//! [`margin`] says how many more voters may be lost, [`timer`] how a deadline is waited for,
//! [`voter_list`] which change of the voters is due.

pub mod heartbeat;
pub mod holder;
pub mod margin;
pub mod timer;
pub mod voter;
pub mod voter_list;

use tsugi_vocabulary::NodeName;

use crate::record::Record;

/// Whether `name` is one of the voters that `record` lists. Nodes that agree on the generation of
/// the list agree on the list.
#[must_use]
pub fn is_voter(record: &Record, name: &NodeName) -> bool {
    if record.voters.is_empty() {
        return record.spec().is_some_and(|spec| spec.nodes.contains_key(name));
    }
    record.voters.contains_key(name)
}

/// How many voters `record` lists.
#[must_use]
pub fn voters(record: &Record) -> usize {
    if record.voters.is_empty() {
        return record.spec().map_or(0, |spec| spec.nodes.len());
    }
    record.voters.len()
}

/// The smallest number of voters that is more than half of `voters`.
#[must_use]
pub const fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

#[cfg(test)]
mod tests;
