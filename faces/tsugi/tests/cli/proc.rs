//! `tsugi proc`, and the names of old scripts over it.

use tsugi_vocabulary::{Epoch, Span};
use tsugi_wire::control::report::{No, Refused};
use tsugi_wire::control::watched::{Again, AtEnd, Held, Load, Program, Programs, Run, State};
use tsugi_wire::control::{Change, Operation, Reply, Request, Utc, Words};

use crate::agent::{AT, Agent, answer, bytes, nobody};
use crate::ending::done;
use crate::{Ran, tsugi};

fn program(state: State, detail: Option<&str>, held: Option<Held>) -> Reply {
    let run = vec!["/opt/ap".to_owned(), "line1".to_owned()];
    let load = Load { service: None, run, dir: None, user: None, at_end: AtEnd::Log };
    let one = Program {
        id: "AP".to_owned(),
        group: "PAY".to_owned(),
        node: "node1".to_owned(),
        slot: "watch-1".to_owned(),
        load,
        state,
        detail: detail.map(str::to_owned),
        held,
    };
    Reply::Programs(Programs { programs: vec![one] })
}

/// An agent that takes every change and whose program stands so.
fn agent(state: State, detail: Option<&str>) -> Agent {
    Agent::that_says_then(done(&[]), program(state, detail, None))
}

fn changed(agent: &Agent) -> Change {
    let Request::Change(change) = agent.first() else { panic!("{:?}", agent.first()) };
    change
}

fn loads(words: &[&str]) -> (Operation, Ran) {
    let agent = agent(State::Up, None);
    let mut line = vec!["proc", "load", "ap", "--group", "PAY"];
    line.extend(words);
    let ran = tsugi(agent.run_dir(), &line);
    (changed(&agent).what, ran)
}

#[test]
fn cl_07_a_load_says_how_the_start_went_and_frees_the_id_of_what_did_not_start() {
    let (what, ran) = loads(&["--", "/opt/ap", "--line", "1"]);
    ran.ended(0, "TSUG10580-I");
    let Operation::Load { run, id, load } = what else { panic!("{what:?}") };
    assert_eq!(run, Run { group: "PAY".to_owned(), epoch: None });
    assert_eq!((id.as_str(), load.at_end), ("ap", AtEnd::Log));
    assert_eq!(load.run, ["/opt/ap", "--line", "1"], "its own options are its own");
    let refused = agent(State::Refused, Some("no such file"));
    let line = ["proc", "load", "AP", "--group", "PAY", "/opt/ap"];
    tsugi(refused.run_dir(), &line).ended(1, "no such file");
    let Request::Change(last) = refused.asked() else { panic!("{:?}", refused.asked()) };
    assert!(matches!(last.what, Operation::Kill { .. }), "{last:?}");
}

#[test]
fn what_an_end_means_is_said_by_the_options() {
    let seconds = |n| Span::secs(n);
    let again = Again::Program;
    let restart =
        |within, wait, interval| AtEnd::Restart { times: 3, within, wait, interval, again };
    let scripts = AtEnd::Restart {
        times: 3,
        within: None,
        wait: Span::ZERO,
        interval: Span::ZERO,
        again: Again::Scripts,
    };
    let cases = [
        (&["--fail"][..], AtEnd::Fail),
        (&["--failover"], AtEnd::TakeOver),
        (&["--restart", "3"], restart(None, Span::ZERO, Span::ZERO)),
        (&["--restart", "3", "--rerun-scripts"], scripts),
        (
            &["--restart", "3", "--within", "2h", "--delay", "5s", "--interval", "60s"],
            restart(Some(seconds(7_200)), seconds(5), seconds(60)),
        ),
    ];
    for (words, at_end) in cases {
        let line: Vec<&str> = words.iter().copied().chain(["--", "/opt/ap"]).collect();
        let (what, _) = loads(&line);
        assert!(matches!(&what, Operation::Load { load, .. } if load.at_end == at_end), "{what:?}");
    }
    let agent = agent(State::Up, None);
    let bad = |words: &[&str]| {
        let line: Vec<&str> = ["proc", "load", "AP", "--group", "PAY"]
            .into_iter()
            .chain(words.iter().copied())
            .chain(["--", "/opt/ap"])
            .collect();
        tsugi(agent.run_dir(), &line).code
    };
    assert_eq!(bad(&["--restart", "10"]), 2);
    assert_eq!(bad(&["--fail", "--failover"]), 2);
    assert_eq!(bad(&["--within", "2h"]), 2);
    assert_eq!(bad(&["--rerun-scripts"]), 2);
    let line = ["proc", "load", "AP", "/opt/ap"];
    tsugi(agent.run_dir(), &line).ended(2, "TSUG10584-E");
    assert_eq!(agent.times(), 0);
}

#[test]
fn cl_08_a_service_is_loaded_by_its_name_and_its_end_is_told_like_a_programs() {
    let agent = agent(State::Up, None);
    let line = ["proc", "load", "AP", "--group", "PAY", "--fail", "--service", "wmIS"];
    tsugi(agent.run_dir(), &line).ended(0, "TSUG10580-I");
    let Operation::Load { load, .. } = changed(&agent).what else { panic!("no load") };
    assert_eq!(load.service.as_deref(), Some("wmIS"));
    assert_eq!(
        (load.run.len(), load.at_end),
        (0, AtEnd::Fail),
        "the configuration says what is run"
    );
    for wrong in [&["--service", "wmIS", "/opt/ap"][..], &["--service"], &[]] {
        let line = [&["proc", "load", "AP", "--group", "PAY"], wrong].concat();
        assert_eq!(tsugi(agent.run_dir(), &line).code, 2, "{wrong:?}");
    }
}

