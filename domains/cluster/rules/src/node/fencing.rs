//! The fences that this node was ordered to have carried out (L7).

use std::collections::BTreeMap;

use tsugi_vocabulary::{BootId, Moment, NodeName};

use super::machine::Node;
use super::peers::Peer;
use super::{Now, Order};
use crate::lease::heartbeat::Hearing;
use crate::mutant::mutant;
use crate::record::{FenceFault, FenceOrder, NodeRecord, Record};

/// The orders that this life of the node has begun to carry out, and what came of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Fences {
    begun: BTreeMap<NodeName, (FenceOrder, Came)>,
    /// Whom it could not have switched off; none before every device was asked.
    unable: Option<BTreeMap<NodeName, FenceFault>>,
}

/// What came of an order.
#[derive(Clone, Debug)]
enum Came {
    /// Nothing yet.
    Nothing,
    /// The device says since then that the node is off. It may have switched off another.
    SaidOff(Moment),
    /// It failed.
    Failed(FenceFault),
}

impl Node {
    /// Carries out what this node was ordered to, each order once and at once: one that is found
    /// when it no longer holds fails.
    pub(super) fn carry_out_fences(&mut self, now: Now, record: &Record, out: &mut Vec<Order>) {
        let mine = |known: &NodeRecord| {
            let order = known.fencing.as_ref()?;
            let me = order.by == self.me && order.by_boot == self.boot;
            (me && order.failed.is_none()).then(|| order.clone())
        };
        let mut orders = BTreeMap::new();
        for (node, known) in &record.nodes {
            if let Some(order) = mine(&known.value) {
                orders.insert(node.clone(), order);
            }
        }
        if orders.is_empty() && self.fences.begun.is_empty() {
            return;
        }
        self.fences.begun.retain(|node, (begun, _)| orders.get(node) == Some(begun));
        for (node, order) in orders {
            if self.fences.begun.contains_key(&node) {
                continue;
            }
            let device = record.spec().and_then(|spec| spec.nodes.get(&node)?.fence.clone());
            let came = match device {
                None => Came::Failed(FenceFault::Absent(String::new())),
                Some(_) if !self.still_holds(now, &node, &order) => Came::Failed(FenceFault::Late),
                Some(device) => {
                    let (node, boot) = (node.clone(), order.boot);
                    out.push(Order::Fence { node, boot, device: Box::new(device) });
                    Came::Nothing
                }
            };
            self.fences.begun.insert(node, (order, came));
        }
    }

    /// A node that is cut off shoots nobody, and nobody is shot who is heard again; a person may
    /// have a node shot that is heard.
    fn still_holds(&self, now: Now, node: &NodeName, order: &FenceOrder) -> bool {
        if mutant("fence-carried-out-late") {
            return true;
        }
        let silent = self.is_silent(now.lease, node);
        self.hearing(now.lease) == Hearing::Majority && (silent || order.order.is_some())
    }

    /// What came of one.
    pub(super) fn on_fenced(
        &mut self,
        now: Now,
        (node, boot): (&NodeName, BootId),
        outcome: Result<(), FenceFault>,
    ) {
        if let Some((order, came @ Came::Nothing)) = self.fences.begun.get_mut(node)
            && order.boot == boot
        {
            *came = match outcome {
                Ok(()) => Came::SaidOff(now.lease),
                Err(fault) => Came::Failed(fault),
            };
        }
        if let Some((_, Came::Failed(FenceFault::Lied | FenceFault::Wrong))) =
            self.fences.begun.get(node)
        {
            self.catch(node);
        }
    }

    /// Whether a node that is said to be off is: one that is heard is not, whatever its device
    /// says. What it sent before may be read up to a beat later, so it is waited for its silence.
    fn is_off(&self, now: Now, (node, boot): (&NodeName, BootId), since: Moment) -> IsOff {
        let again = |peer: &Peer| peer.boot() != boot;
        if self.is_silent(now.lease, node) || self.peers.get(node).is_some_and(again) {
            return IsOff::Yes;
        }
        let lately = since + self.timing.beat + self.timing.beat;
        let heard = self.peers.get(node).and_then(Peer::heard);
        if heard.is_some_and(|at| at >= lately) { IsOff::No } else { IsOff::Unknown }
    }

    /// What the devices said is written down, so that every node can tell it and whoever decides
    /// asks somebody who can.
    pub(super) fn on_devices_asked(&mut self, unable: BTreeMap<NodeName, FenceFault>) {
        let wrong = unable.iter().filter(|(_, fault)| **fault == FenceFault::Wrong);
        for node in wrong.map(|(node, _)| node.clone()).collect::<Vec<_>>() {
            self.catch(&node);
        }
        self.fences.unable = Some(unable);
    }

    /// The own entry with what the devices said, if the record has it otherwise.
    pub(super) fn devices_to_report(&self) -> Option<NodeRecord> {
        let known = &*self.record.nodes.get(&self.me)?.value;
        let unable = self.fences.unable.as_ref().unwrap_or(&known.unable);
        let caught = self.all_caught(&known.caught);
        let news = known.unable != *unable || known.caught != caught;
        news.then(|| NodeRecord { unable: unable.clone(), caught, ..known.clone() })
    }

    /// Those that have ended, with what came of them.
    pub(super) fn fences_ended(
        &self,
        now: Now,
    ) -> Vec<(NodeName, FenceOrder, Result<(), FenceFault>)> {
        let ended = self.fences.begun.iter();
        let ended = ended.filter_map(|(node, (order, came))| {
            let outcome = match came {
                Came::Nothing => return None,
                Came::Failed(fault) => Err(fault.clone()),
                Came::SaidOff(since) => match self.is_off(now, (node, order.boot), *since) {
                    IsOff::Yes => Ok(()),
                    IsOff::No => Err(FenceFault::Wrong),
                    IsOff::Unknown => return None,
                },
            };
            Some((node.clone(), order.clone(), outcome))
        });
        ended.collect()
    }
}

/// Whether a node that is said to be off is.
enum IsOff {
    Yes,
    No,
    /// It was heard too lately to know.
    Unknown,
}
