//! The rules of the promising side: L1, L2, L4, L5, L6, L7, L9.

use std::sync::Arc;

use tsugi_vocabulary::{BootId, Index, Moment, Span};

use super::scene::{
    TTL, asks, beat, boot_of, epoch, fenced, group, ms, name, owned, pinned_to, promises, refusal,
    releases, stretched, voter, wanting, with, with_a_fourth,
};
use crate::lease::heartbeat::NoPromise;
use crate::lease::voter::Voter;
use crate::record::{NodeRecord, Ownership, Record, Restored, Versioned};
use crate::timing::TTL_CAP;

#[test]
pub fn l1_a_group_is_promised_to_one_node_at_a_time() {
    let mut c = voter("c");
    assert!(promises(&mut c, ms(0), &asks("a", 1, 1), &owned("a", 1, 5)));
    let after = owned("b", 2, 6);
    let said = refusal(&mut c, ms(1), &asks("b", 1, 2), &after);
    let rest = ms(0) + TTL;
    assert_eq!(said, Some(NoPromise::Promised { to: name("a"), rest: rest.since(ms(1)) }));
    let last = Moment((ms(0) + TTL).0 - 1);
    assert!(!promises(&mut c, last, &asks("b", 2, 2), &after), "to the last nanosecond");
    assert!(promises(&mut c, ms(0) + TTL, &asks("b", 3, 2), &after));
}

#[test]
pub fn l1_an_epoch_below_the_newest_applied_is_not_promised() {
    let mut c = voter("c");
    let record = owned("b", 2, 6);
    let said = refusal(&mut c, ms(0), &asks("a", 1, 1), &record);
    assert_eq!(said, Some(NoPromise::NotOwner { epoch: epoch(2) }));
    let said = refusal(&mut c, ms(1), &asks("a", 2, 2), &record);
    assert_eq!(said, Some(NoPromise::NotOwner { epoch: epoch(2) }), "nor another's epoch");
    let nobody = with(record, |g| g.ownership = Ownership::Nobody);
    assert!(!promises(&mut c, ms(2), &asks("b", 1, 2), &nobody), "nor one that is over");
}

#[test]
pub fn l1_a_voter_that_lags_promises_and_says_how_far_it_is() {
    let mut c = voter("c");
    let behind = owned("a", 1, 5);
    let voted = c.on_heartbeat(ms(0), &asks("b", 1, 2), &behind);
    let ack = voted.ack.unwrap();
    assert_eq!((ack.refused.len(), ack.applied), (0, Index(5)));
    assert!(!promises(&mut c, ms(1), &asks("a", 1, 1), &behind), "the promise stands all the same");
}

#[test]
pub fn l1_a_renewal_to_the_same_node_goes_on_and_never_back() {
    let mut c = voter("c");
    let record = owned("a", 1, 5);
    assert!(promises(&mut c, ms(0), &asks("a", 1, 1), &record));
    let mut shorter = asks("a", 2, 1);
    shorter.ttl = Span::millis(1);
    assert!(promises(&mut c, ms(10), &shorter, &record));
    assert_eq!(c.promise_of(&group(), ms(10)).unwrap().until(), ms(0) + TTL);
    assert!(promises(&mut c, ms(20), &asks("a", 3, 1), &record));
    assert_eq!(c.promise_of(&group(), ms(20)).unwrap().until(), ms(20) + TTL);
}

#[test]
pub fn l2_the_time_of_a_promise_is_what_the_beat_asks_for() {
    let mut c = voter("c");
    let record = owned("a", 1, 5);
    let mut beat = asks("a", 1, 1);
    beat.ttl = Span::secs(3);
    let ack = c.on_heartbeat(ms(7), &beat, &record).ack.unwrap();
    assert_eq!(ack.ttl, Span::secs(3));
    assert_eq!(c.promise_of(&group(), ms(7)).unwrap().until(), ms(7) + Span::secs(3));
}

#[test]
pub fn l2_no_promise_is_longer_than_the_cap() {
    let mut c = voter("c");
    let mut beat = asks("a", 1, 1);
    beat.ttl = Span::secs(3600);
    let voted = c.on_heartbeat(ms(0), &beat, &owned("a", 1, 5));
    assert_eq!(voted.ack.unwrap().ttl, TTL_CAP);
    assert_eq!(voted.longest, Some(TTL_CAP));
    assert_eq!(c.promise_of(&group(), ms(0)).unwrap().until(), ms(0) + TTL_CAP);
}

