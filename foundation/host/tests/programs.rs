//! Programs and scripts: started, known, limited, killed for certain.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use nix::sys::signal::Signal;
use support::*;
use tsugi_host::request::{
    Answer, Failure, HowEnded, KillBy, Limits, Output, Purpose, Request, Right, Target, TimeLimit,
};
use tsugi_vocabulary::{Epoch, GroupName, Span};

#[test]
fn a_program_is_told_of_with_its_group_and_epoch_and_its_end_is_an_event() {
    let mut node = Node::start(&[]);
    let id = node.spawn(shell(free(), Purpose::Service, "exec sleep 1000"));
    let running = node.list().programs;
    assert_eq!((running.len(), running[0].id), (1, id));
    assert_eq!((running[0].group.clone(), running[0].epoch), (group(), epoch()));
    let signal = Request::Signal { target: Target::Program(id), signal: libc::SIGTERM };
    assert_eq!(node.ask(&signal), Ok(Answer::Done));
    assert_eq!(node.ended(id).how, HowEnded::Signalled(libc::SIGTERM));
    assert_eq!(node.ask(&signal), Err(Failure::NoProgram));
}

#[test]
fn sec8_arguments_arrive_byte_for_byte_and_the_environment_is_built_from_empty() {
    let mut node = Node::start(&[]);
    let strange = "a b;$(touch /x)'\"\\\n給与";
    let mut program = shell(free(), Purpose::Start, "");
    program.argv = vec!["/usr/bin/env".into(), "printf".into(), "%s|".into(), strange.into()];
    let id = node.spawn(program);
    assert_eq!(node.ended(id).tail, format!("{strange}|").into_bytes());
    let mut program = shell(free(), Purpose::Start, "");
    program.argv = vec!["/usr/bin/env".into()];
    let id = node.spawn(program);
    let seen = String::from_utf8(node.ended(id).tail).unwrap();
    let mut names: Vec<&str> = seen.lines().filter_map(|l| Some(l.split_once('=')?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, ["PATH", "TSUGI_EPOCH", "TSUGI_GROUP", "TSUGI_MARK"]);
}

#[test]
fn a_program_that_cannot_be_started_is_a_failure_and_leaves_nothing() {
    let mut node = Node::start(&[]);
    let mut program = shell(free(), Purpose::Service, "");
    program.argv = vec!["/no/such/program".into()];
    let outcome = node.ask(&Request::Spawn(program));
    assert!(matches!(outcome, Err(Failure::NotStarted { errno: libc::ENOENT, .. })), "{outcome:?}");
    assert!(node.list().programs.is_empty());
}

#[test]
fn a_script_that_hangs_is_killed_at_its_limit_with_all_it_started() {
    let mut node = Node::start(&[]);
    let sleep = sleep();
    let script = format!("setsid {sleep} & {sleep}");
    let mut program = shell(free(), Purpose::Monitor, &script);
    program.time_limit = Some(Span::millis(150));
    let id = node.spawn(program);
    let ended = node.ended(id);
    assert_eq!(ended.limit, TimeLimit::Exceeded);
    until("its child is gone too", || named(&sleep).is_empty().then_some(()));
}

#[test]
fn a_script_that_floods_is_kept_to_its_last_bytes() {
    let mut node = Node::start(&[]);
    let script = "head -c 3000000 /dev/zero; echo end";
    let id = node.spawn(shell(free(), Purpose::Monitor, script));
    let ended = node.ended(id);
    assert_eq!((ended.how, ended.tail.len()), (HowEnded::Exited(0), 512));
    assert!(ended.tail.ends_with(b"end\n"));
    assert_eq!(ended.dropped, 3_000_004 - 512);
}

#[test]
fn what_a_monitor_leaves_running_is_killed_and_what_a_start_script_leaves_stays() {
    let mut node = Node::start(&[]);
    let (stays, goes) = (sleep(), sleep());
    let leaves = |words: &str| format!("setsid {words} >/dev/null 2>&1 &");
    let id = node.spawn(shell(free(), Purpose::Start, &leaves(&stays)));
    node.ended(id);
    let id = node.spawn(shell(free(), Purpose::Monitor, &leaves(&goes)));
    node.ended(id);
    until("only what the start script left belongs to the group", || {
        let left = named(&stays);
        (left.len() == 1 && node.list().processes == [(group(), left)]).then_some(())
    });
    assert_eq!(node.ask(&Request::KillGroup { group: group() }), Ok(Answer::Killed { count: 1 }));
    assert!(named(&stays).is_empty() && named(&goes).is_empty());
}

fn escape_artist(node: &mut Node) {
    let sleep = sleep();
    let script = &format!(
        "(setsid sh -c '(setsid {sleep} &) ; (trap \"\" TERM HUP; exec setsid {sleep}) &' &) ; \
         exec {sleep}"
    );
    // Whoever is the agent here may be another user than the hands, who may not open its pipes.
    let silent = |program| tsugi_host::request::Program { output: Output::Discard, ..program };
    let id = node.spawn(silent(shell(free(), Purpose::Service, script)));
    until("all three run", || (named(&sleep).len() == 3).then_some(()));
    let other = Right::Free { group: GroupName::new("other").unwrap(), epoch: Epoch::NONE };
    let bystander = node.spawn(silent(shell(other, Purpose::Service, "exec sleep 1000")));
    let outcome = node.ask(&Request::KillGroup { group: group() });
    assert!(matches!(outcome, Ok(Answer::Killed { count: 3.. })), "{outcome:?}");
    assert!(named(&sleep).is_empty(), "verified by the answer");
    assert_eq!(node.ended(id).how, HowEnded::Signalled(libc::SIGKILL));
    assert!(lives(bystander.pid), "another group is left alone");
}

#[test]
fn sec12_no_process_of_a_group_survives_its_kill() {
    if !root() {
        return;
    }
    let mut node = Node::start(&[]);
    if node.list().powers.kill == KillBy::Descent {
        eprintln!("without cgroups: this is the test of the fallback only");
    }
    escape_artist(&mut node);
}

#[test]
fn without_root_no_process_of_a_group_survives_its_kill() {
    let mut node = if root() { Node::start(&["as=65534"]) } else { Node::start(&[]) };
    escape_artist(&mut node);
}

#[test]
fn a_program_runs_as_its_user_within_its_limits() {
    if !root() {
        return;
    }
    let mut node = Node::start(&[]);
    let mut program = shell(free(), Purpose::Start, "id -u; id -G; ulimit -n; umask; pwd");
    program.user = Some((65534, 65534));
    program.limits = Limits { open_files: Some(33), ..Limits::default() };
    program.dir = Some("/tmp".into());
    let id = node.spawn(program);
    let tail = String::from_utf8(node.ended(id).tail).unwrap();
    assert_eq!(tail, "65534\n65534\n33\n0022\n/tmp\n");
}

#[test]
fn a_log_is_written_and_bounded() {
    let mut node = Node::start(&[]);
    let log = node.path("counter.log");
    let mut program = shell(free(), Purpose::Start, "seq 1 3000");
    program.output = Output::File { path: log.clone(), limit: 8192 };
    let id = node.spawn(program);
    node.ended(id);
    until("the last line is written", || {
        fs::read_to_string(&log).ok().filter(|text| text.ends_with("3000\n"))
    });
    assert!(fs::metadata(&log).unwrap().len() <= 8192);
    assert!(fs::metadata(node.path("counter.log.1")).unwrap().len() <= 8192);
}

#[test]
fn what_a_program_prints_can_be_in_a_log_and_its_end_with_the_end() {
    let mut node = Node::start(&[]);
    let log = node.path("start.log");
    for said in ["first", "second"] {
        let mut program = shell(free(), Purpose::Start, &format!("echo {said}; seq 1 300"));
        let file = Output::File { path: log.clone(), limit: 8192 };
        program.output = Output::Both(Box::new(file), Box::new(Output::Tail { keep: 8 }));
        let id = node.spawn(program);
        let ended = node.ended(id);
        assert_eq!(ended.tail, b"299\n300\n");
        assert!(ended.dropped > 1000, "{ended:?}");
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.ends_with("299\n300\n"), "it is whole when the end is told: {text}");
    }
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.starts_with("first\n1\n") && text.contains("\n300\nsecond\n1\n"), "{text}");
}

