//! The disk on which two nodes keep their ledger, as an agent finds and opens it.
//!
//! Only `tsugi init` makes a disk ready, once. An agent that finds another disk under the path, or
//! an empty one, does not start: an empty ledger would give out again what was given out before.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tsugi_cluster_rules::node::{Event, Shows};
use tsugi_cluster_rules::record::Record;
use tsugi_cluster_rules::spec::{ClusterSpec, LedgerPlace};
use tsugi_cluster_rules::timing::{DISK_LOOK, first_disk_look};
use tsugi_ledger::disk::{
    self, ClaimBlocks, Claimant, Claiming, DiskLedger, DiskSeat, Pace, SharedDisk,
};
use tsugi_ledger::{ClusterId, Failure, Ledger, StorageFailure, View, VoterId};
use tsugi_messages::{self as messages, Language, Message};
use tsugi_vocabulary::{BootId, Claims, Index, NodeName, Span};

use super::founding::Founding;
use crate::core::{Letter, Post};
use crate::{config, logbook};

/// The longest rest between two looks at a disk that failed: each time that it still fails makes
/// the rest twice as long.
const LONGEST_REST: Duration = Duration::from_secs(16);
/// A look that takes longer is told like one that failed, and waited for.
const HANGS: Duration = Duration::from_secs(10);

/// Where this node finds the disk, if the ledger is on one.
pub(super) fn path<'s>(spec: &'s ClusterSpec, me: &NodeName) -> Option<&'s Path> {
    match &spec.ledger {
        LedgerPlace::OnNodes => None,
        // A node that is given no disk never falls back to a ledger of its own.
        LedgerPlace::OnDisk(paths) => Some(Path::new(paths.get(me).map_or("", String::as_str))),
    }
}

/// Whether the founding record of this data directory names a disk for the ledger.
pub(super) fn is_named(data_dir: &Path) -> bool {
    let spec = Founding::read(data_dir).ok().and_then(|f| config::read(&f.config).ok());
    spec.is_some_and(|resolved| resolved.spec.ledger.is_on_disk())
}

/// How many bytes of the disk would be written, if it may be made ready.
///
/// # Errors
/// Why it may not: it is not empty, too small, or cannot be opened.
pub(super) fn look(path: &Path, spec: &ClusterSpec) -> Result<u64, StorageFailure> {
    disk::would_found(&mut open(path)?, spec.nodes.len())
}

/// Makes the disk ready for the nodes of `spec`, with a ledger in which nothing stands yet.
///
/// # Errors
/// Why it may not, or what the system said.
pub(super) fn make_ready(
    path: &Path,
    cluster: ClusterId,
    spec: &ClusterSpec,
) -> Result<(), StorageFailure> {
    let nodes: Vec<NodeName> = spec.nodes.keys().cloned().collect();
    let mut view = View::founded(1);
    view.applied = Index(1);
    let numbered = nodes.iter().zip(1..).map(|(node, id)| (VoterId(id), node.clone()));
    view.voters.become_list(Index(1), numbered.collect());
    let drawn = BootId(u128::from_be_bytes(tsugi_wire::secret::random()));
    disk::found(&mut open(path)?, (cluster, drawn), &nodes, &view)
}

/// Whether this is the disk of `cluster`, made ready for `node`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(
    path: &Path,
    cluster: ClusterId,
    node: &NodeName,
) -> Result<(), StorageFailure> {
    ClaimBlocks::open(open(path)?, cluster, node).map(drop)
}

/// The same, and whether it takes writes. What is written says nothing.
fn look_at_writing(path: &Path, cluster: ClusterId, node: &NodeName) -> Result<(), StorageFailure> {
    ClaimBlocks::open(open(path)?, cluster, node)?.try_writing()
}

/// Waits until the disk is found and takes writes: an agent that began without would end at once,
/// and so would the next. What else is wrong with it, opening it says.
pub(super) async fn await_writes(path: &Path, cluster: ClusterId, node: &NodeName) {
    let mut told = false;
    until_writes(path, (cluster, node), |failure| match failure {
        Some(failure @ StorageFailure::Io { .. }) => {
            if !std::mem::replace(&mut told, true) {
                let language = logbook::language(&Record::default());
                logbook::tell(Some(unusable(failure, node.as_str())), language);
            }
            Look::Again
        }
        _ => Look::Done,
    })
    .await;
}

/// What a look at the disk leads to.
enum Look {
    Again,
    Done,
}

