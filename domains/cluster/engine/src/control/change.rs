//! A change: asked, decided by the rules, written with its audit line, told when it is committed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tsugi_cluster_rules::command::{self, Before, Command, Issued, Lines, Vouch};
use tsugi_cluster_rules::drill::failure::Failure;
use tsugi_cluster_rules::drill::{Back, Depth};
use tsugi_cluster_rules::lease::margin::weaker_without;
use tsugi_cluster_rules::monitors::MonitorId;
use tsugi_cluster_rules::node::Fate;
use tsugi_cluster_rules::plan::{Life, Situation};
use tsugi_cluster_rules::planner::config_mark;
use tsugi_cluster_rules::record::{AppliedConfig, AuditRecord, Draft, Record, Unconfirmed, Write};
use tsugi_cluster_rules::refusal::Refusal;
use tsugi_cluster_rules::start_kind::StartOption;
use tsugi_messages::{self as messages, phrase};
use tsugi_vocabulary::{Generation, GroupName, NameRefused, NodeName, ResourceName, Span, Wall};
use tsugi_wire::control as wire;
use tsugi_wire::control::report::{Done, No, Outlook, Refused, Waits};
use tsugi_wire::control::{Change, How, Operation, Reply, Words};

use super::answer::{informed, nothing_known};
use super::goals::{goals, of_what_is_so};
use super::person::Person;
use super::refusal::{no, no_group, no_node, refused};
use super::verify::{found_by_nodes, noted};
use super::view::words::{phrased, told};
use super::{Made, Services, mirrored, view, watched};
use crate::{config, records};

/// How often a decision is made again when the ledger moved on under it.
const TRIES: u32 = 8;
/// How long the nodes may take to say which configuration they run.
const HEARD_WITHIN: Duration = Duration::from_secs(1);
/// How long the ledger is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Carries a change out, or says why not.
pub(super) async fn change(services: &Services, change: &Change, person: &Person) -> Reply {
    match attempt(services, change, person).await {
        Ok(reply) => reply,
        Err(refused) => Reply::No(*refused),
    }
}

pub(super) type Tried<T> = Result<T, Box<Refused>>;

async fn attempt(services: &Services, change: &Change, person: &Person) -> Tried<Reply> {
    match &change.what {
        Operation::Init { text } => init(services, (change, person), text).await,
        Operation::Join { .. } if change.how == How::DryRun => {
            Ok(Reply::Outlook(Outlook::nothing()))
        }
        Operation::Join { token } => {
            let token = token.clone();
            made(change, services.membership.join(token).await)
        }
        Operation::Token { node, good_for } => {
            informed(services).await;
            let record = services.view.standing.borrow().record.clone();
            // Until a majority has joined the record is empty: the founding record, which the
            // membership reads, says then which nodes there will be.
            let name = match record.spec() {
                Some(_) => known_node(&record, node)?,
                None => self::node(&record, node)?,
            };
            if change.how == How::DryRun {
                return Ok(Reply::Outlook(Outlook::nothing()));
            }
            if record.spec().is_some() {
                audited(services, change, person).await?;
            }
            made(change, services.membership.token(name, *good_for).await)
        }
        Operation::Apply { text, verify, .. } => {
            informed(services).await;
            let found = found_by_nodes(services, change, (text, *verify)).await?;
            Ok(noted(entry(services, change, person).await?, found))
        }
        _ => {
            informed(services).await;
            entry(services, change, person).await
        }
    }
}

fn made(change: &Change, made: Result<Made, messages::Message>) -> Tried<Reply> {
    let made = made.map_err(|what| Box::new(no(No::Failed, &what)))?;
    let done = Done::at_once(&change.command, told(&made.what));
    Ok(Reply::Done(Done { secret: made.secret, ..done }))
}

