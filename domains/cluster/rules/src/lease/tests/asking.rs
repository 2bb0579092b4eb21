//! The rules of the asking side: L3, L5, L6, L9, L10, L12.

use tsugi_vocabulary::{BootId, Generation, Index, Moment, Span};

use super::scene::{
    TTL, beat, epoch, group, holder, ms, name, owned, pinned_to, want, wanting, with,
    with_a_fourth, yes,
};
use crate::lease::heartbeat::{Health, Hearing, NoPromise};
use crate::lease::holder::{ClockBound, Holder};
use crate::lease::margin::{Margin, margin};
use crate::lease::timer::look_after;
use crate::record::Ownership;
use crate::timing::{Profile, Timing};

fn usable() -> Span {
    Timing::of(Profile::Default).usable()
}

/// Leases the group to node a by the votes of a and b, both for the beat of `at`.
fn leased(at: Moment) -> (Holder, Moment) {
    let record = owned("a", 1, 5);
    let mut a = wanting("a", &record);
    let sent = beat(&mut a, at, &record);
    assert_eq!(a.on_ack(at, &yes("a", &sent, 5), &record), Vec::new(), "one vote is no majority");
    let moved = a.on_ack(at, &yes("b", &sent, 5), &record);
    assert_eq!(moved.len(), 1, "two of three are");
    (a, moved[0].2)
}

#[test]
pub fn l3_the_deadline_counts_from_the_send_time() {
    let record = owned("a", 1, 5);
    let mut a = wanting("a", &record);
    let sent = beat(&mut a, ms(100), &record);
    a.on_ack(ms(101), &yes("a", &sent, 5), &record);
    let moved = a.on_ack(ms(250), &yes("c", &sent, 5), &record);
    assert_eq!(moved, vec![(group(), epoch(1), ms(100) + usable())]);
    assert_eq!(a.deadline(&group()), Some(ms(100) + usable()));
}

#[test]
pub fn l3_stop_budget_and_guard_and_drift_are_taken_off() {
    let record = owned("a", 1, 5);
    let clocks = ClockBound { guard: Span::millis(30), rho_ppm: 10_000 };
    let mut a = holder("a").with_clocks(clocks);
    a.want(&group(), epoch(1), Index(5), Span::millis(200));
    let sent = a.compose(ms(0), Span::millis(1000), &record, Health::default());
    a.on_ack(ms(1), &yes("a", &sent, 5), &record);
    a.on_ack(ms(1), &yes("b", &sent, 5), &record);
    assert_eq!(a.deadline(&group()), Some(ms(1000 - 20 - 200 - 30)));
}

#[test]
pub fn l3_the_majority_th_newest_send_time_counts() {
    let record = owned("a", 1, 5);
    let mut a = wanting("a", &record);
    let first = beat(&mut a, ms(0), &record);
    let second = beat(&mut a, ms(50), &record);
    let third = beat(&mut a, ms(90), &record);
    a.on_ack(ms(91), &yes("a", &third, 5), &record);
    a.on_ack(ms(92), &yes("b", &first, 5), &record);
    assert_eq!(a.deadline(&group()), Some(ms(0) + usable()));
    a.on_ack(ms(93), &yes("c", &second, 5), &record);
    assert_eq!(a.deadline(&group()), Some(ms(50) + usable()));
}

#[test]
pub fn l3_one_voter_that_answers_twice_is_no_majority() {
    let record = owned("a", 1, 5);
    let mut a = wanting("a", &record);
    let first = beat(&mut a, ms(0), &record);
    let second = beat(&mut a, ms(50), &record);
    a.on_ack(ms(51), &yes("b", &first, 5), &record);
    a.on_ack(ms(52), &yes("b", &second, 5), &record);
    assert_eq!(a.deadline(&group()), None);
    let mut stranger = yes("b", &second, 5);
    stranger.voter = name("x");
    a.on_ack(ms(53), &stranger, &record);
    assert_eq!(a.deadline(&group()), None, "nor is somebody who is no voter");
}

#[test]
pub fn l3_a_voter_that_has_not_applied_the_entry_does_not_count() {
    let record = owned("a", 1, 5);
    let mut a = wanting("a", &record);
    let sent = beat(&mut a, ms(0), &record);
    a.on_ack(ms(1), &yes("a", &sent, 5), &record);
    a.on_ack(ms(1), &yes("b", &sent, 4), &record);
    assert_eq!(a.deadline(&group()), None);
    a.on_ack(ms(2), &yes("b", &sent, 5), &record);
    assert!(a.deadline(&group()).is_some());
}

