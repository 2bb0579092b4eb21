//! With an agent: what is asked, how answers are printed, and how the command ends.

use std::collections::BTreeMap;

use tsugi_messages::{self as messages, Recorded, phrase};
use tsugi_vocabulary::{Generation, Span, Wall};
use tsugi_wire::control::listing::Listing;
use tsugi_wire::control::report::{self, No};
use tsugi_wire::control::{ALL_GROUPS, How, Operation, Reply, Request, Suppose, Utc, Words};

use crate::agent::{AT, Agent, answer, leave_record, nobody};
use crate::schema::check;
use crate::{tsugi, tsugi_ja};

pub fn words(recorded: Recorded) -> Words {
    Words { id: recorded.id, values: recorded.values }
}

pub fn group(name: &str, state: &str) -> report::Group {
    report::Group {
        name: name.to_owned(),
        state: state.to_owned(),
        paused: false,
        owner: Some("node1".to_owned()),
        epoch: "1.4".to_owned(),
        cause: Some(words(phrase::cause_power_off("node2").recorded())),
        cause_data: Some(serde_json::json!({"cause": "power-lost", "node": "node2"})),
        lease_ms: Some(410),
        prefer: vec!["node1".to_owned(), "node2".to_owned()],
        proven: Vec::new(),
    }
}

fn node(name: &str, state: &str) -> report::Node {
    report::Node {
        name: name.to_owned(),
        role: "node".to_owned(),
        state: state.to_owned(),
        intent: "in-service".to_owned(),
        silent_ms: (state == "missing").then_some(7_000),
        leads: name == "node1",
        addresses: vec!["10.0.0.1:7400".to_owned()],
        links: BTreeMap::from([("eth0".to_owned(), "up".to_owned())]),
        groups: Vec::new(),
    }
}

pub fn status(needs: usize) -> report::Status {
    let what = messages::node_lost("node2", 7_000);
    let need = report::Need {
        severity: "W".to_owned(),
        about: "node2".to_owned(),
        what: words(what.recorded()),
        because: Some(words(phrase::cause_power_off("node2").recorded())),
        next: what.next(),
    };
    report::Status {
        cluster: Some("kessai".to_owned()),
        needs: vec![need; needs],
        notes: vec![words(phrase::status_node_drained("node3", "taro").recorded())],
        votes: report::Votes { of: 3, heard: 2, needed: 2, leader: Some("node1".to_owned()) },
        nodes: vec![node("node1", "up"), node("node2", "missing")],
        groups: vec![group("PAY", "running")],
        generation: 12,
        config: Some(report::ConfigHead {
            version: 3,
            hash: "ab".repeat(32),
            unconfirmed_within_ms: None,
            unconfirmed_since: None,
            undone_at: None,
            language: None,
        }),
        listing: Listing::default(),
        stretch: Some(report::Stretch {
            ratio: 5,
            by: "taro".to_owned(),
            reason: "storage move".to_owned(),
            since: Utc(Wall(1_800_000_000_000)),
            until: Utc(Wall(1_800_007_200_000)),
            takes_over_within_ms: 2_800,
        }),
    }
}

#[test]
fn status_says_first_whether_anything_needs_a_person_and_then_only_what_does() {
    let calm = Agent::that_says(Reply::Status(status(0)));
    let ran = tsugi(calm.run_dir(), &["status"]);
    assert_eq!(ran.code, 0);
    assert_eq!(ran.out.lines().next(), Some("nothing needs you: PAY running"));
    let busy = Agent::that_says(Reply::Status(status(1)));
    let ran = tsugi(busy.run_dir(), &["status"]);
    assert_eq!(ran.out.lines().next(), Some("one thing needs a person"));
    ran.ended(0, "TSUG10006-W").ended(0, "next: tsugi explain");
    let first = tsugi_ja(busy.run_dir(), &["status"]).out;
    assert!(first.starts_with("1件、人の手が要ります"), "{first}");
}

#[test]
fn status_fits_in_80_by_24_in_both_languages_however_much_is_wrong() {
    let agent = Agent::that_says(Reply::Status(status(40)));
    for ran in [tsugi(agent.run_dir(), &["status"]), tsugi_ja(agent.run_dir(), &["status"])] {
        let lines: Vec<&str> = ran.out.lines().collect();
        assert!(lines.len() <= 24, "{} lines", lines.len());
        assert!(lines.iter().all(|l| messages::width(l) <= 80), "{lines:#?}");
        ran.ended(0, "40");
        ran.ended(0, "--json");
    }
}