/// Puts a command that is no entry by itself into the audit, before it has an effect.
async fn audited(services: &Services, change: &Change, person: &Person) -> Tried<()> {
    let (record, _) = newest(services, change).await?;
    let entry = accepted(change, person, record.generation());
    let draft = Draft::default().write(Write::Audit(entry));
    match wait_for(services.proposer.propose(draft)).await {
        Some(Fate::Taken(_)) => Ok(()),
        Some(Fate::Overtaken) => {
            let what = messages::command_overtaken(&change.words);
            Err(Box::new(no(No::Failed, &what)))
        }
        Some(Fate::Unknown) | None => Err(Box::new(unfinished(change))),
    }
}

/// The audit's line of a command that is carried out.
fn accepted(change: &Change, person: &Person, newest: Generation) -> AuditRecord {
    AuditRecord {
        at: wall(),
        command: change.command.clone(),
        person: person.0.clone(),
        origin: change.origin.clone(),
        words: change.words.clone(),
        reason: change.reason.clone(),
        decided_on: change.decided_on.unwrap_or(newest),
        outcome: "accepted".to_owned(),
    }
}

async fn init(
    services: &Services,
    (change, person): (&Change, &Person),
    text: &str,
) -> Tried<Reply> {
    let standing = services.view.standing.borrow().clone();
    if let Some(spec) = standing.record.spec() {
        let what = messages::cluster_exists(&spec.name);
        return Err(Box::new(no(No::Refused, &what)));
    }
    let config = applied(text, None)?;
    if change.how == How::DryRun {
        let disk = services.membership.disk(config).await;
        let notes = disk.map_err(|what| Box::new(no(No::Refused, &what)))?;
        let notes = notes.iter().map(told).collect();
        let config = config::differences("", text);
        return Ok(Reply::Outlook(Outlook { config, notes, ..Outlook::nothing() }));
    }
    let by = accepted(change, person, Generation::default());
    made(change, services.membership.init(config, by).await)
}

/// A file's text as a configuration that may be applied.
pub(super) fn applied(text: &str, unconfirmed: Option<Unconfirmed>) -> Tried<AppliedConfig> {
    match config::read(text) {
        Ok(resolved) => Ok(AppliedConfig {
            version: 1,
            hash: resolved.hash,
            text: text.to_owned(),
            spec: resolved.spec,
            unconfirmed,
        }),
        Err(problems) => {
            let language = tsugi_messages::Language::En;
            let tell = |p: &config::Problem| told(&p.message(super::CONFIG_FILE, text, language));
            let mut words: Vec<Words> = problems.iter().map(tell).collect();
            let what = if words.is_empty() { Words::default() } else { words.remove(0) };
            Err(Box::new(Refused {
                kind: No::Refused,
                rule: 0,
                what,
                because: words,
                next: Some("tsugi config validate".to_owned()),
            }))
        }
    }
}

fn known_node(record: &Record, name: &str) -> Tried<NodeName> {
    let known = record.spec().and_then(|s| s.nodes.keys().find(|n| n.as_str() == name));
    known.cloned().ok_or_else(|| Box::new(no(No::NotFound, &no_node(record, name))))
}

pub(super) fn group(record: &Record, name: &str) -> Tried<GroupName> {
    let unknown = |_: NameRefused| Box::new(no(No::NotFound, &no_group(record, name)));
    GroupName::new(name).map_err(unknown)
}

pub(super) fn node(record: &Record, name: &str) -> Tried<NodeName> {
    let unknown = |_: NameRefused| Box::new(no(No::NotFound, &no_node(record, name)));
    NodeName::new(name).map_err(unknown)
}

/// The command about a single monitor.
fn monitor_command(what: &Operation, record: &Record, now: Wall) -> Tried<Option<Command>> {
    Ok(match what {
        Operation::SuspendMonitor { group: name, resource, monitor, hold } => {
            let until = hold.map(|span| Wall(now.0 + span.as_millis()));
            let id = monitor_id((name, resource, monitor.as_deref()))?;
            Some(Command::MonitorSuspend { group: group(record, name)?, id, until })
        }
        Operation::ResumeMonitor { group: name, resource, monitor } => {
            let id = monitor_id((name, resource, monitor.as_deref()))?;
            Some(Command::MonitorResume { group: group(record, name)?, id })
        }
        _ => None,
    })
}

