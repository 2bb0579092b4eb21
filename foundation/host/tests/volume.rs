//! Volumes on real loop devices: mounted once, unmounted for certain, torn off with a writer on.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::*;
use tsugi_host::guardian::message::{Notice, Volume, VolumeKind};
use tsugi_host::request::{
    Answer, Failure, HowEnded, Purpose, Release, Request, Right, Source, TimeLimit, Unmounting,
};
use tsugi_vocabulary::{GroupName, Span};

/// A node with an image, its mounts in a namespace of their own.
struct Disk {
    node: Node,
    image: PathBuf,
    dir: PathBuf,
}

fn tool(line: &str) {
    let mut words = line.split(' ');
    let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
    assert!(status.success(), "{line}");
}

/// How an image of so many MiB gets its file system.
const EXT4: (u64, &str) = (32, "mkfs.ext4 -q -F");
/// The smallest that there may be.
const XFS: (u64, &str) = (320, "mkfs.xfs -q -f");

fn format(image: &Path, (mib, make): (u64, &str)) {
    let file = fs::File::create(image).unwrap();
    file.set_len(mib << 20).unwrap();
    tool(&format!("{make} {}", image.display()));
}

impl Disk {
    fn new() -> Self {
        Self::with(EXT4)
    }

    fn with(file_system: (u64, &str)) -> Self {
        let node = Node::start(&["private"]);
        let (image, dir) = (node.path("disk.img"), node.path("volume"));
        format(&image, file_system);
        Self { node, image, dir }
    }

    fn mount(&mut self) -> Result<Answer, Failure> {
        let source = Source::Image(self.image.clone());
        self.node.ask(&Request::Mount { right: free(), source, dir: self.dir.clone() })
    }

    fn unmount(&mut self, how: Unmounting) -> Result<Answer, Failure> {
        self.node.ask(&Request::Unmount { dir: self.dir.clone(), how })
    }

    fn mounted(&self) -> bool {
        let mounts = fs::read_to_string(format!("/proc/{}/mounts", self.node.pid())).unwrap();
        mounts.contains(self.dir.to_str().unwrap())
    }

    /// A program that writes and fsyncs without end on the volume.
    fn writer(&mut self, mut program: tsugi_host::request::Program) -> u32 {
        program.dir = Some(self.dir.clone());
        let id = self.node.spawn(program);
        let file = PathBuf::from(format!("/proc/{}/root{}/n", self.node.pid(), self.dir.display()));
        until("it writes", || fs::metadata(&file).ok().filter(|file| file.len() > 0));
        id.pid
    }
}

const WRITE: &str = "while :; do echo x >> n; done";

#[test]
fn an_image_is_mounted_with_direct_io_and_unmounted_and_its_loop_device_is_free_again() {
    if !root() {
        return;
    }
    let mut disk = Disk::new();
    let Ok(Answer::Mounted { device: Some(device) }) = disk.mount() else { panic!("not mounted") };
    let name = device.file_name().unwrap().to_str().unwrap();
    let block = PathBuf::from(format!("/sys/block/{name}/loop"));
    assert_eq!(fs::read_to_string(block.join("dio")).unwrap(), "1\n");
    assert!(disk.mounted());
    assert_eq!(disk.node.list().mounts, std::slice::from_ref(&disk.dir));
    assert_eq!(disk.mount(), Ok(Answer::Mounted { device: Some(device) }), "twice is once");
    let killed = Vec::new();
    assert_eq!(disk.unmount(Unmounting::Orderly), Ok(Answer::Unmounted { killed }));
    assert!(!disk.mounted());
    until("the device is free", || {
        let backing = fs::read_to_string(block.join("backing_file")).unwrap_or_default();
        (backing.trim() != disk.image.to_str().unwrap()).then_some(())
    });
    let killed = Vec::new();
    assert_eq!(disk.unmount(Unmounting::Orderly), Ok(Answer::Unmounted { killed }), "again");
}

