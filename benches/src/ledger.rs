//! Commits through three voters on loopback, mutual TLS between them and every entry synced,
//! beside how often a second this disk can sync.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tsugi_ledger::{
    Answer, Change, ClusterId, Key, Ledger, Outcome, Peers, RaftLedger, Seat, SendFailure, Timing,
    Voter, VoterId,
};
use tsugi_vocabulary::NodeName;
use tsugi_wire::client::Client;
use tsugi_wire::frame::Channel;
use tsugi_wire::identity::ClusterIdentity;
use tsugi_wire::join::wall_now;
use tsugi_wire::listener::{Listener, Peer, Server, serve};
use tsugi_wire::tls::Tls;
use tsugi_wire::version::Protocol;

use crate::{Figure, limits};

const SPAN: Duration = Duration::from_secs(3);
const CHANNEL: Channel = Channel(1);
/// How many bytes a change writes.
const VALUE: usize = 256;
/// So many keys are written in turn.
const KEYS: usize = 200;

/// Measures with 1, 16 and 64 clients at the leader.
pub fn run() -> Vec<Figure> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the system has threads left");
    runtime.block_on(async {
        let three = Three::found(dir.path()).await;
        let leader = three.leader().await;
        let mut figures = Vec::new();
        for clients in [1, 16, 64] {
            let before = limits::syncs_per_second(dir.path());
            let figure = commits(leader, clients).await;
            figures.push(limits::beside(figure, before, dir.path()));
        }
        for ledger in &three.ledgers {
            ledger.stop().await;
        }
        figures
    })
}

async fn commits(leader: &RaftLedger, clients: usize) -> Figure {
    let began = Instant::now();
    let one = |n: usize| tokio::spawn(client(leader.clone(), n));
    let tasks: Vec<_> = (0..clients).map(one).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("a client does not panic"));
    }
    Figure::of("ledger, commits", clients, times, began.elapsed())
}

async fn client(leader: RaftLedger, number: usize) -> Vec<Duration> {
    let (began, mut times) = (Instant::now(), Vec::new());
    for round in 0.. {
        if began.elapsed() >= SPAN {
            break;
        }
        let key = Key::new(&format!("bench/{number}/{}", round % KEYS)).expect("words and slashes");
        let at = Instant::now();
        let outcome = leader.commit(Change::new().write(key, vec![1; VALUE])).await;
        let committed = matches!(outcome, Ok(Outcome::Committed(_)));
        assert!(committed, "a commit without conditions is not refused: {outcome:?}");
        times.push(at.elapsed());
    }
    times
}

/// The clients of one voter, one for each other voter.
struct Wire {
    clients: BTreeMap<NodeName, Client>,
}

/// The doors open one after the other, so the ways are known only when all are open.
#[derive(Clone, Default)]
struct Ways(Arc<Mutex<Option<Wire>>>);

impl Peers for Ways {
    fn send(&self, to: &Voter, message: Vec<u8>) -> Answer {
        let wire = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let client = wire.as_ref().and_then(|wire| wire.clients.get(&to.node)).cloned();
        Box::pin(async move {
            let client = client.ok_or(SendFailure::NotSent)?;
            let asked = client.request(CHANNEL, message, Duration::from_secs(1)).await;
            asked.map_err(|failure| {
                if failure.may_have_happened() {
                    SendFailure::NoAnswer
                } else {
                    SendFailure::NotSent
                }
            })
        })
    }
}

/// Three voters of this process, each with its own file, identity and door.
struct Three {
    ledgers: Vec<RaftLedger>,
    _doors: Vec<Server>,
}

impl Three {
    async fn found(dir: &std::path::Path) -> Self {
        let node = |n: usize| NodeName::new(&format!("n{n}")).expect("letters and a digit");
        let pki = |n: usize| dir.join(format!("pki-{n}"));
        let first = ClusterIdentity::found(&pki(0), "bench", &node(0), wall_now());
        let first = first.expect("the directory is ours");
        let others = (1..3).map(|n| first.found_beside(&pki(n), &node(n), wall_now()));
        let others: Result<Vec<_>, _> = others.collect();
        let mut identities = others.expect("the directory is ours");
        identities.insert(0, first);
        let tls: Vec<Arc<Tls>> = identities
            .iter()
            .map(|one| {
                Arc::new(Tls::new(one, Protocol::CURRENT).expect("a certificate just made is good"))
            })
            .collect();
        let voters: Vec<Voter> =
            (0..3).map(|n| Voter { id: VoterId(n as u64 + 1), node: node(n) }).collect();
        let ways: Vec<Ways> = (0..3).map(|_| Ways::default()).collect();
        let mut made = (Vec::new(), Vec::new(), Vec::new());
        for n in (0..3).rev() {
            let seat = Seat {
                directory: dir.join(format!("ledger-{n}")),
                cluster: ClusterId(1),
                voter: voters[n].clone(),
                timing: Timing::DEFAULT,
            };
            let peers: Arc<dyn Peers> = Arc::new(ways[n].clone());
            let ledger = match n {
                0 => RaftLedger::found(seat, &voters, peers).await,
                _ => RaftLedger::join(seat, peers).await,
            };
            let ledger = ledger.expect("a ledger in a fresh directory");
            let (door, address) = open(&tls[n], ledger.clone()).await;
            made.0.insert(0, ledger);
            made.1.insert(0, address);
            made.2.push(door);
        }
        let (ledgers, addresses, doors) = made;
        for (n, way) in ways.iter().enumerate() {
            let to = |m: usize| Client::new(Arc::clone(&tls[n]), node(m), vec![addresses[m]]);
            let clients = (0..3).filter(|m| *m != n).map(|m| (node(m), to(m))).collect();
            *way.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Wire { clients });
        }
        Self { ledgers, _doors: doors }
    }

    async fn leader(&self) -> &RaftLedger {
        loop {
            if let Some(leader) = self.ledgers.iter().find(|ledger| ledger.leadership().me) {
                return leader;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

async fn open(tls: &Arc<Tls>, ledger: RaftLedger) -> (Server, SocketAddr) {
    let any = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
    let bound = Listener::bind(Arc::clone(tls), &[any]).await.expect("a loopback port");
    let address = bound.addresses().expect("a bound socket has an address")[0];
    let server = serve(bound, move |_: Arc<Peer>, _: Channel, body: Vec<u8>| {
        let ledger = ledger.clone();
        async move { ledger.handle(body).await }
    });
    (server, address)
}
