//! What hands and guardian may do at all: system calls and capabilities; programs may do more.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use support::*;
use tsugi_host::request::Purpose;
use tsugi_host::rights::{self, Privilege};

fn field(status: &str, name: &str) -> String {
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_once(':').unwrap().1.trim().to_owned()
}

fn status(of: &str) -> String {
    fs::read_to_string(format!("/proc/{of}/status")).unwrap()
}

/// Name and status of every thread.
fn threads(pid: u32) -> Vec<(String, String)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let tasks = tasks.filter_map(|task| task.ok()?.file_name().into_string().ok());
    let read = |task: String| {
        let status = fs::read_to_string(format!("/proc/{pid}/task/{task}/status")).ok()?;
        Some((field(&status, "Name"), status))
    };
    tasks.filter_map(read).collect()
}

/// A node that has done something of each kind, so that it has all its threads.
fn busy_node() -> Node {
    let mut node = Node::start(&[]);
    let mut logged = shell(free(), Purpose::Start, "echo here");
    logged.output = tsugi_host::request::Output::File { path: node.path("here.log"), limit: 4096 };
    let id = node.spawn(logged);
    node.ended(id);
    node
}

#[test]
fn sec9_every_thread_of_hands_and_guardian_is_filtered_but_the_one_that_starts_programs() {
    let node = busy_node();
    let hands = threads(node.pid());
    for wanted in ["starter", "scribe"] {
        assert!(hands.iter().any(|(name, _)| name == wanted), "{wanted} is one of them");
    }
    for (name, status) in hands {
        let (filter, gain) = if name == "starter" { ("0", "0") } else { ("2", "1") };
        assert_eq!(field(&status, "Seccomp"), filter, "{name}");
        assert_eq!(field(&status, "NoNewPrivs"), gain, "{name}");
    }
    for (name, status) in threads(node.guardian_pid()) {
        assert_eq!(field(&status, "Seccomp"), "2", "{name}");
    }
}

#[test]
fn a_program_is_not_filtered_and_has_the_rights_that_root_gives_it() {
    let mut node = Node::start(&[]);
    let id = node.spawn(shell(free(), Purpose::Service, "exec sleep 98861"));
    let program = status(&id.pid.to_string());
    assert_eq!(field(&program, "Seccomp"), field(&status("self"), "Seccomp"));
    assert_eq!(field(&program, "NoNewPrivs"), field(&status("self"), "NoNewPrivs"));
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(field(&program, set), field(&status("self"), set), "{set}");
    }
}

#[test]
fn sec9_a_call_that_is_not_on_the_list_ends_hands_and_guardian_with_a_bad_system_call() {
    let node = env!("CARGO_BIN_EXE_tsugi-host-node");
    let run = |role: &str, what: &str| {
        let mut command = Command::new(node);
        command.args(["trespass", role, what]).stderr(Stdio::null());
        command.status().unwrap()
    };
    for role in ["hands", "guardian"] {
        for what in ["inet", "inet6", "program", "name"] {
            assert_eq!(run(role, what).signal(), Some(libc::SIGSYS), "{role} {what}");
        }
        for what in ["local", "routes"] {
            assert!(run(role, what).success(), "{role} {what}");
        }
    }
    assert!(run("hands", "thread").success());
    assert_eq!(run("guardian", "thread").signal(), Some(libc::SIGSYS), "it needs none");
}

#[test]
fn sec9_hands_and_guardian_have_only_the_capabilities_of_their_lists() {
    if !root() {
        return;
    }
    let node = busy_node();
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let own = number(&field(&status("self"), "CapEff"));
    let only = |pid: u32, kept: &[Privilege]| {
        for (name, status) in threads(pid).iter().filter(|(name, _)| name != "starter") {
            for set in ["CapPrm", "CapEff"] {
                assert_eq!(number(&field(status, set)), rights::mask(kept) & own, "{name} {set}");
            }
            assert_eq!(number(&field(status, "CapInh")), 0, "{name}");
        }
    };
    only(node.pid(), rights::OF_HANDS);
    only(node.guardian_pid(), rights::OF_GUARDIAN);
}