#[test]
fn cl_18_a_volume_that_is_still_used_is_released_by_killing_its_users() {
    if !root() {
        return;
    }
    let mut disk = Disk::new();
    disk.mount().unwrap();
    let writer = disk.writer(shell(free(), Purpose::Service, WRITE));
    let Ok(Answer::Unmounted { killed }) = disk.unmount(Unmounting::Orderly) else {
        panic!("still mounted")
    };
    assert_eq!(killed, [writer]);
    assert!(!disk.mounted() && !lives(writer));
}

#[test]
fn cl_18_a_volume_in_use_that_is_asked_back_gently_stays_and_its_users_are_named_and_live() {
    if !root() {
        return;
    }
    let mut disk = Disk::new();
    disk.mount().unwrap();
    let writer = disk.writer(shell(free(), Purpose::Service, WRITE));
    let pids = vec![writer];
    assert_eq!(disk.unmount(Unmounting::Gentle), Err(Failure::StillThere { pids }));
    assert!(disk.mounted() && lives(writer));
    disk.unmount(Unmounting::Orderly).unwrap();
    disk.mount().unwrap();
    let killed = Vec::new();
    assert_eq!(
        disk.unmount(Unmounting::Gentle),
        Ok(Answer::Unmounted { killed }),
        "nobody uses it"
    );
    assert!(!disk.mounted());
}

#[test]
fn an_emergency_takes_the_volume_from_a_running_writer_and_what_was_fsynced_is_there() {
    if !root() {
        return;
    }
    for file_system in [EXT4, XFS] {
        torn_off(Disk::with(file_system));
    }
}

fn torn_off(mut disk: Disk) {
    disk.mount().unwrap();
    let script = "echo kept > kept; sync kept; sync .; echo lost > lost; \
                  while :; do echo x >> n || exit 9; done";
    let writer = disk.writer(shell(free(), Purpose::Service, script));
    let killed = Vec::new();
    assert_eq!(disk.unmount(Unmounting::Emergency), Ok(Answer::Unmounted { killed }));
    assert!(!disk.mounted());
    let ended = disk.node.event(
        "the writer gives up",
        |event| matches!(event, tsugi_host::request::Event::Ended(e) if e.program.id.pid == writer),
    );
    let tsugi_host::request::Event::Ended(ended) = ended else { unreachable!() };
    assert_eq!(ended.how, HowEnded::Exited(9), "its writes fail");
    disk.mount().unwrap();
    let root = format!("/proc/{}/root{}", disk.node.pid(), disk.dir.display());
    assert_eq!(fs::read_to_string(format!("{root}/kept")).unwrap(), "kept\n");
    let lost = fs::read_to_string(format!("{root}/lost")).unwrap_or_default();
    assert_eq!(lost, "", "nothing is flushed on the way: a disk that hangs holds nothing up");
    disk.unmount(Unmounting::Orderly).unwrap();
}

#[test]
fn a_directory_of_an_xfs_that_others_use_is_not_shut_down() {
    if !root() {
        return;
    }
    let mut disk = Disk::with(XFS);
    disk.mount().unwrap();
    let inside = disk.dir.join("inside");
    let seen =
        |path: &Path| PathBuf::from(format!("/proc/{}/root{}", disk.node.pid(), path.display()));
    let (from, dir) = (seen(&inside), disk.node.path("bound"));
    fs::create_dir(&from).unwrap();
    let source = Source::Directory(inside);
    disk.node.ask(&Request::Mount { right: free(), source, dir: dir.clone() }).unwrap();
    disk.node.ask(&Request::Unmount { dir, how: Unmounting::Emergency }).unwrap();
    fs::write(from.join("alive"), "yes").unwrap();
    disk.unmount(Unmounting::Orderly).unwrap();
    assert!(!disk.mounted());
}

