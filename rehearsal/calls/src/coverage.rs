//! What a series must have met: a cell that no seed came to has tested nothing.

use std::collections::BTreeMap;

use crate::fault::{ENDED_AT, KINDS};
use crate::step::STEPS;

/// From so many calls on, everything must have been met.
pub const FROM_CALLS: u64 = 1_000_000;

/// Stages of a call with the events that come to it there.
const CELLS: &[(&str, &str)] = &[
    ("-", "arrived"),
    ("-", "asked"),
    ("-", "caller gone"),
    ("-", "confirmed"),
    ("-", "ended"),
    ("-", "found"),
    ("-", "in doubt"),
    ("-", "interrupted"),
    ("-", "kept"),
    ("-", "resolved"),
    ("-", "start kept"),
    ("ended", "arrived"),
    ("ended", "asked"),
    ("ended", "caller gone"),
    ("ended", "committed"),
    ("ended", "ended"),
    ("ended", "in doubt"),
    ("ended", "interrupted"),
    ("in doubt", "arrived"),
    ("in doubt", "asked"),
    ("in doubt", "caller gone"),
    ("in doubt", "cleared"),
    ("in doubt", "committed"),
    ("in doubt", "in doubt"),
    ("losing", "arrived"),
    ("losing", "unknown kept"),
    ("queued", "arrived"),
    ("queued", "asked"),
    ("queued", "caller gone"),
    ("queued", "ended"),
    ("running", "arrived"),
    ("running", "asked"),
    ("running", "caller gone"),
    ("running", "ended"),
    ("running", "interrupted"),
    ("starting", "arrived"),
    ("starting", "asked"),
    ("starting", "caller gone"),
    ("starting", "start kept"),
];

/// What clients do, each as they should not or as they may.
const CLIENTS: &[&str] = &[
    "asked again",
    "began a new life",
    "came a minute late",
    "came from a former life",
    "confirmed",
    "confirmed early",
    "never confirms",
    "sent another body",
    "sent once",
    "sent thrice",
];

/// What was never met: cells of the table of calls, kinds of faults, acts of clients, and steps of
/// a call at which no engine was ended.
#[must_use]
pub fn missing(
    met: &BTreeMap<(&'static str, &'static str), u64>,
) -> Vec<(&'static str, &'static str)> {
    let faults = KINDS.iter().map(|kind| ("fault", kind.name()));
    let clients = CLIENTS.iter().map(|act| ("client", *act));
    let ended = STEPS.iter().map(|step| (ENDED_AT, step.name()));
    let all = CELLS.iter().copied().chain(faults).chain(clients).chain(ended);
    all.filter(|cell| !met.contains_key(cell)).collect()
}
