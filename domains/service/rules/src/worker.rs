//! Workers: processes that hold user programs, each one call at a time.
//!
//! [`life`] is the table of one process, [`pool`] holds those of one generation of a service: how
//! many there are, when another is started, and when it is no use any more.
//!
//! Numbers and values only: what a worker wrote last is kept by the engine and told by the face.

pub mod life;
pub mod pool;

pub use life::{Abnormal, Class, Difference, Exit, Turn, Why};
