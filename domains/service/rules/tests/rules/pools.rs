//! Pools of workers: what a pool says of itself, and walks over processes that do as they like.

mod ahead;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tsugi_service_rules::call::Attempt;
use tsugi_service_rules::ground::Effects;
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::worker::life::{self, Class, Difference, Exit, Memory, State, Turn, Why};
use tsugi_service_rules::worker::pool::{
    AHEAD_MOST, Event, FAILURES_MOST, Order, Origin, PAUSE_MOST, Pool, Posture, Run, Settings,
    Worker, refusal,
};
use tsugi_vocabulary::{Moment, Span};

use crate::chance::Chance;
use crate::world::counted;

const NOW: Moment = Moment(100_000_000_000);

fn settings() -> Settings {
    Settings { start: 2, most: 5, recycle: 0, ..Settings::default() }
}

fn run(number: u64) -> Run {
    (counted(1, number), Attempt { entry: number, number: 1 })
}

/// A process as the engine sees it.
#[derive(Debug, Default)]
struct Process {
    /// The call that was written to it last, until it has said that it is done.
    began: Option<(Turn, Run)>,
    /// The calls that were written to it ahead.
    ahead: VecDeque<(Turn, Run)>,
    /// Turns that it had before.
    former: Vec<Turn>,
    /// Every call that it has run.
    ran: BTreeSet<Run>,
    killed: bool,
    ended: bool,
}

struct World {
    pool: Pool,
    settings: Settings,
    now: Moment,
    processes: BTreeMap<Worker, Process>,
    unswept: BTreeSet<Worker>,
    /// Calls that were given and have no end.
    open: BTreeSet<Run>,
    /// Calls that are done and not durable.
    kept: BTreeSet<Run>,
    /// Calls of which nothing is left, and which a program may remember.
    undone: BTreeSet<Run>,
    posture: Posture,
    births: u32,
    next: u64,
}

impl World {
    fn new(settings: Settings) -> Self {
        let mut world = Self {
            pool: Pool::new(settings),
            settings,
            now: NOW,
            processes: BTreeMap::new(),
            unswept: BTreeSet::new(),
            open: BTreeSet::new(),
            kept: BTreeSet::new(),
            undone: BTreeSet::new(),
            posture: Posture::Serving,
            births: 0,
            next: 0,
        };
        world.step(Event::Woken);
        world
    }

    fn step(&mut self, event: Event) -> Vec<Order> {
        if let Event::Undone(run) = event {
            self.open.remove(&run);
            self.kept.remove(&run);
            self.undone.insert(run);
        }
        if let Event::Of(worker, life::Event::Ended(_)) = event {
            self.processes.get_mut(&worker).unwrap().ended = true;
        }
        let mut out = Vec::new();
        self.pool.step(self.now, event, &mut out);
        for order in &out {
            self.take(event, *order);
        }
        let there = self.processes.values().filter(|process| !process.ended).count();
        assert!(there + self.unswept.len() <= self.settings.most, "more than there is place for");
        self.posture = self.pool.posture();
        out
    }

