//! A disk that hangs while a group on it has to be released: every other group is released in its
//! time, and the machine ends.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/hanging_disk.rs"]
mod hanging_disk;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hanging_disk::HangingDisk;
use nix::sys::signal::Signal;
use support::*;
use tsugi_host::guardian::message::{Arm, Notice, Order, Volume, VolumeKind};
use tsugi_host::request::{
    Answer, Failure, Purpose, Release, Report, Request, RequestId, Right, Source, Unmounting,
};
use tsugi_host::{Guard, Host, clock};
use tsugi_vocabulary::{GroupName, Span};

/// A node with two groups of a program each; one has a file system on a disk that hangs.
struct Two {
    disk: HangingDisk,
    node: Node,
    dir: PathBuf,
    /// The words of the program of the group with the disk, and of the other one's.
    programs: [String; 2],
}

fn other() -> GroupName {
    GroupName::new("stock").unwrap()
}

fn format(image: &Path) {
    fs::File::create(image).unwrap().set_len(32 << 20).unwrap();
    assert!(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image).status().unwrap().success());
}

impl Two {
    /// Both are armed for a minute.
    fn new() -> Option<Self> {
        let disk = HangingDisk::new(format)?;
        let node = Node::start(&["private"]);
        let dir = node.path("volume");
        let mut two = Self { disk, node, dir, programs: [sleep(), sleep()] };
        two.arm(60_000);
        two.arm_other(60_000);
        Some(two)
    }

    /// The mount has begun on a disk that hangs; the number of the request.
    fn mounting() -> Option<(Self, RequestId)> {
        let mut two = Self::new()?;
        two.disk.hang();
        let asked = two.node.hands.ask(&two.mount()).unwrap();
        until("the mount is under way", || two.disk.is_waited_for().then_some(()));
        Some((two, asked))
    }

    /// Both run, and the disk hangs.
    fn hanging() -> Option<Self> {
        let two = Self::running()?;
        two.disk.hang();
        Some(two)
    }

    /// Both run, the one on its disk.
    fn running() -> Option<Self> {
        let mut two = Self::new()?;
        let mount = two.mount();
        assert!(matches!(two.node.ask(&mount), Ok(Answer::Mounted { device: Some(_) })));
        let rights = [lease(), Right::Lease { group: other(), epoch: epoch() }];
        for (right, program) in rights.into_iter().zip(two.programs.clone()) {
            two.node.spawn(shell(right, Purpose::Service, &format!("exec {program}")));
            until("it runs", || (named(&program).len() == 1).then_some(()));
        }
        Some(two)
    }

    fn mount(&self) -> Request {
        let source = Source::Image(self.disk.image.clone());
        Request::Mount { right: lease(), source, dir: self.dir.clone() }
    }

    fn mounted(&self) -> bool {
        let mounts = fs::read_to_string(format!("/proc/{}/mounts", self.node.pid())).unwrap();
        mounts.contains(self.dir.to_str().unwrap())
    }

    /// What the hands say to a request that was asked before.
    fn answer(&mut self, asked: RequestId) -> Result<Answer, Failure> {
        until("it is answered", || match self.node.hands.next_report().unwrap() {
            Some(Report::Answer { id, outcome }) if id == asked => Some(outcome),
            Some(_) | None => None,
        })
    }

    /// What comes of the release of the group with the disk.
    fn released(&mut self) -> Release {
        let Notice::Released { group: of, release, .. } = self.node.notice() else {
            panic!("which")
        };
        assert_eq!(of, group());
        release
    }

    /// The child of the guardian, once it is there for longer than it takes to find that nothing is
    /// mounted.
    fn child_that_waits(&self) -> u32 {
        let guardian = self.node.guardian_pid();
        let mut seen = Vec::new();
        until("a child of the guardian waits", || {
            seen.extend(children(guardian));
            let last = *seen.last()?;
            (seen.iter().filter(|pid| **pid == last).count() == 50).then_some(last)
        })
    }

    fn armed(&mut self, group: GroupName, for_ms: u64, volumes: Vec<Volume>) {
        self.node.tell(&Order::Disarm { group: group.clone(), epoch: epoch() });
        self.node.notice();
        let deadline = clock::now() + Span::millis(for_ms);
        let (addresses, allowed) = (Vec::new(), Span::secs(3));
        let arm = Arm { group, epoch: epoch(), deadline, allowed, addresses, volumes };
        self.node.tell(&Order::Arm(arm));
        assert!(matches!(self.node.notice(), Notice::Armed { .. }));
    }

    fn arm(&mut self, for_ms: u64) {
        let (dir, kind) = (self.dir.clone(), VolumeKind::FileSystem);
        self.armed(group(), for_ms, vec![Volume { dir, kind }]);
    }

    fn arm_other(&mut self, for_ms: u64) {
        self.armed(other(), for_ms, Vec::new());
    }

