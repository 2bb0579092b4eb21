//! The rules, shown on clusters that are told as text.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod commands;
mod doctor;
mod drills;
mod failures;
mod fences;
mod moving;
#[cfg(feature = "mutants")]
mod mutants;
mod parity;
mod random;
mod start_kinds;
mod statements;
mod stories;
mod stretch;
mod told;
mod watched;
mod world;
