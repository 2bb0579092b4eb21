//! Makes a plan: an ordered list of named passes, each in its own file.
//!
//! First every group is asked what it needs, by the passes of [`NEEDS`] in order; the first
//! answer stands. Then what needs a node is placed: bundles of groups that must be together, as
//! one; what is down before what runs; those with the fewest choices first. Last, groups that
//! like another node better go home. The same situation always gives the same plan, and planning
//! again on its result changes nothing.

mod after;
mod begin;
mod bundle;
mod draft;
mod drain;
mod failed;
mod fence;
mod fit;
mod ground;
mod keep;
mod links;
mod lost;
mod need;
mod observe;
mod pinned;
mod place;
mod policy;
mod report;
mod stop;
mod under_way;
mod unlisted;

use std::collections::BTreeMap;

use tsugi_vocabulary::{GroupName, NodeName};

pub use draft::timeless;
pub use ground::{Asked, config_mark};
pub use report::{
    Took, Wanted, answer_to_failure, fence_ended, found_off, handed_over, is_out_of_service,
    mended, next_by_time, released_after_failure, report_running, scripts_again, wanted,
};

use crate::mutant::mutant;
use crate::plan::{Chosen, Decision, Plan, Situation, Waiting};
use crate::reason::Rejected;
use crate::record::Draft;
use bundle::Case;
use ground::{Ground, View};
use need::Need;

/// The faults planted in plans and commands, and the promise that each breaks.
pub const MUTANTS: &[(&str, &str)] = &[
    ("epoch-not-raised", "every ownership has its own, higher epoch"),
    ("fence-failure-assumed-dead", "a volume is taken only with the fence that it asks for"),
    ("config-half-applied", "a configuration and what follows from it are one entry"),
    ("stale-view-accepted", "a command decided on an old plan is refused"),
    ("paused-group-moved", "a pinned group is left alone"),
    ("retry-without-budget", "restarts in place are counted"),
    ("settle-ignored", "a node that was not heard yet is waited for"),
    ("minority-decides", "without a majority nothing is given away"),
    ("apart-ignored", "groups that must be apart never meet"),
    ("removed-node-given", "a group is given only to a node that has joined"),
    ("given-without-release", "a living owner lets go before another is given the group"),
    ("fence-failure-confirms", "a fence that failed confirms nothing"),
    ("observed-group-moved", "what is only observed is told, and nobody acts"),
    ("draft-without-conditions", "a plan never overwrites what changed meanwhile"),
];

/// What the planner answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The plan, with its reasons.
    pub plan: Plan,
    /// The ledger entry that makes it true: the plan and the groups' new ownership, on condition
    /// that nothing it was decided on has changed. None if nothing changes.
    pub draft: Option<Draft>,
}

/// Whether a plan is written that changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It is not.
    OnlyChanges,
    /// It is: a command makes every older view stale, whatever comes of it.
    Always,
}

type Pass = fn(&Ground<'_>, &View<'_>) -> Option<Need>;

/// What a group needs, asked in this order.
const NEEDS: [Pass; 11] = [
    // Nobody touches a pinned group, not even to stop it (L9).
    pinned::pass,
    // What is not to run is neither restarted nor taken over.
    stop::pass,
    // The owner's own word, even that of a deaf one, is better than what its silence says.
    failed::pass,
    lost::pass,
    // An ordered hand-over goes on although links or a drain would now choose another target.
    under_way::pass,
    // A node out of service is left whatever its links do.
    drain::pass,
    unlisted::pass,
    observe::pass,
    links::pass,
    keep::pass,
    // Whoever comes this far is owned by nobody.
    begin::pass,
];

/// Decides for all groups. The same situation always gives the same plan.
#[must_use]
pub fn plan(situation: &Situation<'_>) -> Planned {
    plan_asked(situation, &BTreeMap::new(), Weight::OnlyChanges)
}

/// The decision for every group, those that simply stay among them: for `why` and `whatif`.
#[must_use]
pub fn decide(situation: &Situation<'_>) -> BTreeMap<GroupName, Decision> {
    let Some(spec) = situation.record.spec() else { return BTreeMap::new() };
    let asked = BTreeMap::new();
    let ground = Ground::new(situation, spec, &asked);
    let cases = cases(&ground);
    let stood = |name| ground.parent().and_then(|p| p.decisions.get(name));
    let all = decisions(&ground, &cases).into_iter().zip(&cases);
    all.map(|(d, c)| (c.view.name.clone(), draft::carried(stood(c.view.name), d))).collect()
}

