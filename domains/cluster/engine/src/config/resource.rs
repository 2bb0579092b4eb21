//! `[[group.NAME.resource]]`: an address, a volume, a process, or what an OCF agent or systemd
//! looks after.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tsugi_cluster_rules::monitors::{NotifyMethod, OnFailure};
use tsugi_cluster_rules::ocf::{Undo, is_parameter_name};
use tsugi_cluster_rules::reservation::Reservation;
use tsugi_cluster_rules::spec::{
    Check, Monitor, OnRecover, ProcessHow, Rehearsing, ResourceKind, ResourceSpec, Rhythm,
    VolumeCheck, VolumeCopy, VolumeSource,
};
use tsugi_cluster_rules::volume::{self, Retries};
use tsugi_vocabulary::{ResourceName, Span};

use super::cluster::named;
use super::page::{Given, Page, meant_or_all};
use super::problem::Wrong;
use super::value;

const COMMON: [&str; 5] = ["name", "kind", "after", "start_limit", "stop_limit"];
const ADDRESS: [&str; 2] = ["address", "on"];
const VOLUME: [&str; 10] = [
    "source",
    "mount",
    "check",
    "mount_retries",
    "unmount_retries",
    "retry_interval",
    "copy",
    "drop",
    "drbd",
    "reservation",
];
const PROCESS: [&str; 19] = [
    "run",
    "ready",
    "start",
    "stop",
    "running",
    "on_recover",
    "monitor",
    "every",
    "limit",
    "failures",
    "delay",
    "action",
    "notify",
    "notify_limit",
    "cleanup",
    "restart",
    "environment",
    "user",
    "drill_read",
];

const OCF: [&str; 8] =
    ["agent", "parameters", "undo", "level", "every", "limit", "failures", "delay"];

const UNIT: [&str; 5] = ["unit", "every", "limit", "failures", "delay"];

#[derive(Clone, Copy)]
enum Kind {
    Address,
    Volume,
    Process,
    Ocf,
    Unit,
}

/// What may be said of one monitor, whether it stands alone or in a list of them.
const OF_ONE: [&str; 7] =
    ["every", "limit", "failures", "delay", "action", "notify", "notify_limit"];

/// What a monitor may ask without a command of its own.
pub(super) const CHECKS: [&str; 5] = ["tcp", "http", "ping", "link", "disk"];

/// A resource, where it stands, and what it comes after.
struct Placed {
    spec: ResourceSpec,
    span: Range<usize>,
    after: Vec<Given<String>>,
    copy: Option<VolumeCopy>,
    proof: Option<Vec<String>>,
}

/// The resources of one group, their order checked, and how they are drilled.
pub(super) fn read_all(group: &Page<'_>, place: &str) -> (Vec<ResourceSpec>, Rehearsing) {
    let mut placed: Vec<Placed> = Vec::new();
    for page in group.listed_pages("resource", place) {
        let Some(one) = read(&page) else { continue };
        if placed.iter().any(|p| p.spec.name == one.spec.name) {
            page.note(&one.span, Wrong::Twice(one.spec.name.to_string()));
            continue;
        }
        placed.push(one);
    }
    let names: Vec<ResourceName> = placed.iter().map(|p| p.spec.name.clone()).collect();
    for one in &mut placed {
        one.spec.after = after(group, &one.after, &names);
    }
    check_cycle(group, &placed);
    let mut rehearsing = Rehearsing::default();
    for one in &mut placed {
        let name = &one.spec.name;
        rehearsing.copies.extend(one.copy.take().map(|copy| (name.clone(), copy)));
        rehearsing.proofs.extend(one.proof.take().map(|proof| (name.clone(), proof)));
    }
    (placed.into_iter().map(|p| p.spec).collect(), rehearsing)
}

fn read(page: &Page<'_>) -> Option<Placed> {
    let kinds = [
        ("address", Kind::Address),
        ("volume", Kind::Volume),
        ("process", Kind::Process),
        ("ocf", Kind::Ocf),
        ("unit", Kind::Unit),
    ];
    if !page.has("kind") {
        page.missing("kind", "kind = \"process\"");
    }
    let kind = page.choice("kind", &kinds);
    let own: &[&str] = match kind {
        Some(Kind::Address) => &ADDRESS,
        Some(Kind::Volume) => &VOLUME,
        Some(Kind::Process) => &PROCESS,
        Some(Kind::Ocf) => &OCF,
        Some(Kind::Unit) => &UNIT,
        None => return None,
    };
    page.only(&[&COMMON[..], own].concat());
    if !page.has("name") {
        page.missing("name", "name = \"program\"");
    }
    let which = kind?;
    let (start_limit, stop_limit) = limits(which);
    let kind = match which {
        Kind::Address => address(page),
        Kind::Volume => of_volume(page),
        Kind::Process => process(page),
        Kind::Ocf => ocf(page),
        Kind::Unit => unit(page),
    };
    let given = page.text("name", "\"program\"")?;
    Some(Placed {
        spec: ResourceSpec {
            name: named(page, &given, ResourceName::new)?,
            kind: kind?,
            after: BTreeSet::new(),
            start_limit: page.span_of_time("start_limit", start_limit),
            stop_limit: page.span_of_time("stop_limit", stop_limit),
        },
        span: given.span,
        copy: copy(page),
        proof: page.has("drill_read").then(|| page.command("drill_read")).flatten(),
        after: page.texts("after", value::NAMES_EXAMPLE).unwrap_or_default(),
    })
}

