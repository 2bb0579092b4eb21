//! What an agent finds that comes after one who died in the middle of its own requests. The test
//! is both of them: each connection is an agent.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::*;
use tsugi_host::Host;
use tsugi_host::hands::Hands;
use tsugi_host::request::{
    Answer, Failure, HowEnded, Listing, Output, Purpose, Report, Request, RequestId, Source,
    Target, Unmounting,
};

/// A node with a directory that is bound to another place, and a program that keeps it busy: an
/// orderly unmount of it lasts until the program is gone.
struct Busy {
    node: Node,
    from: PathBuf,
    dir: PathBuf,
    /// The words of the program.
    user: String,
}

impl Busy {
    fn new() -> Self {
        let mut node = Node::start(&["private"]);
        let (from, dir) = (node.path("from"), node.path("volume"));
        fs::create_dir(&from).unwrap();
        let source = Source::Directory(from.clone());
        let mounted = node.ask(&Request::Mount { right: free(), source, dir: dir.clone() });
        assert_eq!(mounted, Ok(Answer::Mounted { device: None }));
        let user = sleep();
        let script = format!("setsid {user} >/dev/null 2>&1 &");
        let mut starts = shell(free(), Purpose::Start, &script);
        starts.dir = Some(dir.clone());
        let id = node.spawn(starts);
        node.ended(id);
        until("its user runs", || (named(&user).len() == 1).then_some(()));
        Self { node, from, dir, user }
    }

    fn mount(&self) -> Request {
        let source = Source::Directory(self.from.clone());
        Request::Mount { right: free(), source, dir: self.dir.clone() }
    }

    fn unmount(&self, how: Unmounting) -> Request {
        Request::Unmount { dir: self.dir.clone(), how }
    }

    fn mounted(&self) -> bool {
        let mounts = fs::read_to_string(format!("/proc/{}/mounts", self.node.pid())).unwrap();
        mounts.contains(self.dir.to_str().unwrap())
    }

    /// The agent asks, and dies without waiting for an answer; the next one is there.
    fn dies_after(&mut self, last: &Request) {
        self.node.hands.ask(last).unwrap();
        let run = self.node.path("run");
        self.node.hands = Hands::connect(&run).unwrap();
    }
}

fn answer(node: &mut Node, asked: RequestId) -> Option<Result<Answer, Failure>> {
    match node.hands.next_report().unwrap() {
        Some(Report::Answer { id, outcome }) => {
            assert_eq!(id, asked);
            Some(outcome)
        }
        Some(Report::Event(_)) | None => None,
    }
}

#[test]
fn a_volume_that_a_former_agent_is_having_unmounted_is_not_told_as_mounted() {
    if !root() {
        return;
    }
    let mut busy = Busy::new();
    assert_eq!(busy.node.list().mounts, std::slice::from_ref(&busy.dir));
    let unmount = busy.unmount(Unmounting::Orderly);
    busy.dies_after(&unmount);
    assert!(busy.node.list().mounts.is_empty(), "although it still is");
    assert!(busy.mounted());
}

#[test]
fn a_mount_waits_for_the_unmount_that_a_former_agent_asked_for() {
    if !root() {
        return;
    }
    let mut busy = Busy::new();
    let unmount = busy.unmount(Unmounting::Orderly);
    busy.dies_after(&unmount);
    let mount = busy.mount();
    let asked = busy.node.hands.ask(&mount).unwrap();
    // Whoever is asked after it and answers at once shows that it waits.
    let listed = busy.node.hands.ask(&Request::List).unwrap();
    let listing = until("the listing", || match busy.node.hands.next_report().unwrap() {
        Some(Report::Answer { id, outcome: Ok(Answer::Listing(listing)) }) if id == listed => {
            Some(listing)
        }
        Some(other) => panic!("{other:?} came before the unmount was over"),
        None => None,
    });
    assert_eq!(listing, Listing { mounts: Vec::new(), ..listing.clone() });
    for pid in named(&busy.user) {
        send(pid, nix::sys::signal::Signal::SIGKILL);
    }
    let outcome = until("it is mounted", || answer(&mut busy.node, asked));
    assert_eq!(outcome, Ok(Answer::Mounted { device: None }));
    assert!(busy.mounted(), "the older unmount has not taken it down");
    assert_eq!(busy.node.list().mounts, std::slice::from_ref(&busy.dir));
}

