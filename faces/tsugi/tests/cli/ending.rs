//! How a command ends: waiting, approval, an agent that is slow, gone or of another build.

use std::time::Duration;

use tsugi_messages::{self as messages, phrase};
use tsugi_vocabulary::Wall;
use tsugi_wire::control::report::{self, Goal, Waits, Wants};
use tsugi_wire::control::{Operation, Reply, Request, Utc, VERSION, Vouch, talk};

use crate::agent::{AT, Agent, answer, bytes, leave_record};
use crate::online::{group, status, words};
use crate::schema::check;
use crate::{tsugi, tsugi_ja};

const FILE: &str = "[cluster]\nname=\"a\"\n[node.n1]\naddress=\"10.0.0.1\"\n";

/// A change that is to lead to these goals, in plan 13.
pub fn done(goals: &[(&str, Wants)]) -> Reply {
    let what = words(phrase::command_taken("tsugi node drain n1").recorded());
    let goal =
        |(group, wants): &(&str, Wants)| Goal { group: (*group).to_owned(), wants: wants.clone() };
    Reply::Done(report::Done {
        index: Some(40),
        generation: Some(13),
        goals: goals.iter().map(goal).collect(),
        ..report::Done::at_once("id-7", what)
    })
}

/// A status of plan 13 with these groups: name, state, owner.
pub fn stands(groups: &[(&str, &str, &str)]) -> Reply {
    let one = |(name, state, owner): &(&str, &str, &str)| report::Group {
        owner: Some((*owner).to_owned()),
        ..group(name, state)
    };
    let groups = groups.iter().map(one).collect();
    Reply::Status(report::Status { groups, generation: 13, ..status(0) })
}

pub fn on(node: &str) -> Wants {
    Wants::Running { node: Some(node.to_owned()) }
}

fn away() -> Wants {
    Wants::Away { node: "node1".to_owned() }
}

const DRAIN: [&str; 5] = ["node", "drain", "node1", "--reason", "r"];

fn waited(goals: &[(&str, Wants)], status: Reply, limit: &str) -> (Agent, crate::Ran) {
    let agent = Agent::that_says_then(done(goals), status);
    let ran = tsugi(agent.run_dir(), &[&DRAIN[..], &[limit]].concat());
    (agent, ran)
}

#[test]
fn a_change_that_is_waited_for_ends_with_0_once_every_group_is_there() {
    let goals = [("PAY", on("node2")), ("LOG", Wants::Stopped)];
    let there = stands(&[("PAY", "running", "node2"), ("LOG", "stopped", "-")]);
    let (agent, ran) = waited(&goals, there.clone(), "--wait");
    ran.ended(0, "PAY runs on node2").ended(0, "LOG is stopped");
    let json = tsugi(agent.run_dir(), &[&DRAIN[..], &["--wait", "--json"]].concat());
    assert_eq!((json.code, check(&json.out).as_str()), (0, "tsugi.done"));
    assert!(json.out.contains("\"came\": \"reached\""), "{}", json.out);
    let resumed = [("PAY", Wants::Watched)];
    waited(&resumed, there, "--wait").1.ended(0, "PAY is no longer paused");
}

#[test]
fn exit_code_6_means_that_a_part_of_many_failed() {
    let goals = [("PAY", away()), ("LOG", away())];
    let half = stands(&[("PAY", "running", "node2"), ("LOG", "running", "node1")]);
    let (_agent, ran) = waited(&goals, half, "--wait");
    ran.ended(6, "TSUG10550-E 1 of 2 groups did not get there: LOG").ended(6, "PAY runs on node2");
    let none = stands(&[("PAY", "running", "node1"), ("LOG", "given-up", "node2")]);
    let goals = [("PAY", away()), ("LOG", on("node2"))];
    waited(&goals, none, "--wait").1.ended(1, "TSUG10550-E 2 of 2");
}

#[test]
fn exit_code_5_means_that_it_still_runs_and_prints_the_id() {
    let moving = stands(&[("PAY", "moving", "node1")]);
    waited(&[("PAY", on("node2"))], moving, "--wait=1ms").1.ended(5, "(id id-7)");
    let old = Reply::Status(report::Status { generation: 12, ..status(0) });
    let (_agent, ran) = waited(&[("PAY", on("node1"))], old, "--wait=1ms");
    ran.ended(5, "TSUG10520-W");
}