/// How long a start and a stop may take where the file does not say; of a volume, one try (CL-19).
const fn limits(kind: Kind) -> (Span, Span) {
    match kind {
        Kind::Volume => (volume::MOUNT_LIMIT, volume::RELEASE_LIMIT),
        Kind::Address | Kind::Process | Kind::Ocf | Kind::Unit => (Span::secs(60), Span::secs(10)),
    }
}

fn address(page: &Page<'_>) -> Option<ResourceKind> {
    let example = value::FLOATING_EXAMPLE;
    let Some(given) = page.text("address", example) else {
        if !page.has("address") {
            page.missing("address", &format!("address = {example}"));
        }
        return None;
    };
    let Some((address, prefix)) = value::floating(&given.value) else {
        page.wrong(&given.span, "address", example);
        return None;
    };
    let on = page.texts("on", "[\"eth0\"]").unwrap_or_default();
    if on.is_empty() && !address.is_loopback() {
        page.missing("on", "on = [\"eth0\", \"eth1\"]");
    }
    Some(ResourceKind::Address {
        address,
        prefix,
        links: on.into_iter().map(|l| l.value).collect(),
    })
}

fn of_volume(page: &Page<'_>) -> Option<ResourceKind> {
    if !page.has("mount") {
        page.missing("mount", "mount = \"/data/pay\"");
    }
    let source = match page.has("source") {
        true => VolumeSource::Block(page.path("source", "\"/dev/vg1/pay\"")?),
        false => VolumeSource::Directory,
    };
    let checks = [
        ("failed", VolumeCheck::Failed),
        ("always", VolumeCheck::Always),
        ("never", VolumeCheck::Never),
    ];
    let check = page.choice("check", &checks).unwrap_or_default();
    let usual = Retries::default();
    let retries = Retries {
        mount: page.count("mount_retries", usual.mount),
        release: page.count("unmount_retries", usual.release),
        interval: page.span_of_time("retry_interval", usual.interval),
    };
    let mount = page.path("mount", "\"/data/pay\"")?;
    let (drbd, reservation) = (drbd(page), reservation(page));
    Some(ResourceKind::Volume { source, mount, check, retries, drbd, reservation })
}

/// How the storage of the volume keeps others off.
fn reservation(page: &Page<'_>) -> Option<Reservation> {
    const KEY: &str = "reservation";
    if page.has(KEY) && !page.has("source") {
        page.note(&page.place_of(KEY), Wrong::Needs(KEY.to_owned(), "source".to_owned()));
    }
    // A mirror has two disks, of which each is another's storage.
    if page.has(KEY) && page.has("drbd") {
        page.note(&page.place_of(KEY), Wrong::Exclude(KEY.to_owned(), "drbd".to_owned()));
    }
    page.choice(KEY, &[("scsi", Reservation::Scsi)])
}

/// The resource of DRBD that the source is the device of.
fn drbd(page: &Page<'_>) -> Option<String> {
    if page.has("drbd") && !page.has("source") {
        let wrong = Wrong::Needs("drbd".to_owned(), "source".to_owned());
        page.note(&page.place_of("drbd"), wrong);
    }
    let example = value::DRBD_EXAMPLE;
    let given = page.has("drbd").then(|| page.text("drbd", example)).flatten()?;
    if !value::is_drbd_name(&given.value) {
        page.wrong(&given.span, "drbd", example);
        return None;
    }
    Some(given.value)
}

/// What makes a copy of the volume for a drill, and takes it away.
fn copy(page: &Page<'_>) -> Option<VolumeCopy> {
    if page.has("drop") && !page.has("copy") {
        let wrong = Wrong::Needs("drop".to_owned(), "copy".to_owned());
        page.note(&page.place_of("drop"), wrong);
    }
    let drop = page.has("drop").then(|| page.command("drop")).flatten();
    let copy = page.has("copy").then(|| page.command("copy")).flatten()?;
    Some(VolumeCopy { copy, drop })
}

