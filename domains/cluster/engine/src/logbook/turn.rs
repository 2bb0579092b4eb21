//! What changed from one picture of the agent to the next, as messages.

use tsugi_cluster_rules::plan::Life;
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{
    AppliedConfig, GroupIntent, GroupRecord, NodeIntent, NodeRecord, Ownership, Record,
};
use tsugi_messages::{self as messages, Language, Message, phrase};
use tsugi_vocabulary::{GroupName, NodeName};
use tsugi_wire::control::Utc;

use super::because;
use super::event::words_of;
use crate::control::view;
use crate::control::view::words::Deed;
use crate::fence;
use crate::standing::Standing;

/// Everything that is worth a line, in the order of the record.
pub(super) fn messages(before: &Standing, now: &Standing, language: Language) -> Vec<Message> {
    let mut out = Vec::new();
    votes(before, now, &mut out);
    stretch(&before.record, &now.record, &mut out);
    if now.self_fence != before.self_fence && !now.can_fence_itself() {
        let why = match now.self_fence.as_str() {
            "broken-watchdog" => phrase::self_fence_broken_watchdog().text(language),
            _ => phrase::self_fence_none().text(language),
        };
        out.push(messages::node_cannot_fence_itself(&now.me, why));
    }
    if now.other_file != before.other_file {
        out.extend(now.differing_file().map(|(path, version)| {
            messages::config_file_differs(&now.me, path.display(), version)
        }));
    }
    for (group, stop) in &now.slow_stops {
        if before.slow_stops.get(group) != Some(stop) {
            let (took, budget) = (stop.took.as_millis(), stop.budget.as_millis());
            out.push(messages::stop_outlasted_budget(group, &now.me, took, budget));
        }
    }
    for why in now.lost_logs.difference(&before.lost_logs) {
        out.push(messages::log_not_written(&now.me, why));
    }
    fences(before, now, &mut out);
    out.extend(end_in_ledger(before, now));
    for (group, why) in &now.score_faults {
        if before.score_faults.get(group) != Some(why) {
            out.push(messages::score_script_failed(group, &now.me, why));
        }
    }
    // What it says of it changes with each try.
    for (of, how) in &now.mirrors_in_use {
        if !before.mirrors_in_use.contains_key(of) {
            out.push(messages::mirror_in_use(&of.0, &now.me, how));
        }
    }
    out.extend(drops(before, now));
    let (old, new) = (&*before.record, &*now.record);
    config(old.config.as_deref(), new.config.as_deref(), &mut out);
    if let Some(applied) = new.config.as_deref().filter(|c| changed(old.config.as_deref(), c)) {
        out.extend(crate::config::warnings(&applied.spec, now.at));
    }
    for (name, node) in &new.nodes {
        let former = old.nodes.get(name).map(|n| &*n.value);
        out.extend(former.and_then(|former| node_turn(name, former, &node.value)));
    }
    let gone = old.nodes.keys().filter(|name| !new.nodes.contains_key(*name));
    out.extend(gone.map(messages::node_removed));
    if let Some(plan) = new.plan.as_deref().filter(|p| p.generation > old.generation()) {
        out.push(messages::plan_recorded(plan.generation.0, plan.steps.len(), &plan.by));
    }
    for (name, group) in &new.groups {
        let former = old.groups.get(name).map(|g| &*g.value);
        if let Some(former) = former {
            group_turn(name, (former, &group.value), language, &mut out);
        }
    }
    out
}

/// What this node's tests of the others' fence devices have found since.
fn fences(before: &Standing, now: &Standing, out: &mut Vec<Message>) {
    for (node, fault) in &now.fence_faults {
        if before.fence_faults.get(node) != Some(fault) {
            out.push(fence::message(fault, (node, &now.me)));
        }
    }
    let gone = |node: &&NodeName| !now.fence_faults.contains_key(*node);
    let well = before.fence_faults.keys().filter(gone);
    out.extend(well.map(|node| messages::fence_device_well(node, &now.me)));
}

/// That the end of this life stands in the ledger: it ends by that alone where nobody says it on
/// the disk, and nothing else would tell why.
fn end_in_ledger(before: &Standing, now: &Standing) -> Option<Message> {
    let demanded = |standing: &Standing| {
        let known = standing.record.nodes.get(&standing.me)?;
        let demand = known.value.demanded.clone()?;
        (demand.boot == standing.boot).then_some((known.version, demand.order))
    };
    let (entry, order) = demanded(now)?;
    let untold = demanded(before).is_none();
    untold.then(|| messages::end_in_ledger(&now.me, entry, &order.by, &order.reason))
}

/// The first picture as it was before anything was told: what this node lacks is told once at
/// every start, also where it was known before the first look.
pub(super) fn untold(first: &Standing) -> Standing {
    Standing { self_fence: String::new(), ..first.clone() }
}

