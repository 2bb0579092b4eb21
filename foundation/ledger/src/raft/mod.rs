//! The ledger that several voters keep by Raft, each in one SQLite file.

mod ask;
#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod damage_tests;
mod file;
#[cfg(any(test, feature = "suite"))]
mod in_process;
mod keeper;
mod links;
mod log;
mod machine;
mod node;
mod pulse;
mod records;
mod rpc;
mod scribe;
mod serve;
#[cfg(test)]
mod storage_tests;
mod store;
mod timing;
mod types;

pub use file::Owner;
#[cfg(any(test, feature = "suite"))]
pub use in_process::Switchboard;
pub use links::{Answer, LARGEST_MESSAGE, Peers, SendFailure};
pub use node::{Following, LastCopy, RaftLedger, Seat};
pub use timing::Timing;
