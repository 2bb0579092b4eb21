//! What the record and the sightings say, as reports: pure, so that every node says the same.

mod doctor;
pub mod drill;
mod explain;
mod gauges;
mod history;
mod listing;
mod outlook;
mod parity;
pub mod rehearsal;
mod status;
mod stretch;
mod why;
mod why_node;
pub mod words;

#[cfg(test)]
pub(crate) mod scenes;

pub use doctor::{doctor, limits_below_advice, mirrors_not_whole, slow_to_mount};
pub use drill::{drills, failure_test, proofs};
pub use explain::{Chronicle, explain};
pub use gauges::{HeardAgo, gauges};
pub use history::{audit, history};
pub use listing::cluster;
pub use outlook::{add_later_ones, outlook};
pub use parity::{could_take, parity, parity_findings, parity_needs};
pub(crate) use status::waits_for_confirm;
pub use status::{knows_nothing, status};
pub(crate) use stretch::{stretching, told as stretch_told, unwinding};
pub use why::{Of, why};
pub use why_node::why_node;
