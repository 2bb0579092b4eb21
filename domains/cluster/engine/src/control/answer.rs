//! What only reads: status, why, explain, history, whatif, the applied configuration, the audit.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tsugi_cluster_rules::command::{self, Before, Command, Issued};
use tsugi_cluster_rules::plan::{Settled, Situation};
use tsugi_cluster_rules::record::Record;
use tsugi_cluster_rules::refusal::Refusal;
use tsugi_cluster_rules::spec::{ClusterSpec, Mode, ResourceKind};
use tsugi_cluster_rules::whatif::{Hypothesis, whatif};
use tsugi_ledger::{Ledger, View};
use tsugi_messages::{self as messages, phrase};
use tsugi_vocabulary::{GroupName, NodeName};
use tsugi_wire::control::gauges::Gauges;
use tsugi_wire::control::report::{
    Config, Doctor, Done, No, Outlook, Refused, Status, Verified, Why,
};
use tsugi_wire::control::{Reply, Request, Suppose, Words};

use super::refusal::{no, no_group, no_node, refused};
use super::view::words::{phrased, told};
use super::{Services, config_head, view, watched};
use crate::errand::OCF_ROOT;
use crate::mirror::{self, Mirrored};
use crate::standing::Standing;
use crate::{advice, config, mounts, records};

/// How long a node that has just come back may take to learn what it missed.
const CATCH_UP: Duration = Duration::from_secs(3);
/// How long an agent that has just begun may take to look into its own ledger before it says that
/// it knows nothing: less than anybody waits who asks how things stand.
pub const LOOKS_WITHIN: Duration = Duration::from_secs(1);

/// The answer to a request that changes nothing.
pub(super) async fn answer(services: &Services, request: &Request) -> Reply {
    informed(services).await;
    if is_of_the_past(request) {
        caught_up(services).await;
    }
    let standing = services.view.standing.borrow().clone();
    let found = match request {
        Request::Status => Ok(Reply::Status(with_parity(services, &standing))),
        Request::Parity { group, node } => {
            parity(services, &standing, (group.as_deref(), node.as_deref())).await
        }
        Request::Doctor => Ok(Reply::Doctor(examined(services, &standing))),
        Request::Gauges => Ok(Reply::Gauges(gauges(services, &standing))),
        Request::Programs => Ok(Reply::Programs(watched::programs(&standing))),
        Request::Drill { group: name } => group(&standing, name)
            .map(|group| Reply::Drill(view::drills(&group, standing.record.group(&group)))),
        Request::FailureTest => {
            let newest = standing.record.failure_test.as_deref().map(view::failure_test);
            Ok(Reply::FailureTest { newest })
        }
        Request::Why { of } => why(&standing, of.as_deref()),
        Request::Explain { group, back } => explain(services, &standing, (group.as_deref(), *back)),
        Request::History { of, most } => history(services, &standing, (of.as_deref(), *most)),
        Request::WhatIf { suppose } => what_if(&standing, suppose),
        Request::Plan { text } => plan(&standing, text),
        Request::ConfigShow => shown(&standing),
        Request::AuditList { most } => {
            read(services, |v| Ok(Reply::Audit(view::audit(&records::audit(v)?, as_count(*most)))))
        }
        Request::AuditVerify => read(services, |v| {
            let links = records::audit(v)?;
            let hash = links.last().map_or_else(String::new, |l| l.hash.clone());
            let broken_at = records::audit_broken_at(v, &links)?;
            Ok(Reply::Verified(Verified { entries: links.len() as u64, hash, broken_at }))
        }),
        Request::Backup { path } => backup(services, path).await,
        Request::Change(_) => Err(no(No::Failed, &messages::internal_failure("-", "-"))),
    };
    found.unwrap_or_else(Reply::No)
}

/// Whether the answer is a story: one that a node had missed would be told without its end.
fn is_of_the_past(request: &Request) -> bool {
    match request {
        Request::Explain { .. } | Request::History { .. } | Request::AuditList { .. } => true,
        Request::Status
        | Request::Parity { .. }
        | Request::Doctor
        | Request::Programs
        | Request::Gauges
        | Request::Drill { .. }
        | Request::FailureTest
        | Request::Why { .. }
        | Request::WhatIf { .. }
        | Request::Plan { .. }
        | Request::ConfigShow
        | Request::AuditVerify
        | Request::Backup { .. }
        | Request::Change(_) => false,
    }
}

/// Waits until an agent that has just begun has looked into its own ledger: before that it would
/// say of whatever it is asked for that there is no such thing.
pub(super) async fn informed(services: &Services) {
    let mut standing = services.view.standing.clone();
    let _late = timeout(LOOKS_WITHIN, standing.wait_for(|s| s.is_informed())).await;
}

