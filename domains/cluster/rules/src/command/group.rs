//! Commands on groups.

use tsugi_vocabulary::{Epoch, GroupName, NodeName, Wall};

use super::Vouch;
use super::effect::{Effect, going, stays};
use crate::planner;
use crate::reason::Rejected;
use crate::record::{GroupIntent, GroupRecord, Guard, Ownership, Pause};
use crate::refusal::Refusal;
use crate::spec::Failback;
use crate::start_kind::{self, Occasion, StartOption};

/// Runs it.
pub(super) fn start(
    effect: &mut Effect<'_>,
    name: &GroupName,
    option: StartOption,
    node: Option<&NodeName>,
) {
    know_node(effect, node);
    let all = effect.groups(name);
    let runs = |g: &GroupRecord| g.intent == GroupIntent::Run && g.owner().is_some();
    let there = |g: &GroupRecord| runs(g) && node.is_none_or(|node| lands_on(g) == Some(node));
    if !all.is_empty() && all.iter().all(|(_, g)| there(g)) {
        return effect.refuse(Refusal::AlreadySo { what: name.to_string() });
    }
    for (group, entry) in all {
        refuse_paused(effect, &group, &entry);
        if let (true, Some(node), Some(on)) = (runs(&entry), node, lands_on(&entry))
            && node != on
        {
            // It runs elsewhere: to have it here is a move, and a move needs a reason.
            let why = Rejected::StaysPut { on: on.clone(), epoch: entry.epoch };
            let (group, node) = (group.clone(), node.clone());
            effect.refuse(Refusal::CannotTake { group, node, why });
        }
        if runs(&entry) {
            continue;
        }
        if entry.owner().is_some() {
            // It is being stopped; a start would overtake the stop.
            effect.refuse(Refusal::Moving { group: group.clone() });
        }
        let kind = if entry.epoch == Epoch::NONE {
            start_kind::first(option)
        } else {
            start_kind::decide(entry.ended, Occasion::Operator, option)
        };
        if let Err(refused) = kind {
            effect.refuse(Refusal::Start(refused));
        }
        let mut next = entry;
        next.intent = GroupIntent::Run;
        next.failures.clear();
        if let Some(node) = node {
            next.location = Some(node.clone());
        }
        effect.write_group(&group, next, Some(option));
        effect.goal(&group, node);
    }
}

/// Stops it and keeps it stopped.
pub(super) fn stop(effect: &mut Effect<'_>, name: &GroupName) {
    let all = effect.groups(name);
    let stopped = |g: &GroupRecord| matches!(g.intent, GroupIntent::Stop(_));
    if !all.is_empty() && all.iter().all(|(_, g)| stopped(g)) {
        return effect.refuse(Refusal::AlreadySo { what: name.to_string() });
    }
    for (group, entry) in all {
        refuse_paused(effect, &group, &entry);
        if entry.owner().is_some() {
            effect.needs_reason();
        }
        if !stopped(&entry) {
            let mut next = entry;
            next.intent = GroupIntent::Stop(effect.order());
            stays(&mut next);
            effect.write_group(&group, next, None);
        }
    }
}

/// Hands it over, with the groups that must be together with it.
pub(super) fn relocate(effect: &mut Effect<'_>, name: &GroupName, to: Option<&NodeName>) {
    know_node(effect, to);
    let all = effect.groups(name);
    let there = |g: &GroupRecord| to.is_some() && g.intent == GroupIntent::Run && lands_on(g) == to;
    if !all.is_empty() && all.iter().all(|(_, g)| there(g)) {
        return effect.refuse(Refusal::AlreadySo { what: name.to_string() });
    }
    for (group, entry) in all {
        refuse_paused(effect, &group, &entry);
        let Some(owner) = entry.owner().filter(|_| entry.intent == GroupIntent::Run) else {
            effect.refuse(Refusal::NotRunning { group });
            continue;
        };
        effect.needs_reason();
        if going(&entry).is_some() {
            effect.refuse(Refusal::Moving { group: group.clone() });
        }
        if to == Some(owner) {
            continue;
        }
        let Some(target) = target(effect, &group, (owner, to)) else { continue };
        hand_over(effect, (&group, &target), |_| ());
    }
}

