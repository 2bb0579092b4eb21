//! A worker's table told as text, and walks of what a process may do.

use std::fmt::Write as _;

use tsugi_service_rules::worker::life::{
    Abnormal, Began, Class, Clock, Difference, Event, Exit, Life, Limits, Memory, Order, State,
    Turn, UnderWay, Why,
};
use tsugi_vocabulary::{Moment, Span};

use crate::chance::Chance;
use crate::told::compare;

const NOW: Moment = Moment(100_000_000_000);
const HAS: Turn = Turn(7);
const FORMER: Turn = Turn(6);

const STATES: [&str; 10] = [
    "starting",
    "ready",
    "busy",
    "busy, its program holds nothing",
    "busy with one begun ahead",
    "leaving with a call",
    "leaving with one begun ahead",
    "leaving",
    "killed",
    "gone",
];

const EVENTS: [(&str, Event); 24] = [
    ("says hello and fits", Event::Hello(None)),
    ("says hello and does not", Event::Hello(Some(Difference::Version))),
    ("is ready", Event::Ready),
    ("the limit of its start", Event::StartLimit),
    ("is given a call", Event::Given(Turn(8))),
    ("goes on to one begun ahead", Event::Follows(Turn(8))),
    ("asks", Event::Asked(HAS)),
    ("asks for a former call", Event::Asked(FORMER)),
    ("waits for the writer", Event::Waits(HAS)),
    ("has the writer", Event::Goes(HAS)),
    ("is done", Event::Done(HAS)),
    ("is done with a former call", Event::Done(FORMER)),
    ("refuses", Event::Failed(HAS, Class::Abort)),
    ("finds an error", Event::Failed(HAS, Class::RunTimeError)),
    ("says what nobody says", Event::Wrong),
    ("closes its stream", Event::Closed),
    ("ends", Event::Ended(Exit::Signal(11))),
    ("the limit of its call", Event::TimeLimit),
    ("floods its output", Event::Flood),
    ("its call is undone", Event::Undone(HAS)),
    ("a former call is undone", Event::Undone(FORMER)),
    ("is to leave", Event::Retire),
    ("the limit of its leaving", Event::RetireLimit),
    ("has too much memory", Event::Memory),
];

fn after(memory: Memory, events: &[Event]) -> Life {
    let mut life = Life::new(NOW, Limits::default(), memory);
    for event in events {
        life.step(NOW, *event, &mut Vec::new());
    }
    life
}

fn worker(state: &str) -> Life {
    use Event::{Closed, Done, Ended, Follows, Given, Ready, Retire};
    let ahead = [Ready, Given(FORMER), Done(FORMER), Follows(HAS), Retire];
    match state {
        "starting" => after(Memory::Kept, &[]),
        "ready" => after(Memory::Kept, &[Ready]),
        "busy" => after(Memory::Kept, &[Ready, Given(HAS)]),
        "busy, its program holds nothing" => after(Memory::None, &[Ready, Given(HAS)]),
        "busy with one begun ahead" => after(Memory::Kept, &ahead[..4]),
        "leaving with one begun ahead" => after(Memory::Kept, &ahead),
        "leaving with a call" => after(Memory::Kept, &[Ready, Given(HAS), Retire]),
        "leaving" => after(Memory::Kept, &[Ready, Retire]),
        "killed" => after(Memory::Kept, &[Ready, Closed]),
        "gone" => after(Memory::Kept, &[Ready, Closed, Ended(Exit::Code(0))]),
        other => panic!("no state {other}"),
    }
}

fn state_word(state: State) -> String {
    match state {
        State::Starting { .. } => "starting".to_owned(),
        State::Ready => "ready".to_owned(),
        State::Busy(UnderWay { turn, clock: Clock::Stands(_), .. }) => {
            format!("busy with {}, stands", turn.0)
        }
        State::Busy(UnderWay { turn, began: Began::Silent, .. }) => {
            format!("busy with {}, silent", turn.0)
        }
        State::Leaving { has: Some(UnderWay { turn, began: Began::Silent, .. }), .. } => {
            format!("leaving with {}, silent", turn.0)
        }
        State::Busy(UnderWay { turn, .. }) => format!("busy with {}", turn.0),
        State::Leaving { has: Some(UnderWay { turn, .. }), .. } => {
            format!("leaving with {}", turn.0)
        }
        State::Leaving { has: None, .. } => "leaving".to_owned(),
        State::Killed { .. } => "killed".to_owned(),
        State::Gone { why, .. } => format!("gone: {why:?}"),
    }
}

