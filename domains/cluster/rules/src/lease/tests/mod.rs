//! One test, or more, for each rule of the lease.

mod asking;
mod promising;
mod scene;

#[cfg(feature = "mutants")]
mod planted;