/// Why a node without a record cannot answer.
pub(super) fn nothing_known(standing: &Standing) -> Refused {
    let kind = match standing.certificate_until {
        Some(_) => No::NoMajority,
        None => No::NotFound,
    };
    no(kind, &view::knows_nothing(standing))
}

/// Waits until this node has applied what the others had when they were last heard. One that
/// cannot in this time, as without a majority, tells what it has.
async fn caught_up(services: &Services) {
    if (services.ledger)().is_none() {
        return;
    }
    let mut standing = services.view.standing.clone();
    let _late = timeout(CATCH_UP, standing.wait_for(|s| s.is_caught_up())).await;
}

fn as_count(most: u64) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}

fn ledger(services: &Services) -> Result<Arc<dyn Ledger>, Refused> {
    (services.ledger)().ok_or_else(|| nothing_known(&services.view.standing.borrow()))
}

/// Reads this node's own copy of the ledger: also without a majority.
fn read(
    services: &Services,
    how: impl FnOnce(&View) -> Result<Reply, records::Unreadable>,
) -> Result<Reply, Refused> {
    let view = ledger(services)?.view();
    how(&view).map_err(|e| no(No::Failed, &messages::internal_failure("tsugi", e)))
}

/// What the doctor finds; before there is a ledger nothing has happened.
pub(super) fn examined(services: &Services, standing: &Standing) -> Doctor {
    let view = (services.ledger)().map(|ledger| ledger.view());
    let events = view.and_then(|view| records::events(&view).ok()).unwrap_or_default();
    let mut doctor = view::doctor(standing, &events);
    let last = (services.parity)().map(|parity| parity.last());
    doctor.findings.extend(last.into_iter().flat_map(|l| view::parity_findings(standing, l)));
    let slow = mounts::protected_here(Path::new("/"), &standing.record, &standing.me);
    doctor.findings.extend(view::slow_to_mount(standing, slow));
    doctor.findings.extend(view::mirrors_not_whole(standing, mirrored(standing)));
    let spec = standing.record.spec().into_iter();
    let below = spec.flat_map(|spec| advice::shorter(Path::new(OCF_ROOT), spec, &standing.me));
    doctor.findings.extend(view::limits_below_advice(below.collect()));
    doctor
}

/// How everything stands, with what the last round of this node has found to differ.
fn with_parity(services: &Services, standing: &Standing) -> Status {
    let mut status = view::status(standing);
    let last = (services.parity)().and_then(|parity| parity.last());
    status.needs.extend(last.iter().flat_map(|last| view::parity_needs(standing, last)));
    status.needs.extend(view::mirrors_not_whole(standing, mirrored(standing)));
    status.needs.sort_by(|a, b| a.severity.cmp(&b.severity));
    if status.cluster.is_some() {
        status.listing.cluster = view::cluster(&status.needs, &status.groups);
    }
    status
}

/// The mirrored volumes of the groups that this node may run.
fn mirrored(standing: &Standing) -> Vec<Mirrored> {
    mirror::here(Path::new("/"), &standing.record, &standing.me)
}

/// What a monitoring system reads of this node.
fn gauges(services: &Services, standing: &Standing) -> Gauges {
    let last = (services.parity)().and_then(|parity| parity.last());
    let heard = (services.heard)().map(|heard| heard.ago()).unwrap_or_default();
    view::gauges(standing, last.as_deref(), (&heard, mirrored(standing)))
}

/// Which node could take which group now.
async fn parity(
    services: &Services,
    standing: &Standing,
    (of_group, of_node): (Option<&str>, Option<&str>),
) -> Result<Reply, Refused> {
    let of_group = of_group.map(|name| group(standing, name)).transpose()?;
    let of_node = of_node.map(|name| node(standing, name)).transpose()?;
    let none = || nothing_known(standing);
    let rounds = (services.parity)().ok_or_else(none)?;
    let outcome = rounds.round().await.ok_or_else(none)?;
    Ok(Reply::Parity(view::parity(&outcome, (of_group.as_ref(), of_node.as_ref()))))
}

/// A group, or the members of the parallel group of that name.
fn groups(record: &Record, name: &str) -> Vec<GroupName> {
    let Some(spec) = record.spec() else { return Vec::new() };
    let named = |(group, its): &(&GroupName, &tsugi_cluster_rules::spec::GroupSpec)| {
        let member = matches!(&its.mode, Mode::MemberOf(of) if of.as_str() == name);
        group.as_str() == name || member
    };
    spec.groups.iter().filter(named).map(|(group, _)| group.clone()).collect()
}

