//! Whether a program may call another service while it runs, and what becomes of that.
//!
//! A callee of the same store runs in a savepoint of its caller's unit of work, in another worker;
//! it has no row of its own, and no id that could come again. A callee of another store has an id
//! that follows from its caller's, and its caller would wait for it while it holds the one writer
//! of its own: there a queue is the way.
//!
//! Invariant: a service that is waited for is not called again in the same chain. Whoever has the
//! one writer waits only for workers that are being born. Where units of work stand beside each
//! other a caller waits also for workers that others have, and never for one whom it keeps waiting.

use crate::ground::Effects;
use crate::mutant::mutant;
use crate::refusal::Refusal;
use crate::sitting::Run;
use crate::stored::Ending;

/// So many services may wait for each other, the first among them.
pub const DEPTH_MOST: usize = 8;

/// Faults that can be planted here, and the promise that each breaks.
pub const MUTANTS: &[(&str, &str)] = &[
    ("nested-cycle", "a service is not called by whom it waits for"),
    ("nested-too-deep", "so many services wait for each other and no more"),
    ("nested-writer-held", "who holds the writer does not wait for another store"),
    ("nested-reader-writes", "a service that only reads calls none that writes"),
    ("nested-failed-kept", "what a service did that has not ended in order is undone"),
    ("nested-wait-in-turn", "no callers wait for each other's workers"),
];

/// A service of a chain: of who waits for whom, from the service that a client called on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    /// Its name.
    pub service: &'a str,
    /// Where it acts.
    pub effects: Effects,
}

/// Where a callee keeps its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callee {
    /// In its caller's store.
    SameStore(Effects),
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

/// Whether the last service of a chain may call another.
///
/// # Errors
/// [`Refusal::Cycle`], [`Refusal::TooDeep`], [`Refusal::HoldsWriter`], [`Refusal::ActsOutside`] or
/// [`Refusal::OnlyReads`], the first that holds.
pub fn may_call(
    chain: &[Link<'_>],
    service: &str,
    callee: Callee,
    writer: Writer,
) -> Result<(), Refusal> {
    // A service may have one worker, which waits here.
    if chain.iter().any(|link| link.service == service) && !mutant("nested-cycle") {
        return Err(Refusal::Cycle { service: service.to_owned() });
    }
    if chain.len() >= DEPTH_MOST && !mutant("nested-too-deep") {
        return Err(Refusal::TooDeep { most: DEPTH_MOST });
    }
    let reads = chain.iter().any(|link| link.effects == Effects::None);
    match (callee, writer) {
        (Callee::OtherStore, Writer::Held) if !mutant("nested-writer-held") => {
            Err(Refusal::HoldsWriter)
        }
        (Callee::OtherStore, Writer::Held | Writer::Free) => Ok(()),
        // That it begins would have to be durable before its caller's unit of work is.
        (Callee::SameStore(Effects::Outside), _) => {
            Err(Refusal::ActsOutside { service: service.to_owned() })
        }
        (Callee::SameStore(Effects::Store), _) if reads && !mutant("nested-reader-writes") => {
            Err(Refusal::OnlyReads { service: service.to_owned() })
        }
        (Callee::SameStore(Effects::Store | Effects::None), _) => Ok(()),
    }
}

/// A call that waits for a worker of a service that it calls, and whom those workers have now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The call whose unit of work it is.
    pub who: Run,
    /// The calls that have the workers: where one of them goes on, a worker comes.
    pub had_by: Vec<Run>,
}

/// Whether a worker comes for a call that waits for one, among all that wait. Who does not wait
/// for a worker has an end: by itself, or by its limit.
#[must_use]
pub fn comes(who: Run, all: &[Waiting]) -> bool {
    if mutant("nested-wait-in-turn") {
        return true;
    }
    let mut stuck: Vec<&Waiting> = all.iter().collect();
    loop {
        let waits = |run: &Run| stuck.iter().any(|waiting| waiting.who == *run);
        let stays = |waiting: &&Waiting| waiting.had_by.iter().all(waits);
        let still: Vec<&Waiting> = stuck.iter().copied().filter(stays).collect();
        if still.len() == stuck.len() {
            return !stuck.iter().any(|waiting| waiting.who == who);
        }
        stuck = still;
    }
}

/// How a service that was called by another has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// It was not begun.
    NotBegun(Refusal),
    /// It has ended so.
    Ended(Ending),
    /// It has given back more than its caller can be told.
    TooLarge,
    /// Its caller is over, or gone with its unit of work.
    Abandoned,
}

/// What becomes of what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Savepoint {
    /// It is part of its caller's unit of work.
    Kept,
    /// It is undone, and its workers are not used any more.
    RolledBack,
}

/// What its caller's program is told; all but the first are codes of the program interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// What it gave back.
    Reply,
    /// It is unknown, closed, or has no worker for it.
    Refused,
    /// It has ended, and not in order.
    Failed,
    /// A service that waits would be called.
    Cycle,
    /// Too many wait.
    TooDeep,
    /// The writer is held.
    WriterHeld,
    /// Its caller may not have it called.
    NotAllowed,
    /// It gave back too much.
    TooLarge,
    /// Nothing: nobody listens.
    Nothing,
}

/// What becomes of a nested call. Its caller may go on after each of them.
#[must_use]
pub fn ended(came: &Came) -> (Savepoint, Told) {
    match came {
        Came::Ended(Ending::Done) => (Savepoint::Kept, Told::Reply),
        Came::Ended(Ending::Refused | Ending::Abnormal | Ending::TimeLimit)
            if mutant("nested-failed-kept") =>
        {
            (Savepoint::Kept, Told::Failed)
        }
        Came::Ended(Ending::Refused | Ending::Abnormal | Ending::TimeLimit) => {
            (Savepoint::RolledBack, Told::Failed)
        }
        Came::TooLarge => (Savepoint::RolledBack, Told::TooLarge),
        Came::Abandoned => (Savepoint::RolledBack, Told::Nothing),
        Came::NotBegun(refusal) => (Savepoint::RolledBack, told(refusal)),
    }
}

/// What a program is told where the service that it calls is not begun.
const fn told(refusal: &Refusal) -> Told {
    match refusal {
        Refusal::Cycle { .. } => Told::Cycle,
        Refusal::TooDeep { .. } => Told::TooDeep,
        Refusal::HoldsWriter => Told::WriterHeld,
        Refusal::OnlyReads { .. } | Refusal::ActsOutside { .. } => Told::NotAllowed,
        Refusal::Malformed(_)
        | Refusal::NotOpenHere
        | Refusal::NoSuchService { .. }
        | Refusal::NotFound
        | Refusal::TooLarge { .. }
        | Refusal::DoesNotFit { .. }
        | Refusal::Expired(_)
        | Refusal::OtherBody
        | Refusal::Unknown
        | Refusal::Forgotten
        | Refusal::Busy(_)
        | Refusal::Moving
        | Refusal::Blocked { .. }
        | Refusal::NotDeployed { .. }
        | Refusal::StoreAway { .. }
        | Refusal::NoWorker { .. }
        | Refusal::WindowFull { .. }
        | Refusal::TooManyClients { .. }
        | Refusal::Full(_)
        | Refusal::TooLate { .. }
        | Refusal::Decided => Told::Refused,
    }
}
