//! Single promises about calls, each where it is easiest to see.

use tsugi_service_rules::call::{
    Alone, Answer, Arrival, Attempt, Caller, Event, Interruption, Order, Posture, Resolution, Stage,
};
use tsugi_service_rules::ground::{Ground, ServiceNumber};
use tsugi_service_rules::id::{CallId, InterfaceNumber, OrderKey, Serial};
use tsugi_service_rules::limits::Limits;
use tsugi_service_rules::refusal::{Busy, Expired, Full, Malformed, Refusal};
use tsugi_service_rules::stored::{ClientRow, Ending, LifeRow, Reply, Stored};
use tsugi_vocabulary::{Moment, Span};

use crate::world::{MAIL, PAY, Read, World, content, content_by, counted, keyed, life, serial};

pub fn world() -> World {
    World::new(Limits::default())
}

/// Sends one call and has the store answer what it is asked.
pub fn send(world: &mut World, id: CallId, of: u8) -> Caller {
    let arrival = world.arrival(id, content(of), PAY);
    send_as(world, arrival);
    arrival.caller
}

/// The orders of an arrival, those after the store's answer among them.
fn send_as(world: &mut World, arrival: Arrival) -> Vec<Order> {
    world.arrive(arrival);
    let mut orders = std::mem::take(&mut world.orders);
    while !world.questions.is_empty() {
        world.answer_question(0, Read::Now);
        orders.append(&mut world.orders);
    }
    orders
}

pub fn refusal(orders: &[Order]) -> Option<Refusal> {
    orders.iter().find_map(|order| match order {
        Order::Answer(_, _, Answer::Refused(refusal)) => Some(refusal.clone()),
        _ => None,
    })
}

fn refused(world: &mut World, arrival: Arrival) -> Option<Refusal> {
    refusal(&send_as(world, arrival))
}

pub fn run(world: &mut World, id: CallId) -> Attempt {
    world.step(Event::Room(PAY));
    world.runs[&id].attempt
}

#[test]
fn duplicates_of_a_running_call_are_told_the_same_answer() {
    let (mut world, id) = (world(), counted(1, 1));
    let first = send(&mut world, id, 1);
    run(&mut world, id);
    let second = send(&mut world, id, 1);
    world.end(id, Ending::Done);
    assert!(!world.orders.iter().any(|order| matches!(order, Order::Answer(..))), "not durable");
    world.commit();
    let told: Vec<_> = world.orders.clone();
    let [Order::Answer(a, _, one), Order::Answer(b, _, other)] = told.as_slice() else {
        panic!("two answers, not {told:?}")
    };
    assert_eq!((*a, *b), (first, second));
    assert_eq!(one, other);
    let third = send(&mut world, id, 1);
    assert_eq!(world.orders, [], "taken by the send");
    assert!(!world.callers.contains_key(&third), "answered from the store");
    assert!(world.runs.is_empty() && world.table.pending() == 0, "and nothing ran");
}

#[test]
fn a_fresh_serial_of_a_known_client_is_not_asked_for() {
    let mut world = world();
    send(&mut world, counted(1, 1), 1);
    let arrival = world.arrival(counted(1, 2), content(1), PAY);
    world.arrive(arrival);
    assert!(world.questions.is_empty());
    assert_eq!(world.table.stage(counted(1, 2)), Some(Stage::Queued));
    let again = world.arrival(counted(1, 1), content(1), PAY);
    world.arrive(again);
    assert!(world.questions.is_empty(), "a pending one neither");
}

#[test]
fn a_client_that_was_forgotten_is_asked_for_again() {
    let mut world = World::new(Limits { remembered: 1, ..Limits::default() });
    for client in [1, 2] {
        let id = counted(client, 1);
        send(&mut world, id, 1);
        run(&mut world, id);
        world.end(id, Ending::Done);
        world.commit();
    }
    let next = world.arrival(counted(2, 2), content(1), PAY);
    world.arrive(next);
    assert!(world.questions.is_empty(), "the last is remembered");
    let next = world.arrival(counted(1, 2), content(1), PAY);
    world.arrive(next);
    assert_eq!(world.questions.len(), 1, "the one before is not");
}

