//! How a program begins: in which cgroup, with what, and what is left of one that does not.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;
use support::*;
use tsugi_host::Host;
use tsugi_host::request::{Failure, HowEnded, Output, Program, Purpose, Request, TimeLimit};
use tsugi_vocabulary::Span;

/// The ways into a cgroup: whichever the kernel has, then each of the two with the other refused.
const WAYS: [&[&str]; 3] = [&[], &["refuse=fork"], &["refuse=clone3"]];

fn program(argv: &[&str]) -> Program {
    let argv = argv.iter().map(|text| (*text).to_owned()).collect();
    Program { argv, ..shell(free(), Purpose::Start, "") }
}

fn prints(node: &mut Node, argv: &[&str]) -> String {
    let id = node.spawn(program(argv));
    String::from_utf8(node.ended(id).tail).unwrap()
}

#[test]
fn sec12_a_program_is_in_its_cgroup_before_its_first_instruction_on_every_way() {
    for way in WAYS {
        let mut node = Node::start(way);
        let Some(tree) = node.tree() else { return };
        let seen = prints(&mut node, &["/bin/cat", "/proc/self/cgroup"]);
        let own = seen.lines().find_map(|line| line.strip_prefix("0::")).unwrap();
        let leaf = Path::new(tree.file_name().unwrap()).join("pay/p1");
        assert!(Path::new(own).ends_with(&leaf), "{way:?}: {own}");
        assert!(!tree.join("pay").exists(), "{way:?}: it goes with its last process");
    }
}

#[test]
fn a_program_that_ends_takes_its_own_cgroup_with_it_and_none_that_another_is_in() {
    let mut node = Node::start(&[]);
    let Some(tree) = node.tree() else { return };
    let stays = node.spawn(program(&["/bin/sleep", "1000"]));
    prints(&mut node, &["/bin/true"]);
    assert!(tree.join("pay/p1").exists() && !tree.join("pay/p2").exists());
    send(stays.pid, Signal::SIGKILL);
    node.ended(stays);
    assert!(!tree.join("pay").exists());
}

#[test]
fn what_cannot_be_started_says_why_and_leaves_neither_process_nor_cgroup() {
    for way in WAYS {
        let mut node = Node::start(way);
        let before = children(node.pid());
        let mut nowhere = program(&["/bin/true"]);
        nowhere.dir = Some("/no/such/directory".into());
        let mut no_directory = program(&["/bin/true"]);
        no_directory.dir = Some("/etc/passwd".into());
        let tried = [
            (program(&["/no/such/program"]), libc::ENOENT),
            (program(&["no-such-program"]), libc::ENOENT),
            (program(&["/etc/passwd"]), libc::EACCES),
            (program(&["/bin/true/x"]), libc::ENOTDIR),
            (program(&["/bin/true", "a\0b"]), libc::EINVAL),
            (nowhere, libc::ENOENT),
            (no_directory, libc::ENOTDIR),
        ];
        for (program, errno) in tried {
            let step = format!("start {}", program.argv[0]);
            let outcome = node.ask(&Request::Spawn(program));
            assert_eq!(outcome.unwrap_err(), Failure::NotStarted { step, errno }, "{way:?}");
        }
        assert_eq!(children(node.pid()), before, "{way:?}: not even one that is not reaped");
        let listing = node.list();
        assert!(listing.programs.is_empty() && listing.processes.is_empty(), "{way:?}");
        if let Some(tree) = node.tree() {
            assert!(!tree.join("pay").exists(), "{way:?}");
        }
    }
}

/// Somebody else has made the group's cgroup one for threads, in which no process can be.
#[test]
fn a_cgroup_that_takes_no_process_is_said_to_be_in_the_way_on_every_way() {
    for way in WAYS {
        let mut node = Node::start(way);
        let Some(tree) = node.tree() else { return };
        fs::create_dir(tree.join("pay")).unwrap();
        fs::write(tree.join("pay/cgroup.type"), "threaded").unwrap();
        let outcome = node.ask(&Request::Spawn(program(&["/bin/true"])));
        let (step, errno) = ("start /bin/true".to_owned(), libc::EOPNOTSUPP);
        assert_eq!(outcome, Err(Failure::NotStarted { step, errno }), "{way:?}");
        assert!(!tree.join("pay/p1").exists(), "{way:?}");
    }
}

#[test]
fn a_program_of_a_user_that_the_hands_may_not_become_is_not_started() {
    if !root() {
        return;
    }
    let mut node = Node::start(&["as=65534"]);
    let before = children(node.pid());
    let mut other = program(&["/bin/true"]);
    other.user = Some((65533, 65533));
    // The pipes here are root's.
    other.output = Output::Discard;
    let refused = Failure::NotStarted { step: "start /bin/true".into(), errno: libc::EPERM };
    assert_eq!(node.ask(&Request::Spawn(other)), Err(refused));
    assert_eq!(children(node.pid()), before);
}

