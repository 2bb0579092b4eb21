//! One test, or more, for each rule of the lease.

mod any_order;
mod asking;
mod disk_vote;
mod promising;
mod scene;
mod voters;

#[cfg(feature = "mutants")]
mod planted;
