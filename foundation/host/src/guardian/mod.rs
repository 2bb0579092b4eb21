//! The guardian: told deadlines, it releases a group by itself when one passes.

mod child;
mod client;
pub(crate) mod environment;
mod given;
pub(crate) mod guarded;
mod kill_timer;
pub mod message;
mod orders;
pub(crate) mod release;
mod sheet;
pub(crate) mod table;
mod watch;

pub use client::Guardian;

/// Runs the guardian; the hands start it and give it all it needs. The result is the exit code
/// of the process.
#[must_use]
pub fn run() -> i32 {
    watch::run()
}
