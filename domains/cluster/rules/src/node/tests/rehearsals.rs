//! A drill beside the running group: carried out once by the life that it names, ended by what
//! goes first.

use super::*;
use crate::drill::rehearsal::{Beside, Came, Showed};
use crate::drill::{Depth, Rehearsal};
use crate::record::Order as Ordered;

/// The group runs on b, and this node, a, is to show it.
fn ordered(boot: BootId, command: &str) -> GroupRecord {
    let order = Ordered {
        by: "mika".to_owned(),
        reason: "drill".to_owned(),
        at: Wall(10_000),
        command: command.to_owned(),
    };
    let mut entry = owned(2, "b");
    if let Ownership::Owned { phase, .. } = &mut entry.ownership {
        *phase = Phase::Running;
    }
    entry.drills.rehearsal = Some(Box::new(Rehearsal {
        order,
        depth: Depth::Read,
        owner: name("b"),
        epoch: entry.epoch,
        on: name("a"),
        on_boot: boot,
        limit: Span::secs(120),
        state: Beside::UnderWay,
        parts: Vec::new(),
        fault: None,
    }));
    entry
}

fn state(bench: &Bench) -> Beside {
    bench.group().drills.rehearsal.as_deref().expect("one was ordered").state
}

fn came(bench: &Bench) -> Option<Came> {
    match state(bench) {
        Beside::UnderWay => None,
        Beside::Ended { came, .. } => Some(came),
    }
}

fn showed(command: &str) -> Event {
    let showed = Showed { parts: Vec::new(), fault: None };
    Event::Rehearsed { command: command.to_owned(), showed }
}

#[test]
fn it_is_carried_out_once_and_what_it_came_to_is_an_entry() {
    let mut bench = Bench::new(record());
    bench.write(ordered(BOOT, "c1"));
    assert_eq!(bench.done, ["rehearse PAY read"]);
    bench.pass(Span::secs(1));
    assert_eq!(bench.done.len(), 1);
    bench.tell(showed("c0"));
    assert_eq!(came(&bench), None, "that was another");
    bench.tell(showed("c1"));
    assert_eq!(came(&bench), Some(Came::Proven));
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, ["rehearse PAY read"], "what is over is not ended once more");
}

#[test]
fn one_that_another_life_was_to_show_is_not_begun() {
    let mut bench = Bench::new(record());
    bench.write(ordered(BootId(4711), "c1"));
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, Vec::<String>::new());
}

#[test]
fn what_goes_first_ends_it_at_once_and_it_is_not_begun_again() {
    let mut bench = Bench::new(record());
    bench.write(ordered(BOOT, "c1"));
    bench.change(|group| group.epoch = epoch(3));
    assert_eq!(bench.done, ["rehearse PAY read", "end rehearsal"]);
    bench.tell(showed("c1"));
    assert_eq!(came(&bench), None, "that comes too late: who leads ends it");
    bench.pass(Span::secs(1));
    assert_eq!(bench.done.len(), 2);
}

#[test]
fn who_leads_ends_what_was_disturbed_and_what_a_former_life_was_to_show() {
    let mut bench = Bench::new(record());
    bench.tell(Event::Leader { term: 2, leader: Some(name("a")) });
    for sequence in 1..20 {
        for sender in ["b", "c"] {
            let beat = beat_of(sender, bench.now.0 + sequence, &bench.record).into();
            bench.tell(Event::Heard { via: via(0), beat });
        }
        bench.pass(Span::millis(100));
    }
    bench.write(ordered(BOOT, "c1"));
    assert_eq!(came(&bench), None);
    bench.change(|group| group.epoch = epoch(3));
    bench.pass(Span::millis(100));
    assert_eq!(came(&bench), Some(Came::Interrupted));
    bench.write(ordered(BootId(4711), "c2"));
    bench.pass(Span::millis(100));
    assert_eq!(came(&bench), Some(Came::Interrupted), "that life of it is over");
}