/// A monitor by its names. What cannot be a name is none that there is.
fn monitor_id((group, resource, monitor): (&str, &str, Option<&str>)) -> Tried<MonitorId> {
    let name = |text: &str| {
        ResourceName::new(text).map_err(|_: NameRefused| {
            let path = [Some(group), Some(resource), monitor];
            let path: Vec<&str> = path.into_iter().flatten().collect();
            Box::new(no(No::NotFound, &messages::refused_no_such_monitor(path.join("/"), "-")))
        })
    };
    Ok(MonitorId::new(name(resource)?, monitor.map(name).transpose()?))
}

fn rehearse(
    record: &Record,
    (name, on): (&str, Option<NodeName>),
    (level, limit): (wire::drill::Beside, Span),
) -> Tried<Command> {
    let depth = match level {
        wire::drill::Beside::Read => Depth::Read,
        wire::drill::Beside::Isolate => Depth::Isolate,
    };
    Ok(Command::GroupRehearse { group: group(record, name)?, on, depth, limit })
}

/// For how long a group that is moved by a test stays there: it is seen to run, no more.
const STAY: Span = Span::secs(1);

fn failure_test(record: &Record, failure: &wire::drill::Failure, within: Span) -> Tried<Command> {
    use wire::drill::Failure as Asked;
    let failure = match failure {
        Asked::GroupMove { group: name, to } => {
            let to = to.as_ref().map(|name| node(record, name)).transpose()?;
            let lines = Lines { gap: within, window: STAY };
            return Ok(Command::TestMove { group: group(record, name)?, to, lines });
        }
        Asked::GroupStop { group: name } => Failure::GroupStop { group: group(record, name)? },
        Asked::NodeDrain { node: name } => Failure::NodeDrain { node: node(record, name)? },
        Asked::ProcessKill { group: name, resource } => {
            let of = |text: &String| {
                let unknown = |_: NameRefused| {
                    let what = messages::refused_no_such_process(name, text);
                    Box::new(no(No::NotFound, &what))
                };
                ResourceName::new(text).map_err(unknown)
            };
            let resource = resource.as_ref().map(of).transpose()?;
            Failure::ProcessKill { group: group(record, name)?, resource }
        }
        Asked::AgentKill { node: name } => Failure::AgentKill { node: node(record, name)? },
    };
    Ok(Command::FailureTest { failure, within })
}

fn resume(record: &Record, name: &str, vouch: &wire::Vouch) -> Tried<Command> {
    let vouch = match vouch {
        wire::Vouch::Nothing => Vouch::Nothing,
        wire::Vouch::OwnerIsOff => Vouch::OwnerIsOff,
    };
    Ok(match name {
        wire::ALL_GROUPS => Command::AllResume { vouch },
        name => Command::GroupResume { group: group(record, name)?, vouch },
    })
}

/// A configuration that goes back by itself unless it is confirmed `within`, where that is said.
fn apply(record: &Record, text: &str, (within, now): (Option<Span>, Wall)) -> Tried<Command> {
    let since = Some(now);
    let waits = |within| Unconfirmed { back_to: sure_text(record), within, since };
    Ok(Command::ConfigApply { config: Box::new(applied(text, within.map(waits))?) })
}

