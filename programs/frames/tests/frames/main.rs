//! What every encoding of the frames holds to, and the bytes that are kept of each.
#![expect(clippy::unwrap_used, reason = "a test says by a panic that something is not there")]

mod corpus;
mod ground;
mod hostile;
mod limits;
mod suite;
mod talk;
