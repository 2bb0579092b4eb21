//! L6: who keeps the ledger changes one by one, and slowly enough for every lease to follow.

use std::collections::BTreeSet;
use std::sync::Arc;

use tsugi_vocabulary::{Generation, Moment, NodeName, Span, Wall};

use super::scene::{TTL, group, ms, name, owned, stretched, voter, wanting, with, with_a_fourth};
use crate::lease::heartbeat::{Health, NoPromise};
use crate::lease::margin::{Left, weaker_without};
use crate::lease::voter_list::{Seat, Spread, VoterChange, due};
use crate::record::{Gone, NodeRecord, Ownership, Record, Versioned};
use crate::spec::LedgerPlace;
use crate::timing::{LONGEST_TTL, TTL_CAP};

/// The voters a, b and c under the numbers 1 to 3, all of them joined and configured.
fn three() -> Record {
    let mut record = owned("a", 1, 5);
    for (n, voter) in [("a", 1), ("b", 2), ("c", 3)] {
        record.voters.insert(name(n), voter);
        record = joined(record, n, voter);
    }
    Record { highest_voter: 3, ..record }
}

fn joined(mut record: Record, n: &str, voter: u64) -> Record {
    let value = Arc::new(NodeRecord::new(voter));
    record.nodes.insert(name(n), Versioned { version: record.applied, value });
    record
}

fn left(mut record: Record, n: &str) -> Record {
    record.nodes.remove(&name(n));
    record
}

/// The configuration names d as well, and it has joined as `voter`; the list is the old one.
fn with_d(record: Record, voter: u64) -> Record {
    let list = record.membership;
    joined(Record { membership: list, ..with_a_fourth(record) }, "d", voter)
}

/// The same record after the list has changed.
fn changed(mut record: Record, change: impl FnOnce(&mut Record)) -> Record {
    record.membership = record.membership.next();
    change(&mut record);
    record
}

#[test]
fn l12_an_even_number_of_voters_can_lose_no_more_than_the_odd_one_below_it() {
    let left = |voters, spare| Some(Left { voters, spare });
    let mut record = three();
    assert_eq!(weaker_without(&record, &name("c")), left(2, 0));
    assert_eq!(weaker_without(&record, &name("d")), None, "it has no vote");
    for (n, voter) in [("d", 4), ("e", 5)] {
        record.voters.insert(name(n), voter);
    }
    assert_eq!(weaker_without(&record, &name("e")), left(4, 1));
    record.voters.remove(&name("e"));
    assert_eq!(weaker_without(&record, &name("d")), None, "three can lose one, as four can");
    record.voters.retain(|n, _| ["a", "b"].contains(&n.as_str()));
    assert_eq!(weaker_without(&record, &name("b")), left(1, 0));
}

fn names(heard: &str) -> BTreeSet<NodeName> {
    heard.split_whitespace().map(name).collect()
}

/// Known to all three at the moment 0.
fn known(record: &Record) -> Spread {
    let mut spread = Spread::default();
    tell(&mut spread, ms(0), record, "a b c");
    spread
}

fn tell(spread: &mut Spread, now: Moment, record: &Record, nodes: &str) {
    for node in names(nodes) {
        spread.tell(now, record, (&node, record.membership));
    }
}

fn after_the_wait() -> Moment {
    ms(0) + LONGEST_TTL
}

fn add(n: &str, voter: u64) -> VoterChange {
    VoterChange::Add(Seat { node: name(n), voter })
}

fn remove(n: &str, voter: u64) -> VoterChange {
    VoterChange::Remove(Seat { node: name(n), voter })
}

#[test]
fn l6_nothing_is_due_while_the_voters_are_the_joined_nodes_of_the_configuration() {
    let record = three();
    assert_eq!(due(&record, &known(&record), &names("a b c"), after_the_wait()), None);
    let configured = Record { nodes: three().nodes, ..with_a_fourth(three()) };
    let spread = known(&configured);
    let heard = names("a b c d");
    assert_eq!(due(&configured, &spread, &heard, after_the_wait()), None, "d has not joined");
    let joined = joined(three(), "d", 4);
    assert_eq!(due(&joined, &known(&joined), &heard, after_the_wait()), None, "d is not wanted");
}