/// The command of the rules; none for what is no ledger entry by itself.
fn command(what: &Operation, record: &Record, now: Wall) -> Tried<Option<Command>> {
    let maybe = |name: &Option<String>| name.as_ref().map(|n| node(record, n)).transpose();
    Ok(Some(match what {
        Operation::Init { .. } | Operation::Join { .. } | Operation::Token { .. } => {
            return Ok(None);
        }
        Operation::Leave { node: name } => Command::NodeRemove { node: node(record, name)? },
        Operation::Drain { node: name } => Command::NodeDrain { node: node(record, name)? },
        Operation::Undrain { node: name } => Command::NodeUndrain { node: node(record, name)? },
        Operation::Fence { node: name } => Command::NodeFence { node: node(record, name)? },
        Operation::ConfirmOff { node: name } => {
            Command::NodeConfirmOff { node: node(record, name)? }
        }
        Operation::Start { group: name, on, option } => Command::GroupStart {
            group: group(record, name)?,
            option: match option {
                wire::StartOption::None => StartOption::None,
                wire::StartOption::Fresh => StartOption::Fresh,
                wire::StartOption::Inherit => StartOption::Inherit,
            },
            node: maybe(on)?,
        },
        Operation::Stop { group: name } => Command::GroupStop { group: group(record, name)? },
        Operation::Move { group: name, to } => {
            Command::GroupMove { group: group(record, name)?, to: maybe(to)? }
        }
        Operation::Drill { group: name, to, window, gap } => Command::GroupDrill {
            group: group(record, name)?,
            to: maybe(to)?,
            lines: Lines { gap: *gap, window: *window },
        },
        Operation::Rehearse { group: name, on, level, limit } => {
            rehearse(record, (name, maybe(on)?), (*level, *limit))?
        }
        Operation::FailureTest { failure, within } => failure_test(record, failure, *within)?,
        Operation::DrillBack { group: name } => {
            let group = group(record, name)?;
            Command::DrillBack { group, because: Back::Ordered, gap: None }
        }
        Operation::Pause { group: name, hold } => {
            let until = hold.map(|span| Wall(now.0 + span.as_millis()));
            match name.as_str() {
                wire::ALL_GROUPS => Command::AllPause { until },
                name => Command::GroupPause { group: group(record, name)?, until },
            }
        }
        Operation::Resume { group: name, vouch } => resume(record, name, vouch)?,
        Operation::Clear { group: name } => Command::GroupClear { group: group(record, name)? },
        Operation::MirrorAlone { .. }
        | Operation::MirrorAlike { .. }
        | Operation::MirrorThere { .. }
        | Operation::MirrorChosen { .. } => return mirrored::command(what, record),
        Operation::SuspendMonitor { .. } | Operation::ResumeMonitor { .. } => {
            return monitor_command(what, record, now);
        }
        Operation::Load { .. }
        | Operation::Kill { .. }
        | Operation::Hold { .. }
        | Operation::Watch { .. } => return watched::command(what, record),
        Operation::Apply { text, confirm_within, verify: _ } => {
            apply(record, text, (*confirm_within, now))?
        }
        Operation::Confirm => Command::ConfigConfirm,
        Operation::Stretch { ratio, within } => Command::Stretch { ratio: *ratio, within: *within },
        Operation::StretchEnd => Command::StretchEnd,
        Operation::Undo { text } => Command::ConfigUndo { config: Box::new(applied(text, None)?) },
    }))
}

/// The newest configuration that needs no confirmation: what an apply goes back to, also when
/// another one waits.
fn sure_text(record: &Record) -> String {
    let Some(config) = record.config.as_deref() else { return String::new() };
    config.unconfirmed.as_ref().map_or_else(|| config.text.clone(), |u| u.back_to.clone())
}

