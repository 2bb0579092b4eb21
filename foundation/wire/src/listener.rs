//! The door of a node: accepts, proves who it is in a task of its own, and then serves.
//!
//! Accepting never waits for anybody. Whoever has not proved itself within the time limit is
//! cut; when too many are at it, the oldest is, which never hits a node that is in earnest: its
//! handshake takes a few milliseconds.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tsugi_vocabulary::NodeName;

use crate::frame::{BODY_LIMIT, FrameFailure, Reading};
use crate::identity::{Fingerprint, Role, SubjectRefused};
use crate::join::Reception;
use crate::refusal::Refusal;
use crate::serve::{self, Service};
use crate::slots::{Slots, WhenFull};
use crate::sockets;
use crate::tls::{JOINING, Tls, subject_of};
use crate::version::Protocol;

/// How many connections, and how long each step may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From accept to the proof of identity; also all of a join.
    pub handshake: Duration,
    /// From the first byte of a frame to its last, each way.
    pub frame: Duration,
    /// Handshakes at once.
    pub handshakes: usize,
    /// Handshakes at once from one address.
    pub handshakes_of_one: usize,
    /// Connections of members at once.
    pub connections: usize,
    /// Connections of one member at once.
    pub connections_of_one: usize,
}

impl Limits {
    /// What a node uses.
    pub const USUAL: Self = Self {
        handshake: Duration::from_secs(10),
        frame: Duration::from_secs(10),
        handshakes: 128,
        handshakes_of_one: 32,
        connections: 256,
        connections_of_one: 8,
    };
}

/// Who is at the other end, from the certificate that the handshake proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub node: NodeName,
    /// As what it was admitted to the cluster.
    pub role: Role,
    /// Of its certificate: one that left and joined again has another.
    pub fingerprint: Fingerprint,
    /// Where it speaks from.
    pub addr: SocketAddr,
}

/// Why somebody was turned away at the door, or cut later.
#[derive(Debug)]
pub enum TurnedAway {
    /// The handshake failed: no certificate, one of another cluster, one that has ended.
    Handshake(io::Error),
    /// It was not done in time.
    TooSlow,
    /// The certificate names nobody.
    Nobody(SubjectRefused),
    /// A member that has no business at this door.
    Role(Peer),
    /// All places for members are taken.
    Full(Peer),
    /// A member whose version is too far from ours.
    Version {
        /// Who.
        peer: Peer,
        /// What it speaks.
        theirs: Protocol,
    },
    /// A member that does not keep to the form of frames.
    Frame {
        /// Who.
        peer: Peer,
        /// What was wrong.
        failure: FrameFailure,
    },
    /// Somebody who wanted to join.
    Join(crate::join::Turned),
}

/// How many came, and how many of them were turned away, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub accepted: u64,
    /// Members that came in.
    pub admitted: u64,
    /// Turned away or cut, for any reason.
    pub turned_away: u64,
    /// Handshakes going on.
    pub handshakes: usize,
    /// Members connected.
    pub connected: usize,
}

type Observer = dyn Fn(SocketAddr, TurnedAway) + Send + Sync;

/// A door that is not yet open: bound, and told what to demand.
pub struct Listener {
    sockets: Vec<TcpListener>,
    tls: Arc<Tls>,
    limits: Limits,
    version: Protocol,
    roles: Vec<Role>,
    observer: Arc<Observer>,
    reception: Option<Arc<Reception>>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listener({:?}, {:?})", self.tls, self.sockets)
    }
}

impl Listener {
    /// Binds all `addresses`, one for each network.
    ///
    /// # Errors
    /// The first address that cannot be bound, by name.
    pub async fn bind(tls: Arc<Tls>, addresses: &[SocketAddr]) -> io::Result<Self> {
        let mut sockets = Vec::with_capacity(addresses.len());
        for address in addresses {
            let bound = TcpListener::bind(address).await;
            sockets
                .push(bound.map_err(|error| {
                    io::Error::new(error.kind(), format!("{address}: {error}"))
                })?);
        }
        Ok(Self {
            sockets,
            limits: Limits::USUAL,
            version: tls.protocol,
            tls,
            roles: vec![Role::Node],
            observer: Arc::new(|_, _| {}),
            reception: None,
        })
    }

