//! When a worker is free for its next call.

use tsugi_service_rules::call::Attempt;
use tsugi_service_rules::worker::life;
use tsugi_service_rules::worker::pool::{Event, Free, Order, Origin, Pool, Run, Settings};
use tsugi_vocabulary::Moment;

use crate::world::counted;

const NOW: Moment = Moment(100_000_000_000);

fn step(pool: &mut Pool, event: Event) -> Vec<Order> {
    let mut out = Vec::new();
    pool.step(NOW, event, &mut out);
    out
}

/// A pool with one worker and one to spare, both ready.
fn pool(free: Free) -> Pool {
    let mut pool = Pool::new(Settings { free, ..Settings::default() });
    for order in step(&mut pool, Event::Woken) {
        let Order::Bear(worker) = order else { panic!("{order:?}") };
        step(&mut pool, Event::Of(worker, life::Event::Hello(None)));
        step(&mut pool, Event::Of(worker, life::Event::Ready));
    }
    pool
}

/// Gives a call to a worker, which says that it is done.
fn ran(pool: &mut Pool, number: u64) -> Run {
    let run = (counted(1, number), Attempt { entry: number, number: 1 });
    let begun = step(pool, Event::Give(run, Origin::Queue));
    let [Order::Begin(worker, turn, _)] = begun.as_slice() else { panic!("{begun:?}") };
    let kept = step(pool, Event::Of(*worker, life::Event::Done(*turn)));
    assert_eq!(kept, [Order::Keep(*worker, run)]);
    run
}

/// Where units of work stand beside each other, the next one could be kept and this one not.
pub fn once_settled() {
    let mut waits = pool(Free::Settled);
    let first = ran(&mut waits, 1);
    assert!(!waits.has_room(Origin::Queue), "what it has done is not durable");
    assert_eq!(waits.room(Origin::Service), 1, "the one to spare is left for others");
    step(&mut waits, Event::Settled(first));
    assert_eq!(waits.room(Origin::Queue), 1);
    let second = ran(&mut waits, 2);
    let out = step(&mut waits, Event::Undone(second));
    assert!(out.iter().any(|order| matches!(order, Order::Kill(..))), "it remembers it: {out:?}");
    assert!(waits.has_room(Origin::Queue), "the one to spare takes its place");
}

#[test]
fn a_worker_is_free_once_what_it_has_done_is_durable_where_that_is_asked() {
    once_settled();
}

#[test]
fn a_worker_is_free_once_it_is_done_where_calls_are_taken_in_their_order() {
    let mut goes_on = pool(Free::Done);
    ran(&mut goes_on, 1);
    assert!(goes_on.has_room(Origin::Queue));
    ran(&mut goes_on, 2);
}

#[test]
fn what_a_worker_remembers_beside_its_call_is_told_until_that_is_durable() {
    let mut pool = Pool::new(Settings { free: Free::Done, spare: 0, ..Settings::default() });
    for order in step(&mut pool, Event::Woken) {
        let Order::Bear(worker) = order else { panic!("{order:?}") };
        step(&mut pool, Event::Of(worker, life::Event::Hello(None)));
        step(&mut pool, Event::Of(worker, life::Event::Ready));
    }
    let first = ran(&mut pool, 1);
    let second = (counted(1, 2), Attempt { entry: 2, number: 1 });
    step(&mut pool, Event::Give(second, Origin::Queue));
    assert!(pool.remembers(second));
    assert!(!pool.remembers(first), "it has no worker any more");
    step(&mut pool, Event::Settled(first));
    assert!(!pool.remembers(second));
}
