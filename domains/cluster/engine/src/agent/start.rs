//! How an agent starts, and how it ends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tsugi_cluster_rules::lease::disk_vote::DiskSight;
use tsugi_cluster_rules::lease::voter_list::VoterChange;
use tsugi_cluster_rules::node::{Birth, Node};
use tsugi_cluster_rules::plan::Settled;
use tsugi_cluster_rules::record::Record;
use tsugi_host::hands::Hands;
use tsugi_host::link::Watcher;
use tsugi_host::request::{Report, Request, Unmounting};
use tsugi_host::{Host as _, clock};
use tsugi_ledger::disk::Claimant;
use tsugi_ledger::{ClusterId, Ledger};
use tsugi_messages::Language;
use tsugi_vocabulary::{BootId, Claims, Generation, Index, NodeName, Span};
use tsugi_wire::boot::{Boot, BootFailure};
use tsugi_wire::datagram::{Opener, Origin, Sealer};
use tsugi_wire::files::{self, FileFailure};
use tsugi_wire::frame::Channel;
use tsugi_wire::identity::{ClusterIdentity, IdentityFailure};
use tsugi_wire::version::{Build, Protocol};

use super::belonging::{self, Lookout};
use super::file;
use super::founding::{Founding, FoundingFailure};
use super::ledger_link::{self, Link, LinkFailure};
use super::membership::Shared;
use super::shared_disk::{self, Disk, OnDisk};
use super::start_limit::StartLimit;
use super::tasks::{self, Reader};
use crate::control::{Direct, Pace, Services};
use crate::core::{Core, CoreParts, Ended, Notebook, Post, Proposal, mailbox};
use crate::datagrams::Networks;
use crate::errand::{Errands, Surroundings};
use crate::fence::Fences;
use crate::figures::Meter;
use crate::mirror::keeper::Keeper;
use crate::rehearsal::Rehearsals;
use crate::standing::{AgentView, Standing};
use crate::{config, logbook, records};

/// The ledger's traffic between voters.
pub const LEDGER_CHANNEL: Channel = Channel(1);
/// A joining node asks for the founding record.
pub const FOUNDING_CHANNEL: Channel = Channel(2);
/// A node asks what another has of what their groups need.
pub const PARITY_CHANNEL: Channel = Channel(3);

/// Where an agent lives.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Sockets; shared with hands and guardian.
    pub run_dir: PathBuf,
    /// What survives: ledger, promises, founding record.
    pub data_dir: PathBuf,
    /// The identity.
    pub pki_dir: PathBuf,
    /// The name this node takes when it is founded or joins, if the operator said one.
    pub name: Option<String>,
    /// This node's own file, compared with the applied configuration.
    pub config_file: PathBuf,
    /// Which build of the program this is.
    pub build: Build,
}

