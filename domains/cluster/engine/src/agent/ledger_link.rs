//! The ledger over the cluster's own connections: mTLS between voters, one door for all of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tsugi_cluster_rules::timing::Timing as Times;
use tsugi_ledger::{
    Answer, ClusterId, Failure, Ledger, Peers, RaftLedger, Seat, SendFailure, StorageFailure,
    Timing, Voter, VoterId,
};
use tsugi_vocabulary::{BootId, NodeName};
use tsugi_wire::client::RequestFailure;
use tsugi_wire::frame::Channel;
use tsugi_wire::heard::Heard;
use tsugi_wire::identity::{ClusterIdentity, IdentityFailure};
use tsugi_wire::join::Reception;
use tsugi_wire::listener::{self, Listener, Peer, Server};
use tsugi_wire::tls::{Tls, TlsFailure};
use tsugi_wire::ways::Ways;

use super::book::Book;
use super::contact;
use super::ear::Ear;
use super::founding::{Founding, FoundingFailure, Part};
use super::membership::Running;
use super::register::Register;
use super::shared_disk::{self, OnDisk};
use super::start::{AgentConfig, FOUNDING_CHANNEL, LEDGER_CHANNEL, PARITY_CHANNEL};
use crate::config;
use crate::control::Later;
use crate::parity::{self, Machine, Others, Place, Rounds};
use crate::standing::Standing;

/// How often missing connections are made before they are needed.
const WARM_EVERY: Duration = Duration::from_secs(2);

/// Who was not told within this time that something stands on the disk reads it by itself before.
const HASTE: Duration = Duration::from_millis(50);

/// Why the ledger could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LinkFailure {
    /// The ledger's file.
    #[error("the ledger cannot be opened: {0}")]
    Ledger(Failure),
    /// The disk that the ledger is on.
    #[error("the disk of the ledger cannot be used: {0}")]
    SharedDisk(StorageFailure),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// The identity.
    #[error(transparent)]
    Identity(#[from] IdentityFailure),
    /// The founding record.
    #[error(transparent)]
    Founding(#[from] FoundingFailure),
    /// The door could not be opened.
    #[error("the addresses of this node cannot be listened at: {0}")]
    Listen(std::io::Error),
}

/// The ledger, and what keeps it reachable.
pub(super) struct Link {
    pub ledger: Arc<dyn Ledger>,
    /// The same where it is on a disk that two nodes share: it carries demands as well.
    pub disk: Option<OnDisk>,
    /// Where the others listen.
    pub book: Arc<Book>,
    /// Who has which number.
    pub register: Arc<Register>,
    /// How the others are asked.
    pub tls: Arc<Tls>,
    /// When they were heard.
    heard: Arc<Heard>,
    reception: Option<Arc<Reception>>,
    /// To be told of each beat and answer.
    pub ear: Ear,
    /// What nodes ask each other of what they have.
    pub parity: Arc<Rounds>,
    /// Ends the door when it is dropped.
    _server: Server,
}

impl Link {
    /// What others of this process use of it.
    pub(super) fn running(&self) -> Running {
        Running {
            ledger: Arc::clone(&self.ledger),
            heard: Arc::clone(&self.heard),
            reception: self.reception.clone(),
            parity: Arc::clone(&self.parity),
        }
    }
}

/// This node's ledger, and who answers other nodes for it.
#[derive(Clone)]
enum Here {
    OnNodes(RaftLedger),
    /// What others ask stands on the disk.
    OnDisk(OnDisk),
}

impl Here {
    fn ledger(&self) -> Arc<dyn Ledger> {
        match self {
            Self::OnNodes(ledger) => Arc::new(ledger.clone()),
            Self::OnDisk(disk) => Arc::new(disk.ledger.clone()),
        }
    }

    /// What another node says to the ledger. One on a disk is told only that something was written
    /// there.
    async fn hear(&self, body: Vec<u8>) -> Vec<u8> {
        match self {
            Self::OnNodes(ledger) => ledger.handle(body).await,
            Self::OnDisk(disk) => {
                disk.ledger.look();
                Vec::new()
            }
        }
    }

    fn ear(self, me: NodeName) -> Ear {
        match self {
            Self::OnNodes(ledger) => Ear::new(me, ledger),
            Self::OnDisk(disk) => Ear::of_disk(me, disk.ledger),
        }
    }
}

/// The other voters over the wire.
struct WirePeers {
    tls: Arc<Tls>,
    book: Arc<Book>,
    heard: Arc<Heard>,
    ways: Mutex<BTreeMap<NodeName, (Ways, Vec<SocketAddr>)>>,
    patience: Duration,
}

impl WirePeers {
    /// The ways to a node, at the addresses where it is said to listen now.
    fn ways(&self, node: &NodeName) -> Ways {
        let now = self.book.addresses(node);
        let mut all = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let (tls, heard) = (Arc::clone(&self.tls), Arc::clone(&self.heard));
            (Ways::new(tls, node.clone(), now.clone(), heard), now.clone())
        };
        let (ways, at) = all.entry(node.clone()).or_insert_with(make);
        if *at != now {
            ways.readdress(now.clone());
            *at = now;
        }
        ways.clone()
    }
}

