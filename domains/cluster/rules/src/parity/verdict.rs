//! What is made of the inventories: what a node lacks, what it has otherwise than another, and so
//! which node could take which group.

use std::collections::BTreeMap;

use tsugi_vocabulary::{GroupName, NodeName};

use super::{Fact, Gap, Inventory, LEAST_DAYS, LEAST_FREE, MOST_APART_MS, Wrong};
use crate::spec::ClusterSpec;

/// What became of asking a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It has looked.
    Told {
        /// What it has.
        inventory: Box<Inventory>,
        /// By how many milliseconds its clock is ahead of the clock of who asked, or behind it.
        ahead_ms: i64,
    },
    /// It could not be asked, or what it said cannot be used.
    Silent {
        /// Why.
        why: String,
    },
}

/// Whether one node could take one group now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The group.
    pub group: GroupName,
    /// The node.
    pub node: NodeName,
    /// The node that it was compared with: the one that runs the group, if that could be asked.
    pub against: Option<NodeName>,
    /// What speaks against it; nothing if it could.
    pub gaps: Vec<Gap>,
}

/// An answer of three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Could {
    /// It could take the group.
    Yes,
    /// It could not, or would run something else.
    No,
    /// Nobody knows: that is never a yes.
    Unknown,
}

/// Whether the node could take the group, by what speaks against it.
#[must_use]
pub fn could(gaps: &[Gap]) -> Could {
    let unknown = |gap: &Gap| match gap.what {
        Wrong::Unreadable(_)
        | Wrong::Untested
        | Wrong::NotCompared
        | Wrong::OtherConfig
        | Wrong::NotAsked(_) => true,
        Wrong::Missing
        | Wrong::NotExecutable
        | Wrong::Full(_)
        | Wrong::NotEmpty
        | Wrong::InUse(_)
        | Wrong::NoCarrier
        | Wrong::Fails(_)
        | Wrong::Ends(_)
        | Wrong::Apart(_)
        | Wrong::Differs { .. } => false,
    };
    match gaps {
        [] => Could::Yes,
        gaps if gaps.iter().all(unknown) => Could::Unknown,
        _ => Could::No,
    }
}

/// Which node could take which group, for every group and every node that may run it. `owner` is
/// who runs a group: what it has is what the others are compared with.
#[must_use]
pub fn verdicts<'a>(
    (spec, config): (&ClusterSpec, &str),
    answers: &BTreeMap<NodeName, Answered>,
    owner: impl Fn(&GroupName) -> Option<&'a NodeName>,
) -> Vec<Verdict> {
    let usable = |group: &GroupName, node: &NodeName| match answers.get(node) {
        Some(Answered::Told { inventory, .. }) => {
            inventory.config == config && inventory.groups.contains_key(group)
        }
        Some(Answered::Silent { .. }) | None => false,
    };
    let mut all = Vec::new();
    for (group, its) in &spec.groups {
        let best = owner(group).into_iter().chain(&its.prefer);
        let measure = best.filter(|node| its.prefer.contains(node)).find(|n| usable(group, n));
        for node in &its.prefer {
            let against = measure.filter(|measure| *measure != node && usable(group, node));
            let other = against.and_then(|node| answers.get(node));
            let gaps = gaps((group, config), answers.get(node), other);
            let (group, node) = (group.clone(), node.clone());
            all.push(Verdict { group, node, against: against.cloned(), gaps });
        }
    }
    all
}

/// What speaks against a node that has answered so, compared with another.
fn gaps(
    (group, config): (&GroupName, &str),
    answer: Option<&Answered>,
    other: Option<&Answered>,
) -> Vec<Gap> {
    let whole =
        |what: Wrong| vec![Gap { group: group.clone(), item: format!("group:{group}"), what }];
    let (mine, ahead_ms) = match answer {
        Some(Answered::Told { inventory, ahead_ms }) => (inventory, *ahead_ms),
        Some(Answered::Silent { why }) => return whole(Wrong::NotAsked(why.clone())),
        None => return whole(Wrong::NotAsked(String::new())),
    };
    if mine.config != config {
        return whole(Wrong::OtherConfig);
    }
    if !mine.groups.contains_key(group) {
        return whole(Wrong::NotCompared);
    }
    let mut gaps = shortfalls_of(mine, group);
    if ahead_ms.unsigned_abs() > MOST_APART_MS {
        let (group, item) = (group.clone(), "clock:time".to_owned());
        gaps.push(Gap { group, item, what: Wrong::Apart(ahead_ms) });
    }
    if let Some(Answered::Told { inventory: theirs, .. }) = other {
        let known = |gap: &Gap| gaps.iter().any(|known| known.item == gap.item);
        let differ = differences_of((mine, theirs), group);
        let fresh: Vec<Gap> = differ.into_iter().filter(|gap| !known(gap)).collect();
        gaps.extend(fresh);
    }
    gaps
}

/// Why this node could not take its groups now.
#[must_use]
pub fn shortfalls(mine: &Inventory) -> Vec<Gap> {
    mine.groups.keys().flat_map(|group| shortfalls_of(mine, group)).collect()
}

