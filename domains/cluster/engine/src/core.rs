//! The core of an agent: one thread that turns the world into events and orders into effects.
//!
//! It runs at real-time priority where it may and never waits for anything but the next event:
//! the ledger and the faces live on other threads and speak to it through its [`Mailbox`].

mod guard;
mod mailbox;
mod pulse;
mod rate;
mod ready;
mod stops;
mod taken_on;
mod thread;

pub use mailbox::{Letter, Mailbox, Post, mailbox};
pub use taken_on::Notebook;
pub use thread::{Core, CoreParts, Ended, Proposal};
