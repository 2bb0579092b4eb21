//! Commands on drills: a rehearsal begins, and the group of one goes back.

use std::collections::BTreeMap;

use tsugi_vocabulary::{GroupName, NodeName, Span};

use super::effect::{Effect, going};
use super::group::{hand_over, know_node, refuse_paused, target};
use crate::drill::rehearsal::{self, Beside, Lack};
use crate::drill::{Back, Depth, Drill, Leg, Level, Rehearsal, State};
use crate::plan::{Chosen, Waiting};
use crate::planner;
use crate::reason::Rejected;
use crate::record::{DrillTurn, GroupIntent, GroupRecord, Ownership, Phase};
use crate::refusal::Refusal;
use crate::spec::Takeover;

/// How far it may go, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// For how long the group may be out of service in one direction.
    pub gap: Span,
    /// For how long after the order, before it goes back by itself.
    pub window: Span,
}

/// It goes to another node, and comes back by itself.
pub(super) fn begin(
    effect: &mut Effect<'_>,
    name: &GroupName,
    to: Option<&NodeName>,
    lines: Lines,
) {
    know_node(effect, to);
    effect.needs_reason();
    for (group, entry) in effect.groups(name) {
        if let Some((_, target)) = tried_on(effect, (&group, &entry), to) {
            set_out(effect, (&group, &entry), target, lines);
        }
    }
}

/// Another node shows on a copy what it could do; the group is not touched.
pub(super) fn rehearse(
    effect: &mut Effect<'_>,
    name: &GroupName,
    to: Option<&NodeName>,
    (depth, limit): (Depth, Span),
) {
    know_node(effect, to);
    effect.needs_reason();
    for (group, entry) in effect.groups(name) {
        let Some((owner, on)) = tried_on(effect, (&group, &entry), to) else { continue };
        let spec = effect.spec().and_then(|spec| spec.groups.get(&group));
        if let Some(lack) = spec.and_then(|spec| rehearsal::lacks(spec, depth)) {
            let group = group.clone();
            effect.refuse(match lack {
                Lack::Copy(resource) => Refusal::NoCopy { group, resource },
                Lack::Alone(resource) => Refusal::NotAlone { group, resource },
            });
        }
        let Some(on_boot) = effect.sight(&on).map(|sight| sight.boot) else {
            let why = Rejected::Silent { silence: Span::ZERO };
            effect.refuse(Refusal::CannotTake { group, node: on, why });
            continue;
        };
        let rehearsal = Rehearsal {
            order: effect.order(),
            depth,
            owner,
            epoch: entry.epoch,
            on_boot,
            limit,
            state: Beside::UnderWay,
            parts: Vec::new(),
            fault: None,
            on: on.clone(),
        };
        effect.tell_of_drill(&group, DrillTurn::Rehearses { depth, node: on });
        let mut next = entry.clone();
        next.drills.rehearsal = Some(Box::new(rehearsal));
        effect.write_group(&group, next, None);
    }
}

/// The owner of a group that is to be drilled, and the node that it is tried on; none if something
/// speaks against it, which is refused then.
fn tried_on(
    effect: &mut Effect<'_>,
    (group, entry): (&GroupName, &GroupRecord),
    to: Option<&NodeName>,
) -> Option<(NodeName, NodeName)> {
    refuse_paused(effect, group, entry);
    let Some(owner) = entry.owner().filter(|_| entry.intent == GroupIntent::Run) else {
        effect.refuse(Refusal::NotRunning { group: group.clone() });
        return None;
    };
    if going(entry).is_some() || !is_up(entry) {
        effect.refuse(Refusal::Moving { group: group.clone() });
    }
    refuse_unfit(effect, group, entry);
    if to == Some(owner) {
        let why = Rejected::StaysPut { on: owner.clone(), epoch: entry.epoch };
        let (group, node) = (group.clone(), owner.clone());
        effect.refuse(Refusal::CannotTake { group, node, why });
        return None;
    }
    Some((owner.clone(), target(effect, group, (owner, to))?))
}

/// What speaks against a drill that does not speak against a move.
fn refuse_unfit(effect: &mut Effect<'_>, group: &GroupName, entry: &GroupRecord) {
    let spec = effect.spec().and_then(|spec| spec.groups.get(group));
    if spec.is_some_and(|spec| spec.takeover == Takeover::Observe) {
        effect.refuse(Refusal::OnlyObserved { group: group.clone() });
    }
    if let Some(by) = entry.drills.ordered_by() {
        let by = by.to_owned();
        effect.refuse(Refusal::Drilling { group: group.clone(), by });
    }
    if let Some(what) = under_way(effect) {
        effect.refuse(Refusal::Busy { group: group.clone(), what });
    }
}