/// Hands a group over with those that must be together with it, and changes its own record so.
pub(super) fn hand_over(
    effect: &mut Effect<'_>,
    (group, to): (&GroupName, &NodeName),
    change: impl FnOnce(&mut GroupRecord),
) {
    let mut change = Some(change);
    for mate in planner::company(effect.situation, group) {
        let Some(mut next) = effect.situation.record.group(&mate).cloned() else { continue };
        let Ownership::Owned { node, handover, .. } = &mut next.ownership else { continue };
        if node != to {
            *handover = Some(to.clone());
        }
        next.location = Some(to.clone());
        if let Some(change) = (mate == *group).then(|| change.take()).flatten() {
            change(&mut next);
        }
        effect.write_group(&mate, next, None);
        effect.goal(&mate, Some(to));
    }
}

/// The node that is named, if it can take the group; else the next that can (CL-23, CL-24).
pub(super) fn target(
    effect: &mut Effect<'_>,
    group: &GroupName,
    (owner, to): (&NodeName, Option<&NodeName>),
) -> Option<NodeName> {
    let all = planner::obstacles(effect.situation, group);
    if let Some(to) = to {
        let why = all.into_iter().find(|(n, _)| n == to).and_then(|(_, why)| why);
        if let Some(why) = why {
            let (group, node) = (group.clone(), to.clone());
            effect.refuse(Refusal::CannotTake { group, node, why });
            return None;
        }
        return Some(to.clone());
    }
    let spec = effect.spec().and_then(|s| s.groups.get(group));
    let home = |node: &NodeName| match spec {
        // A group that never fails back goes home only when home is named.
        Some(spec) if spec.failback == Failback::Never => {
            spec.prefer.iter().take_while(|n| *n != owner).any(|n| n == node)
        }
        Some(_) | None => false,
    };
    let next = all.iter().find(|(n, why)| n != owner && why.is_none() && !home(n));
    if next.is_none() {
        let epoch = effect.situation.record.group(group).map_or(Epoch::NONE, |g| g.epoch);
        let stays = || Rejected::StaysPut { on: owner.clone(), epoch };
        let others = all.iter().filter(|(n, _)| n != owner);
        let why = others.map(|(n, w)| (n.clone(), w.clone().unwrap_or_else(stays))).collect();
        effect.refuse(Refusal::NobodyCanTake { group: group.clone(), why });
    }
    next.map(|(n, _)| n.clone())
}

/// Leaves it alone: pinned to its owner, or stopped as it is (L9).
pub(super) fn pause(effect: &mut Effect<'_>, name: &GroupName, until: Option<Wall>) {
    let all = effect.groups(name);
    if !all.is_empty() && all.iter().all(|(_, g)| is_paused_for(g, until)) {
        return effect.refuse(Refusal::AlreadySo { what: name.to_string() });
    }
    for (group, entry) in all {
        effect.needs_reason();
        if is_paused_for(&entry, until) {
            continue;
        }
        refuse_paused(effect, &group, &entry);
        let stopping = entry.owner().is_some() && entry.intent != GroupIntent::Run;
        if going(&entry).is_some() || stopping {
            effect.refuse(Refusal::Moving { group: group.clone() });
        }
        if let Some(owner) = entry.owner().filter(|o| !effect.is_heard(o)).cloned() {
            let silence = tsugi_vocabulary::Span::ZERO;
            let why = Rejected::Silent { silence };
            effect.refuse(Refusal::CannotTake { group: group.clone(), node: owner, why });
        }
        let mut next = entry;
        next.pause = Some(Pause {
            order: effect.order(),
            until,
            pinned: next.owner().cloned(),
            guard: Guard::Disarmed,
        });
        effect.write_group(&group, next, None);
    }
}

