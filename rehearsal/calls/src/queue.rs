//! What is still to happen, the next first; of one moment in the order in which it was put there.

use std::collections::BTreeMap;

/// Events by their time.
pub(crate) struct Queue<E> {
    events: BTreeMap<(u64, u64), E>,
    orders: u64,
}

impl<E> Queue<E> {
    pub(crate) const fn new() -> Self {
        Self { events: BTreeMap::new(), orders: 0 }
    }

    /// Puts an event there.
    pub(crate) fn put(&mut self, at: u64, event: E) {
        self.orders += 1;
        self.events.insert((at, self.orders), event);
    }

    /// Takes the next.
    pub(crate) fn next(&mut self) -> Option<(u64, E)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}
