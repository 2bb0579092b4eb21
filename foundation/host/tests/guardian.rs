//! The guardian against the clock, and hands and guardian against each other's loss.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use nix::sys::signal::Signal;
use support::*;
use tsugi_host::clock;
use tsugi_host::guardian::message::{Extension, Notice, Order, Refused, Volume, VolumeKind};
use tsugi_host::request::{Event, Failure, HowEnded, Purpose, Release, Request};
use tsugi_host::{Guard, Host};
use tsugi_vocabulary::Span;

const GROUP_OF_TWO: &str = "setsid sleep 1000 >/dev/null 2>&1 & exec sleep 1000";

/// A group of two of these words.
fn two(words: &str) -> String {
    format!("setsid {words} & exec {words}")
}

fn until_both_run(words: &str) {
    until("both run", || (named(words).len() == 2).then_some(()));
}

fn until_gone(words: &str) {
    until("nothing of it is left", || named(words).is_empty().then_some(()));
}

fn released(node: &mut Node) -> (Span, Span) {
    match node.notice() {
        Notice::Released { group: g, epoch: e, release: Release::Complete, late, took } => {
            assert_eq!((g, e), (group(), epoch()));
            (late, took)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn cl_39_when_the_agent_is_starved_the_group_is_silent_after_its_deadline() {
    let mut node = Node::start(&[]);
    node.arm(60_000, &[], Vec::new());
    let id = node.spawn(shell(lease(), Purpose::Service, GROUP_OF_TWO));
    node.shorten(300, &[], Vec::new());
    let (late, took) = released(&mut node);
    eprintln!("the release began {late} after the deadline and took {took}");
    assert!(node.list().processes.is_empty());
    assert_eq!(node.ended(id).how, HowEnded::Signalled(libc::SIGKILL));
    assert!(clock::now().0 > 0);
}

#[test]
fn a_group_whose_deadline_moves_on_is_left_alone_until_it_does_not() {
    let mut node = Node::start(&[]);
    node.arm(60_000, &[], Vec::new());
    let id = node.spawn(shell(lease(), Purpose::Service, "exec sleep 1000"));
    let first = node.shorten(2_000, &[], Vec::new());
    let mut deadline = first;
    while clock::now() < first + Span::millis(400) {
        deadline = clock::now() + Span::millis(2_000);
        let extension = Extension { group: group(), epoch: epoch(), deadline };
        node.tell(&Order::Extend(vec![extension]));
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    assert!(lives(id.pid), "its first deadline has passed");
    released(&mut node);
    assert!(clock::now() >= deadline, "not before the last deadline");
    node.ended(id);
}

#[test]
fn a_group_that_is_disarmed_runs_on() {
    let mut node = Node::start(&[]);
    node.arm(60_000, &[], Vec::new());
    let id = node.spawn(shell(lease(), Purpose::Service, "exec sleep 1000"));
    let deadline = node.shorten(2_000, &[], Vec::new());
    node.tell(&Order::Disarm { group: group(), epoch: epoch() });
    assert_eq!(node.notice(), Notice::Disarmed { group: group(), epoch: epoch() });
    until("its deadline is well past", || {
        (clock::now() >= deadline + Span::millis(400)).then_some(())
    });
    assert!(lives(id.pid));
    assert_eq!(node.guardian.next_notice(), Ok(None));
}

#[test]
fn l1_nothing_starts_under_a_lease_that_the_guardian_does_not_know() {
    let mut node = Node::start(&[]);
    let refused = Err(Failure::NotArmed { group: group(), epoch: epoch() });
    let sleep = sleep();
    let script = format!("exec {sleep}");
    let start = || Request::Spawn(shell(lease(), Purpose::Service, &script));
    assert_eq!(node.ask(&start()), refused, "not armed yet");
    node.arm(60_000, &[], Vec::new());
    node.spawn(shell(lease(), Purpose::Service, &script));
    node.shorten(300, &[], Vec::new());
    released(&mut node);
    assert_eq!(node.ask(&start()), refused, "an agent that was frozen comes too late");
    until_gone(&sleep);
}

#[test]
fn l5_a_released_group_is_never_armed_again_for_the_same_epoch() {
    let mut node = Node::start(&[]);
    node.arm(60, &[], Vec::new());
    released(&mut node);
    let deadline = clock::now() + Span::secs(10);
    let late = Extension { group: group(), epoch: epoch(), deadline };
    node.tell(&Order::Extend(vec![late]));
    let why = Refused::AlreadyReleased;
    assert_eq!(node.notice(), Notice::Refused { group: group(), epoch: epoch(), why });
}

#[test]
fn a_guardian_that_could_have_no_child_does_not_begin() {
    let mut node = Node::start(&["refuse=child"]);
    node.event("it has ended", |event| matches!(event, Event::GuardianLost { .. }));
}

#[test]
fn a_node_learns_how_its_children_end_also_where_who_starts_it_does_not() {
    let mut node = Node::of_one_who_ignores_children();
    node.arm(60_000, &[], Vec::new());
    let id = node.spawn(shell(lease(), Purpose::Service, "exec sleep 1000"));
    node.shorten(300, &[], Vec::new());
    released(&mut node);
    assert_eq!(node.ended(id).how, HowEnded::Signalled(libc::SIGKILL));
}

fn lost_guardian(signal: Signal) {
    let mut node = Node::start(&[]);
    node.arm(60_000, &[], Vec::new());
    let id = node.spawn(shell(lease(), Purpose::Service, GROUP_OF_TWO));
    let guardian = node.guardian_pid();
    node.shorten(2_000, &[], Vec::new());
    let began = clock::now();
    send(guardian, signal);
    let lost = node.event("loss", |event| matches!(event, Event::GuardianLost { .. }));
    eprintln!("the hands had released everything after {}", clock::now().since(began));
    let all = vec![(group(), epoch(), Release::Complete)];
    assert_eq!(lost, Event::GuardianLost { released: all });
    assert!(!lives(id.pid));
    node.ended(id);
    if let Some(tree) = node.tree() {
        assert!(!tree.join("pay").exists(), "nobody kills the group again to tidy it (I25)");
    }
    assert!(node.list().processes.is_empty());
    assert!(node.guardian.next_notice().is_err(), "the agent sees it on the socket too");
    node.event("a new guardian", |event| *event == Event::GuardianReady);
    assert_ne!(node.guardian_pid(), guardian);
    node.guardian = tsugi_host::guardian::Guardian::connect(&node.path("run")).unwrap();
    node.tell(&Order::Recall);
    released(&mut node);
}

#[test]
fn a_guardian_that_is_stopped_is_killed_by_its_own_timer_and_the_hands_release() {
    lost_guardian(Signal::SIGSTOP);
}

#[test]
fn when_the_guardian_is_killed_the_hands_release_what_was_armed() {
    lost_guardian(Signal::SIGKILL);
}

#[test]
fn when_the_hands_are_killed_the_guardian_releases_at_once() {
    let mut node = Node::start(&[]);
    node.arm(60_000, &[], Vec::new());
    let sleep = sleep();
    node.spawn(shell(lease(), Purpose::Service, &two(&sleep)));
    until_both_run(&sleep);
    let guardian = node.guardian_pid();
    send(node.pid(), Signal::SIGKILL);
    until_gone(&sleep);
    until("the guardian has ended too", || (!lives(guardian)).then_some(()));
}

#[test]
fn an_idle_guardian_is_not_killed_by_its_timer() {
    let mut node = Node::start(&[]);
    node.arm(100, &[], Vec::new());
    released(&mut node);
    let guardian = node.guardian_pid();
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert!(lives(guardian));
    assert!(node.hands.next_report().is_ok());
}

#[test]
fn hands_and_guardian_are_small() {
    let mut node = Node::start(&[]);
    node.arm(60_000, &[], Vec::new());
    let resident = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let (hands, guardian) = (resident(node.pid()), resident(node.guardian_pid()));
    eprintln!("hands {hands} KiB, guardian {guardian} KiB resident");
    assert!(hands + guardian < 12 * 1024, "a node may have 40 MiB with its agent");
}

#[test]
fn cl_30_a_node_that_was_frozen_is_rid_of_the_group_when_it_wakes_up() {
    let mut node = Node::start(&[]);
    node.arm(60_000, &[], Vec::new());
    let sleep = sleep();
    let id = node.spawn(shell(lease(), Purpose::Service, &two(&sleep)));
    until_both_run(&sleep);
    let all = [vec![node.pid(), node.guardian_pid()], named(&sleep)].concat();
    let deadline = node.shorten(2_000, &[], Vec::new());
    for pid in &all {
        send(*pid, Signal::SIGSTOP);
    }
    until("the deadline passes meanwhile", || {
        (clock::now() >= deadline + Span::millis(500)).then_some(())
    });
    // What the agent asks for just now must come too late.
    let more = shell(lease(), Purpose::Service, &format!("exec {sleep}"));
    node.hands.ask(&Request::Spawn(more)).unwrap();
    let woke = clock::now();
    for pid in &all {
        // The guardian's own timer has killed it meanwhile.
        let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
        nix::sys::signal::kill(pid, Signal::SIGCONT).ok();
    }
    until_gone(&sleep);
    eprintln!("gone {} after the wake-up", clock::now().since(woke));
    until("the hands say so", || node.hands.next_report().unwrap());
    assert!(!lives(id.pid));
}

#[test]
fn a_reset_ends_the_hands_and_every_program() {
    let mut node = Node::start(&[]);
    node.arm(60_000, &[], Vec::new());
    let sleep = sleep();
    node.spawn(shell(lease(), Purpose::Service, &two(&sleep)));
    until_both_run(&sleep);
    node.hands.ask(&Request::Reset { reason: "a test".into() }).unwrap();
    until_gone(&sleep);
    until("the hands are gone", || (!lives(node.pid())).then_some(()));
}

#[test]
fn what_nothing_here_can_take_away_ends_with_the_machine_at_the_deadline() {
    let mut node = Node::start(&[]);
    let beyond = || vec![Volume { dir: "".into(), kind: VolumeKind::BeyondReach }];
    node.arm(60_000, &[], beyond());
    let sleep = sleep();
    node.spawn(shell(lease(), Purpose::Service, &two(&sleep)));
    until_both_run(&sleep);
    node.shorten(300, &[], beyond());
    until_gone(&sleep);
    until("the hands are gone", || (!lives(node.pid())).then_some(()));
}

#[test]
fn a_reset_of_the_machine_in_a_pid_namespace_ends_just_that() {
    if !root() {
        return;
    }
    let dir = tempfile::TempDir::new().unwrap();
    let mut machine = std::process::Command::new("unshare");
    machine.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]);
    let node = env!("CARGO_BIN_EXE_tsugi-host-node");
    let (run, data) = (dir.path().join("run"), dir.path().join("data"));
    let sleep = sleep();
    machine.arg(format!(
        "{sleep} & {node} hands {} {} fence=machine",
        run.display(),
        data.display()
    ));
    let mut machine = Leash(machine.spawn().unwrap());
    let mut hands = until("the hands listen", || tsugi_host::hands::Hands::connect(&run).ok());
    hands.ask(&Request::Reset { reason: "a test".into() }).unwrap();
    until_gone(&sleep);
    machine.0.wait().unwrap();
}
