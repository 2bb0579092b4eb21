//! What stands where on the disk, and the block that says whose it is.
//!
//! ```text
//! block 0, 1     the title, twice: cluster, sizes, the nodes in the order of their seats
//! then a seat each: vow, its copy, word
//! then a seat each: claims, their copy
//! then a region each: petition box | three areas        an area: snapshot, then frames
//! ```
//!
//! Invariant: after the title was finished, every block has one writer: the node of its seat.

use tsugi_vocabulary::{BootId, NodeName};

use super::store::BLOCK;
use crate::format::{FORMAT, Reader, Unreadable, Writer, crc32c};
use crate::{ClusterId, LARGEST_CHANGE};

/// The most nodes that one disk is made for.
pub const MOST_SEATS: usize = 8;
/// Blocks of a seat: the vow, its copy, the word.
const SEAT_BLOCKS: u64 = 3;
const TITLES: u64 = 2;
/// Blocks of one copy of a seat's claims.
const CLAIM_BLOCKS: u64 = 16;
/// Areas of a region: what holds, what a former life may still be writing, what is written next.
pub(crate) const AREAS: u64 = 3;
const MAGIC: &[u8; 8] = b"TSUGIDK\n";
/// What a petition box must take beside the largest change: its conditions and lengths.
const WRAPPING: u64 = 1 << 20;

/// How the disk is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How many seats there are.
    pub seats: usize,
    /// Bytes of a petition box.
    pub petition_box: u64,
    /// Bytes of an area.
    pub area: u64,
}

impl Layout {
    /// The layout for a disk of `size` bytes and so many nodes; none if it is too small for the
    /// largest change beside a snapshot as large.
    #[must_use]
    pub fn of(size: u64, seats: usize) -> Option<Self> {
        let petition_box = LARGEST_CHANGE as u64 + WRAPPING;
        let share = size.checked_sub(claims_end(seats))?.checked_div(seats as u64)?;
        let area = share.checked_sub(petition_box)? / AREAS / BLOCK as u64 * BLOCK as u64;
        (area >= 2 * petition_box && seats <= MOST_SEATS).then_some(Self {
            seats,
            petition_box,
            area,
        })
    }

    /// The smallest disk for so many nodes.
    #[must_use]
    pub const fn least(seats: usize) -> u64 {
        claims_end(seats) + seats as u64 * (1 + 2 * AREAS) * (LARGEST_CHANGE as u64 + WRAPPING)
    }

    /// Where the seats begin, and how many bytes they take.
    pub(crate) fn board(&self) -> (u64, usize) {
        let begin = TITLES * BLOCK as u64;
        (begin, (board_end(self.seats) - begin) as usize)
    }

    /// Where the vow of a seat stands; its copy follows, then its word.
    pub(crate) fn vow(&self, seat: usize) -> u64 {
        (TITLES + SEAT_BLOCKS * seat as u64) * BLOCK as u64
    }

    pub(crate) fn word(&self, seat: usize) -> u64 {
        self.vow(seat) + 2 * BLOCK as u64
    }

    /// Where the claims of a seat stand, and how many bytes they and their copy take in all.
    pub(crate) fn claims(&self, seat: usize) -> (u64, usize) {
        let both = 2 * CLAIM_BLOCKS * BLOCK as u64;
        (board_end(self.seats) + seat as u64 * both, both as usize)
    }

    pub(crate) fn petitions(&self, seat: usize) -> u64 {
        claims_end(self.seats) + seat as u64 * (self.petition_box + AREAS * self.area)
    }

    /// A block of a seat that says nothing: it is written to see whether the disk takes writes.
    /// Only a petition that fills its box reaches it, and one that was spoilt is not there.
    pub(crate) fn trial(&self, seat: usize) -> u64 {
        self.petitions(seat) + self.petition_box - BLOCK as u64
    }

