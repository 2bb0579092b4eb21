//! Which serials of a life are given out, and which have no answer yet.

use std::collections::BTreeSet;

use crate::id::HIGHEST;

/// Serials of one client from the lowest without an answer on; an engine refuses what is beyond.
pub const WINDOW: u64 = 1_024;

/// The serials of one life of a client.
///
/// A serial is open from when it is given out until its answer is there, or until it is certain
/// that there will be none. The lowest open one goes with every call and confirms all below.
#[derive(Clone, Debug)]
pub(crate) struct Serials {
    next: u64,
    open: BTreeSet<u64>,
}

impl Serials {
    /// Counts from here on; all before are answered.
    pub(crate) fn from(first: u64) -> Self {
        Self { next: first.max(1), open: BTreeSet::new() }
    }

    /// The lowest that has no answer.
    pub(crate) fn lowest(&self) -> u64 {
        self.open.first().copied().unwrap_or(self.next)
    }

    /// The next serial, which is open then; none while the window is full, or at its very end.
    pub(crate) fn give(&mut self) -> Option<u64> {
        let serial = self.next;
        if serial - self.lowest() >= WINDOW || serial > HIGHEST {
            return None;
        }
        self.next += 1;
        self.open.insert(serial);
        Some(serial)
    }

    /// Its answer is there, or there will never be one. Whether it was open.
    pub(crate) fn close(&mut self, serial: u64) -> bool {
        self.open.remove(&serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_rises_only_over_what_has_its_answer() {
        let mut serials = Serials::from(1);
        assert_eq!(serials.lowest(), 1);
        assert_eq!((serials.give(), serials.give(), serials.give()), (Some(1), Some(2), Some(3)));
        assert!(serials.close(2));
        assert_eq!(serials.lowest(), 1);
        assert!(serials.close(1) && !serials.close(1));
        assert_eq!(serials.lowest(), 3);
        assert!(serials.close(3));
        assert_eq!(serials.lowest(), 4);
    }

    #[test]
    fn one_call_without_an_answer_holds_the_window() {
        let mut serials = Serials::from(7);
        let given: Vec<_> = std::iter::from_fn(|| serials.give()).collect();
        assert_eq!((given.len() as u64, given[0]), (WINDOW, 7));
        assert!(serials.close(8));
        assert_eq!(serials.give(), None, "the lowest did not rise");
        assert!(serials.close(7));
        assert_eq!(serials.give(), Some(7 + WINDOW));
    }
}
