//! What a node writes down of what it sees happen to itself and to others; it decides nothing.

use tsugi_vocabulary::{Epoch, GroupName, Index, Moment, NodeName, Span};

use super::Now;
use super::machine::Node;
use crate::desk::{Desk, State, Why};
use crate::reason::Cause;
use crate::record::{EventRecord, Happening};

/// For so long a return waits for somebody to lead; an election is over long before.
const UNSAID_KEPT: Span = Span::secs(10);

/// The return of another node that nobody who leads is known to have heard.
#[derive(Clone, Debug)]
pub(super) struct Unsaid {
    heard: Moment,
    event: EventRecord,
}

impl Node {
    /// Another node is heard again after a silence. Who leads tells of it; where nobody leads who
    /// could have heard that, as after a cut of the leader itself, whoever leads next does.
    pub(super) fn note_return(&mut self, now: Now, of: &NodeName, (cause, seen): (Cause, Index)) {
        let what = Happening::Returned { node: of.clone(), cause, last_seen: Some(seen) };
        let peer = self.leader.as_ref().and_then(|leader| self.peers.get(leader));
        let hears_leader = peer.is_some_and(|leader| leader.tells(now.lease, self.timing));
        match &self.leader {
            Some(leader) if *leader == self.me => self.note(now, None, what),
            Some(leader) if leader != of && hears_leader => {}
            Some(_) | None => {
                let event = self.event(now, None, what);
                self.unsaid.insert(of.clone(), Unsaid { heard: now.lease, event });
            }
        }
    }

    /// Somebody leads from now on.
    pub(super) fn say_unsaid(&mut self, now: Moment) {
        let Some(leader) = &self.leader else { return };
        let unsaid = std::mem::take(&mut self.unsaid).into_values();
        if *leader == self.me {
            let fresh = unsaid.filter(|unsaid| now.since(unsaid.heard) < UNSAID_KEPT);
            self.paperwork.keep(fresh.map(|unsaid| unsaid.event));
        }
    }

    /// A start that failed after something was already up, and all of it is stopped again.
    pub(super) fn note_undone(&mut self, now: Now, (group, epoch): (&GroupName, Epoch), why: &Why) {
        let Why::Failure(Cause::StartFailed { resource, .. }) = why else { return };
        let Some(spec) = self.specs.get(group) else { return };
        let up = spec.start_order().iter().position(|r| r.name == *resource).unwrap_or(0);
        if up > 0 {
            let what = Happening::StartUndone { resource: resource.clone(), up };
            self.note(now, Some((group.clone(), epoch)), what);
        }
    }

    /// The guardian let go of something that was here.
    pub(super) fn note_guardian_acted(&mut self, now: Now, (group, epoch): (&GroupName, Epoch)) {
        let Some(desk) = self.desks.get(group).filter(|d| d.epoch() == Some(epoch)) else { return };
        let had_something = match &desk.state {
            State::Clear | State::Waiting { .. } | State::Released { .. } => false,
            State::Adopting { .. }
            | State::Arming { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Mending { .. }
            | State::LettingGo { .. }
            | State::Stuck { .. } => true,
        };
        if had_something {
            let what = Happening::GuardianActed { node: self.me.clone() };
            self.note(now, Some((group.clone(), epoch)), what);
        }
    }

    /// Once every group that a former agent may have left was looked at: those that go on.
    pub(super) fn note_adoptions(&mut self, now: Now) {
        if self.adopting.is_empty() {
            return;
        }
        let state =
            |node: &Self, group: &GroupName| node.desks.get(group).map(|d: &Desk| d.state.clone());
        let looked_at: Vec<GroupName> = self
            .adopting
            .iter()
            .filter(|g| !matches!(state(self, g), Some(State::Adopting { .. })))
            .cloned()
            .collect();
        for group in looked_at {
            self.adopting.remove(&group);
            if matches!(state(self, &group), Some(State::Running { .. })) {
                self.adopted.push(group);
            }
        }
        if self.adopting.is_empty() && !self.adopted.is_empty() {
            let groups = std::mem::take(&mut self.adopted);
            self.note(now, None, Happening::Readopted { node: self.me.clone(), groups });
        }
    }
}
