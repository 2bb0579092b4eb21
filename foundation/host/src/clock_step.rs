//! Steps of the time on the wall, seen against the lease clock.

use tsugi_vocabulary::{Moment, Span, Wall};

/// The time on the wall was moved, seen by comparing it with the lease clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How far: positive is forward, in milliseconds.
    pub by_ms: i64,
}

/// Watches the time on the wall for steps.
#[derive(Clone, Copy, Debug)]
pub struct StepWatch {
    least: Span,
    offset_ns: i128,
}

impl StepWatch {
    /// A watch that reports steps of at least `least`; slewing by at most 500 ppm between two
    /// looks is no step when `least` is well above it.
    #[must_use]
    pub fn new(least: Span, now: Moment, wall: Wall) -> Self {
        Self { least, offset_ns: offset(now, wall) }
    }

    /// Compares the clocks again.
    pub fn look(&mut self, now: Moment, wall: Wall) -> Option<Step> {
        let offset = offset(now, wall);
        let moved = offset - self.offset_ns;
        self.offset_ns = offset;
        (moved.unsigned_abs() >= u128::from(self.least.0))
            .then(|| Step { by_ms: i64::try_from(moved / 1_000_000).unwrap_or(i64::MAX) })
    }
}

fn offset(now: Moment, wall: Wall) -> i128 {
    i128::from(wall.0) * 1_000_000 - i128::from(now.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_is_seen_and_slewing_is_not() {
        let start = Wall(1_000_000);
        let mut watch = StepWatch::new(Span::millis(200), Moment(0), start);
        assert_eq!(watch.look(Moment(1_000_000_000), Wall(1_001_000)), None);
        assert_eq!(watch.look(Moment(2_000_000_000), Wall(1_002_001)), None, "500 ppm and more");
        let stepped = watch.look(Moment(3_000_000_000), Wall(1_063_001));
        assert_eq!(stepped, Some(Step { by_ms: 60_000 }));
        assert_eq!(watch.look(Moment(4_000_000_000), Wall(1_064_001)), None, "said once");
        let back = watch.look(Moment(5_000_000_000), Wall(1_000_000));
        assert_eq!(back, Some(Step { by_ms: -65_001 }));
    }
}
