//! How fast the lease clock runs: against the clock that a time service steers, where one runs.

use nix::time::{ClockId, clock_gettime};

/// Before this much time, in nanoseconds, a rate is noise.
const ENOUGH: i64 = 60_000_000_000;

/// Two clocks of this machine, as they stood when the agent started.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockRate {
    raw: i64,
    steered: i64,
}

impl ClockRate {
    /// From now on.
    pub fn begin() -> Self {
        let (raw, steered) = both();
        Self { raw, steered }
    }

    /// By how many parts in a million the lease clock has run fast; none before it is known.
    pub fn ppm(self) -> Option<i64> {
        let (raw, steered) = both();
        ppm(raw - self.raw, steered - self.steered)
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
    fn a_rate_is_told_in_parts_of_a_million_once_enough_time_has_passed() {
        let second = 1_000_000_000;
        assert_eq!(ppm(59 * second, 59 * second), None);
        assert_eq!(ppm(100 * second + 20_000_000, 100 * second), Some(200));
        assert_eq!(ppm(100 * second - 60_000_000, 100 * second), Some(-600));
    }
}
