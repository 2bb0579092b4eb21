//! A transport between voters of one process whose links can be cut, slowed and made lossy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::links::{Answer, Peers, SendFailure};
use super::node::RaftLedger;
use crate::{Voter, VoterId};

/// The links between all voters of one process.
#[derive(Clone, Default)]
pub struct Switchboard(Arc<Mutex<Board>>);

#[derive(Default)]
struct Board {
    up: BTreeMap<VoterId, RaftLedger>,
    cut: BTreeSet<(VoterId, VoterId)>,
    delay: Duration,
    fuse: Option<(VoterId, u32)>,
}

impl Switchboard {
    /// A board on which nothing is cut.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn board<T>(&self, with: impl FnOnce(&mut Board) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The transport as `me` uses it.
    #[must_use]
    pub fn line(&self, me: VoterId) -> Arc<dyn Peers> {
        Arc::new(Line { me, board: self.clone() })
    }

    /// Connects a voter.
    pub fn plug(&self, ledger: &RaftLedger) {
        self.board(|board| board.up.insert(ledger.voter().id, ledger.clone()));
    }

    /// Takes a voter off the board.
    pub fn unplug(&self, id: VoterId) {
        self.board(|board| board.up.remove(&id));
    }

    /// Loses everything from `from` to `to`: its requests and its answers.
    pub fn cut(&self, from: VoterId, to: VoterId) {
        self.board(|board| board.cut.insert((from, to)));
    }

    /// Cuts `id` from everybody, both ways.
    pub fn isolate(&self, id: VoterId) {
        let others: Vec<_> = self.board(|board| board.up.keys().copied().collect());
        for other in others {
            self.cut(id, other);
            self.cut(other, id);
        }
    }

    /// Lets `id` send so many messages more; with the next it is cut from everybody.
    pub fn fuse(&self, id: VoterId, messages: u32) {
        self.board(|board| board.fuse = Some((id, messages)));
    }

    /// Whether the fuse has blown.
    #[must_use]
    pub fn has_blown(&self) -> bool {
        self.board(|board| matches!(board.fuse, Some((_, 0))))
    }

    fn burn(&self, from: VoterId) {
        let blown = self.board(|board| match &mut board.fuse {
            Some((id, left)) if *id == from && *left > 0 => {
                *left -= 1;
                *left == 0
            }
            Some(_) | None => false,
        });
        if blown {
            self.isolate(from);
        }
    }

    /// Mends every link.
    pub fn heal(&self) {
        self.board(|board| board.cut.clear());
    }

    /// Delays every message by `delay` each way.
    pub fn delay(&self, delay: Duration) {
        self.board(|board| board.delay = delay);
    }
}

/// A timer never waits less than a millisecond, so it is not asked for nothing.
async fn pause(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

struct Line {
    me: VoterId,
    board: Switchboard,
}

impl Peers for Line {
    fn send(&self, to: &Voter, message: Vec<u8>) -> Answer {
        let (me, to, board) = (self.me, to.id, self.board.clone());
        board.burn(me);
        Box::pin(async move {
            let way =
                |from, to| board.board(|board| (!board.cut.contains(&(from, to)), board.delay));
            let (open, delay) = way(me, to);
            let there = board.board(|board| board.up.get(&to).cloned());
            let Some(there) = there.filter(|_| open) else {
                // As on a real link: silence, not an error.
                tokio::time::sleep(Duration::from_millis(40)).await;
                return Err(SendFailure::NotSent);
            };
            pause(delay).await;
            let answer = there.handle(message).await;
            drop(there);
            let (open, delay) = way(to, me);
            if !open {
                std::future::pending::<()>().await;
            }
            pause(delay).await;
            Ok(answer)
        })
    }
}
