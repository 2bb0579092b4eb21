//! What a node vows on the disk, and the three decisions that rest on vows alone.
//!
//! This is Paxos between the nodes with the disk as its memory: a vow holds the highest *term* that
//! its node promised and the one under which it accepted what its region holds. Nobody's clock is
//! asked, so a node that stood still for an hour and goes on does no harm.

use tsugi_vocabulary::BootId;

use super::layout::{AREAS, MOST_SEATS, Whose};
use crate::format::{Reader, Unreadable, Writer, seal, unseal};
use crate::mutant::mutant;

/// One try to lead. Each belongs to one seat, so that two nodes never lead under the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Term(pub(crate) u64);

impl Term {
    /// The lowest term of `seat` above this one.
    pub(crate) fn above(self, seat: usize) -> Self {
        let seats = MOST_SEATS as u64;
        Self((self.0 / seats + 1) * seats + seat as u64)
    }

    /// Whose it is.
    pub(crate) fn seat(self) -> usize {
        (self.0 % MOST_SEATS as u64) as usize
    }
}

/// What the node of one seat has bound itself to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Vow {
    /// Rises with every vow of this seat.
    pub(crate) number: u64,
    /// The life of the node that wrote it.
    pub(crate) life: BootId,
    /// It takes no part in lower terms any more.
    pub(crate) promised: Term,
    /// Under which term it accepted what its region holds.
    pub(crate) accepted: Term,
    /// Rises each time the region is written anew, and says in which area it stands.
    pub(crate) generation: u64,
    /// The highest generation that may have been begun.
    pub(crate) begun: u64,
    /// Bytes of the snapshot in that area.
    pub(crate) snapshot: u64,
}

/// Whether somebody else promised a term above `term`: then nothing counts that was written under
/// it and not yet known to be there. To be asked of vows read *after* the write.
pub(crate) fn overtaken(vows: &[Vow], me: usize, term: Term) -> bool {
    let others = vows.iter().enumerate().filter(|(seat, _)| *seat != me);
    others.map(|(_, vow)| vow.promised).max().is_some_and(|highest| highest > term)
}

/// The seat whose region holds everything that ever took effect: that of the highest accepted
/// term. For who wants to lead, of vows read *after* its own promise was written.
pub(crate) fn newest(vows: &[Vow]) -> usize {
    if mutant("own-region") {
        return vows.iter().position(|vow| vow.promised == highest(vows)).unwrap_or(0);
    }
    let newest = vows.iter().enumerate().max_by_key(|(_, vow)| vow.accepted);
    newest.map_or(0, |(seat, _)| seat)
}

/// Whether what was read in the region of `seat` has taken effect: nobody promised a term above
/// the one it was accepted under. To be asked of vows read *after* the region.
pub(crate) fn stands(vows: &[Vow], seat: usize, read_under: &Vow) -> bool {
    let same = vows[seat].accepted == read_under.accepted;
    same && vows.iter().all(|vow| vow.promised <= read_under.accepted)
}

fn highest(vows: &[Vow]) -> Term {
    vows.iter().map(|vow| vow.promised.max(vow.accepted)).max().unwrap_or_default()
}

/// The term to try next.
pub(crate) fn next_term(vows: &[Vow], me: usize) -> Term {
    highest(vows).above(me)
}

impl Vow {
    /// The generation to write next: neither where the present one stands nor where a former life
    /// may still be writing.
    pub(crate) fn next_generation(&self) -> u64 {
        if mutant("area-in-use") {
            return self.generation + AREAS;
        }
        let next = self.begun.max(self.generation) + 1;
        if next % AREAS == self.generation % AREAS { next + 1 } else { next }
    }

    pub(crate) fn to_bytes(self, whose: Whose, seat: usize) -> Vec<u8> {
        let mut to = Writer::new();
        to.u64(self.number).u128(self.life.0).u64(self.promised.0).u64(self.accepted.0);
        to.u64(self.generation).u64(self.begun).u64(self.snapshot);
        seal(&context(b"vow", whose, seat), &to.done())
    }

    pub(crate) fn from_bytes(bytes: &[u8], whose: Whose, seat: usize) -> Result<Self, Unreadable> {
        let mut from = Reader::new(unseal(&context(b"vow", whose, seat), bytes)?);
        let (number, life) = (from.u64()?, BootId(from.u128()?));
        let (promised, accepted) = (Term(from.u64()?), Term(from.u64()?));
        let (generation, begun, snapshot) = (from.u64()?, from.u64()?, from.u64()?);
        from.end()?;
        Ok(Self { number, life, promised, accepted, generation, begun, snapshot })
    }
}

/// What a record is sealed with: one that was written to another place means nothing.
pub(crate) fn context(kind: &[u8], whose: Whose, seat: usize) -> Vec<u8> {
    let mut to = Writer::new();
    to.raw(kind).u128(whose.cluster.0).u128(whose.disk.0).u64(seat as u64);
    to.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vow(promised: u64, accepted: u64) -> Vow {
        Vow { promised: Term(promised), accepted: Term(accepted), ..Vow::default() }
    }

    #[test]
    fn a_term_belongs_to_one_slot_and_rises() {
        let mut term = Term(0);
        for seat in [0, 1, 1, 7, 0] {
            let next = term.above(seat);
            assert!(next > term);
            assert_eq!(next.seat(), seat);
            term = next;
        }
    }

    #[test]
    fn only_another_nodes_promise_overtakes() {
        let vows = [vow(8, 8), vow(17, 0)];
        assert!(overtaken(&vows, 0, Term(8)));
        assert!(!overtaken(&vows, 1, Term(17)));
        assert!(!overtaken(&vows, 0, Term(24)));
    }

    #[test]
    fn what_is_read_under_a_promise_of_a_higher_term_has_not_taken_effect() {
        let read = vow(8, 8);
        assert!(stands(&[read, vow(0, 0)], 0, &read));
        assert!(!stands(&[read, vow(9, 0)], 0, &read), "the reader's own promise counts too");
        assert!(!stands(&[vow(16, 16), vow(0, 0)], 0, &read));
    }

    #[test]
    fn what_is_written_anew_stands_beside_what_holds_and_what_was_begun() {
        for generation in 1..9 {
            for lives in 0..6 {
                let former = Vow { generation, begun: generation + lives, ..Vow::default() };
                let begun = former.next_generation();
                let next = Vow { begun, ..former }.next_generation();
                assert!(next > begun);
                assert_ne!(next % AREAS, generation % AREAS, "what holds stands there");
                assert_ne!(next % AREAS, begun % AREAS, "the former life may be writing there");
            }
        }
    }

    #[test]
    fn the_region_of_the_highest_accepted_term_holds_everything() {
        assert_eq!(newest(&[vow(8, 8), vow(17, 0), vow(10, 10)]), 2);
        assert_eq!(next_term(&[vow(8, 8), vow(17, 0)], 0), Term(24));
        assert_eq!(next_term(&[vow(0, 0), vow(0, 0)], 1), Term(9));
    }
}
