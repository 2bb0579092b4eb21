//! Whether the other of two nodes at a shared disk takes up what the ledger gives it.
//!
//! One that lives and reads no entry any more is seen all the same: it writes on the disk, or a
//! network brings its beats. A group that ended there, or was given to it since, would be down for
//! as long as that lasts, and everybody would take it for the owner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tsugi_vocabulary::{Claim, Claims, Epoch, GroupName, Held, Index, Moment, Span};

use super::machine::Node;
use crate::lease::has_disk;
use crate::plan::Entries;
use crate::record::{GroupRecord, Versioned};

/// What one life of a node does not show to have taken up.
#[derive(Clone, Debug, Default)]
pub(super) struct Uptake {
    /// The groups that are its own, under which epoch, and since when that is to be seen.
    waits: BTreeMap<GroupName, (Epoch, Moment)>,
    /// The newest entry that it should have taken up long ago.
    missed: Option<Index>,
    /// What it should have taken up long ago, and has not.
    down: BTreeSet<GroupName>,
}

impl Uptake {
    /// Whether entries reach the node, as it is to be told.
    pub(super) fn entries(&self) -> Entries {
        match self.missed {
            None => Entries::ReachIt,
            Some(_) => Entries::Missed { down: self.down.clone() },
        }
    }

    /// While this node stood still it could not see what was taken up.
    pub(super) fn excuse(&mut self, gap: Span) {
        self.waits.values_mut().for_each(|(_, since)| *since += gap);
    }
}

impl Node {
    /// Looks, after the disk was read, which groups of the other node it shows no sign of: it tells
    /// neither of them nor of entries so new in its beats, or, where no beat comes, does not hold
    /// them on the disk, as `claims` say. A node that hears nobody needs the disk for every lease.
    pub(super) fn look_at_uptake(&mut self, now: Moment, claims: Option<&Claims>) {
        if !has_disk(&self.record) {
            return;
        }
        let (record, timing) = (Arc::clone(&self.record), self.timing);
        let mut changed = false;
        for (name, peer) in &mut self.peers {
            let tells = peer.tells(now, timing);
            let shown = |group: &GroupName, entry: &Versioned<GroupRecord>| {
                let epoch = entry.value.epoch;
                if tells {
                    return peer.applied >= entry.version || peer.told_of(group, epoch);
                }
                let claim = claims.and_then(|claims| claims.groups.get(group));
                let its = |claim: &Claim| (claim.epoch, claim.boot) == (epoch, peer.boot());
                claim.is_some_and(|claim| its(claim) && claim.held == Held::Yes)
            };
            // Nobody asks for a lease of what is pinned.
            let is_due = |group: &GroupName, entry: &Versioned<GroupRecord>| {
                let its = entry.value.owner() == Some(name) && entry.value.pause.is_none();
                its && !shown(group, entry)
            };
            let mut waits = BTreeMap::new();
            for (group, entry) in record.groups.iter().filter(|(g, entry)| is_due(g, entry)) {
                let epoch = entry.value.epoch;
                let before = peer.uptake.waits.get(group).filter(|(of, _)| *of == epoch);
                waits.insert(group.clone(), *before.unwrap_or(&(epoch, now)));
            }
            let long_ago = |since: Moment| now.since(since) >= timing.takes_up_within();
            let late = waits.iter().filter(|(_, (_, since))| long_ago(*since));
            let down: BTreeSet<GroupName> = late.map(|(group, _)| group.clone()).collect();
            let newest = down.iter().filter_map(|group| Some(record.groups.get(group)?.version));
            // Who was beyond reach is so until it tells of what it has missed, or begins anew.
            let still = peer.uptake.missed.filter(|entry| !tells || peer.applied < *entry);
            let missed = newest.max().max(still);
            let next = Uptake { waits, missed, down };
            changed |= (next.missed, &next.down) != (peer.uptake.missed, &peer.uptake.down);
            peer.uptake = next;
        }
        if changed {
            self.paperwork.plan_again();
        }
    }
}
