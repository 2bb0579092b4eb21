//! `drill --plan` and `drill --all`: failure tests in the order of a plan (PH-17).
//!
//! Each test is one command of the audit, and the cluster itself puts right what it has changed.
//! This only gives the next order, watches, and writes down what it saw: where it ends, whatever
//! is under way ends by itself and nothing follows it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Serialize;
use tsugi_cluster_engine::test_plan::{self, In, Test, What};
use tsugi_messages::{self as messages, Phrase, phrase};
use tsugi_vocabulary::Span;
use tsugi_wire::control::drill::Failure;
use tsugi_wire::control::report::{Group, No, Refused, Status};
use tsugi_wire::control::{How, Operation, Reply, Request};

use super::drill::{PATIENCE, awaited, change, file_name, put_report, tell_unwritten};
use super::read::{self, strange};
use crate::args::Drill as Asked;
use crate::ask::{Agents, Silence};
use crate::exit::Exit;
use crate::out::{Form, Observed, Out, Schema, envelope};
use crate::render::{Came, Outcome, failure_test_lines, failure_tests_page};

const SCHEMA: Schema = Schema::first("tsugi.tests");
/// How often the status is asked for, where it is to become as it was.
const LOOK: Duration = Duration::from_millis(100);
/// How long the agent that is asked may take to show what the ledger has.
const LAG: Span = Span::secs(20);
/// The most takeovers of one group that one test can lead to.
const STORIES: u64 = 6;

/// What is shown, and what stands in the report.
#[derive(Serialize)]
struct Shown<'a> {
    /// The file of the plan; none for the automated order.
    plan: Option<String>,
    reason: &'a str,
    tests: &'a [Outcome],
    report: Option<String>,
}

/// What is run: the tests, and what is said of each.
struct Run {
    tests: Vec<Test>,
    outcomes: Vec<Outcome>,
    began: Observed,
}

/// `drill --plan FILE` and `drill --all`.
pub(super) fn run(agents: &Agents, out: &Out, asked: &Asked) -> Exit {
    let (status, began) = match status(agents, out) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let tests = match &asked.plan {
        None => test_plan::automatic(&status),
        Some(file) => match of_file(out, (file, asked.variables.as_deref()), &status) {
            Ok(tests) => tests,
            Err(exit) => return exit,
        },
    };
    let outcomes = (1..).zip(&tests).map(|(number, test)| shown(number, test, &status)).collect();
    let mut run = Run { tests, outcomes, began };
    if let Err(exit) = would_go(agents, out, asked, &mut run) {
        return exit;
    }
    let title = title(out, asked, &run);
    if out.form == Form::Text {
        out.say(&title);
    }
    if asked.changing.dry_run {
        let tests = &run.outcomes[..];
        let shown = Shown { plan: plan(asked), reason: "", tests, report: None };
        out.show(SCHEMA, &run.began, &shown, || {
            tests.iter().flat_map(|test| failure_test_lines(test, out.language)).collect()
        });
        return Exit::Done;
    }
    if let Err(exit) = run_all(agents, out, asked, &mut run) {
        return exit;
    }
    report(agents, out, asked, (&title, &run))
}

fn plan(asked: &Asked) -> Option<String> {
    asked.plan.as_ref().map(|file| file.display().to_string())
}

fn title(out: &Out, asked: &Asked, run: &Run) -> Phrase {
    let of = plan(asked).unwrap_or_else(|| phrase::test_of_cluster().text(out.language));
    phrase::test_heading(of, run.tests.len())
}

fn status(agents: &Agents, out: &Out) -> Result<(Status, Observed), Exit> {
    match read::ask(agents, out, (&Request::Status, "tsugi drill"))? {
        (Reply::Status(status), observed) => Ok((status, observed)),
        _ => Err(strange(out, "tsugi drill")),
    }
}