fn process(page: &Page<'_>) -> Option<ResourceKind> {
    let how = how(page);
    let environment: BTreeMap<String, String> = page.pairs("environment").into_iter().collect();
    Some(ResourceKind::Process {
        monitors: monitors(page),
        how: how?,
        cleanup: if page.has("cleanup") { Some(page.command("cleanup")?) } else { None },
        environment,
        user: page.text("user", "\"pay\"").map(|u| u.value),
    })
}

/// `run` for a supervised program, or `start`, `stop` and `monitor` for scripts; never both.
fn how(page: &Page<'_>) -> Option<ProcessHow> {
    if page.has("run") {
        for key in ["start", "stop", "running", "on_recover", "restart"] {
            if page.has(key) {
                page.note(&page.place_of(key), Wrong::Exclude("run".to_owned(), key.to_owned()));
            }
        }
        let ready = page.text("ready", "\"ready\"").map(|r| r.value);
        return Some(ProcessHow::Program { run: page.command("run")?, ready });
    }
    if page.has("ready") {
        let wrong = Wrong::Needs("ready".to_owned(), "run".to_owned());
        page.note(&page.place_of("ready"), wrong);
    }
    if !page.has("start") {
        page.missing("run", &format!("run = {}", value::COMMAND_EXAMPLE));
        return None;
    }
    for key in ["stop", "monitor"] {
        if !page.has(key) {
            page.missing(key, &format!("{key} = [\"/opt/pay/bin/{key}\"]"));
        }
    }
    let running = if page.has("running") { Some(page.command("running")?) } else { None };
    let restart = if page.has("restart") { Some(page.command("restart")?) } else { None };
    let (start, stop) = (page.command("start")?, page.command("stop")?);
    let when = [("skip", OnRecover::Skip), ("run", OnRecover::Run)];
    let on_recover = page.choice("on_recover", &when).unwrap_or_default();
    Some(ProcessHow::Scripts { start, stop, running, on_recover, restart })
}

/// `monitor = …` with its settings beside it, or a list of tables, each with a name.
fn monitors(page: &Page<'_>) -> Vec<Monitor> {
    if page.has("monitor") && !page.is_listed("monitor") {
        return check(page, "monitor")
            .and_then(|check| one(page, (None, check)))
            .into_iter()
            .collect();
    }
    for key in OF_ONE {
        if page.has(key) {
            let wrong = Wrong::Needs(key.to_owned(), "monitor".to_owned());
            page.note(&page.place_of(key), wrong);
        }
    }
    let mut all: Vec<Monitor> = Vec::new();
    for table in page.listed_pages("monitor", "[[group.….resource.monitor]]") {
        table.only(&[&["name", "check"][..], &OF_ONE].concat());
        if !table.has("name") {
            table.missing("name", "name = \"port\"");
        }
        if !table.has("check") {
            table.missing("check", &format!("check = {}", value::CHECK_EXAMPLE));
        }
        let given = table.text("name", "\"port\"");
        let Some(name) = given.as_ref().and_then(|g| named(&table, g, ResourceName::new)) else {
            continue;
        };
        if all.iter().any(|m| m.name.as_ref() == Some(&name)) {
            let span = given.map_or_else(|| table.span.clone(), |g| g.span);
            table.note(&span, Wrong::Twice(name.to_string()));
            continue;
        }
        let check = check(&table, "check");
        all.extend(check.and_then(|check| one(&table, (Some(name), check))));
    }
    all
}

fn one(page: &Page<'_>, (name, check): (Option<ResourceName>, Check)) -> Option<Monitor> {
    let Rhythm { every, limit, failures, delay } = rhythm(page, (Span::secs(5), Span::secs(5)));
    let actions = [("fallover", OnFailure::Fallover), ("notify", OnFailure::Notify)];
    let action = page.choice("action", &actions).unwrap_or_default();
    let notify = if page.has("notify") { Some(page.command("notify")?) } else { None };
    if page.has("notify_limit") && notify.is_none() {
        let wrong = Wrong::Needs("notify_limit".to_owned(), "notify".to_owned());
        page.note(&page.place_of("notify_limit"), wrong);
    }
    let within = page.span_of_time("notify_limit", Span::secs(10));
    let notify = notify.map(|run| NotifyMethod { run, limit: within });
    Some(Monitor { name, check, every, limit, failures, delay, action, notify })
}