#[test]
fn a_mount_that_waits_is_taken_back_by_the_next_unmount_and_an_emergency_does_not_wait() {
    if !root() {
        return;
    }
    let mut busy = Busy::new();
    let (unmount, mount) = (busy.unmount(Unmounting::Orderly), busy.mount());
    busy.dies_after(&unmount);
    let waits = busy.node.hands.ask(&mount).unwrap();
    let emergency = busy
        .node
        .hands
        .ask(&Request::Unmount { dir: busy.dir.clone(), how: Unmounting::Emergency });
    let mut answers = Vec::new();
    until("both are answered", || {
        if let Some(Report::Answer { id, outcome }) = busy.node.hands.next_report().unwrap() {
            answers.push((id, outcome));
        }
        (answers.len() == 2).then_some(())
    });
    answers.sort_by_key(|(id, _)| *id);
    assert!(matches!(&answers[0], (id, Err(Failure::NoEffect { .. })) if *id == waits));
    let killed = Vec::new();
    assert_eq!(answers[1], (emergency.unwrap(), Ok(Answer::Unmounted { killed })));
    assert!(!busy.mounted());
    assert_eq!(
        busy.node.ask(&Request::KillGroup { group: group() }),
        Ok(Answer::Killed { count: 1 })
    );
}

#[test]
fn a_program_that_a_former_agent_has_told_to_end_is_not_told_as_running() {
    let mut node = Node::start(&[]);
    let ready = node.path("ready");
    let deaf = format!("trap '' TERM; : > {}; while :; do sleep 0.05; done", ready.display());
    let id = node.spawn(shell(free(), Purpose::Service, &deaf));
    until("it is deaf", || ready.exists().then_some(()));
    let other = node.spawn(shell(free(), Purpose::Service, "exec sleep 1000"));
    assert_eq!(node.list().programs.len(), 2);
    let end = Request::Signal { target: Target::Program(id), signal: libc::SIGTERM };
    node.hands.ask(&end).unwrap();
    node.hands = Hands::connect(&node.path("run")).unwrap();
    let running: Vec<_> = node.list().programs.into_iter().map(|p| p.id).collect();
    assert_eq!(running, [other]);
    assert!(lives(id.pid), "although it still does");
    // Whoever is told to kill the group finds it all the same.
    assert_eq!(node.ask(&Request::Watch), Ok(Answer::Done));
    assert!(matches!(node.ask(&Request::KillGroup { group: group() }), Ok(Answer::Killed { .. })));
    assert_eq!(node.ended(id).how, HowEnded::Signalled(libc::SIGKILL));
}

/// The pipes that programs write into.
fn pipes(node: &Node) -> Vec<PathBuf> {
    let entries = fs::read_dir(node.path("run").join(tsugi_host::hands::AGENT_DIR)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|e| e == "pipe")).collect()
}

/// Whether this process has one of these files open.
fn holds_one_of(files: &[PathBuf]) -> bool {
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|file| files.contains(&file))
}

#[test]
fn what_a_program_says_while_no_agent_is_there_is_read_by_the_next_one() {
    let mut node = Node::start(&[]);
    let (go, end, log) = (node.path("go"), node.path("end"), node.path("counter.log"));
    let until_there =
        |file: &Path| format!("while [ ! -e {} ]; do sleep 0.01; done", file.display());
    let wait = until_there(&go);
    // What it says stays in the pipe as long as it runs: nobody else holds it open.
    let says = format!("{wait}; echo script; {}", until_there(&end));
    let script = node.spawn(shell(free(), Purpose::Stop, &says));
    let mut service = shell(free(), Purpose::Service, &format!("echo a; {wait}; echo b; sleep 9"));
    service.output = Output::File { path: log.clone(), limit: 4096 };
    let service = node.spawn(service);
    let logged = |text: &str| fs::read_to_string(&log).ok().filter(|found| found == text);
    until("the first agent writes the log", || logged("a\n"));
    assert_eq!(pipes(&node).len(), 2);
    // What another agent left, whose program is gone.
    let stray = node.path("run").join(tsugi_host::hands::AGENT_DIR).join("1-1.pipe");
    fs::write(&stray, "").unwrap();
    let run = node.path("run");
    let former = std::mem::replace(&mut node.hands, Hands::connect(&run).unwrap());
    drop(former);
    // Its thread is of this process and reads until it has seen the end.
    until("the former agent has let go of its pipes", || {
        (!holds_one_of(&pipes(&node))).then_some(())
    });
    fs::write(&go, "").unwrap();
    assert_eq!(node.list().programs.len(), 2, "both go on");
    fs::write(&end, "").unwrap();
    until("what nobody writes into is cleared away", || (!stray.exists()).then_some(()));
    assert_eq!(node.ask(&Request::Watch), Ok(Answer::Done));
    assert_eq!(node.ended(script).tail, b"script\n");
    until("the second one writes on", || logged("a\nb\n"));
    assert!(lives(service.pid), "writing into a pipe that nobody read did not end it");
    assert!(matches!(node.ask(&Request::KillGroup { group: group() }), Ok(Answer::Killed { .. })));
    node.ended(service);
    until("no pipe is left", || pipes(&node).is_empty().then_some(()));
}
