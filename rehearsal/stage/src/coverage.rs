//! What a series must have met: a fault that never happened has tested nothing.

use std::collections::BTreeMap;

use tsugi_world::FaultKind;

/// From so many takeovers on, everything must have been met.
pub const FROM_TAKEOVERS: u64 = 250_000;

/// The rare states and kinds of takeover.
const STATES: &[&str] = &[
    "began by cluster start",
    "command carried out",
    "drill beyond its line",
    "drill failed",
    "drill interrupted",
    "drill proven",
    "drill stayed away",
    "moved by drain",
    "moved by failback",
    "moved by operator",
    "moved by shutdown",
    "node joined",
    "node removed",
    "refused as repeated",
    "refused as stale",
    "state adopting",
    "state asker shot",
    "state deaf",
    "state began anew after a failed write",
    "state fenced",
    "state found off",
    "state froze at a write",
    "state froze before a write",
    "state life ended as demanded",
    "state mending",
    "state petition late",
    "state pinned and lost",
    "state power lost at a write",
    "state write failed",
    "state write late",
    "state write torn",
    "stretch over",
    "stretched",
    "taken over: monitor failed",
    "taken over: node deaf",
    "taken over: node silent",
    "taken over: program died",
    "taken over: start failed",
    "voter added",
    "voter removed",
    "voters not changed",
];

/// What was never met.
#[must_use]
pub fn missing(met: &BTreeMap<&'static str, u64>) -> Vec<&'static str> {
    let all = FaultKind::NAMES.iter().chain(&FaultKind::OF_DISK).chain(STATES);
    all.filter(|name| !met.contains_key(*name)).copied().collect()
}
