//! What the owner of a group reports: each is one ledger entry of its own, without a plan.

use std::sync::Arc;

use tsugi_vocabulary::{BootId, GroupName, NodeName, Span, Wall};

use super::draft::{occasion_of_handover, start_of};
use super::{fence, policy};
use crate::desk::Down;
use crate::mutant::mutant;
use crate::plan::Chosen;
use crate::reason::{Cause, Nature};
use crate::record::{
    Answer, Draft, EntryName, EventRecord, Failure, FenceFault, FenceOrder, GroupIntent,
    GroupRecord, Happening, HowOff, NodeIntent, NodeRecord, Ownership, Phase, Record, Write,
};
use crate::spec::Failback;
use crate::start_kind::{Ending, StartOption};

/// What the record asks of the owner of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Run it.
    Run,
    /// Stop it, verify, and hand it over.
    HandOver(NodeName),
    /// Stop it, verify, and give it back.
    Stop,
}

/// What the record asks of `node` for a group that it owns; none if it does not own it.
#[must_use]
pub fn wanted(record: &Record, group: &GroupName, node: &NodeName) -> Option<Wanted> {
    let entry = record.group(group)?;
    let Ownership::Owned { node: owner, handover, .. } = &entry.ownership else { return None };
    if owner != node {
        return None;
    }
    let configured = record.spec().is_some_and(|s| s.groups.contains_key(group));
    let decided = record.plan.as_ref().and_then(|p| p.decisions.get(group));
    let planned =
        decided.is_some_and(|d| matches!(&d.chosen, Chosen::Stop { from } if from == node));
    Some(match (&entry.intent, handover) {
        (GroupIntent::Stop(_) | GroupIntent::GaveUp { .. }, _) => Wanted::Stop,
        (GroupIntent::Run, _) if !configured || planned => Wanted::Stop,
        (GroupIntent::Run, Some(to)) => Wanted::HandOver(to.clone()),
        (GroupIntent::Run, None) => Wanted::Run,
    })
}

/// How long a start took: each step in milliseconds, in start order, and all of them, which may
/// be less than their sum.
pub type Took = (Vec<(String, u64)>, Span);

/// Every resource of a group is up on its owner, in this life of it.
#[must_use]
pub fn report_running(
    record: &Record,
    group: &GroupName,
    (steps, took): Took,
    (by, life): (&NodeName, BootId),
    at: Wall,
) -> Option<Draft> {
    let mut next = owned_by(record, group, by)?.clone();
    let Ownership::Owned { phase, boot, .. } = &mut next.ownership else { return None };
    *phase = Phase::Running;
    boot.get_or_insert(life);
    next.drills.started(next.epoch, &steps, took);
    let what = Happening::Started { steps, took };
    Some(entry(record, group, next, event(at, by, what)))
}

/// The owner has stopped a group, verified: it goes to the node it is to be handed over to, under
/// the next epoch, or to nobody. One entry does both (L8). `boot` is the life of that node that is
/// heard now. After a stop that had to be forced
/// whatever runs next carries on from it.
#[must_use]
pub fn handed_over(
    record: &Record,
    group: &GroupName,
    (down, boot): (Down, Option<BootId>),
    by: &NodeName,
    at: Wall,
) -> Option<Draft> {
    let Down { ending, steps } = down;
    let before = owned_by(record, group, by)?;
    let mut next = before.clone();
    next.ended = ending;
    next.ownership = match wanted(record, group, by)? {
        Wanted::Stop | Wanted::Run => Ownership::Nobody,
        Wanted::HandOver(to) => {
            let cause = cause_of(record, group, before);
            next.epoch = before.epoch.next(record.incarnation);
            next.rest_on(record.spec().and_then(|spec| spec.groups.get(group)));
            next.drills.stopped(next.epoch, &steps);
            let start = start_of(before, ending, (occasion_of_handover(&cause), StartOption::None));
            let phase = Phase::Starting;
            Ownership::Owned { node: to, boot, start, cause, phase, handover: None }
        }
    };
    let mut what = event(at, by, Happening::Stopped { steps, ending });
    what.epoch = Some(before.epoch);
    Some(entry(record, group, next, what))
}