/// Everything speaks against a call; what does is taken away one after the other.
#[test]
fn the_refusal_is_the_first_that_holds() {
    let limits = Limits { body: 100, queue: 1, window: 4, clients: 1, ..Limits::default() };
    let mut world = World::new(limits);
    let deadline = Some(world.now);
    let base = world.arrival(counted(1, 9), content(2), ServiceNumber(7));
    let mut arrival = Arrival { size: 101, lowest: serial(10), deadline, ..base };
    let again = |world: &mut World, arrival: &Arrival| {
        let caller = world.caller(Some(arrival.content));
        refused(world, Arrival { caller, ..*arrival }).map(|refusal| refusal.number())
    };
    world.store.lives.insert(life(1, 5), LifeRow { highest: 9, ..LifeRow::default() });
    world.store.rows.insert(counted(1, 9), Stored::Final(content(1), done(1)));
    world.store.kept.insert(counted(1, 9), (content(1), done(1)));
    let moving = |world: &mut World| world.step(Event::MoveBegan(Span::secs(9)));
    let blocked = Refusal::Blocked { by: "a".to_owned(), reason: "b".to_owned() };
    let given_up = Refusal::NoWorker { why: "exit 1".into() };
    world.services.get_mut(&PAY).unwrap().open = Err(blocked);
    world.standing = Err(Refusal::StoreAway { why: "full".to_owned() });
    assert_eq!(again(&mut world, &arrival), Some(1));
    arrival.lowest = Serial::FIRST;
    assert_eq!(again(&mut world, &arrival), Some(3));
    arrival.service = PAY;
    assert_eq!(again(&mut world, &arrival), Some(5));
    arrival.size = 100;
    assert_eq!(again(&mut world, &arrival), Some(8));
    arrival.content = content(1);
    assert_eq!(again(&mut world, &arrival), None, "the stored answer beats the rest");
    world.store.rows.clear();
    arrival.id = counted(3, 9);
    assert_eq!(again(&mut world, &arrival), Some(13));
    world.services.get_mut(&PAY).unwrap().open = Err(given_up);
    assert_eq!(again(&mut world, &arrival), Some(15), "the store goes before its workers");
    world.standing = Ok(());
    assert_eq!(again(&mut world, &arrival), Some(16));
    world.services.get_mut(&PAY).unwrap().open = Ok(());
    assert_eq!(again(&mut world, &arrival), Some(17));
    arrival.id = counted(3, 3);
    assert_eq!(again(&mut world, &arrival), Some(18), "the store has no room for the client");
    arrival.id = counted(1, 3);
    send(&mut world, counted(1, 4), 1);
    assert_eq!(again(&mut world, &arrival), Some(19));
    world.step(Event::Room(PAY));
    assert_eq!(again(&mut world, &arrival), Some(20));
    moving(&mut world);
    assert_eq!(again(&mut world, &arrival), Some(12));
    world.closed = true;
    world.step(Event::Closed);
    assert_eq!(again(&mut world, &arrival), Some(2));
}

fn done(bytes: u64) -> Reply {
    Reply { ending: Ending::Done, bytes }
}

