//! How long to wait before the next try: longer after each, and never all at the same time.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The shortest and the longest pause between two tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pauses {
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
}

impl Pauses {
    /// The pause after so many failed tries on end, from one; `chance` from 0 to 1 spreads it over
    /// its upper half, so that callers that failed together do not come back together.
    pub(crate) fn after(self, failed: u32, chance: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(failed.saturating_sub(1).min(16));
        let whole = self.shortest.saturating_mul(doubled).min(self.longest);
        whole.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }
}

/// Some number from 0 to 1.
pub(crate) fn chance() -> f64 {
    // Each state has keys of its own.
    let drawn = RandomState::new().hash_one(0_u8) >> 11;
    drawn as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: Pauses =
        Pauses { shortest: Duration::from_millis(10), longest: Duration::from_millis(250) };

    #[test]
    fn pauses_double_up_to_the_longest() {
        let whole: Vec<_> = (1..=7).map(|n| PAUSES.after(n, 1.0).as_millis()).collect();
        assert_eq!(whole, [10, 20, 40, 80, 160, 250, 250]);
        assert_eq!(PAUSES.after(u32::MAX, 1.0), PAUSES.longest);
    }

    #[test]
    fn chance_takes_at_most_half_of_a_pause() {
        assert_eq!(PAUSES.after(3, 0.0).as_millis(), 20);
        for _ in 0..1_000 {
            let drawn = chance();
            assert!((0.0..1.0).contains(&drawn), "{drawn}");
        }
        let drawn: std::collections::BTreeSet<_> = (0..100).map(|_| chance().to_bits()).collect();
        assert!(drawn.len() > 90, "they are spread");
    }
}