fn why(standing: &Standing, of: Option<&str>) -> Result<Reply, Refused> {
    let record = &standing.record;
    let Some(name) = of else { return Ok(Reply::Why(view::why(standing, &view::Of::All))) };
    let of = groups(record, name);
    if !of.is_empty() {
        return Ok(Reply::Why(view::why(standing, &view::Of::Groups(of))));
    }
    known(standing)?;
    let node = node(standing, name).map_err(|_| no(No::NotFound, &no_group(record, name)))?;
    let may = record.spec().into_iter().flat_map(|s| &s.groups);
    let of = may.filter(|(_, g)| g.prefer.contains(&node)).map(|(g, _)| g.clone()).collect();
    let groups = view::why(standing, &view::Of::Groups(of));
    Ok(Reply::Why(Why { node: Some(view::why_node(standing, &node)), ..groups }))
}

fn history(
    services: &Services,
    standing: &Standing,
    (of, most): (Option<&str>, u64),
) -> Result<Reply, Refused> {
    let record = &standing.record;
    let mut found = None;
    read(services, |v| {
        let happened = (records::events(v)?, records::audit(v)?);
        let told = view::history((&happened.0, &happened.1), of, as_count(most));
        found = Some(told.clone());
        Ok(Reply::History(told))
    })
    .and_then(|reply| match (of, found) {
        // What is gone from the configuration still has its history.
        (Some(name), Some(told)) if told.lines.is_empty() && groups(record, name).is_empty() => {
            known(standing)?;
            node(standing, name).map_err(|_| no(No::NotFound, &no_group(record, name)))?;
            Ok(reply)
        }
        _ => Ok(reply),
    })
}

fn explain(
    services: &Services,
    standing: &Standing,
    (group, back): (Option<&str>, u64),
) -> Result<Reply, Refused> {
    let name = match group {
        Some(name) => Some(
            GroupName::new(name)
                .map_err(|_| no(No::NotFound, &no_group(&standing.record, name)))?,
        ),
        None => None,
    };
    read(services, |v| {
        let chronicle = view::Chronicle { plans: records::plans(v)?, events: records::events(v)? };
        Ok(Reply::Explain(view::explain(&chronicle, name.as_ref(), as_count(back))))
    })
    .and_then(|reply| match (&reply, &name) {
        (Reply::Explain(told), Some(name)) if told.story.is_none() => {
            known_or_not_found(standing, name.as_str())?;
            Ok(reply)
        }
        _ => Ok(reply),
    })
}

fn known_or_not_found(standing: &Standing, name: &str) -> Result<(), Refused> {
    known(standing)?;
    match groups(&standing.record, name).is_empty() {
        true => Err(no(No::NotFound, &no_group(&standing.record, name))),
        false => Ok(()),
    }
}

/// An interface that the node has, as far as it is known: others change nothing and were most
/// likely mistyped.
fn known_link(standing: &Standing, node: &NodeName, link: &str) -> Result<(), Refused> {
    let seen = standing.sights.get(node).map(|s| s.links.keys().cloned().collect());
    let mut known: BTreeSet<String> = seen.unwrap_or_default();
    let groups = standing.record.spec().into_iter().flat_map(|s| s.groups.values());
    for resource in groups.flat_map(|g| &g.resources) {
        if let ResourceKind::Address { links, .. } = &resource.kind {
            known.extend(links.iter().cloned());
        }
    }
    if known.contains(link) {
        return Ok(());
    }
    let meant = config::nearest(link, known.iter().map(String::as_str)).map(str::to_owned);
    let all = || known.iter().cloned().collect::<Vec<_>>().join(", ");
    let meant = meant.unwrap_or_else(all);
    Err(no(No::NotFound, &messages::refused_unknown_link(link, node, meant)))
}

fn node(standing: &Standing, name: &str) -> Result<NodeName, Refused> {
    let spec = known(standing)?;
    let found = spec.nodes.keys().find(|n| n.as_str() == name).cloned();
    found.ok_or_else(|| no(No::NotFound, &no_node(&standing.record, name)))
}

fn group(standing: &Standing, name: &str) -> Result<GroupName, Refused> {
    let spec = known(standing)?;
    let found = spec.groups.keys().find(|g| g.as_str() == name).cloned();
    found.ok_or_else(|| no(No::NotFound, &no_group(&standing.record, name)))
}

/// The configuration. Of a node that has none yet nobody can say that it does not know a name.
fn known(standing: &Standing) -> Result<&ClusterSpec, Refused> {
    standing.record.spec().ok_or_else(|| nothing_known(standing))
}

