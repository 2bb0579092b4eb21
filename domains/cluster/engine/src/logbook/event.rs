//! An event of the ledger as a message.

use tsugi_cluster_rules::drill::rehearsal::Came;
use tsugi_cluster_rules::drill::{Back, Verdict};
use tsugi_cluster_rules::mirror::Obstacle;
use tsugi_cluster_rules::monitors::MonitorId;
use tsugi_cluster_rules::reason::{Cause, How, Mishap, Nature};
use tsugi_cluster_rules::record::{
    Answer, DrillTurn, EventRecord, Happening, HowOff, LinkState, MonitorTurn, Ownership, Record,
};
use tsugi_cluster_rules::reservation;
use tsugi_cluster_rules::spec::{GroupSpec, ResourceKind};
use tsugi_cluster_rules::start_kind::{Ending, StartKind};
use tsugi_cluster_rules::unit::UnitName;
use tsugi_cluster_rules::watch::table::Then;
use tsugi_messages::{self as messages, Language, Message, Phrase, phrase};
use tsugi_vocabulary::{GroupName, NodeName, ResourceName, Span};

use super::because;
use crate::control::view::words::{Deed, named};
use crate::control::view::{drill, rehearsal};
use crate::fence;

/// The message of an event; `record` is the record as it is now.
pub(super) fn message(event: &EventRecord, record: &Record, language: Language) -> Option<Message> {
    match &event.what {
        Happening::Started { took, .. } => {
            let group = event.group.as_ref()?;
            Some(started(event, (group, took.as_millis()), record, language))
        }
        Happening::Stopped { steps, .. } => {
            let millis: u64 = steps.iter().map(|(_, millis)| millis).sum();
            Some(messages::group_stopped(event.group.as_ref()?, &event.by, millis))
        }
        Happening::Failed { cause, answer } => {
            failed(event.group.as_ref()?, cause, (*answer, record, language))
        }
        Happening::Observed { cause, to } => {
            let why = because(cause, Deed::Start, language);
            Some(messages::takeover_observed(event.group.as_ref()?, to, why))
        }
        Happening::Lost { node, cause } => lost(node, cause),
        Happening::Returned { node, cause, .. } => Some(returned(node, cause)),
        Happening::ClockStepped { node, by_ms } => Some(messages::clock_stepped(node, by_ms)),
        Happening::Link { node, link, state } => Some(match state {
            LinkState::Down => messages::link_down(link, node),
            LinkState::Up => messages::link_up(link, node),
        }),
        Happening::AddressMoved { address, from, link } => {
            Some(messages::address_moved_to_link(address, from, link, &event.by))
        }
        Happening::StopFailed { resource, how } => {
            Some(stop_failed(resource, (event.group.as_ref()?, &event.by), how))
        }
        Happening::StopLied { left } => stop_lied(event, *left),
        Happening::Unreleased { left } => unreleased(event, left),
        Happening::VolumeAgain { resource, how, after } => {
            let (group, seconds) = (event.group.as_ref()?, after.as_millis() / 1000);
            Some(messages::volume_again(resource, group, &event.by, how, seconds))
        }
        Happening::Flooded { resource } => {
            Some(messages::ocf_flooded(resource, event.group.as_ref()?, &event.by))
        }
        Happening::StartUndone { resource, up } => {
            Some(messages::start_undone(event.group.as_ref()?, &event.by, resource, up))
        }
        Happening::WatchedEnded { id, how, then } => {
            let place = (event.group.as_ref()?, &event.by);
            Some(watched_ended(place, (id.as_str(), how), *then))
        }
        Happening::Monitor { id, turn } => {
            Some(monitor_turn((id, event.group.as_ref()?, &event.by), turn))
        }
        Happening::Recovered { failed } => {
            Some(recovered((event.group.as_ref()?, &event.by), failed.as_ref()))
        }
        Happening::GuardianActed { node } => {
            let epoch = event.epoch.map(|e| e.to_string()).unwrap_or_default();
            Some(messages::guardian_acted(node, event.group.as_ref()?, epoch))
        }
        Happening::FenceOrdered { node, by } => Some(messages::fence_ordered(node, by)),
        Happening::Fenced { node, took, how } => Some(off((node, &event.by), *took, *how)),
        Happening::FenceFailed { node, fault } => Some(fence::message(fault, (node, &event.by))),
        Happening::GuardianLost { node } => Some(messages::guardian_lost(node)),
        Happening::Drill { by, turn } => drill_turn((event.group.as_ref()?, by), turn, language),
        Happening::Readopted { node, groups } => {
            Some(messages::agent_replaced(node, groups.len(), named(groups)))
        }
        Happening::Damaged { key, why } => Some(messages::event_damaged(key, why)),
        Happening::Unknown => None,
    }
}

