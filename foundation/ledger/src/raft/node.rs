//! One voter of the ledger: its file, its Raft, its gate, and the doors to all of it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::ServerState;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tsugi_vocabulary::{Index, Moment, NodeName, Span};

use super::file::{File, Owner};
use super::keeper;
use super::links::{Factory, Links, Peers};
use super::log::{Loaded, Log, LogEnd, place_record, vote_record};
use super::machine::{self, Machine, State, first_snapshot, membership};
use super::pulse::Progress;
use super::scribe::{self, Job};
use super::store::{Store, Write, at_once};
use super::timing::Timing;
use super::types::{LogId, Raft, Shown, StoredMembership, Vote};
use crate::gate::{Gate, LogPlace, Order, Role, Sighting, Situation};
use crate::published::Published;
use crate::{Backup, ClusterId, Failure, Floor, Leadership, StorageFailure, View, Voter, VoterId};

/// Where a voter sits: its directory, its cluster, its number and machine.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Where its file is. No other process may use it.
    pub directory: PathBuf,
    /// The cluster.
    pub cluster: ClusterId,
    /// The voter.
    pub voter: Voter,
    /// The times of the cluster.
    pub timing: Timing,
}

impl Seat {
    fn owner(&self) -> Owner {
        Owner { cluster: self.cluster, voter: self.voter.id }
    }
}

/// A ledger kept by several voters. A clone is another handle of the same voter.
#[derive(Clone)]
pub struct RaftLedger {
    pub(super) node: Arc<Node>,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
    closed: watch::Receiver<bool>,
    #[cfg(any(test, feature = "suite"))]
    disk: Arc<Mutex<Option<Store>>>,
}

/// What the file of a voter that does not run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCopy {
    /// Whose it is.
    pub owner: Owner,
    /// The term of its last entry. Of several copies of one life of the ledger their voters would
    /// elect the one with the highest (term, place).
    pub term: u64,
    /// The state after its last entry, whether or not all of it was committed.
    pub view: View,
}

/// What a voter says of itself in datagrams, as the leader hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Following {
    /// The term in which it follows this voter.
    pub term: u64,
    /// What it has applied.
    pub applied: Index,
    /// How long ago the datagram was sent that it answers.
    pub ago: Span,
}

/// What all handles of one voter share.
pub(super) struct Node {
    pub(super) voter: Voter,
    pub(super) cluster: ClusterId,
    pub(super) timing: Timing,
    pub(super) raft: Raft,
    /// Looked at with every beat that comes; a place of its own to look from each time costs more.
    shown: watch::Receiver<Shown>,
    pub(super) links: Arc<Links>,
    pub(super) published: Arc<Published>,
    pub(super) leadership: watch::Sender<Leadership>,
    pub(super) failed: watch::Sender<Option<Failure>>,
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) sightings: mpsc::Sender<Sighting>,
    pub(super) voters_change: tokio::sync::Mutex<()>,
    /// When somebody last asked what is due here.
    watched: AtomicU64,
    gate: Mutex<Gate>,
    log_end: LogEnd,
}

impl RaftLedger {
    /// Founds a ledger kept by `voters`, this one among them. The others [`join`](Self::join).
    ///
    /// # Errors
    /// [`StorageFailure::Exists`] if there is one already; else what the disk did.
    pub async fn found(
        seat: Seat,
        voters: &[Voter],
        peers: Arc<dyn Peers>,
    ) -> Result<Self, Failure> {
        let ledger = Self::join(seat.clone(), peers).await?;
        let list = voters.iter().map(|voter| (voter.id, voter.node.clone())).collect();
        let members = membership(&list);
        let nodes: std::collections::BTreeMap<_, _> =
            members.nodes().map(|(id, member)| (*id, member.clone())).collect();
        match ledger.node.raft.initialize(nodes).await {
            Ok(()) => Ok(ledger),
            Err(openraft::error::RaftError::APIError(_)) => {
                ledger.stop().await;
                let file = seat.directory.display().to_string();
                Err(StorageFailure::Exists { file }.into())
            }
            Err(openraft::error::RaftError::Fatal(_)) => Err(ledger.node.fatal()),
        }
    }

    /// Opens the ledger of a voter that keeps nothing yet, making its file if there is none. It
    /// waits to be added by a voter of the cluster.
    ///
    /// # Errors
    /// What the disk did.
    pub async fn join(seat: Seat, peers: Arc<dyn Peers>) -> Result<Self, Failure> {
        let file = match File::open(&seat.directory, seat.owner()) {
            Err(StorageFailure::Missing { .. }) => File::create(&seat.directory, seat.owner())?,
            opened => opened?,
        };
        Self::start(seat, file, peers).await
    }

