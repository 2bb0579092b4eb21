//! Services that call services.

use tsugi_service_rules::call::Attempt;
use tsugi_service_rules::ground::Effects;
use tsugi_service_rules::nested::{
    Callee, Came, DEPTH_MOST, Link, Savepoint, Told, Waiting, Writer, comes, ended, may_call,
};
use tsugi_service_rules::refusal::{Busy, Refusal};
use tsugi_service_rules::stored::Ending;
use tsugi_service_rules::worker::life::{self, Exit};
use tsugi_service_rules::worker::pool::{
    Event, Free, Order, Origin, Pool, Posture, Prospect, Run, Settings, Worker,
};
use tsugi_vocabulary::Moment;

use crate::world::counted;

const SAME: Callee = Callee::SameStore(Effects::Store);
const OTHER: Callee = Callee::OtherStore;

fn chain<'a>(names: &[&'a str]) -> Vec<Link<'a>> {
    names.iter().map(|service| Link { service, effects: Effects::Store }).collect()
}

#[test]
fn a_service_is_not_called_by_whom_it_waits_for() {
    cycles();
}

pub fn cycles() {
    assert_eq!(may_call(&chain(&["a"]), "b", SAME, Writer::Held), Ok(()));
    let cycle = |of: &str| Err(Refusal::Cycle { service: of.to_owned() });
    assert_eq!(may_call(&chain(&["a", "b"]), "a", SAME, Writer::Held), cycle("a"));
    assert_eq!(may_call(&chain(&["a"]), "a", OTHER, Writer::Free), cycle("a"), "itself neither");
}

#[test]
fn so_many_services_wait_for_each_other_and_no_more() {
    depths();
}

