//! The engine on SQLite: calls come in, run once, and are told once they are durable.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ahead;
mod alone;
mod calls;
mod contained;
mod core;
mod counting;
mod held;
mod killed;
mod outside;
mod programs;
mod reading;
mod records;
mod support;
mod upkeep;
mod workers;
