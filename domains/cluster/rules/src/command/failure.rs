//! Commands on failure tests: something fails on purpose, and is put right again (PH-17).

use std::collections::BTreeMap;

use tsugi_vocabulary::{BootId, GroupName, NodeName, ResourceName, Span};

use super::drill::{self, Lines, is_up, under_way};
use super::effect::{Effect, going};
use super::group::refuse_paused;
use super::node::refuse_minority;
use super::stretch::refuse_older;
use crate::drill::failure::{Failure, FailureTest, State, Verdict, Was};
use crate::planner;
use crate::record::{GroupIntent, GroupRecord, NodeIntent, NodeRecord, Ownership};
use crate::refusal::Refusal;
use crate::spec::{Environment, ProcessHow, ResourceKind, Takeover};
use crate::start_kind::StartOption;

/// A drill that is one test of a plan.
pub(super) fn relocate(
    effect: &mut Effect<'_>,
    group: &GroupName,
    to: Option<&NodeName>,
    lines: Lines,
) {
    refuse_production(effect);
    drill::begin(effect, group, to, lines);
}

/// Where people need what runs, nothing is made to fail, whoever asks.
fn refuse_production(effect: &mut Effect<'_>) {
    match effect.spec().map(|spec| spec.environment) {
        Some(Environment::Test) => {}
        Some(Environment::Production) | None => effect.refuse(Refusal::InProduction),
    }
}

/// It is made: from this entry on it is the cluster that puts it right.
pub(super) fn begin(effect: &mut Effect<'_>, failure: &Failure, within: Span) {
    refuse_production(effect);
    effect.needs_reason();
    // One that comes to lead puts right what it knows of, and nothing else.
    refuse_older(effect);
    let place = match failure {
        Failure::GroupStop { group } | Failure::ProcessKill { group, .. } => {
            of_group(effect, group)
        }
        Failure::NodeDrain { node } | Failure::AgentKill { node } => of_node(effect, node),
    };
    let Some((node, boot, groups)) = place else { return };
    refuse_busy(effect, &groups);
    for group in &groups {
        refuse_unfit(effect, group);
    }
    match failure {
        Failure::GroupStop { .. } => {
            // Groups that must be together are stopped together.
            for group in &groups {
                let Some(mut next) = effect.situation.record.group(group).cloned() else {
                    continue;
                };
                next.intent = GroupIntent::Stop(effect.order());
                effect.write_group(group, next, None);
            }
        }
        Failure::NodeDrain { .. } => {
            let Some(known) = effect.node(&node) else { return };
            let intent = NodeIntent::Drained(effect.order());
            effect.write_node(&node, NodeRecord { intent, ..known });
        }
        Failure::ProcessKill { group, resource } => {
            refuse_no_process(effect, group, resource.as_ref());
        }
        Failure::AgentKill { .. } => {
            let voters = crate::lease::voters(effect.situation.record);
            refuse_minority(effect, &node, voters);
        }
    }
    let was = |group: &GroupName| {
        let entry = effect.situation.record.group(group)?;
        let failed = entry.failures.last().map(|failure| failure.at);
        Some((group.clone(), Was { epoch: entry.epoch, place: entry.location.clone(), failed }))
    };
    let test = FailureTest {
        order: effect.order(),
        failure: failure.clone(),
        groups: groups.iter().filter_map(was).collect::<BTreeMap<_, _>>(),
        node,
        boot,
        within,
        state: State::Out,
    };
    effect.write_failure_test(test);
}

type Place = (NodeName, BootId, Vec<GroupName>);

/// Where a group runs, with those that must be together with it.
fn of_group(effect: &mut Effect<'_>, name: &GroupName) -> Option<Place> {
    let mut found = effect.groups(name).into_iter();
    let (group, entry) = found.next()?;
    if found.next().is_some() {
        // The whole of a parallel group is no single place.
        effect.refuse(Refusal::NoSuchGroup { group: name.to_string() });
        return None;
    }
    let Some(owner) = entry.owner().filter(|_| entry.intent == GroupIntent::Run).cloned() else {
        effect.refuse(Refusal::NotRunning { group });
        return None;
    };
    let boot = life_of(effect, &owner)?;
    let company = planner::company(effect.situation, &group);
    Some((owner, boot, company.into_iter().collect()))
}

