//! The arithmetic of an outage, the same as for the peers: the longest gap between two answers
//! from one second before the fault to the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::client::{Call, CallEnd};

/// How long before the fault the arithmetic begins.
pub const BEFORE: Duration = Duration::from_secs(1);

/// What the client saw of one fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Outage {
    /// The longest gap between two answers.
    pub gap: Duration,
    /// The node that answered before the gap, and the one after it.
    pub from_to: (Option<String>, Option<String>),
    /// From the fault to the first answer after the gap; none if it was still dark at the end.
    pub since_fault: Option<Duration>,
    /// Numbers that no call was given, or calls that were never answered.
    pub lost: u64,
    /// Numbers given to two calls, and calls given two numbers.
    pub doubled: u64,
    /// Calls answered.
    pub answered: usize,
    /// How the others ended.
    pub failures: BTreeMap<String, usize>,
}

impl Outage {
    /// Judges `calls` around a fault at `fault`, looked at until `end`. `unanswered` is how many
    /// calls had no answer even when they were asked again.
    #[must_use]
    pub fn of(calls: &[Call], fault: Duration, end: Duration, unanswered: usize) -> Self {
        let since = fault.saturating_sub(BEFORE);
        let seen: Vec<&Call> = calls.iter().filter(|call| call.until >= since).collect();
        let mut answers: Vec<(Duration, &str)> = seen
            .iter()
            .filter(|call| !call.again)
            .filter_map(|call| match &call.end {
                CallEnd::Answered { node, .. } => Some((call.until, node.as_str())),
                CallEnd::Failed(_) => None,
            })
            .collect();
        answers.sort_unstable();
        let mut failures = BTreeMap::new();
        for call in seen.iter().filter(|call| call.from >= since) {
            if let CallEnd::Failed(why) = &call.end {
                *failures.entry(why.clone()).or_insert(0) += 1;
            }
        }
        let longest = longest_gap(&answers, end);
        let after = longest.after.map(|at| answers[at]);
        let (lost, doubled) = numbers(&seen, (since, end));
        Self {
            gap: longest.gap,
            from_to: (
                longest.before.map(|at| answers[at].1.to_owned()),
                after.map(|(_, node)| node.to_owned()),
            ),
            since_fault: after.map(|(at, _)| at.saturating_sub(fault)),
            lost: lost.max(unanswered as u64),
            doubled,
            answered: answers.len(),
            failures,
        }
    }
}

struct Gap {
    gap: Duration,
    before: Option<usize>,
    after: Option<usize>,
}

fn longest_gap(answers: &[(Duration, &str)], end: Duration) -> Gap {
    let mut best = Gap { gap: Duration::ZERO, before: None, after: None };
    for at in 1..answers.len() {
        let gap = answers[at].0 - answers[at - 1].0;
        if gap > best.gap {
            best = Gap { gap, before: Some(at - 1), after: Some(at) };
        }
    }
    // Still dark when we gave up.
    let Some(last) = answers.len().checked_sub(1) else {
        return Gap { gap: Duration::MAX, before: None, after: None };
    };
    let dark = end.saturating_sub(answers[last].0);
    if dark > best.gap.max(Duration::from_secs(1)) {
        best = Gap { gap: dark, before: Some(last), after: None };
    }
    best
}

/// Which call was given which number last, and what cannot be side by side.
#[derive(Default)]
struct Given<'a> {
    call_of: BTreeMap<u64, &'a Call>,
    number_of: BTreeMap<u64, (u64, &'a Call)>,
    /// A number given to two calls, or a call given two; the later one behind.
    at_odds: Vec<(&'a Call, u64, &'a Call)>,
}

impl<'a> Given<'a> {
    fn of(calls: impl IntoIterator<Item = &'a Call>) -> Self {
        let mut given = Self::default();
        for call in calls {
            let CallEnd::Answered { number, .. } = call.end else { continue };
            let other_call = given.call_of.insert(number, call);
            let other_call = other_call.filter(|other| other.serial != call.serial);
            let other_number = given.number_of.insert(call.serial, (number, call));
            let other_number = other_number.filter(|(other, _)| *other != number);
            let others = other_call.into_iter().chain(other_number.map(|(_, other)| other));
            given.at_odds.extend(others.map(|other| (other, number, call)));
        }
        given
    }
}

