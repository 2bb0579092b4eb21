//! The text form of Prometheus, version 0.0.4.
//!
//! The names of `tsugi_` metrics are promises: dashboards and alarms are made of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tsugi_wire::control::gauges::{Gauges, MirrorState};
use tsugi_wire::control::listing::{PartRow, StatusWord};
use tsugi_wire::control::report::{Group, Status, Story};

use super::Seen;

/// Every state that a group may have, each a series of its own, 0 or 1.
const STATES: [&str; 9] = [
    "running", "starting", "stopping", "moving", "failed", "stopped", "given-up", "waiting", "down",
];

/// Every state that a resource may have.
const RESOURCE: [(&str, StatusWord); 7] = [
    ("online", StatusWord::Online),
    ("offline", StatusWord::Offline),
    ("starting", StatusWord::OnlinePending),
    ("stopping", StatusWord::OfflinePending),
    ("failed", StatusWord::OnlineFailure),
    ("stop-failed", StatusWord::OfflineFailure),
    ("unknown", StatusWord::Unknown),
];

/// Every state that a monitor may have. One that hangs is unknown and never normal.
const MONITOR: [(&str, StatusWord); 6] = [
    ("normal", StatusWord::Normal),
    ("caution", StatusWord::Caution),
    ("error", StatusWord::Error),
    ("suspended", StatusWord::Suspend),
    ("offline", StatusWord::Offline),
    ("unknown", StatusWord::Unknown),
];

/// How often each group got another owner, by reason, since this process began to look.
#[derive(Debug, Default)]
pub(super) struct Takeovers {
    epochs: BTreeMap<String, String>,
    counts: BTreeMap<(String, String), u64>,
}

impl Takeovers {
    /// Counts what changed since the last look; what stood at the first is where counting begins.
    pub(super) fn see(&mut self, status: &Status) {
        for group in &status.groups {
            let before = self.epochs.insert(group.name.clone(), group.epoch.clone());
            if before.is_some_and(|before| before != group.epoch) && group.owner.is_some() {
                *self.counts.entry((group.name.clone(), reason(group))).or_default() += 1;
            }
        }
    }
}

/// The kind of the cause, as it stands in every JSON output.
fn reason(group: &Group) -> String {
    let kind = group.cause_data.as_ref().and_then(|data| data.get("cause")?.as_str());
    kind.unwrap_or("unknown").to_owned()
}

/// How long the newest takeover or move of a group took, by phase.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Phases {
    /// From the first sign of the cause until the decision.
    noticed: f64,
    /// From the decision until the group was in service.
    carried_out: f64,
    /// From the first sign until the group was in service.
    whole: f64,
}

impl Phases {
    /// Of a story that came to its end.
    pub(super) fn of(story: &Story) -> Option<Self> {
        let whole = seconds(story.without_service_ms?);
        let first = story.sightings.iter().map(|moment| moment.at.0).min();
        let decided = story.decision.at.0;
        let since = first.map_or(0, |first| decided.0.saturating_sub(first.0));
        let noticed = seconds(since).min(whole);
        Some(Self { noticed, carried_out: whole - noticed, whole })
    }

    fn each(&self) -> [(&'static str, f64); 3] {
        [("notice", self.noticed), ("carry-out", self.carried_out), ("whole", self.whole)]
    }
}

/// What is counted and kept between two pages.
#[derive(Debug, Default)]
pub(super) struct Kept {
    takeovers: Takeovers,
    /// How long the newest takeover of a group took, and the epoch that was asked about.
    phases: BTreeMap<String, (String, Option<Phases>)>,
}

impl Kept {
    /// Counts what changed; the groups whose newest takeover is over and was not asked about, with
    /// their epochs.
    pub(super) fn see(&mut self, status: &Status) -> Vec<(String, String)> {
        self.takeovers.see(status);
        self.phases.retain(|name, _| status.groups.iter().any(|group| group.name == *name));
        let known = |group: &&Group| {
            self.phases.get(&group.name).is_some_and(|(epoch, _)| *epoch == group.epoch)
        };
        let over = status.groups.iter().filter(|group| group.state == "running");
        let open = over.filter(|group| !known(group));
        open.map(|group| (group.name.clone(), group.epoch.clone())).collect()
    }