fn order_word(order: &Order) -> String {
    match order {
        Order::Begin(turn) => format!("begin {}", turn.0),
        Order::Operate(turn) => format!("operate for {}", turn.0),
        Order::Keep(turn) => format!("keep {}", turn.0),
        Order::Abnormal(turn, abnormal) => {
            format!("end {} as {:?} for {abnormal:?}", turn.0, abnormal.ending())
        }
        Order::Again(turn) => format!("{} again in another", turn.0),
        Order::Leave => "tell it to leave".to_owned(),
        Order::Kill(why) => format!("kill for {why:?}"),
        Order::Broken => "broken".to_owned(),
    }
}

#[test]
fn every_worker_answers_every_event_as_the_table_says() {
    let mut text = String::new();
    for state in STATES {
        writeln!(text, "{state}").unwrap();
        let mut nothing = Vec::new();
        for (word, event) in EVENTS {
            let mut life = worker(state);
            let before = life.state();
            let mut out = Vec::new();
            life.step(NOW, event, &mut out);
            if life.state() == before && out.is_empty() {
                nothing.push(word);
                continue;
            }
            let orders: Vec<String> = out.iter().map(order_word).collect();
            let state = state_word(life.state());
            let row = format!("  {word:<26} -> {state:<22} {}", orders.join(", "));
            writeln!(text, "{}", row.trim_end()).unwrap();
        }
        writeln!(text, "  nothing at all: {}\n", nothing.join("; ")).unwrap();
    }
    compare("workers.txt", include_str!("workers.txt"), &(text.trim_end().to_owned() + "\n"));
}

#[test]
fn a_limit_is_asked_for_and_comes_when_it_is_over() {
    let limits = Limits::default();
    let cases = [
        ("starting", limits.start, Event::StartLimit),
        ("busy", limits.call, Event::TimeLimit),
        ("leaving with a call", limits.call, Event::TimeLimit),
        ("leaving", limits.retire, Event::RetireLimit),
    ];
    for (state, after, event) in cases {
        let life = worker(state);
        assert_eq!(life.wake_at(), Some(NOW + after), "{state}");
        assert_eq!(life.due(NOW + after.saturating_sub(Span(1))), None, "{state}");
        assert_eq!(life.due(NOW + after), Some(event), "{state}");
    }
    for state in ["ready", "killed", "gone"] {
        assert_eq!(worker(state).wake_at(), None, "{state}");
    }
}

#[test]
fn the_clock_of_a_call_stands_while_it_waits_for_the_writer() {
    let limits = Limits::default();
    for state in ["busy", "leaving with a call"] {
        let mut life = worker(state);
        let second = |n| NOW + Span::secs(n);
        life.step(second(1), Event::Waits(FORMER), &mut Vec::new());
        assert_eq!(life.wake_at(), Some(NOW + limits.call), "{state}: of a call that is over");
        life.step(second(1), Event::Waits(HAS), &mut Vec::new());
        life.step(second(2), Event::Waits(HAS), &mut Vec::new());
        assert_eq!((life.wake_at(), life.due(second(1_000))), (None, None), "{state}");
        life.step(second(2), Event::Goes(HAS), &mut Vec::new());
        let until = second(1) + limits.call;
        assert_eq!(life.wake_at(), Some(until), "{state}: it stood for a second");
        assert_eq!(life.due(until), Some(Event::TimeLimit), "{state}");
    }
}

