//! Ends statements that are not wanted any more: of calls that are over, and of those that have
//! taken too long. A thread of its own, because it tells the server and waits for that.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::session::Pulse;
use crate::watch::Halt;

/// How long until a statement that still runs is ended again.
const AGAIN: Duration = Duration::from_millis(20);

/// The errands that are to end, by their sessions; none once nothing is ended any more.
type Doomed = Arc<(Mutex<Option<BTreeMap<usize, u64>>>, Condvar)>;

pub(super) struct Breaker(Doomed);

impl Breaker {
    pub(super) fn start(halts: Vec<Halt>, pulses: Vec<Arc<Pulse>>) -> std::io::Result<Self> {
        let doomed: Doomed = Arc::new((Mutex::new(Some(BTreeMap::new())), Condvar::new()));
        let own = doomed.clone();
        let work = move || while end_all(&own, &halts, &pulses).is_some() {};
        std::thread::Builder::new().name("breaker".to_owned()).spawn(work)?;
        Ok(Self(doomed))
    }

    /// Ends what a session does for this errand, if it is still at it.
    pub(super) fn halt(&self, seat: usize, errand: u64) {
        let (doomed, moved) = &*self.0;
        if let Some(doomed) = &mut *doomed.lock().expect("nobody dies with the lock") {
            doomed.insert(seat, errand);
        }
        moved.notify_one();
    }

    pub(super) fn close(self) {
        let (doomed, moved) = &*self.0;
        *doomed.lock().expect("nobody dies with the lock") = None;
        moved.notify_one();
    }
}

/// Ends what is to end now, and waits a little; none once nothing is ended any more.
fn end_all(doomed: &Doomed, halts: &[Halt], pulses: &[Arc<Pulse>]) -> Option<()> {
    let (all, moved) = &**doomed;
    let all = all.lock().expect("nobody dies with the lock");
    let empty =
        |all: &mut Option<BTreeMap<usize, u64>>| all.as_ref().is_some_and(BTreeMap::is_empty);
    let mut waited = moved.wait_while(all, empty).expect("nobody dies with the lock");
    let all = waited.as_mut()?;
    all.retain(|seat, errand| pulses[*seat].is_at(*errand).is_some());
    let now = all.clone();
    drop(waited);
    for (seat, errand) in now {
        if pulses[seat].is_at(errand) == Some(true) {
            halts[seat]();
        }
    }
    // What still runs is told again a little later.
    std::thread::sleep(AGAIN);
    Some(())
}