#[test]
fn a_damaged_file_system_is_told_as_a_disk_that_fails_and_a_mended_one_is_mounted() {
    if !root() {
        return;
    }
    let mut disk = Disk::new();
    let image = fs::OpenOptions::new().write(true).open(&disk.image).unwrap();
    // The checksum of the first group's descriptor.
    std::os::unix::fs::FileExt::write_all_at(&image, &[0xff, 0xff], 2048 + 0x1e).unwrap();
    assert!(matches!(disk.mount(), Err(Failure::DiskFails { .. })));
    let mend = Command::new("/sbin/e2fsck").arg("-p").arg(&disk.image).output().unwrap();
    assert!(matches!(mend.status.code(), Some(0 | 1)), "{mend:?}");
    assert!(String::from_utf8_lossy(&mend.stdout).contains("FIXED"), "{mend:?}");
    assert!(matches!(disk.mount(), Ok(Answer::Mounted { .. })));
}

#[test]
fn at_the_deadline_the_guardian_takes_the_volume_with_its_writer() {
    if !root() {
        return;
    }
    let mut disk = Disk::new();
    let dir = disk.dir.clone();
    let volumes = vec![Volume { dir, kind: VolumeKind::FileSystem }];
    disk.node.arm(60_000, &[], volumes.clone());
    let source = Source::Image(disk.image.clone());
    let mount = Request::Mount { right: lease(), source, dir: disk.dir.clone() };
    disk.node.ask(&mount).unwrap();
    let writer = disk.writer(shell(lease(), Purpose::Service, WRITE));
    disk.node.shorten(300, &[], volumes);
    let Notice::Released { release: Release::Complete, late, took, .. } = disk.node.notice() else {
        panic!("not released")
    };
    eprintln!("volume with a writer released {late} after the deadline in {took}");
    assert!(!disk.mounted() && !lives(writer));
    let late = disk.node.ask(&mount);
    assert_eq!(late, Err(Failure::NotArmed { group: group(), epoch: epoch() }));
    assert!(!disk.mounted());
}

#[test]
fn cl_18_a_volume_is_released_although_somebody_has_a_share_open_that_answers_nothing() {
    if !root() {
        return;
    }
    let Some(silent) = Silent::mount() else { return };
    let open = nix::fcntl::OFlag::O_PATH | nix::fcntl::OFlag::O_CLOEXEC;
    let share = nix::fcntl::open(&silent.dir, open, nix::sys::stat::Mode::empty()).unwrap();
    let mut disk = Disk::new();
    disk.mount().unwrap();
    let writer = disk.writer(shell(free(), Purpose::Service, WRITE));
    let Ok(Answer::Unmounted { killed }) = disk.unmount(Unmounting::Orderly) else {
        panic!("not released")
    };
    assert!(killed.contains(&writer) && !disk.mounted());
    drop(share);
}

#[test]
fn a_volume_is_mounted_in_one_place_only() {
    if !root() {
        return;
    }
    let mut disk = Disk::new();
    disk.mount().unwrap();
    let elsewhere = Request::Mount {
        right: free(),
        source: Source::Image(disk.image.clone()),
        dir: disk.node.path("second"),
    };
    let there = Failure::MountedElsewhere { dir: disk.dir.clone() };
    assert_eq!(disk.node.ask(&elsewhere), Err(there));
    let second = disk.node.path("second.img");
    format(&second, EXT4);
    let taken =
        Request::Mount { right: free(), source: Source::Image(second), dir: disk.dir.clone() };
    let place = Failure::PlaceTaken { dir: disk.dir.clone() };
    assert_eq!(disk.node.ask(&taken), Err(place));
    disk.unmount(Unmounting::Orderly).unwrap();
}

#[test]
fn a_device_that_another_machine_view_has_mounted_is_refused() {
    if !root() {
        return;
    }
    let mut first = Disk::new();
    let Ok(Answer::Mounted { device: Some(device) }) = first.mount() else { panic!("mounted") };
    // A second node of the same machine, with mounts of its own.
    let mut second = Disk::new();
    let source = Source::Device(device);
    let dir = second.dir.clone();
    let outcome = second.node.ask(&Request::Mount { right: free(), source, dir });
    assert!(matches!(outcome, Err(Failure::Source { .. })), "{outcome:?}");
    first.unmount(Unmounting::Orderly).unwrap();
}