#[test]
fn every_limit_of_waiting_is_met_and_told() {
    let limits =
        Limits { pending: 3, bytes: 35, joined: 2, waiting: 3, seeking: 2, ..Limits::default() };
    let mut world = World::new(limits);
    send(&mut world, counted(1, 1), 1);
    send(&mut world, counted(1, 1), 1);
    let third = world.arrival(counted(1, 1), content(1), PAY);
    assert_eq!(refused(&mut world, third), Some(Refusal::Busy(Busy::Joined)));
    send(&mut world, counted(1, 2), 1);
    let fourth = world.arrival(counted(1, 2), content(1), PAY);
    assert_eq!(refused(&mut world, fourth), Some(Refusal::Full(Full::Waiting)));
    let more = world.arrival(counted(1, 3), content(1), PAY);
    let long = Arrival { size: 20, ..more };
    assert_eq!(refused(&mut world, long), Some(Refusal::Full(Full::Bytes)));
    for number in [1, 2] {
        let caller = world.caller(None);
        world.step(Event::Asked(keyed(number), caller));
    }
    let caller = world.caller(None);
    world.step(Event::Asked(keyed(3), caller));
    assert_eq!(refusal(&world.orders), Some(Refusal::Full(Full::Seeking)));
}

#[test]
fn a_client_that_confirms_nothing_comes_to_the_end_of_its_window() {
    let mut world = World::new(Limits { window: 3, ..Limits::default() });
    for number in 1..=3 {
        send(&mut world, counted(1, number), 1);
    }
    let fourth = world.arrival(counted(1, 4), content(1), PAY);
    let full = Refusal::WindowFull { lowest: Serial::FIRST, most: 3 };
    assert_eq!(refused(&mut world, fourth), Some(full));
}

#[test]
fn what_a_client_has_confirmed_is_expired_and_what_is_pending_it_cannot_confirm() {
    let mut world = world();
    let first = counted(1, 1);
    send(&mut world, first, 1);
    let second = world.arrival(counted(1, 2), content(1), PAY);
    let early = Arrival { lowest: serial(2), ..second };
    let answered = Malformed::AnsweredWhilePending { serial: Some(serial(1)) };
    assert_eq!(refused(&mut world, early), Some(Refusal::Malformed(answered)));
    run(&mut world, first);
    world.end(first, Ending::Done);
    world.commit();
    let caller = world.caller(Some(content(1)));
    assert_eq!(refused(&mut world, Arrival { caller, ..early }), None);
    run(&mut world, counted(1, 2));
    world.end(counted(1, 2), Ending::Done);
    world.commit();
    assert_eq!(world.store.stored(first), Stored::Nothing, "its answer is no longer kept");
    let late = world.arrival(first, content(1), PAY);
    let over = refused(&mut world, late);
    assert!(matches!(over, Some(Refusal::Expired(Expired::Watermark(_)))), "{over:?}");
}

#[test]
fn calls_of_one_order_key_run_one_after_the_other_and_keep_their_places() {
    let mut world = world();
    let key = Some(OrderKey([9; 16]));
    for number in 1..=2 {
        let arrival = world.arrival(counted(1, number), content(1), PAY);
        send_as(&mut world, Arrival { order: key, ..arrival });
    }
    send(&mut world, counted(1, 3), 1);
    let attempt = run(&mut world, counted(1, 1));
    world.step(Event::Room(PAY));
    assert_eq!(world.table.stage(counted(1, 2)), Some(Stage::Queued), "waits for the first");
    assert_eq!(world.table.stage(counted(1, 3)), Some(Stage::Running), "is not of the key");
    world.runs.remove(&counted(1, 1));
    world.step(Event::Interrupted(counted(1, 1), attempt, Interruption::TurnedOut));
    world.step(Event::Room(PAY));
    let run = world.runs[&counted(1, 1)];
    assert_eq!((run.attempt.number, run.alone), (2, Alone::Yes), "again, first, and alone");
    assert_eq!(world.table.stage(counted(1, 2)), Some(Stage::Queued));
}

