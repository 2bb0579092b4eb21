//! Stopping resources and letting go of a group at once.

use super::*;
use tsugi_cluster_rules::reason::{How, Mishap};
use tsugi_cluster_rules::record::Happening;
use tsugi_host::request::{Target, Unmounting};

/// A group with its program running as pid 1.
pub(super) fn up() -> Scene {
    let mut scene = Scene::new(vec![volume("disk"), address("vip"), server(None)]);
    scene.start("server");
    scene.hands.asked.clear();
    scene.out.clear();
    scene
}

#[test]
fn a_program_is_asked_to_end_and_its_end_is_the_stop() {
    let mut scene = up();
    scene.stop("server");
    assert_eq!(scene.asked(), ["end"]);
    let program = ProgramId { pid: 1, started: 7 };
    let target = Target::Program(program);
    assert_eq!(scene.hands.asked[0], Request::Signal { target, signal: 15 });
    assert_eq!(scene.outcomes(), [], "asking is not ending");
    scene.ends(1, "server", HowEnded::Signalled(15));
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
}

#[test]
fn a_program_that_ignores_the_signal_is_killed_at_its_limit() {
    let mut scene = up();
    scene.stop("server");
    scene.pass(Span::millis(1900));
    assert_eq!(scene.asked(), ["end"], "it has its time");
    scene.pass(Span::millis(200));
    assert_eq!(scene.asked(), ["end", "kill"]);
    scene.ends(1, "server", HowEnded::Signalled(9));
    assert!(matches!(scene.outcome(), Outcome::Forced { .. }), "and this is told");
}

#[test]
fn a_program_that_even_a_kill_does_not_end_is_a_failed_stop() {
    let mut scene = up();
    scene.stop("server");
    scene.pass(Span::secs(5));
    assert_eq!(scene.failure(), "pid 1 does not end");
}

#[test]
fn the_end_of_a_program_that_is_being_stopped_is_no_failure_of_it() {
    let mut scene = up();
    scene.stop("server");
    scene.ends(1, "server", HowEnded::Exited(1));
    let died = |f: &Finished| matches!(f, Finished::Died { .. });
    assert!(!scene.out.iter().any(died), "{:?}", scene.out);
}

#[test]
fn a_program_that_has_ended_already_is_stopped() {
    let mut scene = up();
    scene.answers("end", Err(Failure::NoProgram));
    scene.stop("server");
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
}

#[test]
fn the_last_stop_of_a_group_proves_that_no_process_is_left() {
    let mut scene = up();
    scene.stop("vip");
    assert_eq!(scene.asked(), ["remove"], "the group is not down yet");
    scene.hands.asked.clear();
    scene.stop("disk");
    assert_eq!(scene.asked(), ["kill group", "unmount"], "no user of the volume is left");
    let Request::Unmount { how, .. } = &scene.hands.asked[1] else { panic!("an unmount") };
    assert_eq!(*how, Unmounting::Orderly);
}

#[test]
fn processes_that_cannot_be_killed_fail_the_last_stop() {
    let mut scene = up();
    scene.answers("kill group", Err(Failure::StillThere { pids: vec![12] }));
    scene.stop("disk");
    assert!(scene.failure().contains("[12]"), "{}", scene.failure());
    assert_eq!(scene.asked(), ["kill group"], "a volume in use is not taken away");
}

#[test]
fn letting_go_kills_then_drops_the_address_then_the_volume() {
    let mut scene = up();
    scene.act(Act::LetGo);
    assert_eq!(scene.asked(), ["kill group", "remove", "unmount"]);
    let Request::Unmount { how, .. } = &scene.hands.asked[2] else { panic!("an unmount") };
    assert_eq!(*how, Unmounting::Emergency, "bounded: the deadline is near");
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
}

#[test]
fn cl_18_what_cannot_be_let_go_of_is_stuck_and_never_called_released() {
    let steps = [
        ("kill group", Failure::StillThere { pids: vec![12] }),
        ("remove", Failure::NoEffect { what: "the address is still there".to_owned() }),
        ("unmount", Failure::StillThere { pids: vec![13] }),
    ];
    for (step, failure) in steps {
        let mut scene = up();
        let left = How::of(Mishap::StillThere, failure.to_string());
        scene.answers(step, Err(failure));
        scene.act(Act::LetGo);
        assert_eq!(scene.outcome(), Outcome::Stuck { left }, "{step}");
    }
}

