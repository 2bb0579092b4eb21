//! How everything stands: what needs a person first.

use std::collections::BTreeMap;

use tsugi_cluster_rules::doctor::drills_due;
use tsugi_cluster_rules::drill::Drills;
use tsugi_cluster_rules::lease::disk_vote::DiskSight;
use tsugi_cluster_rules::lease::{
    former_majority_out_there, former_voters_out_there, lost_voters_out_there,
};
use tsugi_cluster_rules::monitors::Suspension;
use tsugi_cluster_rules::plan::{
    Chosen, Decision, Life, Resting, RunsAs, Settled, Sight, Situation, Stand, Waiting,
};
use tsugi_cluster_rules::planner;
use tsugi_cluster_rules::record::{
    FenceOrder, GroupIntent, GroupRecord, LinkState, NodeIntent, Order, Ownership, Pause, Phase,
    Record, Unconfirmed,
};
use tsugi_cluster_rules::spec::{ClusterSpec, FencePolicy, LedgerPlace, NodeSpec, Role, Takeover};
use tsugi_messages::{self as messages, Message, phrase};
use tsugi_vocabulary::{GroupName, NodeName, Span, Wall};
use tsugi_wire::control::listing::{Listing, StatusWord};
use tsugi_wire::control::report;
use tsugi_wire::control::{Utc, Words};

use super::drill::drills;
use super::listing::listing;
use super::words::{Deed, cause, cause_by_now, phrased, rejected, told};
use crate::fence;
use crate::standing::Standing;

/// How long before the end of a node's certificate status begins to say so: 90 days.
const CERTIFICATE_WARNING_MS: u64 = 90 * 24 * 3_600_000;

/// How everything stands, as `standing` has it.
#[must_use]
pub fn status(standing: &Standing) -> report::Status {
    let record = &*standing.record;
    let Some(spec) = record.spec() else { return before_init(standing) };
    let decisions = decisions(standing);
    let votes = votes(standing, spec);
    let mut needs = Vec::new();
    needs.extend(restored_needs(standing, spec));
    let about_votes = votes_need(&votes, standing, spec);
    let groups: Vec<&GroupName> = spec.groups.keys().collect();
    for name in &groups {
        if let Some(entry) = record.group(name) {
            needs.extend(group_need(name, entry, decisions.get(*name), standing));
        }
    }
    needs.extend(node_needs(standing, spec));
    match votes.heard < votes.needed {
        // Nothing else can be done before there is a majority.
        true => needs.splice(0..0, about_votes).for_each(drop),
        false => needs.extend(about_votes),
    }
    needs.extend(config_needs(standing, record));
    needs.extend(certificate_need(standing));
    needs.extend(fence_needs(standing));
    needs.extend(demanded_needs(standing));
    needs.extend(device_needs(standing, spec));
    needs.extend(drills_due(record, standing.at).iter().map(|due| {
        let (what, about) = super::doctor::told(due, &standing.me);
        need(&what, about, super::doctor::shown_at_least(standing, due))
    }));
    needs.sort_by(|a, b| a.severity.cmp(&b.severity));
    let groups: Vec<report::Group> =
        groups.into_iter().map(|g| group(g, standing, decisions.get(g))).collect();
    report::Status {
        cluster: Some(spec.name.clone()),
        listing: listing(standing, spec, (&needs, &groups)),
        needs,
        notes: notes(standing, spec),
        votes,
        nodes: spec.nodes.iter().map(|(n, s)| node(n, s, standing)).collect(),
        groups,
        generation: record.generation().0,
        config: record.config.as_deref().map(crate::control::config_head),
        stretch: super::stretch::report(record),
    }
}

/// Why a node can say nothing of a cluster: it is in none, or has not received the record. Who is a
/// member has a certificate before it has the record, also after each start.
pub fn knows_nothing(standing: &Standing) -> Message {
    match standing.certificate_until {
        Some(_) => messages::record_awaited(&standing.me),
        None => messages::no_cluster_yet(&standing.me),
    }
}

fn before_init(standing: &Standing) -> report::Status {
    let what = knows_nothing(standing);
    report::Status {
        cluster: None,
        needs: vec![need(&what, standing.me.to_string(), None)],
        notes: Vec::new(),
        votes: report::Votes { of: 0, heard: 0, needed: 0, leader: None },
        nodes: Vec::new(),
        groups: Vec::new(),
        generation: 0,
        config: None,
        stretch: None,
        listing: Listing { cluster: StatusWord::Unused, ..Listing::default() },
    }
}

