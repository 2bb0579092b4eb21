//! A volume that DRBD mirrors: primary before its mount, secondary after its release.

use super::*;
use crate::mirror::step::WORD;
use tsugi_cluster_rules::mirror::Obstacle;
use tsugi_cluster_rules::reason::{How, Mishap};

fn mirrored_volume() -> ResourceSpec {
    let mut disk = volume("disk");
    if let ResourceKind::Volume { drbd, .. } = &mut disk.kind {
        *drbd = Some("r0".to_owned());
    }
    disk
}

fn mirrored() -> Scene {
    Scene::new(vec![mirrored_volume()])
}

/// What its process is told to do, and for whom.
fn told(scene: &Scene) -> Vec<String> {
    let words = &scene.program().argv;
    assert_eq!(words[1], WORD);
    assert_eq!(scene.program().user, Some((0, 0)));
    words[2..].to_vec()
}

fn ends_with(scene: &mut Scene, code: i32, said: &str) {
    let (purpose, newest) = (scene.program().purpose, scene.hands.pids);
    scene.ended(Ended {
        program: running(newest, "disk", purpose, EPOCH),
        how: HowEnded::Exited(code),
        limit: TimeLimit::Kept,
        tail: said.as_bytes().to_vec(),
        dropped: 0,
    });
}

#[test]
fn a_mirror_is_made_primary_under_the_lease_before_it_is_mounted() {
    let lost = Told { event: ScriptEvent::Failover, reason: "node-silent", ..TOLD };
    for (told_so, peer) in [(TOLD, "awaited"), (lost, "lost")] {
        let mut scene = mirrored();
        scene.start_as("disk", told_so);
        assert_eq!(scene.asked(), ["start script"], "nothing is mounted yet");
        let [action, name, device, of_peer, limit] = &told(&scene)[..] else { panic!("five") };
        assert_eq!((action.as_str(), name.as_str(), of_peer.as_str()), ("promote", "r0", peer));
        assert!(device.ends_with("/pay.img") && limit == "3000", "{device} {limit}");
        assert_eq!(scene.program().right, Right::Lease { group: pay(), epoch: EPOCH });
        ends_with(&mut scene, 0, "");
        assert_eq!(scene.asked(), ["start script", "mount"]);
        assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
    }
}

#[test]
fn how_the_copies_stand_and_what_drbd_has_to_be_is_told_to_what_makes_one_primary() {
    let of = |known, fencing| {
        let mut scene = mirrored();
        scene.start_as("disk", Told { promotion: Promotion { known, fencing }, ..TOLD });
        told(&scene)[3..].to_vec()
    };
    assert_eq!(of(Known::Newest, Fencing::AsItIs), ["older", "3000"]);
    assert_eq!(of(Known::Older, Fencing::AsItIs), ["newer", "3000"]);
    assert_eq!(of(Known::Alike, Fencing::Demanded), ["awaited", "3000", "fenced"]);
}

#[test]
fn a_mirror_that_is_not_made_primary_is_not_mounted_and_why_is_known() {
    for (code, obstacle) in [
        (70, Obstacle::NotUpToDate),
        (71, Obstacle::StandsAlone),
        (72, Obstacle::PeerUnknown),
        (73, Obstacle::PeerIsPrimary),
        (74, Obstacle::NotUp),
        (75, Obstacle::Refused),
        (77, Obstacle::Older),
        (78, Obstacle::NotFenced),
    ] {
        let mut scene = mirrored();
        scene.start("disk");
        ends_with(&mut scene, code, "r0: WFConnection Secondary/Unknown Outdated/DUnknown\n");
        assert_eq!(scene.asked(), ["start script"]);
        let words = "r0: WFConnection Secondary/Unknown Outdated/DUnknown";
        let how = How::of(Mishap::Mirror { obstacle }, words);
        assert_eq!(scene.outcome(), Outcome::Failed { how });
    }
    let mut scene = mirrored();
    scene.start("disk");
    ends_with(&mut scene, 1, "no such program");
    assert_eq!(scene.failure(), "exit 1: no such program");
}

