//! Looks at this machine, of which one at most is under way: where a file system answers nothing,
//! one thread is lost to it, and whoever asks is told in time that there is no answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as Turns, OwnedMutexGuard, oneshot};
use tokio::time::timeout;
use tsugi_cluster_rules::parity::Inventory;
use tsugi_cluster_rules::record::AppliedConfig;

use super::content::Hashes;
use super::look::look;
use super::machine::{Machine, Own};

/// How long a look may take before who asked for it is told that there is none.
const PATIENCE: Duration = Duration::from_secs(4);
/// Who comes while another looks takes what was seen before, if it is not older than this.
const FRESH: Duration = Duration::from_secs(3);

/// What was seen last, and when.
type Last = Arc<Mutex<Option<(Instant, Inventory)>>>;

/// The looks of one node.
pub(super) struct Looks {
    machine: fn() -> Machine,
    /// Held by the thread that looks for as long as it does, however long that is.
    hashes: Arc<Turns<Hashes>>,
    last: Last,
    patience: Duration,
}

impl Looks {
    pub(super) fn new(machine: fn() -> Machine) -> Self {
        let (hashes, last) = (Arc::default(), Arc::default());
        Self { machine, hashes, last, patience: PATIENCE }
    }

    /// What this node has; none if that was not seen in time.
    pub(super) async fn look(&self, config: &Arc<AppliedConfig>, own: Own) -> Option<Inventory> {
        timeout(self.patience, self.in_turn(config, own)).await.ok().flatten()
    }

    async fn in_turn(&self, config: &Arc<AppliedConfig>, own: Own) -> Option<Inventory> {
        let turn = match Arc::clone(&self.hashes).try_lock_owned() {
            Ok(turn) => turn,
            Err(_) => match self.seen(config) {
                Some(seen) => return Some(seen),
                None => Arc::clone(&self.hashes).lock_owned().await,
            },
        };
        let (tell, told) = oneshot::channel();
        let (config, machine) = (Arc::clone(config), (self.machine)());
        let last = Arc::clone(&self.last);
        let begin = move |mut turn: OwnedMutexGuard<Hashes>| {
            let inventory = look((&config.spec, &config.hash), &machine, &own, &mut turn);
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some((Instant::now(), inventory.clone()));
            drop((last, turn));
            // Nobody may wait for it any more.
            let _unheard = tell.send(inventory);
        };
        // A thread of its own: the end of the agent waits for those of the runtime.
        let thread = std::thread::Builder::new().name("parity".to_owned());
        thread.spawn(move || begin(turn)).ok()?;
        told.await.ok()
    }

    /// What was seen a moment ago for this configuration.
    fn seen(&self, config: &AppliedConfig) -> Option<Inventory> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |(at, seen): &&(Instant, Inventory)| {
            at.elapsed() <= FRESH && seen.config == config.hash
        };
        last.as_ref().filter(fresh).map(|(_, seen)| seen.clone())
    }
}

#[cfg(test)]
impl Looks {
    /// Those of a test do not wait for long for what never comes.
    pub(super) fn impatient(self) -> Self {
        Self { patience: Duration::from_millis(50), ..self }
    }

    /// A look that is under way until this is dropped.
    pub(super) fn begun(&self) -> OwnedMutexGuard<Hashes> {
        Arc::clone(&self.hashes).try_lock_owned().expect("nobody looks")
    }
}