#[test]
fn l6_a_joined_node_of_the_configuration_becomes_a_voter_once_it_is_heard() {
    let record = with_d(three(), 4);
    let spread = known(&record);
    assert_eq!(due(&record, &spread, &names("a b c"), after_the_wait()), None);
    let change = due(&record, &spread, &names("a b c d"), after_the_wait());
    assert_eq!(change, Some(add("d", 4)));
}

#[test]
fn l6_a_node_that_left_or_is_not_configured_loses_its_vote() {
    let record = left(three(), "c");
    let spread = known(&record);
    for heard in ["a b", "a b c"] {
        let change = due(&record, &spread, &names(heard), after_the_wait());
        assert_eq!(change, Some(remove("c", 3)));
    }
    let mut record = three();
    Arc::make_mut(record.config.as_mut().unwrap()).spec.nodes.remove(&name("c"));
    let change = due(&record, &known(&record), &names("a b c"), after_the_wait());
    assert_eq!(change, Some(remove("c", 3)));
}

#[test]
pub fn l6_the_list_changes_again_only_after_the_longest_time_of_a_promise() {
    let record = left(with_d(three(), 4), "c");
    let spread = known(&record);
    let heard = names("a b c d");
    let before = ms(0) + LONGEST_TTL.saturating_sub(Span(1));
    assert_eq!(due(&record, &spread, &heard, before), None);
    assert!(due(&record, &spread, &heard, after_the_wait()).is_some());
}

#[test]
pub fn cl_35_after_any_stretch_the_list_waits_for_the_longest_lease_there_is() {
    let mut record = stretched(left(with_d(three(), 4), "c"), 2);
    for over in [None, Some(Wall(1))] {
        let stretch = Arc::make_mut(record.stretch.as_mut().unwrap());
        stretch.over = over;
        let spread = known(&record);
        let heard = names("a b c d");
        let before = ms(0) + TTL_CAP.saturating_sub(Span(1));
        assert_eq!(due(&record, &spread, &heard, before), None, "over: {over:?}");
        assert!(due(&record, &spread, &heard, ms(0) + TTL_CAP).is_some());
    }
}

#[test]
pub fn l6_the_wait_counts_from_when_a_majority_of_the_new_list_has_applied_it() {
    let old = left(with_d(three(), 4), "c");
    let mut spread = known(&old);
    let record = changed(old, |record| {
        record.voters.insert(name("d"), 4);
    });
    let heard = names("a b c d");
    let late = ms(60_000);
    // The leader and one more are two of four.
    tell(&mut spread, ms(1), &record, "a b");
    spread.tell(ms(2), &record, (&name("c"), Generation(record.membership.0 - 1)));
    spread.tell(ms(2), &record, (&name("x"), record.membership));
    assert_eq!(due(&record, &spread, &heard, late), None, "c lags, and x has no vote");
    tell(&mut spread, late, &record, "d");
    assert_eq!(due(&record, &spread, &heard, late), None);
    assert_eq!(due(&record, &spread, &heard, late + LONGEST_TTL), Some(remove("c", 3)));
}

#[test]
fn l6_a_leader_that_has_just_started_counts_anew() {
    let record = left(three(), "c");
    let mut fresh = Spread::default();
    fresh.tell(ms(0), &record, (&name("a"), record.membership));
    assert_eq!(due(&record, &fresh, &names("a b"), ms(60_000)), None);
}

#[test]
fn l6_one_voter_changes_at_a_time_and_votes_of_nobody_go_first() {
    let mut record = left(joined(with_d(three(), 4), "b", 5), "c");
    let mut spread = known(&record);
    let mut now = after_the_wait();
    let mut seen = Vec::new();
    while let Some(change) = due(&record, &spread, &names("a b c d"), now) {
        seen.push(change.clone());
        record = changed(record, |record| {
            let _former = match change {
                VoterChange::Add(seat) => record.voters.insert(seat.node, seat.voter),
                VoterChange::Remove(seat) => record.voters.remove(&seat.node),
            };
        });
        tell(&mut spread, now, &record, "a b c d");
        now += LONGEST_TTL;
    }
    // b came back under another number; c left and is still there.
    assert_eq!(seen, [remove("b", 2), add("d", 4), add("b", 5), remove("c", 3)]);
}

#[test]
pub fn l6_a_change_after_which_no_majority_is_heard_waits() {
    let record = left(three(), "b");
    let spread = known(&record);
    assert_eq!(due(&record, &spread, &names("a b"), after_the_wait()), None, "c is silent");
    assert_eq!(due(&record, &spread, &names("a c"), after_the_wait()), Some(remove("b", 2)));
    let alone = left(left(three(), "b"), "c");
    let change = due(&alone, &known(&alone), &names("a"), after_the_wait());
    assert_eq!(change, None, "one of two is no majority");
}

