//! `[group.NAME]`: what runs, where, and what a failure leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tsugi_cluster_rules::figures::{Measure, PreferBy, ScoreScript};
use tsugi_cluster_rules::ocf::Undo;
use tsugi_cluster_rules::spec::{
    Failback, FailurePolicy, FencePolicy, GroupSpec, Isolation, Mode, ResourceKind, ResourceSpec,
    Role, Startup, Takeover, WatchedFailure,
};
use tsugi_cluster_rules::timing::{Profile, Timing};
use tsugi_vocabulary::{GroupName, NodeName, Span};

use crate::mirror;

use super::cluster::{Machines, named};
use super::page::{Given, Page, meant_or_all};
use super::problem::Wrong;
use super::{resource, value, whole};

const KEYS: [&str; 22] = [
    "prefer",
    "prefer_by",
    "prefer_every",
    "prefer_limit",
    "mode",
    "startup",
    "failback",
    "apart",
    "together",
    "after",
    "restarts",
    "takeovers",
    "within",
    "watched",
    ON_ISOLATION,
    "stop_budget",
    "drill_every",
    "entitled",
    "takeover",
    "fence",
    "services",
    "resource",
];

/// What a group does that nobody can call.
const ON_ISOLATION: &str = "on_isolation";

/// A group as it is written, before a parallel one becomes its members.
pub(super) struct Written {
    pub(super) name: GroupName,
    pub(super) span: Range<usize>,
    pub(super) shape: Shape,
    pub(super) apart: Vec<Given<String>>,
    pub(super) together: Vec<Given<String>>,
    pub(super) after: Vec<Given<String>>,
    pub(super) spec: GroupSpec,
}

/// `mode`, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Single,
    Parallel,
}

/// Every group, parallel ones resolved; none if a group cannot even be named.
pub(super) fn read_all(
    file: &Page<'_>,
    machines: &Machines,
    (timing, takeover): (Profile, Takeover),
) -> Option<BTreeMap<GroupName, GroupSpec>> {
    let mut written = Vec::new();
    let pages = file.named_pages("group");
    for (name, page) in &pages {
        let one = read(page, name, (machines, takeover));
        check_budget(page, one.as_ref(), timing);
        written.extend(one);
    }
    let whole = written.len() == pages.len();
    whole::check_groups(file, machines, &written);
    let resolved = whole::resolve(file, written);
    whole.then_some(resolved)
}

fn read(
    page: &Page<'_>,
    name: &Given<String>,
    (machines, by_cluster): (&Machines, Takeover),
) -> Option<Written> {
    page.only(&KEYS);
    let shapes = [("single", Shape::Single), ("parallel", Shape::Parallel)];
    let shape = page.choice("mode", &shapes).unwrap_or(Shape::Single);
    let startups = [("auto", Startup::Auto), ("manual", Startup::Manual)];
    let place = format!("[[group.{}.resource]]", name.value);
    let (resources, rehearsing) = resource::read_all(page, &place);
    let policy = FailurePolicy::default();
    let watched = [("takeover", WatchedFailure::Takeover), ("restart", WatchedFailure::Restart)];
    let spec = GroupSpec {
        mode: Mode::Single,
        prefer: prefer(page, machines),
        prefer_by: prefer_by(page),
        startup: page.choice("startup", &startups).unwrap_or(Startup::Auto),
        failback: failback(page),
        failure: FailurePolicy {
            restarts: page.count("restarts", policy.restarts),
            takeovers: page.count("takeovers", policy.takeovers),
            within: page.span_of_time("within", policy.within),
            watched: page.choice("watched", &watched).unwrap_or(policy.watched),
            isolation: isolation(page, &resources),
        },
        apart: BTreeSet::new(),
        together: BTreeSet::new(),
        after: BTreeSet::new(),
        stop_budget: page
            .has("stop_budget")
            .then(|| page.span_of_time("stop_budget", Span::millis(100))),
        drill_every: page
            .has("drill_every")
            .then(|| page.span_of_time("drill_every", Span::secs(90 * 24 * 3600))),
        rehearsing,
        entitled: page.has("entitled").then(|| page.command("entitled")).flatten(),
        takeover: takeover(page).unwrap_or(by_cluster),
        fence: fence(page, &resources),
        services: services(page),
        resources,
    };
    Some(Written {
        name: named(page, name, GroupName::new)?,
        span: name.span.clone(),
        shape,
        apart: page.texts("apart", value::NAMES_EXAMPLE).unwrap_or_default(),
        together: page.texts("together", value::NAMES_EXAMPLE).unwrap_or_default(),
        after: page.texts("after", value::NAMES_EXAMPLE).unwrap_or_default(),
        spec,
    })
}

