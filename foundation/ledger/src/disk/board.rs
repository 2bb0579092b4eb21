//! All vows and words of the disk, read at once.

use super::layout::Title;
use super::store::{BLOCK, Store};
use super::trouble::Trouble;
use super::vow::Vow;
use super::word::Word;
use crate::StorageFailure;
use crate::format::Unreadable;

/// What every seat says at one time. Each block may be from another moment of the reading.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    pub(crate) vows: Vec<Vow>,
    /// The copy of each vow that its node writes first: not the only one that holds the newest.
    pub(crate) begins: Vec<usize>,
    /// None where a word was never written, or is being written.
    pub(crate) words: Vec<Option<Word>>,
}

/// How often the board is read before two copies that cannot be read count as damaged: a reading
/// that takes as long as two writings may meet both, and no later one meets both again.
const READINGS: usize = 4;

impl Board {
    pub(crate) fn read(store: &mut impl Store, title: &Title) -> Result<Self, Trouble> {
        let mut left = READINGS;
        loop {
            left -= 1;
            match Self::read_once(store, title) {
                Err(Trouble::Broken(StorageFailure::Damaged { .. })) if left > 0 => {}
                read => return read,
            }
        }
    }

    fn read_once(store: &mut impl Store, title: &Title) -> Result<Self, Trouble> {
        let (begin, length) = title.layout.board();
        let mut bytes = vec![0; length];
        store.read(begin, &mut bytes).map_err(|error| Trouble::unread(store, &error))?;
        let place = |at: u64| (at - begin) as usize;
        let mut board = Self { vows: Vec::new(), begins: Vec::new(), words: Vec::new() };
        for seat in 0..title.layout.seats {
            let vow = place(title.layout.vow(seat));
            let copies = [&bytes[vow..vow + BLOCK], &bytes[vow + BLOCK..vow + 2 * BLOCK]];
            let (vow, begins) = newer(copies, title, seat).map_err(|why| {
                Trouble::Broken(match why {
                    Unreadable::TooNew { found, known } => {
                        StorageFailure::TooNew { file: store.name(), found, known }
                    }
                    why => Trouble::damage(store, &format!("both vows of seat {seat}: {why}")),
                })
            })?;
            board.vows.push(vow);
            board.begins.push(begins);
            let word = place(title.layout.word(seat));
            let word = sealed(&bytes[word..word + BLOCK]);
            let word = word.and_then(|word| Word::from_bytes(word, title.whose, seat));
            board.words.push(word.ok());
        }
        Ok(board)
    }
}

/// The newer of two copies, and which of them is written first next. They are written one after the
/// other: of two that are whole the newer counts; a torn one was never acted on, or stands whole
/// beside it.
fn newer(copies: [&[u8]; 2], title: &Title, seat: usize) -> Result<(Vow, usize), Unreadable> {
    let read = |copy: &[u8]| Vow::from_bytes(sealed(copy)?, title.whose, seat);
    match (read(copies[0]), read(copies[1])) {
        (Ok(one), Ok(two)) if one.number >= two.number => {
            Ok((one, usize::from(one.number > two.number)))
        }
        (Ok(_), Ok(two)) => Ok((two, 0)),
        (Err(Unreadable::TooNew { found, known }), _)
        | (_, Err(Unreadable::TooNew { found, known })) => Err(Unreadable::TooNew { found, known }),
        (Ok(vow), Err(_)) => Ok((vow, 1)),
        (Err(_), Ok(vow)) => Ok((vow, 0)),
        (Err(why), Err(_)) => Err(why),
    }
}

/// The record of one block.
fn sealed(block: &[u8]) -> Result<&[u8], Unreadable> {
    super::frame::record(block)
}

#[cfg(test)]
mod tests {
    use std::io::{Error, Result as IoResult};

    use tsugi_vocabulary::{BootId, Index, NodeName};

    use super::*;
    use crate::disk::keeper::Keeper;
    use crate::disk::platter::{Platter, Reach, Shared};
    use crate::mutant::plant;
    use crate::{ClusterId, View, disk};

    /// A platter at which the next write is torn, and its machine gone with that.
    #[derive(Clone)]
    struct Torn(Shared);

    impl Store for Torn {
        fn name(&self) -> String {
            "torn".to_owned()
        }
        fn size(&mut self) -> IoResult<u64> {
            self.0.size()
        }
        fn read(&mut self, at: u64, into: &mut [u8]) -> IoResult<()> {
            self.0.read(at, into)
        }
        fn write(&mut self, at: u64, _: &[u8]) -> IoResult<()> {
            self.0.at(|platter| platter.put(at, &[7; 512], Reach::Whole));
            Err(Error::other("no power"))
        }
        fn settle(&mut self) -> IoResult<()> {
            Ok(())
        }
    }

