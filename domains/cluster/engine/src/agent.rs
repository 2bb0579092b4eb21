//! The agent of a node, put together: identity, ledger, networks, hands, core.
//!
//! Threads: the core, at real-time priority where it may; a small runtime for the ledger, the
//! connections of other nodes and the local socket. The core never waits for the runtime.

mod anew;
mod aside;
mod belonging;
mod book;
mod by_agents;
mod complaint;
mod contact;
mod ear;
mod entry;
mod file;
mod founding;
mod join;
mod ledger_link;
mod membership;
mod recover;
mod register;
mod restore;
mod shared_disk;
mod start;
mod start_limit;
mod tasks;

pub use anew::{AnewRefused, Author, How as AnewHow};
pub use complaint::complaint;
pub use ear::{Ear, Heard};
pub use founding::{FOUNDING_FILE, Founding, FoundingFailure, found};
pub use join::{JoinFailure, join};
pub use recover::{Recovery, Survey, Tokens, recover};
pub use restore::{Restore, restore};
pub use start::{AgentConfig, AgentFailure, run};
pub use tasks::put;
