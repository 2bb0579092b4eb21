//! How much of everything an engine holds at once.

use tsugi_vocabulary::Span;

/// The limits of one engine. What is beyond one is refused by that limit's own refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls of one service that wait to be run.
    pub queue: usize,
    /// Calls of all services that are pending.
    pub pending: usize,
    /// Bytes of the bodies of all pending calls, and of those that the store is asked about.
    pub bytes: u64,
    /// Bytes of one body.
    pub body: u64,
    /// Duplicates that wait for one call, the first caller among them.
    pub joined: usize,
    /// Callers that wait for an answer.
    pub waiting: usize,
    /// Callers that wait for what the store has.
    pub seeking: usize,
    /// Serials of one client from the lowest without an answer on.
    pub window: u64,
    /// Lives of clients that are remembered while they have nothing pending.
    pub remembered: usize,
    /// Clients that the store has.
    pub clients: u64,
    /// Runs of one call that contention may end, before its callers are told to come back.
    pub runs: u32,
    /// How long before the last moment answers end.
    pub guard: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: 1_024,
            pending: 4_096,
            bytes: 64 << 20,
            body: 1 << 20,
            joined: 16,
            waiting: 10_000,
            seeking: 4_096,
            window: 1_024,
            remembered: 16_384,
            clients: 100_000,
            runs: 8,
            guard: Span::millis(2),
        }
    }
}
