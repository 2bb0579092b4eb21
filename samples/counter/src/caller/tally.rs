//! What a caller can say of a service from the numbers it was given.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::line::Answered;

/// The end of a run of calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Calls that were answered.
    pub calls: u64,
    /// Numbers between the first and the last that no call was given, or calls without answer.
    pub lost: u64,
    /// Numbers that two calls were given, and calls that were given two numbers.
    pub doubled: u64,
    /// The longest time between two answers, in seconds.
    pub longest_gap_s: f64,
    /// The program that answered.
    pub program: String,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, lost, doubled, longest_gap_s, .. } = self;
        write!(f, "calls {calls}  lost {lost}  doubled {doubled}  longest gap {longest_gap_s:.3} s")
    }
}

/// What was answered so far.
#[derive(Debug, Default)]
pub struct Tally {
    number_of: BTreeMap<u64, u64>,
    call_of: BTreeMap<u64, u64>,
    doubled: u64,
    last: Option<Instant>,
    longest: Duration,
    program: String,
}

impl Tally {
    /// Notes an answer, also one that came before.
    pub fn note(&mut self, answered: &Answered) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            self.longest = self.longest.max(now - last);
        }
        self.program.clone_from(&answered.program);
        let Answered { number, serial, .. } = *answered;
        let second_number = self.number_of.insert(serial, number).is_some_and(|n| n != number);
        let second_call = self.call_of.insert(number, serial).is_some_and(|s| s != serial);
        self.doubled += u64::from(second_number || second_call);
    }

    /// What there is to say, with so many calls that have no answer.
    #[must_use]
    pub fn summary(&self, unanswered: u64) -> Summary {
        let span = match (self.call_of.first_key_value(), self.call_of.last_key_value()) {
            (Some((first, _)), Some((last, _))) => last - first + 1,
            (None, _) | (_, None) => 0,
        };
        let missing = span.saturating_sub(self.call_of.len() as u64);
        Summary {
            calls: self.number_of.len() as u64,
            lost: missing.max(unanswered),
            doubled: self.doubled,
            longest_gap_s: (self.longest.as_secs_f64() * 1000.0).round() / 1000.0,
            program: self.program.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(serial: u64, number: u64) -> Answered {
        let line = format!("{number} n1 2026-01-01 00:00:00.000 counter c {serial}");
        super::super::line::parse(&line, "c").unwrap()
    }

    fn summary_of(pairs: &[(u64, u64)], unanswered: u64) -> Summary {
        let mut tally = Tally::default();
        for (serial, number) in pairs {
            tally.note(&answered(*serial, *number));
        }
        tally.summary(unanswered)
    }

    #[test]
    fn a_missing_number_is_lost_and_a_repeated_one_doubled() {
        let whole = summary_of(&[(1, 330), (2, 331), (2, 331)], 0);
        assert_eq!((whole.calls, whole.lost, whole.doubled), (2, 0, 0));
        assert_eq!(summary_of(&[(1, 338), (2, 340)], 0).lost, 1);
        assert_eq!(summary_of(&[(1, 338), (2, 338)], 0).doubled, 1);
        assert_eq!(summary_of(&[(1, 338), (1, 339)], 0).doubled, 1);
        assert_eq!(summary_of(&[(1, 338)], 2).lost, 2);
    }
}
