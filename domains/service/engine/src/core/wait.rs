//! How the core waits: for letters, for workers, for timers; awake where the words of a call are
//! near.

use std::collections::BTreeMap;

use tsugi_service_rules::ground::ServiceNumber;
use tsugi_vocabulary::Moment;

use super::earliest;
use super::hall::Hall;
use super::pools::Desk;
use super::way::Way;

impl Hall {
    /// Waits for a letter, a worker or a timer.
    pub(super) fn wait(&mut self, also: Option<Moment>) {
        if self.can_hear() {
            return;
        }
        let pools = self.pools().map(|(_, at)| at);
        let small = (!self.small.is_empty()).then_some(self.small_after);
        let readings = self.readings.wake_at();
        let store = match &self.way {
            // Of files nothing is done while a call has the writer.
            Way::Beside(_) => {
                let files = [self.lacking.at, self.sweep_at];
                let [lacking, sweep] = files.map(|at| at.filter(|_| self.turn.is_none()));
                [self.purge_at(), lacking, sweep, readings]
            }
            // What else is looked after there is waited for by who gives it to clerks.
            Way::Sessions(_) => [None, None, None, readings],
        };
        let own = [self.table.wake_at(), self.sitting.wake_at(), small];
        let own = own.into_iter().chain(store).chain([also]);
        let until = earliest(own.flatten().chain(pools));
        let speaks = |desk: &Desk, worker| !desk.ended.contains(worker);
        let links = self
            .desks
            .values()
            .flat_map(|desk| desk.links.iter().filter(move |(worker, _)| speaks(desk, worker)));
        let mut fds = Vec::new();
        for (_, link) in links {
            link.descriptors(&mut fds);
        }
        let awake = words_are_near(&self.way, &self.desks).then_some(&mut self.awake);
        self.polled = self.inbox.wait(&fds, until, awake);
    }
}

/// Whether a worker has a call whose next words hold up all others: they come by one writer. Where
/// each call has a session of its own, a database is waited for, and needs the processors.
fn words_are_near(way: &Way, desks: &BTreeMap<ServiceNumber, Desk>) -> bool {
    match way {
        Way::Beside(_) => desks.values().flat_map(|desk| desk.links.values()).any(|l| l.has_call()),
        Way::Sessions(_) => false,
    }
}
