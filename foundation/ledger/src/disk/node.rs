//! The ledger on a shared disk as its users see it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tsugi_vocabulary::{BootId, Generation, Index, NodeName, Span};

use super::clerk::{Asker, Clerk, Job};
use super::frame::Entry;
use super::keeper::{Followed, Keeper};
use super::store::Store;
use super::trouble::Trouble;
use super::word::Answer;
use crate::published::Published;
use crate::{
    Applied, Backup, Change, ClusterId, Command, Failure, Forgotten, Leadership, Ledger, Outcome,
    Pending, StorageFailure, View, Voter, VoterId,
};

/// How often the disk is asked, and how long is waited. Nothing that takes effect rests on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How often each node reads the disk, and the leader writes that it is there.
    pub beat: Span,
    /// A leader that writes nothing for so long is replaced.
    pub silence: Span,
    /// How long a question waits for its answer.
    pub patience: Span,
}

/// No disk is asked less often.
const LONGEST_BEAT: Span = Span::millis(50);
/// A disk is taken for no slower than this: what comes later is lost.
const SLOWEST: Duration = Duration::from_millis(200);

impl Pace {
    /// The times of a cluster whose leases run for `lease`: who takes over from a node that led the
    /// ledger too leads it before that one's leases have run out.
    #[must_use]
    pub const fn of(lease: Span) -> Self {
        let seventh = Span(lease.0 / 7);
        let beat = if seventh.0 < LONGEST_BEAT.0 { seventh } else { LONGEST_BEAT };
        Self { beat, silence: Self::silence_of(lease), patience: Span::secs(5) }
    }

    const fn silence_of(lease: Span) -> Span {
        Span(lease.0 / 2)
    }
}

/// Whose place at the disk is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSeat {
    /// The cluster whose ledger it must be.
    pub cluster: ClusterId,
    /// The node; the disk was made ready for it.
    pub node: NodeName,
    /// This start of it, drawn at random.
    pub life: BootId,
    /// The times.
    pub pace: Pace,
}

/// How far apart something has lately come that comes again and again; what lies back counts ever
/// less.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Apart(Duration);

impl Apart {
    /// It came, so long after the time before.
    pub(super) fn note(&mut self, apart: Duration) {
        self.0 = apart.min(SLOWEST).max(self.0 / 8 * 7);
    }

    /// How long it is when so many are missed.
    pub(super) fn missed(self, many: u32) -> Duration {
        self.0 * many
    }
}

/// When it was confirmed that a node leads.
#[derive(Clone, Copy, Debug)]
struct Confirmed {
    at: Instant,
    apart: Apart,
}

/// What the clerk shows to everybody.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) published: Published,
    pub(super) pace: Pace,
    /// The silence after which a leader is replaced now, in nanoseconds.
    silence: AtomicU64,
    cluster: ClusterId,
    life: BootId,
    /// When it was last confirmed that this node leads.
    confirmed: Mutex<Option<Confirmed>>,
    leadership: watch::Sender<Leadership>,
    failed: watch::Sender<Option<Failure>>,
    /// Something was written that others wait for.
    written: watch::Sender<()>,
    /// A look was asked for and has not begun.
    pub(super) asked_to_look: AtomicBool,
}

impl Shared {
    fn confirmed(&self) -> std::sync::MutexGuard<'_, Option<Confirmed>> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A leader that writes nothing for so long is replaced.
    pub(super) fn silence(&self) -> Span {
        Span(self.silence.load(Ordering::Relaxed))
    }

    pub(super) fn confirm(&self) {
        let (mut confirmed, at) = (self.confirmed(), Instant::now());
        let mut apart = confirmed.map(|before| before.apart).unwrap_or_default();
        if let Some(before) = *confirmed {
            apart.note(at - before.at);
        }
        *confirmed = Some(Confirmed { at, apart });
    }

    pub(super) fn tell_written(&self) {
        self.written.send_replace(());
    }

    pub(super) fn fail(&self, failure: Failure) {
        *self.confirmed() = None;
        // Whatever it knew last of who leads, nobody tells it any more.
        self.leadership.send_modify(|known| {
            *known = Leadership { leader: None, me: false, ..*known };
        });
        self.failed.send_replace(Some(failure));
    }

    pub(super) fn show(&self, leadership: Leadership, leads: bool) {
        if !leads {
            *self.confirmed() = None;
        }
        let shown = Leadership { me: leads, ..leadership };
        self.leadership.send_if_modified(|known| {
            let changed = *known != shown;
            *known = shown;
            changed
        });
    }

    fn leadership(&self) -> Leadership {
        // Less than what another waits for a sign of this node, also on a slow disk.
        let lately = |apart: Apart| apart.missed(3).max(self.silence().to_std()) / 2;
        let me = self.confirmed().is_some_and(|led| led.at.elapsed() < lately(led.apart));
        Leadership { me, ..*self.leadership.borrow() }
    }