/// What the planner would decide now, for each group.
pub(super) fn decisions(standing: &Standing) -> BTreeMap<GroupName, Decision> {
    planner::decide(&situation(standing))
}

/// What the planner would be asked now.
pub(super) fn situation(standing: &Standing) -> Situation<'_> {
    Situation {
        record: &standing.record,
        sights: standing.sights.clone(),
        by: standing.me.clone(),
        at: standing.at,
        settled: Settled::Yes,
    }
}

pub(super) fn need(what: &Message, about: String, because: Option<Words>) -> report::Need {
    report::Need {
        severity: what.severity().letter().to_string(),
        about,
        what: told(what),
        because,
        next: what.next(),
    }
}

pub(super) fn hears(standing: &Standing, name: &NodeName) -> bool {
    match standing.sights.get(name).map(|s| &s.life) {
        Some(Life::Heard | Life::Deaf) => true,
        Some(Life::Silent { .. }) => false,
        None => *name == standing.me,
    }
}

/// Who keeps the ledger; the nodes of the configuration where no ledger says so.
fn voters<'a>(standing: &'a Standing, spec: &'a ClusterSpec) -> Vec<&'a NodeName> {
    let voters = &standing.record.voters;
    if voters.is_empty() { spec.nodes.keys().collect() } else { voters.keys().collect() }
}

fn votes(standing: &Standing, spec: &ClusterSpec) -> report::Votes {
    let voters = voters(standing, spec);
    let heard = voters.iter().filter(|n| hears(standing, n)).count();
    let (disk, seen) = standing.disk_votes();
    report::Votes {
        of: (voters.len() + disk) as u64,
        heard: (heard + seen) as u64,
        needed: ((voters.len() + disk) / 2 + 1) as u64,
        leader: standing.leader.as_ref().map(ToString::to_string),
    }
}

/// A restored ledger that nothing may be started under yet, and whom it waits for: those that a
/// person named lost by themselves.
fn restored_needs(standing: &Standing, spec: &ClusterSpec) -> Vec<report::Need> {
    let record = &standing.record;
    if !former_majority_out_there(record) {
        return Vec::new();
    }
    let lost = lost_voters_out_there(record);
    let mut awaited = former_voters_out_there(record);
    awaited.retain(|node| !lost.contains(node));
    let names =
        |nodes: &[&NodeName]| nodes.iter().map(|node| node.as_str()).collect::<Vec<_>>().join(", ");
    let lost_ones = messages::recovered_ledger_waits(names(&lost));
    let others = messages::restored_ledger_waits(names(&awaited));
    let needs = [(lost_ones, lost.is_empty()), (others, awaited.is_empty())].into_iter();
    let needs = needs.filter(|(_, nobody)| !nobody);
    needs.map(|(what, _)| need(&what, spec.name.clone(), None)).collect()
}

/// No majority, or only just one (L12).
fn votes_need(
    votes: &report::Votes,
    standing: &Standing,
    spec: &ClusterSpec,
) -> Option<report::Need> {
    if votes.heard < votes.needed {
        let what = messages::majority_lost(votes.heard, votes.of);
        return Some(need(&what, spec.name.clone(), None));
    }
    let voters = voters(standing, spec);
    // A node that was taken out, or has not come in yet, is missed like one that is silent.
    let without_vote = || spec.nodes.keys().find(|n| !voters.contains(n));
    let silent = voters.iter().copied().find(|n| !hears(standing, n));
    let groups: Vec<&str> = spec.groups.keys().map(GroupName::as_str).collect();
    if let Some(need) = disk_need(standing, spec, &groups.join(", ")) {
        return Some(need);
    }
    let missing = silent.or_else(without_vote)?;
    if votes.heard > votes.needed {
        return None;
    }
    let what = messages::one_more_loss_stops(missing, groups.join(", "));
    Some(need(&what, missing.to_string(), None))
}

/// The lives whose end is demanded and may not have come.
fn demanded_needs(standing: &Standing) -> impl Iterator<Item = report::Need> {
    standing.record.nodes.iter().filter_map(|(node, known)| {
        let Order { by, reason, .. } = &known.value.demanded.as_ref()?.order;
        Some(need(&messages::end_demanded(node, by, reason), node.to_string(), None))
    })
}

