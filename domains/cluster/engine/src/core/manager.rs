//! What the service manager of the machine is told: that the node answers, and that its lease loop
//! runs. It is the agent that knows both, so the unit lets every process of it speak
//! (`NotifyAccess=all`). Where no service manager listens, nothing is said.

use sd_notify::NotifyState;
use tsugi_vocabulary::{Moment, Span};

/// A lease loop that does not go round for so long is stuck: the node is started anew then. Its
/// groups were let go of long before, by their guardian.
const STUCK: Span = Span::secs(10);
/// How often the service manager is told that it goes round.
const EVERY: Span = Span::secs(2);

/// Says that the node answers.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The watchdog of the service manager: armed by the lease loop, fed by nothing else, and asleep
/// before there is a loop and after it has ended in order.
#[derive(Debug)]
pub(super) struct Pulse {
    next: Moment,
}

impl Pulse {
    /// Arms it: the loop begins.
    pub(super) fn begin(now: Moment) -> Self {
        let limit = u32::try_from(STUCK.as_millis() * 1_000).unwrap_or(u32::MAX);
        tell(&[NotifyState::WatchdogUsec(limit), NotifyState::Watchdog]);
        Self { next: now + EVERY }
    }

    /// The loop has gone round.
    pub(super) fn beat(&mut self, now: Moment) {
        if now >= self.next {
            self.next = now + EVERY;
            tell(&[NotifyState::Watchdog]);
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        tell(&[NotifyState::WatchdogUsec(0)]);
    }
}

fn tell(what: &[NotifyState<'_>]) {
    // A service manager that has gone away is no trouble of the node.
    let _unheard = sd_notify::notify(what);
}