/// `takeover`, of the cluster or of one group.
pub(super) fn takeover(page: &Page<'_>) -> Option<Takeover> {
    page.choice("takeover", &[("automatic", Takeover::Automatic), ("observe", Takeover::Observe)])
}

/// What scripts load by name. Of names that differ only in the case of their letters there is one.
fn services(page: &Page<'_>) -> BTreeMap<String, Vec<String>> {
    let Some(table) = page.page("services") else { return BTreeMap::new() };
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in table.keys() {
        if out.keys().any(|known| known.eq_ignore_ascii_case(&name.value)) {
            table.note(&name.span, Wrong::Twice(name.value));
        } else if let Some(run) = table.command(&name.value) {
            out.insert(name.value, run);
        }
    }
    out
}

/// Without an address on an interface nothing says whether the group can be called.
fn isolation(page: &Page<'_>, resources: &[ResourceSpec]) -> Isolation {
    let has_link = |r: &ResourceSpec| match &r.kind {
        ResourceKind::Address { links, .. } => !links.is_empty(),
        ResourceKind::Volume { .. }
        | ResourceKind::Process { .. }
        | ResourceKind::Ocf { .. }
        | ResourceKind::Unit { .. } => false,
    };
    let words = [("stay", Isolation::Stay), ("stop", Isolation::Stop)];
    let isolation = page.choice(ON_ISOLATION, &words).unwrap_or_default();
    if isolation == Isolation::Stop && !resources.iter().any(has_link) {
        let needs = format!("kind = \"address\", address = {}", value::FLOATING_EXAMPLE);
        page.note(&page.place_of(ON_ISOLATION), Wrong::Needs(ON_ISOLATION.to_owned(), needs));
    }
    isolation
}

/// A word, or the times at which it goes back by itself.
fn failback(page: &Page<'_>) -> Failback {
    let words = [
        ("never", Failback::Never),
        ("manual", Failback::Manual),
        ("when-better", Failback::WhenBetter),
    ];
    let by_clock = |text: &str| value::timetable(text).map(Failback::At);
    let given = page.text("failback", value::FAILBACK_EXAMPLE);
    let Some(given) = given else { return Failback::Manual };
    let word = words.iter().find(|(word, _)| *word == given.value).map(|(_, value)| *value);
    word.or_else(|| by_clock(&given.value)).unwrap_or_else(|| {
        page.wrong(&given.span, "failback", value::FAILBACK_EXAMPLE);
        Failback::Manual
    })
}

/// What a group may say of which not every volume is on DRBD.
const FENCE_EXAMPLE: &str = r#""self", "confirmed""#;

