//! The disk on which two nodes keep their ledger, as an agent finds and opens it.
//!
//! Only `tsugi init` makes a disk ready, once. An agent that finds another disk under the path, or
//! an empty one, does not start: an empty ledger would give out again what was given out before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tsugi_cluster_rules::node::{Event, Shows};
use tsugi_cluster_rules::record::Record;
use tsugi_cluster_rules::spec::{ClusterSpec, LedgerPlace};
use tsugi_cluster_rules::timing::{DISK_LOOK, first_disk_look};
use tsugi_ledger::disk::{
    self, ClaimBlocks, Claimant, Claiming, DiskLedger, DiskSeat, FirstFailed, Noting, Pace,
    SharedDisk, Spot,
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
/// The longest rest of a life that failed soon after its begin, as the one before it did: each time
/// makes it twice as long. A voter that has just begun promises nothing for a while, so one that
/// begins anew again and again costs the other its leases.
const LONGEST_PAUSE: Duration = Duration::from_secs(256);
/// A life that has used the disk for so long begins with the shortest rest again.
const LONG_ENOUGH: Duration = Duration::from_secs(120);
/// The file of the data directory in which a life leaves to the next what the disk did to it.
const FAILED: &str = "shared-disk-failed";
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

/// What a life that the disk failed leaves to the next: how long it has rested, and where a write
/// has failed first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Former {
    rest: Duration,
    spot: Option<Spot>,
}

impl Former {
    /// Of a data directory; nothing if none was left, or nothing that can be read.
    fn read(data_dir: &Path) -> Self {
        let text = std::fs::read_to_string(data_dir.join(FAILED)).unwrap_or_default();
        let numbers: Option<Vec<u64>> =
            text.split_whitespace().map(|word| word.parse().ok()).collect();
        match numbers.as_deref() {
            Some([1, rest]) => Self { rest: Duration::from_millis(*rest), spot: None },
            Some([1, rest, at, length]) => {
                let spot = Some(Spot { at: *at, length: *length });
                Self { rest: Duration::from_millis(*rest), spot }
            }
            _ => Self::default(),
        }
    }

    fn keep(&self, data_dir: &Path) {
        let spot = self.spot.map(|spot| format!(" {} {}", spot.at, spot.length));
        let text = format!("1 {}{}\n", self.rest.as_millis(), spot.unwrap_or_default());
        // A data directory that takes no writes ends the agent on its own; the rest is a courtesy.
        let _shorter = tsugi_wire::files::replace(&data_dir.join(FAILED), text.as_bytes());
    }

    /// The disk takes writes again where it failed: who starts from now on leaves that place alone.
    fn is_mended(self, data_dir: &Path) {
        if self.spot.is_some() {
            Self { spot: None, ..self }.keep(data_dir);
        }
    }

    /// The same of a life that the disk failed after it had `lived` so long.
    fn after(self, lived: Duration, spot: Option<Spot>) -> Self {
        let first = DISK_LOOK.to_std();
        let rest = if lived >= LONG_ENOUGH { first } else { (self.rest * 2).max(first) };
        Self { rest: rest.min(LONGEST_PAUSE), spot }
    }
}