    fn take(&mut self, event: Event, order: Order) {
        match order {
            Order::Bear(worker) => {
                assert_eq!(self.pool.posture(), Posture::Serving, "born for nothing");
                self.births += 1;
                let former = self.processes.insert(worker, Process::default());
                assert!(former.is_none(), "{worker:?} is born twice");
            }
            Order::Begin(worker, turn, run) => self.begin(event, worker, (turn, run)),
            Order::BeginAhead(worker, turn, run) => {
                assert_eq!(self.settings.effects, Effects::Store, "{run:?} is begun ahead");
                let process = self.processes.get_mut(&worker).unwrap();
                assert!(!process.killed && !process.ended && process.began.is_some());
                process.ahead.push_back((turn, run));
                assert!(process.ahead.len() <= AHEAD_MOST, "{worker:?} has too many");
            }
            Order::Operate(worker, turn, run) => {
                assert_eq!(self.processes[&worker].began, Some((turn, run)));
            }
            Order::Keep(worker, run) => {
                let process = self.processes.get_mut(&worker).unwrap();
                let (turn, began) = process.began.take().unwrap();
                process.former.push(turn);
                assert_eq!(event, Event::Of(worker, life::Event::Done(turn)), "{run:?}");
                assert_eq!(began, run, "what is kept is not what is done");
                assert!(!process.killed, "{run:?} is believed of a killed worker");
                self.end(run);
                self.kept.insert(run);
                self.go_on(worker);
            }
            Order::Abnormal(run, _) => {
                self.end(run);
                self.undone.insert(run);
                let runs = |process: &Process| {
                    let has = process.began.is_some_and(|(_, has)| has == run);
                    has && !process.ended && self.settings.memory == Memory::Kept
                };
                let outside = self.settings.effects == Effects::Outside;
                let runs = self.processes.values().any(runs);
                assert!(!(outside && runs), "{run:?} is told and its program may still run");
                self.forget(run);
            }
            Order::Again(run) => {
                self.end(run);
                self.forget(run);
            }
            Order::Leave(worker) => assert!(!self.processes[&worker].killed),
            Order::Kill(worker, _) => {
                let process = self.processes.get_mut(&worker).unwrap();
                assert!(!process.killed && !process.ended, "{worker:?} is killed twice");
                process.killed = true;
            }
            Order::Sweep(worker) => {
                assert!(self.processes[&worker].ended, "{worker:?} is swept while it runs");
                assert!(self.unswept.insert(worker), "{worker:?} is swept twice");
            }
            Order::GiveUp(..) => assert_eq!(self.posture, Posture::Serving, "given up twice"),
            Order::Drained => {
                let gone = self.processes.values().all(|process| process.ended);
                assert!(gone && self.unswept.is_empty(), "drained, and something is left");
            }
            Order::Broken(worker) => panic!("{worker:?} is broken at {event:?}"),
        }
    }

    fn begin(&mut self, event: Event, worker: Worker, (turn, run): (Turn, Run)) {
        let process = self.processes.get_mut(&worker).unwrap();
        assert!(!process.killed && !process.ended, "{run:?} is begun where nobody is");
        assert!(process.began.is_none(), "{worker:?} has two calls");
        let spoilt = process.ran.intersection(&self.undone).next();
        let remembers = self.settings.memory == Memory::Kept;
        assert!(spoilt.is_none() || !remembers, "{worker:?} remembers what never was");
        process.began = Some((turn, run));
        process.ran.insert(run);
        let busy = |(_, state): &(Worker, State)| matches!(state, State::Busy(_));
        let busy = self.pool.workers().filter(busy).count();
        if matches!(event, Event::Give(_, Origin::Queue)) {
            assert!(busy <= self.settings.start, "no worker is left for who is called by others");
        }
    }

    fn end(&mut self, run: Run) {
        assert!(self.open.remove(&run), "{run:?} ends twice");
    }

    /// No process is at this call any more.
    fn forget(&mut self, run: Run) {
        let mut free = Vec::new();
        for (worker, process) in &mut self.processes {
            process.ahead.retain(|(_, has)| *has != run);
            if let Some((turn, _)) = process.began.filter(|(_, has)| *has == run) {
                process.former.push(turn);
                process.began = None;
                free.push(*worker);
            }
        }
        for worker in free {
            self.go_on(worker);
        }
    }

    /// A process that has ended a call goes on to the next that was written to it.
    fn go_on(&mut self, worker: Worker) {
        let process = self.processes.get_mut(&worker).unwrap();
        if process.killed || process.ended {
            return;
        }
        process.began = process.ahead.pop_front();
        process.ran.extend(process.began.map(|(_, run)| run));
    }

    /// Begins a call ahead in a worker.
    fn give_ahead(&mut self, worker: Worker) -> Run {
        self.next += 1;
        let run = run(self.next);
        self.open.insert(run);
        self.step(Event::Ahead(run, worker));
        run
    }

    fn give(&mut self, origin: Origin) -> Run {
        self.next += 1;
        let run = run(self.next);
        self.open.insert(run);
        self.step(Event::Give(run, origin));
        run
    }

    fn says(&mut self, worker: Worker, event: life::Event) -> Vec<Order> {
        self.step(Event::Of(worker, event))
    }

    fn alive(&self) -> Vec<Worker> {
        let alive = self.processes.iter().filter(|(_, process)| !process.ended);
        alive.map(|(worker, _)| *worker).collect()
    }