/// The disk that has a vote is not seen by both nodes.
fn disk_need(standing: &Standing, spec: &ClusterSpec, groups: &str) -> Option<report::Need> {
    let LedgerPlace::OnDisk(paths) = &spec.ledger else { return None };
    let path = |node: &NodeName| paths.get(node).cloned().unwrap_or_default();
    let blind = match standing.disk {
        DiskSight::None | DiskSight::Seen => return None,
        DiskSight::NotSeen => &standing.me,
        DiskSight::OnlyHere => spec.nodes.keys().find(|node| **node != standing.me)?,
    };
    let what = messages::ledger_disk_not_seen(path(blind), blind, groups);
    Some(need(&what, blind.to_string(), None))
}

fn group_need(
    name: &GroupName,
    entry: &GroupRecord,
    decision: Option<&Decision>,
    standing: &Standing,
) -> Option<report::Need> {
    let about = name.to_string();
    if let GroupIntent::GaveUp { cause: first, .. } = &entry.intent {
        let what = messages::group_was_given_up(name, entry.failures.len());
        return Some(need(&what, about, Some(cause(first, Deed::Start))));
    }
    let Some(decision) = decision else { return failing(name, standing) };
    let first = decision.cause.as_ref().map(|c| cause(c, Deed::Start));
    match &decision.chosen {
        Chosen::NoPlace => {
            let against = decision.rejected.iter().next().map(|(n, why)| rejected(n, why));
            Some(need(&messages::group_has_no_place(name), about, first.or(against)))
        }
        Chosen::Wait { on } => match on {
            Waiting::Pinned { node } => {
                let by = entry.pause.as_ref().map_or("", |p| p.order.by.as_str());
                Some(need(&messages::paused_group_down(name, node, by), about, first))
            }
            Waiting::Fence { node } => {
                Some(need(&messages::takeover_waits_for_operator(name, node), about, first))
            }
            Waiting::Observed { to } => {
                Some(need(&messages::only_observed(name, to), about, first))
            }
            Waiting::Stuck { node } => {
                Some(need(&messages::group_is_stuck(name, node), about, first))
            }
            Waiting::Settling | Waiting::NoMajority { .. } | Waiting::Group { .. } => None,
        },
        Chosen::Stay { .. }
        | Chosen::Give { .. }
        | Chosen::HandOver { .. }
        | Chosen::Stop { .. }
        | Chosen::Rest { .. } => overdue(name, entry, standing).or_else(|| failing(name, standing)),
    }
}

/// A pause whose end has come and that was not ended: the owner does not answer.
fn overdue(name: &GroupName, entry: &GroupRecord, standing: &Standing) -> Option<report::Need> {
    let Pause { until, order, .. } = entry.pause.as_ref()?;
    let until = (*until)?;
    if standing.at.0 < until.0 + 60_000 {
        return None;
    }
    let what = messages::pause_overdue(name, &order.by, Utc(until));
    Some(need(&what, name.to_string(), None))
}

fn node_needs(standing: &Standing, spec: &ClusterSpec) -> Vec<report::Need> {
    let mut needs = Vec::new();
    for name in spec.nodes.keys() {
        let left = matches!(intent(standing, name), NodeIntent::Leaving(_));
        if let Some(Life::Silent { silence }) = standing.sights.get(name).map(|s| &s.life)
            && !left
        {
            let what = messages::node_lost(name, silence.as_millis());
            needs.push(need(&what, name.to_string(), None));
        }
    }
    needs
}

/// The fence devices that a node could not count on: this one as it knows, the others as they have
/// written down.
fn device_needs(standing: &Standing, spec: &ClusterSpec) -> Vec<report::Need> {
    let others = standing.record.nodes.iter().filter(|(n, _)| **n != standing.me);
    let others = others.filter(|(n, _)| hears(standing, n));
    let known = others.map(|(by, known)| (by, &known.value.unable));
    let mut needs = Vec::new();
    for (by, unable) in known.chain([(&standing.me, &standing.fence_faults)]) {
        let has_one = |n: &NodeName| spec.nodes.get(n).is_some_and(|n| n.fence.is_some());
        for (node, fault) in unable.iter().filter(|(node, _)| has_one(node)) {
            needs.push(need(&fence::message(fault, (node, by)), node.to_string(), None));
        }
    }
    needs
}

