//! `drill`: how it is asked for, what is printed and written, and how it ends.

use std::path::Path;

use tsugi_messages::{self as messages, Recorded, phrase};
use tsugi_vocabulary::{Span, Wall};
use tsugi_wire::control::drill::{
    Beside, Drill, Drills, Failure, FailureTest, Fault, Part, Phase, Proven, Rehearsal, Rehearsed,
    Way,
};
use tsugi_wire::control::report::{
    CouldTake, Doctor, Done, Explain, Need, No, Outlook, Parity, ParityGap, Refused,
};
use tsugi_wire::control::{How, Operation, Reply, Request, Utc};

use crate::agent::{Agent, answer, bytes};
use crate::online::words;
use crate::schema::check;
use crate::{tsugi, tsugi_ja};

const AT: Utc = Utc(Wall(1_795_237_119_123));

fn way(from: &str, to: &str, gap_ms: u64) -> Way {
    let phase = |resource: &str, millis| Phase { resource: resource.to_owned(), millis };
    Way {
        from: from.to_owned(),
        to: to.to_owned(),
        at: AT,
        epoch: "e1.5".to_owned(),
        gap_ms: Some(gap_ms),
        stop: vec![phase("server<1>", 30), phase("disk", 12)],
        start: vec![phase("disk", 90), phase("server<1>", 200)],
        start_ms: Some(290),
    }
}

fn drills(id: &str, verdict: &str) -> Drills {
    let drill = Drill {
        id: id.to_owned(),
        level: "move".to_owned(),
        by: "mika".to_owned(),
        reason: "quarterly & more".to_owned(),
        began: AT,
        until: AT,
        line_ms: 10_000,
        state: "ended".to_owned(),
        because: None,
        ended: Some(AT),
        verdict: Some(verdict.to_owned()),
        outcome: Some(words(phrase::drill_verdict_proven().recorded())),
        ways: vec![way("node1", "node2", 400), way("node2", "node1", 12_000)],
    };
    let (from, to) = ("node1".to_owned(), "node2".to_owned());
    let proven = Proven { from, to, level: "move".to_owned(), at: AT, gap_ms: 400 };
    let (rehearsal, rehearsed) = (None, Vec::new());
    Drills {
        group: "PAY".to_owned(),
        newest: Some(drill),
        proven: vec![proven],
        rehearsal,
        rehearsed,
    }
}

/// An agent whose drill of every command has ended so.
fn ending(verdict: &'static str) -> Agent {
    ending_as(verdict, |_| {})
}

/// The same with what else is told of the drill.
fn ending_as(verdict: &'static str, change: fn(&mut Drill)) -> Agent {
    let id = std::sync::Mutex::new(String::new());
    Agent::that_does(move |request| {
        let mut id = id.lock().expect("nobody panicked");
        bytes(&answer(match request {
            Request::Change(change) => {
                id.clone_from(&change.command);
                let what = words(phrase::command_taken("tsugi drill").recorded());
                Reply::Done(Done::at_once(&change.command, what))
            }
            _ => {
                let mut told = drills(&id, verdict);
                told.newest.as_mut().into_iter().for_each(change);
                Reply::Drill(told)
            }
        }))
    })
}

fn drill(agent: &Agent, report: &Path, more: &[&str]) -> crate::Ran {
    let report = report.to_str().expect("plain");
    let first = ["drill", "PAY", "--level", "move", "--reason", "quarterly", "--report", report];
    tsugi(agent.run_dir(), &[&first[..], more].concat())
}

#[test]
fn a_drill_ends_as_it_ended_and_leaves_its_report_as_a_page_and_as_data() {
    let folder = tempfile::tempdir().unwrap();
    for (verdict, code) in [("proven", 0), ("beyond-line", 1), ("stayed", 1), ("interrupted", 1)] {
        let agent = ending(verdict);
        let ran = drill(&agent, folder.path(), &["--json"]);
        assert_eq!(ran.code, code, "{verdict}: {}", ran.err);
        assert_eq!(check(&ran.out), "tsugi.drill");
    }
    let path = |end: &str| folder.path().join(format!("PAY-20261121T045839123Z.{end}"));
    let page = std::fs::read_to_string(path("html")).expect("a page");
    for part in ["<svg", "server&lt;1&gt;", "quarterly &amp; more", "12000 ms", "</html>"] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("server<1>"), "{page}");
    let data = std::fs::read_to_string(path("json")).expect("data");
    assert_eq!(check(&data), "tsugi.drill");
}