#[test]
fn cl_14_a_kill_ends_with_1_when_force_was_needed_and_with_4_when_nobody_knows_the_id() {
    let kill = |agent: &Agent| tsugi(agent.run_dir(), &["proc", "kill", "AP", "--within", "100s"]);
    let gone = agent(State::Gone, None);
    kill(&gone).ended(0, "TSUG10582-I");
    let within = Span::secs(100);
    let what = Operation::Kill { run: None, id: "AP".to_owned(), within };
    assert_eq!(changed(&gone).what, what);
    kill(&agent(State::Killed, None)).ended(1, "TSUG10583-W");
    let words = Words {
        id: "refused_no_such_watch".to_owned(),
        values: [("watch".to_owned(), "AP".to_owned())].into(),
    };
    let unknown =
        Refused { kind: No::NotFound, rule: 21, what: words, because: Vec::new(), next: None };
    let ran = kill(&Agent::that_says(Reply::No(unknown)));
    assert_eq!(ran.code, 4, "{ran:#?}");
}

#[test]
fn cl_15_a_suspended_watch_is_listed_as_suspend_with_who_and_why() {
    let held = Held { by: "mika".to_owned(), reason: "new disk".to_owned(), at: Utc(AT) };
    let listed = Agent::that_says(program(State::Up, None, Some(held)));
    let ran = tsugi(listed.run_dir(), &["proc", "list"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    for word in ["AP", "Suspend", "mika", "new disk", "PAY", "node1"] {
        assert!(ran.out.contains(word), "{word}: {ran:#?}");
    }
    let free = Agent::that_says(program(State::Ended, Some("exit 3"), None));
    let ran = tsugi(free.run_dir(), &["proc", "list"]);
    assert!(ran.out.contains("exit 3") && !ran.out.contains("Suspend"), "{ran:#?}");
    let over = Agent::that_says(program(State::Gone, None, None));
    let ran = tsugi(over.run_dir(), &["proc", "list"]);
    assert!(!ran.out.contains("AP"), "what was told to end and did is no more: {ran:#?}");
}

#[test]
fn cl_16_a_person_suspends_one_id_and_takes_it_up_again_with_a_reason() {
    for (verb, reason, said) in
        [("hold", "new disk", "TSUG10597-I"), ("watch", "disk is in", "TSUG10598-I")]
    {
        let agent = agent(State::Up, None);
        let line = ["proc", verb, "AP", "--reason", reason];
        tsugi(agent.run_dir(), &line).ended(0, said);
        let change = changed(&agent);
        assert_eq!(change.reason, reason);
        let (run, id) = (None, "AP".to_owned());
        let what = match verb {
            "hold" => Operation::Hold { run, id },
            _ => Operation::Watch { run, id },
        };
        assert_eq!(change.what, what);
    }
}

#[test]
fn a_script_loads_into_its_own_group_and_says_which_run_of_it_asks() {
    let dir = nobody();
    let place = dir.path().to_str().expect("a path");
    assert_eq!(tsugi(dir.path(), &["compat", "install", place]).code, 0);
    let agent = agent(State::Up, None);
    let ran = std::process::Command::new(dir.path().join("ARMLoad"))
        .args(["AP", "/opt/ap", "/m", "/FOV", "line 1"])
        .env_clear()
        .env("TSUGI_RUN_DIR", agent.run_dir())
        .env("TSUGI_GROUP", "PAY")
        .env("TSUGI_EPOCH", "e2.17")
        .env("LANG", "C.UTF-8")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(said.contains("ARMLOAD is now: tsugi proc load AP --failover"), "{said}");
    assert_eq!(ran.status.code(), Some(0), "its program stands: {said}");
    let change = changed(&agent);
    assert!(change.words.starts_with("ARMLOAD AP"), "{change:?}");
    let Operation::Load { run, load, .. } = change.what else { panic!("{change:?}") };
    let epoch = Some(Epoch { incarnation: 2, counter: 17 });
    assert_eq!(run, Run { group: "PAY".to_owned(), epoch });
    assert_eq!(
        (load.run, load.at_end),
        (vec!["/opt/ap".to_owned(), "line 1".to_owned()], AtEnd::TakeOver)
    );
}

/// The list is asked for until the program stands as it is to stand.
#[test]
fn a_load_waits_until_the_start_is_known() {
    let looks = std::sync::atomic::AtomicU32::new(0);
    let agent = Agent::that_does(move |request| {
        let reply = match request {
            Request::Change(_) => done(&[]),
            _ => match looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0..=2 => program(State::Starting, None, None),
                _ => program(State::Up, None, None),
            },
        };
        bytes(&answer(reply))
    });
    tsugi(agent.run_dir(), &["proc", "load", "ap", "--group", "PAY", "/opt/ap"])
        .ended(0, "TSUG10580-I");
    assert!(agent.times() >= 5, "{}", agent.times());
}