    /// The child of the guardian that has to do with the disk, once it hangs.
    fn child_that_hangs(&self) -> u32 {
        let guardian = self.node.guardian_pid();
        until("a child of the guardian hangs", || children(guardian).into_iter().find(hangs))
    }
}

/// Whether a process waits for what no signal ends.
fn hangs(pid: &u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('D'))
}

#[test]
fn cl_18_what_hangs_over_its_disk_ends_the_machine_and_no_other_group_waits_for_it() {
    if !root() {
        return;
    }
    let Some(mut two) = Two::hanging() else { return };
    two.arm_other(1_000);
    two.arm(300);
    two.child_that_hangs();
    // Long before the other has had its time.
    let Notice::Released { group: first, release, .. } = two.node.notice() else { panic!("which") };
    assert_eq!((first, release), (other(), Release::Complete));
    assert!(lives(two.node.pid()), "its time is not over");
    for program in &two.programs {
        until("nothing of either runs", || named(program).is_empty().then_some(()));
    }
    assert_eq!(two.released(), Release::Incomplete);
    until("the node has ended instead of its machine", || (!lives(two.node.pid())).then_some(()));
}

#[test]
fn cl_18_a_guardian_that_is_lost_over_a_disk_that_hangs_is_stood_in_for_and_the_machine_ends() {
    if !root() {
        return;
    }
    let Some(mut two) = Two::hanging() else { return };
    two.arm(300);
    let child = two.child_that_hangs();
    send(two.node.guardian_pid(), Signal::SIGKILL);
    // What hangs has nothing open by which others see the guardian.
    until("the agent sees it end", || two.node.guardian.next_notice().err());
    assert!(hangs(&child));
    for program in &two.programs {
        until("nothing of either runs", || named(program).is_empty().then_some(()));
    }
    until("the node has ended instead of its machine", || (!lives(two.node.pid())).then_some(()));
    drop(two.disk);
    until("what hung ends before it does anything else", || (!lives(child)).then_some(()));
}

#[test]
fn cl_18_what_a_lost_guardian_has_begun_is_over_before_its_group_counts_as_released() {
    if !root() {
        return;
    }
    let Some(mut two) = Two::running() else { return };
    // A file system that somebody else is shutting down says at once that it is, and reads say
    // nothing of a write that hangs.
    two.disk.hang_over_writes();
    two.arm(300);
    two.child_that_hangs();
    send(two.node.guardian_pid(), Signal::SIGKILL);
    until("the node has ended instead of its machine", || (!lives(two.node.pid())).then_some(()));
}

#[test]
fn cl_18_a_mount_under_way_as_its_lease_runs_out_is_undone_before_its_group_counts_as_released() {
    if !root() {
        return;
    }
    let Some((mut two, mount)) = Two::mounting() else { return };
    two.arm(300);
    two.child_that_waits();
    two.disk.recover();
    assert_eq!(two.released(), Release::Complete);
    assert!(!two.mounted() && !two.disk.is_waited_for());
    let lost = Failure::NotArmed { group: group(), epoch: epoch() };
    assert_eq!(two.answer(mount), Err(lost));
    assert!(!two.mounted());
}

#[test]
fn cl_18_a_mount_that_never_comes_back_ends_the_machine_when_its_lease_runs_out() {
    if !root() {
        return;
    }
    let Some((mut two, _)) = Two::mounting() else { return };
    two.arm(300);
    assert_eq!(two.released(), Release::Incomplete);
    drop(two.disk);
    until("the node has ended instead of its machine", || (!lives(two.node.pid())).then_some(()));
}

#[test]
fn cl_18_hands_that_are_killed_in_a_mount_are_not_gone_before_it_is() {
    if !root() {
        return;
    }
    let Some((mut two, _)) = Two::mounting() else { return };
    let guardian = two.node.guardian_pid();
    send(two.node.pid(), Signal::SIGKILL);
    two.arm(300);
    assert_eq!(two.released(), Release::Incomplete);
    assert!(lives(guardian), "it waits for them");
    two.disk.recover();
    until("it has ended after them", || (!lives(guardian)).then_some(()));
}

#[test]
fn cl_18_an_unmount_that_still_writes_out_is_waited_for_although_nothing_is_mounted_any_more() {
    if !root() {
        return;
    }
    let Some(mut two) = Two::running() else { return };
    inside(two.node.pid(), &format!("sync -f {}", two.dir.display()));
    two.disk.hang_over_writes();
    let unmount = Request::Unmount { dir: two.dir.clone(), how: Unmounting::Orderly };
    two.node.hands.ask(&unmount).unwrap();
    until("it is out of the tree", || (!two.mounted()).then_some(()));
    two.arm(300);
    assert_eq!(two.released(), Release::Incomplete);
    drop(two.disk);
    until("the node has ended instead of its machine", || (!lives(two.node.pid())).then_some(()));
}