/// Why a group is handed over: the newest plan says it as long as the hand-over stands.
fn cause_of(record: &Record, group: &GroupName, before: &GroupRecord) -> Cause {
    let decided = record.plan.as_ref().and_then(|p| p.decisions.get(group));
    if let Some(cause) = decided.and_then(|d| d.cause.clone()) {
        return cause;
    }
    match &before.ownership {
        Ownership::Owned { cause, .. } => cause.clone(),
        Ownership::Nobody => Cause::ClusterStart,
    }
}

/// A resource failed and is being restarted in place, under the same epoch: it counts.
#[must_use]
pub fn mended(record: &Record, group: &GroupName, failure: &Failure) -> Option<Draft> {
    let Failure { at, node, cause, answer } = failure.clone();
    let mut next = owned_by(record, group, &node)?.clone();
    forget_old(record, group, &mut next, at);
    next.failures.push(failure.clone());
    if let Ownership::Owned { phase, .. } = &mut next.ownership {
        *phase = Phase::Starting;
    }
    Some(entry(record, group, next, event(at, &node, Happening::Failed { cause, answer })))
}

/// The owner has let go of a group that failed, verified, and says so itself instead of waiting
/// until the deciding node reads it from a heartbeat. The next plan decides who goes on.
#[must_use]
pub fn released_after_failure(
    record: &Record,
    group: &GroupName,
    cause: Cause,
    by: &NodeName,
    at: Wall,
) -> Option<Draft> {
    let mut next = owned_by(record, group, by)?.clone();
    forget_old(record, group, &mut next, at);
    next.ownership = Ownership::Nobody;
    next.ended = Ending::Failure;
    let policy = record.spec()?.groups.get(group)?.failure;
    if cause.nature() != Nature::OwnFailure {
        next.ended = Ending::Unknown;
        let what = Happening::Failed { cause, answer: Answer::Restarted };
        return Some(entry(record, group, next, event(at, by, what)));
    }
    let answer = policy::answer_to(&cause, policy, (&next.failures, by));
    next.failures.push(Failure { at, node: by.clone(), cause: cause.clone(), answer });
    match answer {
        Answer::Restarted | Answer::TakenOver => {}
        Answer::GaveUp => next.intent = GroupIntent::GaveUp { cause: cause.clone(), at },
    }
    Some(entry(record, group, next, event(at, by, Happening::Failed { cause, answer })))
}

/// What the policy says to one more failure of a group on `node`, after those in the record and
/// those that it does not show yet (CL-20, CL-21).
#[must_use]
pub fn answer_to_failure(
    record: &Record,
    group: &GroupName,
    (node, at): (&NodeName, Wall),
    unseen: &[Failure],
) -> Answer {
    let spec = record.spec().and_then(|s| s.groups.get(group));
    let (Some(spec), Some(entry)) = (spec, record.group(group)) else { return Answer::GaveUp };
    let [seen, unseen] =
        [&entry.failures, unseen].map(|all| policy::recent(all, spec.failure.within, at));
    policy::answer(spec.failure, &[seen, unseen].concat(), node)
}

/// How often the scripts of a group were run again on `node` because the program of this watch id
/// had ended, as far as that counts (CL-11).
#[must_use]
pub fn scripts_again(
    record: &Record,
    group: &GroupName,
    (node, id): (&NodeName, &str),
    at: Wall,
) -> u32 {
    let spec = record.spec().and_then(|s| s.groups.get(group));
    let (Some(spec), Some(entry)) = (spec, record.group(group)) else { return 0 };
    let recent = policy::recent(&entry.failures, spec.failure.within, at);
    policy::scripts_again(&recent, (node, id))
}

/// The next moment on the wall at which a plan may differ although nothing happens: a pause
/// ends by itself, a failure no longer counts, a group may go back by its timetable, or a fence
/// that failed may be tried again.
#[must_use]
pub fn next_by_time(record: &Record, at: Wall) -> Option<Wall> {
    let spec = record.spec()?;
    let again = |known: &crate::record::Versioned<NodeRecord>| {
        let (failed, _) = known.value.fencing.as_ref()?.failed.as_ref()?;
        Some(Wall(failed.0.saturating_add(fence::AGAIN.as_millis()))).filter(|w| *w > at)
    };
    let of = |(name, known): (&GroupName, &crate::record::Versioned<GroupRecord>)| {
        let pause = known.value.pause.as_ref().and_then(|p| p.until);
        let within = spec.groups.get(name).map_or(Span::ZERO, |g| g.failure.within);
        let failures = known.value.failures.iter().map(|f| Wall(f.at.0 + within.as_millis()));
        let back = match spec.groups.get(name).map(|g| g.failback) {
            Some(Failback::At(timetable)) => timetable.next(at),
            Some(Failback::Never | Failback::Manual | Failback::WhenBetter) | None => None,
        };
        failures.chain(pause).chain(back).filter(|w| *w > at).min()
    };
    record.groups.iter().filter_map(of).chain(record.nodes.values().filter_map(again)).min()
}

