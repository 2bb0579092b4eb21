//! The ledger that several voters keep by Raft, each in one SQLite file.

mod file;
mod log;
mod machine;
mod records;
#[cfg(test)]
mod storage_tests;
mod store;
mod types;

pub use file::Owner;
