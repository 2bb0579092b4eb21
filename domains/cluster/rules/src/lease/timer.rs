//! How a deadline of the lease clock is awaited with timers of another clock (L10).

use tsugi_vocabulary::{Moment, Span, timer};

use crate::mutant::mutant;

/// How long a guardian sleeps before it looks again whether `deadline` has passed. Zero only if it
/// has.
#[must_use]
pub fn look_after(now: Moment, deadline: Moment) -> Span {
    let rest = deadline.since(now);
    if rest == Span::ZERO || mutant("timer-runs-the-whole-rest") {
        return rest;
    }
    timer::look_after(rest)
}
