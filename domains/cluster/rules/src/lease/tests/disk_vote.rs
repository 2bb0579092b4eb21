//! The vote of a disk that the nodes a and b share.

use std::collections::BTreeMap;

use tsugi_vocabulary::{BootId, Claim, Claims, Generation, Held, Moment, Span};

use super::scene::{
    TTL, asks, boot_of, epoch, fenced, group, ms, name, owned, pinned_to, releases, want, with,
};
use crate::lease::disk_vote::{Asks, DiskVote};
use crate::lease::heartbeat::{Ack, Health, Heartbeat, NoPromise};
use crate::lease::holder::Holder;
use crate::lease::{has_disk, voters};
use crate::record::Record;
use crate::spec::LedgerPlace;

/// The group is owned by `owner` under `counter`; the ledger is on a disk of a and b.
fn on_disk(owner: &str, counter: u64) -> Record {
    let mut record = owned(owner, counter, 5);
    let config = std::sync::Arc::make_mut(record.config.as_mut().unwrap());
    config.spec.nodes.remove(&name("c"));
    config.spec.ledger = LedgerPlace::OnDisk(BTreeMap::new());
    record
}

fn vote(me: &str) -> DiskVote {
    DiskVote::new(name(me), boot_of(me), None)
}

/// Writes for `beat`; what stands on the disk then.
fn write(vote: &mut DiskVote, beat: &Heartbeat, record: &Record) -> Claims {
    vote.ask(ms(0), beat, Asks::ForVotes, record).expect("nothing is under way")
}

/// Why the disk refuses the group; none if it does not.
fn read(
    vote: &mut DiskVote,
    now: Moment,
    (written, other): (&Claims, Option<&Claims>),
    record: &Record,
) -> Option<NoPromise> {
    let ack = vote.on_read(now, (written.number, other), record).expect("it was asked");
    ack.refused.first().map(|(_, no)| no.clone())
}

/// `b` has claimed the group under epoch 1 at some time before.
fn of_b(number: u64) -> Claims {
    let claim =
        Claim { boot: boot_of("b"), epoch: epoch(1), ttl: TTL, renewed: number, held: Held::Yes };
    Claims {
        boot: boot_of("b"),
        number,
        membership: Generation(1),
        groups: BTreeMap::from([(group(), claim)]),
    }
}

fn changed(claims: &Claims, change: impl FnOnce(&mut Claim)) -> Claims {
    let mut claims = claims.clone();
    change(claims.groups.get_mut(&group()).unwrap());
    claims
}

fn promised(rest: Span) -> Option<NoPromise> {
    Some(NoPromise::Promised { to: name("b"), rest })
}

#[test]
fn a_disk_is_a_third_vote_beside_those_of_its_two_nodes() {
    let record = on_disk("a", 2);
    assert_eq!((has_disk(&record), voters(&record)), (true, 3));
    assert_eq!((has_disk(&owned("a", 2, 5)), voters(&owned("a", 2, 5))), (false, 3));
}

#[test]
fn where_the_other_claims_nothing_the_disk_votes_at_once() {
    let record = on_disk("a", 2);
    for other in [None, Some(Claims { number: 4, ..Claims::default() })] {
        let mut a = vote("a");
        let written = write(&mut a, &asks("a", 1, 2), &record);
        assert_eq!(read(&mut a, ms(10), (&written, other.as_ref()), &record), None);
    }
}

#[test]
pub fn l1_what_the_other_was_given_is_waited_for() {
    let record = on_disk("a", 2);
    let mut a = vote("a");
    let theirs = of_b(7);
    let refused_at = |a: &mut DiskVote, now: Moment, sequence| {
        let written = write(a, &asks("a", sequence, 2), &record);
        read(a, now, (&written, Some(&theirs)), &record)
    };
    assert_eq!(refused_at(&mut a, ms(10), 1), promised(TTL));
    let last = ms(10) + TTL;
    assert_eq!(refused_at(&mut a, Moment(last.0 - 1), 2), promised(Span(1)));
    assert_eq!(refused_at(&mut a, last, 3), None);
}

