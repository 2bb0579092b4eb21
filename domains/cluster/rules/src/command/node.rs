//! Commands on nodes.

use std::collections::BTreeSet;

use tsugi_vocabulary::{BootId, NodeName};

use super::Number;
use super::effect::Effect;
use crate::plan::Life;
use crate::record::{
    Demand, FenceOrder, LeasesBefore, NodeIntent, NodeRecord, Ownership, Restored,
};
use crate::refusal::Refusal;

/// It joins. The number of the founding is handed out once; a wiped node, which shows another
/// certificate, gets one that nobody ever had (L6).
pub(super) fn join(
    effect: &mut Effect<'_>,
    node: &NodeName,
    (certificate, number): (&str, Number),
) {
    if !effect.spec().is_some_and(|s| s.nodes.contains_key(node)) {
        effect.refuse(Refusal::NoSuchNode { node: node.to_string() });
    }
    let record = effect.situation.record;
    let known = record.nodes.get(node).map(|node| (*node.value).clone());
    let unasked = known.clone().filter(|known| known.certificate.is_none());
    let next = match (unasked, number) {
        (Some(known), Number::OfTheFounding) => known,
        (Some(_), Number::New) | (None, Number::OfTheFounding | Number::New) => {
            NodeRecord::new(record.next_voter())
        }
    };
    if known.is_some_and(|known| known.certificate.as_deref() == Some(certificate)) {
        effect.refuse(Refusal::AlreadySo { what: node.to_string() });
    }
    effect.write_node(node, NodeRecord { certificate: Some(certificate.to_owned()), ..next });
}

/// A node that comes in from the former life of a restored ledger names who kept that one: of
/// that list, too, no majority may be out there.
pub(super) fn bring_list(effect: &mut Effect<'_>, former: &BTreeSet<NodeName>) {
    let record = effect.situation.record;
    let Some(restored) = record.restored.as_deref() else { return };
    if former.is_empty() || restored.former.contains(former) {
        return;
    }
    let unknown =
        |name: &&NodeName| !record.nodes.contains_key(*name) && !record.gone.contains_key(*name);
    for name in former.iter().filter(unknown) {
        // Its number is not known here, only that it is a former one.
        effect.write_node(name, NodeRecord::new(0));
    }
    let mut next = Restored { leases: LeasesBefore::MayRun, ..restored.clone() };
    next.former.push(former.clone());
    effect.write_restored(next);
}

/// Its groups move away and none comes.
pub(super) fn drain(effect: &mut Effect<'_>, node: &NodeName) {
    let Some(known) = effect.node(node) else { return };
    if matches!(known.intent, NodeIntent::Drained(_)) {
        effect.refuse(Refusal::AlreadySo { what: node.to_string() });
    }
    if !effect.owned_by(node).is_empty() {
        effect.needs_reason();
    }
    let intent = NodeIntent::Drained(effect.order());
    effect.write_node(node, NodeRecord { intent, ..known });
}

/// It may own groups again.
pub(super) fn undrain(effect: &mut Effect<'_>, node: &NodeName) {
    let Some(known) = effect.node(node) else { return };
    if known.intent == NodeIntent::InService {
        effect.refuse(Refusal::AlreadySo { what: node.to_string() });
    }
    effect.write_node(node, NodeRecord { intent: NodeIntent::InService, ..known });
}

/// It shuts down.
pub(super) fn leave(effect: &mut Effect<'_>, node: &NodeName) {
    let Some(known) = effect.node(node) else { return };
    let Some(boot) = effect.sight(node).filter(|_| effect.is_heard(node)).map(|s| s.boot) else {
        return effect.refuse(Refusal::AlreadySo { what: node.to_string() });
    };
    if known.intent == NodeIntent::Leaving(boot) {
        effect.refuse(Refusal::AlreadySo { what: node.to_string() });
    }
    if !effect.owned_by(node).is_empty() {
        effect.needs_reason();
    }
    let voters = crate::lease::voters(effect.situation.record);
    refuse_minority(effect, node, voters);
    effect.write_node(node, NodeRecord { intent: NodeIntent::Leaving(boot), ..known });
}

/// It is gone for good.
pub(super) fn remove(effect: &mut Effect<'_>, node: &NodeName) {
    if !effect.situation.record.nodes.contains_key(node) {
        return effect.refuse(Refusal::NoSuchNode { node: node.to_string() });
    }
    effect.needs_reason();
    let groups = effect.owned_by(node);
    if !groups.is_empty() {
        effect.refuse(Refusal::StillOwns { node: node.clone(), groups });
    }
    let record = effect.situation.record;
    let voters = crate::lease::voters(record);
    if crate::lease::has_disk(record) {
        // A disk is for two nodes, and each has its place on it.
        effect.refuse(Refusal::LastMajority { node: node.clone() });
    }
    let has_a_vote = crate::lease::is_voter(record, node);
    refuse_minority(effect, node, voters.saturating_sub(usize::from(has_a_vote)));
    effect.remove_node(node);
}

/// The operator vouches that the machine is off: what it ran may be taken over (L7).
pub(super) fn confirm_off(effect: &mut Effect<'_>, node: &NodeName) {
    let Some(known) = effect.node(node) else { return };
    effect.needs_reason();
    let heard = |life: &Life| match life {
        Life::Heard | Life::Deaf => true,
        Life::Silent { .. } => false,
    };
    if *node == effect.situation.by || effect.sight(node).is_some_and(|s| heard(&s.life)) {
        effect.refuse(Refusal::NodeIsUp { node: node.clone() });
    }
    // Of a former life of the ledger nothing is known here, and every boot of it is meant.
    if is_awaited(effect, node) {
        return effect.remove_node(node);
    }
    match newest_boot(effect, node) {
        Some(boot) if known.fenced != Some(boot) => {
            effect.write_node(node, NodeRecord { fenced: Some(boot), fencing: None, ..known });
        }
        Some(_) | None => effect.refuse(Refusal::AlreadySo { what: node.to_string() }),
    }
}