/// Decides, writes, and decides again if the ledger moved on in between.
async fn entry(services: &Services, change: &Change, person: &Person) -> Tried<Reply> {
    for _ in 0..TRIES {
        let (record, before) = newest(services, change).await?;
        all_configured(services, &record).await;
        let now = wall();
        let Some(command) = command(&change.what, &record, now)? else { break };
        let issued = issued(change, person, (command, before), (&record, now));
        let standing = services.view.standing.borrow().clone();
        let situation = Situation {
            record: &record,
            sights: standing.sights.clone(),
            by: standing.me.clone(),
            at: now,
            settled: standing.settled,
        };
        let planned = match command::planned(&situation, &issued) {
            Ok(planned) => planned,
            Err(refusal) if is_so_already(&change.what, &refusal) => {
                let what = already_so(change, &refusal, &record);
                return Ok(nothing_to_do(change, &what, &situation));
            }
            Err(refusal) => {
                return Err(refuse(services, change, (&issued, &refusal), &record).await);
            }
        };
        if change.how == How::DryRun {
            let mut outlook = view::outlook(&record, &planned.plan, None);
            outlook.config = config_words(change, &record);
            if let Command::ConfigApply { config } = &issued.command {
                view::add_later_ones(&mut outlook, &record, &config.spec);
            }
            outlook.notes = notes(&issued.command, &record, now);
            return Ok(Reply::Outlook(outlook));
        }
        let Some(draft) = planned.draft else { break };
        match wait_for(services.proposer.propose(draft)).await {
            Some(Fate::Taken(index)) => {
                let done = Done {
                    index: Some(index.0),
                    generation: Some(planned.plan.generation.0),
                    goals: goals(&change.what, &record, &planned.plan),
                    waits_for: waits_for(&change.what, &record, now),
                    notes: notes(&issued.command, &record, now),
                    ..Done::at_once(&change.command, taken(change))
                };
                return Ok(Reply::Done(done));
            }
            Some(Fate::Overtaken) => {}
            Some(Fate::Unknown) | None => return Err(Box::new(unfinished(change))),
        }
    }
    let what = messages::command_overtaken(&change.words);
    Err(Box::new(no(No::Failed, &what)))
}

/// Waits until every node that is heard has said that it runs the configuration of `record`: right
/// after an apply or a founding their last words are older, and what they say then would refuse
/// the next command of a script. A node that stays behind is decided about as it is.
async fn all_configured(services: &Services, record: &Record) {
    let Some(config) = record.config.as_ref() else { return };
    let mark = config_mark(&config.hash);
    let mut standing = services.view.standing.clone();
    let all = standing.wait_for(|s| {
        s.sights.values().all(|sight| sight.life != Life::Heard || sight.config == mark)
    });
    let _late = tokio::time::timeout(HEARD_WITHIN, all).await;
}

/// The newest record that a majority has, and whether it knows this command.
async fn newest(services: &Services, change: &Change) -> Tried<(Record, Before)> {
    let lost = || {
        let standing = services.view.standing.borrow();
        let votes = view::status(&standing).votes;
        let what = messages::refused_no_majority(&change.words, votes.heard, votes.of);
        Box::new(no(No::NoMajority, &what))
    };
    let Some(ledger) = (services.ledger)() else {
        return Err(Box::new(nothing_known(&services.view.standing.borrow())));
    };
    match wait_for(ledger.barrier()).await {
        Some(Ok(_)) => {}
        Some(Err(_)) | None => return Err(lost()),
    }
    let view = ledger.view();
    let record = records::record(&view, &Record::default()).map_err(|unreadable| {
        let what = messages::internal_failure(&change.words, unreadable);
        Box::new(no(No::Failed, &what))
    })?;
    let known = records::command_known(&view, &change.command);
    Ok((record, if known { Before::CarriedOut } else { Before::New }))
}

fn issued(
    change: &Change,
    person: &Person,
    (command, before): (Command, Before),
    (record, at): (&Record, Wall),
) -> Issued {
    Issued {
        command,
        words: change.words.clone(),
        person: person.0.clone(),
        origin: change.origin.clone(),
        command_id: change.command.clone(),
        decided_on: change.decided_on.unwrap_or_else(|| record.generation()),
        reason: match change.how {
            // What would happen may be asked without one.
            How::DryRun if change.reason.trim().is_empty() => "-".to_owned(),
            How::DryRun | How::ForReal => change.reason.clone(),
        },
        at,
        before,
    }
}

