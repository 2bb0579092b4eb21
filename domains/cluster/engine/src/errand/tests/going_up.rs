//! Starting resources: in which order the hands are asked, and what a conflict leaves behind.

use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;

use super::*;
use crate::errand::source;
use tsugi_host::request::{Right, Source};

fn fine(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Fine { .. })
}

#[test]
fn an_address_is_asked_for_on_the_network_then_added_then_announced() {
    let mut scene = Scene::new(vec![address("vip")]);
    scene.start("vip");
    assert_eq!(scene.asked(), ["probe", "add", "announce"]);
    assert!(fine(&scene.outcome()));
    let Request::Probe { wait, .. } = &scene.hands.asked[0] else { panic!("a probe") };
    assert!(*wait <= Span::millis(10), "a takeover does not wait for a probe");
    let Request::AddAddress { right, .. } = &scene.hands.asked[1] else { panic!("an add") };
    assert_eq!(*right, Right::Lease { group: pay(), epoch: EPOCH }, "only under the lease");
}

#[test]
fn an_address_that_somebody_has_is_not_taken() {
    let mut scene = Scene::new(vec![address("vip")]);
    scene.answers("probe", Ok(Answer::Probed { conflict: Some([2, 0, 0, 0, 0, 0xaf]) }));
    scene.start("vip");
    assert_eq!(scene.asked(), ["probe"], "nothing was added, so nothing is left");
    assert_eq!(scene.failure(), "the address is in use by 02:00:00:00:00:af");
    assert_eq!(scene.errands.next_time(), None, "and nothing will be announced");
}

#[test]
fn an_address_that_somebody_had_is_asked_for_again_and_again() {
    let mut scene = Scene::new(vec![address("vip")]);
    let resource = resource_name("vip");
    scene.act(Act::Start { resource, told: TOLD, probe: Probe::Insistent });
    let asked = scene.asked();
    let then = asked.iter().skip_while(|what| **what == "probe");
    assert_eq!(then.collect::<Vec<_>>(), [&"add", &"announce"]);
    let waits = scene.hands.asked.iter().filter_map(|request| match request {
        Request::Probe { wait, .. } => Some(*wait),
        _ => None,
    });
    let waited = waits.fold(Span::ZERO, |sum, wait| sum + wait);
    assert!(waited >= Span::millis(300), "a stranger on a busy machine answers late");
}

#[test]
fn an_address_whose_holder_let_go_is_taken_without_asking() {
    let mut scene = Scene::new(vec![address("vip")]);
    let resource = resource_name("vip");
    scene.act(Act::Start { resource, told: TOLD, probe: Probe::NotNeeded });
    assert_eq!(scene.asked(), ["add", "announce"]);
}

#[test]
fn an_address_is_announced_again_for_those_who_missed_it() {
    let mut scene = Scene::new(vec![address("vip")]);
    scene.start("vip");
    scene.pass(Span::secs(5));
    let announced = scene.asked().iter().filter(|w| **w == "announce").count();
    assert_eq!(announced, tsugi_host::address::raise::ANNOUNCE_AFTER.len());
    assert_eq!(scene.outcomes().len(), 1, "what is repeated is no act of its own");
    assert_eq!(scene.errands.next_time(), None, "and it ends");
}

#[test]
fn an_address_that_is_being_given_up_is_announced_no_more() {
    for what in [Act::Stop { resource: resource_name("vip"), told: TOLD }, Act::LetGo] {
        let mut scene = Scene::new(vec![address("vip")]);
        scene.start("vip");
        scene.act(what);
        let before = scene.asked().len();
        scene.pass(Span::secs(5));
        assert_eq!(scene.asked().len(), before, "the network hears of it no more");
    }
}

#[test]
fn an_address_that_moves_to_another_link_leaves_the_old_one_first() {
    let mut scene = Scene::new(vec![address("vip")]);
    scene.start("vip");
    scene.hands.asked.clear();
    scene.answers("add", Err(Failure::OnOtherLink { link: "eth0".to_owned() }));
    scene.act(Act::MoveAddress { resource: resource_name("vip"), link: "eth1".to_owned() });
    assert_eq!(scene.asked(), ["add", "remove", "add", "announce"]);
    assert_eq!(links(&scene), ["eth1", "eth1", "eth1"]);
    scene.pass(Span::secs(5));
    let on_the_old = |r: &Request| matches!(r, Request::Announce { link, .. } if link == "eth0");
    assert!(!scene.hands.asked.iter().any(on_the_old), "the old link is announced no more");
}

/// On which links an address was probed for, added and announced.
fn links(scene: &Scene) -> Vec<String> {
    let link = |request: &Request| match request {
        Request::Probe { link, .. }
        | Request::AddAddress { link, .. }
        | Request::Announce { link, .. } => Some(link.clone()),
        _ => None,
    };
    scene.hands.asked.iter().filter_map(link).collect()
}