    /// Opens the ledger of a voter as it was left.
    ///
    /// # Errors
    /// [`StorageFailure::Missing`] if there is none: a voter that lost its file comes back under
    /// a new number only. Else what is wrong with the file.
    pub async fn open(seat: Seat, peers: Arc<dyn Peers>) -> Result<Self, Failure> {
        let file = File::open(&seat.directory, seat.owner())?;
        Self::start(seat, file, peers).await
    }

    /// Makes the file of a ledger restored from `backup`, kept by `node` alone, and says which
    /// voter that is. It is then [opened](Self::open); every other node joins anew.
    ///
    /// # Errors
    /// [`StorageFailure::Exists`] if there is a ledger; else what the disk did.
    pub fn restore(
        directory: &Path,
        backup: &Backup,
        floor: Floor,
        node: NodeName,
    ) -> Result<Owner, Failure> {
        Self::begin(directory, backup.cluster, &backup.restored(floor, node))
    }

    /// Makes the file of a ledger that stands at `view`, kept by its newest voter alone.
    ///
    /// # Errors
    /// [`StorageFailure::Exists`] if there is a ledger; else what the disk did.
    pub fn begin(directory: &Path, cluster: ClusterId, view: &View) -> Result<Owner, Failure> {
        let view = view.clone();
        let owner = Owner { cluster, voter: view.voters.highest };
        let leader = openraft::CommittedLeaderId::new(1, owner.voter.0);
        let place = LogId::new(leader, view.applied.0);
        let stored = StoredMembership::new(Some(place), membership(&view.voters.list));
        let state = State { view, applied: Some(place), membership: stored };
        let mut writes = first_snapshot(&state);
        writes.push(Write::Note("vote", vote_record(&Vote::new(1, owner.voter.0))));
        writes.push(Write::Note("committed", place_record("committed", &place)));
        writes.push(Write::Purge(place.index, place_record("purged", &place)));
        let mut file = File::create(directory, owner)?;
        at_once(&mut file, writes)?;
        Ok(owner)
    }

    /// Whose ledger stands in `directory`.
    ///
    /// # Errors
    /// [`StorageFailure::Missing`] if there is none; else what is wrong with it.
    pub fn owner_in(directory: &Path) -> Result<Owner, StorageFailure> {
        File::owner_in(directory)
    }

    /// The newest state that the file in `directory` holds, whether or not all of it was committed.
    ///
    /// # Errors
    /// [`StorageFailure::Missing`] if there is none; else what is wrong with it.
    pub fn last_view(directory: &Path) -> Result<View, StorageFailure> {
        Self::last_copy(directory).map(|copy| copy.view)
    }

    /// The same with whose it is, and how new its log is.
    ///
    /// # Errors
    /// As [`Self::last_view`].
    pub fn last_copy(directory: &Path) -> Result<LastCopy, StorageFailure> {
        let owner = File::owner_in(directory)?;
        let file = File::open(directory, owner)?;
        let (_, mut state) = machine::load(&file)?;
        let loaded = Loaded::from(&file)?;
        file.abandon();
        state.catch_up(loaded.entries());
        let term = state.applied.map_or(0, |last| last.leader_id.term);
        Ok(LastCopy { owner, term, view: state.view })
    }

    async fn start(seat: Seat, file: File, peers: Arc<dyn Peers>) -> Result<Self, Failure> {
        let loaded = Loaded::from(&file)?;
        let (placed, state) = machine::load(&file)?;
        let owner = seat.owner();
        let store = Store::start(file);
        let (failed, closed) = (store.failing(), store.closed());
        #[cfg(any(test, feature = "suite"))]
        let disk = Arc::new(Mutex::new(Some(store.clone())));
        let log = Log::new(loaded, store.clone());
        let log_end = log.end();
        let machine = Machine::new(placed, state, store);
        let published = machine.published();
        let timing = seat.timing;
        let links = Arc::new(Links::new(owner, peers, timing));
        let (config, factory) = (Arc::new(timing.config()), Factory(Arc::clone(&links)));
        let raft = Raft::new(owner.voter.0, config, factory, log, machine).await;
        let raft = raft.map_err(|_| failed.borrow().clone().unwrap_or(Failure::Stopped))?;
        let (jobs, queue) = mpsc::channel(1024);
        let (sightings, seen) = mpsc::channel(256);
        let shown = raft.server_metrics();
        let voters = voters_of(&lists_of(&shown.borrow()));
        let gate = Gate::new(owner.voter, &voters, timing.silence(), links.now());
        let node = Arc::new(Node {
            voter: seat.voter,
            cluster: seat.cluster,
            timing,
            raft,
            shown,
            links,
            published,
            leadership: watch::Sender::new(Leadership::default()),
            failed,
            jobs,
            sightings,
            voters_change: tokio::sync::Mutex::new(()),
            watched: AtomicU64::new(0),
            gate: Mutex::new(gate),
            log_end,
        });
        let tasks = vec![
            tokio::spawn(keeper::keep(Arc::clone(&node), seen)),
            tokio::spawn(scribe::write(node.raft.clone(), queue)),
        ];
        Ok(Self {
            node,
            tasks: Arc::new(Mutex::new(tasks)),
            closed,
            #[cfg(any(test, feature = "suite"))]
            disk,
        })
    }