#[test]
fn a_mirror_is_made_secondary_once_it_is_released() {
    let mut scene = mirrored();
    scene.stop("disk");
    let asked = scene.asked();
    let [.., release, role] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!([*release, *role], ["unmount", "stop script"]);
    assert_eq!(told(&scene)[..2], ["demote", "r0"]);
    assert_eq!(scene.program().right, Right::Free { group: pay(), epoch: EPOCH });
    ends_with(&mut scene, 76, "r0: Connected Primary/Secondary UpToDate/UpToDate; held open");
    assert!(scene.failure().contains("held open"), "the next owner would be kept off");
}

#[test]
fn a_mirror_that_is_used_when_it_is_released_is_made_secondary_after_the_last_try() {
    let mut disk = mirrored_volume();
    if let ResourceKind::Volume { retries, .. } = &mut disk.kind {
        *retries = Retries { mount: 0, release: 1, interval: Span::secs(1) };
    }
    let mut scene = Scene::new(vec![disk]);
    let in_use = || Err(Failure::StillThere { pids: vec![31] });
    scene.answers("unmount", in_use());
    scene.answers("unmount", in_use());
    scene.stop("disk");
    scene.pass(Span::secs(2));
    let unmounts = scene.asked().iter().filter(|what| **what == "unmount").count();
    assert_eq!((unmounts, scene.asked().last()), (3, Some(&"stop script")));
    assert_eq!(told(&scene)[..2], ["demote", "r0"]);
    ends_with(&mut scene, 0, "");
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "{:?}", scene.out);
}

#[test]
fn a_mirror_that_is_let_go_of_is_made_secondary_and_nothing_waits_for_that_to_succeed() {
    let mut scene = mirrored();
    scene.act(Act::LetGo);
    assert_eq!(
        scene.asked(),
        ["kill group", "stop script"],
        "before its unmount, which would wait"
    );
    assert_eq!(told(&scene)[..2], ["thaw", "r0"]);
    ends_with(&mut scene, 0, "");
    assert_eq!(told(&scene)[..2], ["demote", "r0"]);
    let asked = ["kill group", "stop script", "kill group", "unmount", "stop script"];
    assert_eq!(scene.asked(), asked, "after everything else of the group");
    ends_with(&mut scene, 76, "held open");
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "{:?}", scene.out);
}

#[test]
fn what_hangs_on_a_frozen_mirror_ends_after_that_has_lost_link_and_disk() {
    let mut scene = mirrored();
    // It is killed, and waits in the kernel for what it has written.
    scene.answers("kill group", Err(Failure::StillThere { pids: vec![31] }));
    scene.act(Act::LetGo);
    assert_eq!(told(&scene)[..2], ["thaw", "r0"], "nobody is unmounted under it");
    let Right::Free { group, .. } = &scene.program().right else { panic!("it has a lease") };
    assert_ne!(*group, pay(), "whoever ends the group at its deadline would end it too");
    ends_with(&mut scene, 0, "");
    ends_with(&mut scene, 0, "");
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "{:?}", scene.out);
    // Whatever becomes of that, what is left is told.
    let mut scene = mirrored();
    for _ in 0..2 {
        scene.answers("kill group", Err(Failure::StillThere { pids: vec![31] }));
    }
    scene.act(Act::LetGo);
    ends_with(&mut scene, 75, "r0: WFConnection Primary/Unknown UpToDate/DUnknown");
    assert!(matches!(scene.outcome(), Outcome::Stuck { .. }), "{:?}", scene.out);
}

#[test]
fn a_mirror_that_freezes_is_severed_before_its_release_whether_or_not_drbd_has_noticed_yet() {
    let mut scene = mirrored();
    Arc::make_mut(&mut scene.spec).fence = FencePolicy::Mirror;
    scene.act(Act::LetGo);
    assert_eq!(told(&scene)[..2], ["sever", "r0"]);
    // In an ordinary stop the other side is there, and has all of it.
    let mut scene = mirrored();
    scene.stop("disk");
    assert!(!scene.asked()[..scene.asked().len() - 1].contains(&"stop script"));
}

#[test]
fn a_volume_that_is_no_mirror_has_no_role() {
    let mut scene = Scene::new(vec![volume("disk")]);
    scene.start("disk");
    scene.stop("disk");
    assert!(!scene.asked().iter().any(|what| what.ends_with("script")), "{:?}", scene.asked());
}