#[test]
fn a_call_that_twice_takes_its_sitting_with_it_is_ended() {
    let (mut world, id) = (world(), counted(1, 1));
    send(&mut world, id, 1);
    for _ in 0..2 {
        let attempt = run(&mut world, id);
        world.runs.remove(&id);
        world.step(Event::Interrupted(id, attempt, Interruption::SittingGoneInTurn));
    }
    assert!(matches!(world.orders.as_slice(), [Order::GiveUp(..)]), "{:?}", world.orders);
    world.end(id, Ending::Abnormal);
    world.commit();
    assert!(matches!(world.store.stored(id), Stored::Final(_, r) if r.ending == Ending::Abnormal));
}

#[test]
fn patience_ends_what_has_not_begun_and_nothing_else() {
    let mut world = world();
    let deadline = Moment(world.now.0 + 5);
    for number in 1..=2 {
        let arrival = world.arrival(counted(1, number), content(1), PAY);
        send_as(&mut world, Arrival { deadline: Some(deadline), ..arrival });
    }
    send(&mut world, counted(1, 2), 1);
    run(&mut world, counted(1, 1));
    assert_eq!(world.table.wake_at(), Some(deadline));
    world.now = deadline;
    world.step(Event::Woken);
    let told: Vec<String> = world.orders.iter().map(|order| format!("{order:?}")).collect();
    assert!(told[0].contains("Pending") && told[1].contains("TooLate"), "{told:?}");
    assert_eq!(world.table.stage(counted(1, 1)), Some(Stage::Running));
    assert_eq!(world.table.stage(counted(1, 2)), Some(Stage::Queued), "another waits for it");
    assert_eq!(world.table.wake_at(), None);
}

#[test]
fn what_the_store_has_counts_more_than_what_the_table_thinks() {
    let (mut world, id) = (world(), counted(1, 1));
    let caller = send(&mut world, id, 1);
    let attempt = run(&mut world, id);
    let kept = done(77);
    world.store.kept.insert(id, (content(1), kept));
    world.store.rows.insert(id, Stored::Final(content(1), kept));
    let stored = world.store.stored(id);
    world.step(Event::Taken(id, attempt, stored, ClientRow::default()));
    assert_eq!(world.orders, [Order::Answer(caller, id, Answer::Reply(kept))]);
    assert_eq!(world.table.pending(), 0);
}

#[test]
fn a_service_that_closes_refuses_what_waits_and_nothing_that_runs() {
    let mut world = world();
    for number in 1..=2 {
        send(&mut world, counted(1, number), 1);
    }
    run(&mut world, counted(1, 1));
    let blocked = Refusal::Blocked { by: "a".to_owned(), reason: "b".to_owned() };
    world.services.get_mut(&PAY).unwrap().open = Err(blocked.clone());
    world.step(Event::Woken);
    assert_eq!(refusal(&world.orders), Some(blocked));
    assert_eq!(world.table.stage(counted(1, 1)), Some(Stage::Running));
    assert_eq!(world.table.stage(counted(1, 2)), None);
}

#[test]
fn a_move_lets_what_runs_end_and_says_when_nothing_is_left() {
    let mut world = world();
    for number in 1..=3 {
        send(&mut world, counted(1, number), 1);
    }
    run(&mut world, counted(1, 1));
    run(&mut world, counted(1, 2));
    world.step(Event::MoveBegan(Span::millis(9)));
    assert_eq!(refusal(&world.orders), Some(Refusal::Moving), "what waits");
    world.end(counted(1, 1), Ending::Done);
    world.commit();
    assert!(!world.drained);
    world.now += Span::millis(9);
    world.step(Event::Woken);
    assert!(world.orders.iter().any(|o| matches!(o, Order::RollBack(..))), "{:?}", world.orders);
    assert!(world.drained);
    assert_eq!(world.table.posture(), Posture::Drained);
    send(&mut world, counted(1, 1), 1);
    assert!(world.callers.is_empty(), "what is stored is told until the store is handed over");
}