    /// The voter.
    #[must_use]
    pub fn voter(&self) -> &Voter {
        &self.node.voter
    }

    /// To be called for each message that says that `leader` leads `term`.
    pub fn heard_leader(&self, leader: VoterId, term: u64) {
        self.node.heard(leader, term);
    }

    /// To be called for each answer of `follower` to a datagram of this voter; what it says of
    /// itself need not be newer than its last beat.
    pub fn heard_follower(&self, follower: VoterId, says: Following) {
        self.node.heard_follower(follower, says);
    }

    /// Leases run for so long now: without the leader's sign for the same part of one as ever, an
    /// election is asked for.
    pub fn leases_run_for(&self, lease: Span) {
        self.node.gate(|gate| gate.set_silence(Timing { lease }.silence()));
    }

    /// How long until this voter has something to do by itself. Who asks watches the time for it
    /// from now on: it asks again after all that it tells, and calls [`Self::look`] then.
    #[must_use]
    pub fn due_in(&self) -> Span {
        let now = self.node.links.now();
        self.node.watched.store(now.0, Ordering::Relaxed);
        keeper::due(&self.node, now).since(now)
    }

    /// Has this voter look at what is due.
    pub fn look(&self) {
        // Where so many sightings wait it is about to look anyway.
        let _full = self.node.sightings.try_send(Sighting::Tick);
    }

    /// Stops this voter and closes its file.
    pub async fn stop(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in &tasks {
            task.abort();
        }
        self.node.failed.send_modify(|failed| {
            failed.get_or_insert(Failure::Stopped);
        });
        #[cfg(any(test, feature = "suite"))]
        drop(self.disk.lock().unwrap_or_else(PoisonError::into_inner).take());
        // Its own panic is its end as well.
        drop(self.node.raft.shutdown().await);
        self.node.leadership.send_replace(Leadership::default());
        let mut closed = self.closed.clone();
        let waited =
            tokio::time::timeout(Duration::from_secs(5), closed.wait_for(|closed| *closed));
        drop(waited.await);
    }
}

#[cfg(any(test, feature = "suite"))]
impl RaftLedger {
    /// For tests: makes every write of this voter fail from now on, as a broken disk does.
    pub async fn break_disk(&self) {
        let disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let disk = disk.expect("the voter runs");
        let broken = disk
            .read(|file| file.sql(|connection| connection.pragma_update(None, "query_only", true)));
        broken.await.expect("the disk worked until now");
    }

    /// For tests: whether two lists of voters stand together, as far as this voter knows.
    #[must_use]
    pub fn is_between_lists(&self) -> bool {
        lists_of(&self.node.shown.borrow()).len() > 1
    }

    /// For tests: makes a snapshot now and forgets the log before it.
    pub async fn compact(&self) {
        let applied = self.node.view().applied.0;
        let raft = &self.node.raft;
        raft.trigger().snapshot().await.expect("the voter runs");
        let made = raft.wait(Some(Duration::from_secs(10)));
        let made = made.metrics(|m| m.snapshot.is_some_and(|id| id.index >= applied), "snapshot");
        made.await.expect("a snapshot is made");
        raft.trigger().purge_log(applied).await.expect("the voter runs");
        let gone = raft.wait(Some(Duration::from_secs(10)));
        let gone = gone.metrics(|m| m.purged.is_some_and(|id| id.index >= applied), "purged");
        gone.await.expect("the log is forgotten");
    }
}