fn returned(node: &NodeName, cause: &Cause) -> Message {
    match cause {
        Cause::Frozen { pause, .. } => messages::node_frozen_woke(node, pause.as_millis()),
        _ => messages::node_up(node),
    }
}

/// How a node was made sure of.
fn off((node, by): (&NodeName, &NodeName), took: Span, how: HowOff) -> Message {
    match how {
        HowOff::Switched => messages::node_fenced(node, by, took.as_millis()),
        HowOff::Found => messages::node_found_off(node, by, took.as_millis()),
    }
}

/// What happened to a monitor.
fn monitor_turn(
    (id, group, node): (&MonitorId, &GroupName, &NodeName),
    turn: &MonitorTurn,
) -> Message {
    match turn {
        MonitorTurn::Failed { how } => messages::monitor_only_tells(id, group, node, how),
        MonitorTurn::Well => messages::monitor_well_again(id, group, node),
        MonitorTurn::NotNotified { how } => messages::monitor_not_notified(id, group, node, how),
    }
}

/// A step of a drill.
fn drill_turn(
    (group, by): (&GroupName, &str),
    turn: &DrillTurn,
    language: Language,
) -> Option<Message> {
    Some(match turn {
        DrillTurn::Began { from, to } => messages::drill_began(group, from, to, by),
        DrillTurn::Arrived { node, gap } => messages::drill_arrived(group, node, gap.as_millis()),
        DrillTurn::TurnedBack { because } => {
            let why = drill::back(*because).text(language);
            match because {
                Back::Window | Back::Ordered => messages::drill_goes_back(group, why),
                Back::StopLine | Back::Failed => messages::drill_turned_back(group, why),
            }
        }
        DrillTurn::Rehearses { depth, node } => {
            messages::drill_rehearses(group, node, depth.word(), by)
        }
        DrillTurn::Rehearsed { depth, node, came: Came::Proven } => {
            messages::drill_rehearsed(group, node, depth.word())
        }
        DrillTurn::Rehearsed { depth, node, came } => {
            let why = rehearsal::outcome(*depth, *came, node).text(language);
            messages::drill_not_rehearsed(group, node, depth.word(), why)
        }
        DrillTurn::Ended { verdict } => {
            let what = drill::verdict(*verdict).text(language);
            match verdict {
                Verdict::Proven => messages::drill_proven(group, what),
                Verdict::BeyondLine | Verdict::Failed | Verdict::Stayed | Verdict::Interrupted => {
                    messages::drill_not_proven(group, what)
                }
            }
        }
    })
}

/// What came of telling scripts that their node is back.
fn recovered((group, node): (&GroupName, &NodeName), failed: Option<&How>) -> Message {
    match failed {
        None => messages::recover_told(group, node),
        Some(how) => messages::recover_failed(group, node, how),
    }
}

/// The end of a watched program, and what follows.
fn watched_ended(
    (group, node): (&GroupName, &NodeName),
    (id, how): (&str, &How),
    then: Then,
) -> Message {
    match then {
        Then::Nothing => messages::watched_ended(id, group, node, how),
        Then::StartedAgain => messages::watched_ended_again(id, group, node, how),
        Then::ScriptsAgain => messages::watched_ended_scripts(id, group, node, how),
        Then::Suspended => messages::watched_ended_held(id, group, node, how),
    }
}

fn stop_lied(event: &EventRecord, left: u32) -> Option<Message> {
    Some(messages::stop_lied(event.group.as_ref()?, &event.by, left))
}

fn unreleased(event: &EventRecord, left: &str) -> Option<Message> {
    Some(messages::group_unreleased(event.group.as_ref()?, &event.by, left))
}

/// A stop that hung, left something, or failed in its own words.
fn stop_failed(
    resource: &ResourceName,
    (group, node): (&GroupName, &NodeName),
    how: &How,
) -> Message {
    match how.mishap {
        Mishap::TooLate => messages::stop_timed_out(resource, group, node),
        Mishap::StillThere => messages::stop_left_it(resource, group, node, how),
        Mishap::Plain
        | Mishap::Signal
        | Mishap::Flooded
        | Mishap::TakenAsFailed { .. }
        | Mishap::Nonsense { .. }
        | Mishap::Mirror { .. }
        | Mishap::Reservation { .. }
        | Mishap::AddressInUse { .. } => messages::stop_failed(resource, group, node, how),
    }
}

