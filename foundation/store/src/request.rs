//! What a call asks that acts outside the store, kept until it is known what became of it: whoever
//! decides that asks its partner by it.

use crate::Id;

/// A call as it was about to act outside the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The number of its service.
    pub service: i64,
    /// The generation of the interface that its content was made by.
    pub interface: i64,
    /// The epoch that its program was told.
    pub epoch: i64,
    /// The attempt that its program was told, from 1.
    pub attempt: i64,
    /// When it was about to begin, in milliseconds of Unix time.
    pub at: i64,
    /// Its body, as its caller has said it.
    pub body: Vec<u8>,
}

/// The oldest of these, at most so many.
pub(crate) fn oldest(mut all: Vec<(i64, Option<Id>)>, most: i64) -> Vec<Id> {
    all.sort_by_key(|(at, _)| *at);
    let all = all.into_iter().filter_map(|(_, id)| id);
    all.take(usize::try_from(most).unwrap_or(0)).collect()
}