/// What holds of one step, whatever the table says.
fn sound(before: State, event: Event, life: &Life, out: &[Order]) {
    let has = match before {
        State::Busy(has) | State::Leaving { has: Some(has), .. } => Some(has.turn),
        State::Starting { .. }
        | State::Ready
        | State::Leaving { has: None, .. }
        | State::Killed { .. }
        | State::Gone { .. } => None,
    };
    let silent = match before {
        State::Busy(has) | State::Leaving { has: Some(has), .. } => has.began == Began::Silent,
        _ => false,
    };
    let own = |turn| match event {
        Event::Failed(of, _) => of == turn,
        Event::TimeLimit => true,
        _ => false,
    };
    let step = format!("{before:?} at {event:?}: {out:?}");
    for order in out {
        match order {
            Order::Keep(turn) => {
                assert_eq!(has, Some(*turn), "{step}");
                assert_eq!(event, Event::Done(*turn), "{step}");
            }
            Order::Operate(turn) => assert_eq!(event, Event::Asked(*turn), "{step}"),
            Order::Abnormal(turn, _) => {
                assert_eq!(has, Some(*turn), "{step}");
                assert!(!silent || own(*turn), "{step}: it may be of the call before");
            }
            Order::Again(turn) => assert_eq!(has, Some(*turn), "{step}"),
            Order::Kill(_) => assert!(matches!(life.state(), State::Killed { .. }), "{step}"),
            Order::Begin(turn) => {
                assert_eq!((before, event), (State::Ready, Event::Given(*turn)), "{step}");
            }
            Order::Leave | Order::Broken => {}
        }
    }
    let gone = matches!(life.state(), State::Gone { .. });
    let ended = matches!(event, Event::Ended(_)) || matches!(before, State::Gone { .. });
    assert!(!gone || ended, "{step}: gone, and its process has not ended");
    let undone = matches!(event, Event::Undone(_));
    let useful = matches!(life.state(), State::Ready | State::Busy(_));
    let spoilt = undone && !matches!(before, State::Starting { .. });
    assert!(!(spoilt && useful), "{step}: used on after an undo");
    if let Some(turn) = has {
        let ends = out.iter().filter(|order| {
            matches!(order, Order::Keep(t) | Order::Abnormal(t, _) | Order::Again(t) if *t == turn)
        });
        let own = usize::from(event == Event::Undone(turn));
        let open = usize::from(life.under_way().is_some_and(|has| has.turn == turn));
        assert_eq!(ends.count() + own + open, 1, "{step}: its call has one end");
    }
}

fn some_event(chance: &mut Chance, turn: Turn) -> Event {
    let of = Turn(turn.0.saturating_sub(chance.below(3) as u64));
    let class = chance.pick(&[Class::Abort, Class::StopRun, Class::Crash]);
    let (_, event) = chance.pick(&EVENTS);
    match event {
        Event::Asked(_) => Event::Asked(of),
        Event::Done(_) => Event::Done(of),
        Event::Failed(..) => Event::Failed(of, class),
        Event::Undone(_) => Event::Undone(of),
        Event::Given(_) => Event::Given(Turn(turn.0 + 1)),
        Event::Follows(_) => Event::Follows(Turn(turn.0 + 1)),
        Event::Hello(_)
        | Event::Ready
        | Event::StartLimit
        | Event::Wrong
        | Event::Closed
        | Event::Ended(_)
        | Event::TimeLimit
        | Event::Flood
        | Event::Retire
        | Event::RetireLimit
        | Event::Waits(_)
        | Event::Goes(_)
        | Event::Memory => event,
    }
}

pub fn walk(seed: u64) {
    let mut chance = Chance::new(seed);
    let memory = if chance.one_in(2) { Memory::None } else { Memory::Kept };
    let mut life = Life::new(NOW, Limits::default(), memory);
    let mut turn = Turn(1);
    for _ in 0..60 {
        let hurry = chance.below(3);
        let event = match (life.state(), hurry) {
            (State::Starting { .. }, 0) => Event::Ready,
            (State::Ready, 0) => Event::Given(Turn(turn.0 + 1)),
            (State::Ready, 1) => Event::Follows(Turn(turn.0 + 1)),
            (State::Busy(has), 0) => Event::Done(has.turn),
            _ => some_event(&mut chance, turn),
        };
        let free = matches!(life.state(), State::Ready | State::Leaving { has: None, .. });
        match event {
            Event::Given(of) if life.state() == State::Ready => turn = of,
            Event::Follows(of) if free => turn = of,
            Event::Given(_) | Event::Follows(_) => continue,
            _ => {}
        }
        let before = life.state();
        let mut out = Vec::new();
        life.step(NOW, event, &mut out);
        sound(before, event, &life, &out);
    }
}

#[test]
fn whatever_a_process_says_its_call_has_one_end() {
    (0..2_000).for_each(walk);
}

#[test]
fn only_a_refusal_and_a_time_limit_are_told_as_such() {
    use tsugi_service_rules::stored::Ending;
    let aborted = Abnormal::Failed(Class::Abort);
    assert_eq!(aborted.ending(), Ending::Refused);
    assert_eq!(Abnormal::TimeLimit.ending(), Ending::TimeLimit);
    assert_eq!(Abnormal::Ended(Exit::Code(3)).ending(), Ending::Abnormal);
    assert_ne!(Why::Undone, Why::WithCall(aborted));
}