/// A fence that was ordered and failed, or of which nothing is known any more.
fn fence_needs(standing: &Standing) -> Vec<report::Need> {
    let mut needs = Vec::new();
    for (node, known) in &standing.record.nodes {
        let Some(FenceOrder { boot, by, failed, .. }) = &known.value.fencing else { continue };
        let back = standing.sights.get(node).is_some_and(|s| s.boot != *boot);
        if back && hears(standing, node) {
            continue;
        }
        let what = match failed {
            Some((_, fault)) => fence::message(fault, (node, by)),
            None if hears(standing, by) => continue,
            None => messages::fence_asker_lost(node, by),
        };
        needs.push(need(&what, node.to_string(), None));
    }
    needs
}

fn runs_groups(spec: &ClusterSpec, name: &NodeName) -> bool {
    spec.nodes.get(name).is_some_and(|n| n.role == Role::Node)
}

fn config_needs(standing: &Standing, record: &Record) -> Vec<report::Need> {
    let Some(config) = record.config.as_deref() else { return Vec::new() };
    let mut needs = Vec::new();
    if let Some(unconfirmed) = &config.unconfirmed {
        let what = waits_for_confirm(config.version, unconfirmed);
        needs.push(need(&what, format!("config {}", config.version), None));
    }
    if let Some((path, version)) = standing.differing_file() {
        let what = messages::config_file_differs(&standing.me, path.display(), version);
        needs.push(need(&what, standing.me.to_string(), None));
    }
    needs
}

/// When it was applied, and when it is undone unless somebody confirms it.
pub(crate) fn waits_for_confirm(version: u64, unconfirmed: &Unconfirmed) -> Message {
    let moment = |at: Option<Wall>| at.map_or_else(|| "-".to_owned(), |at| Utc(at).to_string());
    let (since, until) = (moment(unconfirmed.since), moment(unconfirmed.undone_at()));
    messages::config_waits_for_confirm(version, since, until)
}

/// A certificate that ends soon: without one no other node talks to this one.
fn certificate_need(standing: &Standing) -> Option<report::Need> {
    let until = standing.certificate_until?;
    if standing.at.0.saturating_add(CERTIFICATE_WARNING_MS) < until.0 {
        return None;
    }
    let what = match until.0 <= standing.at.0 {
        true => messages::certificate_ended(&standing.me, Utc(until)),
        false => messages::certificate_ends(&standing.me, Utc(until)),
    };
    Some(need(&what, standing.me.to_string(), None))
}

