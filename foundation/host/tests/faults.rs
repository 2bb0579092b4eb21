//! What goes wrong on one machine: each has its own outcome and leaves nothing half owned.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::*;
use tsugi_host::request::{
    Answer, Event, Failure, HowEnded, Output, Purpose, Request, Source, TimeLimit, Unmounting,
};
use tsugi_vocabulary::Span;

fn image(at: &Path) {
    fs::File::create(at).unwrap().set_len(32 << 20).unwrap();
    assert!(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(at).status().unwrap().success());
}

fn mount(node: &mut Node, image: &Path, dir: &Path) -> Result<Answer, Failure> {
    let source = Source::Image(image.to_owned());
    node.ask(&Request::Mount { right: free(), source, dir: dir.to_owned() })
}

fn nothing_is_left(node: &mut Node, image: &Path) {
    assert_eq!(node.list().mounts, Vec::<PathBuf>::new());
    let image = image.to_str().unwrap().to_owned();
    until("no loop device holds the image", || {
        let blocks = fs::read_dir("/sys/block").unwrap().filter_map(Result::ok);
        let backing = |b: fs::DirEntry| fs::read_to_string(b.path().join("loop/backing_file")).ok();
        (!blocks.filter_map(backing).any(|file| file.trim() == image)).then_some(())
    });
}

#[test]
fn a_full_disk_and_a_read_only_one_are_told_by_name_and_nothing_is_mounted() {
    if !root() {
        return;
    }
    let mut node = Node::start(&["private"]);
    let disk = node.path("disk.img");
    image(&disk);
    for (option, full) in [("nr_inodes=1", true), ("ro", false)] {
        let small = node.path(option);
        fs::create_dir(&small).unwrap();
        inside(node.pid(), &format!("mount -t tmpfs -o {option} none {}", small.display()));
        let dir = small.join("volume");
        let expected = match full {
            true => Failure::DiskFull { at: dir.clone() },
            false => Failure::DiskFails { at: dir.clone(), errno: libc::EROFS },
        };
        assert_eq!(mount(&mut node, &disk, &dir), Err(expected), "{option}");
        nothing_is_left(&mut node, &disk);
    }
}

#[test]
fn a_damaged_file_system_is_told_by_name_and_its_device_is_let_go() {
    if !root() {
        return;
    }
    let mut node = Node::start(&["private"]);
    let (disk, dir) = (node.path("disk.img"), node.path("volume"));
    image(&disk);
    // The descriptors of the block groups stand behind the first superblock.
    fs::OpenOptions::new().write(true).open(&disk).unwrap().write_at(&[0xff; 2048], 2048).unwrap();
    let outcome = mount(&mut node, &disk, &dir);
    assert!(matches!(outcome, Err(Failure::DiskFails { .. })), "{outcome:?}");
    nothing_is_left(&mut node, &disk);
}

#[test]
fn what_the_disk_does_not_take_at_an_unmount_is_told_and_the_volume_can_still_be_torn_off() {
    if !root() {
        return;
    }
    let mut node = Node::start(&["private"]);
    let (small, dir) = (node.path("small"), node.path("volume"));
    fs::create_dir(&small).unwrap();
    inside(node.pid(), &format!("mount -t tmpfs -o size=12m none {}", small.display()));
    // The image is larger than what is under it.
    let disk = small.join("disk.img");
    inside(node.pid(), &format!("truncate -s 64m {}", disk.display()));
    inside(node.pid(), &format!("mkfs.ext4 -q -F -O ^has_journal {}", disk.display()));
    mount(&mut node, &disk, &dir).unwrap();
    let script = "head -c 30000000 /dev/zero > big; echo written";
    let mut write = shell(free(), Purpose::Start, script);
    write.dir = Some(dir.clone());
    let id = node.spawn(write);
    assert_eq!(node.ended(id).tail, b"written\n", "into memory, as far as it knows");
    let outcome = node.ask(&Request::Unmount { dir: dir.clone(), how: Unmounting::Orderly });
    let told = match &outcome {
        Err(Failure::DiskFails { at, .. } | Failure::DiskFull { at }) => *at == dir,
        _ => false,
    };
    assert!(told, "{outcome:?}");
    assert_eq!(node.list().mounts, std::slice::from_ref(&dir), "it is still owned");
    let torn = node.ask(&Request::Unmount { dir: dir.clone(), how: Unmounting::Emergency });
    assert_eq!(torn, Ok(Answer::Unmounted { killed: Vec::new() }));
    nothing_is_left(&mut node, &disk);
}