/// A refusal is in the audit too, unless nothing was really asked for.
async fn refuse(
    services: &Services,
    change: &Change,
    (issued, refusal): (&Issued, &Refusal),
    record: &Record,
) -> Box<Refused> {
    let repeated = matches!(refusal, Refusal::Repeated { .. });
    if change.how == How::ForReal && !repeated {
        let draft = command::refused(issued, refusal);
        // The refusal stands whether or not its line could be written.
        let _written = wait_for(services.proposer.propose(draft)).await;
    }
    Box::new(match (&change.what, refusal) {
        (Operation::Confirm, Refusal::AlreadySo { .. }) => {
            no(No::Refused, &messages::nothing_to_confirm())
        }
        _ => refused(refusal, record, &change.words),
    })
}

/// Whether a command is the repeat of what was done. That nothing waits to be confirmed is none:
/// what waited may have gone back.
fn is_so_already(what: &Operation, refusal: &Refusal) -> bool {
    refusal.is_so_already() && !matches!(what, Operation::Confirm)
}

/// In the words of what was asked for.
fn already_so(change: &Change, refusal: &Refusal, record: &Record) -> messages::Message {
    match (&change.what, refusal, record.config.as_deref()) {
        (Operation::Apply { .. }, _, Some(config)) => messages::config_unchanged(config.version),
        (_, Refusal::NotPaused { group }, _) => messages::refused_already_so(group),
        (_, Refusal::AlreadySo { what }, _) => messages::refused_already_so(what),
        _ => messages::refused_already_so(&change.words),
    }
}

/// The answer to a command that has nothing to change: it has no effect, so it is no line of the
/// audit either; who waits for it waits for what is still under way.
fn nothing_to_do(change: &Change, what: &messages::Message, situation: &Situation<'_>) -> Reply {
    if change.how == How::DryRun {
        return Reply::Outlook(Outlook { notes: vec![told(what)], ..Outlook::nothing() });
    }
    let decisions = tsugi_cluster_rules::planner::decide(situation);
    Reply::Done(Done {
        already_so: true,
        goals: of_what_is_so(&change.what, situation.record, &decisions),
        ..Done::at_once(&change.command, told(what))
    })
}

fn unfinished(change: &Change) -> Refused {
    let seconds = PATIENCE.as_secs();
    let what = messages::command_still_running(&change.words, seconds, &change.command);
    no(No::StillRunning, &what)
}

/// What a command leaves weaker than it was.
fn notes(command: &Command, before: &Record, now: Wall) -> Vec<Words> {
    match command {
        Command::NodeRemove { node } => {
            let weaker = weaker_without(before, node);
            weaker
                .map(|left| told(&messages::fewer_voters(node, left.voters, left.spare)))
                .into_iter()
                .collect()
        }
        Command::Stretch { ratio, within } => view::stretching(before, *ratio, (*within, now)),
        Command::StretchEnd => view::unwinding(before),
        _ => Vec::new(),
    }
}

fn taken(change: &Change) -> Words {
    phrased(&phrase::command_taken(&change.words))
}

/// What still has to be said for it to stay.
fn waits_for(what: &Operation, before: &Record, now: Wall) -> Option<Waits> {
    let Operation::Apply { confirm_within: Some(within), .. } = what else { return None };
    let version = before.config.as_ref().map_or(0, |c| c.version) + 1;
    let unconfirmed = Unconfirmed { back_to: String::new(), within: *within, since: Some(now) };
    let what = view::waits_for_confirm(version, &unconfirmed);
    Some(Waits { what: told(&what), next: what.next() })
}

/// What an apply would change in the configuration.
fn config_words(change: &Change, record: &Record) -> Vec<Words> {
    match &change.what {
        Operation::Apply { text, .. } => {
            let old = record.config.as_ref().map_or("", |c| c.text.as_str());
            config::differences(old, text)
        }
        _ => Vec::new(),
    }
}

async fn wait_for<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, future).await.ok()
}

/// The time on the wall.
pub(super) fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