/// Waits until the disk is found and takes writes, also where they failed a former life: an agent
/// that began without would end at once, and so would the next. What else is wrong with it,
/// opening it says.
pub(super) async fn await_writes(
    path: &Path,
    data_dir: &Path,
    (cluster, node): (ClusterId, &NodeName),
) {
    let mut told = false;
    let former = Former::read(data_dir);
    let spot = former.spot;
    until_writes(path, (cluster, node, spot), |failure| match failure {
        Some(failure @ StorageFailure::Io { .. }) => {
            if !std::mem::replace(&mut told, true) {
                let language = logbook::language(&Record::default());
                logbook::tell(Some(unusable(failure, node.as_str())), language);
            }
            Look::Again
        }
        Some(_) => Look::Done,
        None => {
            former.is_mended(data_dir);
            Look::Done
        }
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
    (cluster, node, spot): (ClusterId, &NodeName, Option<Spot>),
    mut leads_to: impl FnMut(Option<&StorageFailure>) -> Look,
) {
    let mut rest = DISK_LOOK.to_std();
    loop {
        let (path, name) = (path.to_owned(), node.clone());
        let shown = path.display().to_string();
        let silent = || StorageFailure::Io { file: shown.clone(), what: "no answer".to_owned() };
        let look = move || disk::try_writing(open(&path)?, (cluster, &name), spot);
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
    data_dir: &Path,
) -> Result<OnDisk, Failure> {
    let failed = FirstFailed::default();
    let seat = DiskSeat { cluster, node, life, pace: Pace::of(lease) };
    let opened = DiskLedger::open(Noting::new(open(path)?, failed.clone()), seat).await;
    // The next start waits for that place.
    if let (Err(_), Some(spot)) = (&opened, failed.spot()) {
        Former::read(data_dir).after(Duration::ZERO, Some(spot)).keep(data_dir);
    }
    opened.map(|ledger| OnDisk { ledger, failed })
}

/// The ledger on the disk.
#[derive(Clone)]
pub(super) struct OnDisk {
    pub(super) ledger: DiskLedger,
    /// Where writes on the disk fail first, of whichever thread.
    pub(super) failed: FirstFailed,
}

/// Says on the disk whose end is demanded, one after the other. What could not be said goes with
/// the next word; a ledger that has ended says nothing, and its agent ends.
pub(super) async fn say_demands(
    ledger: DiskLedger,
    mut demands: mpsc::UnboundedReceiver<(NodeName, Option<BootId>)>,
) {
    while let Some((node, life)) = demands.recv().await {
        let _said = match life {
            Some(life) => ledger.demand_end(node, life).await,
            None => ledger.withdraw_demand(node).await,
        };
    }
}

/// The disk of a running agent.
pub(super) struct Disk {
    pub(super) path: Box<Path>,
    pub(super) cluster: ClusterId,
    /// This life of the node.
    pub(super) life: BootId,
    /// The place of this node among the two.
    pub(super) place: usize,
    /// Where its writes failed first.
    pub(super) failed: FirstFailed,
    /// Since when this life uses it, and where it leaves to the next what the disk did to it.
    pub(super) since: Instant,
    pub(super) data_dir: PathBuf,
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
    (post, failed): (Post, FirstFailed),
) -> Result<Vote, StorageFailure> {
    let mut blocks = ClaimBlocks::open(Noting::new(open(path)?, failed), cluster, node)?;
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
/// groups need no vote of the disk. A life whose end is demanded there ends.
///
/// Where the disk fails one life soon after the other, each rests longer than the one before.
pub(super) async fn begin_anew(
    disk: Disk,
    node: NodeName,
    (ledger, language, post): (Arc<dyn Ledger>, Language, Post),
) {
    let Disk { path, cluster, life, place, failed: first, since, data_dir, vote } = disk;
    let Vote { mut writes, .. } = vote;
    let mut failed = ledger.failed();
    let what = tokio::select! {
        biased;
        failure = async { failed.wait_for(Option::is_some).await.ok()?.clone() } => failure,
        () = ended(&mut writes) => None,
    };
    let obey = |post: &Post| {
        logbook::tell(Some(messages::end_obeyed(&node)), language);
        post.event(Event::EndDemanded(life));
    };
    if what == Some(Failure::Poisoned) {
        return obey(&post);
    }
    let message = match what {
        Some(Failure::Storage(storage)) => unusable(&storage, node.as_str()),
        Some(failure) => messages::ledger_disk_unusable(path.display(), &node, failure),
        None => messages::ledger_disk_unusable(path.display(), &node, "a write failed"),
    };
    logbook::tell(Some(message), language);
    let former = Former::read(&data_dir).after(since.elapsed(), first.spot());
    former.keep(&data_dir);
    let rests = former.rest - DISK_LOOK.to_std() + first_disk_look(place).to_std();
    let found = async {
        tokio::time::sleep(rests).await;
        until_mended(&path, (cluster, &node), (former, &data_dir)).await;
    };
    tokio::select! {
        () = poisoned(&mut failed) => obey(&post),
        () = found => post.send(Letter::StepAside),
    }
}

/// Waits until the disk takes writes again where it failed. While the next life starts no lease is
/// renewed: it need not try the same once more.
async fn until_mended(
    path: &Path,
    (cluster, node): (ClusterId, &NodeName),
    (former, data_dir): (Former, &Path),
) {
    until_writes(path, (cluster, node, former.spot), |failure| match failure {
        Some(_) => Look::Again,
        None => Look::Done,
    })
    .await;
    former.is_mended(data_dir);
}

/// The end of this life is read on the disk. A ledger that failed otherwise reads nothing more.
async fn poisoned(failed: &mut watch::Receiver<Option<Failure>>) {
    let is_over = |failure: &Option<Failure>| *failure == Some(Failure::Poisoned);
    let read = failed.wait_for(is_over).await.is_ok();
    if !read {
        std::future::pending::<()>().await;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_that_the_disk_fails_soon_rest_ever_longer_and_a_long_one_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let soon = Duration::from_secs(1);
        let spot = Some(Spot { at: 40_960, length: 8_192 });
        let mut rests = Vec::new();
        for _life in 0..9 {
            let former = Former::read(folder.path()).after(soon, spot);
            former.keep(folder.path());
            assert_eq!(Former::read(folder.path()), former);
            rests.push(former.rest.as_secs());
        }
        assert_eq!(rests, [3, 6, 12, 24, 48, 96, 192, 256, 256]);
        let well = Former::read(folder.path()).after(LONG_ENOUGH, None);
        assert_eq!((well.rest, well.spot), (DISK_LOOK.to_std(), None));
        well.keep(folder.path());
        assert_eq!(Former::read(folder.path()), well);
    }

    #[tokio::test]
    async fn the_next_life_does_not_try_again_where_the_disk_took_writes_a_moment_ago() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::File::create(&path).unwrap().set_len(96 << 20).unwrap();
        let nodes = ["a", "b"].map(|name| NodeName::new(name).unwrap());
        let mut view = View::founded(1);
        view.applied = Index(1);
        disk::found(&mut open(&path).unwrap(), (ClusterId(1), BootId(2)), &nodes, &view).unwrap();
        let spot = Some(Spot { at: 40_960, length: 8_192 });
        let former = Former::default().after(Duration::ZERO, spot);
        former.keep(folder.path());
        until_mended(&path, (ClusterId(1), &nodes[0]), (former, folder.path())).await;
        assert_eq!(Former::read(folder.path()), Former { spot: None, ..former }, "nor rests less");
    }

    #[test]
    fn what_a_former_life_left_that_cannot_be_read_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Former::read(folder.path()), Former::default());
        for text in ["", "x", "2 3000", "1", "1 3000 7", "1 -3", "1 3000 1 2 3"] {
            std::fs::write(folder.path().join(FAILED), text).unwrap();
            assert_eq!(Former::read(folder.path()), Former::default(), "{text:?}");
        }
    }
}
