//! The writer's table told as text, and walks over a connection that is watched.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tsugi_service_rules::call::{Alone, Attempt, Work};
use tsugi_service_rules::sitting::{
    EpochRead, Event, Left, Limits, Near, Order, Run, Sitting, State,
};
use tsugi_vocabulary::{Moment, Span};

use crate::chance::Chance;
use crate::told::compare;
use crate::world::counted;

const BEFORE: Moment = Moment(1_000_000_000);

fn run(number: u64) -> Run {
    (counted(1, number), Attempt { entry: number, number: 1 })
}

const STATES: [&str; 12] = [
    "closed",
    "opening",
    "turn, the first",
    "turn, one has ended",
    "turn, alone",
    "inserting, the first",
    "inserting, one has ended",
    "inserting, to be handed over",
    "collecting",
    "committing",
    "committing, then closed",
    "over",
];

fn sitting(state: &str) -> Sitting {
    use Event::{Began, Close, Ended, Inserted, Spoken, Waits};
    let first = [Spoken(run(1), Alone::No), Began(EpochRead::Own)];
    let inserting = [first.as_slice(), &[Ended(run(1), Work::Kept, 10)]].concat();
    let ended = [inserting.as_slice(), &[Inserted(run(1))]].concat();
    let second = [ended.as_slice(), &[Spoken(run(2), Alone::No)]].concat();
    let committing = [ended.as_slice(), &[Waits(Near::Nobody)]].concat();
    let events = match state {
        "closed" => vec![],
        "opening" => vec![Spoken(run(1), Alone::No)],
        "turn, the first" => first.to_vec(),
        "turn, one has ended" => second,
        "inserting, the first" => inserting,
        "inserting, one has ended" => {
            [second.as_slice(), &[Ended(run(2), Work::Kept, 10)]].concat()
        }
        "inserting, to be handed over" => [inserting.as_slice(), &[Close]].concat(),
        "turn, alone" => vec![Spoken(run(1), Alone::Yes), Began(EpochRead::Own)],
        "collecting" => ended,
        "committing" => committing,
        "committing, then closed" => [committing.as_slice(), &[Close]].concat(),
        "over" => vec![Close],
        other => panic!("no state {other}"),
    };
    let mut sitting = Sitting::new(Limits::default());
    for event in events {
        sitting.step(BEFORE, event, &mut Vec::new());
    }
    sitting
}

fn events() -> Vec<(&'static str, Event, Span)> {
    let soon = Span::micros(1);
    vec![
        ("another has spoken", Event::Spoken(run(9), Alone::No), soon),
        ("another has spoken, alone", Event::Spoken(run(9), Alone::Yes), soon),
        ("another has spoken, late", Event::Spoken(run(9), Alone::No), Span::millis(20)),
        ("nobody is near", Event::Waits(Near::Nobody), soon),
        ("who is near is silent", Event::Waits(Near::Silent), soon),
        ("begun, own epoch", Event::Began(EpochRead::Own), soon),
        ("begun, another epoch", Event::Began(EpochRead::Other), soon),
        ("the first is done", Event::Ended(run(1), Work::Kept, 10), soon),
        ("the second is rolled back", Event::Ended(run(2), Work::RolledBack, 10), soon),
        ("the first is inserted", Event::Inserted(run(1)), soon),
        ("the second is inserted", Event::Inserted(run(2)), soon),
        ("an error, its savepoint stands", Event::Failed(Left::Savepoint), soon),
        ("an error, nothing is left", Event::Failed(Left::Nothing), soon),
        ("the disk is full", Event::Failed(Left::Full), soon),
        ("committed", Event::Committed, soon),
        ("the commit failed", Event::CommitFailed, soon),
        ("to be handed over", Event::Close, soon),
        ("the hold is over", Event::Woken, Span::millis(20)),
    ]
}