/// A start script that leaves something running which prints a line and goes on once there is a
/// file, and the log of it.
fn leaves_a_printer(node: &mut Node, sleep: &str) -> std::path::PathBuf {
    let (log, go) = (node.path("start.log"), node.path("go"));
    let wait = format!("while [ ! -e {} ]; do sleep 0.01; done", go.display());
    let script = format!("({wait}; echo late; exec {sleep}) & echo early");
    let mut program = shell(free(), Purpose::Start, &script);
    let file = Output::File { path: log.clone(), limit: 8192 };
    program.output = Output::Both(Box::new(file), Box::new(Output::Tail { keep: 512 }));
    let id = node.spawn(program);
    assert_eq!(node.ended(id).tail, b"early\n");
    log
}

fn prints_on(node: &Node, log: &std::path::Path, sleep: &str) {
    fs::write(node.path("go"), "").unwrap();
    until("it has printed and goes on", || (named(sleep).len() == 1).then_some(()));
    until("its line is kept", || {
        fs::read_to_string(log).ok().filter(|text| text == "early\nlate\n")
    });
}

fn pipes(node: &Node) -> usize {
    let found = fs::read_dir(node.path("run/agent")).unwrap().flatten();
    found.filter(|f| f.path().extension().is_some_and(|e| e == "pipe" || e == "log")).count()
}

