//! Calls that are begun in a worker while it has another.

use super::*;

#[test]
fn a_worker_goes_on_to_what_was_begun_in_it_ahead() {
    let mut world = World::new(settings());
    world.ready();
    let first = world.give(Origin::Queue);
    let (worker, _) = world.at(first);
    let ahead: Vec<Run> = (0..AHEAD_MOST).map(|_| world.give_ahead(worker)).collect();
    assert_eq!(world.pool.ahead(worker), None, "there is no room for more");
    world.give_ahead(worker);
    world.done(first);
    assert_eq!(world.at(ahead[0]).0, worker);
    // The clock of a call goes from where the one before has ended.
    world.now += Span::secs(2);
    world.done(ahead[0]);
    world.now += Span::secs(2);
    assert_eq!(world.step(Event::Woken), [], "none of them took too long");
    let (_, turn) = world.at(ahead[1]);
    world.says(worker, life::Event::Asked(turn));
    let out = world.says(worker, life::Event::Closed);
    let again = |run: &Run| out.contains(&Order::Again(*run));
    assert!(matches!(out[0], Order::Abnormal(run, _) if run == ahead[1]), "{out:?}");
    assert!(ahead[2..].iter().all(again), "what had no turn is not at fault: {out:?}");
    assert!(world.open.is_empty());
}

#[test]
fn what_was_begun_ahead_and_is_silent_runs_again_whatever_is_heard_of_its_worker() {
    for heard in [
        life::Event::Ended(Exit::Signal(11)),
        life::Event::Flood,
        life::Event::Memory,
        life::Event::Closed,
        life::Event::Wrong,
    ] {
        let mut world = World::new(settings());
        world.ready();
        let first = world.give(Origin::Queue);
        let (worker, _) = world.at(first);
        let second = world.give_ahead(worker);
        world.done(first);
        let out = world.says(worker, heard);
        assert_eq!(out[0], Order::Again(second), "{heard:?}: {out:?}");
        let told = out.iter().any(|order| matches!(order, Order::Abnormal(..)));
        assert!(!told && world.open.is_empty(), "{heard:?}: {out:?}");
    }
}
