//! Turns decisions into the ledger entry that makes them true, and into ordered steps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tsugi_vocabulary::{Epoch, Generation, GroupName, NodeName, Span, Wall};

use super::bundle::Case;
use super::ground::{Ground, View};
use super::need::{Former, Need, Place};
use super::{Planned, Weight, fence, observe, pinned};
use crate::mutant::mutant;
use crate::plan::{Chosen, Decision, Plan, Step, Waiting};
use crate::reason::{Cause, Rejected};
use crate::record::{
    Answer, Draft, EntryName, EventRecord, Failure, GroupIntent, GroupRecord, Happening,
    NodeRecord, Ownership, Phase, Write,
};
use crate::start_kind::{self, Ending, Occasion, StartKind, StartOption};

/// The plan with its draft; none if nothing changes and nobody asked for an entry.
pub(super) fn write(
    ground: &Ground<'_>,
    cases: &[Case<'_>],
    decisions: Vec<Decision>,
    weight: Weight,
) -> Planned {
    let mut changes = Changes::default();
    for (case, decision) in cases.iter().zip(decisions) {
        changes.take(ground, case, decision);
    }
    let fences = fence::orders(ground, cases);
    changes.tell_of_fences(ground, &fences);
    let parent = ground.record.generation();
    let plan = Plan {
        generation: parent.next(),
        parent,
        by: ground.by.clone(),
        at: ground.at,
        decisions: changes.decisions,
        steps: changes.steps,
    };
    let nodes = [ground.begun_anew(), fences].concat();
    let idle = !changes.news && changes.groups.is_empty() && nodes.is_empty();
    if idle && weight == Weight::OnlyChanges {
        return Planned { plan, draft: None };
    }
    let mut draft = Draft::default();
    if !mutant("draft-without-conditions") {
        draft = draft
            .unless_changed(ground.record, EntryName::Plan)
            .unless_changed(ground.record, EntryName::Config);
        for (name, _) in &nodes {
            draft = draft.unless_changed(ground.record, EntryName::Node(name.clone()));
        }
        for (name, _) in &changes.groups {
            draft = draft.unless_changed(ground.record, EntryName::Group(name.clone()));
        }
    }
    for (name, value) in nodes {
        draft = draft.write(Write::Node(name, Arc::new(value)));
    }
    for (name, value) in changes.groups {
        draft = draft.write(match value {
            Some(value) => Write::Group(name, Arc::new(value)),
            None => Write::GroupGone(name),
        });
    }
    draft = draft.write(Write::Plan(Arc::new(plan.clone())));
    draft.writes.extend(changes.events.into_iter().map(Write::Event));
    Planned { plan, draft: Some(draft) }
}

#[derive(Default)]
struct Changes {
    decisions: BTreeMap<GroupName, Decision>,
    steps: Vec<Step>,
    /// The groups as they are to be written; none is a group that is gone.
    groups: Vec<(GroupName, Option<GroupRecord>)>,
    events: Vec<EventRecord>,
    lost: BTreeSet<NodeName>,
    news: bool,
}

impl Changes {
    fn take(&mut self, ground: &Ground<'_>, case: &Case<'_>, decision: Decision) {
        let name = case.view.name;
        let stood = ground.parent().and_then(|p| p.decisions.get(name));
        let decision = carried(stood, decision);
        let next = changed(ground, case, &decision);
        let asked = case.view.asked.is_some();
        let news = asked || next.is_some() || is_news(stood, &decision);
        if asked || next.is_some() {
            // What a command has changed in the record by itself are steps of this plan too.
            self.steps.extend(steps(ground, case, &decision.chosen));
        }
        if next.is_some() {
            self.tell(ground, case, &decision);
        }
        if let Some(what) = observe::told(&decision).filter(|_| is_news(stood, &decision)) {
            self.events.push(event(ground, Some(&case.view), what));
        }
        if let Some(next) = next {
            self.groups.push((name.clone(), next));
        }
        self.news |= news;
        if news || !is_quiet(&decision) {
            self.decisions.insert(name.clone(), decision);
        }
    }

    fn tell_of_fences(&mut self, ground: &Ground<'_>, fences: &[(NodeName, NodeRecord)]) {
        for (node, known) in fences {
            let Some(order) = &known.fencing else { continue };
            let what = Happening::FenceOrdered { node: node.clone(), by: order.by.clone() };
            let (at, by) = (ground.at, ground.by.clone());
            self.events.push(EventRecord { at, by, group: None, epoch: None, what });
        }
    }

    /// The events that go with a change.
    fn tell(&mut self, ground: &Ground<'_>, case: &Case<'_>, decision: &Decision) {
        let failure = match &case.need {
            Need::GiveUp(failure) => Some(failure.clone()),
            Need::Place(place) => answered(place, &decision.chosen),
            Need::Observed(observed) => {
                observed.released().and_then(|place| as_observed(place, &decision.chosen))
            }
            _ => None,
        };
        if let Some(Failure { cause, answer, .. }) = failure {
            let what = Happening::Failed { cause, answer };
            self.events.push(event(ground, Some(&case.view), what));
        }
        if let Need::Place(Place { former: Former::Lost(node), cause, .. }) = &case.need
            && self.lost.insert(node.clone())
        {
            let (node, cause) = (node.clone(), cause.clone());
            self.events.push(event(ground, None, Happening::Lost { node, cause }));
        }
    }
}

fn event(ground: &Ground<'_>, group: Option<&View<'_>>, what: Happening) -> EventRecord {
    EventRecord {
        at: ground.at,
        by: ground.by.clone(),
        group: group.map(|v| v.name.clone()),
        epoch: group.map(|v| v.record.epoch),
        what,
    }
}

/// A decision that still stands keeps the cause it was first made for; one that is being carried
/// out keeps its reasons too, as they were when it was made.
pub(super) fn carried(stood: Option<&Decision>, mut decision: Decision) -> Decision {
    let Some(stood) = stood.filter(|s| s.chosen == decision.chosen) else { return decision };
    match stood.chosen {
        Chosen::HandOver { .. } | Chosen::Stop { .. } => stood.clone(),
        // Told once, unless what was a wish has become a failure.
        Chosen::Wait { on: Waiting::Observed { .. } } => {
            let nature = |decision: &Decision| decision.cause.as_ref().map(Cause::nature);
            if nature(stood) == nature(&decision) { stood.clone() } else { decision }
        }
        Chosen::Stay { .. }
        | Chosen::Give { .. }
        | Chosen::Rest { .. }
        | Chosen::NoPlace
        | Chosen::Wait { .. } => {
            decision.cause.clone_from(&stood.cause);
            decision
        }
    }
}

/// Whether a decision goes without saying.
fn is_quiet(decision: &Decision) -> bool {
    match decision.chosen {
        Chosen::Stay { .. } => decision.cause.is_none(),
        Chosen::Rest { .. } => true,
        Chosen::Give { .. }
        | Chosen::HandOver { .. }
        | Chosen::Stop { .. }
        | Chosen::NoPlace
        | Chosen::Wait { .. } => false,
    }
}

/// Whether a decision says something that the newest plan does not.
fn is_news(stood: Option<&Decision>, now: &Decision) -> bool {
    match (stood, is_quiet(now)) {
        (None, quiet) => !quiet,
        (Some(stood), false) => timeless(stood) != timeless(now),
        // What stood open is open no more. A hand-over or a stop is seen to be over in the record.
        (Some(stood), true) => match stood.chosen {
            Chosen::Wait { .. } | Chosen::NoPlace => true,
            Chosen::Stay { .. } => !is_quiet(stood),
            Chosen::Give { .. }
            | Chosen::HandOver { .. }
            | Chosen::Stop { .. }
            | Chosen::Rest { .. } => false,
        },
    }
}

/// The decision without the times and figures in its reasons: two that differ in nothing else are
/// the same.
#[must_use]
pub fn timeless(decision: &Decision) -> Decision {
    let mut decision = decision.clone();
    if let Some(Cause::NodeSilent { silence, .. }) = &mut decision.cause {
        *silence = Span::ZERO;
    }
    for reason in decision.rejected.values_mut() {
        match reason {
            Rejected::Silent { silence } => *silence = Span::ZERO,
            Rejected::FailedThere { ago } => *ago = Span::ZERO,
            Rejected::NotYet { until } => *until = Wall(0),
            Rejected::LessPreferred { compared, .. } => *compared = None,
            Rejected::NotListed
            | Rejected::Witness
            | Rejected::Isolated
            | Rejected::Drained
            | Rejected::OtherConfiguration
            | Rejected::NoLink { .. }
            | Rejected::Apart { .. }
            | Rejected::Together { .. }
            | Rejected::StaysPut { .. } => {}
        }
    }
    decision
}

/// The failure that a decision counts, with what is really done about it.
fn answered(place: &Place, chosen: &Chosen) -> Option<Failure> {
    let mut failure = place.failure.clone()?;
    let elsewhere = matches!(chosen, Chosen::Give { node, .. } if *node != failure.node);
    if elsewhere && failure.answer == Answer::Restarted {
        failure.answer = Answer::TakenOver;
    }
    Some(failure)
}

/// The failure that a decision counts which is only told, as it would have been answered.
fn as_observed(place: &Place, chosen: &Chosen) -> Option<Failure> {
    match chosen {
        Chosen::Wait { on: Waiting::Observed { to } } => {
            answered(place, &Chosen::Give { node: to.clone(), epoch: Epoch::NONE })
        }
        _ => answered(place, chosen),
    }
}

/// The group as it is to be written; none inside if it is gone, none outside if it stays as it is.
fn changed(
    ground: &Ground<'_>,
    case: &Case<'_>,
    decision: &Decision,
) -> Option<Option<GroupRecord>> {
    let view = &case.view;
    let mut next = (*view.record).clone();
    if let Some(pause) = pinned::changed(ground, view) {
        next.pause = pause;
    }
    match (&case.need, &decision.chosen) {
        (Need::LetGo { ended, .. }, _) => let_go(&mut next, *ended),
        (Need::Observed(observed), _) => match observed.released() {
            Some(place) => {
                let_go(&mut next, place.ended);
                count(&mut next, view, as_observed(place, &decision.chosen));
            }
            None => hand_over(&mut next, None),
        },
        (Need::GiveUp(failure), _) => {
            let_go(&mut next, Ending::Failure);
            next.failures.clone_from(&view.recent);
            next.intent = GroupIntent::GaveUp { cause: failure.cause.clone(), at: ground.at };
        }
        (Need::Place(place), Chosen::Give { node, .. }) => {
            give(ground, view, &mut next, (place, node));
            count(&mut next, view, answered(place, &decision.chosen));
        }
        (Need::Place(place), Chosen::NoPlace) if place.former == Former::Released => {
            let_go(&mut next, place.ended);
            count(&mut next, view, answered(place, &decision.chosen));
        }
        (_, Chosen::HandOver { to, .. }) if mutant("given-without-release") => {
            let cause = decision.cause.clone().unwrap_or(Cause::ClusterStart);
            let (ended, former) = (Ending::Unknown, Former::None);
            let place = Place { cause, ended, home: None, failure: None, former };
            give(ground, view, &mut next, (&place, to));
        }
        (_, Chosen::HandOver { to, .. }) => hand_over(&mut next, Some(to)),
        (
            Need::Stay { .. } | Need::Hold { .. } | Need::Leave { .. },
            Chosen::Stay { .. } | Chosen::Stop { .. },
        ) => {
            hand_over(&mut next, None);
        }
        _ => {}
    }
    let known = ground.record.groups.contains_key(view.name);
    let gone = view.spec.is_none() && next.ownership == Ownership::Nobody;
    match (gone, known) {
        (true, _) => Some(None),
        (false, true) if next == *view.record => None,
        (false, _) => Some(Some(next)),
    }
}

fn let_go(next: &mut GroupRecord, ended: Ending) {
    next.ownership = Ownership::Nobody;
    next.ended = ended;
}

fn hand_over(next: &mut GroupRecord, to: Option<&NodeName>) {
    if let Ownership::Owned { handover, .. } = &mut next.ownership {
        *handover = to.cloned();
    }
}

/// The failures that still count, the newest as it was answered.
fn count(next: &mut GroupRecord, view: &View<'_>, failure: Option<Failure>) {
    let Some(failure) = failure else { return };
    next.failures.clone_from(&view.recent);
    next.failures.pop();
    next.failures.push(failure);
}

fn give(
    ground: &Ground<'_>,
    view: &View<'_>,
    next: &mut GroupRecord,
    (place, node): (&Place, &NodeName),
) {
    let option = view.asked.and_then(|a| a.start).unwrap_or_default();
    let asked = view.asked.is_some_and(|a| a.start.is_some());
    let occasion = match (&place.former, place.home.as_ref() == Some(node)) {
        _ if asked => Occasion::Operator,
        (Former::None | Former::Released | Former::Lost(_), true) => Occasion::SameNodeRestart,
        (Former::None, false) => Occasion::ClusterStart,
        (Former::Released | Former::Lost(_), false) => Occasion::Takeover,
    };
    let start = start_of(&view.record, place.ended, (occasion, option));
    if !mutant("epoch-not-raised") {
        next.epoch = next.epoch.next(ground.record.incarnation);
    }
    next.rest_on(view.spec);
    next.ended = place.ended;
    next.ownership = Ownership::Owned {
        node: node.clone(),
        boot: ground.boot(node),
        start,
        cause: place.cause.clone(),
        phase: Phase::Starting,
        handover: None,
    };
}

/// How a group starts; an option that the table refuses was refused when it was ordered.
pub(super) fn start_of(
    record: &GroupRecord,
    ended: Ending,
    (occasion, option): (Occasion, StartOption),
) -> StartKind {
    let first = record.epoch == Epoch::NONE;
    let kind =
        if first { start_kind::first(option) } else { start_kind::decide(ended, occasion, option) };
    kind.unwrap_or(StartKind::Restart)
}

/// Why a group starts that was handed over: what an operator moves by name is an operator's
/// start; what leaves a node for any other reason carries on.
pub(super) const fn occasion_of_handover(cause: &Cause) -> Occasion {
    match cause {
        Cause::Operator { .. } => Occasion::Operator,
        Cause::ClusterStart
        | Cause::Drain { .. }
        | Cause::Shutdown { .. }
        | Cause::Failback { .. }
        | Cause::ProcessDied { .. }
        | Cause::MonitorFailed { .. }
        | Cause::StartFailed { .. }
        | Cause::WatchedEnded { .. }
        | Cause::LinksDown { .. }
        | Cause::NodeSilent { .. }
        | Cause::OneWay { .. }
        | Cause::PowerLost { .. }
        | Cause::Frozen { .. }
        | Cause::WasCutOff { .. }
        | Cause::AgentLost { .. }
        | Cause::LeaseRanOut { .. }
        | Cause::Together { .. }
        | Cause::Configuration { .. } => Occasion::Takeover,
    }
}

fn steps(ground: &Ground<'_>, case: &Case<'_>, chosen: &Chosen) -> Vec<Step> {
    let group = || case.view.name.clone();
    match chosen {
        Chosen::Give { node, epoch } => vec![
            Step::Give { group: group(), node: node.clone(), epoch: *epoch },
            Step::Start { group: group(), node: node.clone() },
        ],
        Chosen::HandOver { from, to } => {
            let epoch = case.view.record.epoch.next(ground.record.incarnation);
            vec![
                Step::Stop { group: group(), node: from.clone() },
                Step::Give { group: group(), node: to.clone(), epoch },
                Step::Start { group: group(), node: to.clone() },
            ]
        }
        Chosen::Stop { from } => vec![Step::Stop { group: group(), node: from.clone() }],
        Chosen::Stay { .. } | Chosen::Rest { .. } | Chosen::NoPlace | Chosen::Wait { .. } => {
            Vec::new()
        }
    }
}

/// A plan that changes nothing.
pub(super) fn nothing(by: &NodeName, at: tsugi_vocabulary::Wall) -> Planned {
    let plan = Plan {
        generation: Generation::NONE,
        parent: Generation::NONE,
        by: by.clone(),
        at,
        decisions: BTreeMap::new(),
        steps: Vec::new(),
    };
    Planned { plan, draft: None }
}
