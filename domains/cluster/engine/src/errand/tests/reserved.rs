//! A volume that its storage keeps for one node: taken before its mount, watched as long as it is
//! mounted.

use super::*;
use crate::reservation::WORD;
use std::path::PathBuf;
use tsugi_cluster_rules::reason::{How, Mishap};
use tsugi_cluster_rules::reservation::{Key, Obstacle, Reservation};
use tsugi_host::request::Listing;

fn reserved_volume() -> ResourceSpec {
    let mut disk = volume("disk");
    if let ResourceKind::Volume { reservation, .. } = &mut disk.kind {
        *reservation = Some(Reservation::Scsi);
    }
    disk
}

fn reserved() -> Scene {
    Scene::new(vec![reserved_volume()])
}

fn key() -> String {
    Key::of(7, &pay(), EPOCH).expect("it fits").to_string()
}

/// The newest program as it was started: by whom, with which right, within which time.
fn told(scene: &Scene) -> Vec<String> {
    let program = scene.program();
    assert_eq!((program.argv[1].as_str(), program.user), (WORD, Some((0, 0))));
    assert_eq!(program.right, Right::Lease { group: pay(), epoch: EPOCH });
    program.argv[2..].to_vec()
}

fn ends_with(scene: &mut Scene, (pid, purpose): (u32, Purpose), code: i32, said: &str) {
    scene.ended(Ended {
        program: running(pid, "disk", purpose, EPOCH),
        how: HowEnded::Exited(code),
        limit: TimeLimit::Kept,
        tail: said.as_bytes().to_vec(),
        dropped: 0,
    });
}

fn started() -> Scene {
    let mut scene = reserved();
    scene.start("disk");
    ends_with(&mut scene, (1, Purpose::Start), 0, "");
    scene
}

#[test]
fn a_volume_is_taken_by_its_epoch_before_it_is_mounted_and_then_watched() {
    let mut scene = reserved();
    scene.start("disk");
    assert_eq!(scene.asked(), ["start script"], "nothing is mounted yet");
    let [action, device, of_key, limit] = &told(&scene)[..] else { panic!("four") };
    assert_eq!((action.as_str(), of_key, limit.as_str()), ("take", &key(), "3000"));
    assert!(device.ends_with("/pay.img"), "{device}");
    assert_eq!(scene.program().time_limit, Some(Span::secs(3)));
    ends_with(&mut scene, (1, Purpose::Start), 0, "");
    assert_eq!(scene.asked(), ["start script", "mount", "service"]);
    assert_eq!((told(&scene)[0].as_str(), &told(&scene)[2]), ("watch", &key()));
    assert_eq!(scene.program().time_limit, None, "as long as it is mounted");
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
}

#[test]
fn a_file_system_that_is_always_checked_is_checked_after_the_disk_was_taken() {
    let mut disk = reserved_volume();
    if let ResourceKind::Volume { check, .. } = &mut disk.kind {
        *check = VolumeCheck::Always;
    }
    let mut scene = Scene::new(vec![disk]);
    scene.start("disk");
    assert_eq!(told(&scene)[0], "take");
    ends_with(&mut scene, (1, Purpose::Start), 0, "");
    assert!(scene.program().argv[0].contains("e2fsck"), "{:?}", scene.program().argv);
}

#[test]
fn a_damaged_volume_that_is_mounted_after_a_check_is_watched_too() {
    let mut scene = reserved();
    scene.answers("mount", Err(Failure::DiskFails { at: "/dev/sdx".into(), errno: 117 }));
    scene.start("disk");
    ends_with(&mut scene, (1, Purpose::Start), 0, "");
    ends_with(&mut scene, (2, Purpose::Start), 1, "");
    let asked = ["start script", "mount", "start script", "mount", "service"];
    assert_eq!(scene.asked(), asked);
    assert_eq!(told(&scene)[0], "watch");
}

