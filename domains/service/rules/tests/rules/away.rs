//! A store that cannot be asked.

use tsugi_service_rules::call::{Answer, Event, Order};
use tsugi_service_rules::limits::Limits;
use tsugi_service_rules::refusal::Refusal;

use crate::world::{PAY, World, content, counted};

#[test]
fn whoever_asks_a_store_that_is_away_is_refused_and_comes_again() {
    let mut world = World::new(Limits { seeking: 2, ..Limits::default() });
    let id = counted(1, 1);
    for _ in 0..3 {
        let call = world.arrival(id, content(1), PAY);
        world.arrive(call);
        let asks = world.caller(None);
        world.step(Event::Asked(id, asks));
        world.orders.clear();
        world.questions.clear();
        world.step(Event::NotAsked(id, "no route".to_owned()));
        let away = Answer::Refused(Refusal::StoreAway { why: "no route".to_owned() });
        let told = |caller| Order::Answer(caller, id, away.clone());
        // Nothing of them is left: each round has room for two questions again.
        assert_eq!(world.orders, [told(call.caller), told(asks)]);
        assert_eq!(world.table.pending(), 0);
    }
    world.step(Event::NotAsked(id, "of nobody".to_owned()));
    assert_eq!(world.orders, []);
}