#[test]
fn without_an_agent_the_last_record_answers_and_says_how_old_it_is() {
    let here = nobody();
    leave_record(here.path(), &answer(Reply::Status(status(1))));
    let ran = tsugi(here.path(), &["status"]);
    assert_eq!(ran.code, 7);
    assert!(ran.out.starts_with("the agent does not answer; this is the record of"), "{ran:?}");
    ran.ended(7, "TSUG10006-W").ended(7, "as node1 saw it at 2026-11-21 04:58:39.123Z");
    let json = tsugi(here.path(), &["status", "--json"]);
    assert_eq!(check(&json.out), "tsugi.status");
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["source"], "last-record");
    assert_eq!(value["observed_at"], "2026-11-21T04:58:39.123Z");
}

#[test]
fn without_a_majority_status_ends_with_7() {
    let mut lost = status(1);
    lost.votes.heard = 1;
    let agent = Agent::that_says(Reply::Status(lost));
    let ran = tsugi(agent.run_dir(), &["status"]);
    ran.ended(7, "no majority; this is the record of 7 s ago");
}

#[test]
fn every_json_output_is_what_its_schema_says() {
    let outlook = report::Outlook {
        suppose: Some(words(phrase::suppose_lost("node1").recorded())),
        groups: vec![report::GroupOutlook {
            group: "PAY".to_owned(),
            what: words(phrase::whatif_moves("PAY", "node1", "node2").recorded()),
            rejected: vec![words(phrase::rejected_drained("node3").recorded())],
        }],
        notes: vec![words(messages::fewer_voters("node1", 2, 0).recorded())],
        ..report::Outlook::nothing()
    };
    let cases: [(&[&str], Reply, &str); 10] = [
        (&["status"], Reply::Status(status(2)), "tsugi.status"),
        (&["group", "list"], Reply::Status(status(0)), "tsugi.groups"),
        (&["node", "list"], Reply::Status(status(0)), "tsugi.nodes"),
        (&["why"], Reply::Why(why()), "tsugi.why"),
        (&["doctor"], Reply::Doctor(doctor()), "tsugi.doctor"),
        (&["explain"], Reply::Explain(explain()), "tsugi.explain"),
        (&["history"], Reply::History(history()), "tsugi.history"),
        (&["whatif", "lose", "node1"], Reply::Outlook(outlook), "tsugi.outlook"),
        (&["audit", "list"], Reply::Audit(audit()), "tsugi.audit"),
        (&["audit", "verify"], Reply::Verified(verified(None)), "tsugi.verified"),
    ];
    for (question, reply, name) in cases {
        let agent = Agent::that_says(reply);
        let mut asked = question.to_vec();
        asked.push("--json");
        let ran = tsugi(agent.run_dir(), &asked);
        assert_eq!(check(&ran.out), name, "{question:?}");
        assert!(ran.err.is_empty(), "{question:?}: {}", ran.err);
    }
}

fn doctor() -> report::Doctor {
    let found = messages::doctor_fence_untested("node1", "node2");
    report::Doctor {
        findings: vec![report::Need {
            severity: "W".to_owned(),
            about: "node1".to_owned(),
            what: words(found.recorded()),
            because: None,
            next: found.next(),
        }],
        settings: vec![report::Setting {
            about: "PAY".to_owned(),
            setting: "fence = \"self\"".to_owned(),
            proven: false,
            because: words(phrase::proof_accepted().recorded()),
        }],
    }
}

#[test]
fn a_doctor_that_finds_something_ends_with_10_and_one_that_does_not_with_0() {
    let agent = Agent::that_says(Reply::Doctor(doctor()));
    let ran = tsugi(agent.run_dir(), &["doctor"]);
    ran.ended(10, "TSUG10337-W").ended(10, "next: tsugi why node1").ended(10, "unproven");
    let well = report::Doctor { findings: Vec::new(), ..doctor() };
    let agent = Agent::that_says(Reply::Doctor(well));
    tsugi(agent.run_dir(), &["doctor"]).ended(0, "nothing to mend");
}

#[test]
fn without_an_agent_the_doctor_tells_what_it_found_last_and_how_old_that_is() {
    let here = nobody();
    let status = leave_record(here.path(), &answer(Reply::Doctor(doctor())));
    std::fs::rename(&status, status.with_file_name("last-doctor.json")).unwrap();
    let ran = tsugi(here.path(), &["doctor"]);
    ran.ended(7, "the agent does not answer; this is the record of").ended(7, "TSUG10337-W");
    let json = tsugi(here.path(), &["doctor", "--json"]);
    assert_eq!(check(&json.out), "tsugi.doctor");
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["source"], "last-record");
    assert!(value["age_seconds"].as_u64().unwrap() > 0);
}

