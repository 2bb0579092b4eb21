//! How many calls run beside each other.

use tsugi_service_rules::width::Width;

#[test]
fn those_that_meet_become_fewer_once_for_all_that_were_under_way() {
    let mut width = Width::new(16);
    width.met(16);
    assert_eq!(width.now(), 8);
    for _ in 0..15 {
        width.met(8);
    }
    assert_eq!(width.now(), 8, "they had begun before");
    width.met(8);
    assert_eq!(width.now(), 4);
    for _ in 0..100 {
        width.met(1);
    }
    assert_eq!(width.now(), 1, "and one always runs");
    assert_eq!(Width::new(0).now(), 1);
}

#[test]
fn those_that_do_not_meet_become_one_more_at_a_time_up_to_the_most() {
    let mut width = Width::new(3);
    width.met(1);
    assert_eq!(width.now(), 1);
    for _ in 0..7 {
        width.kept();
    }
    assert_eq!(width.now(), 1);
    width.kept();
    assert_eq!(width.now(), 2);
    for _ in 0..1_000 {
        width.kept();
    }
    assert_eq!(width.now(), 3);
}