#[test]
fn a_device_is_known_as_one_behind_a_link_too_and_a_file_is_never_one() {
    if !root() {
        return;
    }
    let mut disk = Disk::new();
    let Ok(Answer::Mounted { device: Some(device) }) = disk.mount() else { panic!("mounted") };
    let (link, image) = (disk.node.path("link"), disk.image.clone());
    std::os::unix::fs::symlink(device, &link).unwrap();
    let dir = disk.dir.clone();
    let mut mount = |source| {
        let dir = dir.clone();
        disk.node.ask(&Request::Mount { right: free(), source, dir })
    };
    let there = Ok(Answer::Mounted { device: Some(link.clone()) });
    assert_eq!(mount(Source::Image(link)), there);
    assert!(matches!(mount(Source::Device(image)), Err(Failure::Source { .. })));
}

#[test]
fn what_is_no_file_system_or_not_there_is_refused_and_leaves_nothing() {
    if !root() {
        return;
    }
    let mut disk = Disk::new();
    fs::write(&disk.image, vec![7; 1 << 20]).unwrap();
    assert!(matches!(disk.mount(), Err(Failure::Source { .. })));
    until("no loop device is left", || {
        let blocks = fs::read_dir("/sys/block").unwrap().filter_map(Result::ok);
        let backing = |b: fs::DirEntry| fs::read_to_string(b.path().join("loop/backing_file")).ok();
        let image = disk.image.to_str().unwrap();
        (!blocks.filter_map(backing).any(|file| file.trim() == image)).then_some(())
    });
    fs::remove_file(&disk.image).unwrap();
    assert!(matches!(disk.mount(), Err(Failure::Source { .. })));
    assert!(!disk.mounted());
}

#[test]
fn a_directory_is_a_volume_and_tearing_it_off_leaves_the_file_system_under_it_alone() {
    if !root() {
        return;
    }
    let mut disk = Disk::new();
    let from = disk.node.path("data");
    let dir = disk.dir.clone();
    let source = Source::Directory(from.clone());
    let mount = Request::Mount { right: free(), source, dir: dir.clone() };
    assert_eq!(disk.node.ask(&mount), Ok(Answer::Mounted { device: None }));
    assert_eq!(disk.node.ask(&mount), Ok(Answer::Mounted { device: None }), "twice is once");
    assert!(disk.mounted());
    disk.unmount(Unmounting::Emergency).unwrap();
    assert!(!disk.mounted());
    fs::write(from.join("alive"), "yes").unwrap();
    let in_place = Source::Directory(from.clone());
    let mount = Request::Mount { right: free(), source: in_place, dir: from };
    assert_eq!(disk.node.ask(&mount), Ok(Answer::Mounted { device: None }));
}

#[test]
fn ph_18_a_stop_that_hangs_is_escalated_and_no_other_group_waits_for_it() {
    if !root() {
        return;
    }
    let mut disk = Disk::new();
    disk.mount().unwrap();
    let service = disk.writer(shell(free(), Purpose::Service, &format!("trap '' TERM; {WRITE}")));
    let mut stop = shell(free(), Purpose::Stop, "echo stopping; exec sleep 1000");
    stop.time_limit = Some(Span::secs(3));
    let stop = disk.node.spawn(stop);
    let other = Right::Free { group: GroupName::new("other").unwrap(), epoch: epoch() };
    let monitor = disk.node.spawn(shell(other, Purpose::Monitor, "echo well"));
    assert_eq!(disk.node.ended(monitor).tail, b"well\n");
    assert!(disk.node.list().programs.iter().any(|p| p.id == stop), "the stop still hangs");
    let ended = disk.node.ended(stop);
    assert_eq!((ended.limit, ended.tail), (TimeLimit::Exceeded, b"stopping\n".to_vec()));
    assert!(lives(service));
    let kill = Request::KillGroup { group: group() };
    assert!(matches!(disk.node.ask(&kill), Ok(Answer::Killed { count: 1.. })));
    assert!(!lives(service));
    let killed = Vec::new();
    assert_eq!(disk.unmount(Unmounting::Orderly), Ok(Answer::Unmounted { killed }));
}
