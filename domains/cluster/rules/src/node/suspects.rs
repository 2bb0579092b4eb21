//! Nodes that miss beats: their fence devices are asked for the state, long before anybody is
//! called silent (decision 21).
//!
//! To ask for a state does nothing to anybody. Off, said twice by a device whose newest test said
//! on while the node was heard, ends the boot that was heard last as a confirmed fence does; what
//! else is said, or not said, changes nothing.

use std::collections::BTreeMap;

use tsugi_vocabulary::{BootId, GroupName, Moment, NodeName, Span};

use super::machine::Node;
use super::peers::Peer;
use super::{Order, Power};
use crate::lease::{majority, voter_names, voters};
use crate::mutant::mutant;
use crate::record::{FenceFault, GroupIntent, GroupRecord, Ownership, Record};
use crate::spec::{FenceDevice, Takeover};

/// So many nodes ask the device of one: some devices talk to few at a time.
const ASKERS: usize = 2;

/// What is known of the devices, and whom this node has asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Suspects {
    /// The devices whose newest test said on of a node that was heard, and how long it took.
    vouched: BTreeMap<NodeName, (FenceDevice, Span)>,
    /// Those that this life of the node has caught.
    caught: BTreeMap<NodeName, FenceDevice>,
    /// One question for each silence.
    asked: BTreeMap<NodeName, Question>,
    /// What they said off of, and when.
    said_off: BTreeMap<NodeName, (BootId, Moment)>,
}

/// The question for a node's state.
#[derive(Clone, Debug)]
struct Question {
    /// The life of the node that was heard last.
    boot: BootId,
    stands: Stands,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// Nothing was said yet.
    First,
    /// Off was said once.
    Again,
    /// Off was said twice, so long after the node was last heard.
    Off(Span),
    /// It proves nothing.
    Over,
}

impl Node {
    /// Takes the outcome of a test. A device is vouched for while its newest test said on of a node
    /// that was heard: one that is stuck, or plugged to what is off anyway, never is.
    pub(super) fn on_device_tested(
        &mut self,
        now: Moment,
        node: NodeName,
        (says, took): (Power, Span),
    ) {
        let heard = self.peers.get(&node).and_then(Peer::heard);
        let heard = heard.is_some_and(|at| now.since(at) < self.timing.suspect_after());
        match (says, self.device_of(&node)) {
            (Power::On, Some(device)) if heard => {
                self.suspects.vouched.insert(node, (device, took));
            }
            (Power::On | Power::Off | Power::Unknown, _) => {
                self.suspects.vouched.remove(&node);
            }
        }
    }

    fn device_of(&self, node: &NodeName) -> Option<FenceDevice> {
        self.record.spec()?.nodes.get(node)?.fence.clone()
    }

    /// A device has said off of a node that lived.
    pub(super) fn catch(&mut self, node: &NodeName) {
        if let Some(device) = self.device_of(node) {
            self.suspects.caught.insert(node.clone(), device);
        }
    }

    /// The devices that this node has ever caught, as it is to stand in its entry.
    pub(super) fn all_caught(
        &self,
        known: &BTreeMap<NodeName, FenceDevice>,
    ) -> BTreeMap<NodeName, FenceDevice> {
        let mut all = known.clone();
        all.extend(self.suspects.caught.clone());
        let spec = self.record.spec();
        all.retain(|node, _| spec.is_some_and(|spec| spec.nodes.contains_key(node)));
        all
    }

    /// A node is heard: there is nothing to ask, and what was said of it is no proof any more. A
    /// device that had said off of this life of it has been caught, unless what is heard was sent
    /// before.
    pub(super) fn clear_of_doubt(&mut self, now: Moment, (node, boot): (&NodeName, BootId)) {
        self.suspects.asked.remove(node);
        let Some((of, at)) = self.suspects.said_off.get(node).copied() else { return };
        if of != boot {
            self.suspects.said_off.remove(node);
        } else if now.since(at) >= self.timing.ttl {
            self.suspects.said_off.remove(node);
            self.catch(node);
        }
    }

    /// Asks for the state of those that miss beats now, if it can prove anything.
    pub(super) fn ask_of_suspects(&mut self, now: Moment, record: &Record, out: &mut Vec<Order>) {
        if self.suspects.vouched.is_empty() && !mutant("state-believed-untested") {
            return;
        }
        let mut found = Vec::new();
        for (node, peer) in &self.peers {
            let boot = peer.boot();
            // Where its lease may run for long, a wrong word would count for as long.
            let stretched = record.ratio() > 1 || peer.ttl() > self.timing.ttl;
            let open = self.is_suspect(now, peer) && !self.suspects.asked.contains_key(node);
            let open = open && !stretched;
            if open && self.is_to_be_asked(now, record, (node, boot)) {
                found.extend(self.believable(record, node).map(|device| (node, boot, device)));
            }
        }
        let found: Vec<_> = found.into_iter().map(|(n, b, d)| (n.clone(), b, d)).collect();
        for (node, boot, device) in found {
            let question = Question { boot, stands: Stands::First };
            self.suspects.asked.insert(node.clone(), question);
            out.push(Order::AskState { node, device: Box::new(device) });
        }
    }

    /// Whether a node misses beats and is not called silent yet.
    fn is_suspect(&self, now: Moment, peer: &Peer) -> bool {
        let silence = peer.heard().map(|at| now.since(at));
        silence.is_some_and(|silence| {
            silence >= self.timing.suspect_after() && silence < self.silent_after(peer)
        })
    }