#[test]
pub fn l3_a_refusal_does_not_count() {
    let record = owned("a", 1, 5);
    let mut a = wanting("a", &record);
    let sent = beat(&mut a, ms(0), &record);
    a.on_ack(ms(1), &yes("a", &sent, 5), &record);
    let mut no = yes("b", &sent, 5);
    no.refused = vec![(group(), NoPromise::Released)];
    a.on_ack(ms(1), &no, &record);
    assert_eq!(a.deadline(&group()), None);
}

#[test]
pub fn l3_an_answer_counts_only_for_what_its_beat_asked() {
    let record = owned("a", 1, 5);
    let mut a = holder("a");
    let before = beat(&mut a, ms(0), &record);
    want(&mut a, &record);
    a.on_ack(ms(1), &yes("a", &before, 5), &record);
    a.on_ack(ms(1), &yes("b", &before, 5), &record);
    assert_eq!(a.deadline(&group()), None);
}

#[test]
pub fn l3_answers_to_another_boot_or_an_unknown_beat_do_not_count() {
    let record = owned("a", 1, 5);
    let mut a = wanting("a", &record);
    let sent = beat(&mut a, ms(0), &record);
    a.on_ack(ms(1), &yes("a", &sent, 5), &record);
    let mut other = yes("b", &sent, 5);
    other.boot = BootId(99);
    a.on_ack(ms(1), &other, &record);
    let mut ahead = yes("b", &sent, 5);
    ahead.sequence += 1;
    a.on_ack(ms(1), &ahead, &record);
    assert_eq!(a.deadline(&group()), None);
}

#[test]
pub fn l3_a_deadline_never_goes_back() {
    let (mut a, deadline) = leased(ms(0));
    let record = owned("a", 1, 5);
    let shorter = a.compose(ms(10), Span::millis(200), &record, Health::default());
    a.on_ack(ms(11), &yes("a", &shorter, 5), &record);
    let moved = a.on_ack(ms(11), &yes("b", &shorter, 5), &record);
    assert_eq!((moved, a.deadline(&group())), (Vec::new(), Some(deadline)));
}

#[test]
pub fn l3_an_answer_after_the_deadline_is_ignored() {
    let record = owned("a", 1, 5);
    let mut a = wanting("a", &record);
    let sent = beat(&mut a, ms(0), &record);
    let late = ms(0) + usable();
    a.on_ack(late, &yes("a", &sent, 5), &record);
    assert_eq!(a.on_ack(late, &yes("b", &sent, 5), &record), Vec::new());
    assert_eq!(a.deadline(&group()), None);
}

#[test]
pub fn l5_past_its_deadline_a_node_stops_asking_for_good() {
    let record = owned("a", 1, 5);
    let (mut a, deadline) = leased(ms(0));
    let just_before = Moment(deadline.0 - 1);
    assert_eq!(a.lapsed(just_before), Vec::new());
    let last = beat(&mut a, just_before, &record);
    assert_eq!(last.asked.len(), 1);
    assert_eq!(a.lapsed(deadline), vec![group()]);
    a.on_ack(deadline, &yes("a", &last, 5), &record);
    a.on_ack(deadline, &yes("b", &last, 5), &record);
    want(&mut a, &record);
    assert_eq!(a.deadline(&group()), Some(deadline), "what comes now is too late");
    assert_eq!(beat(&mut a, deadline, &record).asked, Vec::new());
    assert_eq!(a.next_lapse(), None);
}

#[test]
pub fn l5_released_is_said_until_the_ledger_shows_it_and_is_final() {
    let record = owned("a", 1, 5);
    let (mut a, _) = leased(ms(0));
    a.released(&group(), epoch(1));
    for at in [10, 20, 30] {
        want(&mut a, &record);
        let said = beat(&mut a, ms(at), &record);
        assert_eq!((said.asked, said.released), (Vec::new(), vec![(group(), epoch(1))]));
    }
    let shown = owned("b", 2, 6);
    assert_eq!(beat(&mut a, ms(40), &shown).released, Vec::new());
    want(&mut a, &record);
    assert_eq!(beat(&mut a, ms(50), &record).asked, Vec::new(), "not even by an older record");
    let again = owned("a", 3, 7);
    want(&mut a, &again);
    assert_eq!(beat(&mut a, ms(60), &again).asked, vec![(group(), epoch(3))]);
}

#[test]
pub fn l5_a_stop_without_a_successor_also_ends_the_word() {
    let (mut a, _) = leased(ms(0));
    a.released(&group(), epoch(1));
    let nobody = with(owned("a", 1, 6), |g| g.ownership = Ownership::Nobody);
    assert_eq!(beat(&mut a, ms(10), &nobody).released, Vec::new());
}

