//! What is remembered of clients, so that a fresh serial is not asked for in the store.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{CallId, Life, Serial, Watermark};
use crate::mutant::mutant;
use crate::stored::LifeRow;

/// One life of a client.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// How far its answers are confirmed, durably or as it has told this engine.
    watermark: Watermark,
    /// The highest serial that is stored or was ever pending here: none above it is stored.
    highest: u64,
    /// Its pending serials are counted: while there are any it is not forgotten.
    pending: usize,
    /// When it was last used, in uses of anybody.
    used: u64,
}

/// The lives of clients that an engine remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered {
    lives: BTreeMap<Life, Known>,
    /// Those with nothing pending, the longest unused first.
    idle: BTreeSet<(u64, Life)>,
    uses: u64,
    /// The pending serials of every client.
    pending: BTreeSet<(Life, Serial)>,
}

impl Remembered {
    /// Whether the store has nothing of this call for certain.
    pub(super) fn is_fresh(&self, id: CallId) -> bool {
        let Some((life, serial)) = id.counted() else { return mutant("store-not-asked") };
        let fresh = |known: &Known| serial.get() > known.highest;
        self.lives.get(&life).map_or(mutant("store-not-asked"), fresh)
    }

    /// How far a client's answers are confirmed, as far as is known here.
    pub(super) fn watermark(&self, life: Life) -> Watermark {
        self.lives.get(&life).map(|known| known.watermark).unwrap_or_default()
    }

    /// The lowest serial of a client that is pending.
    pub(super) fn lowest_pending(&self, life: Life) -> Option<Serial> {
        let from = (life, Serial::FIRST);
        let (of, serial) = self.pending.range(from..).next()?;
        (*of == life).then_some(*serial)
    }

    /// Remembers what the store has of a client.
    pub(super) fn learn(&mut self, life: Life, row: LifeRow) {
        let known = self.touch(life);
        known.watermark = known.watermark.max(row.watermark);
        known.highest = known.highest.max(row.highest);
    }

    /// Of more than so many clients forgets the longest unused, unless it has something pending
    /// or is used otherwise.
    pub(super) fn shrink(&mut self, most: usize, used: impl Fn(Life) -> bool) {
        while self.lives.len() > most {
            let free = |(_, idle): &&(u64, Life)| !used(*idle);
            let Some((at, idle)) = self.idle.iter().find(free).copied() else { return };
            // What only this memory knew is as after a death of the engine: the store's own
            // watermark stands.
            self.idle.remove(&(at, idle));
            self.lives.remove(&idle);
        }
    }

    /// A watermark was told or written; nothing is remembered of who is not known.
    pub(super) fn rise(&mut self, life: Life, to: Watermark) {
        if let Some(known) = self.lives.get_mut(&life) {
            known.watermark = known.watermark.max(to);
        }
    }

    /// A client has told its watermark: it is remembered of one that the store does not have yet,
    /// too.
    pub(super) fn hear(&mut self, life: Life, told: Watermark) {
        self.touch(life);
        self.rise(life, told);
    }

    /// A call has become pending.
    pub(super) fn entered(&mut self, id: CallId) {
        let Some((life, serial)) = id.counted() else { return };
        if !self.pending.insert((life, serial)) {
            return;
        }
        let known = self.touch(life);
        known.highest = known.highest.max(serial.get());
        known.pending += 1;
        let used = known.used;
        self.idle.remove(&(used, life));
    }

    /// A call is no longer pending.
    pub(super) fn left(&mut self, id: CallId) {
        let Some((life, serial)) = id.counted() else { return };
        if !self.pending.remove(&(life, serial)) {
            return;
        }
        let Some(known) = self.lives.get_mut(&life) else { return };
        known.pending -= 1;
        if known.pending == 0 {
            self.idle.insert((known.used, life));
        }
    }

    /// How many lives are remembered.
    pub(super) fn count(&self) -> usize {
        self.lives.len()
    }

    /// The pending serials.
    pub(super) fn pending(&self) -> &BTreeSet<(Life, Serial)> {
        &self.pending
    }

    fn touch(&mut self, life: Life) -> &mut Known {
        self.uses += 1;
        let known = self.lives.entry(life).or_default();
        if known.pending == 0 {
            self.idle.remove(&(known.used, life));
            self.idle.insert((self.uses, life));
        }
        known.used = self.uses;
        known
    }
}
