//! A disk is made ready: once, before any node uses it.

use tsugi_vocabulary::{BootId, NodeName};

use super::frame::blocks;
use super::layout::{Layout, Made, Title, Whose};
use super::region;
use super::store::{BLOCK, Store};
use super::trouble::Trouble;
use super::vow::{Term, Vow};
use crate::{ClusterId, StorageFailure, View};

/// Makes the disk ready for `nodes` of `cluster`, whose ledger begins with `view`. `disk` is drawn
/// at random: what an earlier ledger left there means nothing to this one.
///
/// # Errors
/// [`StorageFailure::Exists`] if a ledger is there, [`StorageFailure::Foreign`] if anything else
/// is, [`StorageFailure::Full`] if the disk is too small.
pub fn found(
    store: &mut impl Store,
    (cluster, disk): (ClusterId, BootId),
    nodes: &[NodeName],
    view: &View,
) -> Result<(), StorageFailure> {
    let size = store.size().map_err(|error| Trouble::unread(store, &error).failure())?;
    let full = StorageFailure::Full { file: store.name() };
    let layout = Layout::of(size, nodes.len()).ok_or(full)?;
    let whose = Whose { cluster, disk };
    let title = Title { made: Made::Begun, whose, layout, nodes: nodes.to_vec() };
    write(store, title, view).map_err(Trouble::failure)
}

/// How many bytes [`found`] would take of this disk for so many nodes, from its beginning. Nothing
/// is written.
///
/// # Errors
/// Why it may not be made ready, as of [`found`].
pub fn would_found(store: &mut impl Store, nodes: usize) -> Result<u64, StorageFailure> {
    let size = store.size().map_err(|error| Trouble::unread(store, &error).failure())?;
    let full = StorageFailure::Full { file: store.name() };
    let layout = Layout::of(size, nodes).ok_or(full)?;
    refuse_what_is_there(store, &layout).map_err(Trouble::failure)?;
    Ok(layout.end())
}

/// The same for any layout. The title that says that it is whole comes last: until then whoever
/// finds it begins again.
pub(crate) fn write(store: &mut impl Store, title: Title, view: &View) -> Result<(), Trouble> {
    refuse_what_is_there(store, &title.layout)?;
    put_title(store, &title)?;
    let founder = Vow { number: 1, generation: 1, ..Vow::default() };
    let term = Term::default().above(0);
    let mut founder = Vow { promised: term, accepted: term, ..founder };
    let snapshot = region::snapshot(view, &founder, &title, 0);
    founder.snapshot = snapshot.len() as u64;
    if founder.snapshot > title.layout.area {
        return Err(Trouble::Broken(StorageFailure::Full { file: store.name() }));
    }
    put(store, title.layout.area(0, founder.generation), &snapshot)?;
    for seat in 0..title.layout.seats {
        let vow = if seat == 0 { founder } else { Vow { number: 1, ..Vow::default() } };
        let block = blocks(&vow.to_bytes(title.whose, seat));
        put(store, title.layout.vow(seat), &block)?;
        put(store, title.layout.vow(seat) + BLOCK as u64, &block)?;
        put(store, title.layout.word(seat), &[0; BLOCK])?;
    }
    put_title(store, &Title { made: Made::Whole, ..title })
}

/// How much of the end of the disk is looked at: there are volumes and file systems that are known
/// by what stands there.
const END: u64 = 64 * BLOCK as u64;

/// A disk with anything on it is not written over: zeros, or what an interrupted making left. It is
/// looked at up to where petitions begin, and at its end.
fn refuse_what_is_there(store: &mut impl Store, layout: &Layout) -> Result<(), Trouble> {
    let mut bytes = vec![0; layout.petitions(0) as usize];
    store.read(0, &mut bytes).map_err(|error| Trouble::unread(store, &error))?;
    let size = store.size().map_err(|error| Trouble::unread(store, &error))?;
    let mut end = vec![0; END as usize];
    let at = (size / BLOCK as u64 * BLOCK as u64).saturating_sub(END);
    store.read(at, &mut end).map_err(|error| Trouble::unread(store, &error))?;
    let copies = [Title::from_bytes(&bytes[..BLOCK]), Title::from_bytes(&bytes[BLOCK..])];
    let titles = || copies.iter().flatten().flatten();
    if titles().any(|found| found.made == Made::Whole) {
        return Err(Trouble::Broken(StorageFailure::Exists { file: store.name() }));
    }
    if titles().any(|found| found.made == Made::Begun)
        || bytes.iter().chain(&end).all(|byte| *byte == 0)
    {
        return Ok(());
    }
    let (expected, found) = ("nobody".to_owned(), "something else".to_owned());
    Err(Trouble::Broken(StorageFailure::Foreign { file: store.name(), expected, found }))
}

fn put_title(store: &mut impl Store, title: &Title) -> Result<(), Trouble> {
    let mut block = title.to_bytes();
    block.resize(BLOCK, 0);
    put(store, 0, &block)?;
    put(store, BLOCK as u64, &block)
}

fn put(store: &mut impl Store, at: u64, bytes: &[u8]) -> Result<(), Trouble> {
    store.write(at, bytes).map_err(|error| Trouble::unwritten(store, &error))
}

#[cfg(test)]
mod tests {
    use std::io::{Error, Result};

    use tsugi_vocabulary::Index;

    use super::*;
    use crate::disk::keeper::Keeper;
    use crate::disk::platter::Platter;

    /// A platter whose power goes at the `left`-th write.
    struct Failing(Platter, usize);

    impl Store for Failing {
        fn name(&self) -> String {
            self.0.name()
        }
        fn size(&mut self) -> Result<u64> {
            self.0.size()
        }
        fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
            self.0.read(at, into)
        }
        fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
            self.1 = self.1.checked_sub(1).ok_or_else(|| Error::other("no power"))?;
            self.0.write(at, bytes)
        }
        fn settle(&mut self) -> Result<()> {
            self.0.settle()
        }
    }

    #[test]
    fn a_making_that_was_interrupted_anywhere_is_no_ledger_and_is_begun_again() {
        let nodes = [NodeName::new("a").unwrap(), NodeName::new("b").unwrap()];
        let mut view = View::founded(1);
        view.applied = Index(1);
        let whose = (ClusterId(1), BootId(2));
        let mut interrupted = 0;
        loop {
            let mut disk = Failing(Platter::default(), interrupted);
            let made = found(&mut disk, whose, &nodes, &view);
            let platter = disk.0;
            if made.is_ok() {
                break;
            }
            interrupted += 1;
            // The last write is the copy of a title that stands already.
            let opened = Keeper::open(platter.clone(), ClusterId(1), &nodes[0], BootId(3));
            let mut again = Failing(platter, usize::MAX);
            match opened {
                Ok(_) => assert_eq!(interrupted, 11, "the last write"),
                Err(trouble) => {
                    let missing = trouble.failure();
                    assert!(matches!(missing, StorageFailure::Missing { .. }), "{missing}");
                    found(&mut again, whose, &nodes, &view).unwrap();
                }
            }
        }
        assert_eq!(interrupted, 11);
    }
}
