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
    /// None where a word was never written, or is being written.
    pub(crate) words: Vec<Option<Word>>,
}

impl Board {
    pub(crate) fn read(store: &mut impl Store, title: &Title) -> Result<Self, Trouble> {
        let (begin, length) = title.layout.board();
        let mut bytes = vec![0; length];
        store.read(begin, &mut bytes).map_err(|error| Trouble::unread(store, &error))?;
        let place = |at: u64| (at - begin) as usize;
        let mut board = Self { vows: Vec::new(), words: Vec::new() };
        for seat in 0..title.layout.seats {
            let vow = place(title.layout.vow(seat));
            let copies = [&bytes[vow..vow + BLOCK], &bytes[vow + BLOCK..vow + 2 * BLOCK]];
            let vow = newer(copies, title, seat).map_err(|why| {
                Trouble::Broken(match why {
                    Unreadable::TooNew { found, known } => {
                        StorageFailure::TooNew { file: store.name(), found, known }
                    }
                    why => Trouble::damage(store, &format!("both vows of seat {seat}: {why}")),
                })
            })?;
            board.vows.push(vow);
            let word = place(title.layout.word(seat));
            let word = sealed(&bytes[word..word + BLOCK]);
            let word = word.and_then(|word| Word::from_bytes(word, title.whose, seat));
            board.words.push(word.ok());
        }
        Ok(board)
    }
}

/// The newer of two copies. They are written one after the other: of two that are whole the newer
/// counts; a torn one was never acted on, or stands whole beside it.
fn newer(copies: [&[u8]; 2], title: &Title, seat: usize) -> Result<Vow, Unreadable> {
    let read = |copy: &[u8]| Vow::from_bytes(sealed(copy)?, title.whose, seat);
    match (read(copies[0]), read(copies[1])) {
        (Ok(one), Ok(two)) => Ok(if one.number >= two.number { one } else { two }),
        (Err(Unreadable::TooNew { found, known }), _)
        | (_, Err(Unreadable::TooNew { found, known })) => Err(Unreadable::TooNew { found, known }),
        (Ok(vow), Err(_)) | (Err(_), Ok(vow)) => Ok(vow),
        (Err(why), Err(_)) => Err(why),
    }
}

/// The record of one block.
fn sealed(block: &[u8]) -> Result<&[u8], Unreadable> {
    super::frame::record(block)
}
