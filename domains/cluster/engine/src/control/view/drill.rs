//! The drills of one group, as its record has them.

use tsugi_cluster_rules::drill::failure;
use tsugi_cluster_rules::drill::{Back, Drill, Leg, Level, Proven, State, Verdict};
use tsugi_cluster_rules::plan::{Chosen, Decision, Plan};
use tsugi_cluster_rules::record::{GroupRecord, Record};
use tsugi_messages::{Phrase, phrase};
use tsugi_vocabulary::GroupName;
use tsugi_wire::control::drill as wire;
use tsugi_wire::control::{Utc, Words};

use super::rehearsal;
use super::words::phrased;

/// The newest drill of a group, and what is proven.
#[must_use]
pub fn drills(group: &GroupName, entry: Option<&GroupRecord>) -> wire::Drills {
    let drills = entry.map(|entry| &entry.drills);
    wire::Drills {
        group: group.to_string(),
        newest: drills.and_then(|drills| drills.newest.as_deref()).map(drill),
        proven: drills.into_iter().flat_map(|drills| &drills.proven).map(proven).collect(),
        rehearsal: drills.and_then(|drills| drills.rehearsal.as_deref()).map(rehearsal::shown),
        rehearsed: drills.into_iter().flat_map(|d| &d.rehearsed).map(rehearsal::proven).collect(),
    }
}

/// What is proven of the moves that a plan would make, where a drill has shown anything.
#[must_use]
pub fn proofs(record: &Record, plan: &Plan) -> Vec<Words> {
    let of = |(name, decision): (&GroupName, &Decision)| {
        let entry = record.group(name)?;
        let (from, to) = match &decision.chosen {
            Chosen::Give { node, .. } => (entry.owner()?, node),
            Chosen::HandOver { from, to } => (from, to),
            Chosen::Stay { .. }
            | Chosen::Stop { .. }
            | Chosen::Rest { .. }
            | Chosen::NoPlace
            | Chosen::Wait { .. } => return None,
        };
        let proven = entry.drills.proven(from, to)?;
        let (at, gap) = (Utc(proven.at), proven.gap.as_millis());
        Some(phrased(&phrase::whatif_proven(name, from, to, at, gap)))
    };
    plan.decisions.iter().filter_map(of).collect()
}

fn drill(drill: &Drill) -> wire::Drill {
    let (state, because, over) = match drill.state {
        State::Going => ("going", None, None),
        State::There => ("there", None, None),
        State::Returning { because } => ("returning", Some(because), None),
        State::Ended { at, verdict } => ("ended", None, Some((at, verdict))),
    };
    wire::Drill {
        id: drill.order.command.clone(),
        level: level(drill.level).to_owned(),
        by: drill.order.by.clone(),
        reason: drill.order.reason.clone(),
        began: Utc(drill.order.at),
        until: Utc(drill.until()),
        line_ms: drill.gap.as_millis(),
        state: state.to_owned(),
        because: because.map(|because| phrased(&back(because))),
        ended: over.map(|(at, _)| Utc(at)),
        verdict: over.map(|(_, verdict)| verdict.word().to_owned()),
        outcome: over.map(|(_, verdict)| phrased(&self::verdict(verdict))),
        ways: std::iter::once(&drill.there).chain(&drill.back).map(way).collect(),
    }
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Move => "move",
    }
}

fn way(leg: &Leg) -> wire::Way {
    let phase = |(resource, millis): &(String, u64)| {
        let (resource, millis) = (resource.clone(), *millis);
        wire::Phase { resource, millis }
    };
    wire::Way {
        from: leg.from.to_string(),
        to: leg.to.to_string(),
        at: Utc(leg.at),
        epoch: leg.epoch.to_string(),
        gap_ms: leg.gap.map(|gap| gap.as_millis()),
        stop: leg.stop.iter().map(phase).collect(),
        start: leg.start.iter().map(phase).collect(),
        start_ms: leg.took.map(|took| took.as_millis()),
    }
}

fn proven(proven: &Proven) -> wire::Proven {
    wire::Proven {
        from: proven.from.to_string(),
        to: proven.to.to_string(),
        level: level(proven.level).to_owned(),
        at: Utc(proven.at),
        gap_ms: proven.gap.as_millis(),
    }
}

/// Why a group goes back.
pub fn back(because: Back) -> Phrase {
    match because {
        Back::Window => phrase::drill_back_window(),
        Back::StopLine => phrase::drill_back_line(),
        Back::Failed => phrase::drill_back_failed(),
        Back::Ordered => phrase::drill_back_ordered(),
    }
}

/// What came of a drill.
pub fn verdict(verdict: Verdict) -> Phrase {
    match verdict {
        Verdict::Proven => phrase::drill_verdict_proven(),
        Verdict::BeyondLine => phrase::drill_verdict_beyond(),
        Verdict::Failed => phrase::drill_verdict_failed(),
        Verdict::Stayed => phrase::drill_verdict_stayed(),
        Verdict::Interrupted => phrase::drill_verdict_interrupted(),
    }
}

/// The newest failure test.
#[must_use]
pub fn failure_test(test: &failure::FailureTest) -> wire::FailureTest {
    let (back, over) = match test.state {
        failure::State::Out => (None, None),
        failure::State::Back { at, .. } => (Some(at), None),
        failure::State::Ended { back, at, verdict } => (Some(back), Some((at, verdict))),
    };
    wire::FailureTest {
        id: test.order.command.clone(),
        failure: match &test.failure {
            failure::Failure::GroupStop { group } => {
                wire::Failure::GroupStop { group: group.to_string() }
            }
            failure::Failure::NodeDrain { node } => {
                wire::Failure::NodeDrain { node: node.to_string() }
            }
            failure::Failure::ProcessKill { group, resource } => wire::Failure::ProcessKill {
                group: group.to_string(),
                resource: resource.as_ref().map(ToString::to_string),
            },
            failure::Failure::AgentKill { node } => {
                wire::Failure::AgentKill { node: node.to_string() }
            }
        },
        node: test.node.to_string(),
        groups: test.groups.keys().map(ToString::to_string).collect(),
        by: test.order.by.clone(),
        reason: test.order.reason.clone(),
        began: Utc(test.order.at),
        within_ms: test.within.as_millis(),
        back: back.map(Utc),
        ended: over.map(|(at, _)| Utc(at)),
        verdict: over.map(|(_, verdict)| verdict.word().to_owned()),
    }
}