#[test]
pub fn l1_a_writing_that_claims_nothing_is_no_vote() {
    let record = on_disk("a", 2);
    let mut a = vote("a");
    let shown = a.ask(ms(0), &asks("a", 1, 2), Asks::ForNothing, &record).unwrap();
    assert!(shown.groups.is_empty());
    assert_eq!(read(&mut a, ms(10), (&shown, None), &record), Some(NoPromise::Released));
}

#[test]
pub fn l1_the_wait_counts_from_the_newest_renewal() {
    let record = on_disk("a", 2);
    let mut a = vote("a");
    let shown = a.ask(ms(0), &asks("a", 1, 2), Asks::ForNothing, &record).unwrap();
    read(&mut a, ms(0), (&shown, Some(&of_b(7))), &record);
    let written = write(&mut a, &asks("a", 2, 2), &record);
    let refused = read(&mut a, ms(100), (&written, Some(&of_b(9))), &record);
    assert_eq!(refused, promised(TTL), "it was renewed before this node's claim stood");
    // What stood unchanged for as long as it was given for is over.
    let mut a = vote("a");
    let shown = a.ask(ms(0), &asks("a", 1, 2), Asks::ForNothing, &record).unwrap();
    read(&mut a, ms(0), (&shown, Some(&of_b(7))), &record);
    let written = write(&mut a, &asks("a", 2, 2), &record);
    assert_eq!(read(&mut a, ms(0) + TTL, (&written, Some(&of_b(7))), &record), None);
}

#[test]
fn l1_what_is_written_below_a_claim_that_stands_begins_no_new_wait() {
    let record = on_disk("a", 2);
    let mut a = vote("a");
    let written = write(&mut a, &asks("a", 1, 2), &record);
    assert_eq!(read(&mut a, ms(0), (&written, Some(&of_b(7))), &record), promised(TTL));
    let written = write(&mut a, &asks("a", 2, 2), &record);
    assert_eq!(read(&mut a, ms(0) + TTL, (&written, Some(&of_b(9))), &record), None);
    // A claim of this node under another epoch did not stand then.
    let record = on_disk("a", 4);
    let theirs = changed(&of_b(11), |claim| claim.epoch = epoch(3));
    let written = write(&mut a, &asks("a", 3, 4), &record);
    let now = ms(0) + TTL;
    assert_eq!(read(&mut a, now, (&written, Some(&theirs)), &record), promised(TTL));
}

#[test]
pub fn l1_a_lower_epoch_never_counts_once_a_higher_is_read() {
    let record = on_disk("a", 2);
    for held in [Held::Yes, Held::LetGo] {
        let mut a = vote("a");
        let written = write(&mut a, &asks("a", 1, 2), &record);
        let higher = changed(&of_b(7), |claim| (claim.epoch, claim.held) = (epoch(3), held));
        let now = ms(0) + TTL + TTL;
        let refused = read(&mut a, now, (&written, Some(&higher)), &record);
        assert_eq!(refused, Some(NoPromise::NotOwner { epoch: epoch(3) }), "{held:?}");
    }
}

#[test]
pub fn l2_a_claim_names_the_time_of_the_beat() {
    let record = on_disk("a", 2);
    let mut a = vote("a");
    let written = write(&mut a, &asks("a", 1, 2), &record);
    let claim = Claim {
        boot: boot_of("a"),
        epoch: epoch(2),
        ttl: TTL,
        renewed: written.number,
        held: Held::Yes,
    };
    assert_eq!(written.groups, BTreeMap::from([(group(), claim)]));
    a.on_unread(written.number);
    let short = Heartbeat { ttl: Span::millis(1), ..asks("a", 2, 2) };
    let again = write(&mut a, &short, &record);
    assert_eq!(again.groups[&group()].ttl, TTL, "what was given before may still run");
    assert!(again.number > written.number);
}

