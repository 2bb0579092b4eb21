//! One test, or more, for each rule of the lease.

mod any_order;
mod asking;
mod promising;
mod scene;

#[cfg(feature = "mutants")]
mod planted;
