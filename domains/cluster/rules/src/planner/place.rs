//! Chooses a node for what needs one, and says why not the others.
//!
//! What runs is never interrupted to make room: a group that finds no room waits for it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tsugi_vocabulary::{Epoch, GroupName, NodeName, Wall};

use super::bundle::{Bundle, Case, Occupied, against_mates, against_one};
use super::ground::{Ground, Seen, View};
use super::need::{Need, Place};
use crate::figures::{Compare, Compared, PreferBy};
use crate::plan::{Chosen, Decision, Settled, Waiting};
use crate::reason::{Cause, Nature, Rejected};
use crate::record::Phase;
use crate::spec::{Failback, Isolation};

/// When a bundle is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// It restarts where it was.
    InPlace,
    /// It is down and looks for a place.
    Down,
    /// It runs.
    Runs,
}

/// The cases with the decisions made so far, by the same places.
pub(super) struct Desk<'c, 'a> {
    pub ground: &'c Ground<'a>,
    pub cases: &'c [Case<'a>],
    pub occupied: Occupied<'a>,
    pub decisions: Vec<Option<Decision>>,
}

impl<'c, 'a> Desk<'c, 'a> {
    pub fn new(ground: &'c Ground<'a>, cases: &'c [Case<'a>]) -> Self {
        let decisions = cases.iter().map(|_| None).collect();
        Self { ground, cases, occupied: Occupied::by(cases), decisions }
    }

    /// What needs no node is decided by its need alone.
    pub fn settle_fixed(&mut self) {
        for (case, decision) in self.cases.iter().zip(&mut self.decisions) {
            let (chosen, cause) = match &case.need {
                Need::Rest(because) => (Chosen::Rest { because: *because }, None),
                Need::LetGo { because, .. } => (Chosen::Rest { because: *because }, None),
                Need::GiveUp(failure) => {
                    let because = crate::plan::Resting::GaveUp;
                    (Chosen::Rest { because }, Some(failure.cause.clone()))
                }
                Need::Wait(on) => (Chosen::Wait { on: on.clone() }, None),
                Need::Stop { from, cause } => {
                    (Chosen::Stop { from: from.clone() }, Some(cause.clone()))
                }
                Need::Hold { .. }
                | Need::UnderWay { .. }
                | Need::Leave { .. }
                | Need::Place(_)
                | Need::Observed(_)
                | Need::Stay { .. } => continue,
            };
            *decision = Some(Decision { chosen, cause, rejected: BTreeMap::new() });
        }
    }

    /// Decides for a bundle: where what needs a node goes, and what follows it there.
    pub fn place(&mut self, bundle: &Bundle) {
        let target = self.target(bundle);
        for &i in bundle {
            let observed = matches!(self.cases[i].need, Need::Observed(_));
            if self.decisions[i].is_none() && !observed {
                let decision = self.decide(bundle, i, target.as_ref());
                self.note(i, &decision.chosen);
                self.decisions[i] = Some(decision);
            }
        }
    }

    /// A bundle that is fine goes to a node that it likes better, if all of it says so.
    pub fn fail_back(&mut self, bundle: &Bundle) {
        let Some((at, to)) = self.better(bundle) else { return };
        if bundle.iter().any(|&i| matches!(self.cases[i].need, Need::Observed(_))) {
            return;
        }
        for &i in bundle {
            let cause = Cause::Failback { to: to.clone() };
            let chosen = Chosen::HandOver { from: at.clone(), to: to.clone() };
            self.note(i, &chosen);
            let rejected = BTreeMap::new();
            self.decisions[i] = Some(Decision { chosen, cause: Some(cause), rejected });
        }
    }

    /// Where a bundle runs that may fail back by itself, and the better node that it goes to.
    pub(super) fn better(&self, bundle: &Bundle) -> Option<(NodeName, NodeName)> {
        let at = self.content(bundle)?;
        let order = self.order(bundle).into_iter();
        // Where figures choose among the others, only the first node is home.
        let homes = if self.prefers_by(bundle).is_some() { 1 } else { usize::MAX };
        let better: Vec<NodeName> = order.take(homes).take_while(|n| *n != at).collect();
        let can = |n: &NodeName| bundle.iter().all(|&i| self.own_or_mates(bundle, i, n).is_none());
        Some((at, better.into_iter().find(can)?))
    }

    /// Where the whole bundle runs, if all of it runs there, is fine and may fail back by itself.
    fn content(&self, bundle: &Bundle) -> Option<NodeName> {
        if self.ground.settled == Settled::NotYet {
            return None;
        }
        let mut at = None;
        for &i in bundle {
            let case = &self.cases[i];
            let node = match &case.need {
                Need::Stay { node } => node,
                Need::Observed(observed) => observed.stays()?,
                _ => return None,
            };
            let eager = case.view.spec.is_some_and(|s| match s.failback {
                Failback::WhenBetter => true,
                Failback::At(timetable) => timetable.is_open(self.ground.at),
                Failback::Never | Failback::Manual => false,
            });
            let up = case.view.owner().is_some_and(|o| o.phase == Phase::Running);
            if !eager || !up || at.is_some_and(|a| a != node) {
                return None;
            }
            at = Some(node);
        }
        at.cloned()
    }

    /// When a bundle is placed, and how many nodes could take it: the fewest choose first.
    pub fn turn(&self, bundle: &Bundle) -> (Turn, usize) {
        let places = || {
            bundle.iter().filter_map(|&i| match &self.cases[i].need {
                Need::Place(place) => Some(place),
                _ => None,
            })
        };
        let can = || self.ground.spec.nodes.keys().filter(|n| self.all_can(bundle, n)).count();
        if places().next().is_none() {
            (Turn::Runs, 0)
        } else if places().all(|p| p.home.is_some()) {
            (Turn::InPlace, can())
        } else {
            (Turn::Down, can())
        }
    }

    /// Says why not the other nodes, once everything has its place.
    pub fn explain(&mut self, bundle: &Bundle) {
        for &i in bundle {
            let Some(decision) = &self.decisions[i] else { continue };
            match decision.chosen {
                Chosen::Stay { .. }
                | Chosen::Give { .. }
                | Chosen::HandOver { .. }
                | Chosen::NoPlace => {
                    let rejected = self.reasons(bundle, i, &decision.chosen);
                    if let Some(decision) = &mut self.decisions[i] {
                        decision.rejected = rejected;
                    }
                }
                Chosen::Stop { .. } | Chosen::Rest { .. } | Chosen::Wait { .. } => {}
            }
        }
    }

    /// What speaks against each node for one group, its mates considered.
    pub fn obstacles(&self, group: &GroupName) -> Vec<(NodeName, Option<Rejected>)> {
        let bundles = super::bundle::bundles(self.cases);
        let is_it = |i: &usize| self.cases[*i].view.name == group;
        let Some(bundle) = bundles.iter().find(|b| b.iter().any(is_it)) else {
            return Vec::new();
        };
        let Some(&i) = bundle.iter().find(|i| is_it(i)) else { return Vec::new() };
        let mut order = self.order(bundle);
        let rest = self.ground.spec.nodes.keys().filter(|n| !order.contains(n));
        let rest: Vec<NodeName> = rest.cloned().collect();
        order.extend(rest);
        let against = |n: NodeName| {
            let why = self.own_or_mates(bundle, i, &n);
            (n, why)
        };
        order.into_iter().map(against).collect()
    }

    fn all_can(&self, bundle: &Bundle, node: &NodeName) -> bool {
        bundle.iter().all(|&i| !self.moves(i) || self.own_or_mates(bundle, i, node).is_none())
    }

    /// Whether the group takes part in the choice of a node.
    fn moves(&self, i: usize) -> bool {
        matches!(self.cases[i].need, Need::Stay { .. } | Need::Leave { .. } | Need::Place(_))
    }

    pub(super) fn own_or_mates(
        &self,
        bundle: &Bundle,
        i: usize,
        node: &NodeName,
    ) -> Option<Rejected> {
        against_one(self.ground, &self.occupied, &self.cases[i], node).or_else(|| {
            let mates: Vec<&Case<'_>> =
                bundle.iter().filter(|&&j| j != i).map(|&j| &self.cases[j]).collect();
            against_mates(self.ground, &self.occupied, &mates, node)
        })
    }

    /// The nodes in the order in which the bundle likes them: where an operator put it, then as
    /// its first group says.
    pub(super) fn order(&self, bundle: &Bundle) -> Vec<NodeName> {
        let of = |i: &usize| &self.cases[*i].view;
        let put = bundle.iter().find_map(|i| of(i).record.location.clone());
        let leader = bundle.iter().find(|i| self.moves(**i)).or(bundle.first());
        let spec = leader.and_then(|i| of(i).spec);
        let liked = spec.into_iter().flat_map(|s| s.prefer.iter().cloned());
        let mut order: Vec<NodeName> = Vec::new();
        for node in put.into_iter().chain(liked) {
            if !order.contains(&node) {
                order.push(node);
            }
        }
        order
    }

    /// The nodes in the order in which the bundle takes one when it falls: where an operator put
    /// it, then those that have told a figure, the best first, then as its first group says.
    pub(super) fn order_of_fall(&self, bundle: &Bundle) -> Vec<NodeName> {
        let mut order = self.order(bundle);
        let (Some((name, by)), true) = (self.prefers_by(bundle), self.falls(bundle)) else {
            return order;
        };
        let put = bundle.iter().find_map(|&i| self.cases[i].view.record.location.as_ref());
        let figure = |n: &NodeName| self.figure(n, (name, by));
        // A stable sort: what is the same stays in the order of the configuration.
        order.sort_by_key(|n| (Some(n) != put, Reverse(figure(n))));
        order
    }

    /// By what a bundle chooses its next node, and for which of its groups that is measured.
    fn prefers_by(&self, bundle: &Bundle) -> Option<(&'a GroupName, &'a PreferBy)> {
        let leader = bundle.iter().find(|i| self.moves(**i)).or(bundle.first())?;
        let view = &self.cases[*leader].view;
        let by = &view.spec?.prefer_by;
        (!by.is_order()).then_some((view.name, by))
    }

    /// Whether something was lost or has failed, so that the bundle needs another node: only then
    /// figures count.
    fn falls(&self, bundle: &Bundle) -> bool {
        let cause = |need: &'c Need| match need {
            Need::Place(Place { cause, .. }) | Need::Leave { cause, .. } => Some(cause),
            Need::Observed(observed) => observed.falls(),
            _ => None,
        };
        let causes = bundle.iter().filter_map(|&i| cause(&self.cases[i].need));
        causes.map(Cause::nature).any(|nature| nature != Nature::Wanted)
    }

    fn figure(&self, node: &NodeName, (group, by): (&GroupName, &PreferBy)) -> Option<i64> {
        match self.ground.seen(node) {
            Seen::Heard(Some(sight)) => sight.figures.of(group, by),
            Seen::Heard(None) | Seen::Deaf(_) | Seen::Silent(_) | Seen::Unheard => None,
        }
    }

    /// The figures by which `than` was taken and not `node`; none if they were not what decided.
    fn compared(&self, bundle: &Bundle, node: &NodeName, than: &NodeName) -> Option<Box<Compared>> {
        let (name, by) = self.prefers_by(bundle).filter(|_| self.falls(bundle))?;
        let (its, best) = (self.figure(node, (name, by)), self.figure(than, (name, by))?);
        let is_home = |i: &usize| match &self.cases[*i].need {
            Need::Place(place) => place.home.as_ref() == Some(than),
            _ => false,
        };
        let decided = its.is_none_or(|its| its < best) && !bundle.iter().any(is_home);
        let by = Compare::of(by)?;
        decided.then(|| Box::new(Compared { by, its, best }))
    }

    /// The node that can take the whole bundle: where part of it runs, where part of it restarts
    /// in place, then by liking.
    fn target(&self, bundle: &Bundle) -> Option<NodeName> {
        let needs = || bundle.iter().map(|&i| &self.cases[i].need);
        let runs = needs().filter_map(|n| match n {
            Need::Stay { node } => Some(node.clone()),
            Need::Observed(observed) => observed.at().cloned(),
            _ => None,
        });
        let homes = needs().filter_map(|n| match n {
            Need::Place(Place { home, .. }) => home.clone(),
            _ => None,
        });
        let first: Vec<NodeName> = runs.chain(homes).collect();
        first.into_iter().chain(self.order_of_fall(bundle)).find(|n| self.all_can(bundle, n))
    }

    /// A node that was not heard yet and that the bundle would like better than `target`.
    fn worth_waiting(&self, bundle: &Bundle, i: usize, target: Option<&NodeName>) -> bool {
        let at_home = matches!(&self.cases[i].need, Need::Place(Place { home: Some(h), .. })
            if Some(h) == target);
        let order = self.order(bundle);
        let unheard = |n: &NodeName| matches!(self.ground.seen(n), Seen::Unheard);
        // Of a node that was not heard yet nobody knows the figure.
        if !at_home && self.prefers_by(bundle).is_some() && self.falls(bundle) {
            return order.iter().any(unheard);
        }
        !at_home && order.iter().take_while(|n| Some(*n) != target).any(unheard)
    }

    fn decide(&self, bundle: &Bundle, i: usize, target: Option<&NodeName>) -> Decision {
        let case = &self.cases[i];
        let chosen = match (&case.need, target) {
            (Need::Place(_), _) if self.worth_waiting(bundle, i, target) => {
                return self.waiting(i);
            }
            (Need::Place(place), Some(to)) => {
                (Chosen::Give { node: to.clone(), epoch: self.next_epoch(i) }, place.cause.clone())
            }
            (Need::Place(place), None) => (Chosen::NoPlace, place.cause.clone()),
            (Need::Leave { from, cause }, Some(to)) => {
                (Chosen::HandOver { from: from.clone(), to: to.clone() }, cause.clone())
            }
            (Need::Leave { from, cause }, None) => {
                (self.nowhere(&case.view, from, cause), cause.clone())
            }
            (Need::UnderWay { from, to, cause }, _) => {
                (Chosen::HandOver { from: from.clone(), to: to.clone() }, cause.clone())
            }
            (Need::Stay { node }, Some(to)) if to != node => {
                let with = self.mover(bundle, i);
                (Chosen::HandOver { from: node.clone(), to: to.clone() }, Cause::Together { with })
            }
            (Need::Stay { node } | Need::Hold { node }, _) => {
                let (chosen, rejected) = (Chosen::Stay { node: node.clone() }, BTreeMap::new());
                return Decision { chosen, cause: None, rejected };
            }
            (
                Need::Rest(_)
                | Need::Wait(_)
                | Need::Stop { .. }
                | Need::LetGo { .. }
                | Need::Observed(_)
                | Need::GiveUp(_),
                _,
            ) => unreachable!("what needs no node was decided by its need"),
        };
        let (chosen, cause) = chosen;
        Decision { chosen, cause: Some(cause), rejected: BTreeMap::new() }
    }

    fn waiting(&self, i: usize) -> Decision {
        let Need::Place(place) = &self.cases[i].need else {
            unreachable!("only what needs a node waits for one")
        };
        let chosen = Chosen::Wait { on: Waiting::Settling };
        Decision { chosen, cause: Some(place.cause.clone()), rejected: BTreeMap::new() }
    }

    /// The mate that makes a running group follow it.
    fn mover(&self, bundle: &Bundle, i: usize) -> GroupName {
        let stays = |j: &&usize| matches!(self.cases[**j].need, Need::Stay { .. });
        let others = || bundle.iter().filter(|&&j| j != i);
        let mover = others().find(|j| !stays(j)).or(others().next()).unwrap_or(&i);
        self.cases[*mover].view.name.clone()
    }

    pub(super) fn next_epoch(&self, i: usize) -> Epoch {
        self.cases[i].view.record.epoch.next(self.ground.record.incarnation)
    }

    /// The first reason against every node that was not chosen.
    pub(super) fn reasons(
        &self,
        bundle: &Bundle,
        i: usize,
        chosen: &Chosen,
    ) -> BTreeMap<NodeName, Rejected> {
        let order = self.order_of_fall(bundle);
        let rank = |n: &NodeName| order.iter().position(|o| o == n).unwrap_or(usize::MAX);
        let taken = match chosen {
            Chosen::Stay { node } | Chosen::Give { node, .. } => Some(node),
            Chosen::HandOver { to, .. } => Some(to),
            Chosen::Stop { .. } | Chosen::Rest { .. } | Chosen::NoPlace | Chosen::Wait { .. } => {
                None
            }
        };
        let mut rejected = BTreeMap::new();
        for node in self.ground.spec.nodes.keys().filter(|n| Some(*n) != taken) {
            let reason = match (self.own_or_mates(bundle, i, node), taken) {
                (Some(reason), _) => reason,
                (None, Some(on)) if rank(node) < rank(on) => match self.next_failback(i) {
                    Some(until) => Rejected::NotYet { until },
                    None => {
                        let epoch = self.epoch_of(i, chosen);
                        Rejected::StaysPut { on: on.clone(), epoch }
                    }
                },
                (None, Some(than)) => {
                    let compared = self.compared(bundle, node, than);
                    Rejected::LessPreferred { than: than.clone(), compared }
                }
                (None, None) => continue,
            };
            rejected.insert(node.clone(), reason);
        }
        rejected
    }

    /// When a group that goes back by its timetable may do so next.
    fn next_failback(&self, i: usize) -> Option<Wall> {
        match self.cases[i].view.spec?.failback {
            Failback::At(timetable) => timetable.next(self.ground.at),
            Failback::Never | Failback::Manual | Failback::WhenBetter => None,
        }
    }

    fn epoch_of(&self, i: usize, chosen: &Chosen) -> Epoch {
        match chosen {
            Chosen::Give { epoch, .. } => *epoch,
            Chosen::Stay { .. }
            | Chosen::HandOver { .. }
            | Chosen::Stop { .. }
            | Chosen::Rest { .. }
            | Chosen::NoPlace
            | Chosen::Wait { .. } => self.cases[i].view.record.epoch,
        }
    }

    /// What a group does whose owner should let it go and that nobody else can take: a machine that
    /// shuts down stops it in order, and one that nobody can call is stopped if it says so, once
    /// everybody was heard who is there; otherwise it is better off where it runs.
    pub(super) fn nowhere(&self, view: &View<'_>, from: &NodeName, cause: &Cause) -> Chosen {
        let isolation = view.spec.map_or(Isolation::Stay, |spec| spec.failure.isolation);
        match (cause, isolation, self.ground.settled) {
            (Cause::Shutdown { .. }, _, _)
            | (Cause::LinksDown { .. }, Isolation::Stop, Settled::Yes) => {
                Chosen::Stop { from: from.clone() }
            }
            _ => Chosen::Stay { node: from.clone() },
        }
    }

    fn note(&mut self, i: usize, chosen: &Chosen) {
        match chosen {
            Chosen::Give { node, .. } | Chosen::HandOver { to: node, .. } => {
                self.occupied.take(self.cases[i].view.name, node);
            }
            Chosen::Stay { .. }
            | Chosen::Stop { .. }
            | Chosen::Rest { .. }
            | Chosen::NoPlace
            | Chosen::Wait { .. } => {}
        }
    }
}