    /// Whether anything hangs on this life of a node, and it is this node that asks.
    fn is_to_be_asked(
        &self,
        now: Moment,
        record: &Record,
        (node, boot): (&NodeName, BootId),
    ) -> bool {
        let Some(known) = record.nodes.get(node) else { return false };
        let ordered = known.value.fencing.as_ref().is_some_and(|order| order.boot == boot);
        if ordered || known.value.fenced == Some(boot) {
            return false;
        }
        owns_something(record, (node, boot)) && self.is_asker(now, record, node)
    }

    /// The node's device, if what it says of the state can be believed.
    fn believable(&self, record: &Record, node: &NodeName) -> Option<FenceDevice> {
        let device = record.spec()?.nodes.get(node)?.fence.as_ref()?;
        let caught = |caught: &BTreeMap<NodeName, FenceDevice>| caught.get(node) == Some(device);
        let entries = || record.nodes.values().map(|known| &*known.value);
        let wrong = entries().any(|its| its.unable.get(node) == Some(&FenceFault::Wrong));
        let liar =
            wrong || caught(&self.suspects.caught) || entries().any(|its| caught(&its.caught));
        if liar && !mutant("state-of-a-liar-believed") {
            return None;
        }
        let quick = |(tested, took): &(FenceDevice, Span)| {
            tested == device && *took <= self.timing.quick_state()
        };
        let vouched = self.suspects.vouched.get(node).is_some_and(quick);
        (vouched || mutant("state-believed-untested")).then(|| device.clone())
    }

    /// Whether this node is one of the few that ask: who decides comes first, and then those who
    /// may follow it. One that is cut off itself asks nobody.
    fn is_asker(&self, now: Moment, record: &Record, node: &NodeName) -> bool {
        let there = |name: &NodeName| {
            let heard = self.peers.get(name).and_then(Peer::heard);
            let recent = heard.is_some_and(|at| now.since(at) < self.timing.suspect_after());
            *name == self.me || recent
        };
        let heard = voter_names(record).into_iter().filter(|name| there(name)).count();
        if heard < majority(voters(record)) {
            return false;
        }
        let able = record.nodes.iter().filter(|(name, known)| {
            *name != node && there(name) && !known.value.unable.contains_key(node)
        });
        let mut able: Vec<&NodeName> = able.map(|(name, _)| name).collect();
        able.sort_by_key(|name| self.leader.as_ref() != Some(*name));
        able.into_iter().take(ASKERS).any(|name| *name == self.me)
    }

    /// Takes what a device said; once off was said it is asked a second time.
    pub(super) fn on_device_said(
        &mut self,
        now: Moment,
        node: &NodeName,
        says: Power,
        out: &mut Vec<Order>,
    ) {
        let device = self.device_of(node);
        let silence = self.peers.get(node).and_then(Peer::heard).map(|at| now.since(at));
        let Some(question) = self.suspects.asked.get_mut(node) else { return };
        if says == Power::Off {
            self.suspects.said_off.insert(node.clone(), (question.boot, now));
        }
        question.stands = match (question.stands, says, silence) {
            (Stands::First, Power::Off, Some(silence)) if mutant("state-believed-once") => {
                Stands::Off(silence)
            }
            (Stands::First, Power::Off, Some(_)) => match device {
                Some(device) => {
                    out.push(Order::AskState { node: node.clone(), device: Box::new(device) });
                    Stands::Again
                }
                None => Stands::Over,
            },
            (Stands::Again, Power::Off, Some(silence)) => Stands::Off(silence),
            (Stands::First | Stands::Again, Power::On | Power::Unknown, _)
            | (Stands::First | Stands::Again, Power::Off, None) => Stands::Over,
            (Stands::Off(_) | Stands::Over, _, _) => question.stands,
        };
    }

    /// The nodes that are off, as their devices say: which life of each, and how long after it was
    /// last heard that was said.
    pub(super) fn found_off(&self) -> Vec<(NodeName, BootId, Span)> {
        let found = self.suspects.asked.iter().filter_map(|(node, question)| {
            let Stands::Off(silence) = question.stands else { return None };
            // What the ledger knows, or what has returned since, is told no second time.
            let news = owns_something(&self.record, (node, question.boot));
            news.then(|| (node.clone(), question.boot, silence))
        });
        found.collect()
    }

    /// When the next one will have missed so many beats that its device may be asked.
    pub(super) fn next_doubt(&self, now: Moment) -> Option<Moment> {
        let due = self.suspects.vouched.keys().filter_map(|node| {
            let heard = self.peers.get(node).and_then(Peer::heard)?;
            Some(heard + self.timing.suspect_after())
        });
        due.filter(|at| *at > now).min()
    }
}

/// Whether a group that is taken over by itself is owned by this life of a node, and none by
/// another life of it: whoever did not hear that one knows nothing of it.
fn owns_something(record: &Record, (node, boot): (&NodeName, BootId)) -> bool {
    let its = || {
        record.groups.iter().filter_map(|(name, group)| match &group.value.ownership {
            Ownership::Owned { node: owner, boot, .. } if owner == node => {
                Some((name, &*group.value, *boot))
            }
            Ownership::Owned { .. } | Ownership::Nobody => None,
        })
    };
    let taken = |name: &GroupName, group: &GroupRecord| {
        let spec = record.spec().and_then(|spec| spec.groups.get(name));
        let automatic = spec.is_some_and(|spec| spec.takeover == Takeover::Automatic);
        automatic && group.pause.is_none() && matches!(group.intent, GroupIntent::Run)
    };
    its().all(|(_, _, of)| of.is_none_or(|of| of == boot))
        && its().any(|(name, group, _)| taken(name, group))
}
