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
