//! What is made of the inventories: what a node lacks, what it has otherwise than another, and so
//! which node could take which group.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use tsugi_vocabulary::{GroupName, NodeName};

use super::{
    Fact, Gap, Inventory, Item, LEAST_DAYS, LEAST_FREE, MOST_APART_MS, Wrong, items, outside,
};
use crate::spec::{ClusterSpec, GroupSpec};

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
    /// The node that it was compared with: none for that one itself, and where that one was of no
    /// use.
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
        | Wrong::NotCompared(_)
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
        | Wrong::Masked
        | Wrong::Enabled(_)
        | Wrong::Active
        | Wrong::NotEntitled(_)
        | Wrong::NotOfGroup
        | Wrong::Differs { .. } => false,
    };
    match gaps {
        [] => Could::Yes,
        gaps if gaps.iter().all(unknown) => Could::Unknown,
        _ => Could::No,
    }
}

/// Which node could take which group, for every group and every node that may run it. `owner` is
/// who runs a group: what it has is what the others are compared with, and while nobody runs it
/// what the first of its nodes has. Where that one says nothing, nothing was compared.
#[must_use]
pub fn verdicts<'a>(
    (spec, config): (&ClusterSpec, &str),
    answers: &BTreeMap<NodeName, Answered>,
    owner: impl Fn(&GroupName) -> Option<&'a NodeName>,
) -> Vec<Verdict> {
    let mut all = Vec::new();
    for (group, its) in &spec.groups {
        let look = |node| Looked::at((spec, config), (group, its), (node, answers));
        let Some(best) = owner(group).or(its.prefer.first()) else { continue };
        let measure = look(best);
        for node in &its.prefer {
            let (gaps, against) = match (look(node), &measure) {
                (Err(what), _) => (vec![whole(group, what)], None),
                (Ok(mine), Ok(_)) if node == best => {
                    let others = its.prefer.iter().filter(|other| *other != best);
                    let others: Vec<_> = others.filter_map(|other| look(other).ok()).collect();
                    (mine.gaps_of_measure(&others), None)
                }
                (Ok(mine), Ok(theirs)) => (mine.gaps_against(theirs), Some(best.clone())),
                (Ok(mine), Err(_)) => {
                    let not_compared = whole(group, Wrong::NotCompared(best.clone()));
                    let mut gaps = mine.shortfalls();
                    gaps.push(not_compared);
                    (gaps, None)
                }
            };
            let (group, node, mut gaps) = (group.clone(), node.clone(), gaps);
            let listener = |at: IpAddr| Gap {
                group: group.clone(),
                item: format!("listener:{at}"),
                what: Wrong::NotOfGroup,
            };
            gaps.extend(outside(spec, its).into_iter().map(listener));
            all.push(Verdict { group, node, against, gaps });
        }
    }
    all
}

/// What of `after` was not wrong `before`: the same item of the same group on the same node. A
/// verdict of which nothing is new is left out.
#[must_use]
pub fn new_ones(before: &[Verdict], after: &[Verdict]) -> Vec<Verdict> {
    let known: BTreeSet<(&NodeName, &GroupName, &str)> = before
        .iter()
        .flat_map(|v| v.gaps.iter().map(|gap| (&v.node, &v.group, gap.item.as_str())))
        .collect();
    let fresh = |verdict: &Verdict| {
        let Verdict { group, node, gaps, .. } = verdict;
        let is_new = |gap: &&Gap| !known.contains(&(node, group, gap.item.as_str()));
        let gaps: Vec<Gap> = gaps.iter().filter(is_new).cloned().collect();
        (!gaps.is_empty()).then(|| Verdict { gaps, ..verdict.clone() })
    };
    after.iter().filter_map(fresh).collect()
}

/// What is wrong with a group as a whole.
fn whole(group: &GroupName, what: Wrong) -> Gap {
    Gap { group: group.clone(), item: format!("group:{group}"), what }
}

/// What one node has of one group. What belongs to the group is read from the configuration: a
/// node only tells how that is there.
struct Looked<'a> {
    group: &'a GroupName,
    node: &'a NodeName,
    items: BTreeMap<String, Need>,
    facts: &'a BTreeMap<String, Fact>,
    ahead_ms: i64,
}

/// Whether a group can do without an item.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Needed,
    Compared,
}

