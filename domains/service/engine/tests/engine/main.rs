//! The engine on SQLite and on PostgreSQL: calls come in, run once, and are told once they are
//! durable.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod abroad;
mod ahead;
mod alone;
mod appfile;
#[macro_use]
mod both;
mod beside;
mod calls;
mod contained;
mod core;
mod counting;
mod held;
mod killed;
mod members;
mod nested;
mod outside;
mod own;
mod parallel;
mod parallel_lost;
mod programs;
mod reading;
mod records;
mod resolvers;
#[expect(dead_code, reason = "its own room uses more of it")]
#[path = "../../../../../foundation/store/tests/postgres/server.rs"]
mod server;
mod spelled;
mod support;
mod upkeep;
#[path = "../../../../../foundation/store/tests/postgres/way.rs"]
mod way;
mod workers;