/// What somebody chose to have weaker: drained nodes, pauses, fences by the node itself.
fn notes(standing: &Standing, spec: &ClusterSpec) -> Vec<Words> {
    let mut notes = Vec::from_iter(super::stretch::stretched(&standing.record));
    if let Some(test) = standing.record.failure_under_way() {
        let (what, by, until) = (test.failure.word(), &test.order.by, Utc(test.until()));
        notes.push(phrased(&phrase::status_failure_test(what, &test.node, by, until)));
    }
    if !standing.can_fence_itself() && runs_groups(spec, &standing.me) {
        notes.push(phrased(&match standing.self_fence.as_str() {
            "broken-watchdog" => phrase::status_self_fence_broken_watchdog(&standing.me),
            _ => phrase::status_self_fence_none(&standing.me),
        }));
    }
    for name in spec.nodes.keys() {
        if let NodeIntent::Drained(order) = intent(standing, name) {
            notes.push(phrased(&phrase::status_node_drained(name, &order.by)));
        }
    }
    for (name, group) in &spec.groups {
        if group.takeover == Takeover::Observe {
            notes.push(phrased(&phrase::status_only_observed(name)));
        }
        let drills = standing.record.group(name).map(|entry| &entry.drills);
        if let Some(drill) = drills.and_then(Drills::under_way) {
            let (by, until) = (&drill.order.by, Utc(drill.until()));
            notes.push(phrased(&phrase::status_drill(name, by, until)));
        }
        if let Some(of) = drills.and_then(Drills::rehearsing) {
            let (by, level) = (&of.order.by, of.depth.word());
            notes.push(phrased(&phrase::status_rehearsal(name, &of.on, level, by)));
        }
        if let Some(owner) = runs_as_started(standing, name) {
            notes.push(phrased(&phrase::status_runs_as_started(name, owner)));
        }
        if let Some(Pause { order, until, .. }) =
            standing.record.group(name).and_then(|g| g.pause.as_ref())
        {
            let until = until.map_or_else(|| "-".to_owned(), |w| Utc(w).to_string());
            let (by, why) = (&order.by, &order.reason);
            notes.push(phrased(&phrase::status_group_paused(name, by, why, until)));
        }
        for suspension in suspensions(standing, name) {
            let until = suspension.until.map_or_else(|| "-".to_owned(), |w| Utc(w).to_string());
            let (id, order) = (&suspension.id, &suspension.order);
            let (by, why) = (&order.by, &order.reason);
            notes.push(phrased(&phrase::status_monitor_suspended(id, name, by, why, until)));
        }
        if group.fence == FencePolicy::SelfFence && group.has_open_volume() {
            notes.push(phrased(&phrase::status_fence_unproven(name)));
        }
        let taken = standing.record.group(name).filter(|entry| entry.owner().is_some());
        let frozen = taken.is_none_or(GroupRecord::is_frozen_when_parted);
        if group.fence == FencePolicy::Mirror && !frozen {
            notes.push(phrased(&phrase::status_mirror_unproven(name)));
        }
        let beyond: Vec<&str> = group.beyond_reach().map(|r| r.name.as_str()).collect();
        if group.fence == FencePolicy::SelfFence && !beyond.is_empty() {
            notes.push(phrased(&phrase::status_ocf_unproven(name, beyond.join(", "))));
        }
    }
    notes
}

fn suspensions<'a>(
    standing: &'a Standing,
    name: &GroupName,
) -> impl Iterator<Item = &'a Suspension> {
    let entry = standing.record.group(name);
    entry.into_iter().flat_map(|entry| entry.suspended_at(standing.at))
}

/// A monitor that only tells, and says no: the group is not whole, and nothing is done about it.
fn failing(name: &GroupName, standing: &Standing) -> Option<report::Need> {
    let entry = standing.record.group(name)?;
    let owner = entry.owner()?;
    let desk = standing.sights.get(owner)?.groups.get(name)?;
    let id = desk.failing.as_ref().filter(|_| desk.epoch == entry.epoch)?;
    Some(need(&messages::monitor_is_failing(id, name, owner), name.to_string(), None))
}

/// The owner of a group that goes on as it was started: what was applied since is taken up by its
/// next start.
fn runs_as_started<'a>(standing: &'a Standing, name: &GroupName) -> Option<&'a NodeName> {
    let entry = standing.record.group(name)?;
    let owner = entry.owner()?;
    let desk = standing.sights.get(owner)?.groups.get(name)?;
    (desk.epoch == entry.epoch && desk.runs_as == RunsAs::Started).then_some(owner)
}

pub(super) fn intent(standing: &Standing, name: &NodeName) -> NodeIntent {
    standing.record.nodes.get(name).map_or(NodeIntent::InService, |n| n.value.intent.clone())
}

fn node(name: &NodeName, spec: &NodeSpec, standing: &Standing) -> report::Node {
    let sight = standing.sights.get(name);
    let intent = intent(standing, name);
    let life = sight.map(|s| &s.life);
    let misses = sight.is_some_and(|s| !s.entries.reach_it());
    let state = match (life, &intent) {
        (Some(Life::Heard), _) if misses => "isolated",
        (Some(Life::Heard), _) => "up",
        (Some(Life::Deaf), _) => "isolated",
        (Some(Life::Silent { .. }), NodeIntent::Leaving(_)) => "left",
        (Some(Life::Silent { .. }), _) => "missing",
        (None, _) if *name == standing.me => "up",
        (None, _) => "unknown",
    };
    let silent_ms = match life {
        Some(Life::Silent { silence }) => Some(silence.as_millis()),
        Some(Life::Heard | Life::Deaf) | None => None,
    };
    let owns = |(g, _): &(&GroupName, _)| {
        standing.record.group(g).and_then(GroupRecord::owner) == Some(name)
    };
    report::Node {
        name: name.to_string(),
        role: match spec.role {
            Role::Node => "node".to_owned(),
            Role::Witness => "witness".to_owned(),
        },
        state: state.to_owned(),
        intent: match intent {
            NodeIntent::InService => "in-service".to_owned(),
            NodeIntent::Drained(_) => "drained".to_owned(),
            NodeIntent::Leaving(_) => "leaving".to_owned(),
        },
        silent_ms,
        leads: standing.leader.as_ref() == Some(name),
        addresses: spec.addresses.iter().map(ToString::to_string).collect(),
        links: sight.map(links).unwrap_or_default(),
        groups: standing.record.groups.iter().filter(owns).map(|(g, _)| g.to_string()).collect(),
    }
}

