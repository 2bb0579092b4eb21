//! Asking a node: one connection for all requests, made again when it is lost, and a second one
//! beside it when it is only silent, so that a dead connection starves nobody.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tsugi_vocabulary::NodeName;

use crate::dial::{DialFailure, Target, Times};
use crate::frame::{BODY_LIMIT, Channel, FrameFailure};
use crate::link::{Link, Outcome, Sent};
use crate::refusal::Refusal;
use crate::serve::IN_FLIGHT;
use crate::tls::Tls;
use crate::version::Protocol;

/// How often a connection is begun that nobody waits for.
const WARM_AGAIN: Duration = Duration::from_millis(200);

/// Addresses tried, each with why it did not lead to the node.
pub type Tried = Arc<Vec<(SocketAddr, DialFailure)>>;

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RequestFailure {
    /// The body is above the limit of a frame.
    #[error("a request of {length} bytes is above the limit of {BODY_LIMIT}")]
    TooLong {
        /// How long it is.
        length: usize,
    },
    /// No address leads to the node. Nothing was sent.
    #[error("{node} cannot be reached: {}", tried_text(tried))]
    Unreachable {
        /// Who.
        node: NodeName,
        /// What was tried.
        tried: Tried,
    },
    /// The time was over before the request could be sent.
    #[error("{node} was not reached in time")]
    NotSentInTime {
        /// Who.
        node: NodeName,
    },
    /// The time was over before the answer came. The request may have been carried out.
    #[error("{node} did not answer in time")]
    NotAnsweredInTime {
        /// Who.
        node: NodeName,
    },
    /// The connection was lost before the answer came. The request may have been carried out.
    #[error("the connection to {node} was lost before its answer: {failure}")]
    Lost {
        /// Who.
        node: NodeName,
        /// How.
        failure: Arc<FrameFailure>,
    },
    /// The node said that it does not carry it out.
    #[error("{node} refused: {refusal}")]
    Refused {
        /// Who.
        node: NodeName,
        /// Why.
        refusal: Refusal,
    },
}

impl RequestFailure {
    /// Whether the request may have been carried out all the same.
    #[must_use]
    pub const fn may_have_happened(&self) -> bool {
        match self {
            Self::TooLong { .. } | Self::Unreachable { .. } | Self::NotSentInTime { .. } => false,
            Self::NotAnsweredInTime { .. } | Self::Lost { .. } => true,
            Self::Refused { refusal, .. } => {
                matches!(refusal, Refusal::BrokeOff | Refusal::AnswerTooLong { .. })
            }
        }
    }
}

fn tried_text(tried: &Tried) -> String {
    let each: Vec<String> =
        tried.iter().map(|(address, failure)| format!("{address}: {failure}")).collect();
    if each.is_empty() { "it has no address".to_owned() } else { each.join("; ") }
}

struct State {
    addresses: Vec<SocketAddr>,
    link: Option<Arc<Link>>,
    last_good: Option<SocketAddr>,
    connecting: bool,
    /// When a connection was last begun before it was needed.
    warmed: Option<Instant>,
    /// Counts the attempts that ended without a connection, with the last one's result.
    failed: (u64, Tried),
}

struct Shared {
    target: Target,
    state: Mutex<State>,
    room: Semaphore,
    changed: watch::Sender<u64>,
}

/// Asks one node. Clones share the connection. Must be used inside a tokio runtime.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({:?} -> {})", self.0.target.tls, self.0.target.node)
    }
}

impl Client {
    /// A client of `node`, which listens at `addresses`, one for each network, the best first.
    #[must_use]
    pub fn new(tls: Arc<Tls>, node: NodeName, addresses: Vec<SocketAddr>) -> Self {
        let target = Target { version: tls.protocol, tls, node, times: Times::USUAL };
        Self::of(target, addresses)
    }

    fn of(target: Target, addresses: Vec<SocketAddr>) -> Self {
        let state = Mutex::new(State {
            addresses,
            link: None,
            last_good: None,
            connecting: false,
            warmed: None,
            failed: (0, Arc::new(Vec::new())),
        });
        let room = Semaphore::new(IN_FLIGHT);
        Self(Arc::new(Shared { target, state, room, changed: watch::Sender::new(0) }))
    }

    /// With other times. To be called before the first request.
    #[must_use]
    pub fn timed(self, times: Times) -> Self {
        let target = Target { times, ..self.0.target.clone() };
        Self::of(target, self.0.lock().addresses.clone())
    }

    /// Whom it asks.
    #[must_use]
    pub fn node(&self) -> &NodeName {
        &self.0.target.node
    }

    /// Uses these addresses from the next connection on; one in use that is no longer among
    /// them is given up.
    pub fn readdress(&self, addresses: Vec<SocketAddr>) {
        let mut state = self.0.lock();
        if state.link.as_ref().is_some_and(|link| !addresses.contains(&link.address)) {
            state.link = None;
        }
        state.addresses = addresses;
    }

    /// The address in use, and what the node speaks.
    #[must_use]
    pub fn connected(&self) -> Option<(SocketAddr, Protocol)> {
        let state = self.0.lock();
        let link = state.link.as_ref().filter(|link| link.is_good())?;
        Some((link.address, link.theirs))
    }

    /// Begins a connection before it is needed, if none is open and none was begun just now.
    pub fn warm(&self) {
        let mut state = self.0.lock();
        let lately = state.warmed.is_some_and(|at| at.elapsed() < WARM_AGAIN);
        if lately || state.link.as_ref().is_some_and(|link| link.is_good()) {
            return;
        }
        state.warmed = Some(Instant::now());
        drop(state);
        self.0.begin_connecting();
    }

