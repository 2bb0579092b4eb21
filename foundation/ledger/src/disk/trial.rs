//! Whether a disk takes writes again after one has failed.
//!
//! A process whose write has failed must not go on: nobody knows what of it stands, or will. So
//! what is tried changes nothing that counts. A place that nobody reads is written with zeros; vow
//! and claims are said again as they stand, under higher numbers, twice as a new life would; what
//! is in use of a region is not touched, as a next life writes it elsewhere.

use std::io::Result as IoResult;
use std::sync::{Arc, Mutex, PoisonError};

use tsugi_vocabulary::NodeName;

use super::board::Board;
use super::claims::ClaimBlocks;
use super::frame::blocks;
use super::layout::{AREAS, Title};
use super::store::{BLOCK, Store};
use super::trouble::Trouble;
use super::vow::Vow;
use crate::{ClusterId, StorageFailure};

/// A part of the disk, in bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Where it begins.
    pub at: u64,
    /// How long it is.
    pub length: u64,
}

/// Where writes have failed first, for all that write with it.
#[derive(Clone, Debug, Default)]
pub struct FirstFailed(Arc<Mutex<Option<Spot>>>);

impl FirstFailed {
    /// The part that the first write that failed was for.
    #[must_use]
    pub fn spot(&self) -> Option<Spot> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, spot: Spot) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(spot);
    }
}

/// A disk of which it is noted where a write fails.
#[derive(Debug)]
pub struct Noting<S> {
    store: S,
    failed: FirstFailed,
}

impl<S: Store> Noting<S> {
    /// The same disk.
    pub fn new(store: S, failed: FirstFailed) -> Self {
        Self { store, failed }
    }
}

impl<S: Store> Store for Noting<S> {
    fn name(&self) -> String {
        self.store.name()
    }
    fn size(&mut self) -> IoResult<u64> {
        self.store.size()
    }
    fn read(&mut self, at: u64, into: &mut [u8]) -> IoResult<()> {
        self.store.read(at, into)
    }
    fn write(&mut self, at: u64, bytes: &[u8]) -> IoResult<()> {
        let written = self.store.write(at, bytes);
        if written.is_err() {
            self.failed.note(Spot { at, length: bytes.len() as u64 });
        }
        written
    }
    fn settle(&mut self) -> IoResult<()> {
        self.store.settle()
    }
}

/// What of a node's blocks a spot is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Vow,
    Word,
    Claims,
    Petitions,
    /// One of the areas, by its place among them.
    Area(u64),
    /// None of this node's, or of two of them: nothing is tried there.
    Elsewhere,
}

/// Writes where a write of `node` has failed, and a block that says nothing; durably. Nothing else
/// of this process may write meanwhile where that was.
///
/// # Errors
/// What the system said, or what is wrong with the disk.
pub fn try_writing(
    store: impl Store,
    (cluster, node): (ClusterId, &NodeName),
    failed: Option<Spot>,
) -> Result<(), StorageFailure> {
    let mut claims = ClaimBlocks::open(store, cluster, node)?;
    claims.try_writing()?;
    let Some(spot) = failed else { return Ok(()) };
    let found = part(claims.title(), claims.me(), spot);
    if found == Part::Claims {
        return claims.say_again();
    }
    let (mut store, title, me) = claims.into_parts();
    match found {
        Part::Elsewhere | Part::Claims => Ok(()),
        Part::Vow => vow_again(&mut store, &title, me),
        Part::Word | Part::Petitions => blank(&mut store, spot),
        Part::Area(area) => {
            // A writing that fails here may come late. The next opening says of one area that this
            // may still happen there; in any other it could spoil what is in use by then.
            let board = Board::read(&mut store, &title).map_err(Trouble::failure)?;
            let reached = board.vows[me].next_generation() % AREAS;
            if area == reached { blank(&mut store, spot) } else { Ok(()) }
        }
    }
}

fn part(title: &Title, me: usize, spot: Spot) -> Part {
    let layout = &title.layout;
    let is_in = |at: u64, length: u64| {
        at <= spot.at && spot.at.saturating_add(spot.length) <= at + length && spot.length > 0
    };
    let (claims, length) = layout.claims(me);
    let area = (0..AREAS).find(|area| is_in(layout.area(me, *area), layout.area));
    let parts = [
        (is_in(layout.vow(me), 2 * BLOCK as u64), Part::Vow),
        (is_in(layout.word(me), BLOCK as u64), Part::Word),
        (is_in(claims, length as u64), Part::Claims),
        (is_in(layout.petitions(me), layout.petition_box), Part::Petitions),
        (area.is_some(), Part::Area(area.unwrap_or_default())),
    ];
    parts.into_iter().find(|(there, _)| *there).map_or(Part::Elsewhere, |(_, part)| part)
}