#[test]
fn letting_go_does_not_wait_for_a_stop_that_hangs() {
    let mut scene = up();
    scene.stop("server");
    scene.act(Act::LetGo);
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "the hands answer both");
}

#[test]
fn a_stop_that_said_it_succeeded_and_left_processes_is_done_and_told_as_a_lie() {
    let mut scene = up();
    scene.answers("kill group", Ok(Answer::Killed { count: 2 }));
    scene.stop("disk");
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "they are gone, verified");
    let lie = |f: &Finished| {
        matches!(f, Finished::Seen { what: Happening::StopLied { left: 2 }, epoch: EPOCH, .. })
    };
    assert!(scene.out.iter().any(lie), "{:?}", scene.out);
    let mut honest = up();
    honest.answers("kill group", Ok(Answer::Killed { count: 0 }));
    honest.stop("disk");
    assert!(!honest.out.iter().any(|f| matches!(f, Finished::Seen { .. })), "{:?}", honest.out);
}

#[test]
fn a_release_by_force_kills_and_is_no_lie_of_a_stop() {
    let mut scene = up();
    scene.answers("kill group", Ok(Answer::Killed { count: 2 }));
    scene.act(Act::LetGo);
    assert!(!scene.out.iter().any(|f| matches!(f, Finished::Seen { .. })), "{:?}", scene.out);
}

#[test]
fn a_stop_that_hangs_or_whose_address_stays_is_told_with_its_kind() {
    let told = |scene: &Scene| {
        let kind = |f: &Finished| match f {
            Finished::Seen { what: Happening::StopFailed { how, .. }, .. } => {
                Some(how.mishap.clone())
            }
            _ => None,
        };
        scene.out.iter().find_map(kind)
    };
    let mut scene = up();
    let still = Failure::NoEffect { what: "the address is still there".to_owned() };
    scene.answers("remove", Err(still));
    scene.stop("vip");
    assert_eq!(told(&scene), Some(Mishap::StillThere));
    let mut scene = Scene::new(vec![address("vip"), batch()]);
    scene.stop("batch");
    let program = running(1, "batch", Purpose::Stop, EPOCH);
    let (how, limit) = (HowEnded::Signalled(9), TimeLimit::Exceeded);
    scene.ended(Ended { program, how, limit, tail: Vec::new(), dropped: 0 });
    assert_eq!(told(&scene), Some(Mishap::TooLate));
}

#[test]
fn what_is_let_go_of_while_it_starts_goes_no_further() {
    let mut scene = Scene::new(vec![address("vip"), server(Some("serving"))]);
    scene.start("server");
    scene.hands.silent = true;
    scene.start("vip");
    assert_eq!(scene.asked(), ["service", "probe"]);
    scene.act(Act::LetGo);
    let looked = Outcome::Failed { how: "its group was let go of".into() };
    assert_eq!(scene.outcomes(), [looked], "nobody looks for its line any more");
    let conflict = Ok(Answer::Probed { conflict: None });
    let report = Report::Answer { id: RequestId(2), outcome: conflict };
    scene.errands.on_report(scene.now, &report, &mut scene.hands, &mut scene.out);
    assert_eq!(scene.asked(), ["service", "probe", "kill group"], "the address is not added");
    assert_eq!(scene.outcomes().len(), 2, "and its start is over");
}

#[test]
fn a_volume_whose_users_had_to_be_killed_went_down_by_force() {
    let mut scene = up();
    scene.answers("unmount", Ok(Answer::Unmounted { killed: vec![31] }));
    scene.stop("disk");
    assert!(matches!(scene.outcome(), Outcome::Forced { .. }), "{:?}", scene.out);
}

/// A group whose volume is tried again in this way.
fn with_retries(retries: Retries) -> Scene {
    let mut disk = volume("disk");
    if let ResourceKind::Volume { retries: of, .. } = &mut disk.kind {
        *of = retries;
    }
    Scene::new(vec![disk])
}

/// How each unmount was asked for.
fn ways(scene: &Scene) -> Vec<Unmounting> {
    let way = |request: &Request| match request {
        Request::Unmount { how, .. } => Some(*how),
        _ => None,
    };
    scene.hands.asked.iter().filter_map(way).collect()
}

fn in_use() -> Result<Answer, Failure> {
    Err(Failure::StillThere { pids: vec![31] })
}