/// What is being changed now, of any group: in a cluster that is busy nothing is rehearsed.
pub(super) fn under_way(effect: &Effect<'_>) -> Option<String> {
    let record = effect.situation.record;
    if let Some(test) = record.failure_under_way() {
        return Some(test.node.to_string());
    }
    if record.config.as_ref().is_some_and(|config| config.unconfirmed.is_some()) {
        return Some("config".to_owned());
    }
    let decisions = planner::decide(effect.situation);
    let moves = |group: &&GroupName| match decisions.get(*group).map(|d| &d.chosen) {
        Some(Chosen::Give { .. } | Chosen::HandOver { .. } | Chosen::Stop { .. }) => true,
        Some(Chosen::Wait { on }) => match on {
            Waiting::Fence { .. } | Waiting::Settling | Waiting::NoMajority { .. } => true,
            Waiting::Pinned { .. }
            | Waiting::Group { .. }
            | Waiting::Observed { .. }
            | Waiting::Stuck { .. } => false,
        },
        Some(Chosen::Stay { .. } | Chosen::Rest { .. } | Chosen::NoPlace) | None => false,
    };
    let rises = |group: &&GroupName| {
        let entry = record.group(group);
        entry.is_some_and(|entry| entry.owner().is_some() && !is_up(entry))
    };
    let drills = |group: &&GroupName| {
        record.group(group).is_some_and(|entry| entry.drills.ordered_by().is_some())
    };
    let busy = |group: &&GroupName| moves(group) || rises(group) || drills(group);
    record.groups.keys().find(busy).map(ToString::to_string)
}

pub(super) fn is_up(entry: &GroupRecord) -> bool {
    matches!(entry.ownership, Ownership::Owned { phase: Phase::Running, .. })
}

/// The group and those that must be together with it set out, and the drill is written down: one
/// entry.
fn set_out(
    effect: &mut Effect<'_>,
    (group, entry): (&GroupName, &GroupRecord),
    to: NodeName,
    lines: Lines,
) {
    let Some(from) = entry.owner().cloned() else { return };
    let all = planner::company(effect.situation, group);
    let place = |name: &GroupName| effect.situation.record.group(name).map(|g| g.location.clone());
    let places: BTreeMap<_, _> =
        all.iter().filter_map(|name| Some((name.clone(), place(name)?))).collect();
    let order = effect.order();
    let there = leg(effect, entry, (&from, &to));
    let drill = Drill {
        level: Level::Move,
        gap: lines.gap,
        window: lines.window,
        state: State::Going,
        there,
        back: None,
        places,
        order,
    };
    effect.tell_of_drill(group, DrillTurn::Began { from, to: to.clone() });
    hand_over(effect, (group, &to), |next| next.drills.newest = Some(Box::new(drill)));
}

fn leg(effect: &Effect<'_>, entry: &GroupRecord, (from, to): (&NodeName, &NodeName)) -> Leg {
    Leg {
        from: from.clone(),
        to: to.clone(),
        epoch: entry.epoch.next(effect.situation.record.incarnation),
        at: effect.situation.at,
        gap: None,
        stop: Vec::new(),
        start: Vec::new(),
        took: None,
    }
}

/// The group of a drill goes back now.
pub(super) fn back(
    effect: &mut Effect<'_>,
    name: &GroupName,
    (because, gap): (Back, Option<Span>),
) {
    if because == Back::Ordered {
        effect.needs_reason();
    }
    for (group, entry) in effect.groups(name) {
        let Some(drill) = entry.drills.under_way() else {
            effect.refuse(Refusal::NotDrilling { group });
            continue;
        };
        refuse_paused(effect, &group, &entry);
        let home = drill.there.from.clone();
        match drill.state {
            State::Going | State::There => {}
            State::Returning { .. } | State::Ended { .. } => {
                effect.refuse(Refusal::AlreadySo { what: group.to_string() });
                continue;
            }
        }
        // Until its owner has let go of it, it is stopped for the way there.
        let away = entry.owner() == Some(&drill.there.to) && going(&entry).is_none();
        if !away {
            effect.refuse(Refusal::Moving { group });
            continue;
        }
        let all = planner::obstacles(effect.situation, &group);
        if let Some(why) = all.into_iter().find(|(n, _)| *n == home).and_then(|(_, why)| why) {
            let (group, node) = (group.clone(), home.clone());
            effect.refuse(Refusal::CannotTake { group, node, why });
            continue;
        }
        let back = leg(effect, &entry, (&drill.there.to, &home));
        // Who gives the order from outside goes by the wall.
        let by_wall = effect.situation.at.0.saturating_sub(drill.there.at.0);
        let gap = gap.unwrap_or(Span::millis(by_wall));
        effect.tell_of_drill(&group, DrillTurn::TurnedBack { because });
        hand_over(effect, (&group, &home), |next| {
            if let Some(drill) = next.drills.newest.as_deref_mut() {
                drill.state = State::Returning { because };
                drill.back = Some(back);
                drill.there.gap.get_or_insert(gap);
            }
        });
    }
}
