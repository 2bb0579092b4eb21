//! Asking a node over the network on which it is heard now: a connection on every network is
//! kept open, so that the loss of one network costs the next request nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tsugi_vocabulary::NodeName;

use crate::client::{Client, RequestFailure};
use crate::frame::Channel;
use crate::heard::Heard;
use crate::tls::Tls;

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