    /// What was answered about a group; no story of this epoch is no takeover.
    pub(super) fn took(&mut self, group: String, epoch: String, story: Option<&Story>) {
        let phases = story.filter(|story| story.epoch == epoch).and_then(Phases::of);
        self.phases.insert(group, (epoch, phases));
    }
}

/// The whole page; without a state only that there is none.
pub(super) fn page((seen, known): (Option<&Seen>, Option<&Gauges>), kept: &Kept) -> String {
    let mut page = Page::default();
    page.family("build_info", "gauge", "The version of this program.");
    page.series("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    page.family("up", "gauge", "Whether the agent of this machine answers.");
    page.series("up", &[], f64::from(u8::from(seen.is_some())));
    if let Some(Seen { node, status }) = seen {
        votes(&mut page, status);
        nodes(&mut page, status);
        groups(&mut page, (node, status));
        parts(&mut page, status);
        proofs(&mut page, status);
        if let Some(known) = known {
            gauges(&mut page, (node, known));
        }
    }
    page.family("takeover_total", "counter", "New owners of a group, by reason.");
    for ((group, reason), count) in &kept.takeovers.counts {
        let labels = [("group", group.as_str()), ("reason", reason.as_str())];
        page.series("takeover_total", &labels, whole(*count));
    }
    let help = "How long a group was without service at its newest takeover or move.";
    page.family("takeover_duration_seconds", "gauge", help);
    for (group, (_, phases)) in &kept.phases {
        for (phase, took) in phases.iter().flat_map(Phases::each) {
            let labels = [("group", group.as_str()), ("phase", phase)];
            page.series("takeover_duration_seconds", &labels, took);
        }
    }
    page.0
}

/// Every state of every resource and monitor on each node that it may be on, as the agent that is
/// asked knows them. What a monitor said last, before it counts, only the owner's agent knows.
fn parts(page: &mut Page, status: &Status) {
    type Family<'a> = (&'static str, &'static str, &'a [(&'static str, StatusWord)], &'a [PartRow]);
    let families: [Family<'_>; 2] = [
        (
            "resource",
            "1 for the state that a resource of a group is in on a node.",
            &RESOURCE,
            &status.listing.resources,
        ),
        (
            "monitor",
            "1 for the state that a monitor of a group is in on a node.",
            &MONITOR,
            &status.listing.monitors,
        ),
    ];
    for (what, help, states, rows) in families {
        let name = format!("{what}_state");
        page.family(&name, "gauge", help);
        for row in rows.iter().filter(|row| row.status != StatusWord::Unused) {
            for (state, word) in states {
                let labels = [
                    ("node", row.node.as_str()),
                    ("group", row.group.as_str()),
                    (what, row.name.as_str()),
                    ("state", state),
                ];
                page.series(&name, &labels, f64::from(u8::from(row.status == *word)));
            }
        }
    }
}

/// When a drill has last shown that a group can be moved, in any direction.
fn proofs(page: &mut Page, status: &Status) {
    let help = "When a drill has last proven a move of a group.";
    page.family("drill_last_success_timestamp_seconds", "gauge", help);
    for group in &status.groups {
        let newest = group.proven.iter().map(|proven| proven.at.0).max();
        if let Some(at) = newest {
            let labels = [("group", group.name.as_str())];
            page.series("drill_last_success_timestamp_seconds", &labels, seconds(at.0));
        }
    }
}

fn gauges(page: &mut Page, (me, known): (&str, &Gauges)) {
    page.family("certificate_expiry_timestamp_seconds", "gauge", "When a certificate ends.");
    if let Some(until) = known.certificate_until {
        let labels = [("name", me)];
        page.series("certificate_expiry_timestamp_seconds", &labels, seconds(until.0.0));
    }
    let help = "When a fence device has last answered well from this node; 0 for never.";
    page.family("fence_test_last_success_timestamp_seconds", "gauge", help);
    for test in &known.fence_tests {
        let labels = [("node", me), ("device", test.node.as_str())];
        let at = test.at.map_or(0.0, |at| seconds(at.0.0));
        page.series("fence_test_last_success_timestamp_seconds", &labels, at);
    }
    let help = "What speaks against a group on a node, as of the last round of this node.";
    page.family("parity_differences", "gauge", help);
    for found in &known.differences {
        let labels = [("node", found.node.as_str()), ("group", found.group.as_str())];
        page.series("parity_differences", &labels, whole(found.count));
    }
    let help =
        "How long ago a node was heard by this one: over each network from 0, or by the disk.";
    page.family("heartbeat_age_seconds", "gauge", help);
    for heard in &known.heard {
        let network = heard.network.to_string();
        let labels = [("node", heard.node.as_str()), ("network", network.as_str())];
        page.series("heartbeat_age_seconds", &labels, whole(heard.ago_us) / 1_000_000.0);
    }
    if let Some(seen) = &known.on_disk {
        let labels = [("node", seen.node.as_str()), ("network", "disk")];
        page.series("heartbeat_age_seconds", &labels, whole(seen.ago_us) / 1_000_000.0);
    }
    mirrors(page, (me, &known.mirrors));
    page.family("message_total", "counter", "Messages that this agent has told its log, by id.");
    for (id, count) in &known.messages {
        page.series("message_total", &[("id", id)], whole(*count));
    }
}

/// How far the copies of a mirrored volume are apart, as this node sees its own side.
fn mirrors(page: &mut Page, (me, known): (&str, &[MirrorState])) {
    let help = "How much of a mirrored volume its two sides do not have alike.";
    page.family("mirror_out_of_sync_bytes", "gauge", help);
    for one in known {
        let labels = [("node", me), ("group", &one.group), ("mirror", &one.name)];
        if let Some(bytes) = one.out_of_sync {
            page.series("mirror_out_of_sync_bytes", &labels, whole(bytes));
        }
    }
    let help = "1 for how a mirrored volume stands on this node, in the words of DRBD.";
    page.family("mirror_state", "gauge", help);
    for one in known {
        let labels = [
            ("node", me),
            ("group", &one.group),
            ("mirror", &one.name),
            ("connection", &one.connection),
            ("role", &one.role),
            ("disk", &one.disk),
            ("peer_disk", &one.peer_disk),
        ];
        page.series("mirror_state", &labels, 1.0);
    }
}

fn votes(page: &mut Page, status: &Status) {
    let votes = &status.votes;
    page.family("votes_heard", "gauge", "Voters that are heard, this one among them.");
    page.series("votes_heard", &[], whole(votes.heard));
    page.family("votes_needed", "gauge", "Voters that are a majority.");
    page.series("votes_needed", &[], whole(votes.needed));
    page.family("needs", "gauge", "What needs a person, by severity.");
    for severity in ["E", "W"] {
        let count = status.needs.iter().filter(|n| n.severity == severity).count();
        page.series("needs", &[("severity", severity)], whole(count as u64));
    }
    let help = "By what heartbeat and monitor time-outs are multiplied; 1 as configured.";
    page.family("timeout_ratio", "gauge", help);
    page.series("timeout_ratio", &[], status.stretch.as_ref().map_or(1.0, |s| f64::from(s.ratio)));
    if let Some(stretch) = &status.stretch {
        let help = "When the time-outs are as configured again, and who had them stretched, why.";
        page.family("timeout_ratio_end_timestamp_seconds", "gauge", help);
        let labels = [("by", stretch.by.as_str()), ("reason", stretch.reason.as_str())];
        page.series("timeout_ratio_end_timestamp_seconds", &labels, seconds(stretch.until.0.0));
    }
    if let Some(config) = &status.config {
        page.family("config_version", "gauge", "The applied configuration.");
        page.series("config_version", &[], whole(config.version));
    }
}

fn nodes(page: &mut Page, status: &Status) {
    let each = || status.nodes.iter();
    page.family("node_up", "gauge", "Whether a node is heard and hears a majority.");
    for node in each() {
        let up = f64::from(u8::from(node.state == "up"));
        page.series("node_up", &[("node", &node.name), ("role", &node.role)], up);
    }
    page.family("node_silence_seconds", "gauge", "For how long a node has not been heard.");
    for node in each() {
        let silence = node.silent_ms.map_or(0.0, seconds);
        page.series("node_silence_seconds", &[("node", &node.name)], silence);
    }
    page.family("ledger_leader", "gauge", "Whether a node leads the ledger.");
    for node in each() {
        let leads = f64::from(u8::from(node.leads));
        page.series("ledger_leader", &[("node", &node.name)], leads);
    }
    page.family("link_up", "gauge", "Whether a link of a node carries.");
    for node in each() {
        for (link, state) in &node.links {
            let labels = [("node", node.name.as_str()), ("link", link.as_str())];
            page.series("link_up", &labels, f64::from(u8::from(state == "up")));
        }
    }
}

fn groups(page: &mut Page, (me, status): (&str, &Status)) {
    let each = || status.groups.iter();
    page.family("group_state", "gauge", "1 for the state that a group is in.");
    for group in each() {
        for state in STATES {
            let is = f64::from(u8::from(group.state == state));
            page.series("group_state", &[("group", &group.name), ("state", state)], is);
        }
    }
    page.family("group_owner", "gauge", "1 for the node that owns a group.");
    for group in each() {
        for node in &group.prefer {
            let owns = f64::from(u8::from(group.owner.as_ref() == Some(node)));
            page.series("group_owner", &[("group", &group.name), ("node", node)], owns);
        }
    }
    page.family("group_paused", "gauge", "Whether a group is paused.");
    for group in each() {
        let paused = f64::from(u8::from(group.paused));
        page.series("group_paused", &[("group", &group.name)], paused);
    }
    page.family("group_epoch", "gauge", "The highest epoch given out, without its incarnation.");
    for group in each() {
        let counter = group.epoch.rsplit('.').next().and_then(|c| c.parse().ok());
        page.series("group_epoch", &[("group", &group.name)], counter.unwrap_or(0.0));
    }
    page.family("lease_remaining_seconds", "gauge", "What is left of a lease of this node.");
    for group in each().filter(|g| g.owner.as_deref() == Some(me)) {
        if let Some(left) = group.lease_ms {
            page.series("lease_remaining_seconds", &[("group", &group.name)], seconds(left));
        }
    }
}

/// Counts are far below 2^53.
fn whole(count: u64) -> f64 {
    count as f64
}

fn seconds(millis: u64) -> f64 {
    whole(millis) / 1000.0
}

/// Lines as they are put together.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let text = format!("# HELP tsugi_{name} {help}\n# TYPE tsugi_{name} {kind}\n");
        self.0.push_str(&text);
    }

    fn series(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        writeln!(self.0, "tsugi_{name}{labels} {value}").expect("a string takes everything");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
