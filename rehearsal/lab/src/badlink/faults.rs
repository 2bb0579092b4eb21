//! How bad a port is, and what that does to each of its frames.

use std::time::Duration;

/// One part in a million.
const MILLION: u64 = 1_000_000;

/// How bad the way from a port into the switch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Frames lost, in parts of a million.
    pub loss_ppm: u64,
    /// Frames that arrive twice, in parts of a million.
    pub copy_ppm: u64,
    /// Every frame waits so long.
    pub delay: Duration,
    /// And up to so much longer.
    pub jitter: Duration,
}

/// What happens to one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives, once or twice, after these waits.
    Arrives {
        /// Until the frame.
        after: Duration,
        /// Until its copy, if there is one.
        copy_after: Option<Duration>,
    },
}

impl Faults {
    /// The fate of the `nth` frame of a port under `seed`.
    #[must_use]
    pub fn fate(&self, seed: u64, port: u64, nth: u64) -> Fate {
        if *self == Self::default() {
            return Fate::Arrives { after: Duration::ZERO, copy_after: None };
        }
        let mut draw = Draw::new(seed ^ port.rotate_left(40) ^ nth.wrapping_mul(0x9E37_79B9));
        if draw.below(MILLION) < self.loss_ppm {
            return Fate::Lost;
        }
        let copied = draw.below(MILLION) < self.copy_ppm;
        let after = self.wait(&mut draw);
        Fate::Arrives { after, copy_after: copied.then(|| self.wait(&mut draw)) }
    }

    fn wait(&self, draw: &mut Draw) -> Duration {
        let most = u64::try_from(self.jitter.as_nanos()).unwrap_or(u64::MAX);
        self.delay + Duration::from_nanos(if most == 0 { 0 } else { draw.below(most) })
    }
}

/// A row of numbers that follows from its seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// The row of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Faults = Faults {
        loss_ppm: 300_000,
        copy_ppm: 100_000,
        delay: Duration::from_millis(2),
        jitter: Duration::from_millis(3),
    };

    #[test]
    fn a_seed_repeats_a_bad_network_and_another_seed_does_not() {
        let row = |seed| (0..500).map(|nth| BAD.fate(seed, 3, nth)).collect::<Vec<_>>();
        assert_eq!(row(7), row(7));
        assert_ne!(row(7), row(8));
    }

    #[test]
    fn the_share_of_lost_and_copied_frames_is_as_asked() {
        let fates: Vec<Fate> = (0..10_000).map(|nth| BAD.fate(1, 0, nth)).collect();
        let lost = fates.iter().filter(|fate| **fate == Fate::Lost).count();
        assert!((2700..3300).contains(&lost), "{lost}");
        for fate in fates {
            if let Fate::Arrives { after, .. } = fate {
                assert!(after >= BAD.delay && after < BAD.delay + BAD.jitter);
            }
        }
    }
}
