//! Groups that must be together are placed as one: a bundle. Most bundles hold one group.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_vocabulary::{GroupName, NodeName};

use super::fit;
use super::ground::{Ground, View};
use super::need::Need;
use crate::mutant::mutant;
use crate::reason::Rejected;

/// One group with what it needs.
pub(super) struct Case<'a> {
    pub view: View<'a>,
    pub need: Need,
}

/// The groups of one bundle, by their place in the list of cases; in the order of names.
pub(super) type Bundle = Vec<usize>;

/// The bundles, in the order of their first names.
pub(super) fn bundles(cases: &[Case<'_>]) -> Vec<Bundle> {
    let place: BTreeMap<&GroupName, usize> =
        cases.iter().enumerate().map(|(i, c)| (c.view.name, i)).collect();
    let mut mates: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); cases.len()];
    for (i, case) in cases.iter().enumerate() {
        let named = case.view.spec.into_iter().flat_map(|s| &s.together);
        for j in named.filter_map(|g| place.get(g)).copied() {
            mates[i].insert(j);
            mates[j].insert(i);
        }
    }
    let mut taken = vec![false; cases.len()];
    let mut bundles = Vec::new();
    for first in 0..cases.len() {
        let mut bundle = BTreeSet::new();
        let mut open = vec![first];
        while let Some(i) = open.pop() {
            if !std::mem::replace(&mut taken[i], true) {
                bundle.insert(i);
                open.extend(&mates[i]);
            }
        }
        if !bundle.is_empty() {
            bundles.push(bundle.into_iter().collect());
        }
    }
    bundles
}

/// Where groups are, or are on their way to, as far as it is decided.
pub(super) struct Occupied<'a>(BTreeMap<&'a GroupName, Vec<NodeName>>);

impl<'a> Occupied<'a> {
    /// What the needs say before anything is placed.
    pub fn by(cases: &[Case<'a>]) -> Self {
        let mut all = Self(BTreeMap::new());
        for case in cases {
            match &case.need {
                Need::Hold { node } | Need::Stay { node } => all.take(case.view.name, node),
                Need::Stop { from, .. } | Need::Leave { from, .. } => {
                    all.take(case.view.name, from);
                }
                Need::UnderWay { from, to, .. } => {
                    all.take(case.view.name, from);
                    all.take(case.view.name, to);
                }
                // Its owner has let go of it.
                Need::Observed(observed) if observed.released().is_some() => {}
                Need::Wait(_) | Need::Observed(_) => {
                    if let Some(owner) = case.view.record.owner() {
                        all.take(case.view.name, owner);
                    }
                    all.take_promised(&case.view);
                }
                Need::Place(_) => all.take_promised(&case.view),
                Need::Rest(_) | Need::LetGo { .. } | Need::GiveUp(_) => {}
            }
        }
        all
    }

    /// Where a hand-over would bring the group that was ordered before its owner was lost: one
    /// that comes back carries it out, if nobody has taken the group from it by then.
    fn take_promised(&mut self, view: &View<'a>) {
        if let Some(to) = view.owner().and_then(|owner| owner.handover) {
            self.take(view.name, to);
        }
    }

    /// The group is on `node` now, or will be.
    pub fn take(&mut self, group: &'a GroupName, node: &NodeName) {
        self.0.entry(group).or_default().push(node.clone());
    }

    fn holds(&self, group: &GroupName, node: &NodeName) -> bool {
        self.0.get(group).is_some_and(|nodes| nodes.contains(node))
    }
}

/// R1 to R9: what speaks against `node` for one group of a bundle, its mates left aside. A group
/// that stays has nothing against its own node.
pub(super) fn against_one(
    ground: &Ground<'_>,
    occupied: &Occupied<'_>,
    case: &Case<'_>,
    node: &NodeName,
) -> Option<Rejected> {
    if stays_on(case, node) {
        return None;
    }
    fit::against(ground, &case.view, node).or_else(|| {
        let met = ground.apart_from(case.view.name).find(|g| occupied.holds(g, node))?;
        (!mutant("apart-ignored")).then(|| Rejected::Apart { from: met.clone() })
    })
}

/// R10: the first mate that cannot be on `node`.
pub(super) fn against_mates(
    ground: &Ground<'_>,
    occupied: &Occupied<'_>,
    mates: &[&Case<'_>],
    node: &NodeName,
) -> Option<Rejected> {
    let cannot = |mate: &&&Case<'_>| match &mate.need {
        Need::Hold { node: at } | Need::UnderWay { to: at, .. } => at != node,
        Need::Observed(observed) => observed.at().is_some_and(|at| at != node),
        Need::Stay { .. } | Need::Leave { .. } | Need::Place(_) => {
            against_one(ground, occupied, mate, node).is_some()
        }
        // What does not run asks for no company.
        Need::Rest(_)
        | Need::Wait(_)
        | Need::Stop { .. }
        | Need::LetGo { .. }
        | Need::GiveUp(_) => false,
    };
    let with = mates.iter().find(cannot)?.view.name.clone();
    Some(Rejected::Together { with })
}

/// Whether the group runs on `node` and is fine there.
pub(super) fn stays_on(case: &Case<'_>, node: &NodeName) -> bool {
    match &case.need {
        Need::Stay { node: at } | Need::Hold { node: at } => at == node,
        Need::Observed(observed) => observed.stays() == Some(node),
        Need::Rest(_)
        | Need::Wait(_)
        | Need::Stop { .. }
        | Need::LetGo { .. }
        | Need::GiveUp(_)
        | Need::UnderWay { .. }
        | Need::Leave { .. }
        | Need::Place(_) => false,
    }
}