#[test]
fn what_a_start_script_leaves_running_prints_on_into_the_log() {
    let mut node = Node::start(&[]);
    let sleep = sleep();
    let log = leaves_a_printer(&mut node, &sleep);
    prints_on(&node, &log, &sleep);
    assert!(matches!(node.ask(&Request::KillGroup { group: group() }), Ok(Answer::Killed { .. })));
    until("its pipe is cleared away", || (pipes(&node) == 0).then_some(()));
}

#[test]
fn what_a_start_script_leaves_running_outlives_the_agent_that_reads_it() {
    let mut node = Node::start(&[]);
    let sleep = sleep();
    let log = leaves_a_printer(&mut node, &sleep);
    let run = node.path("run");
    node.hands = until("the next agent", || tsugi_host::hands::Hands::connect(&run).ok());
    node.list();
    node.list();
    prints_on(&node, &log, &sleep);
    assert!(matches!(node.ask(&Request::KillGroup { group: group() }), Ok(Answer::Killed { .. })));
    until("its pipe is cleared away", || (pipes(&node) == 0).then_some(()));
}

#[test]
fn a_slow_request_does_not_hold_up_a_fast_one() {
    let mut node = Node::start(&[]);
    let mut program = shell(free(), Purpose::Monitor, "exec sleep 1000");
    program.time_limit = Some(Span::secs(100));
    node.spawn(program);
    let quick = node.spawn(shell(free(), Purpose::Monitor, "echo quick"));
    assert_eq!(node.ended(quick).tail, b"quick\n");
}

#[test]
fn when_the_hands_are_killed_every_program_ends() {
    let mut node = Node::start(&[]);
    let sleep = sleep();
    let id = node.spawn(shell(free(), Purpose::Service, &format!("exec {sleep}")));
    assert!(lives(id.pid));
    send(node.pid(), Signal::SIGKILL);
    until("the program is gone", || named(&sleep).is_empty().then_some(()));
}

#[test]
fn hands_that_are_told_to_stop_leave_nothing_behind() {
    let mut node = Node::start(&[]);
    let sleep = sleep();
    let script = format!("setsid {sleep} & exec {sleep}");
    let id = node.spawn(shell(free(), Purpose::Service, &script));
    let guardian = node.guardian_pid();
    send(node.pid(), Signal::SIGTERM);
    let code = node.process.0.wait().unwrap().code();
    assert_eq!(code, Some(0));
    assert!(!lives(id.pid));
    until("the guardian is gone", || (!lives(guardian)).then_some(()));
    until("its children are gone", || named(&sleep).is_empty().then_some(()));
    assert!(!node.path("run/hands.sock").exists());
}