#[test]
fn a_program_is_looked_for_in_its_own_path_and_a_text_without_a_first_line_is_one_of_the_shell() {
    let mut node = Node::start(&[]);
    let mut elsewhere = program(&["cat", "/proc/self/comm"]);
    assert_eq!(prints(&mut node, &["cat", "/proc/self/comm"]), "cat\n");
    elsewhere.env = vec![("PATH".into(), "/no/such/directory".into())];
    let outcome = node.ask(&Request::Spawn(elsewhere));
    assert!(matches!(outcome, Err(Failure::NotStarted { errno: libc::ENOENT, .. })), "{outcome:?}");
    let script = node.path("script");
    fs::write(&script, "echo $0 $1\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let script = script.to_str().unwrap().to_owned();
    assert_eq!(prints(&mut node, &[&script, "argument"]), format!("{script} argument\n"));
}

fn field(status: &str, name: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    u64::from_str_radix(value.trim(), 16).unwrap()
}

#[test]
fn no_signal_is_blocked_and_none_is_ignored_that_the_hands_ignore_themselves() {
    let bit = |signal: Signal| 1_u64 << (signal as i32 - 1);
    let own = [Signal::SIGHUP, Signal::SIGPIPE].map(bit);
    let around = field(&fs::read_to_string("/proc/self/status").unwrap(), "SigIgn:");
    for way in WAYS {
        let mut node = Node::start(way);
        let hands = fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
        let asked = [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT].map(bit);
        assert_eq!(field(&hands, "SigBlk:"), asked.iter().sum(), "there is something to undo");
        assert!(own.iter().all(|bit| field(&hands, "SigIgn:") & bit != 0), "here as well");
        // The whole page is longer than what is kept of it.
        let seen = prints(&mut node, &["/bin/grep", "^Sig", "/proc/self/status"]);
        assert_eq!(field(&seen, "SigBlk:"), 0, "{way:?}");
        assert_eq!(field(&seen, "SigIgn:"), around & !own.iter().sum::<u64>(), "{way:?}");
    }
}

#[test]
fn a_program_leads_its_process_group_and_has_nothing_open_but_its_three() {
    // As whoever starts the hands may leave something open for them.
    let left_open = fs::File::open("/dev/null").unwrap();
    fcntl(&left_open, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    for way in WAYS {
        let mut node = Node::start(way);
        // `ls` itself has the directory open that it reads.
        assert_eq!(prints(&mut node, &["/bin/ls", "/proc/self/fd"]), "0\n1\n2\n3\n", "{way:?}");
        let seen = prints(&mut node, &["/bin/readlink", "/proc/self/fd/0"]);
        assert_eq!(seen, "/dev/null\n", "{way:?}");
        let stat = prints(&mut node, &["/bin/cat", "/proc/self/stat"]);
        let fields: Vec<&str> = stat.split(' ').collect();
        assert_eq!(fields[0], fields[4], "{way:?}: its number is its group's");
        assert_eq!(fields[3], node.pid().to_string(), "{way:?}: the hands are told of its end");
    }
}

/// One that stands still between its first moment and its own program: its cgroup is frozen.
#[test]
fn hands_that_die_while_a_program_is_being_started_never_have_it_run() {
    for way in WAYS {
        let mut node = Node::start(way);
        let Some(tree) = node.tree() else { return };
        fs::create_dir(tree.join("pay")).unwrap();
        let freeze = tree.join("pay/cgroup.freeze");
        fs::write(&freeze, "1").unwrap();
        let trace = node.path("trace");
        let mut touch = program(&["/usr/bin/touch", trace.to_str().unwrap()]);
        touch.output = Output::Discard;
        node.hands.ask(&Request::Spawn(touch)).unwrap();
        let born = until("it is there", || {
            let inside = fs::read_to_string(tree.join("pay/p1/cgroup.procs")).ok()?;
            inside.lines().next()?.parse::<u32>().ok()
        });
        send(node.pid(), Signal::SIGKILL);
        node.process.0.wait().unwrap();
        fs::write(&freeze, "0").ok();
        until("it is gone", || (!lives(born)).then_some(()));
        assert!(!trace.exists(), "{way:?}");
    }
}

#[test]
fn a_program_on_a_share_that_answers_nothing_keeps_no_other_waiting_and_ends_at_its_limit() {
    if !root() {
        return;
    }
    for way in WAYS {
        let Some(silent) = Silent::mount() else { return };
        let mut node = Node::start(way);
        let mut hangs = program(&[silent.dir.join("bin/monitor").to_str().unwrap()]);
        hangs.time_limit = Some(Span::secs(2));
        let hangs = node.spawn(hangs);
        assert_eq!(prints(&mut node, &["echo", "well"]), "well\n", "{way:?}");
        assert!(lives(hangs.pid), "{way:?}: it is not given up before its limit");
        let ended = node.ended(hangs);
        let as_meant = (TimeLimit::Exceeded, HowEnded::Signalled(libc::SIGKILL));
        assert_eq!((ended.limit, ended.how), as_meant, "{way:?}");
    }
}

#[test]
fn a_program_that_is_found_missing_late_ends_as_one_that_could_not_be_run() {
    if !root() {
        return;
    }
    let Some(silent) = Silent::mount() else { return };
    let mut node = Node::start(&[]);
    let hangs = node.spawn(program(&[silent.dir.join("bin/program").to_str().unwrap()]));
    // The server is gone for good: all who wait for it are told so.
    drop(silent);
    assert_eq!(node.ended(hangs).how, HowEnded::Exited(127));
}