    /// All that start are ready.
    fn ready(&mut self) {
        let starting = |(_, state): &(Worker, State)| matches!(state, State::Starting { .. });
        let all: Vec<(Worker, State)> = self.pool.workers().filter(starting).collect();
        for (worker, _) in all {
            self.says(worker, life::Event::Ready);
        }
    }

    /// The worker that has a call.
    fn at(&self, run: Run) -> (Worker, Turn) {
        let has = |(worker, process): (&Worker, &Process)| {
            let (turn, _) = process.began.filter(|(_, has)| *has == run)?;
            Some((*worker, turn))
        };
        self.processes.iter().find_map(has).unwrap()
    }

    fn done(&mut self, run: Run) -> Vec<Order> {
        let (worker, turn) = self.at(run);
        self.says(worker, life::Event::Done(turn))
    }
}

#[test]
fn a_pool_starts_what_is_wanted_and_replaces_what_is_lost_at_once() {
    let mut world = World::new(settings());
    assert_eq!(world.alive().len(), 3, "two and a spare one");
    assert!(!world.pool.has_room(Origin::Queue), "none is ready");
    world.ready();
    let call = world.give(Origin::Queue);
    let (worker, _) = world.at(call);
    let out = world.says(worker, life::Event::Closed);
    assert!(out.iter().any(|order| matches!(order, Order::Abnormal(run, _) if *run == call)));
    assert!(out.iter().any(|order| matches!(order, Order::Bear(_))), "{out:?}");
    assert_eq!(world.alive().len(), 4, "one of them was killed and has not ended");
}

#[test]
fn a_worker_whose_former_call_was_undone_takes_the_next_with_it_which_is_not_at_fault() {
    let mut world = World::new(settings());
    world.ready();
    let first = world.give(Origin::Queue);
    let (worker, _) = world.at(first);
    world.done(first);
    let second = world.give(Origin::Queue);
    assert_eq!(world.at(second).0, worker);
    let out = world.step(Event::Undone(first));
    assert_eq!(out[..2], [Order::Again(second), Order::Kill(worker, Why::Undone)], "{out:?}");
}

#[test]
fn a_worker_that_is_to_be_replaced_gets_no_more_ahead_than_it_may_do() {
    let mut world = World::new(Settings { recycle: 3, ..settings() });
    world.ready();
    let first = world.give(Origin::Queue);
    let (worker, _) = world.at(first);
    let second = world.give_ahead(worker);
    assert_eq!(world.pool.ahead(worker), Some(1));
    let third = world.give_ahead(worker);
    assert_eq!(world.pool.ahead(worker), None);
    world.done(first);
    world.done(second);
    let out = world.done(third);
    assert!(out.contains(&Order::Leave(worker)), "{out:?}");
}

#[test]
fn what_is_durable_is_no_reason_to_end_a_worker() {
    let mut world = World::new(settings());
    world.ready();
    let call = world.give(Origin::Queue);
    world.done(call);
    world.step(Event::Settled(call));
    world.kept.remove(&call);
    let mut out = Vec::new();
    world.pool.step(NOW, Event::Undone(call), &mut out);
    assert_eq!(out, []);
}

#[test]
fn one_worker_is_left_for_services_that_are_called_by_others() {
    left_for_others();
}

pub fn left_for_others() {
    let mut world = World::new(settings());
    world.ready();
    assert_eq!((world.pool.room(Origin::Queue), world.pool.room(Origin::Service)), (2, 3));
    world.give(Origin::Queue);
    assert_eq!((world.pool.room(Origin::Queue), world.pool.room(Origin::Service)), (1, 2));
    world.give(Origin::Queue);
    assert!(!world.pool.has_room(Origin::Queue) && world.pool.has_room(Origin::Service));
    let nested = world.give(Origin::Service);
    world.done(nested);
}

pub fn worn() {
    let mut world = World::new(Settings { recycle: 2, ..settings() });
    world.ready();
    let first = world.give(Origin::Queue);
    let (worker, _) = world.at(first);
    world.done(first);
    let second = world.give(Origin::Queue);
    assert_eq!(world.at(second).0, worker);
    let out = world.done(second);
    assert!(out.contains(&Order::Leave(worker)), "{out:?}");
    assert!(out.iter().any(|order| matches!(order, Order::Bear(_))), "another is started for it");
    let third = world.give(Origin::Queue);
    assert_ne!(world.at(third).0, worker);
}
#[test]
fn a_worker_is_replaced_after_so_many_calls() {
    worn();
}

