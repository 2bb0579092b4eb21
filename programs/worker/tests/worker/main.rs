//! Workers with real programs, each driven by a scripted engine: libraries that a compiler makes in
//! the test, commands in Python and shell.

mod cobol;
mod contained;
mod crash;
mod engine;
mod faults;
mod lies;
#[path = "../../../files/tests/files/memory.rs"]
#[expect(dead_code, reason = "what only the tests of that room use")]
mod memory;
mod own;
mod programs;
mod refused;
mod spellings;
