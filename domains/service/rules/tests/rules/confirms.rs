//! What a client confirms, and when that is refused.

use tsugi_service_rules::call::{Answer, Event, Order};
use tsugi_service_rules::id::{HIGHEST, Serial};
use tsugi_service_rules::limits::Limits;
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::stored::Ending;

use crate::calls::{confirm, refusal, run, send, world};
use crate::world::{Read, World, counted};

#[test]
fn a_confirm_far_beyond_all_that_is_known_of_its_client_is_refused_and_ends_no_life() {
    let mut world = World::new(Limits { window: 3, ..Limits::default() });
    let beyond = |last: u64| {
        let lowest = Serial::new(last + 1).unwrap();
        Some(Refusal::WindowFull { lowest, most: 3 })
    };
    for serial in [4, HIGHEST] {
        assert_eq!(refusal(&confirm(&mut world, counted(1, serial))), beyond(0));
    }
    let orders = confirm(&mut world, counted(1, 3));
    assert!(matches!(orders.last(), Some(Order::Answer(_, _, Answer::Changed))), "{orders:?}");
    assert_eq!(refusal(&confirm(&mut world, counted(1, 7))), beyond(3));
    let orders = confirm(&mut world, counted(1, 6));
    assert!(matches!(orders.last(), Some(Order::Answer(_, _, Answer::Changed))), "{orders:?}");
}

#[test]
fn a_change_that_finds_no_room_is_refused_and_may_be_asked_for_again() {
    let (mut world, id) = (world(), counted(1, 1));
    send(&mut world, id, 1);
    run(&mut world, id);
    world.end(id, Ending::Done);
    world.commit();
    let caller = world.caller(None);
    world.step(Event::Confirmed(id, caller));
    world.answer_question(0, Read::Now);
    let (of, by, _) = world.changes.remove(0);
    assert_eq!((of, by), (id, caller));
    world.step(Event::NotKept(id, caller, "full".to_owned()));
    let away = Refusal::StoreAway { why: "full".to_owned() };
    assert_eq!(world.orders, [Order::Answer(caller, id, Answer::Refused(away))]);
    world.step(Event::NotKept(id, caller, "full".to_owned()));
    assert_eq!(world.orders, [], "told once");
    let orders = confirm(&mut world, id);
    assert!(matches!(orders.last(), Some(Order::Answer(_, _, Answer::Changed))), "{orders:?}");
}