fn rhythm(page: &Page<'_>, (every, limit): (Span, Span)) -> Rhythm {
    let every = page.span_of_time("every", every);
    Rhythm {
        every,
        limit: page.span_of_time("limit", limit),
        failures: page.count("failures", 1).max(1),
        delay: page.has("delay").then(|| page.span_of_time("delay", every)),
    }
}

/// A resource agent always has a monitor: by the contract, its own.
fn ocf(page: &Page<'_>) -> Option<ResourceKind> {
    if !page.has("agent") {
        page.missing("agent", &format!("agent = {}", value::AGENT_EXAMPLE));
    }
    let parameters: BTreeMap<String, String> = page.pairs("parameters").into_iter().collect();
    for name in parameters.keys().filter(|name| !is_parameter_name(name)) {
        page.wrong(&page.place_of("parameters"), name, value::PARAMETER_EXAMPLE);
    }
    let undo = page.choice("undo", &[("kill", Undo::Kill), ("reset", Undo::Reset)]);
    let level = page.one_of("level", &[0, 10, 20]);
    let monitor = rhythm(page, (Span::secs(10), Span::secs(20)));
    let given = page.text("agent", value::AGENT_EXAMPLE)?;
    let Ok(agent) = given.value.parse() else {
        page.wrong(&given.span, "agent", value::AGENT_EXAMPLE);
        return None;
    };
    Some(ResourceKind::Ocf { agent, parameters, undo: undo.unwrap_or_default(), level, monitor })
}

/// Systemd is always asked how a unit is: it says nothing by itself.
fn unit(page: &Page<'_>) -> Option<ResourceKind> {
    if !page.has("unit") {
        page.missing("unit", &format!("unit = {}", value::UNIT_EXAMPLE));
    }
    let monitor = rhythm(page, (Span::secs(5), Span::secs(20)));
    let given = page.text("unit", value::UNIT_EXAMPLE)?;
    let Ok(unit) = given.value.parse() else {
        page.wrong(&given.span, "unit", value::UNIT_EXAMPLE);
        return None;
    };
    Some(ResourceKind::Unit { unit, monitor })
}

/// `["/opt/pay/bin/ok"]`, or one of the kinds that need no command: `{ tcp = "127.0.0.1:5432" }`.
fn check(page: &Page<'_>, key: &str) -> Option<Check> {
    if !page.is_table(key) {
        return Some(Check::Run(page.command(key)?));
    }
    let table = page.page(key)?;
    table.only(&CHECKS);
    let mut given = CHECKS.into_iter().filter(|key| table.has(key));
    let Some(kind) = given.next() else {
        page.wrong(&page.place_of(key), key, value::CHECK_EXAMPLE);
        return None;
    };
    if let Some(other) = given.next() {
        table.note(&table.place_of(other), Wrong::Exclude(kind.to_owned(), other.to_owned()));
        return None;
    }
    let text = table.text(kind, value::CHECK_EXAMPLE)?;
    let check = value::check(kind, &text.value);
    if check.is_none() {
        table.wrong(&text.span, kind, value::check_example(kind));
    }
    check
}

fn after(
    group: &Page<'_>,
    given: &[Given<String>],
    names: &[ResourceName],
) -> BTreeSet<ResourceName> {
    let mut out = BTreeSet::new();
    for name in given {
        match names.iter().find(|n| n.as_str() == name.value) {
            Some(known) => {
                out.insert(known.clone());
            }
            None => {
                let known = names.iter().map(ResourceName::as_str);
                let known = meant_or_all(&name.value, known);
                let name_given = name.value.clone();
                group.note(&name.span, Wrong::Reference { name: name_given, known });
            }
        }
    }
    out
}

/// Takes away what depends on nothing that is left; what cannot be taken away is a cycle.
fn check_cycle(group: &Page<'_>, placed: &[Placed]) {
    let mut left: Vec<&Placed> = placed.iter().collect();
    loop {
        let names: BTreeSet<_> = left.iter().map(|p| p.spec.name.clone()).collect();
        let before = left.len();
        left.retain(|p| p.spec.after.iter().any(|a| names.contains(a)));
        if left.len() == before {
            break;
        }
    }
    let Some(first) = left.first() else { return };
    let mut chain = vec![first.spec.name.to_string()];
    let mut at = first;
    loop {
        let next = left.iter().find(|p| at.spec.after.contains(&p.spec.name));
        let Some(next) = next else { break };
        let name = next.spec.name.to_string();
        let closed = chain.contains(&name);
        chain.push(name);
        if closed {
            break;
        }
        at = next;
    }
    let span = at.after.first().map_or_else(|| at.span.clone(), |a| a.span.clone());
    group.note(&span, Wrong::Cycle(chain.join(" → ")));
}
