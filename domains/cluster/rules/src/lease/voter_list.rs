//! Which change of the list of voters is due, and when (L6).
//!
//! The ledger says who keeps it ([`Record::voters`]); the applied configuration and the nodes
//! that have joined say who should. The leader brings the first to the second, one voter a
//! change. Two lists one voter apart share a voter in any two of their majorities, so no lease
//! under the older one outlives its last answers once a majority of the newer one goes by the
//! newer; lists two voters apart need not share one. Hence the wait.
//!
//! Invariants: one voter a change; the next not before the longest TTL has passed since this node
//! knew that a majority of the present list has *applied* it. A commit says nothing of that: a
//! voter that lags renews a lease under the old list for as long as it lags.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_vocabulary::{Generation, Moment, NodeName};

use super::{has_disk, is_voter, majority, voters};
use crate::mutant::mutant;
use crate::record::Record;
use crate::timing::LONGEST_TTL;

/// A vote: the node that has it, and its number, which is never given out twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    /// The node.
    pub node: NodeName,
    /// The number.
    pub voter: u64,
}

/// One change of the list of voters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VoterChange {
    /// This one is given a copy of the ledger and then a vote.
    Add(Seat),
    /// This one's vote is taken away.
    Remove(Seat),
}

/// How far the present list of voters has got around, as one node has learned it from beats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spread {
    list: Generation,
    applied_by: BTreeSet<NodeName>,
    on_disk: OnDisk,
    since: Option<Moment>,
}

/// Whether a claim of this node on the shared disk names the present list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum OnDisk {
    #[default]
    NotYet,
    Stands,
}

impl Spread {
    /// What this node claims on the shared disk names the list of `generation`, durably: whoever
    /// goes by an older one has no vote of the disk any more.
    pub fn tell_disk(&mut self, now: Moment, record: &Record, generation: Generation) {
        if has_disk(record) && self.list == record.membership && generation == self.list {
            self.on_disk = OnDisk::Stands;
            self.count(now, record);
        }
    }

    fn count(&mut self, now: Moment, record: &Record) {
        let disk = usize::from(self.on_disk == OnDisk::Stands);
        if self.since.is_none() && self.applied_by.len() + disk >= majority(voters(record)) {
            self.since = Some(now);
        }
    }

    /// `node` goes by the list of `generation`: said by its beat, or by this node of itself.
    pub fn tell(
        &mut self,
        now: Moment,
        record: &Record,
        (node, generation): (&NodeName, Generation),
    ) {
        if self.list != record.membership {
            let since = mutant("voters-counted-from-commit").then_some(now);
            *self = Self { list: record.membership, since, ..Self::default() };
        }
        if self.since.is_some() || generation != record.membership || !is_voter(record, node) {
            return;
        }
        self.applied_by.insert(node.clone());
        self.count(now, record);
    }

    /// When no lease under an older list runs any more: from then on the list may change again.
    /// None until a majority of the list of `record` is known to go by it.
    #[must_use]
    pub fn over_at(&self, record: &Record) -> Option<Moment> {
        let since = self.since.filter(|_| self.list == record.membership)?;
        let short = mutant("voters-changed-under-stretch");
        Some(since + if short { LONGEST_TTL } else { record.longest_ttl() })
    }
}

/// The change that is due now, if one is. `heard` are the nodes that this node, which leads the
/// ledger, hears; itself among them.
///
/// Votes of nobody come first: of a node that is not heard, or that came back under another
/// number. Then new voters, by number; last, votes of nodes that are still there. A change after
/// which no majority would be heard waits.
#[must_use]
pub fn due(
    record: &Record,
    spread: &Spread,
    heard: &BTreeSet<NodeName>,
    now: Moment,
) -> Option<VoterChange> {
    let over = spread.over_at(record).is_some_and(|at| now >= at);
    if record.voters.is_empty() || !(over || mutant("voters-changed-at-once")) {
        return None;
    }
    let wanted = wanted(record);
    let seat = |(node, voter): (&NodeName, &u64)| Seat { node: node.clone(), voter: *voter };
    let surplus = record.voters.iter().filter(|(node, voter)| wanted.get(node) != Some(voter));
    let mut removals: Vec<Seat> = surplus.map(seat).collect();
    removals.sort_unstable_by_key(|seat| seat.voter);
    // A number that had a vote and lost it never gets one again.
    let unused = |voter: u64| voter > record.highest_voter;
    let missing = wanted.iter().filter(|(_, voter)| unused(**voter));
    let missing = missing.filter(|(node, _)| !record.voters.contains_key(**node));
    let mut additions: Vec<Seat> = missing.map(|(node, voter)| seat((node, voter))).collect();
    additions.sort_unstable_by_key(|seat| seat.voter);

    let there = |seat: &Seat| heard.contains(&seat.node) && !is_former(record, seat);
    let (still_there, of_nobody): (Vec<Seat>, Vec<Seat>) = removals.into_iter().partition(there);
    let remove = |seats: Vec<Seat>| seats.into_iter().map(VoterChange::Remove);
    let add = additions.into_iter().filter(|seat| heard.contains(&seat.node)).map(VoterChange::Add);
    let mut changes = remove(of_nobody).chain(add).chain(remove(still_there));
    changes.find(|change| keeps_majority(record, heard, change))
}

/// The voters there should be: the nodes of the applied configuration that have joined.
fn wanted(record: &Record) -> BTreeMap<&NodeName, u64> {
    let configured = |node: &NodeName| record.spec().is_some_and(|s| s.nodes.contains_key(node));
    let joined = record.nodes.iter().filter(|(node, _)| configured(node));
    joined.map(|(node, entry)| (node, entry.value.voter)).collect()
}

/// Whether its node has joined again under another number: nobody uses this one any more.
fn is_former(record: &Record, seat: &Seat) -> bool {
    record.nodes.get(&seat.node).is_some_and(|node| node.value.voter != seat.voter)
}

/// Whether of the list after `change` a majority is heard.
fn keeps_majority(record: &Record, heard: &BTreeSet<NodeName>, change: &VoterChange) -> bool {
    let mut after = record.voters.clone();
    match change {
        VoterChange::Add(seat) => after.insert(seat.node.clone(), seat.voter),
        VoterChange::Remove(seat) => after.remove(&seat.node),
    };
    let votes = after.into_iter().map(|(node, voter)| Seat { node, voter });
    let votes: Vec<bool> =
        votes.map(|seat| heard.contains(&seat.node) && !is_former(record, &seat)).collect();
    // Who leads a ledger that is on a disk reads that disk.
    let disk = usize::from(has_disk(record));
    let there = votes.iter().filter(|there| **there).count() + disk;
    !votes.is_empty() && (there >= majority(votes.len() + disk) || mutant("voters-removed-blindly"))
}
