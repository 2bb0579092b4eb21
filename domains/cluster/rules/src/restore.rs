//! What becomes of the record when the ledger is made anew: from a backup, or from the copy of one
//! node after most voters were lost.
//!
//! The machines have gone on since the backup was made, so nothing of it is believed that only
//! the owner of a group could know: nobody owns anything, every end was unseen, and what was
//! pinned since stays pinned. Invariant: nothing starts before the former ledger can no longer
//! give anybody a lease ([`crate::lease::former_majority_out_there`]).

use std::collections::BTreeSet;
use std::sync::Arc;

use tsugi_vocabulary::{BootId, Epoch, NodeName};

use crate::lease::{former_voters_out_there, majority};
use crate::record::{
    Draft, GroupRecord, LeasesBefore, NodeIntent, NodeRecord, Ownership, Record, Restored, Write,
};
use crate::start_kind::Ending;

/// What this node still knows besides the backup.
#[derive(Clone, Copy, Debug)]
pub enum Newest<'a> {
    /// Its own copy of the former ledger, as far as it had come.
    Kept(&'a Record),
    /// It never kept one, or it cannot be read.
    Lost,
}

/// The node that keeps the restored ledger, alone at first.
#[derive(Clone, Copy, Debug)]
pub struct Keeper<'a> {
    /// Its name.
    pub node: &'a NodeName,
    /// Its number: the first of the new life.
    pub voter: u64,
    /// The fingerprint of its certificate.
    pub certificate: &'a str,
}

/// The first entry of a ledger that is made from `backup`.
#[must_use]
pub fn restored(backup: &Record, newest: Newest<'_>, keeper: Keeper<'_>) -> Draft {
    let known = match newest {
        Newest::Kept(record) => record,
        Newest::Lost => backup,
    };
    let former = former(backup, newest);
    let mut draft = Draft::default();
    let kept = backup.nodes.iter().map(|(name, node)| (name, Some(&*node.value)));
    let later = former.iter().flatten().filter(|name| !backup.nodes.contains_key(*name));
    for (name, node) in kept.chain(later.map(|name| (name, None))) {
        let gone = known.gone.contains_key(name) && !known.nodes.contains_key(name);
        if name == keeper.node {
            continue;
        }
        draft = draft.write(match node {
            Some(_) if gone => Write::NodeGone(name.clone()),
            Some(node) => Write::Node(name.clone(), Arc::new(waited_for(node, keeper.voter))),
            // Its number is not known here, only that it is a former one.
            None => Write::Node(name.clone(), Arc::new(NodeRecord::new(0))),
        });
    }
    let own = NodeRecord {
        certificate: Some(keeper.certificate.to_owned()),
        ..NodeRecord::new(keeper.voter)
    };
    draft = draft.write(Write::Node(keeper.node.clone(), Arc::new(own)));
    for (name, group) in &backup.groups {
        let next = unowned(&group.value, known.group(name));
        draft = draft.write(Write::Group(name.clone(), Arc::new(next)));
    }
    let leases = LeasesBefore::MayRun;
    let next = Restored { first: keeper.voter, former, lost: BTreeSet::new(), leases };
    draft.write(Write::Restored(Arc::new(next)))
}

/// The first entry of a ledger that one node makes anew from its own copy of it, `known`, after a
/// person has named the voters `lost` for good.
///
/// Nobody can know what the others committed after that copy. So every other node is waited for by
/// itself, also one that had no vote: it may own any group.
#[must_use]
pub fn recovered(known: &Record, lost: &BTreeSet<NodeName>, keeper: Keeper<'_>) -> Draft {
    let mut draft = Draft::default();
    let before = known.restored.as_deref();
    let leases = LeasesBefore::MayRun;
    let mut next =
        Restored { first: keeper.voter, lost: lost.clone(), leases, ..Restored::default() };
    let others = known.nodes.keys().chain(known.voters.keys()).filter(|name| *name != keeper.node);
    let others: BTreeSet<&NodeName> = others.collect();
    for name in others {
        // Whom an earlier recovery waits for stays lost.
        let still = |r: &Restored| r.lost.contains(name) && is_former(known, r, name);
        if before.is_some_and(still) {
            next.lost.insert(name.clone());
        }
        next.former.push(BTreeSet::from([name.clone()]));
        let node = known.nodes.get(name).map(|known| &*known.value);
        let waited = match node {
            // Its certificate stays with it: whoever shows it is refused.
            Some(node) if next.lost.contains(name) => {
                NodeRecord { certificate: node.certificate.clone(), ..waited_for(node, next.first) }
            }
            Some(node) => waited_for(node, next.first),
            None => NodeRecord::new(0),
        };
        draft = draft.write(Write::Node(name.clone(), Arc::new(waited)));
    }
    let drained = known.nodes.get(keeper.node).map(|own| own.value.intent.clone());
    let drained = drained.filter(|intent| matches!(intent, NodeIntent::Drained(_)));
    let own = NodeRecord {
        certificate: Some(keeper.certificate.to_owned()),
        intent: drained.unwrap_or(NodeIntent::InService),
        ..NodeRecord::new(keeper.voter)
    };
    draft = draft.write(Write::Node(keeper.node.clone(), Arc::new(own)));
    for (name, group) in &known.groups {
        let next = unowned(&group.value, None);
        draft = draft.write(Write::Group(name.clone(), Arc::new(next)));
    }
    draft.write(Write::Restored(Arc::new(next)))
}

