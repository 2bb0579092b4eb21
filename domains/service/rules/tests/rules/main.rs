//! The rules of calls, shown from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod abroad;
mod away;
mod calls;
mod chance;
mod confirms;
mod engine;
mod epochs;
mod free;
mod inquiries;
mod mutants;
mod nested;
mod packages;
mod pools;
mod refusals;
mod sittings;
mod store;
mod table;
mod together;
mod told;
mod walks;
mod width;
mod workers;
mod world;
