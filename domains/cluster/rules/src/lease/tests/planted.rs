//! Each rule taken away makes its test fail: otherwise the test shows nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{any_order, asking, disk_vote, promising, voters};
use crate::mutant::plant;

/// A planted fault, and the test that must notice it.
const PLANTED: &[(&str, fn())] = &[
    ("voter-promises-twice", promising::l1_a_group_is_promised_to_one_node_at_a_time),
    ("voter-takes-old-epochs", promising::l1_an_epoch_below_the_newest_applied_is_not_promised),
    ("voter-takes-its-own-ttl", promising::l2_the_time_of_a_promise_is_what_the_beat_asks_for),
    ("voter-takes-old-beats", promising::l2_an_old_sequence_is_not_answered),
    ("voter-takes-old-beats", promising::l2_a_beat_of_a_former_boot_is_not_answered),
    ("voter-forgets-at-start", QUIET),
    ("voter-forgets-the-stretch", STRETCHED),
    ("promise-shortened-early", SHORTENED),
    ("voters-changed-under-stretch", STRETCHED_LIST),
    ("voter-lets-anybody-release", promising::l5_only_its_holder_can_release_a_promise),
    ("voter-lets-the-released-return", FINAL),
    ("voter-ignores-membership", promising::l6_a_voter_acknowledges_only_its_own_list_of_voters),
    ("voter-of-another-number", voters::l6_a_vote_is_of_its_number_and_of_no_other),
    ("voter-serves-the-fenced", promising::l7_a_fenced_boot_is_not_acknowledged),
    ("voter-ends-every-boot", promising::l7_a_confirmed_fence_ends_promises_to_that_boot_only),
    ("voter-unpins-early", promising::l9_a_pinned_group_is_promised_to_its_node_only),
    ("lease-from-reply-time", asking::l3_the_deadline_counts_from_the_send_time),
    ("lease-guard-ignored", asking::l3_stop_budget_and_guard_and_drift_are_taken_off),
    ("lease-drift-ignored", asking::l3_stop_budget_and_guard_and_drift_are_taken_off),
    ("lease-newest-vote-counts", asking::l3_the_majority_th_newest_send_time_counts),
    ("lease-newest-vote-counts", ORDER),
    ("lease-from-reply-time", ORDER),
    ("lease-any-vote-counts", asking::l3_one_voter_that_answers_twice_is_no_majority),
    ("lease-ack-without-entry", asking::l3_a_voter_that_has_not_applied_the_entry_does_not_count),
    ("lease-asked-after-deadline", asking::l5_past_its_deadline_a_node_stops_asking_for_good),
    ("lease-asked-after-release", RELEASED),
    ("lease-membership-ignored", asking::l6_votes_of_two_lists_of_voters_are_not_added),
    ("restored-starts-at-once", FORMER),
    ("voter-serves-other-incarnations", LIFE),
    ("voters-changed-at-once", WAIT),
    ("voters-counted-from-commit", APPLIED),
    ("voters-removed-blindly", voters::l6_a_change_after_which_no_majority_is_heard_waits),
    ("timer-runs-the-whole-rest", TIMER),
    ("disk-votes-unasked", disk_vote::l1_a_writing_that_claims_nothing_is_no_vote),
    ("disk-waits-for-nobody", disk_vote::l1_what_the_other_was_given_is_waited_for),
    ("disk-counts-from-an-older-claim", disk_vote::l1_the_wait_counts_from_the_newest_renewal),
    ("disk-counts-lower-epochs", disk_vote::l1_a_lower_epoch_never_counts_once_a_higher_is_read),
    ("disk-claim-names-another-ttl", disk_vote::l2_a_claim_names_the_time_of_the_beat),
    ("disk-counted-from-reading", disk_vote::l3_the_vote_counts_from_before_the_writing),
    ("disk-drift-ignored", disk_vote::l3_the_vote_counts_from_before_the_writing),
    ("disk-forgets-at-start", disk_vote::l4_a_new_life_takes_back_nothing_of_the_former),
    (
        "disk-lets-former-go-at-once",
        disk_vote::l5_a_new_life_lets_go_of_what_a_former_one_claims_once_that_has_run_out,
    ),
    ("disk-ignores-membership", disk_vote::l6_who_goes_by_an_older_list_has_no_vote_of_the_disk),
    ("disk-ends-every-boot", disk_vote::l7_a_confirmed_fence_ends_the_wait_for_that_life_only),
    ("disk-ends-the-demanded", disk_vote::l7_the_demand_that_a_life_ends_ends_no_wait),
];

const STRETCHED: fn() =
    promising::cl_35_a_voter_that_promised_long_keeps_quiet_for_as_long_after_its_start;
const SHORTENED: fn() =
    promising::cl_35_what_is_durable_is_shortened_when_every_longer_promise_has_run_out;
const STRETCHED_LIST: fn() =
    voters::cl_35_after_any_stretch_the_list_waits_for_the_longest_lease_there_is;
const FORMER: fn() =
    promising::l4_under_a_restored_ledger_nothing_is_promised_while_a_former_majority_is_out_there;
const LIFE: fn() = promising::l1_an_epoch_of_another_life_of_the_ledger_is_not_promised;
const WAIT: fn() = voters::l6_the_list_changes_again_only_after_the_longest_time_of_a_promise;
const APPLIED: fn() =
    voters::l6_the_wait_counts_from_when_a_majority_of_the_new_list_has_applied_it;
const QUIET: fn() =
    promising::l4_a_voter_is_silent_after_its_start_for_the_longest_time_it_ever_promised;
const FINAL: fn() = promising::l5_what_was_released_is_never_promised_again_under_its_epoch;
const RELEASED: fn() = asking::l5_released_is_said_until_the_ledger_shows_it_and_is_final;
const ORDER: fn() =
    any_order::l3_in_any_order_the_deadline_follows_the_second_newest_answer_of_three;
const TIMER: fn() = asking::l10_a_timer_never_runs_for_the_whole_rest_and_is_set_again;

#[test]
fn each_rule_taken_away_is_noticed_by_its_test() {
    let mut missed = Vec::new();
    for (fault, test) in PLANTED {
        plant("");
        test();
        plant(fault);
        if catch_unwind(AssertUnwindSafe(test)).is_ok() {
            missed.push(*fault);
        }
    }
    plant("");
    assert_eq!(missed, Vec::<&str>::new(), "planted faults that no test noticed");
}