/// A volume that two nodes can write waits for a confirmed fence unless the file says otherwise,
/// and so does what only a resource agent or systemd can undo. One that its storage keeps for its
/// owner is taken from a silent node with the storage's own proof.
fn fence(page: &Page<'_>, resources: &[ResourceSpec]) -> FencePolicy {
    let words = [
        ("self", FencePolicy::SelfFence),
        ("confirmed", FencePolicy::Confirmed),
        ("mirror", FencePolicy::Mirror),
    ];
    let shared = |r: &ResourceSpec| match &r.kind {
        ResourceKind::Volume { .. } => r.kind.is_open_volume(),
        ResourceKind::Ocf { undo, .. } => *undo == Undo::Reset,
        ResourceKind::Unit { .. } => true,
        ResourceKind::Address { .. } | ResourceKind::Process { .. } => false,
    };
    let or = if resources.iter().any(shared) { FencePolicy::Confirmed } else { FencePolicy::Lease };
    let given = page.choice("fence", &words).unwrap_or(or);
    let mirrored = |r: &ResourceSpec| mirror::drbd(r).is_some();
    let shared = || resources.iter().filter(|r| shared(r));
    // What DRBD does not freeze it proves nothing of.
    let proves = shared().next().is_some() && shared().all(mirrored);
    if given == FencePolicy::Mirror
        && !proves
        && let Some(text) = page.text("fence", FENCE_EXAMPLE)
    {
        page.wrong(&text.span, "fence", FENCE_EXAMPLE);
    }
    given
}

fn prefer(page: &Page<'_>, machines: &Machines) -> Vec<NodeName> {
    let runs_groups = || machines.iter().filter(|(_, m)| m.spec.role == Role::Node);
    let Some(given) = page.texts("prefer", value::NAMES_EXAMPLE) else {
        return runs_groups().map(|(name, _)| name.clone()).collect();
    };
    let mut out: Vec<NodeName> = Vec::new();
    for name in given {
        let known = machines.iter().find(|(n, _)| n.as_str() == name.value);
        match known {
            None => {
                let names = runs_groups().map(|(n, _)| n.as_str());
                let known = meant_or_all(&name.value, names);
                page.note(&name.span, Wrong::Reference { name: name.value, known });
            }
            Some((_, machine)) if machine.spec.role == Role::Witness => {
                let names = runs_groups().map(|(n, _)| n.to_string()).collect::<Vec<_>>();
                page.wrong(&name.span, "prefer", &names.join(", "));
            }
            Some((node, _)) if out.contains(node) => {
                page.note(&name.span, Wrong::Twice(name.value));
            }
            Some((node, _)) => out.push(node.clone()),
        }
    }
    out
}

/// What each node measures, or a script whose number counts.
fn prefer_by(page: &Page<'_>) -> PreferBy {
    let script = page.has("prefer_by") && page.is_list("prefer_by");
    for key in ["prefer_every", "prefer_limit"] {
        if page.has(key) && !script {
            let needs = format!("prefer_by = {}", value::COMMAND_EXAMPLE);
            page.note(&page.place_of(key), Wrong::Needs(key.to_owned(), needs));
        }
    }
    if script {
        let (every, limit) = (Span::secs(60), Span::secs(5));
        let every = page.span_of_time("prefer_every", every);
        let limit = page.span_of_time("prefer_limit", limit);
        let run = page.command("prefer_by");
        return run
            .map_or(PreferBy::Order, |run| PreferBy::Script(ScoreScript { run, every, limit }));
    }
    let words = [("cpu", Measure::Cpu), ("memory", Measure::Memory), ("load", Measure::Load)];
    let given = page.text("prefer_by", value::PREFER_BY_EXAMPLE);
    let Some(given) = given else { return PreferBy::Order };
    match words.iter().find(|(word, _)| *word == given.value) {
        Some((_, measure)) => PreferBy::Measure(*measure),
        None => {
            page.wrong(&given.span, "prefer_by", value::PREFER_BY_EXAMPLE);
            PreferBy::Order
        }
    }
}

/// The budget must leave a lease that is worth having: two beats at least.
fn check_budget(page: &Page<'_>, written: Option<&Written>, timing: Profile) {
    let Some(written) = written else { return };
    let Some(budget) = written.spec.stop_budget else { return };
    let times = Timing::of(timing);
    let spare = times.usable() + times.stop - times.beat - times.beat;
    if budget > spare {
        let at = page.place_of("stop_budget");
        let group = written.name.clone();
        page.note(&at, Wrong::Budget { group, budget, most: spare });
    }
}
