//! Time-outs that are longer for a while: who is silent when, and how it ends (CL-35).

use super::*;
use crate::plan::Life;
use crate::record::{LeasesBefore, Order as Ordered, Restored, Stretch, Versioned};
use crate::timing::{TTL_CAP, Timing};

const WITHIN: Span = Span::secs(20);

impl Bench {
    /// Every time-out is longer from now on, by an order of this moment.
    fn stretch(&mut self, ratio: u32, at: Wall) {
        let (by, reason) = ("mika".to_owned(), "storage move".to_owned());
        let order = Ordered { by, reason, at, command: "c-1".to_owned() };
        let stretch = Stretch { ratio, order, within: WITHIN, over: None };
        self.put_in(Write::Stretch(Arc::new(stretch)));
    }

    fn put_in(&mut self, write: Write) {
        self.record.apply(&Draft::default().write(write), Index(self.record.applied.0 + 1));
        self.tell(Event::Applied(Arc::new(self.record.clone())));
    }

    fn time(&self) -> Wall {
        Wall(self.now.0 / 1_000_000)
    }

    /// Beats of b and c under the times in force.
    fn hear_all(&mut self, time: Span) {
        let end = self.now + time;
        while self.now < end {
            for sender in ["b", "c"] {
                let ttl = self.record.timing().ttl;
                let beat = Heartbeat { ttl, ..beat_of(sender, self.now.0, &self.record) };
                self.tell(Event::Heard { via: via(0), beat: beat.into() });
            }
            self.pass(Span::millis(50));
        }
    }

    fn is_silent(&self, node: &str) -> bool {
        matches!(self.node.sights(self.now)[&name(node)].life, Life::Silent { .. })
    }

    fn over(&self) -> bool {
        self.record.stretched().is_none()
    }
}

#[test]
fn cl_35_who_was_silent_before_a_stretch_is_missed_anew_after_it() {
    let mut bench = Bench::new(record());
    bench.hear_all(Span::secs(2));
    bench.pass(Span::millis(500));
    assert!(bench.is_silent("b"));
    let at = bench.time();
    bench.stretch(5, at);
    assert!(!bench.is_silent("b"), "its lease may have been a long one");
    let wakes = |bench: &Bench| bench.node.next_silence(bench.now);
    assert!(wakes(&bench).is_some(), "somebody looks when that is over");
}

#[test]
fn cl_35_a_node_asks_for_the_longer_lease_and_calls_nobody_silent_before_it_would_end() {
    let mut bench = Bench::new(record());
    bench.hear_all(Span::secs(2));
    let at = bench.time();
    bench.stretch(5, at);
    bench.hear_all(Span::secs(1));
    assert_eq!(bench.beats.last().unwrap().ttl, Span::millis(2_800));
    assert_eq!(bench.beats.last().unwrap().health.ratio, Some(5));
    bench.pass(Span::millis(2_500));
    assert!(!bench.is_silent("b"), "its lease has not ended");
    bench.pass(Span::millis(300));
    assert!(bench.is_silent("b"));
}

#[test]
fn cl_35_who_was_last_heard_under_a_stretch_is_waited_for_as_long_as_it_asked_for() {
    let mut bench = Bench::new(record());
    let at = bench.time();
    bench.stretch(5, at);
    bench.hear_all(Span::secs(1));
    let over = Stretch { over: Some(at), ..(**bench.record.stretch.as_ref().unwrap()).clone() };
    bench.put_in(Write::Stretch(Arc::new(over)));
    assert_eq!(bench.node.timing(), Timing::of(Profile::Default), "as the profile has them");
    bench.pass(Span::secs(2));
    assert!(!bench.is_silent("b"), "it may know nothing of the end");
    bench.pass(Span::millis(800));
    assert!(bench.is_silent("b"));
    // Once it has asked for less, that is what holds.
    bench.hear_all(Span::millis(100));
    bench.pass(Span::millis(600));
    assert!(bench.is_silent("b"));
}