    fn why_not(&self) -> Failure {
        self.failed.borrow().clone().unwrap_or(Failure::Stopped)
    }
}

/// One node's ledger on a disk that it shares with others. A clone is another handle of it; it ends
/// with its last handle.
#[derive(Clone, Debug)]
pub struct DiskLedger {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
}

impl DiskLedger {
    /// Takes the seat at the disk in `store`, and waits until this copy holds everything that had
    /// taken effect before.
    ///
    /// # Errors
    /// What is wrong with the disk; [`Failure::NoLeader`] if it cannot be read in time.
    pub async fn open(store: impl Store, seat: DiskSeat) -> Result<Self, Failure> {
        let (jobs, queue) = mpsc::channel();
        let shared = Arc::new(Shared {
            published: Published::new(View::default()),
            pace: seat.pace,
            silence: AtomicU64::new(seat.pace.silence.0),
            cluster: seat.cluster,
            life: seat.life,
            confirmed: Mutex::new(None),
            leadership: watch::Sender::new(Leadership::default()),
            failed: watch::Sender::new(None),
            written: watch::Sender::new(()),
            asked_to_look: AtomicBool::new(false),
        });
        let (clerks, node) = (Arc::clone(&shared), seat.node.clone());
        let work = move || match begun(store, (seat.cluster, &node, seat.life), &clerks) {
            Ok(keeper) => Clerk::new(keeper, clerks, queue).run(),
            Err(trouble) => clerks.fail(Failure::Storage(trouble.failure())),
        };
        let started = thread::Builder::new().name("ledger-disk".to_owned()).spawn(work);
        started.map_err(|error| {
            let what = format!("no thread: {error}");
            StorageFailure::Io { file: seat.node.to_string(), what }
        })?;
        let (mut applied, mut failed) = (shared.published.watch(), shared.failed.subscribe());
        let read = async {
            tokio::select! {
                reached = applied.wait_for(|index| *index > Index(0)) => drop(reached),
                ended = failed.wait_for(Option::is_some) => drop(ended),
            }
        };
        let in_time = tokio::time::timeout(seat.pace.patience.to_std(), read).await;
        if let Some(failure) = shared.failed.borrow().clone() {
            return Err(failure);
        }
        in_time.map_err(|_| Failure::NoLeader)?;
        Ok(Self { shared, jobs })
    }

    /// This life of the node: what [`DiskLedger::demand_end`] of another node names.
    #[must_use]
    pub fn life(&self) -> BootId {
        self.shared.life
    }

    /// Leases run for so long now: a leader that writes nothing for the same part of one as ever is
    /// replaced. Nothing that takes effect rests on it.
    pub fn leases_run_for(&self, lease: Span) {
        self.shared.silence.store(Pace::silence_of(lease).0, Ordering::Relaxed);
    }

    /// Changes whenever this node has written something that another waits for: an entry, a
    /// question or an answer. It is found at the next beat; who is told may [`look`](Self::look)
    /// at once.
    #[must_use]
    pub fn written(&self) -> watch::Receiver<()> {
        self.shared.written.subscribe()
    }

    /// Has the disk looked at now and not at the next beat. Nothing that takes effect rests on it.
    pub fn look(&self) {
        if !self.shared.asked_to_look.swap(true, Ordering::AcqRel) {
            // A clerk that has ended looks at nothing.
            self.jobs.send(Job::Look).ok();
        }
    }

    /// Ends this copy and waits until it does not touch the disk any more.
    pub async fn stop(&self) {
        let (told, stopped) = oneshot::channel();
        if self.jobs.send(Job::Stop(told)).is_ok() {
            // A clerk that has failed before is not there to say so.
            drop(stopped.await);
        }
    }

    /// Demands the end of the life `life` of `node`, in place of what was demanded of it before:
    /// its ledger fails once it reads this. Nothing says that it has: who waits for its end waits
    /// for its lease. The demand stands until it is withdrawn, or this life of the node ends.
    pub fn demand_end(&self, node: NodeName, life: BootId) -> Pending<()> {
        self.ask(|asker| Job::Demand(node, Some(life), asker))
    }

    /// Demands nothing of `node` any more.
    pub fn withdraw_demand(&self, node: NodeName) -> Pending<()> {
        self.ask(|asker| Job::Demand(node, None, asker))
    }

