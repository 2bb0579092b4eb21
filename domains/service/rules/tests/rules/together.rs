//! The tables together: programs, errors and deaths come by chance, and every call is applied once.

use std::collections::BTreeSet;

use tsugi_service_rules::call::{self, Arrival, Caller};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::id::Serial;
use tsugi_service_rules::sitting::{self, Left};
use tsugi_service_rules::worker::life::{self, Class, Exit, State};
use tsugi_service_rules::worker::pool::{self, Worker};
use tsugi_vocabulary::Span;

use crate::engine::{Engine, Letter, service_of};
use crate::world::{MAIL, PAY, content, counted, keyed};

impl Engine {
    fn arrive(&mut self) {
        let id = match self.chance.below(5) {
            0 => keyed(u8::try_from(self.chance.below(6)).unwrap()),
            _ => counted(
                1 + u8::try_from(self.chance.below(3)).unwrap(),
                1 + self.chance.below(12) as u64,
            ),
        };
        let caller = Caller(self.fresh());
        self.callers.insert(caller, content(1));
        let arrival = Arrival {
            id,
            content: content(1),
            service: service_of(id),
            order: None,
            lowest: Serial::FIRST,
            size: 10,
            caller,
            deadline: None,
        };
        self.send(Letter::Table(call::Event::Arrived(arrival)));
    }

    /// A program asks for something, says that it is done or refuses, or its process ends.
    fn program(&mut self) {
        let all: Vec<(ServiceNumber, Worker)> = self.processes.keys().copied().collect();
        if all.is_empty() {
            return;
        }
        let (service, worker) = self.chance.pick(&all);
        let process = &self.processes[&(service, worker)];
        let dies = process.killed || self.faults && self.chance.one_in(25);
        if dies {
            let ended = life::Event::Ended(Exit::Signal(9));
            return self.send(Letter::Pool(service, pool::Event::Of(worker, ended)));
        }
        let Some((turn, run)) = process.has else { return };
        if self.words.contains_key(&run) || self.ends.contains_key(&run) {
            return;
        }
        let word = match self.chance.below(8) {
            0 if self.faults => life::Event::Failed(turn, Class::Abort),
            1..5 if self.faults => life::Event::Asked(turn),
            _ => life::Event::Done(turn),
        };
        self.words.insert(run, word);
        self.spoke(run);
    }

    /// A statement of the call that has the turn fails.
    fn fault(&mut self) {
        if !matches!(self.sitting.state(), sitting::State::Turn { .. }) {
            return;
        }
        let left = self.chance.pick(&[Left::Savepoint, Left::Full, Left::Nothing]);
        if left == Left::Nothing {
            self.lost();
        }
        self.send(Letter::Sitting(sitting::Event::Failed(left)));
    }

    fn pass(&mut self, most: u64) {
        let micros = self.chance.below(usize::try_from(most).unwrap()) as u64;
        self.now += Span::micros(micros);
        self.send(Letter::Sitting(sitting::Event::Woken));
        self.send(Letter::Table(call::Event::Woken));
        for service in [PAY, MAIL] {
            self.send(Letter::Pool(service, pool::Event::Woken));
        }
    }

    fn step(&mut self) {
        match self.chance.below(20) {
            0..5 => self.arrive(),
            5..13 => self.program(),
            13 => self.fault(),
            14 if self.chance.one_in(12) => self.dead = true,
            14 if self.chance.one_in(12) => {
                let grace = Span::millis(30);
                self.send(Letter::Table(call::Event::MoveBegan(grace)));
            }
            15 if self.chance.one_in(4) => self.pass(5_000_000),
            _ => self.pass(9_000),
        }
        self.run();
    }

    /// Nothing fails any more: every caller is told.
    fn settle(&mut self) {
        self.faults = false;
        for _ in 0..400 {
            self.program();
            self.run();
            self.pass(9_000);
            self.run();
        }
        assert_eq!(self.table.pending(), 0, "something is pending for ever");
        assert!(self.callers.is_empty(), "somebody is never told");
        let busy = |(_, state): &(Worker, State)| matches!(state, State::Busy(_));
        assert!(!self.pools.values().any(|pool| pool.workers().any(|w| busy(&w))));
    }
}

fn walk(seed: u64) -> Engine {
    let mut engine = Engine::new(seed);
    engine.pass(1);
    engine.run();
    for _ in 0..250 {
        engine.step();
    }
    engine.settle();
    engine
}

#[test]
fn tables_that_are_joined_apply_every_call_once_and_answer_it_alike() {
    let mut met = BTreeSet::new();
    let (mut applied, mut told) = (0, 0);
    for seed in 0..200 {
        let mut engine = walk(seed);
        met.append(&mut engine.met);
        applied += engine.store.applied.len();
        told += engine.told.len();
    }
    assert!(applied > 1_000 && told > 1_000, "{applied} were applied and {told} told");
    let all = [
        "Abnormal",
        "Again",
        "Closed",
        "Drained",
        "EndProcess",
        "Full",
        "GiveUp",
        "Gone",
        "Kept",
        "KeepUnknown",
        "Kill",
        "NotInserted",
        "RollBack",
        "Start",
        "TurnedOut",
    ];
    let missed: Vec<_> = all.into_iter().filter(|word| !met.contains(*word)).collect();
    assert!(missed.is_empty(), "never ordered: {missed:?}; {applied} applied, {told} told");
}