/// It was named lost and is back: it has let go of all that it ran, and never votes in the former
/// life of the ledger again. It is no member, and comes in with a new token only. A certificate
/// that was not known is noted first, by an entry of its own: it is refused from then on.
pub(super) fn stood_aside(effect: &mut Effect<'_>, node: &NodeName, certificate: &str) {
    let known = effect.situation.record.nodes.get(node).map(|known| (*known.value).clone());
    match known.filter(|_| is_awaited(effect, node)) {
        None => effect.refuse(Refusal::NoSuchNode { node: node.to_string() }),
        Some(known) if known.certificate.is_none() => {
            let certificate = Some(certificate.to_owned());
            effect.write_node(node, NodeRecord { certificate, ..known });
        }
        Some(_) => effect.remove_node(node),
    }
}

/// Whether it was named lost and is still waited for.
fn is_awaited(effect: &Effect<'_>, node: &NodeName) -> bool {
    crate::lease::lost_voters_out_there(effect.situation.record).contains(&node)
}

/// It is switched off by its device, alive or not (L7). Who takes the command has it done, or
/// somebody else if it is about himself. Without a device the end of its life is demanded over the
/// disk, where two nodes share one.
pub(super) fn fence(effect: &mut Effect<'_>, node: &NodeName) {
    let Some(known) = effect.node(node) else { return };
    effect.needs_reason();
    let device = effect.spec().and_then(|spec| spec.nodes.get(node)?.fence.as_ref());
    let record = effect.situation.record;
    match device {
        None if crate::lease::has_disk(record) => return demand_end(effect, node, known),
        None => effect.refuse(Refusal::NoFenceDevice { node: node.clone() }),
        Some(_) => {}
    }
    let voters = crate::lease::voters(record);
    refuse_minority(effect, node, voters);
    let Some(boot) = newest_boot(effect, node) else {
        return effect.refuse(Refusal::AlreadySo { what: node.to_string() });
    };
    let under_way = |order: &FenceOrder| {
        let asks = effect.sight(&order.by).is_some_and(|s| s.boot == order.by_boot);
        order.boot == boot && order.failed.is_none() && asks
    };
    if known.fenced == Some(boot) || known.fencing.as_ref().is_some_and(under_way) {
        return effect.refuse(Refusal::AlreadySo { what: node.to_string() });
    }
    let own = effect.situation.by.clone();
    let all = effect.situation.sights.keys().filter(|n| **n != own);
    let by = std::iter::once(&own).chain(all).find(|n| *n != node && effect.is_heard(n));
    let Some((by, by_boot)) = by.and_then(|by| Some((by.clone(), effect.sight(by)?.boot))) else {
        return effect.refuse(Refusal::LastMajority { node: node.clone() });
    };
    let order = FenceOrder {
        boot,
        by,
        by_boot,
        at: effect.issued.at,
        order: Some(effect.order()),
        failed: None,
    };
    effect.write_node(node, NodeRecord { fencing: Some(order), ..known });
}

/// The end of the newest life of `node` is demanded over the disk that it shares with another. Of
/// two nodes one is left: who is to end demands nothing, so the ledger's order says whose end it is
/// if both demand it of each other at once.
fn demand_end(effect: &mut Effect<'_>, node: &NodeName, known: NodeRecord) {
    let record = effect.situation.record;
    let mut others = record.nodes.iter().filter(|(other, _)| *other != node);
    if let Some((other, _)) = others.find(|(_, known)| known.value.demanded.is_some()) {
        effect.refuse(Refusal::EndDemanded { node: other.clone() });
    }
    refuse_minority(effect, node, crate::lease::voters(record));
    let boot = newest_boot(effect, node).filter(|boot| known.fenced != Some(*boot));
    let stands = known.demanded.as_ref().map(|demand| demand.boot);
    match boot.filter(|boot| stands != Some(*boot)) {
        None => effect.refuse(Refusal::AlreadySo { what: node.to_string() }),
        Some(boot) => {
            let demanded = Some(Demand { boot, order: effect.order() });
            effect.write_node(node, NodeRecord { demanded, ..known });
        }
    }
}

/// The newest life of a node that is known: as it was seen, or as it was given groups.
fn newest_boot(effect: &Effect<'_>, node: &NodeName) -> Option<BootId> {
    let given = || {
        let groups = effect.situation.record.groups.values();
        groups.into_iter().find_map(|g| match &g.value.ownership {
            Ownership::Owned { node: owner, boot, .. } if owner == node => *boot,
            Ownership::Owned { .. } | Ownership::Nobody => None,
        })
    };
    effect.sight(node).map(|s| s.boot).or_else(given)
}

/// Of `voters`, those that are heard without `node` must still be a majority. Beside a node that is
/// left the disk is one of them: a ledger that takes this has just read it. Who gets no entry of it
/// has not.
pub(super) fn refuse_minority(effect: &mut Effect<'_>, node: &NodeName, voters: usize) {
    let record = effect.situation.record;
    let all = crate::lease::voter_names(record).into_iter();
    let heard: Vec<_> = all.filter(|n| *n != node && effect.is_heard(n)).collect();
    let reads = |n: &NodeName| effect.sight(n).is_none_or(|sight| sight.entries.reach_it());
    let disk = crate::lease::has_disk(record) && heard.iter().any(|n| reads(n));
    if heard.len() + usize::from(disk) < voters / 2 + 1 {
        effect.refuse(Refusal::LastMajority { node: node.clone() });
    }
}