/// Why an agent did not start, or ended other than in order.
#[derive(Debug, thiserror::Error)]
pub enum AgentFailure {
    /// Another agent works in this data directory.
    #[error("another agent works in {0}")]
    SecondAgent(PathBuf),
    /// The founding record.
    #[error(transparent)]
    Founding(#[from] FoundingFailure),
    /// The identity.
    #[error(transparent)]
    Identity(#[from] IdentityFailure),
    /// The number of this start.
    #[error(transparent)]
    Boot(#[from] BootFailure),
    /// A file of the data directory.
    #[error(transparent)]
    File(#[from] FileFailure),
    /// The longest promise cannot be read; guessing it could break a promise (L4).
    #[error("the longest promise in {0} cannot be read")]
    Promise(PathBuf),
    /// Neither the operator nor the machine gave a usable name.
    #[error("{0:?} is no name of a node")]
    NoName(String),
    /// An address of this node is not there or taken.
    #[error("the addresses {addresses:?} cannot be used: {source}")]
    Bind {
        /// Which.
        addresses: Vec<SocketAddr>,
        /// Why.
        source: std::io::Error,
    },
    /// The hands are not there.
    #[error("the hands of this node do not answer: {0}")]
    Hands(std::io::Error),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LinkFailure),
    /// A value of the ledger cannot be read.
    #[error(transparent)]
    Unreadable(#[from] records::Unreadable),
    /// The system has no thread or descriptor left.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
    /// This node was taken out of the cluster.
    #[error("node {node} was taken out of the cluster; what it kept is in {place}")]
    Removed {
        /// Which.
        node: NodeName,
        /// Where what it kept is now.
        place: PathBuf,
    },
    /// A promise could not be made durable.
    #[error("a promise could not be made durable")]
    CannotWrite,
}

/// Runs the agent until it leaves, is replaced, or cannot go on. A fresh node waits until it is
/// founded or has joined; its control socket answers from the first moment on.
///
/// # Errors
/// [`AgentFailure`].
pub fn run(config: AgentConfig) -> Result<Ended, AgentFailure> {
    let limit = StartLimit::begin()?;
    let _lock = lock(&config.data_dir)?;
    let config = Arc::new(config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("tsugi-io")
        .enable_all()
        .build()?;
    let me = own_name(&config)?;
    let certificate_until = match ClusterIdentity::is_in(&config.pki_dir) {
        true => Some(ClusterIdentity::load(&config.pki_dir)?.subject.until),
        false => None,
    };
    let first = Standing { certificate_until, ..first_standing(&me) };
    let (picture, standing) = watch::channel(Arc::new(first));
    let (founded, mut wait) = mpsc::unbounded_channel();
    let shared = Shared { config: Arc::clone(&config), founded, running: Arc::default() };
    let slot = || Arc::clone(&shared.running);
    let (with_ledger, with_parity, with_heard) = (slot(), slot(), slot());
    let ledger = Arc::new(move || with_ledger.get().map(|r| Arc::clone(&r.ledger)));
    let services = Services {
        view: AgentView { standing },
        ledger: ledger.clone(),
        proposer: Arc::new(Direct::new(ledger)),
        membership: Arc::new(shared.clone()),
        heard: Arc::new(move || with_heard.get().map(|r| Arc::clone(&r.heard))),
        parity: Arc::new(move || with_parity.get().map(|r| Arc::clone(&r.parity))),
    };
    let socket = crate::control::socket(&config.run_dir);
    runtime.spawn(crate::control::keep_or_undo(services.clone(), Pace::default()));
    runtime.spawn(async move { crate::control::serve(&socket, services).await });
    let is_member =
        ClusterIdentity::is_in(&config.pki_dir) && Founding::read(&config.data_dir).is_ok();
    // What it waits for from here on may take as long as it likes: a person, other nodes, a disk.
    drop(limit);
    if !is_member {
        runtime.block_on(wait.recv());
    }
    belonging::come_in_again(&config, &runtime)?;
    runtime.block_on(await_disk(&config))?;
    let ended = work(&shared, &runtime, picture);
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    match ended? {
        Ended::CannotWrite => Err(AgentFailure::CannotWrite),
        Ended::Removed => {
            let place = belonging::put_all_aside(&config)?;
            Err(AgentFailure::Removed { node: me, place })
        }
        ended @ (Ended::Left | Ended::SteppedAside | Ended::NoHands) => Ok(ended),
    }
}

/// The name of this node: of its identity, else as the operator said, else of the machine.
pub(super) fn own_name(config: &AgentConfig) -> Result<NodeName, AgentFailure> {
    if ClusterIdentity::is_in(&config.pki_dir) {
        return Ok(ClusterIdentity::load(&config.pki_dir)?.subject.name);
    }
    let machine = nix::unistd::gethostname().map_err(std::io::Error::from)?;
    let machine = machine.to_string_lossy();
    let short = machine.split('.').next().unwrap_or_default();
    let name = config.name.as_deref().unwrap_or(short);
    NodeName::new(name).map_err(|_| AgentFailure::NoName(name.to_owned()))
}

fn work(
    shared: &Shared,
    runtime: &tokio::runtime::Runtime,
    picture: watch::Sender<Arc<Standing>>,
) -> Result<Ended, AgentFailure> {
    let (config, limit) = (&*shared.config, StartLimit::begin()?);
    std::fs::create_dir_all(log_dir(config))?;
    let mut identity = ClusterIdentity::load(&config.pki_dir)?;
    let founding = Founding::read(&config.data_dir)?;
    let me = identity.subject.name.clone();
    let own = own_addresses(&founding, &me)?;
    let voter = founding.voter(&me).unwrap_or_default();
    let boot = Boot::begin(&config.data_dir.join("boot"), clock::wall())?;
    let promise_file = config.data_dir.join("longest-promise");
    let networks = bind(&own, &identity, boot, config.build.protocol)?;
    let hands = Hands::connect(&config.run_dir).map_err(AgentFailure::Hands)?;
    let (mailbox, post) = mailbox()?;
    let seen = (picture.subscribe(), networks.heard());
    let here = (&mut identity, boot.id);
    let link = runtime.block_on(ledger_link::open(config, (&founding, &own), here, seen))?;
    let opened = open_disk(runtime, (config, &founding, &identity), (boot.id, &post, &link))?;
    let (ledger, running) = (Arc::clone(&link.ledger), link.running());
    let mut reader = Reader::new(Arc::new(Record::default()));
    let record = reader.read(&ledger.view())?;
    let language = logbook::language(&record);
    let (drafts, waiting) = mpsc::unbounded_channel();
    let (voter_changes, changes) = mpsc::unbounded_channel();
    introduce(&picture, (me.clone(), boot.id), identity.subject.until);
    let (unmounting, cluster) = (first_unmounting(&config.run_dir), identity.cluster.id.0);
    let around = Surroundings { unmounting, cluster, ..surroundings(config, &me) };
    std::fs::create_dir_all(around.ocf_files())?;
    let notebook = Notebook::in_folder(&config.run_dir, machine_id());
    let kept = ((&*promise_file, &notebook), opened.claimed);
    let birth = birth((me.clone(), founding.voter(&me)), boot.id, kept, record)?;
    let lookout = Lookout::new(config, (me.clone(), voter), &link, post.clone());
    let parts = CoreParts {
        node: Node::new(birth),
        networks,
        hands,
        run_dir: config.run_dir.clone(),
        promise_file,
        notebook,
        errands: Errands::new(around.clone()),
        rehearsals: Rehearsals::new(around.clone()),
        fences: Fences::new(around.clone(), own_ids()),
        keeper: Keeper::new(around.clone()),
        meter: Meter::new(around),
        mailbox,
        proposals: drafts,
        voter_changes,
        demands: opened.demands,
        ear: link.ear,
        claimant: opened.claimant,
        standing: picture,
        founding,
        links: Watcher::open()?,
    };
    put_to_ledger(runtime, &ledger, (waiting, changes), post.clone());
    runtime.spawn(lookout.watch());
    runtime.spawn(tasks::catch_up(Arc::clone(&ledger), (link.book, link.register, me.clone())));
    tell_core(runtime, &ledger, (reader, post.clone()));
    runtime.spawn(end_with_ledger(me.clone(), opened.disk, (Arc::clone(&ledger), language, post)));
    runtime.spawn(Arc::clone(&link.parity).keep());
    tell_and_compare(runtime, &ledger, (&config.config_file, &parts.standing));
    logbook::begin(&me, config.build.version, boot.started, language);
    // Set once: this process works for one cluster only.
    let _first = shared.running.set(running);
    // The first thread of an agent is the one at real-time priority: the hands start it so.
    Ok(Core::new(parts).inspect(|_| drop(limit))?.run())
}

fn own_addresses(founding: &Founding, me: &NodeName) -> Result<Vec<SocketAddr>, AgentFailure> {
    let own = founding.addresses(me).ok_or_else(|| FoundingFailure::NotNamed(me.clone()))?;
    Ok(own.to_vec())
}

/// Has the log told what happens, and the configuration file compared with what is applied.
fn tell_and_compare(
    runtime: &tokio::runtime::Runtime,
    ledger: &Arc<dyn Ledger>,
    (file, picture): (&Path, &watch::Sender<Arc<Standing>>),
) {
    runtime.spawn(logbook::keep(Arc::clone(ledger), picture.subscribe()));
    runtime.spawn(file::compare(file.to_owned(), picture.clone(), file::LOOK));
}

/// Puts to the ledger what the core has for it.
fn put_to_ledger(
    runtime: &tokio::runtime::Runtime,
    ledger: &Arc<dyn Ledger>,
    (drafts, changes): (
        mpsc::UnboundedReceiver<Proposal>,
        mpsc::UnboundedReceiver<(VoterChange, Generation)>,
    ),
    post: Post,
) {
    runtime.spawn(tasks::propose(Arc::clone(ledger), drafts, post));
    runtime.spawn(tasks::change_voters(Arc::clone(ledger), changes));
}

/// The disk that the ledger is on, if it is on one.
struct Opened {
    disk: Option<Disk>,
    /// Where claims go.
    claimant: Option<Claimant>,
    /// What former lives of this node have claimed.
    claimed: Option<Claims>,
    /// Where it goes whose end is demanded.
    demands: mpsc::UnboundedSender<(NodeName, Option<BootId>)>,
}

/// Waits until the disk that the ledger is on can be used, if it is on one.
async fn await_disk(config: &AgentConfig) -> Result<(), AgentFailure> {
    let founding = Founding::read(&config.data_dir)?;
    let identity = ClusterIdentity::load(&config.pki_dir)?;
    let read = config::read(&founding.config);
    let spec = read.map_err(|problems| FoundingFailure::Config(problems.len()))?.spec;
    let (me, cluster) = (&identity.subject.name, ClusterId(identity.cluster.id.0));
    if let Some(path) = shared_disk::path(&spec, me) {
        shared_disk::await_writes(path, &config.data_dir, (cluster, me)).await;
    }
    Ok(())
}

/// Opens the disk that the ledger is on.
fn open_disk(
    runtime: &tokio::runtime::Runtime,
    (agent, founding, identity): (&AgentConfig, &Founding, &ClusterIdentity),
    (life, post, link): (BootId, &Post, &Link),
) -> Result<Opened, AgentFailure> {
    let read = config::read(&founding.config);
    let spec = read.map_err(|problems| FoundingFailure::Config(problems.len()))?.spec;
    let me = &identity.subject.name;
    let (demands, demanded) = mpsc::unbounded_channel();
    let on_disk = shared_disk::path(&spec, me).zip(link.disk.clone());
    let Some((path, OnDisk { ledger, failed })) = on_disk else {
        return Ok(Opened { disk: None, claimant: None, claimed: None, demands });
    };
    runtime.spawn(shared_disk::say_demands(ledger, demanded));
    let cluster = ClusterId(identity.cluster.id.0);
    let vote = shared_disk::vote(path, (cluster, me), (post.clone(), failed.clone()));
    let vote = vote.map_err(LinkFailure::SharedDisk)?;
    let (claimant, claimed) = vote.parts();
    let place = spec.nodes.keys().position(|name| name == me).unwrap_or(0);
    let (since, data_dir) = (Instant::now(), agent.data_dir.clone());
    let path = path.into();
    let disk = Some(Disk { path, cluster, life, place, failed, since, data_dir, vote });
    Ok(Opened { disk, claimant: Some(claimant), claimed, demands })
}

/// Has the core told of what the ledger says, who leads it, and of the order to leave.
fn tell_core(
    runtime: &tokio::runtime::Runtime,
    ledger: &Arc<dyn Ledger>,
    (reader, post): (Reader, Post),
) {
    runtime.spawn(tasks::follow(Arc::clone(ledger), reader, post.clone()));
    runtime.spawn(tasks::lead(Arc::clone(ledger), post.clone()));
    runtime.spawn(tasks::leave_on_signal(post));
}

/// What becomes of this agent when its ledger fails.
async fn end_with_ledger(
    me: NodeName,
    disk: Option<Disk>,
    (ledger, language, post): (Arc<dyn Ledger>, Language, Post),
) {
    match disk {
        Some(disk) => shared_disk::begin_anew(disk, me, (ledger, language, post)).await,
        None => tasks::end_with(ledger, (me, language), post).await,
    }
}

/// How this agent comes into the world: with what earlier ones have left for it.
fn birth(
    (name, voter): (NodeName, Option<u64>),
    boot: BootId,
    ((promise_file, notebook), claimed): ((&Path, &Notebook), Option<Claims>),
    record: Arc<Record>,
) -> Result<Birth, AgentFailure> {
    let longest_promise = read_promise(promise_file)?;
    let (machine, at, taken_on) = (notebook.machine(), clock::now(), notebook.read());
    Ok(Birth { name, voter, boot, machine, at, longest_promise, claimed, record, taken_on })
}

/// Puts into the picture who this node is from now on.
fn introduce(
    picture: &watch::Sender<Arc<Standing>>,
    (me, boot): (NodeName, BootId),
    until: tsugi_vocabulary::Wall,
) {
    picture.send_modify(|standing| {
        let certificate_until = Some(until);
        let next = Standing { me, boot, certificate_until, ..Standing::clone(standing) };
        *standing = Arc::new(next);
    });
}

/// Keeps a second agent out of the data directory for as long as this process lives.
pub(super) fn lock(data_dir: &Path) -> Result<nix::fcntl::Flock<std::fs::File>, AgentFailure> {
    let path = data_dir.join("agent.lock");
    let file =
        std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(|source| {
            FileFailure::Refused { action: "open", path: path.clone(), source }
        })?;
    nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock)
        .map_err(|_| AgentFailure::SecondAgent(data_dir.to_path_buf()))
}

fn read_promise(file: &Path) -> Result<Option<Span>, AgentFailure> {
    match files::read_text_if_there(file)? {
        None => Ok(None),
        Some(text) => match text.trim().parse::<u64>() {
            Ok(ns) => Ok(Some(Span(ns))),
            Err(_) => Err(AgentFailure::Promise(file.to_path_buf())),
        },
    }
}

fn bind(
    own: &[SocketAddr],
    identity: &ClusterIdentity,
    boot: Boot,
    ours: Protocol,
) -> Result<Networks, AgentFailure> {
    let (cluster, me) = (identity.cluster.id, &identity.subject.name);
    let ring = &identity.cluster.keyring;
    let sealer = Sealer::new(Origin { cluster, node: me.clone(), boot }, ring).speaking(ours);
    let opener = Opener::new(cluster, me.clone(), ring).speaking(ours);
    Networks::bind(own, sealer, opener)
        .map_err(|source| AgentFailure::Bind { addresses: own.to_vec(), source })
}

/// One life of this machine as far as a node can tell: its kernel's boot and the process that is
/// the root of the node. A restarted agent finds the same, a machine that lost power another.
fn machine_id() -> BootId {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let root = nix::unistd::getppid();
    let stat = std::fs::read_to_string(format!("/proc/{root}/stat")).unwrap_or_default();
    let started = stat.rsplit(')').next().and_then(|r| r.split_whitespace().nth(19));
    let text = format!("{kernel}/{root}/{}", started.unwrap_or("-"));
    let hash = Sha256::digest(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    BootId(u128::from_be_bytes(bytes))
}

/// Where the output of programs goes.
fn log_dir(config: &AgentConfig) -> PathBuf {
    config.data_dir.join("log")
}

/// Whose rights a fence agent gets: those of this process.
fn own_ids() -> (u32, u32) {
    (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw())
}

pub(super) fn surroundings(config: &AgentConfig, me: &NodeName) -> Surroundings {
    Surroundings {
        node: me.to_string(),
        run_dir: config.run_dir.clone(),
        log_dir: log_dir(config),
        data_dir: config.data_dir.clone(),
        path: crate::errand::PATH.to_owned(),
        ocf_root: crate::errand::OCF_ROOT.into(),
        cluster: 0,
        tsugi: std::env::current_exe()
            .map_or_else(|_| "/usr/bin/tsugi".to_owned(), |exe| exe.display().to_string()),
        // What every build of the hands knows.
        unmounting: Unmounting::Orderly,
        agent_uid: nix::unistd::geteuid().as_raw(),
        hands_uid: uid_of_hands(&config.run_dir),
    }
}

/// How long hands may take to say how they can be asked to unmount.
const SKILL_LIMIT: Duration = Duration::from_secs(1);

/// How these hands are first asked to unmount. They may be of a former build, which ends the
/// connection of whoever asks for what it does not know: so they are asked once, on a connection
/// of its own, about a place where nothing is.
fn first_unmounting(run_dir: &Path) -> Unmounting {
    let Ok(mut hands) = Hands::connect(run_dir) else { return Unmounting::Orderly };
    let (dir, how) = (run_dir.join("nothing-is-mounted-here"), Unmounting::Gentle);
    let until = Instant::now() + SKILL_LIMIT;
    let Ok(asked) = hands.ask(&Request::Unmount { dir, how }) else { return Unmounting::Orderly };
    while Instant::now() < until {
        match hands.next_report() {
            Ok(Some(Report::Answer { id, outcome: Ok(_) })) if id == asked => return how,
            Ok(Some(_)) => {}
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            Err(_) => break,
        }
    }
    Unmounting::Orderly
}

/// The hands have made the directory of the sockets, and keep it.
fn uid_of_hands(run_dir: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    let own = || nix::unistd::geteuid().as_raw();
    std::fs::metadata(run_dir).map_or_else(|_| own(), |found| found.uid())
}

fn first_standing(me: &NodeName) -> Standing {
    Standing {
        at: clock::wall(),
        me: me.clone(),
        boot: BootId::default(),
        record: Arc::new(Record::default()),
        newest: Index(0),
        settled: Settled::NotYet,
        sights: BTreeMap::new(),
        leader: None,
        membership: Generation::NONE,
        self_fence: String::new(),
        slow_stops: BTreeMap::new(),
        lost_logs: std::collections::BTreeSet::new(),
        fence_faults: BTreeMap::new(),
        fence_tests: BTreeMap::new(),
        score_faults: BTreeMap::new(),
        mirrors_in_use: BTreeMap::new(),
        clock_ppm: None,
        carried: BTreeMap::new(),
        drops: Default::default(),
        disk: DiskSight::None,
        on_disk: None,
        other_file: None,
        certificate_until: None,
        watches: BTreeMap::new(),
        monitors: BTreeMap::new(),
        leases: BTreeMap::new(),
    }
}