#[test]
fn a_disk_that_is_not_taken_is_not_mounted_and_why_is_known() {
    for (code, obstacle) in [
        (80, Obstacle::Foreign),
        (81, Obstacle::Newer),
        (82, Obstacle::Lost),
        (83, Obstacle::Unable),
        (84, Obstacle::NotWhole),
        (85, Obstacle::InUse),
        (86, Obstacle::Failed),
    ] {
        let mut scene = reserved();
        scene.start("disk");
        ends_with(&mut scene, (1, Purpose::Start), code, "/dev/sdx: keys 0x1; reservation -\n");
        assert_eq!(scene.asked(), ["start script"]);
        let words = "/dev/sdx: keys 0x1; reservation -";
        let how = How::of(Mishap::Reservation { obstacle }, words);
        assert_eq!(scene.outcome(), Outcome::Failed { how });
    }
}

#[test]
fn an_epoch_without_a_key_starts_nothing() {
    let mut scene = reserved();
    scene.epoch = Epoch { incarnation: 5000, counter: 1 };
    scene.start("disk");
    assert_eq!(scene.asked(), [""; 0]);
    assert!(scene.failure().contains("e5000.1"), "{}", scene.failure());
}

#[test]
fn a_disk_that_is_lost_is_told_as_lost_and_a_watch_that_was_killed_is_not() {
    let mut scene = started();
    ends_with(&mut scene, (2, Purpose::Service), 82, "/dev/sdx: keys -; reservation -");
    let Some(Finished::Died { resource, how, .. }) = scene.out.last() else { panic!("it died") };
    assert_eq!(resource.as_str(), "disk");
    assert!(how.mishap.is_lost_volume(), "{how:?}");
    let mut scene = started();
    scene.ends(2, "disk", HowEnded::Signalled(9));
    let Some(Finished::Died { how, .. }) = scene.out.last() else { panic!("it died") };
    assert_eq!(*how, How::of(Mishap::Signal, "signal 9"));
    // What a program of the group ends with says nothing of a disk.
    let mut scene = Scene::new(vec![server(None)]);
    scene.start("server");
    scene.ends(1, "server", HowEnded::Exited(82));
    assert!(matches!(scene.out.last(), Some(Finished::Died { how, .. })
        if how.mishap == Mishap::Plain));
}

#[test]
fn the_watch_ends_before_it_is_looked_for_what_is_left_and_the_disk_stays_kept() {
    let mut scene = started();
    scene.hands.asked.clear();
    scene.stop("disk");
    assert_eq!(scene.asked(), ["end"], "nothing is released beside it");
    scene.ends(2, "disk", HowEnded::Signalled(15));
    let asked = scene.asked();
    assert_eq!(asked.last(), Some(&"unmount"), "{asked:?}");
    assert!(asked.iter().all(|what| !what.ends_with("script")), "no key is given back: {asked:?}");
    assert!(!scene.out.iter().any(|out| matches!(out, Finished::Died { .. })), "{:?}", scene.out);
}

#[test]
fn a_volume_is_taken_over_from_a_former_agent_with_its_watch_and_not_without() {
    let watch = running(31, "disk", Purpose::Service, EPOCH);
    for (programs, whole) in [(vec![watch], true), (Vec::new(), false)] {
        let mut scene = Scene::new(vec![reserved_volume(), batch()]);
        let mounts = vec![PathBuf::from("/data/pay")];
        let pids = programs.iter().map(|p| p.id.pid).collect();
        let listing =
            Listing { programs, mounts, processes: vec![(pay(), pids)], ..Listing::default() };
        scene.answers("list", Ok(Answer::Listing(listing)));
        scene.act(Act::Adopt);
        // The watch is nothing that the scripts of the group have started.
        let found = if whole { vec![resource_name("disk")] } else { Vec::new() };
        assert_eq!(scene.outcome(), Outcome::Adopted(found));
        if whole {
            ends_with(&mut scene, (31, Purpose::Service), 82, "lost");
            assert!(matches!(scene.out.last(), Some(Finished::Died { how, .. })
                if how.mishap.is_lost_volume()));
        }
    }
}