    fn ask<T: Send + 'static>(&self, job: impl FnOnce(Asker<T>) -> Job) -> Pending<T> {
        let patience = self.shared.pace.patience.to_std();
        let (tell, told) = oneshot::channel();
        let sent = self.jobs.send(job(Asker { tell, until: Instant::now() + patience }));
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            sent.map_err(|_| shared.why_not())?;
            // The clerk keeps the time; this is for a disk that hangs.
            let limit = patience + Duration::from_secs(1);
            match tokio::time::timeout(limit, told).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(shared.why_not()),
                Err(_) => Err(Failure::Unknown),
            }
        })
    }

    fn command(&self, command: Command) -> Pending<Outcome> {
        let size = command.size();
        let asked = self.ask(|asker| Job::Do(Entry::Command(command), asker));
        Box::pin(async move {
            match asked.await? {
                Answer::Outcome(outcome) => Ok(outcome),
                Answer::TooLarge(limit) => {
                    Err(Failure::TooLarge { part: "bytes", size, limit: limit as usize })
                }
                Answer::Voters(_) | Answer::Refused(_) => Err(Failure::Unknown),
            }
        })
    }

    fn voters(&self, entry: Entry) -> Pending<Index> {
        let asked = self.ask(|asker| Job::Do(entry, asker));
        Box::pin(async move {
            match asked.await? {
                Answer::Voters(index) => Ok(index),
                Answer::Refused(refused) => Err(Failure::Voters(refused)),
                Answer::TooLarge(limit) => {
                    Err(Failure::TooLarge { part: "bytes", size: 0, limit: limit as usize })
                }
                Answer::Outcome(_) => Err(Failure::Unknown),
            }
        })
    }
}

/// Takes the seat. What took effect before is shown first: reading it needs no vow, and the node
/// may have leases to renew while its vows are written.
fn begun<S: Store>(
    store: S,
    (cluster, node, life): (ClusterId, &NodeName, BootId),
    shared: &Shared,
) -> Result<Keeper<S>, Trouble> {
    let mut keeper = Keeper::seat(store, cluster, node)?;
    // What cannot be read now, the clerk reads again, and says what is wrong with it.
    if let Ok(Followed::Caught(..)) = keeper.follow() {
        shared.published.replace(keeper.view().clone());
    }
    keeper.begin(life)?;
    Ok(keeper)
}

impl Ledger for DiskLedger {
    fn commit(&self, change: Change) -> Pending<Outcome> {
        match change.check_size() {
            Ok(()) => self.command(Command::Change(change)),
            Err(failure) => Box::pin(std::future::ready(Err(failure))),
        }
    }

    fn view(&self) -> Arc<View> {
        self.shared.published.view()
    }

    fn watch(&self) -> watch::Receiver<Index> {
        self.shared.published.watch()
    }

    fn changes_since(&self, after: Index) -> Result<Vec<Applied>, Forgotten> {
        self.shared.published.since(after)
    }

    fn barrier(&self) -> Pending<Index> {
        self.ask(Job::Catch)
    }

    fn leadership(&self) -> Leadership {
        self.shared.leadership()
    }

    fn leadership_watch(&self) -> watch::Receiver<Leadership> {
        self.shared.leadership.subscribe()
    }

    fn raise_level(&self, level: u16) -> Pending<Outcome> {
        self.command(Command::RaiseLevel { level })
    }

    fn add_voter(&self, voter: Voter, known: Generation) -> Pending<Index> {
        self.voters(Entry::Add(voter, known))
    }

    fn remove_voter(&self, id: VoterId, known: Generation) -> Pending<Index> {
        self.voters(Entry::Remove(id, known))
    }

    fn backup(&self) -> Pending<Vec<u8>> {
        let caught = self.barrier();
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            caught.await?;
            let view = View::clone(&shared.published.view());
            Ok(Backup { cluster: shared.cluster, view }.to_bytes())
        })
    }

    fn failed(&self) -> watch::Receiver<Option<Failure>> {
        self.shared.failed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_over_leads_the_ledger_before_the_leases_of_its_leader_have_run_out() {
        for lease in [Span::millis(220), Span::millis(560), Span::secs(5)] {
            let pace = Pace::of(lease);
            let beats = Span(pace.beat.0 * 3);
            assert!(pace.silence + beats < lease, "{pace:?}");
            assert!(pace.silence > beats, "one late sign replaces nobody: {pace:?}");
        }
    }

    #[test]
    fn on_a_slow_disk_a_leader_is_waited_for_as_long_as_its_signs_are_apart() {
        let ms = Duration::from_millis;
        let mut apart = Apart::default();
        apart.note(ms(120));
        apart.note(ms(50));
        assert!(apart.missed(3) > ms(300), "the slow one counts still");
        (0..20).for_each(|_| apart.note(ms(50)));
        assert_eq!(apart.missed(3), ms(150));
        apart.note(Duration::from_secs(60));
        assert_eq!(apart.missed(3), ms(600), "what was away that long was no slow disk");
    }
}