#[test]
fn an_address_that_is_moved_to_the_link_where_it_is_is_not_taken_off() {
    let mut scene = Scene::new(vec![address("vip")]);
    scene.start("vip");
    scene.hands.asked.clear();
    scene.act(Act::MoveAddress { resource: resource_name("vip"), link: "eth0".to_owned() });
    assert_eq!(scene.asked(), ["add", "announce"]);
}

#[test]
fn ph_08_an_address_whose_first_link_is_cut_is_started_on_the_next_of_the_same_node() {
    for step in ["probe", "add", "announce"] {
        let mut scene = Scene::new(vec![address("vip")]);
        scene.answers(step, Err(Failure::LinkDown { link: "eth0".to_owned() }));
        scene.start("vip");
        assert!(fine(&scene.outcome()), "{step}");
        let asked = scene.asked();
        assert_eq!(asked[asked.len() - 4..], ["remove", "probe", "add", "announce"], "{step}");
        let links = links(&scene);
        assert_eq!(links[links.len() - 3..], ["eth1"; 3], "{step}");
    }
}

#[test]
fn an_address_whose_links_are_all_cut_is_not_started_and_not_tried_for_ever() {
    let mut scene = Scene::new(vec![address("vip")]);
    for link in ["eth0", "eth1"] {
        scene.answers("add", Err(Failure::LinkDown { link: link.to_owned() }));
    }
    scene.start("vip");
    assert_eq!(scene.failure(), "the link eth1 is down");
    let mut scene = Scene::new(vec![address("vip")]);
    for _ in 0..9 {
        scene.answers("add", Err(Failure::OnOtherLink { link: "eth9".to_owned() }));
    }
    scene.start("vip");
    assert_eq!(scene.failure(), "the address is on the link eth9 of this node");
}

#[test]
fn a_volume_that_the_hands_refuse_fails_its_start_with_their_words() {
    let mut scene = Scene::new(vec![volume("disk")]);
    scene.answers("mount", Err(Failure::Source { why: "no such file".to_owned() }));
    scene.start("disk");
    assert!(scene.failure().contains("no such file"), "{}", scene.failure());
}

fn damaged() -> Result<Answer, Failure> {
    Err(Failure::DiskFails { at: "/data/pay.img".into(), errno: 117 })
}

#[test]
fn a_damaged_volume_is_checked_once_and_mounted_again() {
    for (code, good) in [(0, true), (1, true), (8, true), (4, false)] {
        let mut scene = Scene::new(vec![volume("disk")]);
        scene.answers("mount", damaged());
        scene.start("disk");
        assert_eq!(scene.asked(), ["mount", "start script"]);
        let check = scene.program();
        let image = scene.dir.path().join("pay.img");
        assert_eq!(check.argv, ["/sbin/e2fsck", "-p", image.to_str().unwrap()]);
        assert_eq!(check.user, Some((0, 0)), "it opens the device");
        assert_eq!(check.right, Right::Lease { group: pay(), epoch: EPOCH });
        scene.ends(1, "disk", HowEnded::Exited(code));
        match good {
            true => assert!(fine(&scene.outcome()), "{code}"),
            false => assert_eq!(scene.failure(), "exit 4", "it is not mounted"),
        }
    }
    let mut scene = Scene::new(vec![volume("disk")]);
    scene.answers("mount", damaged());
    scene.answers("mount", damaged());
    scene.start("disk");
    scene.ends(1, "disk", HowEnded::Exited(1));
    assert!(scene.failure().contains("the disk fails"), "{}", scene.failure());
}

#[test]
fn a_volume_is_checked_before_every_mount_or_never_where_it_is_configured_so() {
    let with = |wanted| {
        let mut disk = volume("disk");
        if let ResourceKind::Volume { check, .. } = &mut disk.kind {
            *check = wanted;
        }
        Scene::new(vec![disk])
    };
    let mut scene = with(VolumeCheck::Always);
    scene.start("disk");
    assert_eq!(scene.asked(), ["start script"]);
    scene.ends(1, "disk", HowEnded::Exited(0));
    assert_eq!(scene.asked(), ["start script", "mount"]);
    assert!(fine(&scene.outcome()));
    let mut scene = with(VolumeCheck::Never);
    scene.answers("mount", damaged());
    scene.start("disk");
    assert!(scene.failure().contains("the disk fails"), "{}", scene.failure());
}

#[test]
fn a_program_is_up_when_it_has_said_its_line_and_not_before() {
    let mut scene = Scene::new(vec![server(Some("serving"))]);
    let log = scene.dir.path().join("PAY.server.log");
    std::fs::write(&log, "serving\n").unwrap();
    scene.start("server");
    scene.pass(Span::millis(100));
    assert_eq!(scene.outcomes(), [], "what an earlier run has said does not count");
    std::fs::write(&log, "serving\nopening\n serving soon\n").unwrap();
    scene.pass(Span::millis(100));
    assert_eq!(scene.outcomes(), [], "the line must stand alone");
    std::fs::write(&log, "serving\nopening\nserving\n").unwrap();
    scene.pass(Span::millis(100));
    assert!(fine(&scene.outcome()));
}