#[test]
fn cl_19_a_volume_in_use_is_asked_back_three_more_times_before_its_users_are_killed() {
    let mut scene = with_retries(Retries::default());
    for _ in 0..4 {
        scene.answers("unmount", in_use());
    }
    scene.answers("unmount", Ok(Answer::Unmounted { killed: vec![31] }));
    scene.stop("disk");
    for further in 1..=3 {
        assert_eq!(ways(&scene), vec![Unmounting::Gentle; further], "nobody is killed");
        scene.pass(Span::millis(4_900));
        assert_eq!(ways(&scene).len(), further, "five seconds apart");
        scene.pass(Span::millis(100));
    }
    let [.., last] = ways(&scene)[..] else { panic!("no unmount") };
    assert_eq!((ways(&scene).len(), last), (5, Unmounting::Orderly), "now they are");
    assert!(matches!(scene.outcome(), Outcome::Forced { .. }), "{:?}", scene.out);
    let again = |f: &&Finished| {
        matches!(f, Finished::Seen { what: Happening::VolumeAgain { how, .. }, .. }
            if how.words.contains("[31]"))
    };
    assert_eq!(scene.out.iter().filter(again).count(), 3, "each is told, with who uses it");
}

#[test]
fn cl_19_a_volume_that_is_free_again_is_released_without_force() {
    let mut scene = with_retries(Retries::default());
    scene.answers("unmount", in_use());
    scene.stop("disk");
    scene.pass(Span::secs(6));
    assert_eq!(ways(&scene), [Unmounting::Gentle; 2]);
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "{:?}", scene.out);
}

#[test]
fn cl_19_how_often_and_how_far_apart_is_the_volumes_own() {
    let mut scene = with_retries(Retries { mount: 0, release: 1, interval: Span::secs(1) });
    scene.answers("unmount", in_use());
    scene.answers("unmount", in_use());
    scene.stop("disk");
    scene.pass(Span::millis(1_100));
    assert_eq!(ways(&scene), [Unmounting::Gentle, Unmounting::Gentle, Unmounting::Orderly]);
    let mut scene = with_retries(Retries { release: 0, ..Retries::default() });
    scene.stop("disk");
    assert_eq!(ways(&scene), [Unmounting::Orderly]);
}

#[test]
fn cl_18_a_volume_whose_users_cannot_be_killed_is_let_go_of_with_the_group() {
    let mut scene = with_retries(Retries { mount: 0, release: 0, interval: Span::ZERO });
    scene.answers("unmount", in_use());
    scene.stop("disk");
    assert!(scene.failure().contains("[31]"), "{}", scene.failure());
    assert_eq!(ways(&scene).len(), 1, "what follows is the release of everything");
}

#[test]
fn cl_19_a_release_may_take_its_limit_and_no_longer() {
    let mut scene = with_retries(Retries::default());
    Arc::make_mut(&mut scene.spec).resources[0].stop_limit = Span::secs(120);
    scene.hands.silent = true;
    scene.stop("disk");
    let report = Report::Answer { id: RequestId(1), outcome: Ok(Answer::Killed { count: 0 }) };
    scene.errands.on_report(scene.now, &report, &mut scene.hands, &mut scene.out);
    scene.pass(Span::millis(119_900));
    assert_eq!(scene.outcomes(), [], "a disk may be slow");
    scene.pass(Span::millis(200));
    assert!(scene.failure().contains("the hands did not answer"), "{}", scene.failure());
}

#[test]
fn cl_18_a_lease_that_runs_out_waits_for_no_further_try() {
    let mut scene = with_retries(Retries::default());
    scene.answers("unmount", in_use());
    scene.stop("disk");
    scene.act(Act::LetGo);
    let over = Outcome::Failed { how: "its group was let go of".into() };
    assert_eq!(scene.outcomes()[0], over, "the stop is over at once");
    assert!(matches!(scene.outcomes()[1], Outcome::Fine { .. }), "{:?}", scene.out);
    assert_eq!(ways(&scene), [Unmounting::Gentle, Unmounting::Emergency]);
    scene.pass(Span::secs(60));
    assert_eq!(ways(&scene).len(), 2);
}

#[test]
fn a_node_that_is_told_to_end_waits_for_no_further_try_and_kills_who_uses_its_volume() {
    let mut scene = with_retries(Retries::default());
    scene.answers("unmount", in_use());
    scene.answers("unmount", in_use());
    scene.stop("disk");
    let report = Report::Event(Event::Stopping);
    scene.errands.on_report(scene.now, &report, &mut scene.hands, &mut scene.out);
    scene.pass(Span::millis(1));
    let gentle = Unmounting::Gentle;
    assert_eq!(ways(&scene), [gentle, gentle, Unmounting::Orderly]);
}