/// That work was cut off, for the log of the node that carries it on.
pub(super) fn interruption(
    event: &EventRecord,
    (me, record): (&NodeName, &Record),
    language: Language,
) -> Option<Message> {
    let Happening::Started { .. } = event.what else { return None };
    let group = event.group.as_ref().filter(|_| event.by == *me)?;
    let entry = record.group(group).filter(|g| Some(g.epoch) == event.epoch)?;
    let Ownership::Owned { cause, .. } = &entry.ownership else { return None };
    match entry.ended {
        Ending::Failure | Ending::Unknown | Ending::Forced => {
            let reason = because(cause, Deed::Start, language);
            Some(messages::work_interrupted(group, me, reason))
        }
        Ending::Orderly => None,
    }
}

/// What the guardian cannot take away, for the log of the node that has brought it up.
pub(super) fn beyond_reach(
    event: &EventRecord,
    (me, record): (&NodeName, &Record),
) -> Option<Message> {
    let Happening::Started { .. } = event.what else { return None };
    let group = event.group.as_ref().filter(|_| event.by == *me)?;
    let spec = record.spec()?.groups.get(group)?;
    let names: Vec<&str> = spec.beyond_reach().map(|r| r.name.as_str()).collect();
    (!names.is_empty()).then(|| messages::ocf_ends_with_machine(group, me, names.join(", ")))
}

/// Units that systemd starts by itself as well, told where they have started: after a loss of the
/// machine they would come up there without the lease.
pub(super) fn started_unasked(
    event: &EventRecord,
    (me, record): (&NodeName, &Record),
    starters: impl Fn(&UnitName) -> Vec<String>,
) -> Option<Message> {
    let Happening::Started { .. } = event.what else { return None };
    let group = event.group.as_ref().filter(|_| event.by == *me)?;
    let units = record.spec()?.groups.get(group)?.resources.iter().filter_map(|r| match &r.kind {
        ResourceKind::Unit { unit, .. } => Some(unit),
        ResourceKind::Address { .. }
        | ResourceKind::Volume { .. }
        | ResourceKind::Process { .. }
        | ResourceKind::Ocf { .. } => None,
    });
    let links: Vec<String> = units.flat_map(starters).collect();
    (!links.is_empty()).then(|| messages::unit_starts_unasked(group, me, links.join(", ")))
}

/// A volume that the next node has to wait for after a loss of power, told where it has started.
pub(super) fn slow_to_mount(
    event: &EventRecord,
    (me, record): (&NodeName, &Record),
    mounted: impl FnOnce(&GroupSpec) -> Vec<String>,
) -> Option<Message> {
    let Happening::Started { .. } = event.what else { return None };
    let group = event.group.as_ref().filter(|_| event.by == *me)?;
    let mounts = mounted(record.spec()?.groups.get(group)?);
    (!mounts.is_empty()).then(|| messages::volume_waits_to_mount(group, me, mounts.join(", ")))
}

/// A start is a takeover when something was lost, and an ordinary start when somebody wanted it.
fn started(
    event: &EventRecord,
    (group, millis): (&GroupName, u64),
    record: &Record,
    language: Language,
) -> Message {
    let node = &event.by;
    let ownership = record.group(group).map(|g| &g.ownership);
    let (cause, kind) = match ownership {
        Some(Ownership::Owned { cause, start, .. }) => (Some(cause), *start),
        Some(Ownership::Nobody) | None => (None, StartKind::Restart),
    };
    let taken_over = || {
        let epoch = event.epoch.map(|e| e.to_string()).unwrap_or_default();
        messages::group_taken_over(group, node, epoch, millis)
    };
    match cause.map(Cause::nature) {
        Some(Nature::OwnFailure | Nature::Loss) => taken_over(),
        Some(Nature::Wanted) | None => {
            messages::group_started(group, node, words_of(kind).text(language), millis)
        }
    }
}

