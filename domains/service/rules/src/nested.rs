//! Whether a program may call another service while it runs.
//!
//! A callee of the same store runs in a savepoint of its caller's unit of work, in another worker;
//! it has no row of its own, and no id that could come again. A callee of another store has an id
//! that follows from its caller's, and its caller would wait for it while it holds the one writer
//! of its own: there a queue is the way.

use crate::refusal::Refusal;

/// So many services may wait for each other, the first among them.
pub const DEPTH_MOST: usize = 8;

/// Where a callee keeps its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callee {
    /// In its caller's store.
    SameStore,
    /// In another.
    OtherStore,
}

/// Whether the caller holds the one writer of its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// It does: from its first operation on a store that has one writer.
    Held,
    /// It does not.
    Free,
}

/// Whether the last service of a chain may call another; the chain is of who waits for whom, from
/// the service that a client called on.
///
/// # Errors
/// [`Refusal::Cycle`], [`Refusal::TooDeep`] or [`Refusal::HoldsWriter`], the first that holds.
pub fn may_call(
    chain: &[&str],
    service: &str,
    callee: Callee,
    writer: Writer,
) -> Result<(), Refusal> {
    // A service may have one worker, which waits here.
    if chain.contains(&service) {
        return Err(Refusal::Cycle { service: service.to_owned() });
    }
    if chain.len() >= DEPTH_MOST {
        return Err(Refusal::TooDeep { most: DEPTH_MOST });
    }
    match (callee, writer) {
        (Callee::OtherStore, Writer::Held) => Err(Refusal::HoldsWriter),
        (Callee::OtherStore, Writer::Free) | (Callee::SameStore, Writer::Held | Writer::Free) => {
            Ok(())
        }
    }
}
