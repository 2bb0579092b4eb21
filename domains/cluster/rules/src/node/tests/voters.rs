//! The leader orders the change of the voters that is due, and goes on ordering it (L6).

use super::*;
use crate::lease::voter_list::Seat;
use crate::record::{Restored, Versioned};
use crate::timing::LONGEST_TTL;

fn kept_by_three() -> Record {
    let voters = BTreeMap::from([(name("a"), 1), (name("b"), 2), (name("c"), 3)]);
    let mut record = Record { voters, highest_voter: 3, ..record() };
    record.nodes.remove(&name("c"));
    record
}

fn ordered(bench: &Bench) -> usize {
    let change = VoterChange::Remove(Seat { node: name("c"), voter: 3 });
    let known = bench.record.membership;
    bench.voter_changes.iter().filter(|c| **c == (change.clone(), known)).count()
}

/// Beats of b for this long.
fn hear_b(bench: &mut Bench, first: u64, time: Span) -> u64 {
    let mut sequence = first;
    let end = bench.now + time;
    while bench.now < end {
        let beat = beat_of("b", sequence, &bench.record.clone());
        bench.tell(Event::Heard { via: via(0), beat: beat.into() });
        bench.pass(Span::millis(50));
        sequence += 1;
    }
    sequence
}

#[test]
fn l6_the_leader_takes_the_vote_of_a_node_that_left_away_after_the_wait() {
    let mut bench = Bench::new(kept_by_three());
    let next = hear_b(&mut bench, 1, LONGEST_TTL + LONGEST_TTL);
    assert_eq!(bench.voter_changes, [], "b leads");
    bench.tell(Event::Leader { term: 2, leader: Some(name("a")) });
    let next = hear_b(&mut bench, next, Span::millis(100));
    assert_eq!(ordered(&bench), 1, "what it heard before it led counts");
    let next = hear_b(&mut bench, next, Span::secs(1));
    assert_eq!(ordered(&bench), 2, "the ledger did nothing, so it is ordered again");
    bench.record.membership = bench.record.membership.next();
    bench.record.voters.remove(&name("c"));
    bench.record.applied = Index(bench.record.applied.0 + 1);
    bench.tell(Event::Applied(Arc::new(bench.record.clone())));
    bench.voter_changes.clear();
    hear_b(&mut bench, next, Span::secs(3));
    assert_eq!(bench.voter_changes, [], "nothing is due any more");
}

#[test]
fn l6_a_leader_that_hears_no_majority_of_the_list_changes_nothing() {
    let mut bench = Bench::new(kept_by_three());
    bench.tell(Event::Leader { term: 2, leader: Some(name("a")) });
    bench.pass(Span::secs(3));
    assert_eq!(bench.voter_changes, []);
}

#[test]
fn l6_the_vote_of_a_node_that_was_taken_out_carries_the_change_that_another_waits_for() {
    let mut record = kept_by_three();
    // b lost its disk and came in anew: its former vote is nobody's, so a needs that of c.
    let value = Arc::new(NodeRecord::new(4));
    record.nodes.insert(name("b"), Versioned { version: record.applied, value });
    let mut bench = Bench::new(record);
    bench.tell(Event::Leader { term: 2, leader: Some(name("a")) });
    hear_b(&mut bench, 1, LONGEST_TTL + LONGEST_TTL);
    assert_eq!(bench.voter_changes, [], "without c no majority would be left");
    let end = bench.now + LONGEST_TTL + LONGEST_TTL;
    for sequence in 1.. {
        let beat = beat_of("c", sequence, &bench.record);
        bench.tell(Event::Heard { via: via(0), beat: beat.into() });
        bench.pass(Span::millis(50));
        if bench.now >= end {
            break;
        }
    }
    let first = bench.voter_changes.first().map(|(change, _)| change.clone());
    let former = Seat { node: name("b"), voter: 2 };
    assert_eq!(first, Some(VoterChange::Remove(former)));
}

#[test]
fn l4_after_the_last_needed_voter_came_in_a_restored_ledger_promises_nothing_for_the_longest_ttl() {
    let mut record = kept_by_three();
    record.voters = BTreeMap::from([(name("a"), 4)]);
    for (n, voter) in [("a", 4), ("b", 2), ("c", 3)] {
        let value = Arc::new(NodeRecord::new(voter));
        record.nodes.insert(name(n), Versioned { version: record.applied, value });
    }
    let former = vec![["a", "b", "c"].map(name).into()];
    record.restored = Some(Arc::new(Restored { first: 4, former, ..Restored::default() }));
    let mut bench = Bench::new(record);
    bench.voters.clear();
    bench.pass(LONGEST_TTL + LONGEST_TTL);
    bench.give(|_| ());
    bench.pass(Span::secs(5));
    assert!(bench.done.iter().all(|d| !d.starts_with("start")), "{:?}", bench.done);

    let came_in = NodeRecord::new(5);
    let draft = Draft::default().write(Write::Node(name("b"), Arc::new(came_in)));
    bench.record.apply(&draft, Index(bench.record.applied.0 + 1));
    bench.tell(Event::Applied(Arc::new(bench.record.clone())));
    let since = bench.now;
    while !bench.done.iter().any(|d| d.starts_with("start")) {
        bench.pass(Span::millis(5));
        assert!(bench.now.since(since) < Span::secs(5), "{:?}", bench.done);
    }
    assert!(bench.now.since(since) >= LONGEST_TTL, "b may have promised just before it came in");
}
