//! How fast the lease clock runs: against the clock that a time service steers, where one runs.

use nix::time::{ClockId, clock_gettime};

/// Before this much time, in nanoseconds, a rate is noise.
const ENOUGH: i64 = 60_000_000_000;

/// A rate is that of the last so many nanoseconds: an average since the start of the agent would
/// hide for days what has changed.
const WINDOW: i64 = 300_000_000_000;

/// Two clocks of this machine, as they stood when the window began.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockRate {
    raw: i64,
    steered: i64,
    /// The rate of the window before.
    last: Option<i64>,
}

impl ClockRate {
    /// From now on.
    pub fn begin() -> Self {
        let (raw, steered) = both();
        Self { raw, steered, last: None }
    }

    /// By how many parts in a million the lease clock has run fast; none before it is known.
    pub fn ppm(&mut self) -> Option<i64> {
        self.look(both())
    }

    fn look(&mut self, (raw, steered): (i64, i64)) -> Option<i64> {
        let (ran, passed) = (raw - self.raw, steered - self.steered);
        let now = ppm(ran, passed);
        if passed >= WINDOW {
            *self = Self { raw, steered, last: now };
        }
        self.last.or(now)
    }
}

fn ppm(raw: i64, steered: i64) -> Option<i64> {
    (steered >= ENOUGH).then(|| (raw - steered).saturating_mul(1_000_000) / steered)
}

/// Neither counts the time in which the machine was suspended.
fn both() -> (i64, i64) {
    let read =
        |clock| clock_gettime(clock).map_or(0, |at| at.tv_sec() * 1_000_000_000 + at.tv_nsec());
    (read(ClockId::CLOCK_MONOTONIC_RAW), read(ClockId::CLOCK_MONOTONIC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_changes_its_rate_is_told_of_within_two_windows_however_long_it_ran_well() {
        let mut rate = ClockRate { raw: 0, steered: 0, last: None };
        let day = 288 * WINDOW;
        assert_eq!(rate.look((day, day)), Some(0));
        let fast =
            |windows: i64| (day + windows * (WINDOW + WINDOW / 2_500), day + windows * WINDOW);
        rate.look(fast(1));
        assert_eq!(rate.look(fast(2)), Some(400));
    }

    #[test]
    fn a_rate_is_told_in_parts_of_a_million_once_enough_time_has_passed() {
        let second = 1_000_000_000;
        assert_eq!(ppm(59 * second, 59 * second), None);
        assert_eq!(ppm(100 * second + 20_000_000, 100 * second), Some(200));
        assert_eq!(ppm(100 * second - 60_000_000, 100 * second), Some(-600));
    }
}