#[test]
fn cl_35_it_ends_by_itself_and_the_leader_says_so_in_the_ledger() {
    let mut bench = Bench::new(record());
    bench.tell(Event::Leader { term: 2, leader: Some(name("a")) });
    bench.hear_all(Span::secs(2));
    let at = bench.time();
    bench.stretch(5, at);
    bench.hear_all(WITHIN.saturating_sub(Span::secs(1)));
    assert!(!bench.over());
    bench.hear_all(Span::secs(2));
    assert!(bench.over(), "an entry of the leader");
    assert_eq!(bench.record.timing(), Timing::of(Profile::Default));
    assert_eq!(bench.beats.last().unwrap().ttl, Span::millis(560));
    let audit = bench.taken.iter().flat_map(|draft| &draft.writes).find_map(|write| match write {
        Write::Audit(line) => Some(line),
        _ => None,
    });
    let audit = audit.expect("a line of the audit");
    assert_eq!((audit.person.as_str(), audit.command.as_str()), ("mika", "c-1-end"));
    assert!(bench.record.stretch.is_some(), "who changes the voters has to know of it");
}

#[test]
fn cl_35_whoever_leads_next_ends_it_at_its_time_and_one_that_does_not_lead_never() {
    let mut bench = Bench::new(record());
    bench.hear_all(Span::secs(5));
    // Ordered before this node looked: 15 of its 20 seconds are over by the wall.
    let at = Wall(bench.time().0 - 15_000);
    bench.stretch(5, at);
    bench.hear_all(Span::secs(10));
    assert!(!bench.over(), "b leads");
    bench.tell(Event::Leader { term: 2, leader: Some(name("a")) });
    bench.hear_all(Span::secs(1));
    assert!(bench.over());
}

#[test]
fn cl_35_what_a_voter_has_to_keep_is_written_when_it_promises_long_and_when_that_is_over() {
    let mut bench = Bench::running(record());
    let at = bench.time();
    bench.kept.clear();
    bench.stretch(5, at);
    bench.hear_all(Span::secs(1));
    assert_eq!(bench.kept, [Span::millis(2_800)], "its own group asks it as well");
    let over = Stretch { over: Some(at), ..(**bench.record.stretch.as_ref().unwrap()).clone() };
    bench.put_in(Write::Stretch(Arc::new(over)));
    bench.hear_all(Span::secs(2));
    assert_eq!(bench.kept.len(), 1, "promises of the stretch still run");
    bench.hear_all(Span::secs(1));
    assert_eq!(bench.kept[1..], [Span::millis(560)]);
}

/// A ledger that a made anew, of which nobody who kept the former one is out there any more.
fn restored(leases: LeasesBefore) -> Record {
    let mut record = record();
    for (n, voter) in [("a", 4), ("b", 5), ("c", 6)] {
        let value = Arc::new(NodeRecord::new(voter));
        record.nodes.insert(name(n), Versioned { version: record.applied, value });
    }
    let former = vec![["a", "b", "c"].map(name).into()];
    record.restored = Some(Arc::new(Restored { first: 4, former, leases, ..Restored::default() }));
    record
}

#[test]
fn cl_35_a_restored_ledger_waits_for_the_longest_lease_there_is_once() {
    let mut bench = Bench::new(restored(LeasesBefore::MayRun));
    bench.voters.clear();
    bench.tell(Event::Leader { term: 2, leader: Some(name("a")) });
    bench.give(|_| ());
    bench.hear_all(TTL_CAP.saturating_sub(Span::millis(200)));
    let leases = |bench: &Bench| bench.record.restored.as_ref().unwrap().leases;
    assert_eq!(leases(&bench), LeasesBefore::MayRun);
    assert_eq!(bench.quiet_for(), Some(TTL_CAP), "nobody knows what was promised");
    bench.hear_all(Span::secs(1));
    assert_eq!(leases(&bench), LeasesBefore::RanOut, "written down by the leader");
    assert_eq!(bench.quiet_for(), Some(TTL_CAP), "and nobody waits for it again");
    let next = Bench::new(restored(LeasesBefore::RanOut));
    assert_eq!(next.quiet_for(), None, "nor who starts later");
}
