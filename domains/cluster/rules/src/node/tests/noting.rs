//! What a node writes down of what happens to it.

use super::*;
use crate::record::Happening;

/// What the ledger took from this node as events, in order.
fn told(bench: &Bench) -> Vec<Happening> {
    let mut all = Vec::new();
    for write in bench.taken.iter().flat_map(|d| &d.writes) {
        if let Write::Event(event) = write {
            all.push(event.what.clone());
        }
    }
    all
}

#[test]
fn a_guardian_that_was_lost_is_written_down() {
    let mut bench = Bench::running(record());
    bench.tell(Event::GuardianLost);
    bench.pass(Span::millis(200));
    assert!(told(&bench).contains(&Happening::GuardianLost { node: name("a") }));
}

#[test]
fn what_a_ledger_refuses_that_is_ahead_of_this_node_is_told_again() {
    let mut bench = Bench::running(record());
    bench.ledger = Ledger::Ahead;
    bench.tell(Event::GuardianLost);
    bench.pass(Span::millis(100));
    assert_eq!(told(&bench), []);
    bench.ledger = Ledger::Answers;
    bench.pass(Span::millis(200));
    let lost = Happening::GuardianLost { node: name("a") };
    assert_eq!(told(&bench).iter().filter(|what| **what == lost).count(), 1);
}

#[test]
fn a_guardian_that_acted_is_written_down_once_and_only_if_something_was_here() {
    let mut bench = Bench::running(record());
    for _ in 0..2 {
        bench.tell(Event::GuardianReleased { group: pay(), epoch: epoch(1) });
        bench.pass(Span::millis(100));
    }
    bench.tell(Event::GuardianReleased { group: pay(), epoch: epoch(9) });
    bench.pass(Span::millis(100));
    let acted = Happening::GuardianActed { node: name("a") };
    assert_eq!(told(&bench).iter().filter(|what| **what == acted).count(), 1);
}

#[test]
fn a_new_agent_says_which_running_groups_it_took_over_and_nothing_when_it_found_none() {
    let mut found = record();
    let mut group = owned(1, "a");
    let Ownership::Owned { phase, .. } = &mut group.ownership else { unreachable!() };
    *phase = Phase::Running;
    found.apply(&Draft::default().write(Write::Group(pay(), Arc::new(group))), Index(2));
    for (here, says) in [(vec!["vip", "server"], true), (vec!["vip"], false)] {
        let here = here.into_iter().map(resource_name).collect();
        let mut bench = Bench::finding(found.clone(), here);
        bench.pass(Span::secs(2));
        let what = Happening::Readopted { node: name("a"), groups: vec![pay()] };
        assert_eq!(told(&bench).contains(&what), says, "{:?}", told(&bench));
    }
}

#[test]
fn a_start_that_failed_half_way_is_written_down_as_undone_once_nothing_is_left() {
    let mut bench = Bench::new(record());
    bench.failing = Some("server");
    bench.give(|_| ());
    bench.pass(Span::millis(200));
    assert_eq!(bench.done[..4], ["start vip", "start server", "stop server", "stop vip"]);
    let undone = Happening::StartUndone { resource: resource_name("server"), up: 1 };
    assert!(told(&bench).contains(&undone), "{:?}", told(&bench));
    let mut bench = Bench::new(record());
    bench.failing = Some("vip");
    bench.give(|_| ());
    bench.pass(Span::millis(200));
    let undone = |what: &Happening| matches!(what, Happening::StartUndone { .. });
    assert!(!told(&bench).iter().any(undone), "nothing was up: {:?}", told(&bench));
}