#[test]
fn l6_a_number_is_never_given_out_twice() {
    let record = three();
    assert_eq!(record.next_voter(), 4);
    let mut record = joined(record, "d", 4);
    assert_eq!(record.next_voter(), 5, "joined, and no voter yet");
    record.nodes.remove(&name("d"));
    record.gone.insert(name("d"), Gone { voter: 4, certificate: None });
    assert_eq!(record.next_voter(), 5, "gone before it had a vote");
    record.highest_voter = 7;
    assert_eq!(record.next_voter(), 8, "the ledger had more before");
}

#[test]
pub fn l6_a_vote_is_of_its_number_and_of_no_other() {
    // c lost its disk with all it had promised; b has the group from the answers of b and c.
    let old = with(three(), |g| {
        if let Ownership::Owned { node, .. } = &mut g.ownership {
            *node = name("b");
        }
    });
    let record = joined(old.clone(), "c", 4);
    let mut asks = wanting("b", &record);
    let beat = asks.compose(ms(0), TTL, &record, Health::default());
    for known in [&old, &record] {
        let mut fresh = voter("c").numbered(Some(4));
        let ack = fresh.on_heartbeat(ms(1), &beat, known).ack.unwrap();
        assert_eq!(ack.refused, [(group(), NoPromise::OtherMembership)], "it has no vote yet");
    }
    let own = voter("b").numbered(Some(2)).on_heartbeat(ms(1), &beat, &record).ack.unwrap();
    assert_eq!(own.refused, []);
    assert_eq!(asks.on_ack(ms(1), &own, &record), []);
    let mut former = voter("c").numbered(Some(3));
    let ack = former.on_heartbeat(ms(1), &beat, &old).ack.unwrap();
    assert_eq!(asks.on_ack(ms(2), &ack, &record), [], "nobody uses the listed number any more");
    let list = changed(record, |r| _ = r.voters.insert(name("c"), 4));
    let mut asks = wanting("b", &list);
    let beat = asks.compose(ms(10), TTL, &list, Health::default());
    for (n, number) in [("b", 2), ("c", 4)] {
        let ack = voter(n).numbered(Some(number)).on_heartbeat(ms(11), &beat, &list).ack.unwrap();
        let moved = asks.on_ack(ms(12), &ack, &list);
        assert_eq!(moved.len(), usize::from(n == "c"), "listed under its own number it counts");
    }
}

/// The voters a and b, and a disk; b has come in again under the number 4.
fn two_and_a_disk() -> Record {
    let mut record = three();
    let config = Arc::make_mut(record.config.as_mut().unwrap());
    config.spec.nodes.remove(&name("c"));
    config.spec.ledger = LedgerPlace::OnDisk(Default::default());
    record.nodes.remove(&name("c"));
    record.voters.remove(&name("c"));
    joined(record, "b", 4)
}

#[test]
pub fn l6_the_disk_goes_by_a_list_once_a_claim_there_names_it() {
    let record = two_and_a_disk();
    let mut spread = Spread::default();
    tell(&mut spread, ms(0), &record, "a");
    assert_eq!(spread.over_at(&record), None, "one vote of three");
    spread.tell_disk(ms(5), &record, Generation::NONE);
    assert_eq!(spread.over_at(&record), None, "of another list");
    spread.tell_disk(ms(9), &record, record.membership);
    let over = ms(9) + LONGEST_TTL;
    assert_eq!(spread.over_at(&record), Some(over));
    let heard = names("a b");
    assert_eq!(due(&record, &spread, &heard, Moment(over.0 - 1)), None);
    let former = Seat { node: name("b"), voter: 2 };
    assert_eq!(due(&record, &spread, &heard, over), Some(VoterChange::Remove(former)));
    let record = changed(record, |record| {
        record.voters.remove(&name("b"));
    });
    tell(&mut spread, over, &record, "a");
    assert_eq!(due(&record, &spread, &heard, over + LONGEST_TTL), None, "the disk is not told");
    spread.tell_disk(over, &record, record.membership);
    let next = Seat { node: name("b"), voter: 4 };
    let added = due(&record, &spread, &heard, over + LONGEST_TTL);
    assert_eq!(added, Some(VoterChange::Add(next)));
}
