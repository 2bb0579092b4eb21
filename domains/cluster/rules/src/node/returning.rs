//! A node that was lost has come back, and what ran on it runs elsewhere: scripts that are
//! configured for it are told so here (CL-03, CL-06). Nothing of the group is started by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_vocabulary::{Epoch, GroupName, Index, Moment};

use super::machine::{Node, Stay};
use super::watches::ACTS as WATCH_ACTS;
use super::{Now, Order};
use crate::desk::{Act, Before, Disk, Outcome, ScriptEvent, State, Told};
use crate::lease::heartbeat::Hearing;
use crate::mirror::Promotion;
use crate::plan::Settled;
use crate::reason::How;
use crate::record::{GroupRecord, Happening, Ownership, Phase};
use crate::spec::OnRecover;

/// What scripts of this node have been told of its return.
#[derive(Clone, Debug, Default)]
pub(super) struct Returns {
    /// For each group the run elsewhere of which they were told.
    told: BTreeMap<GroupName, Epoch>,
    acts: BTreeMap<u64, (GroupName, Epoch)>,
    numbers: u64,
    /// The record in which there was nothing left to tell.
    looked_at: Option<Index>,
}

/// The numbers of acts from this one to those of watched programs are neither a desk's nor theirs.
const ACTS: u64 = 1 << 62;

impl Node {
    /// Tells the scripts of every group that was taken from this node while it was lost. Once for
    /// each loss in the life of an agent: a new one is a return as well.
    pub(super) fn tell_return(&mut self, now: Now, out: &mut Vec<Order>) {
        if self.returns.looked_at == Some(self.record.applied) {
            return;
        }
        let record = Arc::clone(&self.record);
        self.returns.told.retain(|group, _| record.groups.contains_key(group));
        let told = &self.returns.told;
        self.returns.acts.retain(|_, (group, epoch)| told.get(group) == Some(epoch));
        let back = self.stay == Stay::Here
            && self.settled(now.lease) == Settled::Yes
            && self.hearing(now.lease) == Hearing::Majority
            && record.applied >= self.newest;
        let mut left = 0;
        for (group, entry) in &record.groups {
            let Some(told) = self.to_be_told(group, &entry.value) else { continue };
            let clear = self.desks.get(group).is_none_or(|desk| desk.state == State::Clear);
            if !back || !clear {
                left += 1;
                continue;
            }
            let epoch = entry.value.epoch;
            self.returns.numbers += 1;
            let act = ACTS + self.returns.numbers;
            self.returns.told.insert(group.clone(), epoch);
            self.returns.acts.insert(act, (group.clone(), epoch));
            out.push(Order::Do { group: group.clone(), epoch, act, what: Act::Recover { told } });
        }
        self.returns.looked_at = (left == 0).then_some(record.applied);
    }

    /// What the scripts of a group are to be told of this node's return, if they are and were not.
    fn to_be_told(&self, group: &GroupName, entry: &GroupRecord) -> Option<Told> {
        let Ownership::Owned { node, start, cause, phase: Phase::Running, .. } = &entry.ownership
        else {
            return None;
        };
        let was_here = *node != self.me && cause.lost_node() == Some(&self.me);
        if !was_here || entry.pause.is_some() || self.returns.told.get(group) == Some(&entry.epoch)
        {
            return None;
        }
        let spec = self.record.spec()?.groups.get(group)?;
        let listed = spec.prefer.contains(&self.me);
        let wanted = spec.resources.iter().any(|r| r.kind.on_recover() == OnRecover::Run);
        let (event, disk, reason) = (ScriptEvent::Recover, Disk::Success, cause.word());
        (listed && wanted).then_some(Told {
            kind: *start,
            event,
            disk,
            reason,
            before: Before::Orderly,
            promotion: Promotion::default(),
        })
    }

    /// Whether a group is another node's or nobody's and nothing of it is here, for certain: what
    /// its runs have left on this machine may go.
    #[must_use]
    pub fn is_gone(&self, now: Moment, group: &GroupName) -> bool {
        let Some(entry) = self.record.groups.get(group) else { return false };
        let elsewhere = match &entry.value.ownership {
            Ownership::Nobody => true,
            Ownership::Owned { node, .. } => *node != self.me,
        };
        let at_rest = match self.desk(group) {
            None | Some(State::Clear | State::Released { .. }) => true,
            Some(
                State::Adopting { .. }
                | State::Waiting { .. }
                | State::Arming { .. }
                | State::Starting { .. }
                | State::Running { .. }
                | State::Stopping { .. }
                | State::Mending { .. }
                | State::LettingGo { .. }
                | State::Stuck { .. },
            ) => false,
        };
        // A new agent may find the group running, and know an older record than the one before it.
        let knows = self.settled(now) == Settled::Yes
            && self.hearing(now) == Hearing::Majority
            && self.record.applied >= self.newest;
        knows && elsewhere && at_rest && entry.value.pause.is_none()
    }

    /// Whether an act was one of these; what came of it is written down then.
    pub(super) fn on_return_told(&mut self, now: Now, act: u64, outcome: &Outcome) -> bool {
        if !(ACTS..WATCH_ACTS).contains(&act) {
            return false;
        }
        let Some(about) = self.returns.acts.remove(&act) else { return true };
        let failed = match outcome {
            Outcome::Fine { .. } | Outcome::Forced { .. } | Outcome::Adopted(_) => None,
            Outcome::Failed { how } | Outcome::Stuck { left: how } => Some(how.clone()),
            Outcome::NoLink { link, .. } => Some(How::from(link.clone())),
        };
        self.note(now, Some(about), Happening::Recovered { failed });
        true
    }
}