/// The tests of a file, or all that is wrong with it.
fn of_file(
    out: &Out,
    (plan, variables): (&Path, Option<&Path>),
    status: &Status,
) -> Result<Vec<Test>, Exit> {
    let bytes = |file: &Path| {
        contents(file).map_err(|error| {
            out.tell(&messages::test_plan_unreadable(file.display(), error));
            Exit::Usage
        })
    };
    let text = bytes(plan)?;
    let values = variables.map(bytes).transpose()?;
    test_plan::read(&text, values.as_deref(), status).map_err(|problems| {
        for problem in problems {
            let file = match problem.file {
                In::Plan => plan,
                In::Variables => variables.unwrap_or(plan),
            };
            let what = problem.what.text(out.language);
            out.say_text(
                &messages::test_plan_wrong(file.display(), problem.line, what).line(out.language),
            );
        }
        Exit::Usage
    })
}

/// No more of a file than tells that it is too large, and no more waiting than a file needs.
fn contents(file: &Path) -> io::Result<Vec<u8>> {
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    File::open(file)?.take(test_plan::LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A test that was not run.
fn shown(number: usize, test: &Test, status: &Status) -> Outcome {
    Outcome {
        number,
        line: test.line,
        test: test.name.clone(),
        what: words(test, status),
        comment: test.comment.clone(),
        within_ms: test.within.as_millis(),
        result: Came::NotRun,
        why: None,
        command: None,
        began: None,
        took_ms: None,
        out_of_service_ms: BTreeMap::new(),
    }
}

/// What a test does, on which node, what has to follow, and what stands still meanwhile.
fn words(test: &Test, status: &Status) -> Phrase {
    let owner = |name: &String| {
        let group = status.groups.iter().find(|group| group.name == *name);
        group.and_then(|group| group.owner.clone()).unwrap_or_else(|| "-".to_owned())
    };
    match &test.what {
        What::Make(failure) => match failure {
            Failure::GroupMove { group, to: Some(to) } => phrase::test_group_move(group, to),
            Failure::GroupMove { group, to: None } => phrase::test_group_move_any(group),
            Failure::GroupStop { group } => phrase::test_group_stop(group, owner(group)),
            Failure::NodeDrain { node } => phrase::test_node_drain(node, groups_of(status, node)),
            Failure::ProcessKill { group, resource: None } => {
                phrase::test_process_kill(group, owner(group))
            }
            Failure::ProcessKill { group, resource: Some(resource) } => {
                phrase::test_resource_kill(group, resource, owner(group))
            }
            Failure::AgentKill { node } => phrase::test_agent_kill(node, groups_of(status, node)),
        },
        What::InService(nodes) => phrase::test_in_service(nodes.join(", ")),
        What::Runs(group) => phrase::test_runs(group),
        What::Wait(time) => phrase::test_wait(time.as_millis()),
    }
}

fn groups_of(status: &Status, node: &str) -> String {
    let all = status.groups.iter().filter(|group| group.owner.as_deref() == Some(node));
    let names: Vec<&str> = all.map(|group| group.name.as_str()).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

fn made(failure: &Failure, within: Span) -> Operation {
    Operation::FailureTest { failure: failure.clone(), within }
}

/// Asks of every test whether it would be refused now, before any of them is run. One of a file is
/// then an error; in the automated order it is left out, unless the cluster refuses all of it.
fn would_go(agents: &Agents, out: &Out, asked: &Asked, run: &mut Run) -> Result<(), Exit> {
    for (test, outcome) in run.tests.iter().zip(&mut run.outcomes) {
        let What::Make(failure) = &test.what else { continue };
        let request = Request::Change(change(asked, made(failure, test.within), How::DryRun));
        let answer =
            agents.ask(&request).map_err(|silence| silence.tell(out, ("tsugi drill", &request)))?;
        let observed = read::observed(&answer);
        let refused = match answer.reply {
            Reply::Outlook(_) => continue,
            Reply::No(refused) => refused,
            _ => return Err(strange(out, "tsugi drill")),
        };
        let of_all = refused.what.id == messages::refused_in_production().id()
            || !matches!(refused.kind, No::Refused | No::NotFound);
        if of_all || asked.plan.is_some() {
            if !of_all {
                let what = out.words(&refused.what);
                out.tell(&messages::test_refused(outcome.number, what));
            }
            return Err(read::no(out, &refused, &observed));
        }
        outcome.result = Came::LeftOut;
        outcome.why = Some(phrase::test_why_refused(out.words(&refused.what)));
    }
    match run.outcomes.iter().any(|outcome| outcome.result == Came::NotRun) {
        true => Ok(()),
        false => {
            out.tell(&messages::test_refused(0, phrase::test_plan_empty().text(out.language)));
            Err(Exit::Refused)
        }
    }
}

/// What came of one test.
struct Ended {
    why: Option<Phrase>,
    command: Option<String>,
    out_of_service: BTreeMap<String, u64>,
}

impl Ended {
    fn because(why: Phrase) -> Self {
        Self { why: Some(why), command: None, out_of_service: BTreeMap::new() }
    }

    const fn well() -> Self {
        Self { why: None, command: None, out_of_service: BTreeMap::new() }
    }
}

/// Runs one test after the other, until one fails.
fn run_all(agents: &Agents, out: &Out, asked: &Asked, run: &mut Run) -> Result<(), Exit> {
    let mut is_first = true;
    for at in 0..run.tests.len() {
        let (Some(test), Some(outcome)) = (run.tests.get(at), run.outcomes.get_mut(at)) else {
            break;
        };
        if outcome.result == Came::NotRun {
            let begin = Instant::now();
            outcome.began = Some(Observed::here().at);
            let ended = match one(agents, out, asked, test) {
                Ok(ended) => ended,
                // Nothing was done yet: why is the answer, and there is nothing to report.
                Err(refused) if is_first => {
                    return Err(read::no(out, &refused, &Observed::here()));
                }
                Err(refused) => Ended::because(phrase::test_why_refused(out.words(&refused.what))),
            };
            is_first = false;
            let took = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
            outcome.took_ms = Some(took);
            outcome.result = if ended.why.is_none() { Came::Passed } else { Came::Failed };
            outcome.why = ended.why;
            outcome.command = ended.command;
            outcome.out_of_service_ms = ended.out_of_service;
        }
        if out.form == Form::Text {
            out.lines(failure_test_lines(outcome, out.language));
        }
        if outcome.result == Came::Failed {
            break;
        }
    }
    Ok(())
}

fn one(agents: &Agents, out: &Out, asked: &Asked, test: &Test) -> Result<Ended, Box<Refused>> {
    match &test.what {
        What::Wait(time) => {
            sleep(time.to_std());
            Ok(Ended::well())
        }
        What::InService(nodes) => Ok(in_time(agents, test.within, |status| {
            let up = |name: &String| {
                let found = status.nodes.iter().find(|node| node.name == *name);
                found.is_some_and(|n| n.state == "up" && n.intent == "in-service")
            };
            nodes.iter().find(|name| !up(name)).map(phrase::test_why_node)
        })),
        What::Runs(name) => {
            Ok(in_time(agents, test.within, |status| serves(status, name, None).err()))
        }
        What::Make(failure) => make(agents, out, asked, (test, failure)),
    }
}

/// Looks until nothing is wrong any more, at most for so long.
fn in_time(agents: &Agents, within: Span, wrong: impl Fn(&Status) -> Option<Phrase>) -> Ended {
    let end = Instant::now() + within.to_std();
    loop {
        let why = match agents.ask(&Request::Status).map(|answer| answer.reply) {
            Ok(Reply::Status(status)) => wrong(&status),
            Ok(_) | Err(_) => Some(phrase::test_why_unknown()),
        };
        match why {
            None => return Ended::well(),
            Some(why) if Instant::now() >= end => return Ended::because(why),
            Some(_) => sleep(LOOK),
        }
    }
}

/// Has something fail, watches until the cluster has put it right, and looks at all of it again.
fn make(
    agents: &Agents,
    out: &Out,
    asked: &Asked,
    (test, failure): (&Test, &Failure),
) -> Result<Ended, Box<Refused>> {
    until_it_would_go(agents, asked, (test, failure));
    let before = match agents.ask(&Request::Status).map(|answer| answer.reply) {
        Ok(Reply::Status(status)) => status,
        Ok(_) | Err(_) => return Ok(Ended::because(phrase::test_why_unknown())),
    };
    let order = change(asked, made(failure, test.within), How::ForReal);
    let id = order.command.clone();
    match agents.ask(&Request::Change(order)).map(|answer| answer.reply) {
        Ok(Reply::Done(_)) => {}
        Ok(Reply::No(refused)) if refused.kind != No::StillRunning => {
            return Err(Box::new(refused));
        }
        // The agent that is to die may do so before it has answered: the ledger tells.
        Ok(Reply::No(_)) | Err(Silence::HungUp | Silence::TimedOut(_)) => {}
        Ok(_) | Err(_) => return Ok(Ended::because(phrase::test_why_unknown())),
    }
    let limit = test.within + test.within + PATIENCE;
    let mut ended = match failure {
        Failure::GroupMove { group, .. } => moved(agents, out, (group, &id), limit),
        Failure::GroupStop { .. }
        | Failure::NodeDrain { .. }
        | Failure::ProcessKill { .. }
        | Failure::AgentKill { .. } => put_right(agents, out, &id, limit),
    };
    let concerned = concerned(&before, failure);
    if ended.why.is_none() {
        let rises = match failure {
            Failure::GroupMove { .. } | Failure::GroupStop { .. } | Failure::NodeDrain { .. } => {
                Rises::Yes
            }
            // A restart in place, or an agent that takes up what runs, keeps the epoch.
            Failure::ProcessKill { .. } | Failure::AgentKill { .. } => Rises::Perhaps,
        };
        ended.why = in_time(agents, LAG, |status| {
            concerned.iter().find_map(|was| as_before(status, was, rises).err())
        })
        .why;
    }
    if ended.out_of_service.is_empty() {
        let gaps = concerned.iter().filter_map(|was| Some((was.name.clone(), gap(agents, was)?)));
        ended.out_of_service = gaps.collect();
    }
    Ok(Ended { command: Some(id), ..ended })
}

/// Waits while a test would be refused for something that passes by itself, as what the test before
/// it leaves behind: a node that was away, a group on its way. What it is then refused for is told.
fn until_it_would_go(agents: &Agents, asked: &Asked, (test, failure): (&Test, &Failure)) {
    let end = Instant::now() + LAG.to_std();
    while Instant::now() < end {
        let would = change(asked, made(failure, test.within), How::DryRun);
        match agents.ask(&Request::Change(would)).map(|answer| answer.reply) {
            Ok(Reply::Outlook(_)) => return,
            Ok(_) | Err(_) => sleep(LOOK),
        }
    }
}

/// The groups that a failure puts out of service, as they are before it.
fn concerned(before: &Status, failure: &Failure) -> Vec<Group> {
    let is = |group: &&Group| match failure {
        Failure::GroupMove { group: name, .. }
        | Failure::GroupStop { group: name }
        | Failure::ProcessKill { group: name, .. } => group.name == *name,
        // What has no other node stays there.
        Failure::NodeDrain { node } => {
            group.owner.as_ref() == Some(node) && group.prefer.iter().any(|other| other != node)
        }
        Failure::AgentKill { node } => group.owner.as_ref() == Some(node),
    };
    before.groups.iter().filter(is).cloned().collect()
}

/// The group of a drill has come home.
fn moved(agents: &Agents, out: &Out, (group, id): (&str, &str), limit: Span) -> Ended {
    let request = Request::Drill { group: group.to_owned() };
    let ended = awaited(agents, out, (&request, limit), |reply, _| {
        let Reply::Drill(drills) = reply else { return None };
        drills.newest.filter(|drill| drill.id == id && drill.verdict.is_some())
    });
    let Ok(Some(drill)) = ended else { return Ended::because(phrase::test_why_unknown()) };
    let longest = drill.ways.iter().filter_map(|way| way.gap_ms).max();
    let out_of_service = longest.map(|millis| (group.to_owned(), millis)).into_iter().collect();
    let why = match drill.verdict.as_deref() {
        Some("proven") => None,
        Some("beyond-line") => Some(phrase::test_why_late()),
        Some("stayed") => Some(phrase::test_why_stayed()),
        Some("interrupted") => Some(phrase::test_why_interrupted()),
        Some(_) | None => Some(phrase::test_why_not_running(group)),
    };
    Ended { why, command: None, out_of_service }
}

/// The cluster has put right what a failure test has changed.
fn put_right(agents: &Agents, out: &Out, id: &str, limit: Span) -> Ended {
    let ended = awaited(agents, out, (&Request::FailureTest, limit), |reply, _| {
        let Reply::FailureTest { newest } = reply else { return None };
        newest.filter(|test| test.id == id && test.ended.is_some())
    });
    let verdict = match &ended {
        Ok(Some(test)) => test.verdict.as_deref(),
        Ok(None) | Err(_) => None,
    };
    match verdict {
        Some("passed") => Ended::well(),
        Some("late") => Ended::because(phrase::test_why_late()),
        Some("stayed") => Ended::because(phrase::test_why_stayed()),
        Some("interrupted") => Ended::because(phrase::test_why_interrupted()),
        Some(_) | None => Ended::because(phrase::test_why_unknown()),
    }
}

/// Whether a group has to have a higher epoch after a test.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rises {
    Yes,
    Perhaps,
}

/// A group runs where it ran, has one owner, and its epoch is what it has to be.
fn as_before(status: &Status, was: &Group, rises: Rises) -> Result<(), Phrase> {
    let now = serves(status, &was.name, was.owner.as_deref())?;
    let (before, after) = (epoch(&was.epoch), epoch(&now.epoch));
    match rises {
        Rises::Yes if after <= before => Err(phrase::test_why_epoch(&was.name)),
        Rises::Perhaps if after < before => Err(phrase::test_why_epoch(&was.name)),
        Rises::Yes | Rises::Perhaps => Ok(()),
    }
}

fn serves<'s>(status: &'s Status, name: &str, on: Option<&str>) -> Result<&'s Group, Phrase> {
    let found = status.groups.iter().find(|group| group.name == name && group.state == "running");
    let group = found.ok_or_else(|| phrase::test_why_not_running(name))?;
    if let Some(on) = on.filter(|on| group.owner.as_deref() != Some(on)) {
        return Err(phrase::test_why_elsewhere(name, on));
    }
    let owners = status.nodes.iter().filter(|node| node.groups.iter().any(|of| of == name));
    if owners.count() == 1 { Ok(group) } else { Err(phrase::test_why_not_one_owner(name)) }
}