pub fn births_fail() {
    let mut world = World::new(settings());
    let mut pauses = Vec::new();
    for _ in 0..20 {
        for worker in world.alive() {
            world.says(worker, life::Event::Ended(Exit::Code(1)));
            world.step(Event::Swept(worker));
            world.unswept.remove(&worker);
        }
        if let Some(at) = world.pool.wake_at() {
            pauses.push(at.since(world.now));
            world.now = at;
            world.step(Event::Woken);
        }
    }
    let why = Why::EndedAtStart;
    assert_eq!(world.posture, Posture::GivenUp { why, exit: Exit::Code(1) });
    assert_eq!(pauses, [100, 200, 400, 800].map(Span::millis));
    assert!(pauses.iter().all(|pause| *pause <= PAUSE_MOST));
    assert_eq!(world.births, 3 + FAILURES_MOST - 1, "one at a time after the first failed");
    assert!(!world.pool.has_room(Origin::Queue));
    world.step(Event::Restart);
    assert_eq!(world.alive().len(), 3);
}

#[test]
fn births_that_fail_are_further_and_further_apart_and_given_up() {
    births_fail();
}

#[test]
fn one_good_call_between_births_that_fail_begins_the_count_anew() {
    let mut world = World::new(settings());
    let good = world.alive()[0];
    world.says(good, life::Event::Ready);
    for _ in 0..3 * FAILURES_MOST {
        let births = world.births;
        for worker in world.alive().into_iter().filter(|worker| *worker != good) {
            world.says(worker, life::Event::Failed(Turn(0), Class::RunTimeError));
            world.says(worker, life::Event::Ended(Exit::Signal(9)));
            world.step(Event::Swept(worker));
            world.unswept.remove(&worker);
        }
        let call = world.give(Origin::Queue);
        assert_eq!(world.at(call).0, good);
        world.done(call);
        world.step(Event::Settled(call));
        world.now += Span::secs(1);
        world.step(Event::Woken);
        assert!(world.births > births, "nothing is tried any more");
    }
    assert_eq!(world.posture, Posture::Serving);
}

#[test]
fn a_retired_generation_ends_what_it_has_and_says_when_it_is_gone() {
    let mut world = World::new(settings());
    world.ready();
    let call = world.give(Origin::Queue);
    let (worker, _) = world.at(call);
    let out = world.step(Event::Retire);
    assert_eq!(out.iter().filter(|order| matches!(order, Order::Leave(_))).count(), 3);
    assert!(!world.pool.has_room(Origin::Service));
    let out = world.done(call);
    assert_eq!(out, [Order::Keep(worker, call)]);
    let mut last = Vec::new();
    for worker in world.alive() {
        world.says(worker, life::Event::Ended(Exit::Code(0)));
        world.unswept.remove(&worker);
        last = world.step(Event::Swept(worker));
    }
    assert_eq!(last, [Order::Drained]);
}

#[test]
fn a_worker_that_leaves_as_it_was_told_is_no_failure() {
    let mut world = World::new(settings());
    for _ in 0..2 * FAILURES_MOST {
        world.ready();
        let worker = world.alive()[0];
        let out = world.says(worker, life::Event::Memory);
        assert!(out.contains(&Order::Leave(worker)), "{out:?}");
        world.says(worker, life::Event::Closed);
        world.says(worker, life::Event::Ended(Exit::Code(0)));
        world.step(Event::Swept(worker));
        world.unswept.remove(&worker);
        assert_eq!(world.alive().len(), 3, "another stands in its place at once");
    }
}

#[test]
fn what_cannot_be_loaded_is_not_deployed_and_what_fails_has_no_worker() {
    let why = |why| refusal(why, Exit::Code(1), String::new());
    let other = why(Why::Mismatch(Difference::Hash));
    assert!(matches!(other, Refusal::NotDeployed { .. }), "{other:?}");
    assert!(matches!(why(Why::EndedIdle), Refusal::NoWorker { .. }));
}

