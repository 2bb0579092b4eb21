//! The drills beside a running group, as its record has them.

use tsugi_cluster_rules::drill::rehearsal::{Beside, Came, Done, Fault, FaultKind, Part};
use tsugi_cluster_rules::drill::{Depth, Rehearsal, Rehearsed};
use tsugi_messages::{Phrase, phrase};
use tsugi_vocabulary::NodeName;
use tsugi_wire::control::Utc;
use tsugi_wire::control::drill as wire;

use super::words::phrased;

/// The newest one.
pub(super) fn shown(rehearsal: &Rehearsal) -> wire::Rehearsal {
    let over = match rehearsal.state {
        Beside::UnderWay => None,
        Beside::Ended { at, came } => Some((at, came)),
    };
    let (depth, on) = (rehearsal.depth, &rehearsal.on);
    wire::Rehearsal {
        id: rehearsal.order.command.clone(),
        level: depth.word().to_owned(),
        by: rehearsal.order.by.clone(),
        reason: rehearsal.order.reason.clone(),
        began: Utc(rehearsal.order.at),
        from: rehearsal.owner.to_string(),
        to: on.to_string(),
        limit_ms: rehearsal.limit.as_millis(),
        ended: over.map(|(at, _)| Utc(at)),
        verdict: over.map(|(_, came)| came.word().to_owned()),
        outcome: over.map(|(_, came)| phrased(&outcome(depth, came, on))),
        parts: rehearsal.parts.iter().map(done).collect(),
        fault: rehearsal.fault.as_ref().map(fault),
    }
}

/// When one has shown what it was to show.
pub(super) fn proven(shown: &Rehearsed) -> wire::Rehearsed {
    wire::Rehearsed {
        from: shown.from.to_string(),
        to: shown.to.to_string(),
        level: shown.depth.word().to_owned(),
        at: Utc(shown.at),
        took_ms: shown.took.as_millis(),
    }
}

fn done(done: &Done) -> wire::Part {
    wire::Part {
        part: done.part.word().to_owned(),
        what: phrased(&part(done.part, &done.resource)),
        resource: done.resource.clone(),
        millis: done.millis,
    }
}

fn fault(fault: &Fault) -> wire::Fault {
    let detail = &fault.detail;
    let how = match fault.kind {
        FaultKind::Failed => phrase::rehearsal_fault_failed(detail),
        FaultKind::Slow => phrase::rehearsal_fault_slow(),
        FaultKind::Room => phrase::rehearsal_fault_room(detail),
        FaultKind::Unable => phrase::rehearsal_fault_unable(detail),
        FaultKind::Original => phrase::rehearsal_fault_original(detail),
    };
    let at = phrased(&part(fault.part, &fault.resource));
    wire::Fault { part: fault.part.word().to_owned(), at, how: phrased(&how) }
}

fn part(part: Part, resource: &str) -> Phrase {
    match part {
        Part::Copy => phrase::rehearsal_copy(resource),
        Part::Check => phrase::rehearsal_check(resource),
        Part::Mount => phrase::rehearsal_mount(resource),
        Part::Read => phrase::rehearsal_read(resource),
        Part::Start => phrase::rehearsal_start(resource),
        Part::Monitor => phrase::rehearsal_monitor(resource),
        Part::Stop => phrase::rehearsal_stop(resource),
        Part::Drop => phrase::rehearsal_drop(resource),
    }
}

/// What came of one.
#[must_use]
pub fn outcome(depth: Depth, came: Came, on: &NodeName) -> Phrase {
    match (came, depth) {
        (Came::Proven, Depth::Read) => phrase::rehearsal_proven_read(on),
        (Came::Proven, Depth::Isolate) => phrase::rehearsal_proven_isolate(on),
        (Came::Failed, _) => phrase::rehearsal_failed(on),
        (Came::Interrupted, _) => phrase::rehearsal_interrupted(),
    }
}
