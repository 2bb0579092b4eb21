//! What a node says of itself in the ledger while only the disk shows the other that it lives.
//!
//! How a group stands and which links carry is told in beats, and a beat needs a network. So what
//! somebody else has to decide on then becomes an entry: that a group failed here and nothing of
//! it is left, and which links do not carry.

use std::collections::BTreeSet;

use tsugi_vocabulary::{GroupName, Moment};

use super::Now;
use super::machine::Node;
use crate::desk::Desk;
use crate::lease::has_disk;
use crate::plan::Stand;
use crate::planner::{self, Wanted};
use crate::record::{Draft, GroupRecord, LinkState, NodeRecord};
use crate::spec::Takeover;

impl Node {
    /// Whether no network has lately brought an answer of the other node, with which this one
    /// shares a disk. The other may be lost as well; what is said then harms nobody. One that has
    /// just begun has not listened yet.
    pub(super) fn is_unheard(&self, now: Moment) -> bool {
        let lately = self.timing.silent_after();
        has_disk(&self.record)
            && now.since(self.born) >= lately
            && !self.holder.is_answered_by_a_node(now, lately)
    }

    /// The entry that gives back a group of which nothing is left here after it failed. Who leads
    /// the ledger sees its own groups itself; one that is pinned stays its owner's, and one that is
    /// only observed waits for a person either way.
    pub(super) fn given_back(
        &self,
        now: Now,
        (group, entry): (&GroupName, &GroupRecord),
        desk: &Desk,
    ) -> Option<Draft> {
        let record = &*self.record;
        let leads = self.leader.as_ref() == Some(&self.me);
        if leads || entry.pause.is_some() || !self.is_unheard(now.lease) {
            return None;
        }
        let spec = record.spec()?.groups.get(group);
        if spec.is_some_and(|spec| spec.takeover == Takeover::Observe) {
            return None;
        }
        let Stand::Failed(cause) = self.stand(desk) else { return None };
        match planner::wanted(record, group, &self.me)? {
            Wanted::Run | Wanted::HandOver(_) => {
                planner::released_after_failure(record, group, cause, &self.me, now.wall)
            }
            Wanted::Stop => {
                planner::handed_over(record, group, (desk.down(), None), &self.me, now.wall)
            }
        }
    }

    /// What this node's entry is to say of its links, where it says something else.
    pub(super) fn links_to_tell(&self, now: Moment) -> Option<NodeRecord> {
        let known = &*self.record.nodes.get(&self.me)?.value;
        let down = self.links.iter().filter(|(_, state)| **state == LinkState::Down);
        let down: BTreeSet<String> = match self.is_unheard(now) {
            true => down.map(|(link, _)| link.clone()).collect(),
            false => BTreeSet::new(),
        };
        (down != known.links_down).then(|| NodeRecord { links_down: down, ..known.clone() })
    }
}
