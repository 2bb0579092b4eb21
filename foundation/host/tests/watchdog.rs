//! The watchdog, played by a file that keeps what it is fed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use support::*;
use tempfile::TempDir;
use tsugi_host::clock;
use tsugi_host::fence::able::Capability;
use tsugi_host::guardian::message::{Extension, Notice, Order};
use tsugi_host::request::{Purpose, Release};
use tsugi_vocabulary::Span;

/// A node with a watchdog in a directory of its own.
fn guarded() -> (Node, TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let device = dir.path().join("watchdog");
    fs::write(&device, "").unwrap();
    let node = Node::start(&[&format!("watchdog={}", device.display())]);
    (node, dir, device)
}

/// What it was fed since it was last put to sleep; `None` while it sleeps.
fn meals(device: &Path) -> Option<usize> {
    let fed = fs::read(device).unwrap();
    let slept = fed.iter().rposition(|byte| *byte == b'V').map_or(0, |at| at + 1);
    (slept < fed.len()).then_some(fed.len() - slept)
}

/// Whether every thread of a process is stopped, or the process has ended.
fn stands_still(pid: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let stat = |task: fs::DirEntry| fs::read_to_string(task.path().join("stat")).ok();
    let mut stats = tasks.filter_map(|task| stat(task.ok()?));
    stats.all(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['T', 'Z'])))
}

#[test]
fn the_watchdog_sleeps_while_nothing_is_owned_and_is_fed_while_the_lease_runs() {
    let (mut node, _dir, device) = guarded();
    assert_eq!(node.list().powers.fence, Capability::Watchdog);
    assert_eq!(meals(&device), None, "tried out and put to sleep");
    node.arm(60_000, &[], Vec::new());
    until("it is fed again and again", || meals(&device).filter(|count| *count >= 4));
    node.tell(&Order::Disarm { group: group(), epoch: epoch() });
    assert_eq!(node.notice(), Notice::Disarmed { group: group(), epoch: epoch() });
    until("it sleeps", || meals(&device).is_none().then_some(()));
}

#[test]
fn when_the_agent_stops_the_watchdog_is_not_fed_beyond_the_deadline() {
    let (mut node, _dir, device) = guarded();
    node.arm(60_000, &[], Vec::new());
    let sleep = sleep();
    node.spawn(shell(lease(), Purpose::Service, &format!("exec {sleep}")));
    node.shorten(1_500, &[], Vec::new());
    for _ in 0..20 {
        let deadline = clock::now() + Span::millis(1_500);
        let extension = Extension { group: group(), epoch: epoch(), deadline };
        node.tell(&Order::Extend(vec![extension]));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(meals(&device).is_some(), "awake while the agent extends");
    let complete = matches!(node.notice(), Notice::Released { release: Release::Complete, .. });
    assert!(complete && named(&sleep).is_empty());
    until("what was released needs no reset", || meals(&device).is_none().then_some(()));
    let fed = fs::read(&device).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert_eq!(fs::read(&device).unwrap(), fed, "nothing more");
}

#[test]
fn when_guardian_and_hands_hang_or_are_gone_the_watchdog_gets_nothing_more_and_bites() {
    let (mut node, _dir, device) = guarded();
    node.arm(60_000, &[], Vec::new());
    until("it is fed", || meals(&device));
    let (hands, guardian) = (node.pid(), node.guardian_pid());
    for pid in [hands, guardian] {
        send(pid, Signal::SIGSTOP);
        until("it stands still", || stands_still(pid).then_some(()));
    }
    let fed = fs::read(&device).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert_eq!(fs::read(&device).unwrap(), fed, "a node that stands still feeds nothing");
    send(guardian, Signal::SIGKILL);
    send(hands, Signal::SIGKILL);
    until("both are gone", || (!lives(hands) && !lives(guardian)).then_some(()));
    assert_eq!(fs::read(&device).unwrap(), fed, "and nobody puts it to sleep");
}

#[test]
fn when_the_guardian_is_lost_the_next_one_puts_the_watchdog_to_sleep_after_the_release() {
    let (mut node, _dir, device) = guarded();
    node.arm(60_000, &[], Vec::new());
    let sleep = sleep();
    node.spawn(shell(lease(), Purpose::Service, &format!("exec {sleep}")));
    until("it is fed", || meals(&device));
    send(node.guardian_pid(), Signal::SIGKILL);
    until("it sleeps", || meals(&device).is_none().then_some(()));
    assert!(named(&sleep).is_empty());
}

#[test]
fn a_node_that_is_told_to_stop_leaves_its_watchdog_asleep() {
    let (mut node, _dir, device) = guarded();
    node.arm(60_000, &[], Vec::new());
    until("it is fed", || meals(&device));
    send(node.pid(), Signal::SIGTERM);
    assert_eq!(node.process.0.wait().unwrap().code(), Some(0));
    until("it sleeps", || meals(&device).is_none().then_some(()));
}

#[test]
fn a_watchdog_that_cannot_be_used_is_not_counted_on_and_never_made() {
    let dir = TempDir::new().unwrap();
    let device = dir.path().join("mistyped");
    let mut node = Node::start(&[&format!("watchdog={}", device.display())]);
    assert_eq!(node.list().powers.fence, Capability::None, "this node may not reboot either");
    node.arm(60_000, &[], Vec::new());
    assert!(!device.exists());
}

#[test]
fn a_watchdog_that_was_busy_at_the_start_is_counted_on_once_it_takes_its_food() {
    let dir = TempDir::new().unwrap();
    let device = dir.path().join("watchdog");
    let mut node = Node::start(&[&format!("watchdog={}", device.display())]);
    assert_eq!(node.list().powers.fence, Capability::None);
    fs::write(&device, "").unwrap();
    node.arm(60_000, &[], Vec::new());
    until("it is told", || (node.list().powers.fence == Capability::Watchdog).then_some(()));
    assert!(meals(&device).is_some());
}

#[test]
fn a_watchdog_that_refuses_later_is_told_with_the_next_listing() {
    let (mut node, _dir, device) = guarded();
    fs::remove_file(&device).unwrap();
    node.arm(60_000, &[], Vec::new());
    until("it is told", || (node.list().powers.fence == Capability::None).then_some(()));
}