    /// Asks, and waits for the answer at most until `deadline` from now. Requests of one client
    /// may overtake each other. Dropping the future
    /// gives up waiting; the request may be carried out all the same.
    ///
    /// # Errors
    /// A [`RequestFailure`], which knows whether the request may have been carried out.
    pub async fn request(
        &self,
        channel: Channel,
        body: Vec<u8>,
        deadline: Duration,
    ) -> Result<Vec<u8>, RequestFailure> {
        if body.len() > BODY_LIMIT {
            return Err(RequestFailure::TooLong { length: body.len() });
        }
        let until = Instant::now() + deadline;
        let node = || self.0.target.node.clone();
        let failed_before = self.0.lock().failed.0;
        let sending = async {
            let room = self.0.room.acquire().await.expect("the semaphore is never closed");
            loop {
                let link = self.0.usable().await?;
                link.look_back(self.0.target.times.silence);
                if !link.is_good() {
                    continue;
                }
                // A link that ends or falls silent before it takes the request took nothing.
                let sent = tokio::select! {
                    sent = link.send(channel, &body) => sent,
                    () = self.0.gone_bad(&link) => continue,
                };
                if let Ok(sent) = sent {
                    return Ok((room, link, sent));
                }
            }
        };
        let (_room, link, sent) = match tokio::time::timeout_at(until, sending).await {
            Ok(sent) => sent?,
            Err(_) => {
                let (failed, tried) = self.0.lock().failed.clone();
                return Err(if failed > failed_before {
                    self.0.unreachable(tried)
                } else {
                    RequestFailure::NotSentInTime { node: node() }
                });
            }
        };
        match self.0.await_outcome(&link, sent, until).await {
            Some(Outcome::Answered(body)) => Ok(body),
            Some(Outcome::Refused(refusal)) => {
                Err(RequestFailure::Refused { node: node(), refusal })
            }
            Some(Outcome::Lost(failure)) => Err(RequestFailure::Lost { node: node(), failure }),
            None => Err(RequestFailure::NotAnsweredInTime { node: node() }),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half way, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A link that requests may be sent on: the one there is, or the next. Ends when no address
    /// leads to the node and none is only silent.
    async fn usable(self: &Arc<Self>) -> Result<Arc<Link>, RequestFailure> {
        let mut changed = self.changed.subscribe();
        let mut failed_before = self.lock().failed.0;
        loop {
            changed.mark_unchanged();
            if let Some(link) = self.good_link() {
                return Ok(link);
            }
            let (failed, tried) = self.lock().failed.clone();
            if failed > failed_before && !tried.iter().any(|(_, why)| why.may_be_loss()) {
                return Err(self.unreachable(tried));
            }
            failed_before = failed;
            self.begin_connecting();
            // The sender lives as long as `self`.
            drop(changed.changed().await);
        }
    }

    fn unreachable(&self, tried: Tried) -> RequestFailure {
        RequestFailure::Unreachable { node: self.target.node.clone(), tried }
    }

    fn good_link(&self) -> Option<Arc<Link>> {
        self.lock().link.clone().filter(|link| link.is_good())
    }

    /// Ends when requests should no longer be sent on `link`.
    async fn gone_bad(&self, link: &Link) {
        let mut changed = self.changed.subscribe();
        while link.is_good() {
            // The sender lives as long as `self`.
            drop(changed.changed().await);
        }
    }

    fn begin_connecting(self: &Arc<Self>) {
        let mut state = self.lock();
        if !state.connecting {
            state.connecting = true;
            let addresses = state.in_order();
            tokio::spawn(Arc::clone(self).connect(addresses));
        }
    }

    async fn connect(self: Arc<Self>, addresses: Vec<SocketAddr>) {
        let raced = self.target.race(&addresses).await;
        let mut state = self.lock();
        state.connecting = false;
        match raced {
            Ok(opened) => {
                let link = Link::start(opened, &self.target, self.changed.clone());
                state.last_good = Some(link.address);
                // Requests on a silent link before this one wait on for their answers there.
                state.link = Some(link);
            }
            Err(tried) => state.failed = (state.failed.0 + 1, Arc::new(tried)),
        }
        drop(state);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Waits for what comes of a request, and meanwhile looks whether the link is alive.
    async fn await_outcome(
        self: &Arc<Self>,
        link: &Arc<Link>,
        mut sent: Sent,
        until: Instant,
    ) -> Option<Outcome> {
        let silence = self.target.times.silence;
        let mut heard = sent.heard_before;
        let mut probed = false;
        loop {
            let look = (Instant::now() + silence).min(until);
            match tokio::time::timeout_at(look, &mut sent.outcome).await {
                Ok(outcome) => {
                    return Some(
                        outcome.unwrap_or_else(|_| Outcome::Lost(Arc::new(FrameFailure::Closed))),
                    );
                }
                Err(_) if link.heard() != heard => {
                    heard = link.heard();
                    probed = false;
                }
                Err(_) if probed || look >= until => {
                    link.suspect();
                    // The next request must not pay for the silence: the second connection is
                    // made now, beside the first.
                    if self.good_link().is_none() {
                        self.begin_connecting();
                    }
                    probed = false;
                }
                Err(_) => {
                    link.probe();
                    probed = true;
                }
            }
            if Instant::now() >= until {
                return None;
            }
        }
    }
}

impl State {
    /// The addresses to try: the last good one first, one that is silent now last.
    fn in_order(&self) -> Vec<SocketAddr> {
        let silent = self.link.as_ref().filter(|link| link.is_open()).map(|link| link.address);
        let mut addresses = self.addresses.clone();
        addresses.sort_by_key(|address| {
            if silent == Some(*address) {
                2
            } else if self.last_good == Some(*address) {
                0
            } else {
                1
            }
        });
        addresses
    }
}