fn runs(all: &[Run]) -> String {
    let all: Vec<String> = all.iter().map(|run| run.1.entry.to_string()).collect();
    if all.is_empty() { "none".to_owned() } else { all.join("+") }
}

fn state_word(state: State) -> String {
    match state {
        State::Closed => "closed".to_owned(),
        State::Opening { first, .. } => format!("opening for {}", first.1.entry),
        State::Turn { of, alone: Alone::No } => format!("turn of {}", of.1.entry),
        State::Turn { of, alone: Alone::Yes } => format!("turn of {} alone", of.1.entry),
        State::Inserting { of, alone: Alone::No, .. } => format!("inserting {}", of.1.entry),
        State::Inserting { of, alone: Alone::Yes, .. } => {
            format!("inserting {} alone", of.1.entry)
        }
        State::Collecting { .. } => "collecting".to_owned(),
        State::Committing => "committing".to_owned(),
        State::Over => "over".to_owned(),
    }
}

fn order_word(order: &Order) -> String {
    match order {
        Order::Begin => "begin".to_owned(),
        Order::Open(run) => format!("open {}", run.1.entry),
        Order::RollBackTo(run) => format!("roll back to {}", run.1.entry),
        Order::Insert(run) => format!("insert {}", run.1.entry),
        Order::Release(run) => format!("release {}", run.1.entry),
        Order::Commit => "commit".to_owned(),
        Order::RollBack => "roll back".to_owned(),
        Order::TellProgram(run) => format!("tell {}", run.1.entry),
        Order::NotInserted(run) => format!("not inserted {}", run.1.entry),
        Order::Kept(all) => format!("kept {}", runs(all)),
        Order::TurnedOut(run) => format!("turned out {}", run.1.entry),
        Order::Gone(all, turn) => {
            let turn: Vec<Run> = turn.iter().copied().collect();
            format!("gone {} in turn {}", runs(all), runs(&turn))
        }
        Order::Full(all) => format!("full {}", runs(all)),
        Order::Superseded(all) => format!("superseded {}", runs(all)),
        Order::EndProcess => "end".to_owned(),
        Order::Idle => "idle".to_owned(),
        Order::Closed => "say it is closed".to_owned(),
    }
}

#[test]
fn every_sitting_answers_every_event_as_the_table_says() {
    let mut text = String::new();
    for state in STATES {
        writeln!(text, "{state}").unwrap();
        let mut nothing = Vec::new();
        for (word, event, later) in events() {
            let mut sitting = sitting(state);
            let before = sitting.state();
            let mut out = Vec::new();
            sitting.step(BEFORE + later, event, &mut out);
            if sitting.state() == before && out.is_empty() {
                nothing.push(word);
                continue;
            }
            let orders: Vec<String> = out.iter().map(order_word).collect();
            let state = state_word(sitting.state());
            let row = format!("  {word:<30} -> {state:<17} {}", orders.join(", "));
            writeln!(text, "{}", row.trim_end()).unwrap();
        }
        writeln!(text, "  nothing at all: {}\n", nothing.join("; ")).unwrap();
    }
    compare("sittings.txt", include_str!("sittings.txt"), &(text.trim_end().to_owned() + "\n"));
}

/// A connection as SQLite has it: a transaction, a stack of savepoints, what is inserted.
#[derive(Default)]
struct Connection {
    open: bool,
    savepoint: Option<Run>,
    inserted: Vec<Run>,
    committing: bool,
    /// Another has the store.
    superseded: bool,
    /// Whom nobody else may be with.
    alone: BTreeSet<Run>,
    /// When the first call of the sitting has ended.
    held_since: Option<Moment>,
}