#[test]
pub fn l3_the_vote_counts_from_before_the_writing() {
    let record = on_disk("a", 2);
    let mut holder = Holder::new(name("a"), boot_of("a"));
    want(&mut holder, &record);
    let beat = holder.compose(ms(100), TTL, &record, Health::default());
    let mut a = vote("a");
    let written = write(&mut a, &beat, &record);
    let own = Ack { refused: Vec::new(), ..of_disk(&mut a, &written, &record) };
    // Its own vote is of a later beat: the disk's is the one that ends first.
    let later = holder.compose(ms(290), TTL, &record, Health::default());
    let newer = Ack { sequence: later.sequence, ..own.clone() };
    assert_eq!(holder.on_ack(ms(291), &newer, &record), [], "one vote of three");
    let moved = holder.on_disk(ms(300), &own, &record);
    let (_, _, deadline) = moved[0].clone();
    assert_eq!(deadline, ms(100) + crate::timing::Timing::of(Default::default()).usable());
    assert!(holder.is_answered_by_the_disk(ms(300), TTL));
    assert!(!holder.is_answered_by_a_node(ms(300), TTL), "but for itself");
}

fn of_disk(vote: &mut DiskVote, written: &Claims, record: &Record) -> Ack {
    vote.on_read(ms(300), (written.number, None), record).unwrap()
}

#[test]
fn one_question_at_a_time_and_no_answer_to_another() {
    let record = on_disk("a", 2);
    let mut a = vote("a");
    let first = write(&mut a, &asks("a", 1, 2), &record);
    assert_eq!(a.ask(ms(0), &asks("a", 2, 2), Asks::ForVotes, &record), None);
    assert_eq!(a.on_read(ms(1), (first.number + 1, None), &record), None);
    a.on_unread(first.number);
    let second = write(&mut a, &asks("a", 3, 2), &record);
    assert_eq!(a.on_read(ms(1), (first.number, None), &record), None);
    assert!(a.on_read(ms(1), (second.number, None), &record).is_some());
}

#[test]
pub fn l4_a_new_life_takes_back_nothing_of_the_former() {
    let record = on_disk("a", 2);
    let mut former = vote("a");
    let written = write(&mut former, &asks("a", 1, 2), &record);
    let mut next = DiskVote::new(name("a"), BootId(77), Some(written.clone()));
    let shown = next.ask(ms(0), &asks("a", 1, 2), Asks::ForNothing, &record).unwrap();
    assert_eq!(shown.groups, written.groups);
    assert!(shown.number > written.number + 1, "the former life may still be writing the next");
    assert_eq!(shown.boot, BootId(77));
}

#[test]
fn l5_what_was_let_go_is_not_waited_for_and_not_claimed_again() {
    let record = on_disk("a", 2);
    let mut a = vote("a");
    let written = write(&mut a, &asks("a", 1, 2), &record);
    let _given = read(&mut a, ms(1), (&written, None), &record);
    let over = releases("a", 2, 2);
    assert!(a.owes(&over));
    let written = a.ask(ms(0), &over, Asks::ForNothing, &record).unwrap();
    assert_eq!(written.groups[&group()].held, Held::LetGo);
    assert!(!a.owes(&over), "it is being said");
    let _nothing_asked = a.on_read(ms(2), (written.number, None), &record);
    let again = write(&mut a, &asks("a", 3, 2), &record);
    assert_eq!(again.groups[&group()].held, Held::LetGo);
    let refused = read(&mut a, ms(3), (&again, None), &record);
    assert_eq!(refused, Some(NoPromise::Released));
    // The other does not wait for it.
    let record = on_disk("b", 3);
    let mut b = vote("b");
    let written = write(&mut b, &asks("b", 1, 3), &record);
    assert_eq!(read(&mut b, ms(4), (&written, Some(&again)), &record), None);
}

