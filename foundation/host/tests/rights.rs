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
    // The hands do not wait for the guardian, which has to be there only once something is armed.
    // It gives its rights up before it takes its filter.
    until("the guardian watches", || {
        let filtered = |(_, status): &(String, String)| field(status, "Seccomp") == "2";
        let guardian = threads(node.guardian_pid());
        (!guardian.is_empty() && guardian.iter().all(filtered)).then_some(())
    });
    node
}

#[test]
fn sec9_every_thread_of_hands_and_guardian_is_filtered_but_the_one_that_starts_programs() {
    let node = busy_node();
    let hands = threads(node.pid());
    assert!(hands.iter().any(|(name, _)| name == "starter"), "it is one of them");
    for (name, status) in hands {
        let (filter, gain) = if name == "starter" { ("0", "0") } else { ("2", "1") };
        assert_eq!(field(&status, "Seccomp"), filter, "{name}");
        assert_eq!(field(&status, "NoNewPrivs"), gain, "{name}");
    }
    for (name, status) in threads(node.guardian_pid()) {
        assert_eq!(field(&status, "Seccomp"), "2", "{name}");
    }
}

/// Scheduling policy and real-time priority of every thread, by name.
fn scheduling(pid: u32) -> Vec<(String, u32, u32)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let read = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
        let fields: Vec<u32> = rest.split(' ').map(|f| f.trim().parse().unwrap_or(0)).collect();
        Some((name.to_owned(), fields[38], fields[37]))
    };
    tasks.filter_map(|task| read(task.ok()?)).collect()
}

#[test]
fn only_those_who_keep_a_lease_are_real_time_and_no_program_is() {
    if !root() {
        return;
    }
    const FIFO: u32 = 1;
    let mut node = busy_node();
    let sleep = sleep();
    let id = node.spawn(shell(free(), Purpose::Service, &format!("{sleep} & exec {sleep}")));
    until("both run", || (named(&sleep).len() == 2).then_some(()));
    assert!(scheduling(node.guardian_pid()).iter().all(|(_, policy, _)| *policy == FIFO));
    let hands = scheduling(node.pid());
    let highest = hands.iter().map(|(.., priority)| *priority).max().unwrap();
    let guardian = scheduling(node.guardian_pid())[0].2;
    assert!(highest < guardian, "the guardian comes before the hands");
    for pid in named(&sleep).into_iter().chain([id.pid]) {
        assert!(scheduling(pid).iter().all(|(_, policy, _)| *policy == 0), "reset on fork");
    }
}

#[test]
fn the_guardians_memory_is_locked_and_the_node_stays_small() {
    if !root() {
        return;
    }
    let node = busy_node();
    let kib = |pid: u32, name: &str| -> u64 {
        let text = field(&status(&pid.to_string()), name);
        text.split_whitespace().next().unwrap().parse().unwrap()
    };
    let guardian = node.guardian_pid();
    assert!(kib(guardian, "VmLck") > 0, "no page of it is fetched from a disk at a deadline");
    assert_eq!(kib(guardian, "VmSwap"), 0);
    assert!(kib(guardian, "VmRSS") + kib(node.pid(), "VmRSS") < 12 * 1024);
}

#[test]
fn a_program_is_not_filtered_and_has_the_rights_that_root_gives_it() {
    let mut node = Node::start(&[]);
    let id = node.spawn(shell(free(), Purpose::Service, "exec sleep 1000"));
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
