//! The clocks of this machine: the lease clock and the time on the wall.
#![expect(unsafe_code, reason = "clock_gettime is read raw: it is on the path of every heartbeat")]

use std::sync::atomic::{AtomicU64, Ordering};

use tsugi_vocabulary::{Moment, Wall};

fn read(clock: libc::clockid_t) -> i128 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, writable timespec for the length of the call.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(failed, 0, "the kernel has had this clock since 2.6.39");
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

/// The lease clock: `MONOTONIC_RAW + (BOOTTIME − MONOTONIC)`. No daemon slews it and it counts
/// suspended time (L10).
#[must_use]
pub fn now() -> Moment {
    let suspended = i128::from(suspended());
    Moment(u64::try_from(read(libc::CLOCK_MONOTONIC_RAW) + suspended).unwrap_or(0))
}

/// The suspended time as last accepted. Readings of the two clocks differ by the time between
/// them; only a difference that no such delay explains is taken, so the lease clock stays smooth.
static SUSPENDED_NS: AtomicU64 = AtomicU64::new(0);
/// A smaller change of the suspended time is the time between two readings.
const SUSPEND_LEAST_NS: u64 = 1_000_000;
/// Readings further apart than this say nothing.
const READINGS_APART_NS: i128 = 100_000;

fn suspended() -> u64 {
    let known = SUSPENDED_NS.load(Ordering::Relaxed);
    let before = read(libc::CLOCK_MONOTONIC);
    let boot = read(libc::CLOCK_BOOTTIME);
    let after = read(libc::CLOCK_MONOTONIC);
    if after - before > READINGS_APART_NS {
        return known;
    }
    let seen = u64::try_from(boot - before).unwrap_or(0);
    if seen <= known.saturating_add(SUSPEND_LEAST_NS) {
        return known;
    }
    SUSPENDED_NS.fetch_max(seen, Ordering::Relaxed);
    seen
}

/// The time on the wall.
#[must_use]
pub fn wall() -> Wall {
    Wall(u64::try_from(read(libc::CLOCK_REALTIME) / 1_000_000).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lease_clock_never_goes_backwards() {
        let mut last = now();
        for _ in 0..100_000 {
            let next = now();
            assert!(next >= last, "{next} came after {last}");
            last = next;
        }
    }
}