fn blank(store: &mut impl Store, spot: Spot) -> Result<(), StorageFailure> {
    let written = store.write(spot.at, &vec![0; spot.length as usize]);
    written.map_err(|error| Trouble::unwritten(store, &error).failure())
}

/// A writing of the life that failed may be under way with the next number: both copies stand
/// above it in the end.
fn vow_again(store: &mut impl Store, title: &Title, me: usize) -> Result<(), StorageFailure> {
    let board = Board::read(store, title).map_err(Trouble::failure)?;
    let (mut vow, begins) = (board.vows[me], board.begins[me]);
    for _ in 0..2 {
        vow = Vow { number: vow.number + 1, ..vow };
        let block = blocks(&vow.to_bytes(title.whose, me));
        for copy in [begins, 1 - begins] {
            let at = title.layout.vow(me) + (copy * BLOCK) as u64;
            let written = store.write(at, &block);
            written.map_err(|error| Trouble::unwritten(store, &error).failure())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Error;
    use std::ops::Range;

    use tsugi_vocabulary::{BootId, Claims, Index};

    use super::*;
    use crate::disk::keeper::Keeper;
    use crate::disk::platter::{Platter, Shared};
    use crate::{View, disk};

    const CLUSTER: ClusterId = ClusterId(1);

    /// A platter of which a part takes no writes.
    #[derive(Clone)]
    struct Partial(Platter, Range<u64>);

    impl Store for Partial {
        fn name(&self) -> String {
            self.0.name()
        }
        fn size(&mut self) -> IoResult<u64> {
            self.0.size()
        }
        fn read(&mut self, at: u64, into: &mut [u8]) -> IoResult<()> {
            self.0.read(at, into)
        }
        fn write(&mut self, at: u64, bytes: &[u8]) -> IoResult<()> {
            let meets = at < self.1.end && self.1.start < at + bytes.len() as u64;
            if meets { Err(Error::other("no medium")) } else { self.0.write(at, bytes) }
        }
        fn settle(&mut self) -> IoResult<()> {
            self.0.settle()
        }
    }

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    /// A disk of a and b, at which each has claimed something and a holds the region in use.
    fn made() -> (Platter, Title) {
        let nodes = [node("a"), node("b")];
        let mut platter = Platter::default();
        let mut view = View::founded(1);
        view.applied = Index(1);
        disk::found(&mut platter, (CLUSTER, BootId(2)), &nodes, &view).unwrap();
        let mut title = None;
        for (at, name) in nodes.iter().enumerate() {
            let mut claims = ClaimBlocks::open(platter.clone(), CLUSTER, name).unwrap();
            let number = 7 + at as u64;
            claims.write(&Claims { number, boot: BootId(9), ..Claims::default() }).unwrap();
            let (store, of, _) = claims.into_parts();
            (platter, title) = (store, Some(of));
        }
        (platter, title.unwrap())
    }

    fn tried(store: Partial, spot: Spot) -> Result<(), StorageFailure> {
        try_writing(store, (CLUSTER, &node("a")), Some(spot))
    }

    /// Every part of a's blocks, and a spot in it.
    fn spots(title: &Title) -> Vec<(Part, Spot)> {
        let layout = &title.layout;
        let block = BLOCK as u64;
        let (claims, length) = layout.claims(0);
        let of = |at, length| Spot { at, length };
        let mut spots = vec![
            (Part::Vow, of(layout.vow(0) + block, block)),
            (Part::Word, of(layout.word(0), block)),
            (Part::Claims, of(claims + length as u64 / 2, block)),
            (Part::Petitions, of(layout.petitions(0) + 2 * block, 3 * block)),
        ];
        spots.extend((0..AREAS).map(|n| (Part::Area(n), of(layout.area(0, n) + 5 * block, block))));
        spots
    }

    #[test]
    fn it_is_known_what_of_a_nodes_own_blocks_a_spot_is_in_and_nothing_else_is_touched() {
        let (_, title) = made();
        for (expected, spot) in spots(&title) {
            assert_eq!(part(&title, 0, spot), expected);
            assert_eq!(part(&title, 1, spot), Part::Elsewhere, "it is the other's");
            let beyond = Spot { length: title.layout.end(), ..spot };
            assert_eq!(part(&title, 0, beyond), Part::Elsewhere);
            assert_eq!(part(&title, 0, Spot { length: 0, ..spot }), Part::Elsewhere);
        }
        assert_eq!(part(&title, 0, Spot { at: 0, length: BLOCK as u64 }), Part::Elsewhere);
    }

    #[test]
    fn a_place_that_takes_no_writes_is_found_where_the_end_of_the_petition_box_takes_them() {
        let (platter, title) = made();
        for (what, spot) in spots(&title) {
            let broken = Partial(platter.clone(), spot.at..spot.at + spot.length);
            let mut noted = Noting::new(broken.clone(), FirstFailed::default());
            let failed = noted.failed.clone();
            assert!(noted.write(spot.at, &vec![0; spot.length as usize]).is_err());
            assert_eq!(failed.spot(), Some(spot));
            // The second is in use, and the first would not be known to be written late.
            let untried = [Part::Area(0), Part::Area(1)].contains(&what);
            assert_eq!(tried(broken.clone(), spot).is_ok(), untried, "{what:?}");
            let unknown = try_writing(broken, (CLUSTER, &node("a")), None);
            assert_eq!(unknown, Ok(()), "without the place nobody sees it");
            assert_eq!(tried(Partial(platter.clone(), 0..0), spot), Ok(()), "{what:?}");
        }
    }

    #[test]
    fn what_is_tried_takes_nothing_back_and_stands_above_what_may_still_come() {
        for (what, spot) in spots(&made().1) {
            let (mut platter, title) = made();
            let before = Board::read(&mut platter, &title).unwrap();
            let bytes = |platter: &mut Platter| {
                let mut held = vec![0; 16 * BLOCK];
                platter.read(title.layout.area(0, 1), &mut held).unwrap();
                held
            };
            let held = bytes(&mut platter);
            let store = Shared::of(platter);
            try_writing(store.clone(), (CLUSTER, &node("a")), Some(spot)).unwrap();
            let mut platter = store.at(|platter| platter.clone());
            let after = Board::read(&mut platter, &title).unwrap();
            let same = |vow: Vow| Vow { number: 0, ..vow };
            assert_eq!(same(after.vows[0]), same(before.vows[0]), "{what:?}");
            assert_eq!(after.vows[1], before.vows[1]);
            let raised = after.vows[0].number - before.vows[0].number;
            assert_eq!(raised, if what == Part::Vow { 2 } else { 0 });
            assert_eq!(bytes(&mut platter), held, "what is in use stays as it is");
            let mut own = ClaimBlocks::open(platter.clone(), CLUSTER, &node("a")).unwrap();
            let own = own.own().unwrap().unwrap();
            let number = if what == Part::Claims { 9 } else { 7 };
            assert_eq!(own, Claims { number, boot: BootId(9), ..Claims::default() });
            // A next life goes on from it.
            Keeper::open(platter, CLUSTER, &node("a"), BootId(33)).ok().unwrap();
        }
    }

    #[test]
    fn a_trial_that_comes_late_spoils_nothing_that_a_next_life_has_written() {
        for (what, spot) in spots(&made().1) {
            let Part::Area(_) = what else { continue };
            let (platter, title) = made();
            let broken = Partial(platter.clone(), spot.at..spot.at + spot.length);
            let late = tried(broken, spot).is_err();
            let mut keeper = Keeper::open(platter, CLUSTER, &node("a"), BootId(33)).ok().unwrap();
            keeper.campaign().ok().unwrap();
            let mut platter = keeper.into_store();
            if late {
                platter.write(spot.at, &vec![0; spot.length as usize]).unwrap();
            }
            let area = title.layout.area(0, area_in_use(&mut platter, &title));
            let spoilt = late && (area..area + title.layout.area).contains(&spot.at);
            assert!(!spoilt, "{what:?}");
            let mut other = Keeper::open(platter, CLUSTER, &node("b"), BootId(34)).ok().unwrap();
            assert!(other.follow().is_ok(), "{what:?}");
        }
    }

    /// The area that a holds now.
    fn area_in_use(platter: &mut Platter, title: &Title) -> u64 {
        Board::read(platter, title).unwrap().vows[0].generation % AREAS
    }
}
