//! What the store has under an id and of its client, as who decides about the call asks for it.

use crate::{Content, Stored};

/// What is kept under an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// That its program was about to act outside the store.
    Started(Meant),
    /// That it was interrupted and acts outside the store.
    Unknown(Meant),
    /// Its reply, and the generation of its interface with it.
    Final(Stored),
    /// Only that it was carried out.
    Tombstone,
}

/// What a call without a reply asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meant {
    /// Its content.
    pub content: Content,
    /// The generation of the interface that its content was made by.
    pub interface: i64,
}

/// What is kept of one life of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifeSeen {
    /// At or under it a serial that is not kept has expired.
    pub watermark: i64,
    /// No serial above it was ever kept; at least the watermark.
    pub highest: i64,
}

/// What is kept under an id and of its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Under the id.
    pub kept: Kept,
    /// Of this life of the client; none of a key, and of a life that the store does not know.
    pub life: Option<LifeSeen>,
    /// The highest life of the client that is over for good.
    pub floor: Option<i64>,
    /// How many lives of clients there are; 0 where the life is known, which needs no room.
    pub clients: u64,
}