#[test]
fn what_is_asked_for_is_the_group_its_bounds_and_where_to() {
    let agent = ending("proven");
    let folder = tempfile::tempdir().unwrap();
    let more = ["--to", "node2", "--window", "30s", "--gap", "5s"];
    let ran = drill(&agent, folder.path(), &more);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("report: ") && ran.out.contains("stop line 10000 ms"), "{}", ran.out);
    let Request::Change(change) = agent.first() else { panic!("{:?}", agent.first()) };
    let (group, to) = ("PAY".to_owned(), Some("node2".to_owned()));
    let (window, gap) = (Span::secs(30), Span::secs(5));
    assert_eq!(change.what, Operation::Drill { group, to, window, gap });
    assert_eq!((change.how, change.reason.as_str()), (How::ForReal, "quarterly"));
}

/// Nodes that lack nothing.
fn equal() -> Parity {
    Parity { verdicts: Vec::new(), inventory: serde_json::Value::Null }
}

/// Nodes of which one lacks a script.
fn unequal() -> Parity {
    let what = words(messages::parity_missing("PAY", "node2", "/opt/start").recorded());
    let gaps = vec![ParityGap { item: "program:/opt/start".to_owned(), what }];
    let (group, node, could) = ("PAY".to_owned(), "node2".to_owned(), "no".to_owned());
    let verdicts = vec![CouldTake { group, node, against: None, could, gaps }];
    Parity { verdicts, ..equal() }
}

#[test]
fn a_check_touches_nothing_and_shows_what_would_be_done_and_what_is_proven() {
    let agent = Agent::that_does(|request| {
        bytes(&answer(match request {
            Request::Change(change) => {
                assert_eq!(change.how, How::DryRun);
                Reply::Outlook(Outlook::nothing())
            }
            Request::Parity { .. } => Reply::Parity(equal()),
            Request::Doctor => Reply::Doctor(Doctor { findings: Vec::new(), settings: Vec::new() }),
            _ => Reply::Drill(drills("x", "proven")),
        }))
    });
    let words = ["drill", "PAY", "--level", "check"];
    let ran = tsugi(agent.run_dir(), &words);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("node1 → node2: last proven"), "{}", ran.out);
    let ran = tsugi_ja(agent.run_dir(), &words);
    assert!(ran.out.contains("最後の証明は"), "{}", ran.out);
    let ran = tsugi(agent.run_dir(), &[&words[..], &["--json"]].concat());
    assert_eq!(check(&ran.out), "tsugi.drill");
}

#[test]
fn a_report_that_cannot_be_written_is_said_and_the_drill_is_told_all_the_same() {
    let agent = ending("proven");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in-the-way");
    std::fs::write(&file, "").unwrap();
    let ran = drill(&agent, &file, &[]);
    assert_eq!(ran.code, 6, "{}", ran.err);
    assert!(ran.err.contains("TSUG10595-E"), "{}", ran.err);
    let worse = drill(&ending("failed"), &file, &[]);
    assert_eq!(worse.code, 1, "that nothing was proven goes first: {}", worse.err);
    assert!(worse.err.contains("TSUG10595-E"), "{}", worse.err);
    assert!(ran.out.contains("node1 → node2"), "{}", ran.out);
}

