//! Leases: the right to act, in time (L1–L12). The epoch makes a late actor harmless.
//!
//! [`holder::Holder`] is the asking side: which of my groups may I run, and until when.
//! [`voter::Voter`] is the promising side, [`disk_vote::DiskVote`] that of a disk which two nodes
//! share. [`heartbeat`] is what passes between them.
//! [`margin`] says how many more voters may be lost, [`timer`] how a deadline is waited for,
//! [`voter_list`] which change of the voters is due.

pub mod disk_vote;
pub mod heartbeat;
pub mod holder;
pub mod margin;
pub mod timer;
pub mod voter;
pub mod voter_list;

use std::collections::BTreeSet;

use tsugi_vocabulary::NodeName;

use crate::mutant::mutant;
use crate::record::{Record, Restored};

/// Whether the node of this name has a vote in the list of `record`. Nodes that agree on the
/// generation of the list agree on the list. A node that has joined again under another number
/// has none: the listed number is of a disk that is gone (L6).
#[must_use]
pub fn is_voter(record: &Record, name: &NodeName) -> bool {
    if record.voters.is_empty() {
        return record.spec().is_some_and(|spec| spec.nodes.contains_key(name));
    }
    let Some(listed) = record.voters.get(name) else { return false };
    let joined = record.nodes.get(name);
    joined.is_none_or(|node| node.value.voter == *listed) || mutant("voter-of-another-number")
}

/// The voters that `record` lists.
#[must_use]
pub fn voter_names(record: &Record) -> Vec<&NodeName> {
    if record.voters.is_empty() {
        return record.spec().map_or_else(Vec::new, |spec| spec.nodes.keys().collect());
    }
    record.voters.keys().collect()
}

/// Whether a disk that the nodes share has a vote beside theirs.
#[must_use]
pub fn has_disk(record: &Record) -> bool {
    record.spec().is_some_and(|spec| spec.ledger.is_on_disk())
}

/// How many votes there are: those of the voters that `record` lists, and that of the disk.
#[must_use]
pub fn voters(record: &Record) -> usize {
    let listed = if record.voters.is_empty() {
        record.spec().map_or(0, |spec| spec.nodes.len())
    } else {
        record.voters.len()
    };
    listed + usize::from(has_disk(record))
}

/// Those who kept the ledger before it was restored and have neither come in under a new number
/// nor been taken out: they may still go by the old one.
#[must_use]
pub fn former_voters_out_there(record: &Record) -> Vec<&NodeName> {
    let Some(restored) = &record.restored else { return Vec::new() };
    let all: BTreeSet<&NodeName> = restored.former.iter().flatten().collect();
    all.into_iter().filter(|node| is_out_there(record, restored, node)).collect()
}

/// Those of them that a person named lost: each is waited for until somebody vouches that its
/// machine is off, or it has come itself and put its copy aside.
#[must_use]
pub fn lost_voters_out_there(record: &Record) -> Vec<&NodeName> {
    let lost = |node: &&NodeName| record.restored.as_ref().is_some_and(|r| r.lost.contains(*node));
    former_voters_out_there(record).into_iter().filter(lost).collect()
}

fn is_out_there(record: &Record, restored: &Restored, node: &NodeName) -> bool {
    record.nodes.get(node).is_some_and(|known| known.value.voter < restored.first)
}

/// Whether the voters of the former ledger that are still out there could hold a lease among
/// themselves: then nothing may be started under a restored one.
#[must_use]
pub fn former_majority_out_there(record: &Record) -> bool {
    let Some(restored) = &record.restored else { return false };
    let stands = |list: &BTreeSet<NodeName>| {
        let there = list.iter().filter(|node| is_out_there(record, restored, node)).count();
        !list.is_empty() && there >= majority(list.len())
    };
    restored.former.iter().any(stands) && !mutant("restored-starts-at-once")
}

/// The smallest number of voters that is more than half of `voters`.
#[must_use]
pub const fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

#[cfg(test)]
mod tests;