fn failed(
    group: &GroupName,
    cause: &Cause,
    (answer, record, language): (Answer, &Record, Language),
) -> Option<Message> {
    if answer == Answer::GaveUp {
        // The failure is in the record with those before it, unless somebody has cleared them.
        let count = record.group(group).map_or(1, |g| g.failures.len().max(1));
        let reason = because(cause, Deed::Start, language);
        return Some(messages::group_given_up(group, count, reason));
    }
    match cause {
        Cause::ProcessDied { node, resource, how } if how.mishap.is_lost_volume() => {
            Some(messages::reservation_lost(resource, group, node, how))
        }
        Cause::ProcessDied { node, resource, how } => {
            Some(messages::program_ended(resource, group, node, how))
        }
        Cause::MonitorFailed { node, resource, monitor, how } => {
            let id = MonitorId::new(resource.clone(), monitor.clone());
            Some(monitor_failed((&id, group, node), how))
        }
        Cause::WatchedEnded { node, id, how, .. } => {
            Some(messages::watched_failed(id, group, node, how))
        }
        Cause::StartFailed { node, resource, how } => Some(match &how.mishap {
            Mishap::AddressInUse { holder } => {
                messages::address_in_use(resource, group, node, holder)
            }
            Mishap::Mirror { obstacle } => not_primary(resource, (group, node), (*obstacle, how)),
            Mishap::Reservation { obstacle } => {
                not_taken(resource, (group, node), (*obstacle, how))
            }
            Mishap::TooLate => messages::resource_start_timed_out(resource, group, node),
            Mishap::Plain
            | Mishap::Signal
            | Mishap::Flooded
            | Mishap::TakenAsFailed { .. }
            | Mishap::Nonsense { .. }
            | Mishap::StillThere => messages::resource_start_failed(resource, group, node, how),
        }),
        _ => None,
    }
}

/// Why a mirrored volume was not made primary.
fn not_primary(
    resource: &ResourceName,
    (group, node): (&GroupName, &NodeName),
    (obstacle, how): (Obstacle, &How),
) -> Message {
    match obstacle {
        Obstacle::NotUpToDate => messages::mirror_not_up_to_date(resource, group, node, how),
        Obstacle::StandsAlone => messages::mirror_stands_alone(resource, group, node, how),
        Obstacle::PeerUnknown => messages::mirror_peer_unknown(resource, group, node, how),
        Obstacle::PeerIsPrimary => messages::mirror_peer_is_primary(resource, group, node, how),
        Obstacle::NotUp => messages::mirror_not_up(resource, group, node, how),
        Obstacle::Older => messages::mirror_older(resource, group, node, how),
        Obstacle::NotFenced => messages::mirror_not_fenced(resource, group, node, how),
        Obstacle::Refused | Obstacle::HeldOpen => {
            messages::resource_start_failed(resource, group, node, how)
        }
    }
}

/// Why a volume was not taken that its storage keeps for one node.
fn not_taken(
    resource: &ResourceName,
    (group, node): (&GroupName, &NodeName),
    (obstacle, how): (reservation::Obstacle, &How),
) -> Message {
    use reservation::Obstacle;
    match obstacle {
        Obstacle::Foreign => messages::reservation_foreign(resource, group, node, how),
        Obstacle::Newer => messages::reservation_newer(resource, group, node, how),
        Obstacle::Lost => messages::reservation_lost(resource, group, node, how),
        Obstacle::Unable => messages::reservation_unable(resource, group, node, how),
        Obstacle::NotWhole => messages::reservation_not_whole(resource, group, node, how),
        Obstacle::InUse => messages::reservation_in_use(resource, group, node, how),
        Obstacle::Failed => messages::reservation_failed(resource, group, node, how),
    }
}

fn monitor_failed((id, group, node): (&MonitorId, &GroupName, &NodeName), how: &How) -> Message {
    match how.mishap {
        Mishap::Flooded => messages::monitor_flooded(id, group, node),
        Mishap::TooLate => messages::monitor_timed_out(id, group, node),
        Mishap::TakenAsFailed { .. } => messages::ocf_cannot_run_here(id, group, node, how),
        Mishap::Nonsense { .. } => messages::ocf_answered_nonsense(id, group, node, how),
        Mishap::Plain
        | Mishap::Signal
        | Mishap::AddressInUse { .. }
        | Mishap::Mirror { .. }
        | Mishap::Reservation { .. }
        | Mishap::StillThere => messages::monitor_failed(id, group, node, how),
    }
}

fn lost(node: &NodeName, cause: &Cause) -> Option<Message> {
    match cause {
        Cause::NodeSilent { silence, .. } => Some(messages::node_lost(node, silence.as_millis())),
        Cause::OneWay { .. } => Some(messages::one_way_loss(node)),
        Cause::AgentLost { .. } => Some(messages::agent_lost(node)),
        _ => None,
    }
}

/// The words of a start kind.
pub(super) fn words_of(kind: StartKind) -> Phrase {
    match kind {
        StartKind::Normal => phrase::start_kind_normal(),
        StartKind::Restart => phrase::start_kind_restart(),
        StartKind::ForcedNormal => phrase::start_kind_forced_normal(),
    }
}

#[cfg(test)]
mod tests;
