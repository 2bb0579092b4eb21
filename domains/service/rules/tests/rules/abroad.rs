//! A call that has another group's service called before it has the writer.

use tsugi_service_rules::abroad::{
    Abroad, Became, Event, Memory, Needs, Order, Replies, State, replies,
};

const GROUP: Event = Event::Asks(Needs::Group(Memory::Settled));
const REMEMBERS: Event = Event::Asks(Needs::Group(Memory::Open));
const STORE: Event = Event::Asks(Needs::Store);
const NOTHING: Event = Event::Asks(Needs::Nothing);
const ALL: [Event; 6] = [GROUP, REMEMBERS, STORE, NOTHING, Event::Came, Event::Over];

fn after(events: &[Event]) -> (Abroad, Vec<Order>) {
    let mut abroad = Abroad::default();
    let orders = events.iter().map(|event| abroad.step(*event)).collect();
    (abroad, orders)
}

/// How each state is come to.
const WAYS: [(State, &[Event]); 4] = [
    (State::Free, &[]),
    (State::Back, &[REMEMBERS]),
    (State::Away, &[GROUP]),
    (State::Has, &[STORE]),
];

#[test]
fn whoever_has_the_writer_waits_for_no_other_group_and_the_rest_of_the_table_holds() {
    table();
}

pub fn table() {
    use Order::{Answer, Call, Speak, Wait};
    use State::{Away, Back, Free, Has};
    let table: [[(State, Order); 6]; 4] = [
        [(Away, Call(1)), (Back, Wait), (Has, Speak), (Free, Answer), (Free, Wait), (Has, Speak)],
        [(Away, Call(1)), (Back, Wait), (Has, Speak), (Back, Wait), (Back, Wait), (Has, Speak)],
        [(Away, Wait), (Away, Wait), (Away, Wait), (Away, Wait), (Free, Wait), (Has, Speak)],
        [(Has, Wait); 6],
    ];
    for ((state, way), row) in WAYS.iter().zip(table) {
        for (event, (next, order)) in ALL.iter().zip(row) {
            let (mut abroad, _) = after(way);
            assert_eq!(abroad.state(), *state);
            assert_eq!((abroad.step(*event), abroad.state()), (order, next), "{state:?} {event:?}");
        }
    }
}

#[test]
fn the_same_call_has_the_same_number_whenever_its_caller_runs() {
    numbers();
}

pub fn numbers() {
    let words = [GROUP, Event::Came, REMEMBERS, GROUP, Event::Came, STORE, GROUP];
    let (first, orders) = after(&words);
    let calls: Vec<u32> = orders
        .iter()
        .filter_map(|order| if let Order::Call(n) = order { Some(*n) } else { None })
        .collect();
    assert_eq!((calls, first.called()), (vec![1, 2], 2));
    assert_eq!(after(&words), (first, orders));
    assert_eq!(Abroad::with_writer().state(), State::Has);
}

#[test]
fn what_others_keep_is_given_up_when_its_caller_is_durable_and_no_earlier() {
    given_up();
}

pub fn given_up() {
    assert_eq!(replies(Became::Durable), Replies::GivenUp);
    assert_eq!(replies(Became::Undone), Replies::Kept);
    assert_eq!(replies(Became::Unknown), Replies::Kept);
}
