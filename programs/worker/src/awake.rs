//! Waiting awake: looking again and again for what is about to come, in place of sleeping and
//! being woken. A call has four wakes one after the other, and each costs more than what the
//! thread that was woken does then.
//!
//! Invariant: whoever waits so lets everybody else on its processor go first, sleeps after
//! [`LONGEST`], and does not try where it did not pay lately or where there is one processor.

use std::num::NonZero;
use std::thread::{available_parallelism, yield_now};
use std::time::{Duration, Instant};

/// So long one wait looks before it sleeps.
pub const LONGEST: Duration = Duration::from_micros(50);
/// So many waits that came to nothing, beyond those that did not, end the trying.
const TRUST: u8 = 8;
/// So many waits sleep at once before one is tried again.
const REST: u8 = 64;

/// What a thread knows of its waits.
#[derive(Clone, Debug)]
pub struct Awake {
    may: May,
    looked: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    /// There is one processor: whoever is waited for needs it.
    Never,
    /// It pays; so much is trusted to that.
    Tries(u8),
    /// It did not pay; so many waits sleep at once.
    Sleeps(u8),
}

/// What came of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Meanwhile,
    Not,
}

impl Default for Awake {
    /// On this machine.
    fn default() -> Self {
        Self::on(available_parallelism().map_or(1, NonZero::get))
    }
}

impl Awake {
    /// With so many processors.
    #[must_use]
    pub const fn on(processors: usize) -> Self {
        let may = if processors > 1 { May::Tries(TRUST) } else { May::Never };
        Self { may, looked: 0 }
    }

    /// Looks until there is something, for [`LONGEST`]; not at all where that does not pay. None:
    /// whoever waits sleeps now.
    pub fn wait<T>(&mut self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        if !self.tries() {
            return None;
        }
        self.looked += 1;
        let begun = Instant::now();
        loop {
            let found = look();
            if found.is_some() {
                self.learn(Came::Meanwhile);
                return found;
            }
            if begun.elapsed() >= LONGEST {
                self.learn(Came::Not);
                return None;
            }
            yield_now();
        }
    }

    /// How many waits were awake, all in all.
    #[must_use]
    pub const fn looked(&self) -> u64 {
        self.looked
    }

    /// Whether the next wait is awake.
    const fn tries(&mut self) -> bool {
        match self.may {
            May::Never => false,
            May::Tries(_) => true,
            May::Sleeps(0) => {
                self.may = May::Tries(1);
                true
            }
            May::Sleeps(left) => {
                self.may = May::Sleeps(left - 1);
                false
            }
        }
    }

    fn learn(&mut self, came: Came) {
        let May::Tries(trust) = self.may else { return };
        self.may = match came {
            Came::Meanwhile => May::Tries(TRUST.min(trust + 1)),
            Came::Not if trust > 1 => May::Tries(trust - 1),
            Came::Not => May::Sleeps(REST),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_meanwhile_ends_the_wait() {
        let mut awake = Awake::on(2);
        let mut looks = 0;
        let found = awake.wait(|| {
            looks += 1;
            (looks == 3).then_some("come")
        });
        assert!(found == Some("come") || looks < 3, "{found:?} after {looks}");
        assert_eq!(awake.looked(), 1);
    }

    #[test]
    fn what_does_not_come_is_waited_for_awake_no_longer() {
        let mut awake = Awake::on(2);
        let begun = Instant::now();
        assert_eq!(awake.wait(|| None::<()>), None);
        assert!(begun.elapsed() >= LONGEST);
        for _ in 1..TRUST {
            assert_eq!(awake.wait(|| None::<()>), None);
        }
        assert_eq!(awake.looked(), u64::from(TRUST));
        for _ in 0..REST {
            assert_eq!(awake.wait(|| Some(())), None, "it sleeps at once");
        }
        assert_eq!(awake.looked(), u64::from(TRUST));
        assert_eq!(awake.wait(|| None::<()>), None, "one is tried");
        assert_eq!(awake.looked(), u64::from(TRUST) + 1);
        for _ in 0..REST {
            assert_eq!(awake.wait(|| Some(())), None);
        }
        assert_eq!(awake.wait(|| Some(())), Some(()), "it pays again");
        assert_eq!(awake.wait(|| Some(())), Some(()));
    }

    #[test]
    fn with_one_processor_nobody_waits_awake() {
        let mut awake = Awake::on(1);
        for _ in 0..=REST {
            assert_eq!(awake.wait(|| Some(())), None);
        }
        assert_eq!(awake.looked(), 0);
    }
}