/// Ends a pause. The owner arms its guardian again before the pin goes; an owner that is lost
/// cannot, so there the operator's word stands for it, and has to be given.
pub(super) fn resume(effect: &mut Effect<'_>, name: &GroupName, vouch: Vouch) {
    let all = effect.groups(name);
    // An owner that is lost arms nothing: of that pause a person has to say how it ends.
    let ends = |effect: &Effect<'_>, g: &GroupRecord| {
        let rearming = g.pause.as_ref().is_some_and(|p| p.guard == Guard::Rearming);
        rearming && g.owner().is_some_and(|owner| effect.is_heard(owner))
    };
    if !all.is_empty() && all.iter().all(|(_, g)| g.pause.is_none()) {
        return effect.refuse(Refusal::NotPaused { group: name.clone() });
    }
    if !all.is_empty() && all.iter().all(|(_, g)| g.pause.is_none() || ends(effect, g)) {
        return effect.refuse(Refusal::AlreadySo { what: name.to_string() });
    }
    for (group, entry) in all {
        let ending = ends(effect, &entry);
        let Some(pause) = entry.pause.clone().filter(|_| !ending) else { continue };
        let mut next = entry;
        match next.owner() {
            Some(owner) if effect.is_heard(owner) => {
                next.pause = Some(Pause { guard: Guard::Rearming, ..pause });
            }
            Some(owner) => {
                if vouch == Vouch::Nothing && !effect.is_fenced(&next) {
                    let (group, node) = (group.clone(), owner.clone());
                    effect.refuse(Refusal::OwnerLost { group, node });
                }
                effect.needs_reason();
                next.pause = None;
            }
            None => next.pause = None,
        }
        effect.write_group(&group, next, None);
    }
}

/// Pauses every group that is not paused yet, all or none.
pub(super) fn pause_all(effect: &mut Effect<'_>, until: Option<Wall>) {
    for group in all(effect, Paused::No) {
        pause(effect, &group, until);
    }
}

/// Ends every pause, all or none.
pub(super) fn resume_all(effect: &mut Effect<'_>, vouch: Vouch) {
    for group in all(effect, Paused::Yes) {
        resume(effect, &group, vouch);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Paused {
    Yes,
    No,
}

/// The groups that are paused, or those that are not; it is refused if there is none.
fn all(effect: &mut Effect<'_>, wanted: Paused) -> Vec<GroupName> {
    let Some(spec) = effect.spec() else { return Vec::new() };
    let paused = |group: &GroupName| {
        let entry = effect.situation.record.group(group);
        if entry.is_some_and(|g| g.pause.is_some()) { Paused::Yes } else { Paused::No }
    };
    let names: Vec<GroupName> =
        spec.groups.keys().filter(|group| paused(group) == wanted).cloned().collect();
    if names.is_empty() {
        effect.refuse(Refusal::AlreadySo { what: spec.name.clone() });
    }
    names
}

/// Forgets its failures, that tsugi gave it up, and where an operator put it (PH-15).
pub(super) fn clear(effect: &mut Effect<'_>, name: &GroupName) {
    let all = effect.groups(name);
    let plain = |g: &GroupRecord| {
        let gave_up = matches!(g.intent, GroupIntent::GaveUp { .. });
        !gave_up && g.failures.is_empty() && g.location.is_none()
    };
    if !all.is_empty() && all.iter().all(|(_, g)| plain(g)) {
        effect.refuse(Refusal::AlreadySo { what: name.to_string() });
    }
    for (group, entry) in all {
        let mut next = entry;
        next.failures.clear();
        next.location = None;
        if matches!(next.intent, GroupIntent::GaveUp { .. }) {
            next.intent = GroupIntent::Run;
        }
        effect.write_group(&group, next, None);
    }
}

/// Where a group is, or is on its way to.
fn lands_on(entry: &GroupRecord) -> Option<&NodeName> {
    going(entry).or_else(|| entry.owner())
}

/// Whether a group is left alone at least until then.
fn is_paused_for(entry: &GroupRecord, until: Option<Wall>) -> bool {
    let lasts = |pause: &Pause| match (pause.until, until) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(has), Some(wants)) => has >= wants,
    };
    entry.pause.as_ref().is_some_and(|p| p.guard == Guard::Disarmed && lasts(p))
}

pub(super) fn know_node(effect: &mut Effect<'_>, node: Option<&NodeName>) {
    let Some(node) = node else { return };
    if !effect.spec().is_some_and(|s| s.nodes.contains_key(node)) {
        effect.refuse(Refusal::NoSuchNode { node: node.to_string() });
    }
}

pub(super) fn refuse_paused(effect: &mut Effect<'_>, group: &GroupName, entry: &GroupRecord) {
    if let Some(pause) = &entry.pause {
        let by = pause.order.by.clone();
        effect.refuse(Refusal::Paused { group: group.clone(), by });
    }
}