/// The lists of voters that Raft counts now: two while they change.
fn lists_of(shown: &Shown) -> Vec<Vec<VoterId>> {
    let lists = shown.membership_config.membership().get_joint_config();
    lists.iter().map(|list| list.iter().copied().map(VoterId).collect()).collect()
}

/// Everybody who is on one of the lists, in order.
fn voters_of(lists: &[Vec<VoterId>]) -> Vec<VoterId> {
    if let [list] = lists {
        return list.clone();
    }
    let ids: std::collections::BTreeSet<VoterId> = lists.iter().flatten().copied().collect();
    ids.into_iter().collect()
}

/// How new a log is that ends at `id`.
pub(super) fn place_of(id: LogId) -> LogPlace {
    LogPlace { term: id.leader_id.term, index: id.index }
}

impl Node {
    pub(super) fn view(&self) -> Arc<View> {
        self.published.view()
    }

    /// Why nothing can be asked of this voter any more.
    pub(super) fn fatal(&self) -> Failure {
        self.failed.borrow().clone().unwrap_or(Failure::Stopped)
    }

    /// Until when somebody else watches the time for this voter, if it did so lately. One that
    /// stopped is noticed a lease after it last did.
    pub(super) fn watched_until(&self, now: Moment) -> Option<Moment> {
        let watched = Moment(self.watched.load(Ordering::Relaxed));
        let until = watched + Span(self.timing.lease.0 * 4);
        (now.since(watched) < Span(self.timing.lease.0 / 2)).then_some(until)
    }

    pub(super) fn situation(&self, now: Moment) -> Situation {
        let (lists, leads, term) = {
            let shown = self.shown.borrow();
            let leads = shown.state == ServerState::Leader;
            (lists_of(&shown), leads, shown.vote.leader_id.term)
        };
        let voters = voters_of(&lists);
        let role = if self.failed.borrow().is_some() {
            Role::Outside
        } else if leads {
            let confirmed = lists.iter().map(|list| self.links.confirmed(list, now)).min();
            Role::Leader { term, confirmed: confirmed.unwrap_or_default() }
        } else if voters.contains(&self.voter.id) {
            Role::Voter
        } else {
            Role::Outside
        };
        let log = self.log_end.last().map_or_else(LogPlace::default, place_of);
        Situation { role, voters, lists, log }
    }

    pub(super) fn gate<T>(&self, with: impl FnOnce(&mut Gate) -> T) -> T {
        with(&mut self.gate.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn heard(&self, leader: VoterId, term: u64) {
        let now = self.links.now();
        let situation = self.situation(now);
        let order = self.gate(|gate| match situation.role {
            // A leader's own keeper finds out that it was deposed.
            Role::Leader { .. } => None,
            Role::Voter | Role::Outside => {
                gate.step(now, Sighting::Heard { leader, term }, &situation)
            }
        });
        self.carry_out_quietly(now, order);
        if self.leadership.borrow().leader != Some(leader) {
            self.show_leadership(now, &situation);
        }
    }

    pub(super) fn heard_follower(&self, follower: VoterId, says: Following) {
        let leads = {
            let shown = self.shown.borrow();
            shown.state == ServerState::Leader && shown.vote.leader_id.term == says.term
        };
        if leads {
            let sent = self.links.now().saturating_sub(says.ago);
            let behind = says.applied < self.published.applied();
            let progress = if behind { Progress::Behind } else { Progress::Level };
            self.links.heard(follower, sent, progress);
        }
    }

    /// Carries out what the gate orders on a sighting that only ever makes it quieter.
    pub(super) fn carry_out_quietly(&self, now: Moment, order: Option<Order>) {
        match order {
            None | Some(Order::Ask { .. } | Order::Elect | Order::StepAside) => {}
            Some(Order::Resume) => self.links.resume(now),
        }
    }

    /// Who leads now, checked against the clock.
    pub(super) fn leads(&self, now: Moment, situation: &Situation) -> Leadership {
        let me = self.gate(|gate| gate.leads(now, situation.role));
        let term = self.shown.borrow().vote.leader_id.term;
        let heard = || self.gate(|gate| gate.hears(now)).filter(|id| *id != self.voter.id);
        Leadership { term, leader: if me { Some(self.voter.id) } else { heard() }, me }
    }

    pub(super) fn show_leadership(&self, now: Moment, situation: &Situation) {
        let leads = self.leads(now, situation);
        self.leadership.send_if_modified(|shown| {
            let other = *shown != leads;
            *shown = leads;
            other
        });
    }
}