#[test]
fn a_log_that_the_full_disk_does_not_take_is_told_and_holds_up_neither_program_nor_other_log() {
    let mut node = Node::start(&[]);
    // Takes no byte, as a disk without room.
    let full = PathBuf::from("/dev/full");
    let mut flood = shell(free(), Purpose::Start, "seq 1 100000");
    flood.output = Output::File { path: full.clone(), limit: 1 << 30 };
    let id = node.spawn(flood);
    let ended = node.ended(id);
    assert_eq!((ended.how, ended.limit), (HowEnded::Exited(0), TimeLimit::Kept));
    let lost = node.event("the loss is told", |event| matches!(event, Event::LogLost(_)));
    assert_eq!(lost, Event::LogLost(Failure::DiskFull { at: full }));
    let log = node.path("other.log");
    let mut other = shell(free(), Purpose::Start, "echo well");
    other.output = Output::File { path: log.clone(), limit: 4096 };
    let id = node.spawn(other);
    node.ended(id);
    until("the other log is written", || {
        fs::read_to_string(&log).ok().filter(|text| text == "well\n")
    });
}

#[test]
fn a_monitor_that_hangs_and_floods_is_ended_at_its_limit_and_told_as_both() {
    let mut node = Node::start(&[]);
    let yes = format!("yes {}", mark());
    let mut program = shell(free(), Purpose::Monitor, &format!("setsid {yes} & exec {yes}"));
    program.time_limit = Some(Span::millis(200));
    let id = node.spawn(program);
    let ended = node.ended(id);
    assert_eq!((ended.limit, ended.tail.len()), (TimeLimit::Exceeded, 512));
    assert!(ended.dropped > 0);
    until("nothing of it runs", || named(&yes).is_empty().then_some(()));
    assert!(node.list().programs.is_empty());
}

#[test]
fn a_start_that_fails_half_way_is_told_with_its_code_and_what_it_started_goes_with_the_group() {
    let mut node = Node::start(&[]);
    let sleep = sleep();
    let script = format!("setsid {sleep} >/dev/null 2>&1 & echo half; exit 7");
    let id = node.spawn(shell(free(), Purpose::Start, &script));
    let ended = node.ended(id);
    assert_eq!((ended.how, ended.tail), (HowEnded::Exited(7), b"half\n".to_vec()));
    until("its half is there", || (named(&sleep).len() == 1).then_some(()));
    assert_eq!(node.ask(&Request::KillGroup { group: group() }), Ok(Answer::Killed { count: 1 }));
    assert!(named(&sleep).is_empty());
    assert!(node.list().processes.is_empty());
}

#[test]
fn a_stop_that_lies_is_seen_by_what_the_group_still_runs() {
    let mut node = Node::start(&[]);
    let service = node.spawn(shell(free(), Purpose::Service, "exec sleep 1000"));
    let stop = node.spawn(shell(free(), Purpose::Stop, "echo stopped; exit 0"));
    assert_eq!(node.ended(stop).how, HowEnded::Exited(0), "it says that it succeeded");
    let left = node.list().processes;
    assert_eq!(left, [(group(), vec![service.pid])], "and the check says otherwise");
    assert_eq!(node.ask(&Request::KillGroup { group: group() }), Ok(Answer::Killed { count: 1 }));
    assert!(!lives(service.pid));
}

#[test]
fn an_unmount_that_fails_is_told_and_the_volume_stays_owned() {
    if !root() {
        return;
    }
    let mut node = Node::start(&["private"]);
    let (disk, dir) = (node.path("disk.img"), node.path("volume"));
    image(&disk);
    mount(&mut node, &disk, &dir).unwrap();
    // A second mount below keeps the volume busy and no process can be killed for it.
    let below = dir.join("below");
    inside(node.pid(), &format!("mkdir {}", below.display()));
    inside(node.pid(), &format!("mount -t tmpfs none {}", below.display()));
    let orderly = Request::Unmount { dir: dir.clone(), how: Unmounting::Orderly };
    let outcome = node.ask(&orderly);
    assert!(matches!(outcome, Err(Failure::StillThere { .. })), "{outcome:?}");
    assert_eq!(node.list().mounts, std::slice::from_ref(&dir), "it is still said to be here");
    inside(node.pid(), &format!("umount {}", below.display()));
    assert_eq!(node.ask(&orderly), Ok(Answer::Unmounted { killed: Vec::new() }));
    nothing_is_left(&mut node, &disk);
}