impl<'a> Looked<'a> {
    /// What a node has told, or why that is of no use.
    fn at(
        (spec, config): (&ClusterSpec, &str),
        (group, its): (&'a GroupName, &GroupSpec),
        (node, answers): (&'a NodeName, &'a BTreeMap<NodeName, Answered>),
    ) -> Result<Self, Wrong> {
        let (inventory, ahead_ms) = match answers.get(node) {
            Some(Answered::Told { inventory, ahead_ms }) => (inventory, *ahead_ms),
            Some(Answered::Silent { why }) => return Err(Wrong::NotAsked(why.clone())),
            None => return Err(Wrong::NotAsked(String::new())),
        };
        if inventory.config != config {
            return Err(Wrong::OtherConfig);
        }
        let need = |item: &Item| if item.is_needed() { Need::Needed } else { Need::Compared };
        let items: BTreeMap<String, Need> =
            items(spec, its, node).iter().map(|item| (item.name(), need(item))).collect();
        if items.is_empty() || !inventory.groups.contains_key(group) {
            return Err(Wrong::NotCompared(node.clone()));
        }
        Ok(Self { group, node, items, facts: &inventory.facts, ahead_ms })
    }

    fn gap(&self, item: &str, what: Wrong) -> Gap {
        Gap { group: self.group.clone(), item: item.to_owned(), what }
    }

    /// Why this node could not take the group, whatever another has.
    fn shortfalls(&self) -> Vec<Gap> {
        let gap = |(item, need): (&String, &Need)| {
            let what = match self.facts.get(item) {
                Some(fact) if *need == Need::Needed => short(fact)?,
                Some(_) => return None,
                None => Wrong::NotCompared(self.node.clone()),
            };
            Some(self.gap(item, what))
        };
        self.items.iter().filter_map(gap).collect()
    }

    /// What speaks against the node that the others are compared with: what it lacks itself, and
    /// what it lacks of that which is only compared and another has.
    fn gaps_of_measure(&self, others: &[Self]) -> Vec<Gap> {
        let mut gaps = self.shortfalls();
        let has = |other: &Self, item: &String| {
            other.items.contains_key(item)
                && other.facts.get(item).is_some_and(|fact| short(fact).is_none())
        };
        let compared = self.items.iter().filter(|(_, need)| **need == Need::Compared);
        gaps.extend(compared.filter_map(|(item, _)| {
            let what = self.facts.get(item).and_then(short)?;
            others.iter().any(|other| has(other, item)).then(|| self.gap(item, what))
        }));
        gaps
    }

    /// What speaks against a node, compared with another.
    fn gaps_against(&self, other: &Self) -> Vec<Gap> {
        let mut gaps = self.shortfalls();
        // Both were measured by who asked, whose own clock may be the one that is off.
        let apart = self.ahead_ms.saturating_sub(other.ahead_ms);
        if apart.unsigned_abs() > MOST_APART_MS {
            gaps.push(self.gap("clock:time", Wrong::Apart(apart)));
        }
        let known: BTreeSet<String> = gaps.iter().map(|gap| gap.item.clone()).collect();
        let fresh = self.items.keys().filter(|item| !known.contains(*item));
        gaps.extend(fresh.filter(|item| other.items.contains_key(*item)).filter_map(|item| {
            let what = match (self.facts.get(item), other.facts.get(item)) {
                (Some(here), Some(there)) => compared(here, (other.node, there))?,
                (Some(_), None) => Wrong::NotCompared(other.node.clone()),
                (None, _) => return None,
            };
            Some(self.gap(item, what))
        }));
        gaps
    }
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
        Fact::Masked => Some(Wrong::Masked),
        Fact::Enabled { by } => Some(Wrong::Enabled(by.clone())),
        Fact::Active => Some(Wrong::Active),
        Fact::NotEntitled { why } => Some(Wrong::NotEntitled(why.clone())),
        Fact::There { .. } | Fact::Free { .. } | Fact::Lasts { .. } => None,
    }
}

/// What is wrong here between two facts. What could not be looked at is not known to be the same;
/// what only the other lacks is the other's.
fn compared(here: &Fact, (other, there): (&NodeName, &Fact)) -> Option<Wrong> {
    match (here, there) {
        (Fact::Unreadable { why }, _) => Some(Wrong::Unreadable(why.clone())),
        (_, Fact::Unreadable { .. }) => Some(Wrong::NotCompared(other.clone())),
        (Fact::Free { .. }, Fact::Free { .. }) | (Fact::Lasts { .. }, Fact::Lasts { .. }) => None,
        // What only its owner mounts is not the same on who does not own it.
        (Fact::InUse { .. }, Fact::InUse { .. }) => None,
        (here, there) if here == there => None,
        (here, there) if short(here).is_none() && short(there).is_some() => None,
        (here, there) => Some(Wrong::Differs { here: shown(here), there: shown(there) }),
    }
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
        Fact::Masked => "masked".to_owned(),
        Fact::Enabled { by } => format!("enabled by {by}"),
        Fact::Active => "active".to_owned(),
        Fact::NotEntitled { why } => why.clone(),
    }
}

/// A hash is told by its beginning.
fn short_hash(word: &str) -> &str {
    let hash = word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    if hash { &word[..24] } else { word }
}