#[test]
pub fn l5_what_cannot_be_removed_is_neither_asked_for_nor_released() {
    let record = owned("a", 1, 5);
    let (mut a, deadline) = leased(ms(0));
    a.give_up(&group());
    want(&mut a, &record);
    let said = beat(&mut a, ms(10), &record);
    assert_eq!((said.asked.len(), said.released.len()), (0, 0));
    assert_eq!(a.deadline(&group()), Some(deadline), "the guardian ends it");
    a.released(&group(), epoch(1));
    assert_eq!(beat(&mut a, ms(20), &record).released.len(), 1, "when it is gone after all");
}

#[test]
pub fn l6_votes_of_two_lists_of_voters_are_not_added() {
    let old = owned("a", 1, 5);
    let new = with_a_fourth(owned("a", 1, 5));
    let mut a = wanting("a", &old);
    let first = beat(&mut a, ms(0), &old);
    a.on_ack(ms(1), &yes("a", &first, 5), &old);
    let second = beat(&mut a, ms(2), &new);
    let mut later = yes("b", &second, 5);
    later.membership = Generation(2);
    a.on_ack(ms(3), &later, &new);
    later.voter = name("c");
    a.on_ack(ms(3), &later, &new);
    assert_eq!(a.deadline(&group()), None, "three of four are needed now");
    a.on_ack(ms(4), &yes("d", &second, 5), &new);
    a.on_ack(ms(4), &yes("d", &first, 5), &new);
    assert_eq!(a.deadline(&group()), None, "of the same list");
    later.voter = name("d");
    a.on_ack(ms(5), &later, &new);
    assert!(a.deadline(&group()).is_some());
}

#[test]
pub fn l9_a_pinned_group_is_asked_for_past_its_deadline() {
    let pinned = with(owned("a", 1, 5), |g| g.pause = Some(pinned_to("a")));
    let (mut a, deadline) = leased(ms(0));
    beat(&mut a, ms(10), &pinned);
    let late = deadline + Span::secs(5);
    assert_eq!(a.lapsed(late), Vec::new());
    let sent = beat(&mut a, late, &pinned);
    assert_eq!(sent.asked.len(), 1);
    a.on_ack(late, &yes("a", &sent, 5), &pinned);
    a.on_ack(late, &yes("b", &sent, 5), &pinned);
    assert_eq!(a.deadline(&group()), Some(late + usable()), "fresh, before the pin goes");
}

#[test]
pub fn l10_a_timer_never_runs_for_the_whole_rest_and_is_set_again() {
    let deadline = ms(1000);
    let mut now = ms(0);
    while now < deadline {
        let wait = look_after(now, deadline);
        assert!(wait > Span::ZERO, "never over before the deadline is seen to have passed");
        // The kernel's clock lags behind the lease clock by as much as chrony may slew it.
        now += wait + wait.ppm(83_333);
    }
    assert_eq!(look_after(deadline, deadline), Span::ZERO);
    assert!(now.since(deadline) < Span::micros(200), "late by {}", now.since(deadline));
}

#[test]
pub fn l10_a_timer_that_fires_early_lets_nothing_lapse() {
    let (mut a, deadline) = leased(ms(0));
    let early = Moment(deadline.0 - 1_000);
    assert_eq!(a.lapsed(early), Vec::new());
    assert_eq!(a.next_lapse(), Some(deadline), "it is waited for again");
}

#[test]
fn l12_one_more_loss_is_told_before_it_happens() {
    assert_eq!(margin(3, 3), Margin::Whole);
    assert_eq!(margin(3, 2), Margin::OneMoreLossStops);
    assert_eq!(margin(3, 1), Margin::NoMajority);
    assert_eq!(margin(5, 4), Margin::Spare(1));
    assert_eq!(margin(5, 3), Margin::OneMoreLossStops);
}

#[test]
fn l12_a_node_knows_how_many_voters_answer_it() {
    let record = owned("a", 1, 5);
    let mut a = wanting("a", &record);
    assert_eq!(a.hearing(ms(0), TTL, 3), Hearing::Majority, "it has just begun");
    let sent = beat(&mut a, ms(0), &record);
    a.on_ack(ms(1), &yes("a", &sent, 5), &record);
    assert_eq!(a.hearing(ms(0) + TTL, TTL, 3), Hearing::Minority, "silence for a whole TTL");
    let sent = beat(&mut a, ms(600), &record);
    a.on_ack(ms(601), &yes("a", &sent, 5), &record);
    a.on_ack(ms(601), &yes("c", &sent, 5), &record);
    assert_eq!(a.hearing(ms(601), TTL, 3), Hearing::Majority);
    assert_eq!(a.heard(ms(601), TTL), 2);
}