fn why() -> report::Why {
    report::Why {
        groups: vec![report::WhyGroup {
            group: "PAY".to_owned(),
            stands: vec![words(phrase::why_running("PAY", "node1", "1.4").recorded())],
            cause: Some(words(phrase::cause_power_off("node2").recorded())),
            rejected: vec![words(phrase::rejected_not_up("node2").recorded())],
            next: None,
        }],
        node: Some(report::WhyNode {
            node: "node2".to_owned(),
            stands: vec![words(phrase::why_node_silent("node2", 12).recorded())],
            cannot_take: vec![report::CannotTake {
                group: "PAY".to_owned(),
                why: words(phrase::rejected_not_up("node2").recorded()),
            }],
            next: None,
        }),
    }
}

fn explain() -> report::Explain {
    let at = |millis: u64, what: Recorded| report::Moment {
        at: Utc(Wall(AT.0 + millis)),
        by: "node2".to_owned(),
        what: words(what),
    };
    report::Explain {
        story: Some(report::Story {
            group: "PAY".to_owned(),
            from: Some("node1".to_owned()),
            to: Some("node2".to_owned()),
            epoch: "1.5".to_owned(),
            generation: 13,
            cause: words(phrase::cause_power_off("node1").recorded()),
            cause_data: serde_json::json!({"cause": "power-lost", "node": "node1"}),
            sightings: vec![at(0, phrase::cause_node_silent("node1", 560).recorded())],
            decision: at(1, phrase::chosen_preferred("node2").recorded()),
            rejected: vec![words(phrase::rejected_witness("witness").recorded())],
            steps: vec![at(8, phrase::step_started("vip").recorded())],
            effects: vec![at(20, phrase::effect_in_service("node2").recorded())],
            without_service_ms: Some(580),
        }),
    }
}

fn history() -> report::History {
    report::History {
        lines: vec![report::HistoryLine {
            at: Utc(AT),
            by: "node2".to_owned(),
            group: Some("PAY".to_owned()),
            epoch: Some("1.5".to_owned()),
            what: words(phrase::happened_started("PAY", "node2", 20).recorded()),
            data: serde_json::json!({"happened": "started"}),
        }],
    }
}

fn audit() -> report::Audit {
    report::Audit {
        lines: vec![report::AuditLine {
            number: 1,
            at: Utc(AT),
            person: "taro as root".to_owned(),
            origin: "node1 /dev/pts/0".to_owned(),
            words: "tsugi group move PAY".to_owned(),
            reason: "maintenance".to_owned(),
            decided_on: 12,
            outcome: "accepted".to_owned(),
            command: "c".to_owned(),
            hash: "ab".repeat(32),
        }],
    }
}

fn verified(broken_at: Option<u64>) -> report::Verified {
    report::Verified { entries: 7, hash: "ab".repeat(32), broken_at }
}

