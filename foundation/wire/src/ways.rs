//! Asking a node over the network on which it is heard now: a connection on every network is
//! kept open, so that the loss of one network costs the next request nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tsugi_vocabulary::NodeName;

use crate::client::{Client, RequestFailure};
use crate::frame::Channel;
use crate::tls::Tls;

/// Copies of one datagram come over all networks within this time. A network that is further
/// behind than this has lost some.
const TOGETHER: Duration = Duration::from_millis(15);

/// A node that was not heard for so long is not looked for before it is needed.
const LATELY: Duration = Duration::from_secs(2);

/// When each node was last heard on each network, as its datagrams tell.
#[derive(Debug, Default)]
pub struct Heard(Mutex<BTreeMap<NodeName, Vec<Option<Instant>>>>);

impl Heard {
    /// A datagram of `node` has come over the network at this place in its list of addresses.
    pub fn note(&self, node: &NodeName, network: usize) {
        let mut all = self.lock();
        if !all.contains_key(node) {
            all.insert(node.clone(), Vec::new());
        }
        let Some(times) = all.get_mut(node) else { return };
        if times.len() <= network {
            times.resize(network + 1, None);
        }
        times[network] = Some(Instant::now());
    }

    /// The networks on which `node` is heard as lately as anywhere, of `count`; all of them as
    /// long as it was not heard at all.
    fn alive(&self, node: &NodeName, count: usize) -> Vec<usize> {
        let all = self.lock();
        let times = all.get(node).map(Vec::as_slice).unwrap_or_default();
        let at = |network: usize| times.get(network).copied().flatten();
        let Some(newest) = (0..count).filter_map(at).max() else { return (0..count).collect() };
        let lately = |network: &usize| at(*network).is_some_and(|t| newest - t <= TOGETHER);
        (0..count).filter(lately).collect()
    }

    fn lately(&self, node: &NodeName) -> bool {
        let all = self.lock();
        let newest = all.get(node).and_then(|times| times.iter().flatten().max());
        newest.is_some_and(|at| at.elapsed() < LATELY)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeName, Vec<Option<Instant>>>> {
        // Nothing under this lock can panic half way, so a poisoned map is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Inner {
    tls: Arc<Tls>,
    node: NodeName,
    heard: Arc<Heard>,
    /// Over whatever address answers first: as long as no other connection is open.
    any: Client,
    /// One for each network, in the order of the node's addresses.
    each: Mutex<Vec<(SocketAddr, Client)>>,
}

/// The ways to one node. Clones share the connections. Must be used inside a tokio runtime.
#[derive(Clone)]
pub struct Ways(Arc<Inner>);

impl std::fmt::Debug for Ways {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ways({:?})", self.0.any)
    }
}

impl Ways {
    /// The ways to `node`, which listens at `addresses`, one for each network, the best first.
    #[must_use]
    pub fn new(
        tls: Arc<Tls>,
        node: NodeName,
        addresses: Vec<SocketAddr>,
        heard: Arc<Heard>,
    ) -> Self {
        let any = Client::new(Arc::clone(&tls), node.clone(), addresses.clone());
        let ways = Self(Arc::new(Inner { tls, node, heard, any, each: Mutex::default() }));
        ways.set(&addresses);
        ways
    }

    /// Uses these addresses from now on.
    pub fn readdress(&self, addresses: Vec<SocketAddr>) {
        self.set(&addresses);
        self.0.any.readdress(addresses);
    }

    fn set(&self, addresses: &[SocketAddr]) {
        let client = |address: &SocketAddr| {
            let client = Client::new(Arc::clone(&self.0.tls), self.0.node.clone(), vec![*address]);
            (*address, client)
        };
        *self.each() = addresses.iter().map(client).collect();
    }

    fn each(&self) -> MutexGuard<'_, Vec<(SocketAddr, Client)>> {
        // Nothing under this lock can panic half way, so a poisoned list is still whole.
        self.0.each.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a connection on every network on which the node is heard and that has none.
    pub fn warm(&self) {
        if !self.0.heard.lately(&self.0.node) {
            return;
        }
        let each = self.each();
        for network in self.0.heard.alive(&self.0.node, each.len()) {
            each[network].1.warm();
        }
    }

    /// The address that the next request is sent to, if a connection is open.
    #[must_use]
    pub fn next(&self) -> Option<SocketAddr> {
        self.best().map_or_else(|| self.0.any.connected(), |(_, c)| c.connected()).map(|(a, _)| a)
    }

    fn best(&self) -> Option<(SocketAddr, Client)> {
        let each = self.each();
        let alive = self.0.heard.alive(&self.0.node, each.len());
        alive.into_iter().map(|n| &each[n]).find(|(_, c)| c.connected().is_some()).cloned()
    }

    /// Asks, and waits for the answer at most until `deadline` from now.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn request(
        &self,
        channel: Channel,
        body: Vec<u8>,
        deadline: Duration,
    ) -> Result<Vec<u8>, RequestFailure> {
        self.warm();
        let client = self.best().map_or_else(|| self.0.any.clone(), |(_, client)| client);
        client.request(channel, body, deadline).await
    }
}