/// What speaks against each node as an owner of a group now, R1 to R10, in the order in which
/// the group likes them; none is a node that could take it.
#[must_use]
pub fn obstacles(
    situation: &Situation<'_>,
    group: &GroupName,
) -> Vec<(NodeName, Option<Rejected>)> {
    let Some(spec) = situation.record.spec() else { return Vec::new() };
    let asked = BTreeMap::new();
    let ground = Ground::new(situation, spec, &asked);
    let cases = cases(&ground);
    place::Desk::new(&ground, &cases).obstacles(group)
}

/// The groups that share a node with this one, itself among them.
pub(crate) fn company(situation: &Situation<'_>, group: &GroupName) -> Vec<GroupName> {
    let Some(spec) = situation.record.spec() else { return Vec::new() };
    let asked = BTreeMap::new();
    let ground = Ground::new(situation, spec, &asked);
    let cases = cases(&ground);
    let of = bundle::bundles(&cases)
        .into_iter()
        .find(|b| b.iter().any(|&i| cases[i].view.name == group));
    of.into_iter().flatten().map(|i| cases[i].view.name.clone()).collect()
}

/// The same with what a command asks for.
pub(crate) fn plan_asked(
    situation: &Situation<'_>,
    asked: &BTreeMap<GroupName, Asked>,
    weight: Weight,
) -> Planned {
    let Some(spec) = situation.record.spec() else {
        return draft::nothing(&situation.by, situation.at);
    };
    let ground = Ground::new(situation, spec, asked);
    let cases = cases(&ground);
    let decisions = decisions(&ground, &cases);
    let (heard, needed) = ground.majority();
    if heard < needed && weight == Weight::OnlyChanges && !mutant("minority-decides") {
        let mut planned = draft::write(&ground, &[], Vec::new(), Weight::OnlyChanges);
        let names = cases.iter().map(|c| c.view.name.clone());
        planned.plan.decisions = names.zip(decisions).collect();
        planned.draft = None;
        return planned;
    }
    draft::write(&ground, &cases, decisions, weight)
}

fn cases<'a>(ground: &Ground<'a>) -> Vec<Case<'a>> {
    let (heard, needed) = ground.majority();
    let minority = heard < needed && !mutant("minority-decides");
    let mut cases = Vec::new();
    for mut view in ground.views() {
        let need = if minority {
            // CL-27: without a majority nobody may be given anything.
            Need::Wait(Waiting::NoMajority { heard, needed })
        } else {
            let first = NEEDS.iter().find_map(|pass| pass(ground, &view));
            let first = first.unwrap_or(Need::Rest(crate::plan::Resting::Removed));
            after::held_back(ground, &view, first)
        };
        // The failure that this plan counts already speaks against its node.
        match &need {
            Need::GiveUp(failure) => view.recent.push(failure.clone()),
            Need::Place(place) => view.recent.extend(place.failure.clone()),
            Need::Rest(_)
            | Need::Wait(_)
            | Need::Hold { .. }
            | Need::Stop { .. }
            | Need::LetGo { .. }
            | Need::UnderWay { .. }
            | Need::Leave { .. }
            | Need::Observed(_)
            | Need::Stay { .. } => {}
        }
        let need = observe::told_only(&view, need);
        cases.push(Case { view, need });
    }
    cases
}

/// One decision for each case.
fn decisions(ground: &Ground<'_>, cases: &[Case<'_>]) -> Vec<Decision> {
    let mut desk = place::Desk::new(ground, cases);
    desk.settle_fixed();
    let bundles = bundle::bundles(cases);
    let mut order: Vec<&bundle::Bundle> = bundles.iter().collect();
    // A stable sort: names decide among equals. What is down comes before what runs, and what
    // only restarts where it is before what looks for a place.
    order.sort_by_cached_key(|b| desk.turn(b));
    for bundle in order {
        desk.place(bundle);
    }
    for bundle in &bundles {
        desk.fail_back(bundle);
    }
    // What is only observed takes no place: it is decided on what all the others have left.
    for bundle in &bundles {
        desk.observe(bundle);
    }
    for bundle in &bundles {
        desk.explain(bundle);
    }
    let undecided = || Decision { chosen: Chosen::NoPlace, cause: None, rejected: BTreeMap::new() };
    desk.decisions.into_iter().map(|d| d.unwrap_or_else(undecided)).collect()
}
