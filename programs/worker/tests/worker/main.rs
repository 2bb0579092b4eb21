//! Workers with real programs, each driven by a scripted engine: libraries that a compiler makes in
//! the test, commands in Python and shell.

mod contained;
mod crash;
mod engine;
mod faults;
mod lies;
mod own;
mod programs;
mod refused;
mod spellings;
