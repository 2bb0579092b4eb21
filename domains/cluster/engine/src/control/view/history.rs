//! What happened and who did what, line by line.

use tsugi_cluster_rules::monitors::MonitorId;
use tsugi_cluster_rules::reason::{Cause, How, Way};
use tsugi_cluster_rules::record::{
    Answer, DrillTurn, EventRecord, Happening, HowOff, LinkState, MonitorTurn, Versioned,
};
use tsugi_cluster_rules::watch::table::Then;
use tsugi_messages::{Phrase, phrase};
use tsugi_vocabulary::{GroupName, NodeName};
use tsugi_wire::control::report;
use tsugi_wire::control::{Utc, Words};

use super::words::{Deed, cause, named, phrased};
use super::{drill, rehearsal};
use crate::records::AuditLink;

/// The newest `most` things that happened or were commanded, oldest first, about `of` if it is
/// given.
#[must_use]
pub fn history(
    (events, commands): (&[Versioned<EventRecord>], &[AuditLink]),
    of: Option<&str>,
    most: usize,
) -> report::History {
    let happened = events.iter().map(|e| &*e.value);
    let happened = happened.filter(|e| of.is_none_or(|of| is_about(e, of))).map(line);
    let commanded = commands.iter().filter(|c| c.entry.outcome == "accepted");
    let commanded = commanded.filter(|c| of.is_none_or(|of| names(c, of))).map(command);
    let mut lines: Vec<report::HistoryLine> = happened.chain(commanded).collect();
    lines.sort_by_key(|line| line.at);
    let from = lines.len().saturating_sub(most);
    report::History { lines: lines.split_off(from) }
}

/// Whether a command speaks of a group or node.
fn names(link: &AuditLink, of: &str) -> bool {
    link.entry.words.split_whitespace().any(|word| word == of)
}

fn command(link: &AuditLink) -> report::HistoryLine {
    let entry = &link.entry;
    report::HistoryLine {
        at: Utc(entry.at),
        by: entry.person.clone(),
        group: None,
        epoch: None,
        what: phrased(&phrase::happened_command(&entry.words)),
        data: serde_json::json!({"happened": "command", "number": link.number,
            "command": entry.command, "reason": entry.reason}),
    }
}

/// The newest `most` commands, oldest first.
#[must_use]
pub fn audit(links: &[AuditLink], most: usize) -> report::Audit {
    let from = links.len().saturating_sub(most);
    let line = |link: &AuditLink| report::AuditLine {
        number: link.number,
        at: Utc(link.entry.at),
        person: link.entry.person.clone(),
        origin: link.entry.origin.clone(),
        words: link.entry.words.clone(),
        reason: link.entry.reason.clone(),
        decided_on: link.entry.decided_on.0,
        outcome: link.entry.outcome.clone(),
        command: link.entry.command.clone(),
        hash: link.hash.clone(),
    };
    report::Audit { lines: links[from..].iter().map(line).collect() }
}

fn is_about(event: &EventRecord, of: &str) -> bool {
    let node = match &event.what {
        Happening::Lost { node, .. }
        | Happening::Returned { node, .. }
        | Happening::ClockStepped { node, .. }
        | Happening::Link { node, .. }
        | Happening::FenceOrdered { node, .. }
        | Happening::Fenced { node, .. }
        | Happening::FenceFailed { node, .. }
        | Happening::GuardianLost { node }
        | Happening::GuardianActed { node }
        | Happening::Readopted { node, .. } => Some(node),
        Happening::Started { .. }
        | Happening::Stopped { .. }
        | Happening::Failed { .. }
        | Happening::Observed { .. }
        | Happening::AddressMoved { .. }
        | Happening::StopFailed { .. }
        | Happening::StopLied { .. }
        | Happening::Unreleased { .. }
        | Happening::VolumeAgain { .. }
        | Happening::Flooded { .. }
        | Happening::StartUndone { .. }
        | Happening::Recovered { .. }
        | Happening::Drill { .. }
        | Happening::Monitor { .. }
        | Happening::WatchedEnded { .. }
        | Happening::Damaged { .. }
        | Happening::Unknown => Some(&event.by),
    };
    event.group.as_ref().map(GroupName::as_str) == Some(of)
        || node.map(NodeName::as_str) == Some(of)
}

/// One event as a moment of a story.
pub(super) fn moment(event: &EventRecord) -> report::Moment {
    report::Moment { at: Utc(event.at), by: event.by.to_string(), what: words(event) }
}

fn line(event: &EventRecord) -> report::HistoryLine {
    report::HistoryLine {
        at: Utc(event.at),
        by: event.by.to_string(),
        group: event.group.as_ref().map(ToString::to_string),
        epoch: event.epoch.map(|e| e.to_string()),
        what: words(event),
        data: serde_json::to_value(&event.what).unwrap_or_default(),
    }
}