/// What arrived and was not taken: a line a kind, with how many more than before.
fn drops(before: &Standing, now: &Standing) -> Vec<Message> {
    let mut out = Vec::new();
    for ((kind, count), (_, former)) in now.drops.iter().zip(&before.drops) {
        let more = count.saturating_sub(*former);
        let message: fn(u64) -> Message = match *kind {
            "other_cluster" => |n| messages::peer_of_another_cluster(n),
            "old_boot" => |n| messages::peer_of_old_boot(n),
            "unknown_key" | "bad_mac" | "malformed" => |n| messages::peer_forged(n),
            "version_too_new" | "version_too_old" => |n| messages::peer_version_refused(n),
            "seen" => {
                // Each heartbeat goes over every network: its second copy is dropped as seen.
                continue;
            }
            _ => continue,
        };
        if more > 0 {
            out.push(message(more));
        }
    }
    out
}

/// A ratio that was found at the start is told like one that was ordered.
fn stretch(before: &Record, now: &Record, out: &mut Vec<Message>) {
    match (before.stretched(), now.stretched()) {
        (was, Some(is)) if was != Some(is) => out.extend(view::stretch_told(now)),
        (Some(_), None) => {
            let within = now.timing().takes_over_within().as_millis();
            out.push(messages::time_outs_as_before(within));
        }
        (None | Some(_), Some(_)) | (None, None) => {}
    }
}

fn votes(before: &Standing, now: &Standing, out: &mut Vec<Message>) {
    if let Some(leader) = now.leader.as_ref().filter(|l| before.leader.as_ref() != Some(*l)) {
        out.push(messages::leader_changed(leader));
    }
    let (had, has) = (heard(before), heard(now));
    let Some(needed) = now.record.spec().map(|spec| spec.majority()) else { return };
    let of = now.record.nodes.len() + now.disk_votes().0;
    if had >= needed && has < needed {
        out.push(messages::majority_lost(has, of));
    } else if had < needed && has >= needed {
        out.push(messages::majority_back(has, of));
    }
}

/// How many voters are heard, this one among them.
fn heard(standing: &Standing) -> usize {
    let record: &Record = &standing.record;
    let lives = |name: &&NodeName| {
        **name == standing.me
            || standing.sights.get(*name).is_some_and(|sight| match sight.life {
                Life::Heard | Life::Deaf => true,
                Life::Silent { .. } => false,
            })
    };
    record.nodes.keys().filter(lives).count() + standing.disk_votes().1
}

/// Whether another configuration is in force than before.
fn changed(old: Option<&AppliedConfig>, new: &AppliedConfig) -> bool {
    old.is_some_and(|old| old.version < new.version)
}

fn config(old: Option<&AppliedConfig>, new: Option<&AppliedConfig>, out: &mut Vec<Message>) {
    let Some(new) = new else { return };
    let Some(old) = old else { return };
    match (&old.unconfirmed, new.version > old.version) {
        (Some(back), true) if back.back_to == new.text => {
            out.push(messages::config_undone(new.version));
        }
        (_, true) => out.push(messages::config_applied(new.version, &new.hash)),
        (Some(_), false) if new.unconfirmed.is_none() => {
            out.push(messages::config_confirmed(new.version));
        }
        (_, false) => {}
    }
}

fn node_turn(name: &NodeName, old: &NodeRecord, new: &NodeRecord) -> Option<Message> {
    if new.fenced.is_some() && new.fenced != old.fenced {
        return Some(messages::node_confirmed_off(name));
    }
    match (&old.intent, &new.intent) {
        (NodeIntent::InService | NodeIntent::Leaving(_), NodeIntent::Drained(order)) => {
            Some(messages::node_drained(name, &order.by, &order.reason))
        }
        (NodeIntent::Drained(_), NodeIntent::InService) => Some(messages::node_undrained(name)),
        (NodeIntent::InService | NodeIntent::Drained(_), NodeIntent::Leaving(_)) => {
            Some(messages::node_left(name))
        }
        (NodeIntent::Leaving(_), NodeIntent::InService | NodeIntent::Leaving(_))
        | (NodeIntent::InService, NodeIntent::InService)
        | (NodeIntent::Drained(_), NodeIntent::Drained(_)) => None,
    }
}

fn group_turn(
    name: &GroupName,
    (old, new): (&GroupRecord, &GroupRecord),
    language: Language,
    out: &mut Vec<Message>,
) {
    match (&old.pause, &new.pause) {
        (None, Some(pause)) => {
            let until = pause.until.map_or_else(|| "-".to_owned(), |at| Utc(at).to_string());
            out.push(messages::group_paused(name, &pause.order.by, &pause.order.reason, until));
        }
        (Some(_), None) => out.push(messages::group_resumed(name)),
        (None, None) | (Some(_), Some(_)) => {}
    }
    if matches!(old.intent, GroupIntent::GaveUp { .. }) && new.intent == GroupIntent::Run {
        out.push(messages::failures_cleared(name));
    }
    let Ownership::Owned { node, start, cause, .. } = &new.ownership else { return };
    if new.epoch == old.epoch {
        return;
    }
    let deed = if old.owner().is_some() { Deed::Move } else { Deed::Start };
    let reason = because(cause, deed, language);
    out.push(match old.owner() {
        Some(source) if source != node => match cause {
            Cause::Operator { .. } | Cause::Drain { .. } | Cause::Failback { .. } => {
                messages::move_begins(name, source, node, reason)
            }
            _ => messages::takeover_begins(name, source, node, reason),
        },
        Some(_) | None => {
            messages::group_start_begins(name, node, words_of(*start).text(language), reason)
        }
    });
}

#[cfg(test)]
mod tests;
