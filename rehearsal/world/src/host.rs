//! The machine under a node: resources, the hands and the guardian, with their delays and faults.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_cluster_rules::node::TakenOn;
use tsugi_vocabulary::{Epoch, GroupName, Moment, ResourceName};

/// What one group has on one machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    pub epoch: Epoch,
    pub up: BTreeSet<ResourceName>,
}

/// One machine, without its agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    /// What is up, by group.
    pub held: BTreeMap<GroupName, Held>,
    /// Written down by its agent: under which epoch each group was taken on, and as what.
    pub taken_on: TakenOn,
    /// The guardian: armed groups with their deadlines by the lease clock of the node.
    pub armed: BTreeMap<GroupName, (Epoch, Moment)>,
    /// Epochs that the guardian has ended; it arms none of them again.
    pub ended: BTreeMap<GroupName, Epoch>,
    /// Pinned groups: not the guardian's.
    pub disarmed: BTreeSet<GroupName>,
    /// Starts that will fail, by group.
    pub start_fails: BTreeSet<GroupName>,
    /// How long the next start of a program takes, in milliseconds, by group.
    pub start_slow: BTreeMap<GroupName, u64>,
    /// The newest epoch that the guardian was armed for, by group.
    pub armed_once: BTreeMap<GroupName, Epoch>,
    /// Groups whose program hangs, since when.
    pub hangs: BTreeMap<GroupName, u64>,
    /// Until when a stop is under way, by group.
    pub stops_until: BTreeMap<GroupName, u64>,
    /// Stops that will fail, by group.
    pub stop_fails: BTreeSet<GroupName>,
    /// Stops that will hang, by group.
    pub stop_hangs: BTreeSet<GroupName>,
    /// Programs that were started and are not ready yet, by group, with the start that waits.
    pub coming: BTreeMap<GroupName, Coming>,
}

/// A program that is not ready yet. It is found running all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coming {
    pub epoch: Epoch,
    pub resource: ResourceName,
    /// The agent's life and the act that started it.
    pub by: (u64, u64),
}

impl Machine {
    /// Whether the hands may bring something of the group to life: the guardian is armed for
    /// exactly this epoch and its deadline lies ahead.
    pub fn may_start(&self, group: &GroupName, epoch: Epoch, now: Moment) -> bool {
        let armed = self.armed.get(group);
        armed.is_some_and(|(e, deadline)| *e == epoch && *deadline > now)
    }

    /// Arms the guardian; `false` if the epoch was ended or is old.
    pub fn arm(&mut self, group: &GroupName, epoch: Epoch, deadline: Moment, now: Moment) -> bool {
        let over = self.ended.get(group).is_some_and(|e| epoch <= *e);
        let newer = self.armed.get(group).is_some_and(|(e, _)| *e > epoch);
        if over || newer || deadline <= now {
            return false;
        }
        let slot = self.armed.entry(group.clone()).or_insert((epoch, deadline));
        *slot = if slot.0 == epoch { (epoch, slot.1.max(deadline)) } else { (epoch, deadline) };
        self.disarmed.remove(group);
        self.armed_once.insert(group.clone(), epoch);
        true
    }

    /// What a new agent finds running under an epoch: what is up, and what is not ready yet.
    pub fn found(&self, group: &GroupName, epoch: Epoch) -> Vec<ResourceName> {
        let up = self.held.get(group).filter(|h| h.epoch == epoch).map(|h| &h.up);
        let coming = self.coming.get(group).filter(|c| c.epoch == epoch).map(|c| &c.resource);
        up.into_iter().flatten().chain(coming).cloned().collect()
    }

    /// Everything of the group is gone; the epoch it was under, if anything was there.
    pub fn clear(&mut self, group: &GroupName) -> Option<Held> {
        self.hangs.remove(group);
        self.coming.remove(group);
        self.held.remove(group)
    }
}
