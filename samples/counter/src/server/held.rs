//! Calls that take their time, as those of a program that works: what is carried out later, and
//! what is carried out at once and answered later. A takeover finds some of either under way.

use std::time::{Duration, Instant};

use crate::kept::CallId;

/// No call takes longer.
const LONGEST: Duration = Duration::from_secs(10);

/// When a call is carried out and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// At once.
    AtOnce,
    /// Carried out after so long, and then answered.
    Before(Duration),
    /// Carried out at once, and answered after so long.
    After(Duration),
}

impl Pace {
    /// Reads `before 150` or `after 150`, in milliseconds.
    pub(super) fn read(words: &[&str]) -> Option<Self> {
        let span = |ms: &str| Some(Duration::from_millis(ms.parse().ok()?).min(LONGEST));
        match words {
            [] => Some(Self::AtOnce),
            ["before", ms] => span(ms).map(Self::Before),
            ["after", ms] => span(ms).map(Self::After),
            _ => None,
        }
    }
}

/// What a connection still gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Its call is carried out.
    Call(CallId),
    /// This reply.
    Reply(String),
}

/// Everything that is not due yet.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<(Instant, u64, Due)>);

impl Held {
    pub(super) fn keep(&mut self, at: Instant, token: u64, due: Due) {
        self.0.push((at, token, due));
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|(at, ..)| *at).min()
    }

    /// What is due at `now`, in the order in which it came.
    pub(super) fn take(&mut self, now: Instant) -> Vec<(u64, Due)> {
        let due = self.0.extract_if(.., |(at, ..)| *at <= now);
        due.map(|(_, token, due)| (token, due)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_when_it_is_due_and_once() {
        let (begun, ms) = (Instant::now(), Duration::from_millis);
        let call = CallId { client: "c".into(), serial: 7 };
        let mut held = Held::default();
        held.keep(begun + ms(200), 5, Due::Call(call.clone()));
        held.keep(begun + ms(100), 6, Due::Reply("338".into()));
        assert_eq!(held.next(), Some(begun + ms(100)));
        assert_eq!(held.take(begun), []);
        assert_eq!(held.take(begun + ms(150)), [(6, Due::Reply("338".into()))]);
        assert_eq!(held.take(begun + ms(900)), [(5, Due::Call(call))]);
        assert_eq!((held.take(begun + ms(900)), held.next()), (Vec::new(), None));
    }
}