#[test]
pub fn l2_an_old_sequence_is_not_answered() {
    let mut c = voter("c");
    let record = owned("a", 1, 5);
    assert!(promises(&mut c, ms(0), &asks("a", 7, 1), &record));
    assert_eq!(c.on_heartbeat(ms(100), &asks("a", 6, 1), &record).ack, None);
    assert_eq!(c.promise_of(&group(), ms(100)).unwrap().until(), ms(0) + TTL, "and gives no time");
}

#[test]
pub fn l2_a_second_copy_is_answered_and_gives_no_more_time() {
    let mut c = voter("c");
    let record = owned("a", 1, 5);
    assert!(promises(&mut c, ms(0), &asks("a", 7, 1), &record));
    assert!(promises(&mut c, ms(300), &asks("a", 7, 1), &record));
    assert_eq!(c.promise_of(&group(), ms(300)).unwrap().until(), ms(0) + TTL);
}

#[test]
pub fn l2_a_beat_of_a_former_boot_is_not_answered() {
    let mut c = voter("c");
    let record = owned("a", 1, 5);
    assert!(promises(&mut c, ms(0), &asks("a", 7, 1), &record));
    let mut reborn = asks("a", 1, 1);
    reborn.boot = BootId(99);
    assert!(promises(&mut c, ms(1), &reborn, &record), "a new boot counts from one again");
    assert_eq!(c.on_heartbeat(ms(2), &asks("a", 8, 1), &record).ack, None);
}

#[test]
pub fn l4_a_voter_is_silent_after_its_start_for_the_longest_time_it_ever_promised() {
    let longest = Span::secs(3);
    let record = owned("b", 2, 6);
    let mut c = Voter::new(name("c"), boot_of("c"), ms(50), Some(longest));
    let said = refusal(&mut c, ms(50), &asks("b", 1, 2), &record);
    assert_eq!(said, Some(NoPromise::JustStarted { rest: longest }));
    let last = Moment((ms(50) + longest).0 - 1);
    assert!(!promises(&mut c, last, &asks("b", 2, 2), &record));
    assert!(promises(&mut c, ms(50) + longest, &asks("b", 3, 2), &record));
}

#[test]
pub fn l4_a_voter_of_a_ledger_without_epochs_answers_at_once() {
    let mut c = Voter::new(name("c"), boot_of("c"), ms(50), None);
    assert!(promises(&mut c, ms(50), &asks("a", 1, 1), &owned("a", 1, 5)));
}

#[test]
pub fn l4_a_longer_time_is_durable_before_its_first_use() {
    let record = owned("a", 1, 5);
    let mut c = Voter::new(name("c"), boot_of("c"), ms(0), Some(Span::millis(100)));
    let quiet = c.on_heartbeat(ms(0), &asks("a", 1, 1), &record);
    assert_eq!(quiet.longest, None, "what is refused is not a use");
    assert_eq!(c.on_heartbeat(ms(100), &asks("a", 2, 1), &record).longest, Some(TTL));
    assert_eq!(c.on_heartbeat(ms(110), &asks("a", 3, 1), &record).longest, None, "once is enough");
    assert_eq!(c.longest(), TTL);
}

/// A voter that has promised three seconds to a at the moment 0, and its answer's effect on disk.
fn stretched_voter() -> (Voter, Option<Span>) {
    let mut c = voter("c");
    let mut long = asks("a", 1, 1);
    long.ttl = Span::secs(3);
    let longest = c.on_heartbeat(ms(0), &long, &owned("a", 1, 5)).longest;
    (c, longest)
}

#[test]
pub fn cl_35_a_voter_that_promised_long_keeps_quiet_for_as_long_after_its_start() {
    let (_, longest) = stretched_voter();
    assert_eq!(longest, Some(Span::secs(3)), "before the answer leaves");
    // The stretch is over when it begins again: its ledger names no longer time than the profile's.
    let mut reborn = Voter::new(name("c"), boot_of("c"), ms(500), longest);
    let after = owned("b", 2, 6);
    let said = refusal(&mut reborn, ms(1_500), &asks("b", 1, 2), &after);
    assert_eq!(said, Some(NoPromise::JustStarted { rest: Span::secs(2) }));
    assert!(promises(&mut reborn, ms(3_500), &asks("b", 2, 2), &after));
}

#[test]
pub fn cl_35_what_is_durable_is_shortened_when_every_longer_promise_has_run_out() {
    let (mut c, longest) = stretched_voter();
    let record = owned("a", 1, 5);
    let mut shortened =
        |at: Moment, sequence: u64| c.on_heartbeat(at, &asks("a", sequence, 1), &record).longest;
    assert_eq!(shortened(ms(2_999), 2), None, "the one of the stretch runs on");
    assert_eq!(shortened(ms(3_000), 3), Some(TTL));
    assert_eq!(shortened(ms(3_010), 4), None, "once is enough");
    let mut reborn = Voter::new(name("c"), boot_of("c"), ms(500), longest);
    let mut shortened = |at: Moment, sequence: u64| {
        reborn.on_heartbeat(at, &asks("a", sequence, 1), &record).longest
    };
    assert_eq!(shortened(ms(3_400), 5), None, "those of a former life count from its start");
    assert_eq!(shortened(ms(3_500), 6), Some(TTL));
}