fn what_if(standing: &Standing, suppose: &Suppose) -> Result<Reply, Refused> {
    let record = &*standing.record;
    let (hypothesis, words) = match suppose {
        Suppose::NodeLost { node: name } => {
            (Hypothesis::NodeDown(node(standing, name)?), phrase::suppose_lost(name))
        }
        Suppose::Drain { node: name } => {
            let node = node(standing, name)?;
            let command = Command::NodeDrain { node: node.clone() };
            refuse_as_then(standing, command, format!("tsugi node drain {name}"))?;
            (Hypothesis::NodeDrain(node), phrase::suppose_drained(name))
        }
        Suppose::Stop { group: name } => {
            let group = group(standing, name)?;
            let command = Command::GroupStop { group: group.clone() };
            refuse_as_then(standing, command, format!("tsugi group stop {name}"))?;
            (Hypothesis::GroupStop(group), phrase::suppose_stopped(name))
        }
        Suppose::Move { group: name, to } => {
            let (group, to) = (group(standing, name)?, node(standing, to)?);
            let command = Command::GroupMove { group: group.clone(), to: Some(to.clone()) };
            refuse_as_then(standing, command, format!("tsugi group move {name} {to}"))?;
            let words = phrase::suppose_moved(name, &to);
            (Hypothesis::GroupMove(group, to), words)
        }
        Suppose::LinkDown { node: name, link } => {
            let words = phrase::suppose_link_down(name, link);
            let node = node(standing, name)?;
            known_link(standing, &node, link)?;
            (Hypothesis::LinkDown(node, link.clone()), words)
        }
    };
    let planned = whatif(&situation(standing, record), &[hypothesis]);
    let mut outlook = view::outlook(record, &planned.plan, Some(phrased(&words)));
    outlook.notes = view::proofs(record, &planned.plan);
    Ok(Reply::Outlook(outlook))
}

/// What the command itself would be refused for is the answer to what it would do.
fn refuse_as_then(standing: &Standing, command: Command, words: String) -> Result<(), Refused> {
    let record = &*standing.record;
    let issued = Issued {
        command,
        words,
        person: String::new(),
        origin: String::new(),
        command_id: String::new(),
        decided_on: record.generation(),
        reason: "-".to_owned(),
        at: standing.at,
        before: Before::New,
    };
    match command::planned(&situation(standing, record), &issued) {
        Ok(_) | Err(Refusal::AlreadySo { .. }) => Ok(()),
        Err(refusal) => Err(refused(&refusal, record, &issued.words)),
    }
}

fn situation<'a>(standing: &Standing, record: &'a Record) -> Situation<'a> {
    Situation {
        record,
        sights: standing.sights.clone(),
        by: standing.me.clone(),
        at: standing.at,
        settled: Settled::Yes,
    }
}

/// What a configuration would do: its differences, and the plan that would follow.
fn plan(standing: &Standing, text: &str) -> Result<Reply, Refused> {
    let resolved = config::read(text).map_err(|problems| {
        let language = tsugi_messages::Language::En;
        let mut words: Vec<Words> =
            problems.iter().map(|p| told(&p.message(super::CONFIG_FILE, text, language))).collect();
        let what = if words.is_empty() { Words::default() } else { words.remove(0) };
        Refused { kind: No::Refused, rule: 0, what, because: words, next: None }
    })?;
    let old = standing.record.config.as_ref();
    let config = config::differences(old.map_or("", |c| c.text.as_str()), text);
    let Some(applied) = old else {
        let outlook = Outlook { config, ..Outlook::nothing() };
        return Ok(Reply::Outlook(outlook));
    };
    let mut record = (*standing.record).clone();
    let mut next = (**applied).clone();
    next.spec = resolved.spec;
    let next = Arc::new(next);
    record.config = Some(Arc::clone(&next));
    let planned = tsugi_cluster_rules::planner::plan(&situation(standing, &record));
    let mut outlook = view::outlook(&record, &planned.plan, None);
    view::add_later_ones(&mut outlook, &standing.record, &next.spec);
    outlook.config = config;
    Ok(Reply::Outlook(outlook))
}

fn shown(standing: &Standing) -> Result<Reply, Refused> {
    let config = standing.record.config.as_deref();
    let config = config.ok_or_else(|| nothing_known(standing))?;
    Ok(Reply::Config(Config { head: config_head(config), text: config.text.clone() }))
}

async fn backup(services: &Services, path: &str) -> Result<Reply, Refused> {
    let failed = |detail: String| no(No::Failed, &messages::backup_failed(path, detail));
    let bytes = ledger(services)?.backup().await.map_err(|e| failed(e.to_string()))?;
    let records = ledger(services)?.view().entries.under("").count();
    let hash = config::hash_of(&bytes);
    let target = std::path::PathBuf::from(path);
    let written = tokio::task::spawn_blocking(move || write_durably(&target, &bytes)).await;
    match written {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(failed(error.to_string())),
        Err(error) => return Err(failed(error.to_string())),
    }
    let what = told(&messages::backup_written(path, records, hash));
    Ok(Reply::Done(Done::at_once("", what)))
}

/// Writes a file that nobody else may read, makes it durable and reads it back.
fn write_durably(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match std::fs::read(path)? == bytes {
        true => Ok(()),
        false => Err(std::io::Error::other("read back different")),
    }
}