/// `e1.12` as numbers that can be compared.
fn epoch(text: &str) -> (u64, u64) {
    let (life, counter) = text.trim_start_matches('e').split_once('.').unwrap_or_default();
    (life.parse().unwrap_or(0), counter.parse().unwrap_or(0))
}

/// For how long a group was out of service at most, by the stories of its history since.
fn gap(agents: &Agents, was: &Group) -> Option<u64> {
    let story = |back: u64| {
        let request = Request::Explain { group: Some(was.name.clone()), back };
        match agents.ask(&request).ok()?.reply {
            Reply::Explain(told) => told.story.filter(|s| epoch(&s.epoch) > epoch(&was.epoch)),
            _ => None,
        }
    };
    let since = (0..STORIES).map_while(story);
    since.filter_map(|story| story.without_service_ms).max()
}

/// Writes the report, says what came of all of it, and ends so.
fn report(agents: &Agents, out: &Out, asked: &Asked, (title, run): (&Phrase, &Run)) -> Exit {
    let reason = asked.changing.reason.as_deref().unwrap_or_default();
    let tests = &run.outcomes[..];
    let began = run.began.at;
    let page = failure_tests_page(out.language, (title, began), (reason, tests));
    let shown = |report| Shown { plan: plan(asked), reason, tests, report };
    let data = |path: &Path| envelope(SCHEMA, &run.began, &shown(Some(path.display().to_string())));
    let put = put_report((agents, asked), &file_name("tests", began), (&page, &data));
    let at = put.as_ref().ok().map(|path| path.display().to_string());
    if out.form == Form::Json {
        out.json(SCHEMA, &run.began, &shown(at.clone()));
    }
    if let (Form::Text, Some(at)) = (out.form, &at) {
        out.lines([phrase::drill_report_at(at).text(out.language)]);
    }
    let unwritten = tell_unwritten(out, &put);
    let all = |came| tests.iter().filter(move |test| test.result == came);
    match all(Came::Failed).next() {
        Some(failed) => {
            let why = failed.why.as_ref().map_or_else(String::new, |why| why.text(out.language));
            let left = all(Came::NotRun).count();
            out.tell(&messages::tests_failed(failed.number, why, left));
            Exit::Failed
        }
        None => {
            out.tell(&messages::tests_passed(all(Came::Passed).count()));
            if unwritten { Exit::PartFailed } else { Exit::Done }
        }
    }
}
