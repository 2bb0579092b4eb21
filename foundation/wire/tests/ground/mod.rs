//! What the tests of the wire stand on: clusters in temporary directories, doors on loopback.
#![expect(dead_code, reason = "each test binary uses another part")]

pub mod raw;
pub mod tube;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tsugi_vocabulary::NodeName;
use tsugi_wire::client::Client;
use tsugi_wire::dial::Times;
use tsugi_wire::frame::Channel;
use tsugi_wire::identity::{ClusterIdentity, Role, Validity};
use tsugi_wire::join::wall_now;
use tsugi_wire::listener::{Limits, Listener, Peer, Server, TurnedAway, serve};
use tsugi_wire::tls::Tls;
use tsugi_wire::version::Protocol;

pub const LONG: Duration = Duration::from_secs(20);

pub fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

/// A cluster whose founding node is `a`.
pub struct Cluster {
    pub dir: tempfile::TempDir,
    pub founder: ClusterIdentity,
}

impl Cluster {
    pub fn found() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let founder =
            ClusterIdentity::found(&dir.path().join("a"), "bank", &node("a"), wall_now()).unwrap();
        Self { dir, founder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn member(&self, name: &str) -> Arc<Tls> {
        self.member_speaking(name, Protocol::CURRENT)
    }

    pub fn member_speaking(&self, name: &str, protocol: Protocol) -> Arc<Tls> {
        let made = self.founder.found_beside(&self.path(name), &node(name), wall_now());
        Arc::new(Tls::new(&made.unwrap(), protocol).unwrap())
    }

    pub fn founder(&self) -> Arc<Tls> {
        self.founder_speaking(Protocol::CURRENT)
    }

    pub fn founder_speaking(&self, protocol: Protocol) -> Arc<Tls> {
        Arc::new(Tls::new(&self.founder, protocol).unwrap())
    }

    /// A member with a certificate of another role or time: its files are those of a node that
    /// was founded beside, with another certificate in them.
    pub fn member_with(&self, name: &str, role: Role, validity: Validity) -> Arc<Tls> {
        let path = self.path(name);
        self.founder.found_beside(&path, &node(name), wall_now()).unwrap();
        let authority = self.founder.authority.as_ref().unwrap();
        let issued = authority.issue_with_key(&node(name), role, validity).unwrap();
        std::fs::write(path.join("node.pem"), issued.certificate_pem).unwrap();
        std::fs::write(path.join("node.key"), issued.key_pem).unwrap();
        Arc::new(Tls::new(&ClusterIdentity::load(&path).unwrap(), Protocol::CURRENT).unwrap())
    }
}

pub fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// An address of loopback that only this process binds, for one that is bound, left and bound
/// again: a port of 127.0.0.1 may be given to somebody else meanwhile.
pub fn own() -> SocketAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, 128 | high, middle, low), 0))
}

/// Answers with who asked, on which channel, and what.
pub async fn echo(peer: Arc<Peer>, channel: Channel, body: Vec<u8>) -> Vec<u8> {
    let mut answer = format!("{}/{}:", peer.node, channel.0).into_bytes();
    answer.extend_from_slice(&body);
    answer
}

pub type Seen = Arc<Mutex<Vec<TurnedAway>>>;

/// An open door that remembers whom it turned away.
pub struct Door {
    pub server: Server,
    pub address: SocketAddr,
    pub seen: Seen,
}

pub async fn open(tls: Arc<Tls>, limits: Limits) -> Door {
    open_with(tls, |listener| listener.limited(limits)).await
}

pub async fn open_with(tls: Arc<Tls>, with: impl FnOnce(Listener) -> Listener) -> Door {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let listener = Listener::bind(tls, &[loopback()])
        .await
        .unwrap()
        .telling(move |_, why| noted.lock().unwrap().push(why));
    let address = listener.addresses().unwrap()[0];
    Door { server: serve(with(listener), echo), address, seen }
}

impl Door {
    /// Waits until somebody was turned away, and says who and why.
    pub async fn turned_away(&self) -> TurnedAway {
        let mut found = None;
        until("somebody is turned away", || {
            found = self.seen.lock().unwrap().pop();
            found.is_some()
        })
        .await;
        found.unwrap()
    }
}

pub fn client(tls: Arc<Tls>, name: &str, addresses: &[SocketAddr]) -> Client {
    Client::new(tls, node(name), addresses.to_vec())
}

/// A client that waits for an answer as long as the test does: for a machine that stands still now
/// and then, where silence is not what the test is about.
pub fn patient(client: Client) -> Client {
    client.timed(Times { silence: LONG, ..Times::USUAL })
}

/// Polls for a condition, with a bound.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "it never came to pass that {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// How much memory this process holds, in bytes.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
