//! Everything a node does to its own Linux, and nothing that decides.
//!
//! Three processes use it. The *hands* ([`hands::run`]) are the one privileged process: root of
//! the tree, they start and supervise the other two and every program, and carry out a closed
//! list of twelve requests. The *guardian* ([`guardian::run`]) is told deadlines and releases a
//! group by itself when one passes. The *agent* decides, and asks both through [`hands::Hands`]
//! and [`guardian::Guardian`], behind the traits [`Host`] and [`Guard`] that the simulator
//! implements as well.

pub mod address;
pub mod apart;
mod cgroup;
pub mod clock;
pub mod clock_step;
mod codec;
pub mod discipline;
pub mod enclosed;
pub mod exit;
mod failure;
pub mod fence;
pub mod filter;
pub mod guardian;
pub mod hands;
pub mod link;
mod link_state;
pub mod listen;
pub mod loop_device;
mod neighbour;
pub mod netlink;
mod output;
mod packet;
mod process;
pub mod remains;
pub mod request;
pub mod reservation;
pub mod rights;
pub mod service;
mod socket;
mod sys;
mod volume;
pub mod watchdog;

use guardian::message::{Notice, Order};
use request::{Report, Request, RequestId};
pub use volume::unescape;

/// The other side is gone: the socket was closed or broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection is gone: {why}")]
pub struct Gone {
    /// What was seen.
    pub why: String,
}

/// What a node can have done to its machine: asked now, answered later.
pub trait Host {
    /// Asks; never waits.
    ///
    /// # Errors
    /// [`Gone`] when there is nobody to ask.
    fn ask(&mut self, request: &Request) -> Result<RequestId, Gone>;

    /// The next answer or event, if one has come.
    ///
    /// # Errors
    /// [`Gone`] when nobody will answer any more.
    fn next_report(&mut self) -> Result<Option<Report>, Gone>;
}

/// The keeper of the deadlines.
pub trait Guard {
    /// Tells it an order; never waits.
    ///
    /// # Errors
    /// [`Gone`] when there is no guardian: nothing may be started then.
    fn tell(&mut self, order: &Order) -> Result<(), Gone>;

    /// The next notice, if one has come.
    ///
    /// # Errors
    /// [`Gone`] when the guardian is gone: the hands have released what was armed.
    fn next_notice(&mut self) -> Result<Option<Notice>, Gone>;
}