#[test]
fn exit_code_9_means_that_somebody_has_yet_to_say_so() {
    let Reply::Status(mut stuck) = stands(&[("PAY", "waiting", "node1")]) else { unreachable!() };
    let what = messages::takeover_waits_for_operator("PAY", "node1");
    stuck.needs.push(report::Need {
        severity: "E".to_owned(),
        about: "PAY".to_owned(),
        what: words(what.recorded()),
        because: None,
        next: what.next(),
    });
    let goals = [("PAY", on("node2"))];
    let (_agent, ran) = waited(&goals, Reply::Status(stuck), "--wait");
    ran.ended(9, "TSUG10551-W").ended(9, "(id id-7)");

    let (since, until) = (Utc(AT), Utc(Wall(AT.0 + 300_000)));
    let open = messages::config_waits_for_confirm(4, since, until);
    let waits = Waits { what: words(open.recorded()), next: open.next() };
    let Reply::Done(applied) = done(&[]) else { unreachable!() };
    let agent = Agent::that_says(Reply::Done(report::Done { waits_for: Some(waits), ..applied }));
    let file = agent.run_dir().join("t.toml");
    std::fs::write(&file, FILE).unwrap();
    let apply = ["apply", file.to_str().unwrap(), "--confirm-within", "5m"];
    let ran = tsugi(agent.run_dir(), &apply);
    ran.ended(9, "configuration 4, applied at 2026-11-21 04:58:39Z, undoes itself at");
    ran.ended(9, "2026-11-21 05:03:39Z").ended(9, "next: tsugi confirm");
    let json = tsugi(agent.run_dir(), &[&apply[..], &["--json"]].concat());
    assert_eq!((json.code, check(&json.out).as_str()), (9, "tsugi.done"));
}

#[test]
fn exit_code_0_means_that_it_is_so_also_when_it_was_so_before() {
    let what = words(messages::refused_already_so("node1").recorded());
    let so = report::Done { already_so: true, ..report::Done::at_once("id-7", what) };
    let agent = Agent::that_says(Reply::Done(so));
    tsugi(agent.run_dir(), &DRAIN).ended(0, "TSUG10540-I node1: it is so already");
    let json = tsugi(agent.run_dir(), &[&DRAIN[..], &["--json"]].concat());
    assert_eq!((json.code, check(&json.out).as_str()), (0, "tsugi.done"));
    assert!(json.out.contains("\"already_so\": true"), "{}", json.out);
}

#[test]
fn a_change_that_leaves_something_weaker_says_so() {
    let Reply::Done(left) = done(&[]) else { unreachable!() };
    let notes = vec![words(messages::fewer_voters("witness", 2, 0).recorded())];
    let agent = Agent::that_says(Reply::Done(report::Done { notes: notes.clone(), ..left }));
    let leave = ["node", "leave", "witness", "--reason", "r"];
    tsugi(agent.run_dir(), &leave).ended(0, "TSUG10706-W without node witness there are 2 voters");
    let agent =
        Agent::that_says(Reply::Outlook(report::Outlook { notes, ..report::Outlook::nothing() }));
    tsugi(agent.run_dir(), &[&leave[..], &["-n"]].concat()).ended(0, "of which 0 may be lost");
}

#[test]
fn a_wait_that_is_no_time_is_refused_before_anything_is_asked() {
    let agent = Agent::that_says(done(&[]));
    tsugi(agent.run_dir(), &[&DRAIN[..], &["--wait=soon"]].concat()).ended(2, "soon");
    assert_eq!(agent.times(), 0);
}

#[test]
fn an_agent_that_does_not_answer_leaves_the_word_to_the_last_record() {
    let agent = Agent::that_does(|_| {
        std::thread::sleep(Duration::from_secs(3600));
        Vec::new()
    });
    leave_record(agent.run_dir(), &answer(Reply::Status(status(1))));
    tsugi(agent.run_dir(), &["status"]).ended(7, "the agent does not answer; this is the record");
}

#[test]
fn an_agent_that_ends_before_it_answers_leaves_the_id_of_the_change() {
    let agent = Agent::that_does(|_| Vec::new());
    let ran = tsugi(agent.run_dir(), &DRAIN);
    ran.ended(5, "TSUG10533-W").ended(5, "next: tsugi audit list");
    let Request::Change(change) = agent.asked() else { panic!("a change") };
    ran.ended(5, &change.command);
    assert_eq!(agent.times(), 1, "it is not asked a second time");
    tsugi(agent.run_dir(), &["group", "list"]).ended(7, "TSUG10532-E");
}