fn links(sight: &Sight) -> BTreeMap<String, String> {
    let word = |state: &LinkState| match state {
        LinkState::Up => "up".to_owned(),
        LinkState::Down => "down".to_owned(),
    };
    sight.links.iter().map(|(link, state)| (link.clone(), word(state))).collect()
}

fn group(name: &GroupName, standing: &Standing, decision: Option<&Decision>) -> report::Group {
    let fresh = GroupRecord::new(GroupIntent::Run);
    let entry = standing.record.group(name).unwrap_or(&fresh);
    let spec = standing.record.spec().and_then(|s| s.groups.get(name));
    let first = match &entry.ownership {
        Ownership::Owned { cause, .. } => Some(cause),
        Ownership::Nobody => None,
    };
    report::Group {
        name: name.to_string(),
        state: match (state(entry, decision, standing), stand(standing, name)) {
            (_, Some(Stand::Unwell(_))) => "failed",
            // What stops it has not been decided by anybody, and is not in the record yet.
            ("running", Some(Stand::Stopping)) => "stopping",
            (state, _) => state,
        }
        .to_owned(),
        paused: entry.pause.is_some(),
        owner: entry.owner().map(ToString::to_string),
        epoch: entry.epoch.to_string(),
        cause: first.map(|c| cause_by_now(c, Deed::Any, |n| hears(standing, n))),
        cause_data: first.and_then(|c| serde_json::to_value(c).ok()),
        proven: drills(name, Some(entry)).proven,
        lease_ms: standing.leases.get(name).copied().map(Span::as_millis),
        prefer: spec
            .map(|s| s.prefer.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
    }
}

/// Where its owner says that a group stands, in the epoch in which it has it.
fn stand<'a>(standing: &'a Standing, name: &GroupName) -> Option<&'a Stand> {
    let entry = standing.record.group(name)?;
    let sight = standing.sights.get(entry.owner()?)?;
    let desk = sight.groups.get(name).filter(|desk| desk.epoch == entry.epoch)?;
    Some(&desk.stand)
}

/// The state in one word, as the contract has it.
pub(super) fn state(
    entry: &GroupRecord,
    decision: Option<&Decision>,
    standing: &Standing,
) -> &'static str {
    if matches!(entry.intent, GroupIntent::GaveUp { .. }) {
        return "given-up";
    }
    let chosen = decision.map(|d| &d.chosen);
    match (&entry.ownership, chosen) {
        (_, Some(Chosen::NoPlace)) => "down",
        // What is only observed runs on where it is.
        (
            Ownership::Owned { node, phase: Phase::Running, .. },
            Some(Chosen::Wait { on: Waiting::Observed { .. } }),
        ) if hears(standing, node) => "running",
        (_, Some(Chosen::Wait { .. })) => "waiting",
        (Ownership::Nobody, Some(Chosen::Rest { because: Resting::GaveUp })) => "given-up",
        (Ownership::Nobody, Some(Chosen::Give { .. })) => "starting",
        (Ownership::Nobody, _) => "stopped",
        (Ownership::Owned { node, phase, handover, .. }, _) => {
            if !hears(standing, node) {
                return "moving";
            }
            match (phase, &entry.intent, handover) {
                (Phase::Failing, _, _) => "failed",
                (_, GroupIntent::Stop(_), _) => "stopping",
                (_, _, Some(_)) => "moving",
                (Phase::Starting, GroupIntent::Run, None) => "starting",
                (Phase::Running, GroupIntent::Run, None) => "running",
                (Phase::Starting | Phase::Running, GroupIntent::GaveUp { .. }, None) => "stopping",
            }
        }
    }
}

#[cfg(test)]
mod tests;