impl Connection {
    fn take(&mut self, order: &Order) {
        match order {
            Order::Begin => {
                assert!(!self.open, "begun twice");
                self.open = true;
            }
            Order::Open(run) => {
                assert!(self.open && self.savepoint.is_none(), "savepoints overlap");
                assert!(!self.superseded, "a call runs in a store that another has");
                let mut together = self.inserted.iter().chain([run]);
                let alone = together.any(|run| self.alone.contains(run));
                assert!(!alone || self.inserted.is_empty(), "a call is not alone");
                self.savepoint = Some(*run);
            }
            Order::RollBackTo(run) => {
                assert_eq!(self.savepoint, Some(*run));
                self.inserted.retain(|inserted| inserted != run);
            }
            Order::Insert(run) => {
                assert_eq!(self.savepoint, Some(*run), "inserted outside of its savepoint");
                self.inserted.push(*run);
            }
            Order::Release(run) => assert_eq!(self.savepoint.take(), Some(*run)),
            Order::Commit => {
                assert!(self.open && self.savepoint.is_none(), "a savepoint is open at the commit");
                assert!(!self.inserted.is_empty(), "nothing to commit");
                self.committing = true;
            }
            Order::RollBack => {
                assert!(self.open, "nothing to roll back");
                self.lost();
            }
            Order::Kept(all) => {
                assert!(self.committing, "told before the commit returned");
                assert_eq!(*all, self.inserted, "what is told is not what is durable");
                self.lost();
            }
            Order::Idle | Order::Closed => assert!(!self.open, "something is open"),
            Order::TellProgram(run) => assert_eq!(self.savepoint, Some(*run)),
            Order::TurnedOut(run) | Order::NotInserted(run) => {
                assert!(!self.inserted.contains(run));
            }
            Order::Gone(..) | Order::Full(_) | Order::Superseded(_) | Order::EndProcess => {}
        }
    }

    fn lost(&mut self) {
        *self = Self { alone: std::mem::take(&mut self.alone), ..Self::default() };
    }

    /// Whoever has ended does not wait longer than the hold for a call that is not alone.
    fn is_held_up(&self, now: Moment, limits: Limits, state: State) -> bool {
        let over = self.held_since.is_some_and(|since| now >= since + limits.hold);
        over && matches!(state, State::Turn { alone: Alone::No, .. } | State::Collecting { .. })
    }
}

fn some_event(chance: &mut Chance, state: State, next: Run, connection: &mut Connection) -> Event {
    let work = if chance.one_in(3) { Work::RolledBack } else { Work::Kept };
    let alone = if chance.one_in(6) { Alone::Yes } else { Alone::No };
    match (state, chance.below(12)) {
        (State::Opening { .. }, 0) if chance.one_in(4) => {
            connection.superseded = true;
            Event::Began(EpochRead::Other)
        }
        (State::Opening { .. }, 1..11) => Event::Began(EpochRead::Own),
        (State::Turn { of, .. }, 0..6) => Event::Ended(of, work, 30),
        (State::Inserting { of, .. }, 0..9) => Event::Inserted(of),
        (
            State::Opening { .. }
            | State::Turn { .. }
            | State::Inserting { .. }
            | State::Collecting { .. },
            6 | 11,
        ) => {
            let left = chance.pick(&[Left::Savepoint, Left::Full, Left::Nothing]);
            if left == Left::Nothing {
                connection.lost();
            }
            Event::Failed(left)
        }
        (State::Committing, 0) if chance.one_in(9) => Event::CommitFailed,
        (State::Committing, 1..7) => Event::Committed,
        (_, 7) => Event::Waits(chance.pick(&[Near::Nobody, Near::Silent])),
        (_, 8) => Event::Ended(next, Work::Kept, 1),
        (_, 9) if chance.one_in(30) => Event::Close,
        (_, 10) => Event::Woken,
        _ => {
            if alone == Alone::Yes {
                connection.alone.insert(next);
            }
            Event::Spoken(next, alone)
        }
    }
}