#[test]
fn i20_an_agent_two_versions_away_is_named_with_both_versions() {
    let far = |version| {
        Agent::that_does(move |_| {
            let mut answer = answer(Reply::Status(status(0)));
            answer.version = version;
            bytes(&answer)
        })
    };
    let (ours, theirs) = (VERSION, VERSION + 2);
    let ran = tsugi(far(theirs).run_dir(), &["status"]);
    let said = format!("the agent speaks control version {theirs} and this command {ours}");
    ran.ended(1, "TSUG10530-E").ended(1, &said);
    tsugi_ja(far(theirs).run_dir(), &["status"]).ended(1, "隣り合う版でなければ話せません");
    tsugi(far(VERSION + 1).run_dir(), &["status"]).ended(0, "PAY running");
    let newer = Agent::that_does(|_| {
        let mut bytes = br#"....{"version":2,"reply":{"reply":"levitated"}}"#.to_vec();
        let length = u32::try_from(bytes.len() - 4).unwrap();
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        bytes
    });
    assert!(talk::length([0, 0, 0, 9]).is_ok());
    tsugi(newer.run_dir(), &["why"]).ended(1, "TSUG90");
}

#[test]
fn the_language_of_the_configuration_stands_between_the_flag_and_the_locale() {
    let mut said = status(0);
    said.config.as_mut().unwrap().language = Some("ja".to_owned());
    let agent = Agent::that_says(Reply::Status(said.clone()));
    tsugi(agent.run_dir(), &["status"]).ended(0, "nothing needs you");
    leave_record(agent.run_dir(), &answer(Reply::Status(said)));
    tsugi(agent.run_dir(), &["status"]).ended(0, "することはありません");
    tsugi(agent.run_dir(), &["stauts"]).ended(2, "のことですか");
    tsugi(agent.run_dir(), &["status", "--lang", "en"]).ended(0, "nothing needs you");
    leave_record(agent.run_dir(), &answer(Reply::Status(status(0))));
    tsugi_ja(agent.run_dir(), &["status"]).ended(0, "することはありません");
}

#[test]
fn a_resume_says_that_the_owner_is_off_only_when_it_is_told_to() {
    let agent = Agent::that_says(done(&[]));
    let vouched = |words: &[&str]| {
        tsugi(agent.run_dir(), &[&["group", "resume", "PAY", "--reason", "r"], words].concat());
        match agent.asked() {
            Request::Change(change) => match change.what {
                Operation::Resume { vouch, .. } => vouch,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(vouched(&[]), Vouch::Nothing);
    assert_eq!(vouched(&["--owner-is-off"]), Vouch::OwnerIsOff);
}

#[test]
fn a_group_on_its_way_is_not_told_as_calm() {
    for state in ["starting", "moving", "failed"] {
        let agent = Agent::that_says(stands(&[("PAY", state, "node1")]));
        tsugi(agent.run_dir(), &["status"]).ended(0, "nothing needs you: PAY is on its way");
    }
}

#[test]
fn a_pause_without_an_end_lasts_until_it_is_resumed() {
    let held = words(phrase::why_paused_by("taro", "backup", "-").recorded());
    let until = words(phrase::why_paused_by("taro", "backup", Utc(AT)).recorded());
    let one = report::WhyGroup {
        group: "PAY".to_owned(),
        stands: vec![held, until],
        cause: None,
        rejected: Vec::new(),
        next: None,
    };
    let agent = Agent::that_says(Reply::Why(report::Why { groups: vec![one], node: None }));
    let ran = tsugi(agent.run_dir(), &["why"]);
    ran.ended(0, "until it is resumed").ended(0, "until 2026-11-21 04:58:39Z");
    tsugi_ja(agent.run_dir(), &["why"]).ended(0, "解除する時まで");
    let nothing = Agent::that_says(Reply::Why(report::Why { groups: Vec::new(), node: None }));
    tsugi(nothing.run_dir(), &["why", "witness"]).ended(0, "no group is to run on witness");
}

#[test]
fn a_file_of_another_kind_is_not_complained_about_line_by_line() {
    let agent = Agent::that_says(done(&[]));
    let file = agent.run_dir().join("passwd");
    std::fs::write(&file, "root:x:0:0\n".repeat(40)).unwrap();
    let ran = tsugi(agent.run_dir(), &["config", "validate", file.to_str().unwrap()]);
    assert!(ran.err.lines().count() <= 31, "{}", ran.err);
    ran.ended(3, "TSUG10605-E").ended(3, "and ").ended(3, " more");
}
