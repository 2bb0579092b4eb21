//! What a client is told about the way to its service.

use std::path::PathBuf;
use std::time::Duration;

use crate::address::Address;
use crate::tls::Tls;

/// The way to a service, and how patient one try is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it may be, at least one, tried in this order.
    pub addresses: Vec<Address>,
    /// By which TLS; none speaks plainly, which is for one machine.
    pub tls: Option<Tls>,
    /// Who asks.
    pub identity: Identity,
    /// The language of what is told instead of a reply, as `Accept-Language` has it.
    pub language: Option<String>,
    /// How long a new connection may take.
    pub dial: Duration,
    /// How long one try waits: so long a service is told that its caller waits, and it answers
    /// within that that a call is still pending.
    pub silence: Duration,
    /// How much longer than that a connection may be silent before it is given up.
    pub grace: Duration,
    /// The shortest pause between tries; it doubles.
    pub shortest_pause: Duration,
    /// The longest pause between tries, also where the service asks for a longer one.
    pub longest_pause: Duration,
    /// Calls that are under way at a time, each with a connection of its own; more wait.
    pub at_once: usize,
    /// Bytes of the largest answer that is taken.
    pub largest_answer: usize,
}

/// Who asks, where TLS does not say it.
#[derive(Clone, Debug, Default)]
pub enum Identity {
    /// Nobody is named.
    #[default]
    Unnamed,
    /// A token, as it is sent.
    Token(String),
    /// The first line of a file, read at each new connection, so that it may be changed.
    TokenFile(PathBuf),
}

impl Settings {
    /// What holds where nothing else is said: a second for a new connection and for one try, pauses
    /// of 10 to 250 ms, 64 calls at once, answers of 16 MiB.
    #[must_use]
    pub const fn of(addresses: Vec<Address>) -> Self {
        Self {
            addresses,
            tls: None,
            identity: Identity::Unnamed,
            language: None,
            dial: Duration::from_secs(1),
            silence: Duration::from_secs(1),
            grace: Duration::from_millis(500),
            shortest_pause: Duration::from_millis(10),
            longest_pause: Duration::from_millis(250),
            at_once: 64,
            largest_answer: 16 << 20,
        }
    }
}