/// A node with all that it runs.
fn of_node(effect: &mut Effect<'_>, node: &NodeName) -> Option<Place> {
    let known = effect.node(node)?;
    if known.intent != NodeIntent::InService {
        // It would not be as it was before: somebody has taken it out.
        refuse_as_busy(effect, &[], node.to_string());
        return None;
    }
    let boot = life_of(effect, node)?;
    Some((node.clone(), boot, effect.owned_by(node)))
}

fn life_of(effect: &mut Effect<'_>, node: &NodeName) -> Option<BootId> {
    let boot = effect.sight(node).filter(|_| effect.is_heard(node)).map(|sight| sight.boot);
    if boot.is_none() {
        refuse_as_busy(effect, &[], node.to_string());
    }
    boot
}

/// What speaks against a test that does not speak against a stop or a drain.
fn refuse_unfit(effect: &mut Effect<'_>, group: &GroupName) {
    let Some(entry) = effect.situation.record.group(group).cloned() else { return };
    refuse_paused(effect, group, &entry);
    let spec = effect.spec().and_then(|spec| spec.groups.get(group));
    if spec.is_some_and(|spec| spec.takeover == Takeover::Observe) {
        effect.refuse(Refusal::OnlyObserved { group: group.clone() });
    }
    if going(&entry).is_some() || !is_up(&entry) {
        effect.refuse(Refusal::Moving { group: group.clone() });
    }
}

/// One at a time, also on a node that runs nothing: what takes the place of one that is under way
/// would leave it half done.
fn refuse_busy(effect: &mut Effect<'_>, groups: &[GroupName]) {
    if let Some(what) = under_way(effect) {
        refuse_as_busy(effect, groups, what);
    }
}

fn refuse_as_busy(effect: &mut Effect<'_>, groups: &[GroupName], what: String) {
    let any = effect.situation.record.groups.keys().next();
    let group = groups.first().or(any).cloned();
    effect.refuse(match group {
        Some(group) => Refusal::Busy { group, what },
        // There is nothing that a failure could be seen by.
        None => Refusal::NoSuchGroup { group: "-".to_owned() },
    });
}

/// Of a whole group every process is killed, also what a script has left running: where no monitor
/// asks for that nobody would notice, and nothing would start it again.
fn refuse_no_process(effect: &mut Effect<'_>, group: &GroupName, resource: Option<&ResourceName>) {
    let asked_for = effect.situation.record.group(group).is_none_or(|e| e.suspended.is_empty());
    let spec = effect.spec().and_then(|spec| spec.groups.get(group));
    let mut processes = spec.into_iter().flat_map(|spec| &spec.resources).filter_map(|of| {
        let ResourceKind::Process { how, monitors, .. } = &of.kind else { return None };
        let supervised = matches!(how, ProcessHow::Program { .. });
        Some((&of.name, supervised, supervised || (asked_for && !monitors.is_empty())))
    });
    let may = match resource {
        // What a script leaves running is known by its group alone.
        Some(name) => processes.any(|(of, supervised, _)| of == name && supervised),
        None => {
            let mut noticed = processes.map(|(.., noticed)| noticed).peekable();
            noticed.peek().is_some() && noticed.all(|noticed| noticed)
        }
    };
    if !may {
        let resource = resource.map_or_else(|| "-".to_owned(), ToString::to_string);
        effect.refuse(Refusal::NoSuchProcess { group: group.clone(), resource });
    }
}

/// It is put right: what was stopped is wanted to run, the node is in service, and the groups go
/// back to it.
pub(super) fn back(effect: &mut Effect<'_>, verdict: Verdict) {
    let Some(test) = out(effect) else { return };
    put_right(effect, &test);
    for (name, was) in &test.groups {
        let Some(entry) = effect.situation.record.group(name).cloned() else { continue };
        if is_up(&entry) && entry.owner() != Some(&test.node) {
            // Each by itself: all that must be together with it is among them.
            let mut next = entry;
            forget(&mut next, &test, was);
            if let Ownership::Owned { handover, .. } = &mut next.ownership {
                *handover = Some(test.node.clone());
            }
            next.location = Some(test.node.clone());
            effect.write_group(name, next, None);
            effect.goal(name, Some(&test.node));
        } else if let Some(next) = again(&entry, &test, was) {
            let starts = next.owner().is_none().then_some(StartOption::None);
            effect.write_group(name, next, starts);
        }
    }
    let at = effect.situation.at;
    effect.write_failure_test(FailureTest { state: State::Back { at, verdict }, ..test });
}

