//! What is too old is taken away in portions, each a commit of its own between two sittings: a
//! call that comes meanwhile waits for one of them. A store through which nobody walks costs
//! nothing.

use tsugi_service_rules::call::Posture;
use tsugi_store::{Cursor, Portion, Purged};
use tsugi_vocabulary::{Moment, Span};

use super::{Core, Last, left};
use crate::clock;
use crate::fatal::Fatal;
use crate::open::Upkeep;

/// A portion that takes longer is made smaller, and one that takes less than a quarter of it
/// larger.
const LONG: Span = Span::millis(2);
/// Rows of a portion.
const FEW: i64 = 8;
const FIRST: i64 = 64;
const MANY: i64 = 1_024;
/// So many times as long as a portion took are calls alone before the next.
const REST: u64 = 9;
const REST_LEAST: Span = Span::millis(1);
/// How long is waited after one that failed.
pub(super) const PAUSE: Span = Span::secs(1);

/// A walk through all that is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purge {
    upkeep: Upkeep,
    /// When the next portion is due.
    at: Moment,
    from: Cursor,
    /// What is older than this has to go, in milliseconds of Unix time.
    before: i64,
    rows: i64,
}

impl Purge {
    pub(super) fn new(now: Moment, upkeep: Upkeep) -> Self {
        Self { upkeep, at: now + upkeep.every, from: Cursor::Start, before: 0, rows: FIRST }
    }

    pub(super) const fn at(&self) -> Moment {
        self.at
    }

    /// The next portion is due then: the last one has failed.
    pub(super) const fn later(&mut self, at: Moment) {
        self.at = at;
    }

    /// The next portion of the walk; the first says what is too old.
    pub(super) fn portion(&mut self, wall_ms: i64) -> Portion {
        if self.from == Cursor::Start {
            let kept = i64::try_from(self.upkeep.replies.as_millis()).unwrap_or(i64::MAX);
            self.before = wall_ms.saturating_sub(kept);
        }
        Portion { from: self.from, before: self.before, rows: self.rows }
    }

    /// A portion is done, after so long without its commit, and with it after so long.
    pub(super) fn done(&mut self, now: Moment, next: Cursor, (looked, took): (Span, Span)) {
        if looked > LONG {
            self.rows = (self.rows / 2).max(FEW);
        } else if looked < Span(LONG.0 / 4) {
            self.rows = (self.rows * 2).min(MANY);
        }
        if next == Cursor::End {
            self.from = Cursor::Start;
            self.at = now + self.upkeep.every;
        } else {
            self.from = next;
            self.at = now + Span(took.0.saturating_mul(REST)).max(REST_LEAST);
        }
    }
}

impl super::hall::Hall {
    /// When the next portion is due. Nothing is taken away from a store that is handed over.
    pub(super) fn purge_at(&self) -> Option<Moment> {
        (self.table.posture() == Posture::Open).then_some(self.purge.at())
    }
}

impl Core {
    /// Whether the next portion is due. Whoever has spoken waits for one, never for two.
    pub(super) fn may_purge(&self) -> bool {
        let due = self.hall.purge_at().is_some_and(|at| at <= clock::now());
        due && (self.last == Last::Call || self.hall.spoken.is_empty())
    }

    /// Looks at one portion of what is kept, and takes away what is too old.
    pub(super) fn purge(&mut self) -> Result<(), Fatal> {
        let begun = clock::now();
        let portion = self.hall.purge.portion(clock::wall_ms());
        let purged = self.store.purge(&portion);
        let looked = clock::now().since(begun);
        let done = match purged {
            Ok(Purged { rows: 0, next, .. }) => self.store.abandon().map(|()| next),
            Ok(Purged { next, .. }) => self.store.commit().map(|()| next),
            Err(trouble) => Err(trouble),
        };
        self.last = Last::Portion;
        let now = clock::now();
        match done {
            Ok(next) => self.hall.purge.done(now, next, (looked, now.since(begun))),
            Err(trouble) => {
                let _ = left(trouble)?;
                self.abandon()?;
                self.hall.purge.later(now + PAUSE);
            }
        }
        self.hall.look_at_log();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPKEEP: Upkeep = Upkeep { replies: Span::secs(60), every: Span::secs(5), log: 1 };

    #[test]
    fn a_walk_rests_after_each_portion_and_keeps_its_limit_of_age_to_the_end() {
        let mut purge = Purge::new(Moment(0), UPKEEP);
        assert_eq!(purge.at(), Moment(0) + Span::secs(5));
        let first = purge.portion(100_000);
        assert_eq!((first.from, first.before, first.rows), (Cursor::Start, 40_000, FIRST));
        let now = Moment(0) + Span::secs(6);
        let next = Cursor::Replies(1, 1);
        purge.done(now, next, (Span::millis(1), Span::millis(3)));
        assert_eq!(purge.at(), now + Span::millis(27));
        let second = purge.portion(999_000);
        assert_eq!((second.from, second.before), (next, 40_000), "it is of the same walk");
        purge.done(now, Cursor::End, (Span::millis(1), Span::millis(1)));
        assert_eq!(purge.at(), now + Span::secs(5));
        assert_eq!(purge.portion(100_001).before, 40_001, "it is another walk");
    }

    #[test]
    fn a_portion_is_as_large_as_it_is_quick() {
        let mut purge = Purge::new(Moment(0), UPKEEP);
        let mut sizes = Vec::new();
        for looked in [Span::micros(100), Span::millis(1), Span::millis(3), Span::millis(3)] {
            purge.done(Moment(0), Cursor::KeysStart, (looked, looked));
            sizes.push(purge.portion(0).rows);
        }
        assert_eq!(sizes, [128, 128, 64, 32]);
        for (looked, least) in [(Span::millis(9), FEW), (Span::ZERO, MANY)] {
            for _ in 0..20 {
                purge.done(Moment(0), Cursor::KeysStart, (looked, looked));
            }
            assert_eq!(purge.portion(0).rows, least);
        }
    }
}
