//! Which beats wake those who hear them.

use super::*;

/// The hastes of the beats of the next `span`, while b and c are heard all the time.
fn next(bench: &mut Bench, span: Span) -> Vec<Haste> {
    bench.hastes.clear();
    let until = bench.now + span;
    let mut sequence = bench.now.0;
    while bench.now < until {
        sequence += 1;
        for voter in ["b", "c"] {
            let beat = beat_of(voter, sequence, &bench.record);
            bench.tell(Event::Heard { via: via(0), beat: beat.into() });
        }
        bench.pass(Span::millis(10));
    }
    bench.hastes.clone()
}

#[test]
fn beats_that_renew_wait_for_their_readers_and_one_that_asks_for_the_first_time_does_not() {
    let mut bench = Bench::new(record());
    next(&mut bench, Span::secs(1));
    let idle = next(&mut bench, Span::secs(1));
    assert!(idle.len() > 10 && idle.iter().all(|haste| *haste == Haste::Waits), "{idle:?}");
    bench.hastes.clear();
    bench.give(|_| ());
    assert_eq!(bench.hastes.first(), Some(&Haste::Now), "a group is asked for");
    next(&mut bench, Span::secs(1));
    let renewing = next(&mut bench, Span::secs(1));
    assert!(renewing.iter().all(|haste| *haste == Haste::Waits), "{renewing:?}");
}

#[test]
fn an_answer_that_is_missing_from_a_voter_that_is_heard_is_asked_for_at_once() {
    let mut bench = Bench::running(record());
    next(&mut bench, Span::secs(1));
    bench.voters.retain(|voter| *voter != name("c"));
    let missing = next(&mut bench, Span::secs(1));
    let waited = missing.iter().take_while(|haste| **haste == Haste::Waits).count();
    assert!(waited <= 2, "{missing:?}");
    assert!(missing[waited..].iter().all(|haste| *haste == Haste::Now), "{missing:?}");
    bench.voters.push(name("c"));
    next(&mut bench, Span::millis(200));
    let again = next(&mut bench, Span::secs(1));
    assert!(again.iter().all(|haste| *haste == Haste::Waits), "{again:?}");
}

#[test]
fn a_node_that_misses_an_answer_falls_out_of_step_until_it_comes() {
    let mut bench = Bench::running(record());
    next(&mut bench, Span::secs(1));
    let rests = |bench: &mut Bench| {
        let before = bench.beats.len();
        next(bench, Span::secs(1));
        let sent: Vec<Moment> = bench.beats[before..].iter().map(|beat| beat.sent).collect();
        sent.windows(2).map(|two| two[1].since(two[0])).max().unwrap()
    };
    let (beat, step) = (bench.node.timing().beat, Span::millis(5));
    assert!(rests(&mut bench) >= beat);
    bench.voters.retain(|voter| *voter != name("c"));
    next(&mut bench, Span::millis(200));
    assert!(rests(&mut bench) <= Span(beat.0 / 4 * 3) + step);
}

#[test]
fn nodes_that_miss_each_others_answers_fall_out_of_step_by_different_steps() {
    let mut bench = Bench::running(record());
    let beat = bench.node.timing().beat;
    let steps = ["a", "bb", "d"].map(|me| {
        bench.node.me = name(me);
        bench.node.out_of_step()
    });
    assert!(steps[0] > steps[1] && steps[1] > steps[2], "{steps:?}");
    assert!(steps.iter().all(|step| (beat.0 / 2..beat.0).contains(&step.0)), "{steps:?}");
}

#[test]
fn a_wake_that_comes_late_puts_off_no_later_beat_and_a_standstill_does() {
    let mut bench = Bench::running(record());
    next(&mut bench, Span::secs(1));
    let (beat, due, before) = (bench.node.timing().beat, bench.node.next_beat, bench.beats.len());
    let wake = |bench: &mut Bench, at: Moment| {
        bench.now = at;
        next(bench, Span::millis(1));
    };
    for turn in 0..20 {
        wake(&mut bench, due + Span(beat.0 * turn) + Span::millis(4));
    }
    assert_eq!(bench.beats.len() - before, 20);
    let due = due + Span(beat.0 * 20);
    assert_eq!(bench.node.next_beat, due);
    wake(&mut bench, due + beat);
    assert!(bench.node.next_beat.since(due + beat) >= Span(beat.0 / 2), "on each others heels");
}

#[test]
fn a_voter_that_is_not_heard_is_not_waited_for() {
    let mut bench = Bench::running(record());
    next(&mut bench, Span::secs(1));
    bench.voters.clear();
    bench.pass(Span::secs(1));
    bench.hastes.clear();
    bench.pass(Span::secs(1));
    assert!(bench.hastes.iter().all(|haste| *haste == Haste::Waits), "{:?}", bench.hastes);
}