pub fn depths() {
    let names: Vec<String> = (0..DEPTH_MOST).map(|n| format!("s{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(may_call(&chain(&names[1..]), "last", SAME, Writer::Held), Ok(()));
    let deep = Err(Refusal::TooDeep { most: DEPTH_MOST });
    assert_eq!(may_call(&chain(&names), "last", SAME, Writer::Held), deep);
    assert_eq!(may_call(&chain(&names), "last", OTHER, Writer::Held), deep, "before what it holds");
}

#[test]
fn who_holds_the_writer_does_not_wait_for_another_store() {
    stores();
}

pub fn stores() {
    let a = chain(&["a"]);
    assert_eq!(may_call(&a, "b", OTHER, Writer::Held), Err(Refusal::HoldsWriter));
    assert_eq!(may_call(&a, "b", OTHER, Writer::Free), Ok(()));
    assert_eq!(may_call(&a, "b", SAME, Writer::Free), Ok(()));
}

#[test]
fn what_only_reads_is_called_by_all_and_calls_only_what_reads() {
    readers();
}

pub fn readers() {
    let of = |service, effects| Link { service, effects };
    let (store, reads) = (of("a", Effects::Store), of("r", Effects::None));
    let outside = of("o", Effects::Outside);
    let may = |chain: &[Link<'_>], effects| {
        may_call(chain, "x", Callee::SameStore(effects), Writer::Held).err()
    };
    let only_reads = Some(Refusal::OnlyReads { service: "x".to_owned() });
    let acts = Some(Refusal::ActsOutside { service: "x".to_owned() });
    for chain in [[store].as_slice(), &[outside], &[outside, store]] {
        assert_eq!(may(chain, Effects::Store), None, "{chain:?}");
        assert_eq!(may(chain, Effects::None), None, "{chain:?}");
        assert_eq!(may(chain, Effects::Outside), acts, "{chain:?}");
    }
    for chain in [[reads].as_slice(), &[store, reads], &[reads, of("q", Effects::None)]] {
        assert_eq!(may(chain, Effects::Store), only_reads, "{chain:?}");
        assert_eq!(may(chain, Effects::None), None, "{chain:?}");
    }
}

#[test]
fn what_a_nested_call_did_is_kept_where_it_has_ended_in_order_and_nowhere_else() {
    ends();
}

pub fn ends() {
    let undone = |told| (Savepoint::RolledBack, told);
    assert_eq!(ended(&Came::Ended(Ending::Done)), (Savepoint::Kept, Told::Reply));
    for ending in [Ending::Refused, Ending::Abnormal, Ending::TimeLimit] {
        assert_eq!(ended(&Came::Ended(ending)), undone(Told::Failed), "{ending:?}");
    }
    assert_eq!(ended(&Came::TooLarge), undone(Told::TooLarge));
    assert_eq!(ended(&Came::Abandoned), undone(Told::Nothing));
    let service = || "x".to_owned();
    for (refusal, told) in [
        (Refusal::Cycle { service: service() }, Told::Cycle),
        (Refusal::TooDeep { most: 8 }, Told::TooDeep),
        (Refusal::HoldsWriter, Told::WriterHeld),
        (Refusal::OnlyReads { service: service() }, Told::NotAllowed),
        (Refusal::ActsOutside { service: service() }, Told::NotAllowed),
        (Refusal::NoSuchService { service: service() }, Told::Refused),
        (Refusal::Blocked { by: service(), reason: service() }, Told::Refused),
        (Refusal::NoWorker { why: "busy".into() }, Told::Refused),
        (Refusal::Busy(Busy::Contended), Told::Refused),
    ] {
        assert_eq!(ended(&Came::NotBegun(refusal.clone())), undone(told), "{refusal:?}");
    }
}

/// A pool, and how late it is.
struct World(Pool, Moment);

impl World {
    fn new(settings: Settings) -> Self {
        let mut world = Self(Pool::new(settings), Moment(100_000_000_000));
        world.step(Event::Woken);
        world
    }

    fn step(&mut self, event: Event) -> Vec<Order> {
        let mut out = Vec::new();
        self.0.step(self.1, event, &mut out);
        out
    }

    fn all(&mut self, event: life::Event) {
        let workers: Vec<Worker> = self.0.workers().map(|(worker, _)| worker).collect();
        for worker in workers {
            self.step(Event::Of(worker, event));
            self.step(Event::Swept(worker));
        }
    }

    fn give(&mut self, number: u64, from: Origin) -> Run {
        let run = (counted(1, number), Attempt { entry: number, number: 1 });
        assert!(matches!(self.step(Event::Give(run, from))[..], [Order::Begin(..)]));
        run
    }
}

#[test]
fn who_calls_another_service_waits_for_a_worker_only_where_one_is_born() {
    let mut world = World::new(Settings { start: 1, spare: 1, ..Settings::default() });
    assert_eq!(world.0.prospect(Origin::Service), Prospect::Coming, "the first");
    world.all(life::Event::Ready);
    world.give(1, Origin::Queue);
    assert_eq!(world.0.prospect(Origin::Service), Prospect::Ready, "one is left for it");
    let nested = world.give(2, Origin::Service);
    assert_eq!(
        world.0.prospect(Origin::Service),
        Prospect::None,
        "who has a call may wait for the writer"
    );
    let until = world.0.until(nested).expect("its clock goes");
    assert!(until > world.1);
    world.step(Event::Waits(nested));
    assert_eq!(world.0.until(nested), None);
    world.all(life::Event::Ended(Exit::Signal(9)));
    assert_eq!(world.0.prospect(Origin::Service), Prospect::Coming, "their successors");
    while world.0.posture() == Posture::Serving {
        world.all(life::Event::Ended(Exit::Code(1)));
        world.1 = world.0.wake_at().unwrap_or(world.1);
        world.step(Event::Woken);
    }
    assert_eq!(world.0.prospect(Origin::Service), Prospect::None, "births were given up");
}

#[test]
fn who_waits_for_a_worker_is_never_waited_for_by_whoever_has_it() {
    waits();
}

pub fn waits() {
    let run = |number: u64| (counted(1, number), Attempt { entry: number, number: 1 });
    let waiting = |who, had_by: &[u64]| Waiting {
        who: run(who),
        had_by: had_by.iter().map(|number| run(*number)).collect(),
    };
    assert!(comes(run(1), &[waiting(1, &[9])]), "who goes on leaves it");
    assert!(!comes(run(1), &[waiting(1, &[])]), "nobody has one");
    let in_turn = [waiting(1, &[2]), waiting(2, &[3]), waiting(3, &[1])];
    for who in 1..=3 {
        assert!(!comes(run(who), &in_turn), "{who} waits for itself");
    }
    let one_goes_on = [waiting(1, &[2]), waiting(2, &[3, 9]), waiting(3, &[1])];
    for who in 1..=3 {
        assert!(comes(run(who), &one_goes_on), "{who}: the third's or the ninth's");
    }
    let behind = [waiting(1, &[2]), waiting(2, &[1]), waiting(3, &[1, 2]), waiting(4, &[9])];
    assert!(!comes(run(3), &behind) && comes(run(4), &behind));
}

#[test]
fn a_worker_that_remembers_a_unit_is_free_for_that_unit_alone() {
    let free = Free::Settled;
    let mut world = World::new(Settings { start: 1, spare: 0, free, ..Settings::default() });
    world.all(life::Event::Ready);
    let run = |number: u64| (counted(1, number), Attempt { entry: number, number: 1 });
    let (unit, other) = (run(8), run(9));
    let first = world.give(1, Origin::Unit(unit));
    assert_eq!(world.0.had_by().collect::<Vec<_>>(), [unit]);
    let worker = world.0.worker(first).expect("it has one");
    let turn = match world.0.workers().find(|(has, _)| *has == worker).map(|(_, state)| state) {
        Some(life::State::Busy(has)) => has.turn,
        state => panic!("{state:?}"),
    };
    world.step(Event::Of(worker, life::Event::Done(turn)));
    assert_eq!(world.0.prospect(Origin::Unit(other)), Prospect::None, "it remembers the first");
    assert_eq!(world.0.had_by().collect::<Vec<_>>(), [unit]);
    let second = world.give(2, Origin::Unit(unit));
    assert_eq!(world.0.worker(second), Some(worker));
}

#[test]
fn who_calls_again_finds_the_worker_that_remembers_where_it_is_free() {
    again();
}

pub fn again() {
    let mut world = World::new(Settings { start: 1, spare: 1, ..Settings::default() });
    let both: Vec<Worker> = world.0.workers().map(|(worker, _)| worker).collect();
    let [one, second] = both[..] else { panic!("{both:?}") };
    world.step(Event::Of(second, life::Event::Ready));
    let first = world.give(1, Origin::Service);
    let turn = life::Turn(1);
    world.step(Event::Of(second, life::Event::Done(turn)));
    world.step(Event::Of(one, life::Event::Ready));
    let run = |number| (counted(1, number), Attempt { entry: number, number: 1 });
    let begun = world.step(Event::Follow(run(2), first));
    assert!(matches!(begun[..], [Order::Begin(worker, ..)] if worker == second), "{begun:?}");
    let begun = world.step(Event::Follow(run(3), first));
    assert!(matches!(begun[..], [Order::Begin(worker, ..)] if worker != second), "{begun:?}");
}