#[test]
fn what_acts_outside_begins_after_it_is_durable_that_it_will() {
    let (mut world, id) = (world(), counted(1, 4));
    world.use_for(id, MAIL);
    let arrival = world.arrival(id, content(1), MAIL);
    send_as(&mut world, arrival);
    world.step(Event::Room(MAIL));
    assert_eq!(world.table.stage(id), Some(Stage::Starting));
    assert!(world.runs.is_empty());
    world.keep_start(0);
    assert!(world.runs.contains_key(&id));
    world.restart();
    assert_eq!(world.store.stored(id), Stored::Unknown(content(1)));
    let retry = world.arrival(id, content(1), MAIL);
    assert_eq!(refused(&mut world, retry), Some(Refusal::Unknown));
}

/// What a confirm comes back with, after the store was asked and has changed what it keeps.
pub fn confirm(world: &mut World, id: CallId) -> Vec<Order> {
    let caller = world.caller(None);
    world.step(Event::Confirmed(id, caller));
    let mut orders = std::mem::take(&mut world.orders);
    while !world.questions.is_empty() {
        world.answer_question(0, Read::Now);
        orders.append(&mut world.orders);
    }
    while !world.changes.is_empty() {
        world.keep_change(0);
        orders.append(&mut world.orders);
    }
    orders
}

#[test]
fn a_client_that_gives_a_call_up_confirms_it_and_it_never_runs() {
    let (mut world, id) = (world(), counted(1, 4));
    let orders = confirm(&mut world, id);
    assert!(matches!(orders.last(), Some(Order::Answer(_, _, Answer::Changed))), "{orders:?}");
    world.restart();
    let late = world.arrival(id, content(1), PAY);
    let over = refused(&mut world, late);
    assert!(matches!(over, Some(Refusal::Expired(Expired::Watermark(_)))), "{over:?}");
    let none = confirm(&mut world, keyed(9));
    assert_eq!(refusal(&none), Some(Refusal::NotFound), "a key that never came is nothing");
}

#[test]
fn what_is_pending_is_neither_confirmed_nor_forgotten_nor_decided() {
    let (mut world, id) = (world(), keyed(3));
    send(&mut world, id, 1);
    let caller = world.caller(None);
    world.step(Event::Confirmed(id, caller));
    let answered = Malformed::AnsweredWhilePending { serial: None };
    assert_eq!(refusal(&world.orders), Some(Refusal::Malformed(answered)));
    let caller = world.caller(None);
    world.step(Event::Forgotten(id, caller));
    assert_eq!(refusal(&world.orders), Some(Refusal::Busy(Busy::Here)));
    let caller = world.caller(None);
    world.step(Event::Resolved(id, caller, Resolution::NotCarriedOut));
    assert_eq!(refusal(&world.orders), Some(Refusal::Busy(Busy::Here)));
}

#[test]
fn a_store_that_is_handed_over_changes_nothing_more_and_everybody_is_told() {
    let (mut world, id) = (world(), counted(1, 1));
    send(&mut world, id, 1);
    run(&mut world, id);
    world.end(id, Ending::Done);
    world.commit();
    let caller = world.caller(None);
    world.step(Event::Confirmed(id, caller));
    world.answer_question(0, Read::Now);
    world.step(Event::MoveBegan(Span::millis(9)));
    assert!(!world.drained, "something is still written");
    let other = world.caller(None);
    world.step(Event::Confirmed(id, other));
    assert_eq!(refusal(&world.orders), Some(Refusal::Moving));
    world.closed = true;
    world.step(Event::Closed);
    assert_eq!(world.orders, [Order::Answer(caller, id, Answer::Refused(Refusal::NotOpenHere))]);
    world.keep_change(0);
    assert_eq!(world.orders, [], "told once");
}