fn is_former(known: &Record, restored: &Restored, name: &NodeName) -> bool {
    known.nodes.get(name).is_some_and(|node| node.value.voter < restored.first)
}

/// What it means to a ledger that a person names some of its nodes lost for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The majority is gone with them.
    OfTheMajority,
    /// These are no other members: there is nothing to lose with them.
    Unknown(BTreeSet<String>),
    /// These voters are not named and are a majority by themselves.
    StillThere(BTreeSet<NodeName>),
}

/// What the loss of the nodes of these names means to `me`, who keeps `known`.
#[must_use]
pub fn loss(known: &Record, me: &NodeName, names: &BTreeSet<String>) -> Loss {
    let no_other = |name: &&String| {
        let member = |node: &NodeName| node != me && node.as_str() == name.as_str();
        !known.nodes.keys().chain(known.voters.keys()).any(member)
    };
    let unknown: BTreeSet<String> = names.iter().filter(no_other).cloned().collect();
    if !unknown.is_empty() || names.is_empty() {
        return Loss::Unknown(unknown);
    }
    let left = known.voters.keys().filter(|node| !names.contains(node.as_str()));
    let left: BTreeSet<NodeName> = left.cloned().collect();
    if left.len() >= majority(known.voters.len()) {
        return Loss::StillThere(left);
    }
    Loss::OfTheMajority
}

/// The lists of voters of which no majority may be left. Who has lost its own copy cannot know
/// which list was the last, so it waits for each voter of the backup.
fn former(backup: &Record, newest: Newest<'_>) -> Vec<BTreeSet<NodeName>> {
    let known = match newest {
        Newest::Kept(record) => record,
        Newest::Lost => {
            let each = backup.voters.keys().map(|name| BTreeSet::from([name.clone()]));
            return each.collect();
        }
    };
    let mut former = vec![known.voters.keys().cloned().collect()];
    if !former_voters_out_there(known).is_empty() {
        // It was itself restored, and the ledger before that may still be alive.
        former.extend(known.restored.iter().flat_map(|restored| restored.former.clone()));
    }
    former
}

fn waited_for(node: &NodeRecord, first: u64) -> NodeRecord {
    let intent = match &node.intent {
        NodeIntent::Leaving(BootId(_)) => NodeIntent::InService,
        NodeIntent::InService | NodeIntent::Drained(_) => node.intent.clone(),
    };
    let voter = node.voter.min(first.saturating_sub(1));
    let (fencing, certificate, demanded) = (None, None, None);
    NodeRecord { voter, intent, fencing, certificate, demanded, ..node.clone() }
}

/// A group that nobody owns, with the pin that it was given last (L9).
fn unowned(backup: &GroupRecord, newest: Option<&GroupRecord>) -> GroupRecord {
    let epoch = newest.map_or(backup.epoch, |newest| newest.epoch.max(backup.epoch));
    let ended = if epoch == Epoch::NONE { backup.ended } else { Ending::Unknown };
    let pause = newest.and_then(|newest| newest.pause.clone()).or_else(|| backup.pause.clone());
    GroupRecord { epoch, ownership: Ownership::Nobody, ended, pause, ..backup.clone() }
}

#[cfg(test)]
mod tests;