/// What became of a fence that `by` was ordered to have carried out, if the order still stands. A
/// confirmation names the boot that the order named, and no other (L7).
#[must_use]
pub fn fence_ended(
    record: &Record,
    node: &NodeName,
    (order, outcome): (&FenceOrder, Result<(), FenceFault>),
    at: Wall,
) -> Option<Draft> {
    let known = &*record.nodes.get(node)?.value;
    if known.fencing.as_ref() != Some(order) {
        return None;
    }
    let fenced = Some(order.boot);
    let believed = if mutant("fence-failure-confirms") { Ok(()) } else { outcome };
    let (next, what) = match believed {
        Ok(()) => {
            let took = Span::millis(at.0.saturating_sub(order.at.0));
            let next = NodeRecord { fenced, fencing: None, ..known.clone() };
            let how = HowOff::Switched;
            (next, Happening::Fenced { node: node.clone(), took, how })
        }
        Err(fault) => {
            let failed = Some((at, fault.clone()));
            let fencing = Some(FenceOrder { failed, ..order.clone() });
            let next = NodeRecord { fencing, ..known.clone() };
            (next, Happening::FenceFailed { node: node.clone(), fault })
        }
    };
    let draft = Draft::default()
        .unless_changed(record, EntryName::Node(node.clone()))
        .write(Write::Node(node.clone(), Arc::new(next)))
        .write(Write::Event(event(at, &order.by, what)));
    Some(draft)
}

/// A node's device was asked for the state and says off: that ends this boot of the node, as a
/// confirmed fence does (L7). Whatever was ordered of the same boot is done with it. None if the
/// record has it already. `took` is the time since the node was last heard.
#[must_use]
pub fn found_off(
    record: &Record,
    (node, boot): (&NodeName, BootId),
    took: Span,
    (by, at): (&NodeName, Wall),
) -> Option<Draft> {
    let known = &*record.nodes.get(node)?.value;
    if known.fenced == Some(boot) {
        return None;
    }
    let fencing = known.fencing.clone().filter(|order| order.boot != boot);
    let next = NodeRecord { fenced: Some(boot), fencing, ..known.clone() };
    let what = Happening::Fenced { node: node.clone(), took, how: HowOff::Found };
    let draft = Draft::default()
        .unless_changed(record, EntryName::Node(node.clone()))
        .write(Write::Node(node.clone(), Arc::new(next)))
        .write(Write::Event(event(at, by, what)));
    Some(draft)
}

/// The nodes that have been ordered out of service or shut down, as the record has it.
#[must_use]
pub fn is_out_of_service(record: &Record, node: &NodeName) -> bool {
    record.nodes.get(node).is_some_and(|n| match n.value.intent {
        NodeIntent::InService => false,
        NodeIntent::Drained(_) | NodeIntent::Leaving(_) => true,
    })
}

fn forget_old(record: &Record, group: &GroupName, next: &mut GroupRecord, at: Wall) {
    let spec = record.spec().and_then(|s| s.groups.get(group));
    if let Some(spec) = spec {
        next.failures = policy::recent(&next.failures, spec.failure.within, at);
    }
}

fn owned_by<'r>(record: &'r Record, group: &GroupName, by: &NodeName) -> Option<&'r GroupRecord> {
    record.group(group).filter(|g| g.owner() == Some(by))
}

fn event(at: Wall, by: &NodeName, what: Happening) -> EventRecord {
    EventRecord { at, by: by.clone(), group: None, epoch: None, what }
}

fn entry(record: &Record, group: &GroupName, next: GroupRecord, mut event: EventRecord) -> Draft {
    event.group = Some(group.clone());
    event.epoch = event.epoch.or(Some(next.epoch));
    Draft::default()
        .unless_changed(record, EntryName::Group(group.clone()))
        .write(Write::Group(group.clone(), Arc::new(next)))
        .write(Write::Event(event))
}
