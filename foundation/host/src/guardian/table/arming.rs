//! What the guardian alone writes into the table.

use std::io;
use std::sync::atomic::Ordering;

use tsugi_vocabulary::Moment;

use super::{RECORD_WORDS, Slot, State, Table};
use crate::guardian::guarded::Arm;

/// A place for another group: a free one, else one whose group is not guarded any more.
pub fn spare(table: &Table) -> Option<&'static Slot> {
    let of = |state| table.slots().iter().find(move |slot| slot.state() == state);
    of(State::Free).or_else(|| of(State::Disarmed)).or_else(|| of(State::Released))
}

impl Slot {
    /// Moves the deadline, never back.
    pub fn extend(&self, deadline: Moment) {
        self.deadline.fetch_max(deadline.0, Ordering::AcqRel);
    }

    /// Writes what is armed; readers see it armed only when all of it is there.
    pub fn arm(&self, arm: &Arm) {
        self.set_state(State::Free);
        self.incarnation.store(arm.epoch.incarnation, Ordering::Relaxed);
        self.counter.store(arm.epoch.counter, Ordering::Relaxed);
        self.deadline.store(arm.deadline.0, Ordering::Relaxed);
        let mut bytes = [0; RECORD_WORDS * 8];
        let written = postcard::to_slice(arm, &mut bytes);
        self.record.store(written.expect("lengths are checked where an order arrives"));
        self.check.store(self.sum(), Ordering::Relaxed);
        self.set_state(State::Armed);
    }
}

impl Table {
    /// How many places have to be looked at to see every one that is not free.
    pub fn used(&self) -> usize {
        self.slots().iter().rposition(|slot| slot.state() != State::Free).map_or(0, |at| at + 1)
    }

    /// The hands are gone and no thread of them is left, so no call of theirs is under way.
    pub fn end_calls(&self) {
        self.slots().iter().for_each(|slot| slot.call.store(0, Ordering::Release));
    }

    /// How the watchdog took what the guardian gave it.
    pub fn set_watchdog(&self, fed: &io::Result<()>) {
        let number = if fed.is_ok() { 1 } else { 2 };
        self.shared.watchdog.store(number, Ordering::Relaxed);
    }
}