    /// With other limits.
    #[must_use]
    pub fn limited(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Admitting these roles instead of nodes only.
    #[must_use]
    pub fn admitting(mut self, roles: &[Role]) -> Self {
        self.roles = roles.to_vec();
        self
    }

    /// Telling `observer` whom it turned away. It is called from the tasks of the connections
    /// and must not wait.
    #[must_use]
    pub fn telling(
        mut self,
        observer: impl Fn(SocketAddr, TurnedAway) + Send + Sync + 'static,
    ) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// With a reception for nodes that want to join. While no token is open, it does not exist for
    /// anybody outside.
    #[must_use]
    pub fn with_reception(mut self, reception: Arc<Reception>) -> Self {
        self.reception = Some(reception);
        self
    }

    /// Where it listens; tells the port when the system chose it.
    ///
    /// # Errors
    /// The system does not say.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.sockets.iter().map(TcpListener::local_addr).collect()
    }
}

/// What all tasks of one door share.
pub(crate) struct Door {
    pub(crate) tls: Arc<Tls>,
    pub(crate) limits: Limits,
    pub(crate) version: Protocol,
    roles: Vec<Role>,
    observer: Arc<Observer>,
    reception: Option<Arc<Reception>>,
    handshakes: Arc<Slots<IpAddr>>,
    members: Arc<Slots<NodeName>>,
    expelled: RwLock<Vec<Fingerprint>>,
    accepted: AtomicU64,
    admitted: AtomicU64,
    turned_away: AtomicU64,
}

impl Door {
    pub(crate) fn turn_away(&self, from: SocketAddr, why: TurnedAway) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        (self.observer)(from, why);
    }

    pub(crate) fn reading(&self) -> Reading {
        Reading { ours: self.version, limit: BODY_LIMIT, time: self.limits.frame }
    }

    fn is_expelled(&self, fingerprint: Fingerprint) -> bool {
        self.expelled.read().unwrap_or_else(PoisonError::into_inner).contains(&fingerprint)
    }
}

/// An open door. It closes, with every connection, when this is dropped.
pub struct Server {
    door: Arc<Door>,
    tasks: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({:?}, {:?})", self.door.tls, self.counts())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Server {
    /// How many came and how many were turned away.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            accepted: self.door.accepted.load(Ordering::Relaxed),
            admitted: self.door.admitted.load(Ordering::Relaxed),
            turned_away: self.door.turned_away.load(Ordering::Relaxed),
            handshakes: self.door.handshakes.taken(),
            connected: self.door.members.taken(),
        }
    }

    /// Cuts every connection of a node that is no member any more, and does not admit that
    /// certificate again. Says how many connections there were.
    pub fn expel(&self, node: &NodeName, certificate: Fingerprint) -> usize {
        let mut expelled = self.door.expelled.write().unwrap_or_else(PoisonError::into_inner);
        if !expelled.contains(&certificate) {
            expelled.push(certificate);
        }
        drop(expelled);
        self.door.members.cut(node)
    }
}

/// Opens the door: from now on `service` answers. Must be called inside a tokio runtime.
pub fn serve<S: Service>(listener: Listener, service: S) -> Server {
    let limits = listener.limits;
    let door = Arc::new(Door {
        tls: listener.tls,
        limits,
        version: listener.version,
        roles: listener.roles,
        observer: listener.observer,
        reception: listener.reception,
        handshakes: Slots::new(limits.handshakes, limits.handshakes_of_one, WhenFull::CutOldest),
        members: Slots::new(limits.connections, limits.connections_of_one, WhenFull::TurnAway),
        expelled: RwLock::new(Vec::new()),
        accepted: AtomicU64::new(0),
        admitted: AtomicU64::new(0),
        turned_away: AtomicU64::new(0),
    });
    let service = Arc::new(service);
    let tasks = listener
        .sockets
        .into_iter()
        .map(|socket| tokio::spawn(accept(socket, Arc::clone(&door), Arc::clone(&service))))
        .collect();
    Server { door, tasks }
}

