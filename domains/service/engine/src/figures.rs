//! How an engine stands, for people and monitors. Nothing is decided by it.

use std::sync::Arc;

use tsugi_service_rules::ground::{Effects, ServiceNumber};

use crate::Refused;
pub use tsugi_store::{Asynchronous, Failover};

/// How an engine stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Calls that have no answer yet.
    pub pending: usize,
    /// Replies that are held for whoever is being told.
    pub held: usize,
    /// Its services, by number.
    pub services: Vec<OfService>,
    /// How many waits for the words of a worker were awake, since the start.
    pub awake: u64,
    /// What becomes of committed work when its database fails over to another server.
    pub failover: Failover,
}

/// How a service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfService {
    /// Its number.
    pub number: ServiceNumber,
    /// Its name.
    pub name: Arc<str>,
    /// Where it acts.
    pub effects: Effects,
    /// Whether it takes calls, and if not, why.
    pub open: Result<(), Refused>,
    /// Its calls that have no answer yet.
    pub pending: usize,
    /// Workers that have nothing to do.
    pub ready: usize,
    /// Workers that have a call.
    pub busy: usize,
    /// Workers that are not ready yet.
    pub starting: usize,
    /// Workers that leave or were killed, and of which something is left.
    pub ending: usize,
}
