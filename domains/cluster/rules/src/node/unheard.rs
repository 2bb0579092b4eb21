//! What a node says of itself in the ledger while only the disk shows the other that it lives.
//!
//! How a group stands and which links carry is told in beats, and a beat needs a network. So what
//! somebody else has to decide on then becomes an entry: that a group failed here and nothing of
//! it is left, and which links do not carry.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_vocabulary::{GroupName, Index, Moment, NodeName, Span};

use super::Now;
use super::machine::Node;
use super::peers::Peer;
use crate::desk::Desk;
use crate::lease::has_disk;
use crate::plan::Stand;
use crate::planner::{self, Wanted};
use crate::record::{Draft, GroupRecord, LinkState, NodeRecord};
use crate::spec::Takeover;

/// Which links did not carry as the other node last answered, and the newest entry applied then.
#[derive(Clone, Debug, Default)]
pub(super) struct LinksTold {
    down: BTreeSet<String>,
    at: Index,
    /// When one last changed.
    pub(super) changed: Moment,
}

impl LinksTold {
    /// The other node has answered, some beats ago at most: what changed since is not told yet.
    pub(super) fn look(
        &mut self,
        (now, beat): (Moment, Span),
        links: &BTreeMap<String, LinkState>,
        at: Index,
    ) {
        if now.since(self.changed) < beat + beat + beat {
            return;
        }
        let down = || links.iter().filter(|(_, state)| **state == LinkState::Down);
        self.at = at;
        if !down().map(|(link, _)| link).eq(&self.down) {
            self.down = down().map(|(link, _)| link.clone()).collect();
        }
    }
}

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
        let entry = self.record.nodes.get(&self.me)?;
        // Who heard otherwise last goes by that until an entry comes, though it says nothing new.
        let told_otherwise = down != self.links_told.down;
        let untold = self.is_unheard(now) && told_otherwise && self.links_told.at >= entry.version;
        let due = untold || down != known.links_down;
        due.then(|| NodeRecord { links_down: down, ..known.clone() })
    }

    /// The links of a node of which no beat comes: as it told them last, until an entry of it that
    /// came later says it anew.
    pub(super) fn links_untold(&self, name: &NodeName, peer: &Peer) -> BTreeMap<String, LinkState> {
        let Some(entry) = self.record.nodes.get(name) else { return BTreeMap::new() };
        match peer.links_told().filter(|_| entry.version <= peer.told_at) {
            Some(told) => told.clone(),
            None => {
                let down = entry.value.links_down.iter();
                down.map(|link| (link.clone(), LinkState::Down)).collect()
            }
        }
    }
}