/// How long accepting rests when the system has no more descriptors.
const EXHAUSTED_REST: Duration = Duration::from_millis(50);

async fn accept<S: Service>(socket: TcpListener, door: Arc<Door>, service: Arc<S>) {
    // Dropped with this task, and all connections with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((tcp, from)) = socket.accept().await else {
            tokio::time::sleep(EXHAUSTED_REST).await;
            continue;
        };
        door.accepted.fetch_add(1, Ordering::Relaxed);
        let (start, started) = tokio::sync::oneshot::channel();
        let (of_task, service) = (Arc::clone(&door), Arc::clone(&service));
        let abort = connections.spawn(async move {
            if let Ok((slot, abort)) = started.await {
                connection(&of_task, (tcp, from), (slot, abort), service).await;
            }
        });
        let slot = door.handshakes.take(from.ip(), abort.clone());
        if let Some(slot) = slot {
            // The task waits for it unless it was cut already.
            drop(start.send((slot, abort)));
        }
    }
}

type Place = (crate::slots::Slot<IpAddr>, tokio::task::AbortHandle);

async fn connection<S: Service>(
    door: &Arc<Door>,
    (tcp, from): (TcpStream, SocketAddr),
    (slot, abort): Place,
    service: Arc<S>,
) {
    let proof = tokio::time::timeout(door.limits.handshake, prove(door, tcp, from)).await;
    let (stream, peer) = match proof {
        Ok(Ok(Some(proved))) => proved,
        Ok(Ok(None)) => return,
        Ok(Err(why)) => return door.turn_away(from, why),
        Err(_) => return door.turn_away(from, TurnedAway::TooSlow),
    };
    if !door.roles.contains(&peer.role) || door.is_expelled(peer.fingerprint) {
        serve::refuse(door, stream, &Refusal::Role).await;
        return door.turn_away(from, TurnedAway::Role(peer));
    }
    let Some(_place) = door.members.take(peer.node.clone(), abort) else {
        return door.turn_away(from, TurnedAway::Full(peer));
    };
    drop(slot);
    door.admitted.fetch_add(1, Ordering::Relaxed);
    serve::connection(door, stream, peer, service).await;
}

async fn prove(
    door: &Arc<Door>,
    tcp: TcpStream,
    from: SocketAddr,
) -> Result<Option<(TlsStream<TcpStream>, Peer)>, TurnedAway> {
    sockets::prepare(&tcp).map_err(TurnedAway::Handshake)?;
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), tcp)
        .await
        .map_err(TurnedAway::Handshake)?;
    let joins = hello
        .client_hello()
        .alpn()
        .is_some_and(|mut offered| offered.any(|protocol| protocol == JOINING));
    if let Some(reception) =
        door.reception.as_ref().filter(|reception| joins && reception.is_open())
    {
        let joining = Arc::clone(&door.tls.joining);
        let stream = hello.into_stream(joining).await.map_err(TurnedAway::Handshake)?;
        reception.receive(stream, door.version).await.map_err(TurnedAway::Join)?;
        return Ok(None);
    }
    let server = Arc::clone(&door.tls.server);
    let stream = hello.into_stream(server).await.map_err(TurnedAway::Handshake)?;
    let subject = subject_of(stream.get_ref().1.peer_certificates()).map_err(TurnedAway::Nobody)?;
    let peer = Peer {
        node: subject.name,
        role: subject.role,
        fingerprint: subject.fingerprint,
        addr: from,
    };
    Ok(Some((stream, peer)))
}