pub fn walk(seed: u64) {
    let mut chance = Chance::new(seed);
    let limits = Limits { calls: 3, bytes: 100, ..Limits::default() };
    let mut sitting = Sitting::new(limits);
    let mut connection = Connection::default();
    let mut now = BEFORE;
    for next in 1..300 {
        now += Span::micros(chance.below(9_000) as u64);
        let was = sitting.state();
        let event = some_event(&mut chance, was, run(next), &mut connection);
        let mut out = Vec::new();
        sitting.step(now, event, &mut out);
        for order in &out {
            connection.take(order);
        }
        if matches!((event, was), (Event::Inserted(_), State::Inserting { .. })) && connection.open
        {
            connection.held_since.get_or_insert(now);
        }
        if event == Event::CommitFailed && was == State::Committing {
            assert_eq!(out, [Order::EndProcess], "seed {seed}: a failed commit is survived");
        }
        if event == Event::Woken {
            let held = connection.is_held_up(now, limits, sitting.state());
            assert!(!held, "seed {seed}: who has ended waits without an end");
        }
        assert!(sitting.ended() <= limits.calls, "seed {seed}");
        if sitting.state() == State::Over {
            return;
        }
    }
}

#[test]
fn what_is_told_is_what_the_connection_has_made_durable() {
    (0..400).for_each(walk);
}

#[test]
fn an_answer_that_cannot_be_inserted_takes_nothing_else_with_it() {
    let mut sitting = sitting("inserting, one has ended");
    let mut out = Vec::new();
    sitting.step(BEFORE, Event::Failed(Left::Savepoint), &mut out);
    let expected = [Order::RollBackTo(run(2)), Order::Release(run(2)), Order::NotInserted(run(2))];
    assert_eq!(out, expected);
    out.clear();
    sitting.step(BEFORE, Event::Waits(Near::Nobody), &mut out);
    sitting.step(BEFORE, Event::Committed, &mut out);
    assert_eq!(out, [Order::Commit, Order::Kept(vec![run(1)])]);
}

#[test]
fn calls_that_were_handed_out_are_waited_for_as_long_as_a_commit_takes() {
    let commit = Span::micros(80);
    let mut sitting = Sitting::new(Limits::default());
    let mut now = BEFORE;
    for number in 1..=40 {
        sitting.step(now, Event::Spoken(run(number), Alone::No), &mut Vec::new());
        sitting.step(now, Event::Began(EpochRead::Own), &mut Vec::new());
        sitting.step(now, Event::Ended(run(number), Work::Kept, 1), &mut Vec::new());
        sitting.step(now, Event::Inserted(run(number)), &mut Vec::new());
        let (mut out, gather) = (Vec::new(), sitting.wake_at().map(|at| at.since(now)));
        sitting.step(now, Event::Waits(Near::Silent), &mut out);
        if number == 1 {
            assert_eq!(out, [Order::Commit], "nothing is known of commits");
        } else {
            assert!(gather.is_some_and(|gather| gather <= commit), "{gather:?}");
        }
        if number == 40 {
            assert!(out.is_empty() && gather > Some(Span::micros(70)), "{gather:?}");
        }
        now += commit;
        sitting.step(now, Event::Woken, &mut Vec::new());
        let last = now;
        now += commit;
        sitting.step(now, Event::Committed, &mut Vec::new());
        assert!(last < now);
    }
}

#[test]
fn a_sitting_takes_no_call_that_it_would_turn_out_at_once() {
    use Event::{Began, Ended, Inserted, Spoken};
    let orders = |after: Span| {
        let mut sitting = Sitting::new(Limits::default());
        let mut out = Vec::new();
        let events = [Spoken(run(1), Alone::No), Began(EpochRead::Own)];
        for event in [events.as_slice(), &[Ended(run(1), Work::Kept, 1), Inserted(run(1))]].concat()
        {
            sitting.step(BEFORE, event, &mut out);
        }
        out.clear();
        sitting.step(BEFORE + after, Spoken(run(2), Alone::No), &mut out);
        out
    };
    assert_eq!(orders(Span::micros(9_999)), [Order::Open(run(2))]);
    assert_eq!(orders(Span::millis(10)), [Order::Commit]);
}