/// What processes say, and what the engine does with their calls.
struct Walk {
    chance: Chance,
    world: World,
}

impl Walk {
    fn some_word(&mut self, worker: Worker) -> life::Event {
        use life::Event::{Asked, Closed, Done, Ended, Failed, Flood, Hello, Memory, Ready, Wrong};
        let process = &self.world.processes[&worker];
        let former = process.former.last().copied().unwrap_or(Turn(0));
        let turn = process.began.map_or(former, |(turn, _)| turn);
        match self.chance.below(24) {
            0..7 => Ready,
            7..13 => Done(turn),
            13 => Done(former),
            14 => Asked(turn),
            15 => Failed(turn, Class::Abort),
            16 => Failed(turn, Class::Crash),
            17 => Wrong,
            18 => Closed,
            19 => Flood,
            20 => Memory,
            21 => Hello(None),
            _ => Ended(Exit::Code(3)),
        }
    }

    fn speak(&mut self) {
        let alive = self.world.alive();
        if alive.is_empty() {
            return;
        }
        let worker = self.chance.pick(&alive);
        let word = self.some_word(worker);
        // Who is ready does not say so again as often as that.
        let states: BTreeMap<Worker, State> = self.world.pool.workers().collect();
        if word == life::Event::Ready && states.get(&worker) == Some(&State::Ready) {
            return;
        }
        self.world.says(worker, word);
    }

    fn step(&mut self) {
        match self.chance.below(14) {
            0 if self.chance.one_in(2) => {
                let has = |(worker, process): (&Worker, &Process)| {
                    process.began.filter(|_| !process.ended).map(|_| *worker)
                };
                let busy: Vec<Worker> = self.world.processes.iter().filter_map(has).collect();
                if !busy.is_empty() {
                    let worker = self.chance.pick(&busy);
                    self.world.give_ahead(worker);
                }
            }
            0..3 => {
                let origin = self.chance.pick(&[Origin::Queue, Origin::Service]);
                self.world.give(origin);
            }
            3..10 => self.speak(),
            10 => self.world.now += Span::millis(self.chance.below(2_000) as u64),
            11 => {
                let kept: Vec<Run> = self.world.kept.iter().copied().collect();
                if !kept.is_empty() {
                    let run = self.chance.pick(&kept);
                    self.world.kept.remove(&run);
                    self.world.step(Event::Settled(run));
                }
            }
            12 if self.chance.one_in(2) => {
                let both = self.world.open.union(&self.world.kept);
                let all: Vec<Run> = both.copied().collect();
                if !all.is_empty() {
                    let run = self.chance.pick(&all);
                    self.world.step(Event::Undone(run));
                    self.world.forget(run);
                }
            }
            12 if self.chance.one_in(60) => {
                self.world.step(Event::Retire);
            }
            12 if self.chance.one_in(9) => {
                self.world.step(Event::Restart);
            }
            _ => self.sweep(),
        }
        self.world.step(Event::Woken);
    }

    fn sweep(&mut self) {
        if let Some(worker) = self.world.unswept.pop_first() {
            self.world.step(Event::Swept(worker));
        }
    }

    /// Every process ends: no call is left without an end.
    fn settle(&mut self) {
        self.world.step(Event::Retire);
        for worker in self.world.alive() {
            self.world.says(worker, life::Event::Ended(Exit::Signal(9)));
        }
        for _ in 0..self.world.unswept.len() {
            self.sweep();
        }
        assert!(self.world.open.is_empty(), "calls without an end: {:?}", self.world.open);
        assert_eq!(self.world.pool.workers().count(), 0);
    }
}

pub fn walk(seed: u64) {
    let mut chance = Chance::new(seed);
    let settings = Settings {
        recycle: chance.pick(&[0, 0, 3]),
        memory: chance.pick(&[Memory::Kept, Memory::Kept, Memory::None]),
        effects: chance.pick(&[Effects::Store, Effects::Outside]),
        ..settings()
    };
    let mut walk = Walk { chance, world: World::new(settings) };
    for _ in 0..200 {
        walk.step();
    }
    walk.settle();
}

#[test]
fn every_call_that_is_given_to_a_pool_has_one_end_whatever_its_processes_do() {
    (0..400).for_each(walk);
}