fn shortfalls_of(mine: &Inventory, group: &GroupName) -> Vec<Gap> {
    let needed = |item: &&String| mine.needed.contains(*item);
    let items = mine.groups.get(group).into_iter().flatten().filter(needed);
    let gap = |item: &String| {
        let what = match mine.facts.get(item) {
            Some(fact) => short(fact)?,
            None => Wrong::NotCompared,
        };
        Some(Gap { group: group.clone(), item: item.clone(), what })
    };
    items.filter_map(gap).collect()
}

/// What a fact lacks to be enough.
fn short(fact: &Fact) -> Option<Wrong> {
    match fact {
        Fact::Missing => Some(Wrong::Missing),
        Fact::NotExecutable => Some(Wrong::NotExecutable),
        Fact::Unreadable { why } => Some(Wrong::Unreadable(why.clone())),
        Fact::Free { percent } if *percent < LEAST_FREE => Some(Wrong::Full(*percent)),
        Fact::NotEmpty => Some(Wrong::NotEmpty),
        Fact::InUse { at } => Some(Wrong::InUse(at.clone())),
        Fact::NoCarrier => Some(Wrong::NoCarrier),
        Fact::Untested => Some(Wrong::Untested),
        Fact::Fails { fault } => Some(Wrong::Fails(fault.clone())),
        Fact::Lasts { days } if *days < LEAST_DAYS => Some(Wrong::Ends(*days)),
        Fact::There { .. } | Fact::Free { .. } | Fact::Lasts { .. } => None,
    }
}

/// What is otherwise on another node, for the groups that both may run.
#[must_use]
pub fn differences(mine: &Inventory, theirs: &Inventory) -> Vec<Gap> {
    mine.groups.keys().flat_map(|group| differences_of((mine, theirs), group)).collect()
}

fn differences_of((mine, theirs): (&Inventory, &Inventory), group: &GroupName) -> Vec<Gap> {
    let (Some(items), Some(other)) = (mine.groups.get(group), theirs.groups.get(group)) else {
        return Vec::new();
    };
    let gap = |item: &String| {
        let what = compared(mine.facts.get(item), theirs.facts.get(item))?;
        // What this node needs and cannot look at is named as a shortfall already.
        let known = mine.needed.contains(item) && matches!(what, Wrong::Unreadable(_));
        (!known).then(|| Gap { group: group.clone(), item: item.clone(), what })
    };
    items.intersection(other).filter_map(gap).collect()
}

/// What is wrong between two facts: what nobody could look at is not known to be the same.
fn compared(here: Option<&Fact>, there: Option<&Fact>) -> Option<Wrong> {
    match (here, there) {
        (Some(Fact::Unreadable { why }), Some(Fact::Unreadable { .. })) => {
            Some(Wrong::Unreadable(why.clone()))
        }
        (Some(Fact::Free { .. }), Some(Fact::Free { .. }))
        | (Some(Fact::Lasts { .. }), Some(Fact::Lasts { .. })) => None,
        // What only its owner mounts is not the same on who does not own it.
        (Some(Fact::InUse { .. }), Some(Fact::InUse { .. })) => None,
        (here, there) if here == there => None,
        (here, there) => {
            let word = |fact: Option<&Fact>| fact.map_or_else(|| "not looked at".to_owned(), shown);
            Some(Wrong::Differs { here: word(here), there: word(there) })
        }
    }
}

/// The groups that both may run and of which the other has said nothing.
#[must_use]
pub fn not_compared(spec: &ClusterSpec, mine: &Inventory, theirs: &Inventory) -> Vec<Gap> {
    let both = |group: &GroupName| {
        spec.groups.get(group).is_some_and(|group| group.prefer.contains(&theirs.node))
    };
    let left = mine.groups.keys().filter(|name| both(name) && !theirs.groups.contains_key(*name));
    let gap = |name: &GroupName| Gap {
        group: name.clone(),
        item: format!("group:{name}"),
        what: Wrong::NotCompared,
    };
    left.map(gap).collect()
}

/// A fact in one word, the same in every language.
fn shown(fact: &Fact) -> String {
    match fact {
        Fact::Missing => "missing".to_owned(),
        Fact::NotExecutable => "not executable".to_owned(),
        Fact::Unreadable { why } => why.clone(),
        Fact::There { mark } => mark.split(' ').map(short_hash).collect::<Vec<_>>().join(" "),
        Fact::Free { percent } => format!("{percent} %"),
        Fact::NotEmpty => "not empty".to_owned(),
        Fact::InUse { at } => format!("mounted at {at}"),
        Fact::NoCarrier => "no carrier".to_owned(),
        Fact::Untested => "not tested".to_owned(),
        Fact::Fails { .. } => "fails".to_owned(),
        Fact::Lasts { days } => format!("{days} d"),
    }
}

/// A hash is told by its beginning.
fn short_hash(word: &str) -> &str {
    let hash = word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    if hash { &word[..24] } else { word }
}
