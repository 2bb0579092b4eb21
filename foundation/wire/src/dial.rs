//! Reaching a node over several networks: the last good address first, the others soon after.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tsugi_vocabulary::NodeName;

use crate::frame::{self, BODY_LIMIT, FrameFailure, Reading, What};
use crate::identity::{SubjectRefused, server_name};
use crate::refusal::Refusal;
use crate::sockets;
use crate::tls::{Tls, subject_of};
use crate::version::Protocol;

/// How long each step towards a node may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For a TCP connection: a lost first packet is sent again sooner by a new attempt than by
    /// the system, which waits a second.
    pub connect: Duration,
    /// For the proof of both ends, after the TCP connection.
    pub handshake: Duration,
    /// Until the next address is tried beside those that have not yet answered.
    pub stagger: Duration,
    /// A request unanswered for so long, with nothing else heard, asks for a sign of life; as
    /// long again without one, and the connection is suspect.
    pub silence: Duration,
    /// From the first byte of a frame to its last, each way.
    pub frame: Duration,
}

impl Times {
    /// What a node uses.
    pub const USUAL: Self = Self {
        connect: Duration::from_millis(200),
        handshake: Duration::from_millis(500),
        stagger: Duration::from_millis(30),
        silence: Duration::from_millis(60),
        frame: Duration::from_secs(10),
    };
}

/// Why one address did not lead to the node.
#[derive(Debug, thiserror::Error)]
pub enum DialFailure {
    /// The system said no.
    #[error("{0}")]
    NotConnected(io::Error),
    /// Nobody answered in time.
    #[error("no answer")]
    Silent,
    /// The ends did not prove themselves to each other: another cluster, a certificate that has
    /// ended, or one that the other end does not take.
    #[error("the handshake failed: {0}")]
    Handshake(io::Error),
    /// The certificate names nobody.
    #[error(transparent)]
    Nobody(#[from] SubjectRefused),
    /// Another node answered.
    #[error("{found} answers there")]
    WrongNode {
        /// Which.
        found: NodeName,
    },
    /// The versions are too far apart.
    #[error("{node} speaks {theirs}, this node {ours}: too far apart")]
    Version {
        /// Who.
        node: NodeName,
        /// What this node speaks.
        ours: Protocol,
        /// What it speaks.
        theirs: Protocol,
    },
    /// The node closed the door.
    #[error("{0}")]
    Refused(Refusal),
    /// The connection ended before the door was open.
    #[error("{0}")]
    Broken(FrameFailure),
}

impl DialFailure {
    /// Whether trying again at once is of use: nobody said no, a packet may have been lost.
    #[must_use]
    pub const fn may_be_loss(&self) -> bool {
        matches!(self, Self::Silent)
    }
}

/// An open door: a connection whose other end was proved and has greeted.
pub(crate) struct Opened {
    pub(crate) address: SocketAddr,
    pub(crate) stream: BufReader<TlsStream<TcpStream>>,
    pub(crate) theirs: Protocol,
}

/// What all attempts towards one node share.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) tls: Arc<Tls>,
    pub(crate) node: NodeName,
    pub(crate) version: Protocol,
    pub(crate) times: Times,
}

impl Target {
    pub(crate) fn reading(&self) -> Reading {
        Reading { ours: self.version, limit: BODY_LIMIT, time: self.times.frame }
    }

    async fn attempt(&self, address: SocketAddr) -> Result<Opened, DialFailure> {
        let connecting = TcpStream::connect(address);
        let tcp = match tokio::time::timeout(self.times.connect, connecting).await {
            Ok(connected) => connected.map_err(DialFailure::NotConnected)?,
            Err(_) => return Err(DialFailure::Silent),
        };
        sockets::prepare(&tcp).map_err(DialFailure::NotConnected)?;
        match tokio::time::timeout(self.times.handshake, self.prove(address, tcp)).await {
            Ok(proved) => proved,
            Err(_) => Err(DialFailure::Silent),
        }
    }

    async fn prove(&self, address: SocketAddr, tcp: TcpStream) -> Result<Opened, DialFailure> {
        let connector = TlsConnector::from(Arc::clone(&self.tls.client));
        let name = server_name(self.tls.cluster);
        let stream = connector.connect(name, tcp).await.map_err(DialFailure::Handshake)?;
        let found = subject_of(stream.get_ref().1.peer_certificates())?.name;
        if found != self.node {
            return Err(DialFailure::WrongNode { found });
        }
        // The other end looks at our certificate after our part of the handshake is done: only
        // its greeting says that it takes it.
        let mut stream = BufReader::new(stream);
        let node = self.node.clone();
        match frame::read(&mut stream, self.reading()).await {
            Ok(greeting) if greeting.what == What::Refusal => {
                Err(match Refusal::decode(&greeting.body) {
                    Ok(refusal) => DialFailure::Refused(refusal),
                    Err(_) => DialFailure::Broken(FrameFailure::Closed),
                })
            }
            Ok(greeting) => Ok(Opened { address, stream, theirs: greeting.version }),
            Err(FrameFailure::Version { ours, theirs }) => {
                Err(DialFailure::Version { node, ours, theirs })
            }
            Err(FrameFailure::Connection(error)) => Err(DialFailure::Handshake(error)),
            Err(failure) => Err(DialFailure::Broken(failure)),
        }
    }

    /// Tries `addresses` in their order, each beside those before it, until one leads there.
    pub(crate) async fn race(
        &self,
        addresses: &[SocketAddr],
    ) -> Result<Opened, Vec<(SocketAddr, DialFailure)>> {
        let mut attempts = JoinSet::new();
        let mut waiting = addresses.iter().copied();
        let mut failed = Vec::new();
        loop {
            let begun = waiting.next();
            if let Some(address) = begun {
                let target = self.clone();
                attempts.spawn(async move { (address, target.attempt(address).await) });
            }
            let next = if begun.is_some() { self.times.stagger } else { Duration::MAX };
            match tokio::time::timeout(next, attempts.join_next()).await {
                Ok(Some(Ok((_, Ok(opened))))) => return Ok(opened),
                Ok(Some(Ok((address, Err(failure))))) => failed.push((address, failure)),
                // An attempt that panicked says nothing about the others.
                Ok(Some(Err(_))) | Err(_) => {}
                Ok(None) => return Err(failed),
            }
        }
    }
}