#[test]
fn cl_35_what_is_durable_is_not_shortened_while_the_ledger_names_the_stretch() {
    let (mut c, _) = stretched_voter();
    let record = stretched(owned("a", 1, 5), 6);
    assert_eq!(record.timing().ttl, Span::millis(3_360));
    let quiet = c.on_heartbeat(ms(9_000), &asks("a", 2, 1), &record);
    assert_eq!(quiet.longest, None, "a longer one will be asked for");
}

#[test]
pub fn l5_a_release_ends_the_promise_at_once() {
    let mut c = voter("c");
    assert!(promises(&mut c, ms(0), &asks("a", 1, 1), &owned("a", 1, 5)));
    c.on_heartbeat(ms(1), &releases("a", 2, 1), &owned("a", 1, 5));
    assert!(c.promise_of(&group(), ms(1)).is_none());
    assert!(promises(&mut c, ms(2), &asks("b", 1, 2), &owned("b", 2, 6)));
}

#[test]
pub fn l5_only_its_holder_can_release_a_promise() {
    let record = owned("a", 1, 5);
    let mut c = voter("c");
    assert!(promises(&mut c, ms(0), &asks("a", 1, 1), &record));
    c.on_heartbeat(ms(1), &releases("b", 1, 1), &record);
    assert!(c.promise_of(&group(), ms(1)).is_some(), "another node");
    c.on_heartbeat(ms(2), &releases("a", 2, 0), &record);
    assert!(c.promise_of(&group(), ms(2)).is_some(), "another epoch");
    let mut reborn = releases("a", 1, 1);
    reborn.boot = BootId(99);
    c.on_heartbeat(ms(3), &reborn, &record);
    assert!(c.promise_of(&group(), ms(3)).is_some(), "another boot");
}

#[test]
pub fn l5_what_was_released_is_never_promised_again_under_its_epoch() {
    let record = owned("a", 1, 5);
    let mut c = voter("c");
    assert!(promises(&mut c, ms(0), &asks("a", 1, 1), &record));
    c.on_heartbeat(ms(1), &releases("a", 2, 1), &record);
    let said = refusal(&mut c, ms(2), &asks("a", 3, 1), &record);
    assert_eq!(said, Some(NoPromise::Released));
    let mut reborn = asks("a", 1, 1);
    reborn.boot = BootId(99);
    let said = refusal(&mut c, ms(3), &reborn, &record);
    assert_eq!(said, Some(NoPromise::Released), "nor to a restarted agent");
    reborn.sequence = 2;
    reborn.asked = vec![(group(), epoch(2))];
    assert!(
        promises(&mut c, ms(4), &reborn, &owned("a", 2, 6)),
        "the next epoch is another matter"
    );
}

#[test]
pub fn l6_a_voter_acknowledges_only_its_own_list_of_voters() {
    let mut c = voter("c");
    let newer = with_a_fourth(owned("a", 1, 5));
    let said = refusal(&mut c, ms(0), &asks("a", 1, 1), &newer);
    assert_eq!(said, Some(NoPromise::OtherMembership));
    let mut beat = asks("a", 2, 1);
    beat.membership = newer.membership;
    assert!(promises(&mut c, ms(1), &beat, &newer));
    assert!(!promises(&mut c, ms(2), &beat, &owned("a", 1, 5)), "nor a newer one than it knows");
}

#[test]
pub fn l7_a_fenced_boot_is_not_acknowledged() {
    let mut c = voter("c");
    let record = fenced(owned("a", 1, 5), "a", boot_of("a"));
    let said = refusal(&mut c, ms(0), &asks("a", 1, 1), &record);
    assert_eq!(said, Some(NoPromise::Fenced));
    let mut reborn = asks("a", 1, 1);
    reborn.boot = BootId(99);
    assert!(promises(&mut c, ms(1), &reborn, &record), "its next boot is");
}

