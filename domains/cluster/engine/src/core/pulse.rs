//! The service manager of the machine hears that the lease loop runs, from the loop itself and from
//! nowhere else: one that stands still says nothing, and the node is started anew. Its groups were
//! let go of by their guardian long before.

use tsugi_host::service::{self, Word};
use tsugi_vocabulary::{Moment, Span};

/// How often it is said: more than twice in the shortest time that a unit may wait for it
/// (`WatchdogSec=`, 5 s).
const EVERY: Span = Span::secs(2);

/// When it is due to be said.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    next: Option<Moment>,
}

impl Pulse {
    /// The loop has gone round.
    pub(super) fn beat(&mut self, now: Moment) {
        if self.next.is_none_or(|next| next <= now) {
            self.next = Some(now + EVERY);
            service::say(Word::Alive);
        }
    }
}