#[test]
fn a_start_that_cannot_be_made_durable_is_told_and_one_that_was_lost_is_made_again() {
    let (mut world, id) = (world(), counted(1, 4));
    world.use_for(id, MAIL);
    let arrival = world.arrival(id, content(1), MAIL);
    send_as(&mut world, arrival);
    world.step(Event::Room(MAIL));
    let Some(Order::Start { attempt, .. }) = world.orders.first().cloned() else {
        panic!("no start in {:?}", world.orders)
    };
    world.starts.clear();
    world.step(Event::Interrupted(id, attempt, Interruption::SittingGoneInTurn));
    assert_eq!(world.table.stage(id), Some(Stage::Queued));
    world.step(Event::Room(MAIL));
    let again = attempt.number + 1;
    world.starts.clear();
    let attempt = Attempt { number: again, ..attempt };
    world.step(Event::Interrupted(id, attempt, Interruption::StoreFull("full".to_owned())));
    assert_eq!(refusal(&world.orders), Some(Refusal::StoreAway { why: "full".to_owned() }));
    assert_eq!(world.table.pending(), 0);
}

#[test]
fn a_commit_in_doubt_that_left_another_content_gives_nobody_its_answer() {
    let (mut world, id) = (world(), counted(1, 1));
    send(&mut world, id, 1);
    run(&mut world, id);
    world.end(id, Ending::Done);
    world.step(Event::InDoubt(id));
    world.inserted.clear();
    world.step(Event::Cleared(id, Stored::Final(content(2), done(5))));
    assert_eq!(refusal(&world.orders), Some(Refusal::OtherBody));
}

#[test]
fn a_worker_is_wanted_while_a_call_could_be_given_to_it() {
    let mut world = world();
    let key = Some(OrderKey([9; 16]));
    assert!(!world.table.is_wanted(PAY));
    for number in 1..=2 {
        let arrival = world.arrival(counted(1, number), content(1), PAY);
        send_as(&mut world, Arrival { order: key, ..arrival });
    }
    assert!(world.table.is_wanted(PAY) && !world.table.is_wanted(MAIL));
    run(&mut world, counted(1, 1));
    assert!(!world.table.is_wanted(PAY), "the second waits for the first");
    world.end(counted(1, 1), Ending::Done);
    world.commit();
    assert!(world.table.is_wanted(PAY));
    world.step(Event::MoveBegan(Span::millis(9)));
    assert!(!world.table.is_wanted(PAY));
}

#[test]
fn what_ran_in_vain_is_wanted_and_not_begun_ahead_again() {
    let mut world = world();
    let arrival = world.arrival(counted(1, 1), content(1), PAY);
    send_as(&mut world, arrival);
    assert_eq!(world.table.wanted_ahead(PAY), Some(arrival.size));
    let attempt = run(&mut world, counted(1, 1));
    world.step(Event::Interrupted(counted(1, 1), attempt, Interruption::NotAtFault));
    assert!(world.table.is_wanted(PAY));
    assert_eq!(world.table.wanted_ahead(PAY), None);
}

#[test]
fn what_cannot_be_decoded_is_refused_for_what_goes_before_that() {
    let mut world = World::new(Limits { body: 100, ..Limits::default() });
    let number = |world: &World, service, size| {
        let ground = Ground {
            now: world.now,
            last: world.last,
            services: &world.services,
            store: &world.standing,
        };
        let refusal = world.table.before_decoding(&ground, service, size);
        refusal.err().map(|refusal| refusal.number())
    };
    assert_eq!(number(&world, PAY, 100), None);
    assert_eq!(number(&world, PAY, 101), Some(5));
    assert_eq!(number(&world, ServiceNumber(9), 101), Some(3));
    world.last = world.now;
    assert_eq!(number(&world, ServiceNumber(9), 101), Some(2));
    world.last = Moment(u64::MAX);
    world.closed = true;
    world.step(Event::Closed);
    assert_eq!(number(&world, PAY, 1), Some(2));
}