    /// Where the area that holds `generation` begins.
    pub(crate) fn area(&self, seat: usize, generation: u64) -> u64 {
        self.petitions(seat) + self.petition_box + (generation % AREAS) * self.area
    }

    /// Up to where the disk is used.
    pub(crate) fn end(&self) -> u64 {
        self.petitions(self.seats)
    }
}

const fn claims_end(seats: usize) -> u64 {
    board_end(seats) + 2 * CLAIM_BLOCKS * BLOCK as u64 * seats as u64
}

const fn board_end(seats: usize) -> u64 {
    (TITLES + SEAT_BLOCKS * seats as u64) * BLOCK as u64
}

/// Whether the disk was made ready to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// It is being made: whoever finds this begins again.
    Begun,
    /// It is whole.
    Whole,
}

/// Whose a record is: one of another cluster, or of what stood on the disk before, means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whose {
    pub(crate) cluster: ClusterId,
    /// Drawn when the disk was made.
    pub(crate) disk: BootId,
}

/// Whose the disk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Title {
    pub(crate) made: Made,
    pub(crate) whose: Whose,
    pub(crate) layout: Layout,
    pub(crate) nodes: Vec<NodeName>,
}

impl Title {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::new();
        to.raw(MAGIC).u8(FORMAT);
        to.u8(match self.made {
            Made::Begun => 1,
            Made::Whole => 2,
        });
        to.u128(self.whose.cluster.0).u128(self.whose.disk.0);
        to.u64(self.layout.petition_box).u64(self.layout.area);
        to.count(self.nodes.len());
        for node in &self.nodes {
            to.text(node.as_str());
        }
        let sum = crc32c(to.so_far());
        to.u32(sum);
        to.done()
    }

    /// Reads what [`Title::to_bytes`] wrote; zeros may follow. None if it is no such block.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Option<Self>, Unreadable> {
        let mut from = Reader::new(bytes);
        if from.raw(MAGIC.len())? != MAGIC {
            return Ok(None);
        }
        from.format()?;
        let made = match from.u8()? {
            1 => Made::Begun,
            2 => Made::Whole,
            found => return Err(Unreadable::Form { what: "title", found }),
        };
        let whose = Whose { cluster: ClusterId(from.u128()?), disk: BootId(from.u128()?) };
        let (petition_box, area) = (from.u64()?, from.u64()?);
        let mut nodes = Vec::new();
        for _ in 0..from.count()? {
            nodes.push(from.node()?);
        }
        let sum = crc32c(&bytes[..bytes.len() - from.left()]);
        if from.u32()? != sum {
            return Err(Unreadable::Sum);
        }
        let layout = Layout { seats: nodes.len(), petition_box, area };
        Ok(Some(Self { made, whose, layout, nodes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_places_overlap_and_all_lie_on_the_disk() {
        let size = Layout::least(3) + 777_777;
        let layout = Layout::of(size, 3).unwrap();
        let mut places = vec![(0, TITLES * BLOCK as u64)];
        for seat in 0..3 {
            places.push((layout.vow(seat), 2 * BLOCK as u64));
            places.push((layout.word(seat), BLOCK as u64));
            let (claims, length) = layout.claims(seat);
            places.push((claims, length as u64));
            places.push((layout.petitions(seat), layout.petition_box));
            places.extend((6..9).map(|generation| (layout.area(seat, generation), layout.area)));
        }
        places.sort_unstable();
        for pair in places.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?}");
        }
        assert!(layout.end() <= size);
        assert!(places.iter().all(|(at, _)| at.is_multiple_of(BLOCK as u64)));
    }

    #[test]
    fn a_disk_too_small_for_the_largest_change_is_refused() {
        assert!(Layout::of(Layout::least(2), 2).is_some());
        assert!(Layout::of(Layout::least(2) - 1, 2).is_none());
        assert!(Layout::of(1 << 40, MOST_SEATS + 1).is_none());
        assert!(Layout::of(1 << 40, 0).is_none());
    }
}
