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
    assert!(matches!(&scene.out[1], Finished::Died { how, .. } if how == "signal 11"));
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