/// How many numbers were lost and doubled among the calls begun since `since` and until `end`,
/// later tries of the same calls included. Numbers of other calls, as of one that was asked again
/// after an earlier fault, fill no gap of their own but are not missing either.
fn numbers(calls: &[&Call], (since, end): (Duration, Duration)) -> (u64, u64) {
    let own = |call: &&&Call| !call.again && call.from >= since && call.from <= end;
    let begun: BTreeSet<u64> = calls.iter().filter(own).map(|call| call.serial).collect();
    let Given { call_of, number_of, at_odds } = Given::of(calls.iter().copied());
    let doubled: BTreeSet<u64> = at_odds.iter().map(|(_, number, _)| *number).collect();
    let own = || begun.iter().filter_map(|serial| number_of.get(serial).map(|(number, _)| number));
    let lost = match (own().min(), own().max()) {
        (Some(first), Some(last)) => last - first + 1 - call_of.range(first..=last).count() as u64,
        (None, _) | (_, None) => 0,
    };
    (lost, doubled.len() as u64)
}

/// The first answers that cannot be side by side: who gave a number, when, and to which call.
#[must_use]
pub fn at_odds(calls: &[Call]) -> String {
    let all = Given::of(calls).at_odds;
    let told = all.iter().take(AT_ODDS).map(|(one, _, other)| tell(one) + " and " + &tell(other));
    let more = all.len().saturating_sub(AT_ODDS);
    format!("{}, and {more} more", told.collect::<Vec<_>>().join("; "))
}

/// How many are told.
const AT_ODDS: usize = 4;

fn tell(call: &Call) -> String {
    let (serial, from, until) = (call.serial, call.from, call.until);
    match &call.end {
        CallEnd::Answered { number, node, .. } => {
            format!("call {serial} from {from:?} to {until:?}: {number} by {node}")
        }
        CallEnd::Failed(why) => format!("call {serial} from {from:?} to {until:?}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    fn answered(serial: u64, until: u64, number: u64) -> Call {
        let end = CallEnd::Answered { number, node: "n1".into(), told_by: None };
        Call { serial, from: ms(until - 1), until: ms(until), end, again: false }
    }

    #[test]
    fn an_outage_is_the_longest_gap_between_two_answers() {
        let calls = [
            answered(1, 5000, 7),
            answered(2, 5010, 8),
            answered(9, 5300, 9),
            answered(10, 5310, 10),
        ];
        let outage = Outage::of(&calls, ms(5015), ms(6000), 0);
        assert_eq!(outage.gap, ms(290));
        assert_eq!(outage.since_fault, Some(ms(285)));
        assert_eq!((outage.lost, outage.doubled), (0, 0));
    }

    #[test]
    fn a_service_that_stays_dark_is_out_until_we_gave_up() {
        let calls = [answered(1, 5000, 7), answered(2, 5010, 8)];
        let outage = Outage::of(&calls, ms(5015), ms(9010), 0);
        assert_eq!((outage.gap, outage.since_fault), (ms(4000), None));
    }

    #[test]
    fn a_missing_number_is_lost_unless_a_second_try_of_its_call_had_it() {
        let mut calls = vec![answered(1, 5000, 338), answered(3, 5020, 340)];
        assert_eq!(Outage::of(&calls, ms(5000), ms(5100), 0).lost, 1);
        calls.push(Call { again: true, ..answered(2, 5400, 339) });
        let outage = Outage::of(&calls, ms(5000), ms(5400), 0);
        assert_eq!(outage.lost, 0);
        assert_eq!(outage.gap, ms(20), "a second try is no answer of the running service");
        assert_eq!(Outage::of(&calls, ms(5000), ms(5400), 2).lost, 2);
    }

    #[test]
    fn an_old_number_of_a_call_asked_again_makes_no_gap() {
        let old = Call { again: true, ..answered(1, 5005, 20) };
        let calls = [old, answered(30, 5000, 338), answered(31, 5010, 339)];
        let outage = Outage::of(&calls, ms(5000), ms(5100), 0);
        assert_eq!((outage.lost, outage.doubled), (0, 0));
    }

    #[test]
    fn a_number_that_a_later_call_was_given_is_not_looked_for() {
        let calls = [answered(1, 5000, 7), answered(2, 5010, 8), answered(4, 5201, 10)];
        assert_eq!(Outage::of(&calls, ms(5000), ms(5100), 0).lost, 0, "9 is under way");
        assert_eq!(Outage::of(&calls, ms(5000), ms(5200), 0).lost, 1);
    }

    #[test]
    fn a_number_given_to_two_calls_is_doubled() {
        let calls = [answered(1, 5000, 7), answered(2, 5010, 7), answered(3, 5020, 8)];
        assert_eq!(Outage::of(&calls, ms(5000), ms(5100), 0).doubled, 1);
        let calls = [answered(1, 5000, 7), Call { again: true, ..answered(1, 5010, 8) }];
        assert_eq!(Outage::of(&calls, ms(5000), ms(5100), 0).doubled, 1);
    }
}