/// Looks at the disk again and again, ever later, as long as what it came to asks for it.
async fn until_writes(
    path: &Path,
    (cluster, node): (ClusterId, &NodeName),
    mut leads_to: impl FnMut(Option<&StorageFailure>) -> Look,
) {
    let mut rest = DISK_LOOK.to_std();
    loop {
        let (path, name) = (path.to_owned(), node.clone());
        let shown = path.display().to_string();
        let silent = || StorageFailure::Io { file: shown.clone(), what: "no answer".to_owned() };
        let look = move || look_at_writing(&path, cluster, &name);
        let mut look = tokio::task::spawn_blocking(look);
        let came = match tokio::time::timeout(HANGS, &mut look).await {
            Ok(came) => came,
            // One at a time: a disk that hangs keeps its thread.
            Err(_) => match leads_to(Some(&silent())) {
                Look::Done => return,
                Look::Again => look.await,
            },
        };
        match leads_to(came.unwrap_or_else(|_| Err(silent())).as_ref().err()) {
            Look::Done => return,
            Look::Again => tokio::time::sleep(rest).await,
        }
        rest = (rest + rest).min(LONGEST_REST);
    }
}

fn open(path: &Path) -> Result<SharedDisk, StorageFailure> {
    SharedDisk::open(path).map_err(|error| StorageFailure::Io {
        file: path.display().to_string(),
        what: error.to_string(),
    })
}

/// Takes this node's seat in the ledger of a cluster whose leases run for `lease`.
///
/// # Errors
/// What is wrong with the disk.
pub(super) async fn ledger(
    path: &Path,
    (cluster, node, life): (ClusterId, NodeName, BootId),
    lease: Span,
) -> Result<DiskLedger, Failure> {
    let seat = DiskSeat { cluster, node, life, pace: Pace::of(lease) };
    DiskLedger::open(open(path)?, seat).await
}

/// The disk of a running agent.
pub(super) struct Disk {
    pub(super) path: Box<Path>,
    pub(super) cluster: ClusterId,
    /// The place of this node among the two.
    pub(super) place: usize,
    pub(super) vote: Vote,
}

/// What is claimed on the disk, by a thread of its own.
pub(super) struct Vote {
    /// Where claims go.
    claimant: Claimant,
    /// What former lives of this node have claimed.
    claimed: Option<Claims>,
    /// Ends when a writing has failed.
    writes: watch::Receiver<()>,
}

impl Vote {
    /// Where claims go, and what former lives of this node have claimed.
    pub(super) fn parts(&self) -> (Claimant, Option<Claims>) {
        (self.claimant.clone(), self.claimed.clone())
    }
}

/// Opens this node's claims; what comes of each goes to the core.
///
/// # Errors
/// What is wrong with the disk.
pub(super) fn vote(
    path: &Path,
    (cluster, node): (ClusterId, &NodeName),
    post: Post,
) -> Result<Vote, StorageFailure> {
    let mut blocks = ClaimBlocks::open(open(path)?, cluster, node)?;
    let claimed = blocks.own()?;
    let (told, writes) = watch::channel(());
    let claimant = Claimant::start(blocks, node, move |Claiming { number, shows }| {
        // It ends with the thread, and that is what is waited for.
        let _still_there = &told;
        let shows = shows.map_or(Shows::Nothing, Shows::Claims);
        post.event(Event::Disk { number, shows });
    })?;
    Ok(Vote { claimant, claimed, writes })
}

/// Begins anew once the disk takes writes again after a writing failed, and not together with the
/// other node. Until then the node goes on without it: while both nodes hear each other their
/// groups need no vote of the disk.
pub(super) async fn begin_anew(
    Disk { path, cluster, place, vote }: Disk,
    node: NodeName,
    (ledger, language, post): (Arc<dyn Ledger>, Language, Post),
) {
    let Vote { mut writes, .. } = vote;
    let mut failed = ledger.failed();
    let what = tokio::select! {
        failure = async { failed.wait_for(Option::is_some).await.ok()?.clone() } => failure,
        () = ended(&mut writes) => None,
    };
    let message = match what {
        Some(Failure::Storage(storage)) => unusable(&storage, node.as_str()),
        Some(failure) => messages::ledger_disk_unusable(path.display(), &node, failure),
        None => messages::ledger_disk_unusable(path.display(), &node, "a write failed"),
    };
    logbook::tell(Some(message), language);
    tokio::time::sleep(first_disk_look(place).to_std()).await;
    until_writes(&path, (cluster, &node), |failure| match failure {
        Some(_) => Look::Again,
        None => Look::Done,
    })
    .await;
    post.send(Letter::StepAside);
}

async fn ended(writes: &mut watch::Receiver<()>) {
    while writes.changed().await.is_ok() {}
}

/// A disk that does not keep the ledger.
pub(super) fn unusable(failure: &StorageFailure, node: &str) -> Message {
    match failure {
        StorageFailure::Exists { file } => messages::ledger_disk_taken(file, failure),
        StorageFailure::Foreign { file, .. } => messages::ledger_disk_taken(file, failure),
        StorageFailure::Damaged { file, .. }
        | StorageFailure::Missing { file }
        | StorageFailure::Lost { file, .. }
        | StorageFailure::InUse { file }
        | StorageFailure::TooNew { file, .. }
        | StorageFailure::Full { file }
        | StorageFailure::Io { file, .. } => messages::ledger_disk_unusable(file, node, failure),
    }
}