    /// A life that follows a former one, whose first vow reaches copy `late` after all; then its
    /// own next vow is torn. Whether what it had sworn before still stands.
    fn stands(late: usize) -> bool {
        let nodes = [NodeName::new("a").unwrap(), NodeName::new("b").unwrap()];
        let mut platter = Platter::default();
        let mut view = View::founded(1);
        view.applied = Index(1);
        disk::found(&mut platter, (ClusterId(1), BootId(2)), &nodes, &view).unwrap();
        let open =
            |platter, life| Keeper::open(platter, ClusterId(1), &nodes[0], life).ok().unwrap();
        let former = open(platter, BootId(3));
        let title = former.title().clone();
        let mut platter = former.into_store();
        let place = title.layout.vow(0);
        let mut old = vec![0; BLOCK];
        platter.read(place, &mut old).unwrap();
        let mut keeper = open(platter, BootId(4));
        keeper.follow().ok().unwrap();
        let sworn = keeper.vow();
        let mut platter = keeper.clone().into_store();
        platter.put(place + (late * BLOCK) as u64, &old, Reach::Whole);
        let torn = Torn(Shared::of(platter));
        assert!(keeper.with_store(torn.clone()).campaign().is_err(), "its machine is gone");
        let left = Board::read(&mut torn.clone(), &title).ok().unwrap();
        left.vows[0] == sworn
    }

    /// A platter of which so many readings meet both copies of a vow while they are written.
    #[derive(Clone)]
    struct Met(Platter, usize);

    impl Store for Met {
        fn name(&self) -> String {
            "met".to_owned()
        }
        fn size(&mut self) -> IoResult<u64> {
            self.0.size()
        }
        fn read(&mut self, at: u64, into: &mut [u8]) -> IoResult<()> {
            self.0.read(at, into)?;
            if self.1 > 0 {
                self.1 -= 1;
                into[..2 * BLOCK].fill(7);
            }
            Ok(())
        }
        fn write(&mut self, at: u64, bytes: &[u8]) -> IoResult<()> {
            self.0.write(at, bytes)
        }
        fn settle(&mut self) -> IoResult<()> {
            self.0.settle()
        }
    }

    #[test]
    fn a_reading_that_meets_two_writings_is_made_again_and_damage_stays_damage() {
        let nodes = [NodeName::new("a").unwrap(), NodeName::new("b").unwrap()];
        let mut platter = Platter::default();
        let view = View::founded(1);
        disk::found(&mut platter, (ClusterId(1), BootId(2)), &nodes, &view).unwrap();
        let title = crate::disk::keeper::title_of(&mut platter).ok().unwrap();
        assert_eq!(title.layout.vow(0), title.layout.board().0, "what is spoiled is a vow");
        assert!(Board::read(&mut Met(platter.clone(), READINGS - 1), &title).is_ok());
        let damaged = Board::read(&mut Met(platter, READINGS), &title);
        assert!(matches!(damaged, Err(Trouble::Broken(StorageFailure::Damaged { .. }))));
    }

    #[test]
    fn a_late_vow_of_a_former_life_and_then_a_torn_one_take_nothing_back() {
        for late in 0..2 {
            assert!(stands(late), "copy {late}");
        }
        plant("first-copy-first");
        let noticed = (0..2).any(|late| !stands(late));
        plant("");
        assert!(noticed, "the rule is needed");
    }

    /// A former life writes its vow while the next one still reads.
    #[test]
    fn who_begins_goes_on_from_what_stands_there_then() {
        let nodes = [NodeName::new("a").unwrap(), NodeName::new("b").unwrap()];
        let mut platter = Platter::default();
        let mut view = View::founded(1);
        view.applied = Index(1);
        disk::found(&mut platter, (ClusterId(1), BootId(2)), &nodes, &view).unwrap();
        let shared = Shared::of(platter);
        let mut next = Keeper::seat(shared.clone(), ClusterId(1), &nodes[0]).ok().unwrap();
        let mut former =
            Keeper::open(shared.clone(), ClusterId(1), &nodes[0], BootId(3)).ok().unwrap();
        former.campaign().ok().unwrap();
        next.begin(BootId(4)).ok().unwrap();
        assert!(next.vow().number > former.vow().number);
        assert_eq!(next.vow().promised, former.vow().promised, "a promise is never taken back");
        assert_eq!(next.vow().accepted, former.vow().accepted);
    }
}