#[test]
fn a_level_is_needed_unless_the_last_one_is_asked_for() {
    let agent = ending("proven");
    let ran = tsugi(agent.run_dir(), &["drill", "PAY"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert_eq!(tsugi(agent.run_dir(), &["drill", "PAY", "--level", "whole"]).code, 2);
    let bad = tsugi(agent.run_dir(), &["drill", "PAY", "--level", "move", "--gap", "soon"]);
    assert_eq!(bad.code, 2, "{}", bad.err);
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().to_str().unwrap();
    let ran = tsugi(agent.run_dir(), &["drill", "PAY", "--last", "--report", report]);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn a_way_that_was_turned_back_shows_how_long_it_was_out_and_one_without_a_gap_no_bar_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let page = |change| {
        let agent = ending_as("beyond-line", change);
        let ran = drill(&agent, folder.path(), &[]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        let path = folder.path().join("PAY-20261121T045839123Z.html");
        (ran.out, std::fs::read_to_string(path).expect("a page"))
    };
    let (out, turned) = page(|drill| {
        drill.ways.truncate(1);
        drill.ways[0].start_ms = None;
        drill.ways[0].start.clear();
    });
    assert!(out.contains("turned back before it was up, 400 ms"), "{out}");
    assert!(turned.contains(">out of service<"), "{turned}");
    let (out, open) = page(|drill| {
        drill.ways.truncate(1);
        (drill.ways[0].gap_ms, drill.ways[0].start_ms) = (None, None);
    });
    assert!(out.contains("did not arrive"), "{out}");
    assert!(open.contains("<svg") && !open.contains(">out of service<"), "{open}");
}

#[test]
fn a_check_that_would_be_refused_shows_the_refusal_beside_what_is_to_be_mended_and_proven() {
    let agent = Agent::that_does(|request| {
        let need = |what: Recorded, about: &str| Need {
            severity: "W".to_owned(),
            about: about.to_owned(),
            what: words(what),
            because: None,
            next: None,
        };
        bytes(&answer(match request {
            Request::Change(_) => {
                let refused = messages::refused_group_paused("PAY", "taro", "backup", "-");
                let (kind, what, next) = (No::Refused, words(refused.recorded()), refused.next());
                Reply::No(Refused { kind, rule: 6, what, because: Vec::new(), next })
            }
            Request::Parity { .. } => Reply::Parity(unequal()),
            Request::Doctor => {
                let findings = vec![
                    need(messages::doctor_never_ran("PAY", "node2").recorded(), "PAY"),
                    need(messages::doctor_never_drilled("PAY", "node2").recorded(), "PAY"),
                    need(messages::doctor_no_device("PAY", "node2").recorded(), "PAY"),
                ];
                Reply::Doctor(Doctor { findings, settings: Vec::new() })
            }
            _ => Reply::Drill(drills("x", "proven")),
        }))
    });
    let words = ["drill", "PAY", "--level", "check"];
    let ran = tsugi(agent.run_dir(), &words);
    ran.ended(3, "TSUG10502-E").ended(3, "node1 → node2: last proven");
    let device = messages::doctor_no_device("PAY", "node2").id();
    ran.ended(3, device).ended(3, "/opt/start is missing");
    assert!(!ran.out.contains(messages::doctor_never_ran("", "").id()), "{}", ran.out);
    let ran = tsugi(agent.run_dir(), &[&words[..], &["--json"]].concat());
    assert_eq!((ran.code, check(&ran.out).as_str()), (3, "tsugi.drill"));
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told["findings"].as_array().map(Vec::len), Some(2), "a drill mends the others");
    assert_eq!(told["refusal"]["rule"], 6);
}

#[test]
fn who_waits_for_a_drill_of_a_group_that_is_gone_waits_no_longer() {
    let agent = Agent::that_does(|request| {
        bytes(&answer(match request {
            Request::Change(change) => {
                let what = words(phrase::command_taken("tsugi drill").recorded());
                Reply::Done(Done::at_once(&change.command, what))
            }
            _ => {
                let what = words(phrase::drill_never("PAY").recorded());
                let (because, next) = (Vec::new(), None);
                Reply::No(Refused { kind: No::NotFound, rule: 0, what, because, next })
            }
        }))
    });
    let folder = tempfile::tempdir().unwrap();
    let ran = drill(&agent, folder.path(), &["--window", "1h"]);
    assert_eq!(ran.code, 4, "{}", ran.err);
}

#[test]
fn a_report_is_the_persons_own_and_nothing_is_written_through_a_link() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    std::fs::write(&elsewhere, "kept").unwrap();
    symlink(&elsewhere, folder.path().join("PAY-20261121T045839123Z.new")).unwrap();
    let agent = ending("proven");
    let ran = drill(&agent, folder.path(), &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "kept");
    let page = folder.path().join("PAY-20261121T045839123Z.html");
    assert_eq!(page.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

/// An agent whose drill of every command beside the running group has ended so.
fn rehearsing(verdict: &'static str) -> Agent {
    let id = std::sync::Mutex::new(String::new());
    Agent::that_does(move |request| {
        let mut id = id.lock().expect("nobody panicked");
        bytes(&answer(match request {
            Request::Change(change) => {
                id.clone_from(&change.command);
                let what = words(phrase::command_taken("tsugi drill").recorded());
                Reply::Done(Done::at_once(&change.command, what))
            }
            _ => Reply::Drill(Drills { rehearsal: Some(rehearsal(&id, verdict)), ..beside() }),
        }))
    })
}

/// A move of long ago, and what was shown beside the running group.
fn beside() -> Drills {
    let mut drills = drills("x", "proven");
    let (from, to, level) = ("node1".to_owned(), "node2".to_owned(), "read".to_owned());
    drills.newest.as_mut().expect("a move").began = Utc(Wall(AT.0.0 - 1));
    drills.rehearsed = vec![Rehearsed { from, to, level, at: AT, took_ms: 80 }];
    drills
}

fn rehearsal(id: &str, verdict: &str) -> Rehearsal {
    let part = |part: &str, what| {
        let (part, resource) = (part.to_owned(), "disk<1>".to_owned());
        Part { part, what: words(what), resource, millis: 40 }
    };
    let at = words(phrase::rehearsal_read("disk<1>").recorded());
    let how = words(phrase::rehearsal_fault_failed("exit 3: torn").recorded());
    let fault = Fault { part: "read".to_owned(), at, how };
    Rehearsal {
        id: id.to_owned(),
        level: "read".to_owned(),
        by: "mika".to_owned(),
        reason: "monthly & more".to_owned(),
        began: AT,
        from: "node1".to_owned(),
        to: "node2".to_owned(),
        limit_ms: 120_000,
        ended: Some(AT),
        verdict: Some(verdict.to_owned()),
        outcome: Some(words(phrase::rehearsal_interrupted().recorded())),
        parts: vec![
            part("copy", phrase::rehearsal_copy("disk<1>").recorded()),
            part("read", phrase::rehearsal_read("disk<1>").recorded()),
        ],
        fault: (verdict == "failed").then_some(fault),
    }
}

#[test]
fn a_drill_beside_the_running_group_ends_as_it_ended_and_leaves_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().to_str().unwrap();
    for (verdict, code) in [("proven", 0), ("failed", 1), ("interrupted", 1)] {
        let agent = rehearsing(verdict);
        let first = ["drill", "PAY", "--level", "read", "--reason", "monthly", "--report", report];
        let ran = tsugi(agent.run_dir(), &[&first[..], &["--window", "30s", "--json"]].concat());
        assert_eq!(ran.code, code, "{verdict}: {}", ran.err);
        assert_eq!(check(&ran.out), "tsugi.drill");
        let Request::Change(change) = agent.first() else { panic!("{:?}", agent.first()) };
        let (group, level, limit) = ("PAY".to_owned(), Beside::Read, Span::secs(30));
        assert_eq!(change.what, Operation::Rehearse { group, on: None, level, limit });
        let text = tsugi(agent.run_dir(), &["drill", "PAY", "--last", "--report", report]);
        assert_eq!(text.code, code, "the newer of both is the last: {}", text.out);
        let torn = text.out.contains("reading of disk<1>: it failed: exit 3: torn");
        assert_eq!(torn, verdict == "failed", "{}", text.out);
        assert!(text.out.contains("read on node2: last proven"), "{}", text.out);
    }
    let path = folder.path().join("PAY-20261121T045839123Z.html");
    let page = std::fs::read_to_string(path).expect("a page");
    for part in ["<svg", "copy of disk&lt;1&gt;", "monthly &amp; more", "</html>"] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("disk<1>"), "{page}");
}

/// An agent of a cluster for tests, in which every failure test ends so.
fn testing(verdict: &'static str) -> Agent {
    let id = std::sync::Mutex::new(String::new());
    Agent::that_does(move |request| {
        let mut id = id.lock().expect("nobody panicked");
        bytes(&answer(match request {
            Request::Change(change) if change.how == How::DryRun => {
                Reply::Outlook(Outlook::nothing())
            }
            Request::Change(change) => {
                id.clone_from(&change.command);
                let what = words(phrase::command_taken("tsugi drill").recorded());
                Reply::Done(Done::at_once(&change.command, what))
            }
            Request::FailureTest => {
                let failure = Failure::ProcessKill { group: "PAY".to_owned(), resource: None };
                let test = FailureTest {
                    id: id.clone(),
                    failure,
                    node: "node1".to_owned(),
                    groups: vec!["PAY".to_owned()],
                    by: "mika".to_owned(),
                    reason: "acceptance".to_owned(),
                    began: AT,
                    within_ms: 60_000,
                    back: Some(AT),
                    ended: Some(AT),
                    verdict: Some(verdict.to_owned()),
                };
                Reply::FailureTest { newest: Some(test) }
            }
            Request::Explain { .. } => Reply::Explain(Explain { story: None }),
            _ => {
                let mut status = crate::online::status(0);
                status.nodes[0].groups = vec!["PAY".to_owned()];
                Reply::Status(status)
            }
        }))
    })
}

#[test]
fn ph_17_what_a_plan_does_is_shown_before_and_its_report_is_a_page_and_data() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan");
    std::fs::write(&plan, "SERVER_DOWN, ANY, PAY, /opt/stop, <recover>\nWAIT, 1\n").unwrap();
    let paths = [plan.as_path(), folder.path()].map(|path| path.to_str().expect("plain"));
    let first = ["drill", "--plan", paths[0], "--report", paths[1], "--reason", "acceptance"];
    let agent = testing("passed");
    let ran = tsugi(agent.run_dir(), &[&first[..], &["--dry-run"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("1. kills the processes of group PAY on node node1"), "{}", ran.out);
    assert!(ran.out.contains("stands still until then"), "{}", ran.out);
    let ran = tsugi_ja(agent.run_dir(), &[&first[..], &["--dry-run"]].concat());
    assert!(ran.out.contains("プロセスを殺す"), "{}", ran.out);
    for (verdict, code, results) in
        [("passed", 0, ["passed", "passed"]), ("late", 1, ["failed", "not-run"])]
    {
        let agent = testing(verdict);
        let ran = tsugi(agent.run_dir(), &[&first[..], &["--json"]].concat());
        assert_eq!((ran.code, check(&ran.out).as_str()), (code, "tsugi.tests"), "{}", ran.err);
        let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        for (test, result) in results.iter().enumerate() {
            assert_eq!(told["tests"][test]["result"], *result, "{told}");
        }
        let path = told["report"].as_str().expect("a report");
        let page = std::fs::read_to_string(path).expect("a page");
        assert!(page.contains("&lt;recover&gt;") && !page.contains("<script"), "{page}");
        let data = std::fs::read_to_string(path.replace(".html", ".json")).expect("data");
        assert_eq!(check(&data), "tsugi.tests");
    }
}

#[test]
fn ph_17_a_plan_that_cannot_be_read_or_is_wrong_is_not_understood_and_nothing_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let agent = testing("passed");
    let run = |plan: &Path, more: &[&str]| {
        let first = ["drill", "--plan", plan.to_str().expect("plain"), "--reason", "acceptance"];
        tsugi(agent.run_dir(), &[&first[..], more].concat())
    };
    run(&folder.path().join("nothing"), &[]).ended(2, "TSUG10564-E");
    run(folder.path(), &[]).ended(2, "TSUG10564-E");
    let plan = folder.path().join("plan");
    std::fs::write(&plan, "WAIT, 1\nNODE_UP, nobody\n").unwrap();
    run(&plan, &[]).ended(2, "plan:2: ");
    std::fs::write(&plan, b"WAIT, 1\n\xff\n").unwrap();
    run(&plan, &[]).ended(2, "plan:2: ");
    assert_eq!(run(&plan, &["--all"]).code, 2, "one of the two");
    assert_eq!(tsugi(agent.run_dir(), &["drill", "PAY", "--all"]).code, 2);
    let variables = ["drill", "PAY", "--level", "check", "--variables", "x"];
    assert_eq!(tsugi(agent.run_dir(), &variables).code, 2, "only with a plan");
}
