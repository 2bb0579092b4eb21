//! A package's table, and a death after every step of a deployment.

use std::fmt::Write as _;

use tsugi_service_rules::package::{
    Data, Event, Examined, FORMER_MOST, File, KEPT_FOR, Order, Row, State, at_open, is_old, step,
};
use tsugi_vocabulary::Span;

use crate::told::compare;

const STATES: [State; 10] = [
    State::Absent,
    State::Copying,
    State::Staged,
    State::Naming,
    State::Keeping,
    State::Kept,
    State::Making(Data::OfNewFiles),
    State::Making(Data::Never),
    State::Current,
    State::Former,
];

const EVENTS: [Event; 10] = [
    Event::Deploy,
    Event::Copied,
    Event::Examined(Examined::Fits),
    Event::Examined(Examined::DoesNotFit),
    Event::Named,
    Event::Kept,
    Event::Made,
    Event::Replaced,
    Event::Old,
    Event::Failed,
];

#[test]
fn every_package_answers_every_event_as_the_table_says() {
    let mut text = String::new();
    for state in STATES {
        writeln!(text, "{state:?}").unwrap();
        for event in EVENTS {
            let (after, orders) = step(state, event);
            if after != state || !orders.is_empty() {
                let (event, after) = (format!("{event:?}"), format!("{after:?}"));
                let orders: Vec<String> = orders.iter().map(|order| format!("{order:?}")).collect();
                let row = format!("  {event:<20} -> {after:<18} {}", orders.join(", "));
                writeln!(text, "{}", row.trim_end()).unwrap();
            }
        }
    }
    for row in [Row::None, Row::Kept, Row::Current, Row::Former] {
        for file in [File::None, File::Staged, File::Whole] {
            let (state, orders) = at_open(file, row);
            writeln!(text, "opened, row {row:?}, file {file:?} -> {state:?} {orders:?}").unwrap();
        }
    }
    compare("packages.txt", include_str!("packages.txt"), &text);
}

/// A volume and the rows of one package.
#[derive(Clone, Copy, Debug)]
struct Volume {
    file: File,
    row: Row,
    loaded: u32,
    /// How often data were to be loaded.
    asked: u32,
}

impl Volume {
    /// Does what is ordered; what it says when it is done.
    fn take(&mut self, order: Order) -> Option<Event> {
        match order {
            Order::Copy => {
                self.file = File::Staged;
                Some(Event::Copied)
            }
            Order::Examine => Some(Event::Examined(Examined::Fits)),
            Order::Name => {
                self.file = File::Whole;
                Some(Event::Named)
            }
            Order::Keep => {
                assert_eq!(self.file, File::Whole, "a row before its file");
                self.row = Row::Kept;
                Some(Event::Kept)
            }
            Order::Make(data) => {
                if data == Data::OfNewFiles {
                    self.asked += 1;
                    self.loaded = 1;
                }
                self.row = Row::Current;
                Some(Event::Made)
            }
            Order::DeleteRow => {
                self.row = Row::None;
                None
            }
            Order::DeleteFile => {
                assert_eq!(self.row, Row::None, "a file before its row");
                self.file = File::None;
                None
            }
            Order::Replace => {
                assert_eq!(self.row, Row::Current, "workers of what is not current");
                None
            }
            Order::TellCurrent
            | Order::TellUnderWay
            | Order::TellUnfit
            | Order::TellMissing
            | Order::TellFailed => None,
        }
    }

    /// Goes on until nothing is ordered, or the process dies after so many orders.
    fn run(&mut self, state: State, event: Event, mut steps: usize) -> State {
        let (mut state, mut event) = (state, Some(event));
        while let Some(now) = event.take() {
            let (after, orders) = step(state, now);
            state = after;
            for order in orders {
                if steps == 0 {
                    return state;
                }
                steps -= 1;
                event = self.take(order).or(event);
            }
        }
        state
    }

    /// Another process opens the store.
    fn open(&mut self) -> State {
        let (state, orders) = at_open(self.file, self.row);
        for order in orders {
            self.take(order);
        }
        state
    }
}

pub fn deployments_die() {
    let mut seen = Vec::new();
    for dies in 0..8 {
        let mut volume = Volume { file: File::None, row: Row::None, loaded: 0, asked: 0 };
        volume.run(State::Absent, Event::Deploy, dies);
        let state = volume.open();
        let told = match state {
            State::Absent => (File::None, Row::None),
            State::Kept => (File::Whole, Row::Kept),
            State::Current => (File::Whole, Row::Current),
            other => panic!("after {dies} steps it is {other:?}"),
        };
        assert_eq!((volume.file, volume.row), told, "after {dies} steps");
        seen.push(state);
        if state != State::Current {
            let state = volume.run(state, Event::Deploy, usize::MAX);
            assert_eq!(state, State::Current, "repeated after {dies} steps");
        }
        assert_eq!((volume.file, volume.row), (File::Whole, Row::Current));
        assert_eq!(volume.loaded, 1, "its data are loaded once");
    }
    seen.dedup();
    assert_eq!(seen, [State::Absent, State::Kept, State::Current]);
}

#[test]
fn a_deployment_that_dies_after_any_step_is_nothing_or_kept_or_done_and_can_be_repeated() {
    deployments_die();
}

#[test]
fn a_step_that_fails_goes_back_to_what_is_durable_and_can_be_repeated() {
    let durable = [
        (State::Copying, State::Absent),
        (State::Staged, State::Absent),
        (State::Naming, State::Absent),
        (State::Keeping, State::Absent),
        (State::Making(Data::OfNewFiles), State::Kept),
        (State::Making(Data::Never), State::Former),
    ];
    for (state, back) in durable {
        let (after, orders) = step(state, Event::Failed);
        assert_eq!(after, back, "{state:?}");
        assert_eq!(orders.last(), Some(&Order::TellFailed), "{state:?}");
        let (_, again) = step(after, Event::Deploy);
        assert!(matches!(again[..], [Order::Copy | Order::Make(_)]), "{state:?}");
    }
}

pub fn deletions_die() {
    for dies in 0..3 {
        let mut volume = Volume { file: File::Whole, row: Row::Former, loaded: 1, asked: 0 };
        volume.run(State::Former, Event::Old, dies);
        let state = volume.open();
        let whole = (volume.file, volume.row) == (File::Whole, Row::Former);
        let gone = (volume.file, volume.row) == (File::None, Row::None);
        assert_eq!((state == State::Former, state == State::Absent), (whole, gone), "{dies}");
    }
}

#[test]
fn a_deletion_that_dies_between_row_and_file_is_finished_when_the_store_is_opened() {
    deletions_die();
}

#[test]
fn a_return_to_a_former_package_loads_no_data_again() {
    returns();
}

pub fn returns() {
    let mut volume = Volume { file: File::Whole, row: Row::Former, loaded: 1, asked: 0 };
    let state = volume.run(State::Former, Event::Deploy, usize::MAX);
    assert_eq!((state, volume.asked), (State::Current, 0));
}

#[test]
fn what_its_service_runs_is_never_old() {
    for state in STATES {
        let old = is_old(state, FORMER_MOST, KEPT_FOR);
        assert_eq!(old, matches!(state, State::Kept | State::Former), "{state:?}");
        assert!(!is_old(state, FORMER_MOST - 1, Span(KEPT_FOR.0 - 1)), "{state:?}");
    }
}
