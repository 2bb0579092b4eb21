//! How a door is set up.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper::header::HeaderValue;
use rustls::ServerConfig;
use tsugi_vocabulary::NodeName;

use crate::http::Room;
use crate::sign::Sign;
use crate::who::Tokens;

/// How much a door takes on, and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Bytes of the head of a request; at least 8 KiB.
    pub head_bytes: usize,
    /// Bytes of all bodies that are being read.
    pub bodies: u64,
    /// From the first byte of a head to its last, and from a connection to its first request.
    pub head: Duration,
    /// From a head to the last byte of its body.
    pub body: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// How long one that is told why it is cut may take to read that.
    pub leaving: Duration,
    /// How long a caller waits that does not say.
    pub patience: Duration,
    /// How long a caller waits at most.
    pub patience_most: Duration,
    /// Requests at once on a connection of HTTP/2.
    pub streams: u32,
    /// Bytes of replies that a connection has been told and has not taken; one reply may be larger.
    pub unsent: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head_bytes: 16 << 10,
            bodies: 64 << 20,
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(120),
            leaving: Duration::from_secs(2),
            patience: Duration::from_secs(30),
            patience_most: Duration::from_secs(3_600),
            streams: 128,
            unsent: 32 << 20,
        }
    }
}

/// How the bytes of a door travel.
#[derive(Clone, Debug)]
pub enum Transport {
    /// By TLS.
    Tls(Arc<ServerConfig>),
    /// As they are, on an address that nobody reaches from outside.
    PlainOnLoopback,
    /// As they are, on any address: somebody has said so in the configuration, and whoever shows
    /// the state of this door shows that too.
    PlainAnywhere,
}

/// Who is known without a certificate or a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loopback {
    /// Whoever calls from this machine over plain HTTP: they all are the one identity `loopback`.
    Known,
    /// Nobody.
    Unknown,
}

/// How a door is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node it stands on, as callers are told it.
    pub node: NodeName,
    /// How its bytes travel.
    pub transport: Transport,
    /// Who is known without more.
    pub loopback: Loopback,
    /// Who is known by a token.
    pub tokens: Tokens,
    /// How much it takes on.
    pub limits: Limits,
    /// How many threads carry it, at least one.
    pub threads: usize,
}

impl Settings {
    /// Those of a door that only this machine reaches, over plain HTTP.
    #[must_use]
    pub fn on_loopback(node: NodeName) -> Self {
        Self {
            node,
            transport: Transport::PlainOnLoopback,
            loopback: Loopback::Known,
            tokens: Tokens::default(),
            limits: Limits::default(),
            threads: 1,
        }
    }

    /// Whether a door may stand there by these settings.
    pub(crate) fn allow(&self, address: SocketAddr) -> bool {
        match self.transport {
            Transport::Tls(_) | Transport::PlainAnywhere => true,
            Transport::PlainOnLoopback => address.ip().to_canonical().is_loopback(),
        }
    }
}

/// What all threads of a door share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) node: String,
    pub(crate) node_header: HeaderValue,
    pub(crate) limits: Limits,
    pub(crate) sign: Sign,
    pub(crate) room: Room,
    tokens: RwLock<Arc<Tokens>>,
}

impl Shared {
    pub(crate) fn new(settings: &Settings, sign: Sign) -> Self {
        let node = settings.node.to_string();
        let nameless = HeaderValue::from_static("-");
        Self {
            node_header: HeaderValue::from_str(&node).unwrap_or(nameless),
            node,
            limits: settings.limits,
            sign,
            room: Room::new(settings.limits.bodies),
            tokens: RwLock::new(Arc::new(settings.tokens.clone())),
        }
    }

    pub(crate) fn tokens(&self) -> Arc<Tokens> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn know(&self, tokens: Tokens) {
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
    }
}