impl Peers for WirePeers {
    fn send(&self, to: &Voter, message: Vec<u8>) -> Answer {
        let ways = self.ways(&to.node);
        let patience = self.patience;
        Box::pin(async move {
            match ways.request(LEDGER_CHANNEL, message, patience).await {
                Ok(answer) => Ok(answer),
                Err(failure) => Err(send_failure(&failure)),
            }
        })
    }
}

impl Others for WirePeers {
    fn ask(&self, node: &NodeName, body: Vec<u8>) -> Later<Result<Vec<u8>, String>> {
        let ways = self.ways(node);
        Box::pin(async move {
            let answer = ways.request(PARITY_CHANNEL, body, parity::ASKED).await;
            answer.map_err(|failure| failure.to_string())
        })
    }
}

fn send_failure(failure: &RequestFailure) -> SendFailure {
    match failure {
        RequestFailure::Unreachable { .. }
        | RequestFailure::NotSentInTime { .. }
        | RequestFailure::TooLong { .. } => SendFailure::NotSent,
        RequestFailure::NotAnsweredInTime { .. }
        | RequestFailure::Lost { .. }
        | RequestFailure::Refused { .. } => SendFailure::NoAnswer,
    }
}

/// Keeps a connection to every node on every network: an election after the loss of a node or
/// of a network does not wait for one.
async fn keep_warm(peers: Weak<WirePeers>, me: NodeName) {
    loop {
        match peers.upgrade() {
            Some(peers) => {
                let others = peers.book.nodes().into_iter().filter(|node| *node != me);
                others.for_each(|node| peers.ways(&node).warm());
            }
            None => return,
        }
        tokio::time::sleep(WARM_EVERY).await;
    }
}

/// Opens this node's copy of the ledger and its door.
///
/// # Errors
/// [`LinkFailure`].
pub(super) async fn open(
    agent: &AgentConfig,
    (founding, own): (&Founding, &[SocketAddr]),
    (identity, life): (&mut ClusterIdentity, BootId),
    (standing, heard): (watch::Receiver<Arc<Standing>>, Arc<Heard>),
) -> Result<Link, LinkFailure> {
    let me = identity.subject.name.clone();
    let id = founding.voter(&me).ok_or_else(|| FoundingFailure::NotNamed(me.clone()))?;
    let read = config::read(&founding.config);
    let resolved = read.map_err(|problems| FoundingFailure::Config(problems.len()))?;
    let times = Times::of(resolved.spec.timing);
    let tls = Arc::new(Tls::new(identity, agent.build.protocol)?);
    let book = Arc::new(Book::of(founding));
    let peers = Arc::new(WirePeers {
        tls: Arc::clone(&tls),
        book: Arc::clone(&book),
        heard: Arc::clone(&heard),
        ways: Mutex::default(),
        patience: (times.ttl + times.ttl).to_std(),
    });
    tokio::spawn(keep_warm(Arc::downgrade(&peers), me.clone()));
    let seat = Seat {
        directory: agent.data_dir.join("ledger"),
        cluster: ClusterId(identity.cluster.id.0),
        voter: Voter { id: VoterId(id), node: me.clone() },
        timing: Timing { lease: times.ttl },
    };
    let others: Arc<dyn Others> = peers.clone();
    let opened = match shared_disk::path(&resolved.spec, &me) {
        None => open_ledger(seat, founding, peers).await.map(|l| (Here::OnNodes(l), None)),
        Some(path) => {
            let seat = (seat.cluster, me.clone(), life);
            let opened = shared_disk::ledger(path, seat, times.ttl, &agent.data_dir).await;
            opened.map(|disk| {
                let written = disk.ledger.written();
                tokio::spawn(hasten(written, Arc::downgrade(&peers), me.clone()));
                (Here::OnDisk(disk.clone()), Some(disk))
            })
        }
    };
    let (here, disk) = opened.map_err(|failure| match failure {
        Failure::Storage(storage) if resolved.spec.ledger.is_on_disk() => {
            LinkFailure::SharedDisk(storage)
        }
        failure => LinkFailure::Ledger(failure),
    })?;
    let reception =
        Reception::open(identity, |_applicant| Box::pin(async { Ok(()) }))?.map(Arc::new);
    let ledger = here.ledger();
    let data_dir = agent.data_dir.clone();
    tokio::spawn(contact::keep(Arc::clone(&ledger), data_dir.clone()));
    let place = place(agent, identity);
    let parity = Arc::new(Rounds::new(standing.clone(), others, place));
    let register = Arc::new(Register::new(data_dir.clone(), Arc::clone(&ledger), standing));
    let inside = (here.clone(), Arc::clone(&register), Arc::clone(&parity));
    let server = listen(&tls, own, inside, reception.clone()).await?;
    if founding.part == Part::Founder {
        tokio::spawn(write_first_entry(Arc::clone(&ledger), data_dir));
    }
    let ear = here.ear(identity.subject.name.clone());
    Ok(Link { ledger, disk, book, register, tls, heard, reception, ear, parity, _server: server })
}