#[test]
fn a_program_that_does_not_say_its_line_has_failed_its_start() {
    let mut scene = Scene::new(vec![server(Some("serving"))]);
    scene.start("server");
    scene.pass(Span::secs(4));
    assert!(scene.failure().contains("\"serving\""), "{}", scene.failure());
}

#[test]
fn a_program_that_ends_before_its_line_has_died_and_is_not_waited_for() {
    let mut scene = Scene::new(vec![server(Some("serving"))]);
    scene.start("server");
    scene.ends(1, "server", HowEnded::Exited(3));
    let died = Finished::Died {
        group: pay(),
        epoch: EPOCH,
        resource: resource_name("server"),
        how: "exit 3".into(),
    };
    assert_eq!(scene.out[0], died);
    assert_eq!(scene.failure(), "exit 3", "at once, not when its start limit is over");
    assert_eq!(scene.errands.next_time(), None, "and its log is looked at no more");
}

#[test]
fn hands_that_do_not_answer_fail_the_act_in_the_end() {
    let mut scene = Scene::new(vec![volume("disk")]);
    scene.hands.silent = true;
    scene.start("disk");
    scene.pass(Span::secs(19));
    assert_eq!(scene.outcomes(), []);
    scene.pass(Span::secs(2));
    assert_eq!(scene.failure(), "the hands did not answer");
}

#[test]
fn a_resource_that_is_not_in_the_group_is_not_started() {
    let mut scene = Scene::new(vec![volume("disk")]);
    scene.start("nowhere");
    assert_eq!(scene.failure(), "no resource nowhere");
    assert_eq!(scene.asked(), [""; 0]);
}

fn with_retries(retries: Retries) -> Scene {
    let mut disk = volume("disk");
    if let ResourceKind::Volume { retries: of, .. } = &mut disk.kind {
        *of = retries;
    }
    Scene::new(vec![disk])
}

fn not_there() -> Result<Answer, Failure> {
    Err(Failure::Source { why: "/dev/vg/pay is not a block device".to_owned() })
}

#[test]
fn cl_19_a_mount_that_fails_is_tried_three_more_times_five_seconds_apart() {
    let mut scene = with_retries(Retries::default());
    for _ in 0..3 {
        scene.answers("mount", not_there());
    }
    scene.start("disk");
    for further in 1..=3 {
        assert_eq!(scene.asked(), vec!["mount"; further]);
        scene.pass(Span::millis(4_900));
        assert_eq!(scene.asked(), vec!["mount"; further]);
        scene.pass(Span::millis(100));
    }
    assert!(fine(&scene.outcome()), "the device came late");
    let mut scene = with_retries(Retries { mount: 1, ..Retries::default() });
    scene.answers("mount", not_there());
    scene.answers("mount", not_there());
    scene.start("disk");
    scene.pass(Span::secs(6));
    assert!(scene.failure().contains("not a block device"), "{}", scene.failure());
}

#[test]
fn cl_19_what_no_further_try_can_mend_fails_at_once() {
    for failure in [
        Failure::NotArmed { group: pay(), epoch: EPOCH },
        Failure::PlaceTaken { dir: "/data".into() },
        Failure::MountedElsewhere { dir: "/data".into() },
    ] {
        let mut scene = with_retries(Retries::default());
        scene.answers("mount", Err(failure));
        scene.start("disk");
        assert!(matches!(scene.outcome(), Outcome::Failed { .. }), "{:?}", scene.out);
        assert_eq!(scene.asked(), ["mount"]);
    }
}

#[test]
fn a_mount_that_waits_for_its_next_try_is_over_when_its_group_is_let_go_of() {
    let mut scene = with_retries(Retries::default());
    scene.answers("mount", not_there());
    scene.start("disk");
    scene.act(Act::LetGo);
    scene.pass(Span::secs(60));
    assert_eq!(scene.asked(), ["mount", "kill group", "unmount"]);
    assert_eq!(scene.outcomes().len(), 2);
}

/// It may be on a share whose server answers nothing, and who looks keeps the leases.
#[test]
fn a_volume_is_not_looked_at_before_its_mount_but_below_dev() {
    let dir = tempfile::tempdir().unwrap();
    let around = Scene::around(&dir, 0);
    let is_block = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device())
    };
    let below = std::fs::read_dir("/dev").unwrap().flatten().map(|entry| entry.path());
    let Some(device) = below.into_iter().find(is_block) else { return };
    let link = dir.path().join("disk");
    std::os::unix::fs::symlink(&device, &link).unwrap();
    let found = |path: &PathBuf| source(&around, path.to_str().unwrap());
    assert_eq!(found(&link), Source::Image(link.clone()));
    assert_eq!(found(&device), Source::Device(device.clone()));
    let shared = PathBuf::from("/dev/shm/no-such-image");
    assert_eq!(found(&shared), Source::Image(shared.clone()));
}
