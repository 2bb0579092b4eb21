//! How a deadline of the lease clock is awaited with timers of another clock (L10): how long to
//! sleep before the next look, and when the kernel ends who does not look.

use crate::Span;

/// How long after the earliest deadline, at most, a stopped guardian is killed by the kernel.
pub const KILLED_AFTER: Span = Span::millis(20);
/// So long at least a machine may stand still without the kernel ending its guardian, which learns
/// only when it looks that its deadlines have moved on: longer than any pause that the rehearsal
/// on real processes does not take for the machine's own fault (50 ms).
const STANDS_STILL: Span = Span::millis(60);
/// Of a wait so much is slept before it looks what stands in the sheets. A timer runs on a clock
/// that may be slewed by 8 %, so none is set for the whole.
const SHARE: u64 = 66;
/// The kernel's own timer is set longer than ours: ours must have the chance to set it anew.
const SHARE_OF_KILL: u64 = 92;
/// A deadline as near as this has not moved on for longer than usual: it is looked at the half.
const NEAR: Span = Span::millis(50);

/// How long until it looks, of `rest` until the earliest deadline. It looks at the lease clock
/// then, and sleeps again until the deadline is seen to have passed.
#[must_use]
pub fn look_after(rest: Span) -> Span {
    let killed = killed_after(rest).saturating_sub(STANDS_STILL);
    let most = if rest > NEAR { killed } else { Span(rest.0 / 2) };
    // Zero would switch a timer off.
    Span(rest.0 / 100 * SHARE).min(most).max(Span::micros(20))
}

/// How long until the kernel ends it, unless it has looked.
#[must_use]
pub fn killed_after(rest: Span) -> Span {
    Span(rest.0 / 100 * SHARE_OF_KILL) + KILLED_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rests() -> impl Iterator<Item = Span> {
        (0..2_000).map(Span::millis)
    }

    #[test]
    fn it_looks_before_its_deadline_even_on_a_clock_that_is_slewed() {
        for rest in rests().skip(1) {
            let slewed = Span(look_after(rest).0 / 100 * 108);
            assert!(slewed <= rest, "{rest}: {slewed}");
            let killed = Span(killed_after(rest).0 / 100 * 108);
            assert!(killed <= rest + Span::millis(22), "{rest}: {killed}");
        }
    }

    #[test]
    fn a_machine_that_stands_still_for_sixty_milliseconds_does_not_cost_it_its_life() {
        for rest in rests().filter(|rest| *rest > NEAR) {
            let spare = killed_after(rest).saturating_sub(look_after(rest));
            assert!(spare >= STANDS_STILL, "{rest}: {spare}");
        }
        for rest in rests() {
            let spare = killed_after(rest).saturating_sub(look_after(rest));
            assert!(spare >= Span::millis(19), "{rest}: {spare}");
        }
    }

    #[test]
    fn it_reaches_any_deadline_in_few_looks() {
        for rest in rests() {
            let (mut left, mut looks) = (rest, 0);
            while left > Span::micros(20) {
                left = left.saturating_sub(look_after(left));
                looks += 1;
            }
            assert!(looks <= 20, "{rest}: {looks}");
        }
    }
}
