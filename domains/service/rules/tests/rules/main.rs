//! The rules of calls, shown from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod refusals;
mod told;
