//! The end of a life of a node that is demanded over the disk that two nodes share: who demands it,
//! and what the one whose end it is does.
//!
//! A demand hastens an end that the lease awaits anyway. Nothing is started because it was written:
//! whoever takes over waits for the leases of that life as without it, or for its word that it has
//! let go.

use std::collections::BTreeMap;

use tsugi_vocabulary::{BootId, GroupName, NodeName};

use super::machine::{Node, Stay};
use super::{Now, Order};
use crate::desk::{Desk, Input, State};
use crate::lease::has_disk;
use crate::mutant::mutant;
use crate::record::Record;

impl Node {
    /// Demands what the ledger says that is demanded of the other node, and nothing more. Any life
    /// of this node does, as long as it stands there.
    pub(super) fn demand_ends(&mut self, record: &Record, out: &mut Vec<Order>) {
        let demanded = demanded_of_others(record, &self.me);
        if demanded == self.demands {
            return;
        }
        for node in self.demands.keys().filter(|node| !demanded.contains_key(*node)) {
            out.push(Order::Demand { node: node.clone(), life: None });
        }
        let new = demanded.iter().filter(|(node, life)| self.demands.get(*node) != Some(life));
        out.extend(new.map(|(node, life)| Order::Demand { node: node.clone(), life: Some(*life) }));
        self.demands = demanded;
    }

    /// The end of a life of this node is demanded. From here on it asks for no lease, so that its
    /// guardian lets go of whatever it cannot.
    pub(super) fn on_end_demanded(&mut self, now: Now, life: BootId) {
        if life != self.boot && !mutant("demand-names-a-node") {
            return;
        }
        match self.stay {
            Stay::Here | Stay::Leaving { .. } => {
                self.stay = Stay::Ending { since: now.lease };
                self.holder.ask_no_more();
                self.beat_now();
            }
            Stay::Ending { .. } | Stay::Gone => {}
        }
    }

    /// Heeds the ledger's own word that the end of this life is demanded, where for a whole lease
    /// nobody has said it on the disk: who was to say it may be lost by then, and nobody gives this
    /// life anything again.
    pub(super) fn heed_the_ledger(&mut self, now: Now, record: &Record) {
        let known = record.nodes.get(&self.me);
        let demanded = known.and_then(|known| known.value.demanded.as_ref());
        if !has_disk(record) || demanded.is_none_or(|demand| demand.boot != self.boot) {
            self.told_to_end = None;
            return;
        }
        let since = *self.told_to_end.get_or_insert(now.lease);
        if now.lease.since(since) >= self.timing.ttl {
            self.on_end_demanded(now, self.boot);
        }
    }

    /// Lets go of everything by force and at once; a group that is paused stays.
    pub(super) fn let_go_of_all(&mut self, now: Now, out: &mut Vec<Order>) {
        let here = self.desks.keys().filter(|group| !self.pinned.contains(*group));
        for group in here.cloned().collect::<Vec<GroupName>>() {
            self.tell_desk(now, &group, Input::Lapsed, out);
        }
        let (desks, pinned) = (&self.desks, &self.pinned);
        let is_left = |group: &GroupName| {
            pinned.contains(group) || desks.get(group).is_some_and(|desk| !has_let_go(desk))
        };
        self.disk.let_go(is_left);
    }

    /// Ends once everything is let go and the others can know it. What could not be let go, or not
    /// be said, by the time that every lease has run out is the guardian's.
    pub(super) fn end_life_if_done(&mut self, now: Now, out: &mut Vec<Order>) {
        let Stay::Ending { since } = self.stay else { return };
        let mut desks = self.desks.iter();
        let let_go = desks.all(|(group, desk)| has_let_go(desk) || self.pinned.contains(group));
        let said = self.disk.claims_nothing();
        if let_go && said || now.lease.since(since) >= self.timing.ttl {
            self.stay = Stay::Gone;
            out.push(Order::EndLife);
        }
    }
}

const fn has_let_go(desk: &Desk) -> bool {
    matches!(desk.state, State::Clear | State::Released { .. })
}

fn demanded_of_others(record: &Record, me: &NodeName) -> BTreeMap<NodeName, BootId> {
    if !has_disk(record) {
        return BTreeMap::new();
    }
    let others = record.nodes.iter().filter(|(node, _)| *node != me);
    others
        .filter_map(|(node, known)| Some((node.clone(), known.value.demanded.as_ref()?.boot)))
        .collect()
}
