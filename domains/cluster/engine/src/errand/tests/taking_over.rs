//! What a new agent finds of a group that an earlier one left running.

use super::*;
use std::path::PathBuf;
use tsugi_host::request::Listing;

fn whole() -> Listing {
    Listing {
        programs: vec![running(31, "server", Purpose::Service, EPOCH)],
        mounts: vec![PathBuf::from("/data/pay")],
        addresses: vec![("eth0".to_owned(), "10.0.0.9".parse().unwrap())],
        ..Listing::default()
    }
}

fn found(listing: Listing) -> Vec<String> {
    let mut scene = Scene::new(vec![volume("disk"), address("vip"), server(None)]);
    scene.answers("list", Ok(Answer::Listing(listing)));
    scene.act(Act::Adopt);
    match scene.outcome() {
        Outcome::Adopted(found) => found.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_runs_under_this_very_epoch_is_taken_over() {
    assert_eq!(found(whole()), ["disk", "vip", "server"]);
}

#[test]
fn what_runs_under_another_epoch_is_not_taken_over() {
    let older = Epoch { incarnation: 1, counter: 3 };
    let programs = vec![running(31, "server", Purpose::Service, older)];
    assert_eq!(found(Listing { programs, ..whole() }), ["disk", "vip"]);
}

#[test]
fn what_is_not_there_is_not_taken_over() {
    assert_eq!(found(Listing { mounts: Vec::new(), ..whole() }), ["vip", "server"]);
    assert_eq!(found(Listing { addresses: Vec::new(), ..whole() }), ["disk", "server"]);
    assert_eq!(found(Listing::default()), [""; 0]);
}

#[test]
fn a_program_that_was_taken_over_can_be_stopped_and_can_die() {
    let mut scene = Scene::new(vec![volume("disk"), server(None)]);
    scene.answers("list", Ok(Answer::Listing(whole())));
    scene.act(Act::Adopt);
    scene.ends(31, "server", HowEnded::Signalled(11));
    assert!(matches!(&scene.out[1], Finished::Died { how, .. } if how.words == "signal 11"));
    let mut scene = Scene::new(vec![volume("disk"), server(None)]);
    scene.answers("list", Ok(Answer::Listing(whole())));
    scene.act(Act::Adopt);
    scene.stop("server");
    assert_eq!(scene.asked(), ["list", "end"]);
}

#[test]
fn the_end_of_a_program_that_nobody_knows_is_no_news() {
    let mut scene = Scene::new(vec![server(None)]);
    scene.ends(99, "server", HowEnded::Exited(0));
    assert_eq!(scene.out, []);
}

/// What is found of a group whose service is a pair of scripts.
fn found_of_scripts(programs: Vec<Running>, pids: Vec<u32>) -> Vec<String> {
    let mut scene = Scene::new(vec![batch()]);
    let listing = Listing { programs, processes: vec![(pay(), pids)], ..Listing::default() };
    scene.answers("list", Ok(Answer::Listing(listing)));
    scene.act(Act::Adopt);
    match scene.outcome() {
        Outcome::Adopted(found) => found.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_start_or_a_stop_script_that_still_runs_is_no_service() {
    assert_eq!(found_of_scripts(Vec::new(), vec![40]), ["batch"], "what a start script has left");
    for purpose in [Purpose::Start, Purpose::Stop] {
        let script = running(41, "batch", purpose, EPOCH);
        assert_eq!(found_of_scripts(vec![script.clone()], vec![41]), [""; 0]);
        assert_eq!(found_of_scripts(vec![script], vec![40, 41]), [""; 0], "it is not over");
    }
    let monitor = running(42, "batch", Purpose::Monitor, EPOCH);
    assert_eq!(found_of_scripts(vec![monitor.clone()], vec![42]), [""; 0], "nothing to ask");
    assert_eq!(found_of_scripts(vec![monitor], vec![40, 42]), ["batch"]);
}

#[test]
fn a_start_for_a_newer_epoch_ends_what_still_goes_on_for_an_older_one() {
    let mut scene = Scene::new(vec![volume("disk"), address("vip")]);
    scene.hands.silent = true;
    scene.act(Act::LetGo);
    assert_eq!(scene.asked(), ["kill group"], "the address and the volume come next");
    let newer = EPOCH.next(EPOCH.incarnation);
    scene.epoch = newer;
    scene.hands.silent = false;
    scene.start("disk");
    let late = Report::Answer { id: RequestId(1), outcome: Ok(Answer::Killed { count: 0 }) };
    scene.errands.on_report(scene.now, &late, &mut scene.hands, &mut scene.out);
    scene.hear();
    assert_eq!(scene.asked(), ["kill group", "mount"], "nothing of the newer epoch is taken down");
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "{:?}", scene.out);
}
