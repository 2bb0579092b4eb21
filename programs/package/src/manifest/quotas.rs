//! How much a service may use.

use serde::{Deserialize, Serialize};

/// The most workers of a service.
pub const WORKERS_MOST: u64 = 64;
/// The longest time of a call, in milliseconds.
pub const CALL_MOST: u64 = 3_600_000;
/// The least and the most memory of a worker, in MiB: with less none starts.
pub const MEMORY: (u64, u64) = (16, 64 << 10);
/// The most records of a file that has a quota of them.
pub const RECORDS_MOST: u64 = 1 << 53;

/// How much a service may use; for what is not said the group's daemon has a default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quotas {
    /// Workers that have a call at a time; 1 to [`WORKERS_MOST`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u64>,
    /// Milliseconds of a call; 1 to [`CALL_MOST`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_ms: Option<u64>,
    /// Memory that a worker may hold, in MiB; within [`MEMORY`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
}

impl Quotas {
    /// Whether nothing is said.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// The first that cannot be: its name, and what it says.
    #[must_use]
    pub fn wrong(&self) -> Option<(&'static str, u64)> {
        let within = |least: u64, most: u64| move |said: &u64| (least..=most).contains(said);
        let of = |name, said: Option<u64>, fits: &dyn Fn(&u64) -> bool| {
            said.filter(|said| !fits(said)).map(|said| (name, said))
        };
        of("workers", self.workers, &within(1, WORKERS_MOST))
            .or_else(|| of("call_ms", self.call_ms, &within(1, CALL_MOST)))
            .or_else(|| of("memory_mib", self.memory_mib, &within(MEMORY.0, MEMORY.1)))
    }
}