#[test]
pub fn l5_a_new_life_lets_go_of_what_a_former_one_claims_once_that_has_run_out() {
    let found = changed(&of_b(7), |claim| claim.ttl = Span(TTL.0 * 3));
    let mut b = DiskVote::new(name("b"), BootId(77), Some(found.clone()));
    let mut shows = |now: Moment, sequence, record: &Record| {
        let beat = Heartbeat { asked: Vec::new(), ..asks("b", sequence, 1) };
        let written = b.ask(now, &beat, Asks::ForNothing, record).expect("nothing is under way");
        b.on_unread(written.number);
        written
    };
    let (start, given) = (ms(100), on_disk("a", 2));
    assert_eq!(shows(start, 1, &given).groups, found.groups);
    let end = start + Span(TTL.0 * 3);
    assert_eq!(shows(end.saturating_sub(Span(1)), 2, &given).groups, found.groups);
    // Its own still, by the ledger: this life may claim it again.
    assert_eq!(shows(end, 3, &on_disk("b", 1)).groups, found.groups);
    let over = shows(end, 4, &given);
    assert_eq!(over.groups[&group()].held, Held::LetGo);
    // A new life of the owner, which finds it for the first time, does not wait.
    let mut a = vote("a");
    let written = write(&mut a, &asks("a", 1, 2), &given);
    assert_eq!(read(&mut a, ms(4), (&written, Some(&over)), &given), None);
    // A group that is gone is written no more.
    let mut gone = given.clone();
    gone.groups.clear();
    assert!(shows(end, 5, &gone).groups.is_empty());
}

#[test]
pub fn l6_who_goes_by_an_older_list_has_no_vote_of_the_disk() {
    let record = on_disk("a", 2);
    let mut a = vote("a");
    let written = write(&mut a, &asks("a", 1, 2), &record);
    let newer = Claims { membership: Generation(2), number: 3, ..Claims::default() };
    let refused = read(&mut a, ms(1), (&written, Some(&newer)), &record);
    assert_eq!(refused, Some(NoPromise::OtherMembership));
}

#[test]
pub fn l7_a_confirmed_fence_ends_the_wait_for_that_life_only() {
    for (boot, waits) in [(boot_of("b"), false), (BootId(99), true)] {
        let record = fenced(on_disk("a", 2), "b", boot);
        let mut a = vote("a");
        let written = write(&mut a, &asks("a", 1, 2), &record);
        let refused = read(&mut a, ms(1), (&written, Some(&of_b(7))), &record);
        assert_eq!(refused.is_some(), waits);
    }
}

#[test]
pub fn l7_the_demand_that_a_life_ends_ends_no_wait() {
    let mut record = on_disk("a", 2);
    let order = crate::record::Order {
        by: "ops".to_owned(),
        reason: "it hangs".to_owned(),
        at: tsugi_vocabulary::Wall(1),
        command: "1".to_owned(),
    };
    let demanded = Some(crate::record::Demand { boot: boot_of("b"), order });
    let known = crate::record::NodeRecord { demanded, ..crate::record::NodeRecord::new(2) };
    let value = std::sync::Arc::new(known);
    let entry = crate::record::Versioned { version: tsugi_vocabulary::Index(2), value };
    record.nodes.insert(name("b"), entry);
    let mut a = vote("a");
    let written = write(&mut a, &asks("a", 1, 2), &record);
    let refused = read(&mut a, ms(1), (&written, Some(&of_b(7))), &record);
    assert!(matches!(refused, Some(NoPromise::Promised { .. })), "{refused:?}");
}

#[test]
fn what_is_let_go_is_written_again_where_the_writing_came_to_nothing() {
    let record = on_disk("a", 2);
    let mut a = vote("a");
    write(&mut a, &asks("a", 1, 2), &record);
    a.let_go(|_| false);
    let silent = Heartbeat { released: Vec::new(), ..releases("a", 2, 2) };
    let number = a.own().number;
    a.on_unread(number);
    let next = a.ask(ms(1), &silent, Asks::ForNothing, &record).unwrap();
    a.on_unread(next.number);
    assert!(a.owes(&silent) && !a.claims_nothing(), "nobody knows whether it stands there");
}

#[test]
fn what_is_let_go_is_written_though_no_beat_says_so() {
    let record = on_disk("a", 2);
    let mut a = vote("a");
    let written = write(&mut a, &asks("a", 1, 2), &record);
    a.let_go(|_| false);
    let silent = Heartbeat { released: Vec::new(), ..releases("a", 2, 2) };
    assert!(a.owes(&silent) && !a.claims_nothing(), "it is not written yet");
    assert!(a.ask(ms(1), &silent, Asks::ForNothing, &record).is_none(), "one at a time");
    a.on_unread(written.number);
    let next = a.ask(ms(1), &silent, Asks::ForNothing, &record).unwrap();
    assert_eq!(next.groups[&group()].held, Held::LetGo);
    assert!(!a.owes(&silent) && !a.claims_nothing(), "it is not durable yet");
    read(&mut a, ms(2), (&next, None), &record);
    assert!(a.claims_nothing());
}