/// It is over, and every group is put where an operator had put it before.
pub(super) fn end(effect: &mut Effect<'_>, verdict: Verdict) {
    let Some(test) = effect.situation.record.failure_under_way().cloned() else {
        return effect.refuse(Refusal::AlreadySo { what: "failure-test".to_owned() });
    };
    let at = effect.situation.at;
    let since = match test.state {
        State::Out | State::Ended { .. } => at,
        State::Back { at, .. } => at,
    };
    // What nobody could put right before is put right here, wherever its groups then run.
    // What somebody else has changed meanwhile is theirs, and only that.
    if test.state == State::Out {
        put_right(effect, &test);
    }
    for (name, was) in &test.groups {
        let Some(entry) = effect.situation.record.group(name).cloned() else { continue };
        let mut next = match test.state {
            State::Out => again(&entry, &test, was).unwrap_or_else(|| entry.clone()),
            State::Back { .. } | State::Ended { .. } => entry.clone(),
        };
        if next.location.as_ref() == Some(&test.node) {
            next.location.clone_from(&was.place);
        }
        if next != entry {
            let starts = next.owner().is_none() && next.intent != entry.intent;
            effect.write_group(name, next, starts.then_some(StartOption::None));
        }
    }
    let state = State::Ended { back: since, at, verdict };
    effect.write_failure_test(FailureTest { state, ..test });
}

/// The failure test whose failure is made and not put right.
fn out(effect: &mut Effect<'_>) -> Option<FailureTest> {
    let test = effect.situation.record.failure_under_way();
    let found = test.filter(|test| test.state == State::Out).cloned();
    if found.is_none() {
        effect.refuse(Refusal::AlreadySo { what: "failure-test".to_owned() });
    }
    found
}

/// The node of a drain is in service again; one that was taken out meanwhile is not missed.
fn put_right(effect: &mut Effect<'_>, test: &FailureTest) {
    let Failure::NodeDrain { node } = &test.failure else { return };
    let known = effect.situation.record.nodes.get(node).map(|known| (*known.value).clone());
    let Some(known) = known else { return };
    let ours = |intent: &NodeIntent| match intent {
        NodeIntent::Drained(order) => order.command == test.order.command,
        NodeIntent::InService | NodeIntent::Leaving(_) => false,
    };
    if ours(&known.intent) {
        effect.write_node(node, NodeRecord { intent: NodeIntent::InService, ..known });
    }
}

/// A group that the test has stopped, or that was given up for what it did, runs again; none if it
/// has nothing to be done.
fn again(entry: &GroupRecord, test: &FailureTest, was: &Was) -> Option<GroupRecord> {
    let mut next = entry.clone();
    forget(&mut next, test, was);
    match &entry.intent {
        GroupIntent::Stop(order) if order.command == test.order.command => {
            next.intent = GroupIntent::Run;
            next.location = Some(test.node.clone());
        }
        GroupIntent::GaveUp { at, .. } if *at >= test.order.at => {
            next.intent = GroupIntent::Run;
        }
        GroupIntent::Run | GroupIntent::Stop(_) | GroupIntent::GaveUp { .. } => {}
    }
    (next != *entry).then_some(next)
}

/// What failed on purpose counts against no policy and keeps no node from taking the group.
fn forget(next: &mut GroupRecord, test: &FailureTest, was: &Was) {
    match &test.failure {
        Failure::ProcessKill { .. } | Failure::AgentKill { .. } => {
            let of_test = |at| was.failed.is_none_or(|last| at > last);
            next.failures.retain(|failure| !(failure.node == test.node && of_test(failure.at)));
        }
        Failure::GroupStop { .. } | Failure::NodeDrain { .. } => {}
    }
}
