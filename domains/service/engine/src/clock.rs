//! What time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use tsugi_vocabulary::Moment;

/// Now, on the clock that leases are measured by: it goes on while the machine is suspended.
pub(crate) fn now() -> Moment {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has this clock");
    let part = |n: i64| u64::try_from(n).unwrap_or(0);
    Moment(part(time.tv_sec()) * 1_000_000_000 + part(time.tv_nsec()))
}

/// Now, in milliseconds of Unix time; only written down.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