#[test]
fn a_retry_after_a_new_interface_is_the_same_call() {
    let (mut world, id) = (world(), counted(1, 1));
    send(&mut world, id, 1);
    run(&mut world, id);
    let newer = InterfaceNumber(2);
    for round in ["while it runs", "while it is stored"] {
        for (body, refusal_of) in [(1, None), (2, Some(Refusal::OtherBody))] {
            let of = content_by(newer, body);
            let caller = world.caller(Some(of));
            let arrival = Arrival { caller, ..world.arrival(id, of, PAY) };
            let orders = send_as(&mut world, arrival);
            let decode = Order::Decode(caller, id, InterfaceNumber(1));
            assert!(orders.contains(&decode), "{round}: {orders:?}");
            world.decode_again(0);
            let mut orders = std::mem::take(&mut world.orders);
            while !world.questions.is_empty() {
                world.answer_question(0, Read::Now);
                orders.append(&mut world.orders);
            }
            assert_eq!(refusal(&orders), refusal_of, "{round}");
        }
        if world.runs.contains_key(&id) {
            world.end(id, Ending::Done);
            world.commit();
        }
    }
}

#[test]
fn a_service_that_only_reads_is_admitted_like_others_and_reads_a_full_store() {
    let limits = Limits { body: 100, queue: 2, bytes: 150, ..Limits::default() };
    let mut world = World::new(limits);
    let number = |world: &World, size, deadline, waiting| {
        let ground = Ground {
            now: world.now,
            last: world.last,
            services: &world.services,
            store: &world.standing,
        };
        let held = (waiting, 50);
        let refusal = world.table.may_read(&ground, (PAY, size), deadline, held);
        refusal.err().map(|refusal| refusal.number())
    };
    let late = Some(world.now);
    let blocked = Refusal::Blocked { by: "a".to_owned(), reason: "b".to_owned() };
    world.services.get_mut(&PAY).unwrap().open = Err(blocked);
    world.standing = Err(Refusal::StoreAway { why: "full".to_owned() });
    assert_eq!(number(&world, 101, late, 2), Some(5));
    assert_eq!(number(&world, 100, late, 2), Some(13));
    world.services.get_mut(&PAY).unwrap().open = Ok(());
    assert_eq!(number(&world, 100, late, 2), Some(19));
    assert_eq!(number(&world, 100, late, 1), Some(20));
    assert_eq!(number(&world, 100, None, 1), None);
    world.step(Event::MoveBegan(Span::millis(9)));
    assert_eq!(number(&world, 100, None, 1), Some(12));
}

#[test]
fn an_answer_that_cannot_be_inserted_gives_way_to_the_one_that_is_there() {
    let (mut world, id) = (world(), counted(1, 1));
    let caller = send(&mut world, id, 1);
    let attempt = run(&mut world, id);
    world.end(id, Ending::Done);
    world.inserted.clear();
    let kept = done(77);
    world.store.kept.insert(id, (content(1), kept));
    let row = ClientRow::default();
    world.step(Event::Taken(id, attempt, Stored::Final(content(1), kept), row));
    assert_eq!(world.orders, [Order::Answer(caller, id, Answer::Reply(kept))]);
}

#[test]
fn what_acts_outside_and_left_no_start_was_answered_and_confirmed_elsewhere() {
    for (stored, number) in
        [(Stored::Nothing, 11), (Stored::Tombstone, 10), (Stored::Started(content(1)), 0)]
    {
        let (mut world, id) = (world(), counted(1, 4));
        world.use_for(id, MAIL);
        let arrival = world.arrival(id, content(1), MAIL);
        send_as(&mut world, arrival);
        world.step(Event::Room(MAIL));
        world.keep_start(0);
        world.end(id, Ending::Done);
        world.step(Event::InDoubt(id));
        world.inserted.clear();
        world.step(Event::Cleared(id, stored));
        let told = refusal(&world.orders).map_or(0, |refusal| refusal.number());
        assert_eq!(told, number, "{stored:?}");
        let losing = world.orders == [Order::KeepUnknown(id)];
        assert_eq!(losing, number == 0, "{:?}", world.orders);
    }
}