fn words(event: &EventRecord) -> Words {
    let (group, node) = (event.group.as_ref().map_or("-", GroupName::as_str), &event.by);
    match &event.what {
        Happening::Started { took, .. } => {
            phrased(&phrase::happened_started(group, &event.by, took.as_millis()))
        }
        Happening::Stopped { .. } => phrased(&phrase::happened_stopped(group, &event.by)),
        Happening::Failed { cause: first, answer } => match answer {
            Answer::Restarted | Answer::TakenOver => cause(first, Deed::Start),
            Answer::GaveUp => phrased(&phrase::happened_gave_up(group)),
        },
        Happening::Observed { cause: first, to } => {
            phrased(&phrase::happened_observed(group, to, first.word()))
        }
        Happening::Lost { cause: first, .. } => cause(first, Deed::Start),
        Happening::Returned { node, cause: first, .. } => phrased(&match first {
            Cause::PowerLost { .. } => phrase::returned_power(node),
            Cause::Frozen { pause, .. } => phrase::returned_frozen(node, pause.as_millis()),
            Cause::WasCutOff { .. } => phrase::returned_cut_off(node),
            Cause::OneWay { way: Way::FromIt, .. } => phrase::returned_one_way(node),
            Cause::AgentLost { .. } => phrase::returned_agent(node),
            _ => phrase::returned(node),
        }),
        Happening::ClockStepped { node, by_ms } => phrased(&phrase::cause_clock_step(node, by_ms)),
        Happening::Link { node, link, state } => match state {
            LinkState::Down => phrased(&phrase::cause_link_down(node, link)),
            LinkState::Up => phrased(&phrase::happened_link_up(node, link)),
        },
        Happening::AddressMoved { address, link, .. } => {
            phrased(&phrase::decided_link(address, link))
        }
        Happening::StopFailed { resource, how } => {
            phrased(&phrase::happened_stop_failed(group, &event.by, resource, how))
        }
        Happening::StopLied { left } => phrased(&phrase::happened_stop_lied(group, node, left)),
        Happening::Unreleased { left } => phrased(&phrase::happened_unreleased(group, node, left)),
        Happening::VolumeAgain { resource, how, after } => {
            let after = after.as_millis() / 1000;
            phrased(&phrase::happened_volume_again(resource, group, &event.by, how, after))
        }
        Happening::Flooded { resource: of } => phrased(&phrase::happened_flooded(group, node, of)),
        Happening::StartUndone { resource, up } => {
            phrased(&phrase::happened_start_undone(group, &event.by, resource, up))
        }
        Happening::Monitor { id, turn } => phrased(&monitor_turn((group, &event.by), id, turn)),
        Happening::WatchedEnded { id, how, then } => {
            watched_ended((group, event), (id, how), *then)
        }
        Happening::Recovered { failed: None } => phrased(&phrase::happened_recovered(group, node)),
        Happening::Recovered { failed: Some(how) } => {
            phrased(&phrase::happened_recover_failed(group, &event.by, how))
        }
        Happening::FenceOrdered { node, by } => phrased(&phrase::happened_fence_ordered(node, by)),
        Happening::Fenced { node, took, how } => phrased(&match how {
            HowOff::Switched => phrase::happened_fenced(node, &event.by, took.as_millis()),
            HowOff::Found => phrase::happened_found_off(node, &event.by, took.as_millis()),
        }),
        Happening::FenceFailed { node, .. } => {
            phrased(&phrase::happened_fence_failed(node, &event.by))
        }
        Happening::GuardianLost { node } => phrased(&phrase::happened_guardian_lost(node)),
        Happening::GuardianActed { node } => phrased(&phrase::happened_guardian_acted(group, node)),
        Happening::Drill { by, turn } => phrased(&drill_turn((group, by), turn)),
        Happening::Readopted { node, groups } => {
            phrased(&phrase::happened_readopted(node, named(groups)))
        }
        Happening::Damaged { key, .. } => phrased(&phrase::happened_damaged(group, node, key)),
        Happening::Unknown => phrased(&phrase::happened_unknown(group, node)),
    }
}

fn watched_ended(
    (group, event): (&str, &EventRecord),
    (id, how): (&String, &How),
    then: Then,
) -> Words {
    let node = &event.by;
    phrased(&match then {
        Then::Nothing => phrase::happened_watched_ended(group, node, id, how),
        Then::StartedAgain => phrase::happened_watched_again(group, node, id, how),
        Then::ScriptsAgain => phrase::happened_watched_scripts(group, node, id, how),
        Then::Suspended => phrase::happened_watched_held(group, node, id, how),
    })
}

fn drill_turn((group, by): (&str, &str), turn: &DrillTurn) -> Phrase {
    match turn {
        DrillTurn::Began { from, to } => phrase::happened_drill_began(group, from, to, by),
        DrillTurn::Arrived { node, gap } => {
            phrase::happened_drill_arrived(group, node, gap.as_millis())
        }
        DrillTurn::TurnedBack { because } => drill::back(*because),
        DrillTurn::Ended { verdict } => drill::verdict(*verdict),
        DrillTurn::Rehearses { depth, node } => {
            phrase::happened_rehearses(group, node, depth.word(), by)
        }
        DrillTurn::Rehearsed { depth, node, came } => rehearsal::outcome(*depth, *came, node),
    }
}

fn monitor_turn((group, node): (&str, &NodeName), id: &MonitorId, turn: &MonitorTurn) -> Phrase {
    match turn {
        MonitorTurn::Failed { how } => phrase::happened_monitor_failed(group, node, id, how),
        MonitorTurn::Well => phrase::happened_monitor_well(group, node, id),
        MonitorTurn::NotNotified { how } => phrase::happened_not_notified(group, node, id, how),
    }
}