#[test]
pub fn l7_a_confirmed_fence_ends_promises_to_that_boot_only() {
    let mut c = voter("c");
    assert!(promises(&mut c, ms(0), &asks("a", 1, 1), &owned("a", 1, 5)));
    let takes_over = fenced(owned("b", 2, 7), "a", boot_of("a"));
    assert!(promises(&mut c, ms(1), &asks("b", 1, 2), &takes_over), "at once");

    let mut c = voter("c");
    assert!(promises(&mut c, ms(0), &asks("a", 1, 1), &owned("a", 1, 5)));
    let other = fenced(owned("b", 2, 7), "a", BootId(99));
    assert!(!promises(&mut c, ms(1), &asks("b", 1, 2), &other), "a boot that was not fenced");
}

#[test]
fn l7_a_late_beat_of_the_fenced_boot_does_not_take_its_successors_promise_along() {
    // Found by the model: the voter has not heard the former boot before, so it cannot know.
    let mut c = voter("c");
    let mut reborn = asks("a", 1, 1);
    reborn.boot = BootId(99);
    assert!(promises(&mut c, ms(0), &reborn, &owned("a", 1, 5)));
    assert!(promises(&mut c, ms(1), &asks("a", 1, 1), &owned("a", 1, 5)));
    let takes_over = fenced(owned("b", 2, 7), "a", boot_of("a"));
    assert!(!promises(&mut c, ms(2), &asks("b", 1, 2), &takes_over));
}

#[test]
fn l8_a_planned_move_is_leased_in_one_round_once_the_source_has_released() {
    let (before, after) = (owned("a", 1, 5), owned("b", 2, 6));
    let mut source = wanting("a", &before);
    let mut voters = ["a", "b", "c"].map(voter);
    let held = beat(&mut source, ms(0), &before);
    for voter in &mut voters {
        assert!(promises(voter, ms(0), &held, &before));
    }
    let mut target = wanting("b", &after);
    let early = beat(&mut target, ms(1), &after);
    for voter in &mut voters {
        assert!(!promises(voter, ms(1), &early, &after), "the entry alone starts nothing");
    }
    source.released(&group(), epoch(1));
    let gone = beat(&mut source, ms(2), &before);
    let asked = beat(&mut target, ms(3), &after);
    for voter in &mut voters {
        voter.on_heartbeat(ms(2), &gone, &before);
        let ack = voter.on_heartbeat(ms(3), &asked, &after).ack.unwrap();
        target.on_ack(ms(4), &ack, &after);
    }
    assert!(target.deadline(&group()).is_some());
}

#[test]
pub fn l9_a_pinned_group_is_promised_to_its_node_only() {
    let mut c = voter("c");
    let record = with(owned("b", 2, 6), |g| g.pause = Some(pinned_to("a")));
    let said = refusal(&mut c, ms(0), &asks("b", 1, 2), &record);
    assert_eq!(said, Some(NoPromise::Pinned { node: name("a") }));
    let own = with(owned("a", 2, 6), |g| g.pause = Some(pinned_to("a")));
    assert!(promises(&mut c, ms(1), &asks("a", 1, 2), &own));
}

/// A ledger restored by c, of which a and b kept the former life.
fn restored() -> Record {
    let mut record = owned("a", 1, 5);
    for (n, voter) in [("a", 1), ("b", 2), ("c", 4)] {
        let value = Arc::new(NodeRecord::new(voter));
        record.nodes.insert(name(n), Versioned { version: record.applied, value });
    }
    let former = vec![["a", "b", "c"].map(name).into()];
    record.restored = Some(Arc::new(Restored { first: 4, former, ..Restored::default() }));
    record
}

#[test]
pub fn l4_under_a_restored_ledger_nothing_is_promised_while_a_former_majority_is_out_there() {
    let mut c = voter("c");
    let mut record = restored();
    assert!(!promises(&mut c, ms(60_000), &asks("a", 1, 1), &record));
    record.nodes.remove(&name("b"));
    assert!(promises(&mut c, ms(60_001), &asks("a", 2, 1), &record));
}

#[test]
pub fn l1_an_epoch_of_another_life_of_the_ledger_is_not_promised() {
    let mut c = voter("c");
    let record = Record { incarnation: 2, ..owned("a", 1, 5) };
    let said = refusal(&mut c, ms(0), &asks("a", 1, 1), &record);
    assert_eq!(said, Some(NoPromise::NotOwner { epoch: epoch(1) }));
    let later = asks("a", 2, 9);
    assert!(!promises(&mut c, ms(1), &later, &record), "nor one that it has not seen");
}

#[test]
pub fn what_has_run_out_is_forgotten() {
    let mut c = voter("c");
    assert!(promises(&mut c, ms(0), &asks("a", 1, 1), &owned("a", 1, 5)));
    c.forget_expired(ms(0) + TTL);
    assert!(c.promise_of(&group(), ms(0)).is_none(), "not even for an earlier moment");
}
