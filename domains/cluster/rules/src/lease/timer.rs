//! How a deadline of the lease clock is waited for with timers of another clock (L10).

use tsugi_vocabulary::{Moment, Span};

use crate::mutant::mutant;

/// Below this the whole rest is waited for: no clock is slewed by enough to matter.
const LAST_STRETCH: Span = Span::micros(200);

/// How long a timer is set for when `deadline` is awaited: 90 % of the rest, because the clock of
/// the timer may be slewed against the lease clock by more than the guard allows. Whoever wakes
/// looks at the lease clock and sets the timer again until the deadline is seen to have passed.
/// Zero only if it has.
#[must_use]
pub fn wait_for(now: Moment, deadline: Moment) -> Span {
    let rest = deadline.since(now);
    if rest <= LAST_STRETCH {
        return rest;
    }
    if mutant("timer-runs-the-whole-rest") {
        return rest;
    }
    Span(rest.0 / 10 * 9).max(LAST_STRETCH)
}

/// The whole milliseconds of a wait, for calls that take nothing finer: rounded up, or a node
/// would wake before its deadline, find nothing due and spin, or act early and never look again.
#[must_use]
pub fn whole_millis(wait: Span) -> u64 {
    if mutant("timer-rounded-down") {
        return wait.as_millis();
    }
    wait.0.div_ceil(1_000_000)
}