#[test]
fn explain_prints_cause_sighting_decision_steps_and_effects_in_order() {
    let agent = Agent::that_says(Reply::Explain(explain()));
    let ran = tsugi(agent.run_dir(), &["explain"]);
    let parts = [
        "PAY: node1 -> node2 (epoch 1.5)",
        "first cause: everything of node1 fell silent at once (power off)",
        "what was seen",
        "what was decided",
        "what was rejected",
        "what was done",
        "what came of it",
        "time without service: 580 ms",
    ];
    let places: Vec<_> = parts.iter().map(|part| ran.out.find(part)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {}", ran.out);
    let japanese = tsugi_ja(agent.run_dir(), &["explain"]).out;
    assert!(japanese.contains("電源"), "{japanese}");
    let nothing = Agent::that_says(Reply::Explain(report::Explain { story: None }));
    tsugi(nothing.run_dir(), &["explain"]).ended(0, "no takeover and no move yet");
}

#[test]
fn whatif_has_its_own_exit_code_for_a_difference() {
    let mut outlook = report::Outlook::nothing();
    let same = Agent::that_says(Reply::Outlook(outlook.clone()));
    tsugi(same.run_dir(), &["whatif", "drain", "node1"]).ended(0, "nothing changes");
    assert_eq!(
        same.asked(),
        Request::WhatIf { suppose: Suppose::Drain { node: "node1".to_owned() } }
    );
    outlook.majority = false;
    let lost = Agent::that_says(Reply::Outlook(outlook));
    tsugi(lost.run_dir(), &["whatif", "lose", "node1"]).ended(10, "no majority");
}

#[test]
fn audit_verify_tells_the_first_broken_link_with_exit_code_10() {
    let whole = Agent::that_says(Reply::Verified(verified(None)));
    tsugi(whole.run_dir(), &["audit", "verify"]).ended(0, "TSUG70301-I");
    let broken = Agent::that_says(Reply::Verified(verified(Some(4))));
    tsugi(broken.run_dir(), &["audit", "verify"]).ended(10, "TSUG70302-E");
}

fn done() -> Reply {
    let what = words(phrase::command_taken("tsugi group move").recorded());
    Reply::Done(report::Done { index: Some(40), ..report::Done::at_once("c", what) })
}

fn asked_change(agent: &Agent) -> tsugi_wire::control::Change {
    match agent.asked() {
        Request::Change(change) => change,
        other => panic!("no change: {other:?}"),
    }
}

#[test]
fn a_change_carries_its_id_words_origin_reason_and_generation() {
    let agent = Agent::that_says(done());
    let move_it = ["group", "move", "PAY", "node2", "--reason", "disk replaced"];
    let ran = tsugi(agent.run_dir(), &[&move_it[..], &["--decided-on", "12"]].concat());
    ran.ended(0, "recorded");
    assert!(ran.out.is_empty(), "what was done is talk, not data");
    let change = asked_change(&agent);
    assert_eq!(
        change.what,
        Operation::Move { group: "PAY".to_owned(), to: Some("node2".to_owned()) }
    );
    assert_eq!(change.reason, "disk replaced");
    assert_eq!(change.decided_on, Some(Generation(12)));
    assert_eq!(change.how, How::ForReal);
    assert!(change.words.starts_with("tsugi group move PAY node2 --reason \"disk replaced\""));
    assert!(!change.origin.is_empty());
    let first = change.command;
    tsugi(agent.run_dir(), &move_it).ended(0, "recorded");
    assert_ne!(asked_change(&agent).command, first, "each command has an id of its own");
    let json = tsugi(agent.run_dir(), &[&move_it[..], &["--json"]].concat());
    assert_eq!(check(&json.out), "tsugi.done");
}

#[test]
fn a_dry_run_is_asked_for_as_such_on_every_change() {
    let outlook = report::Outlook::nothing();
    let agent = Agent::that_says(Reply::Outlook(outlook));
    let file = agent.run_dir().join("t.toml");
    std::fs::write(&file, "[cluster]\nname=\"a\"\n[node.n1]\naddress=\"10.0.0.1\"\n").unwrap();
    let file = file.to_str().unwrap();
    let changes: [&[&str]; 15] = [
        &["group", "start", "G"],
        &["group", "stop", "G"],
        &["group", "move", "G"],
        &["group", "pause", "G", "--for", "2h"],
        &["group", "resume", "G"],
        &["group", "clear", "G"],
        &["node", "leave", "n1"],
        &["node", "drain", "n1"],
        &["node", "undrain", "n1"],
        &["node", "confirm-off", "n1"],
        &["node", "fence", "n1"],
        &["node", "token", "n1"],
        &["apply", file, "--confirm-within", "5m"],
        &["confirm"],
        &["init", file],
    ];
    for words in changes {
        let ran = tsugi(agent.run_dir(), &[words, &["-n"]].concat());
        ran.ended(0, "TSUG10524-I");
        assert_eq!(asked_change(&agent).how, How::DryRun, "{words:?}");
    }
}

#[test]
fn a_suspension_is_for_every_group_and_a_pause_names_one_or_all() {
    let agent = Agent::that_says(done());
    tsugi(agent.run_dir(), &["group", "pause", "--all", "--reason", "r"]).ended(0, "");
    let every = ALL_GROUPS.to_owned();
    assert_eq!(asked_change(&agent).what, Operation::Pause { group: every, hold: None });
    tsugi(agent.run_dir(), &["group", "resume", "--all"]).ended(0, "");
    let what = asked_change(&agent).what;
    assert!(matches!(&what, Operation::Resume { group, .. } if group == ALL_GROUPS), "{what:?}");
    let before = agent.times();
    tsugi(agent.run_dir(), &["group", "pause", "--reason", "r"]).ended(2, "GROUP");
    tsugi(agent.run_dir(), &["group", "pause", "G", "--all", "--reason", "r"]).ended(2, "--all");
    assert_eq!(agent.times(), before, "neither was asked");
}

#[test]
fn times_are_understood_or_refused_before_anything_is_asked() {
    let agent = Agent::that_says(done());
    tsugi(agent.run_dir(), &["group", "pause", "G", "--for", "2h", "--reason", "r"]);
    let hold = Some(Span::secs(7200));
    assert_eq!(asked_change(&agent).what, Operation::Pause { group: "G".to_owned(), hold });
    let before = agent.times();
    tsugi(agent.run_dir(), &["group", "pause", "G", "--for", "soon"]).ended(2, "soon");
    assert_eq!(agent.times(), before);
}

#[test]
fn a_token_comes_from_a_file_and_never_stands_among_the_words() {
    let agent = Agent::that_says(done());
    let file = agent.run_dir().join("token");
    std::fs::write(&file, "secret-token\n").unwrap();
    tsugi(agent.run_dir(), &["node", "join", "--token-file", file.to_str().unwrap()]);
    let change = asked_change(&agent);
    assert_eq!(change.what, Operation::Join { token: "secret-token".to_owned() });
    assert!(!change.words.contains("secret-token"));
    tsugi(agent.run_dir(), &["node", "join", "--token-file", "/no/such"]).ended(1, "TSUG70120-E");
}

#[test]
fn a_token_that_was_made_is_data() {
    let what = words(messages::token_made("n2", 3600).recorded());
    let secret = Some("the-token".to_owned());
    let made = report::Done { secret, ..report::Done::at_once("c", what) };
    let agent = Agent::that_says(Reply::Done(made));
    let ran = tsugi(agent.run_dir(), &["node", "token", "n2"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "the-token\n"));
}

#[test]
fn each_kind_of_no_has_its_exit_code_and_its_words_in_both_languages() {
    let kinds = [
        (No::Failed, 1),
        (No::Refused, 3),
        (No::NotFound, 4),
        (No::StillRunning, 5),
        (No::NoMajority, 7),
        (No::NotPermitted, 8),
    ];
    for (kind, code) in kinds {
        let what = messages::refused_group_paused("PAY", "taro", "backup", "-");
        let refused = report::Refused {
            kind,
            rule: 6,
            what: words(what.recorded()),
            because: vec![words(phrase::rejected_drained("node2").recorded())],
            next: what.next(),
        };
        let agent = Agent::that_says(Reply::No(refused));
        let ran = tsugi(agent.run_dir(), &["group", "stop", "PAY", "--reason", "r"]);
        ran.ended(code, "TSUG10502-E group PAY is paused by taro");
        ran.ended(code, "next: tsugi group resume PAY").ended(code, "node2");
        let japanese = tsugi_ja(agent.run_dir(), &["group", "stop", "PAY", "--reason", "r"]);
        japanese.ended(code, "一時保留");
        let json = tsugi(agent.run_dir(), &["group", "stop", "PAY", "--json"]);
        assert_eq!((json.code, check(&json.out).as_str()), (code, "tsugi.refused"));
    }
}

#[test]
fn the_applied_configuration_is_printed_and_a_file_compared_with_it() {
    let text = "[cluster]\nname = \"a\"\n[node.n1]\naddress = \"10.0.0.1\"\n";
    let head = report::ConfigHead {
        version: 3,
        hash: "ab".repeat(32),
        unconfirmed_within_ms: Some(300_000),
        unconfirmed_since: Some(Utc(AT)),
        undone_at: Some(Utc(Wall(AT.0 + 300_000))),
        language: Some("ja".to_owned()),
    };
    let config = report::Config { head, text: text.to_owned() };
    let agent = Agent::that_says(Reply::Config(config));
    assert_eq!(tsugi(agent.run_dir(), &["config", "show"]).out, text);
    let json = tsugi(agent.run_dir(), &["config", "show", "--json"]);
    assert_eq!(check(&json.out), "tsugi.config");
    let file = agent.run_dir().join("t.toml");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    tsugi(agent.run_dir(), &["config", "diff", file]).ended(0, "TSUG10615-I");
    std::fs::write(file, text.replace("10.0.0.1", "10.0.0.2")).unwrap();
    let ran = tsugi(agent.run_dir(), &["config", "diff", file]);
    ran.ended(10, "changes node.n1.address from \"10.0.0.1\" to \"10.0.0.2\"");
}
