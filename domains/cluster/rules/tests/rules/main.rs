//! The rules, shown on clusters that are told as text.

mod commands;
#[cfg(feature = "mutants")]
mod mutants;
mod random;
mod start_kinds;
mod statements;
mod stories;
mod told;
mod world;