#[test]
fn l9_the_disk_has_no_vote_against_a_pin() {
    let record = with(on_disk("a", 2), |entry| entry.pause = Some(pinned_to("b")));
    let mut a = vote("a");
    let written = write(&mut a, &asks("a", 1, 2), &record);
    let refused = read(&mut a, ms(1), (&written, None), &record);
    assert_eq!(refused, Some(NoPromise::Pinned { node: name("b") }));
}

#[test]
fn a_claim_of_a_group_that_is_gone_and_let_go_is_written_no_more() {
    let mut record = on_disk("a", 2);
    let mut a = vote("a");
    let written = write(&mut a, &asks("a", 1, 2), &record);
    a.on_unread(written.number);
    record.groups.clear();
    let kept = a.ask(ms(0), &releases("a", 2, 3), Asks::ForNothing, &record).unwrap();
    assert!(kept.groups.contains_key(&group()), "it was not let go");
    a.on_unread(kept.number);
    let dropped = a.ask(ms(0), &releases("a", 3, 2), Asks::ForNothing, &record).unwrap();
    assert!(dropped.groups.is_empty());
}

#[test]
fn who_writes_a_new_number_lived_after_the_last_reading() {
    let record = on_disk("a", 2);
    let mut a = vote("a");
    let mut look = |now: Moment, number: u64| {
        let written = write(&mut a, &asks("a", number, 2), &record);
        read(&mut a, now, (&written, Some(&of_b(number))), &record);
        a.other_lived()
    };
    assert_eq!(look(ms(10), 7), None, "it may stand there for a year");
    assert_eq!(look(ms(20), 7), None);
    assert_eq!(look(ms(30), 8), Some(ms(20)));
    assert_eq!(look(ms(40), 8), Some(ms(20)));
}

#[test]
pub fn l2_a_claim_names_less_again_once_nothing_longer_can_run() {
    let record = on_disk("a", 2);
    let long = Span(TTL.0 * 5);
    let mut a = vote("a");
    let mut claims = |now: Moment, ttl: Span, sequence| {
        let beat = Heartbeat { ttl, ..asks("a", sequence, 2) };
        let written = a.ask(now, &beat, Asks::ForVotes, &record).expect("nothing is under way");
        assert_eq!(read(&mut a, now, (&written, None), &record), None);
        written.groups[&group()].ttl
    };
    let start = ms(100);
    assert_eq!(claims(start, long, 1), long);
    // What was given under it may have been given just now.
    assert_eq!(claims(start, TTL, 2), long);
    assert_eq!(claims(start + TTL + TTL, TTL, 3), Span(TTL.0 * 3));
    assert_eq!(claims(start + long, TTL, 4), TTL);
    assert_eq!(claims(start + long + TTL, TTL, 5), TTL);
    assert_eq!(claims(start + long + long, Span(TTL.0 * 2), 6), Span(TTL.0 * 2));
}

#[test]
pub fn l2_a_new_life_names_what_its_former_one_was_given_until_that_has_run_out() {
    let record = on_disk("a", 2);
    let long = Span(TTL.0 * 5);
    let mut found = of_b(7);
    found = changed(&found, |claim| (claim.boot, claim.ttl) = (boot_of("a"), long));
    let mut a = DiskVote::new(name("a"), BootId(77), Some(found));
    let mut claims = |now: Moment, sequence| {
        let written = a.ask(now, &asks("a", sequence, 2), Asks::ForVotes, &record).unwrap();
        assert_eq!(read(&mut a, now, (&written, None), &record), None);
        written.groups[&group()].ttl
    };
    assert_eq!(claims(ms(100), 1), long);
    assert_eq!(claims(ms(100) + long, 2), TTL);
}