/// Tells the others at once that something stands on the disk which they wait for. They would find
/// it at their next beat, and do where no network leads to them: a question, its answer and what
/// follows from it would each wait for one.
async fn hasten(mut written: watch::Receiver<()>, peers: Weak<WirePeers>, me: NodeName) {
    while written.changed().await.is_ok() {
        let Some(peers) = peers.upgrade() else { return };
        for node in peers.book.nodes().into_iter().filter(|node| *node != me) {
            let ways = peers.ways(&node);
            // Nothing rests on its coming.
            let _come = ways.request(LEDGER_CHANNEL, Vec::new(), HASTE).await;
        }
    }
}

/// What of this node stays as it is while it runs.
fn place(agent: &AgentConfig, identity: &ClusterIdentity) -> Place {
    Place {
        authority: identity.authority_fingerprint().to_string(),
        version: format!("{} {}", agent.build.version, std::env::consts::ARCH),
        data: agent.data_dir.clone(),
        runs: agent.run_dir.join(tsugi_host::hands::AGENT_DIR),
        machine: Machine::here,
    }
}

async fn open_ledger(
    seat: Seat,
    founding: &Founding,
    peers: Arc<WirePeers>,
) -> Result<RaftLedger, Failure> {
    if RaftLedger::owner_in(&seat.directory).is_ok() {
        return RaftLedger::open(seat, peers).await;
    }
    match founding.part {
        Part::Founder => {
            let voters: Vec<Voter> = founding
                .voters
                .iter()
                .map(|(id, (node, _))| Voter { id: VoterId(*id), node: node.clone() })
                .collect();
            RaftLedger::found(seat, &voters, peers).await
        }
        Part::Joiner => RaftLedger::join(seat, peers).await,
    }
}

async fn listen(
    tls: &Arc<Tls>,
    own: &[SocketAddr],
    (here, register, parity): (Here, Arc<Register>, Arc<Rounds>),
    reception: Option<Arc<Reception>>,
) -> Result<Server, LinkFailure> {
    let bound = Listener::bind(Arc::clone(tls), own).await.map_err(LinkFailure::Listen)?;
    let bound = match reception {
        Some(reception) => bound.with_reception(reception),
        None => bound,
    };
    Ok(listener::serve(bound, move |peer: Arc<Peer>, channel: Channel, body: Vec<u8>| {
        let (here, register) = (here.clone(), Arc::clone(&register));
        let parity = Arc::clone(&parity);
        async move {
            match channel {
                LEDGER_CHANNEL if register.hears(&peer) => here.hear(body).await,
                PARITY_CHANNEL if register.hears(&peer) => parity.answer(&body).await,
                FOUNDING_CHANNEL => register.answer(&peer, &body).await,
                Channel(_) => Vec::new(),
            }
        }
    }))
}

/// The founder writes the first entry once there is a leader: configuration, nodes, groups.
async fn write_first_entry(ledger: Arc<dyn Ledger>, data_dir: PathBuf) {
    while ledger.view().get("config").is_none() {
        if ledger.leadership().leader.is_some() {
            // Read anew: it says who has come meanwhile, and under which certificate.
            let Ok(founding) = Founding::read(&data_dir) else { return };
            let Ok(draft) = founding.first_entry(tsugi_host::clock::wall()) else { return };
            // Taken or not: the record tells.
            let _fate = super::tasks::commit(&*ledger, &draft).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
