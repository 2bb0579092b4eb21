//! Whose a store is: one row with the epoch of its owner, and the run that opened it.
//!
//! A store on a volume is opened by whoever has the volume, under a lock that a living engine
//! holds; the row stops a second engine, and fencing of the device stops a paused one. A store on
//! a server can be reached by everybody, so there the former owners' sessions are ended as well,
//! before the first unit of work: [`fence`].
//!
//! Invariants: a row only rises; nothing is written under an epoch or by a run that is not the
//! row's; a server's store is open only when no session of another run is left.

pub mod fence;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::Epoch;

use crate::mutant::mutant;

/// Faults that can be planted in ownership, and the promise that each breaks.
pub const MUTANTS: &[(&str, &str)] = &[
    ("epoch-compared-wrongly", "a store that a newer epoch has is not opened"),
    ("run-not-compared", "of two runs of one epoch the later has the store"),
    ("row-not-read", "every unit of work reads whose the store is"),
    ("fence-does-not-wait", "no session of another run is left at the first unit of work"),
];

/// One opening of a store by one process; drawn, so that no two are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Run(pub u64);

/// Whose a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// Under which epoch.
    pub epoch: Epoch,
    /// By which run.
    pub run: Run,
}

/// What the row is to an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// There is none: nobody has ever opened this store.
    Absent,
    /// It is of an older epoch.
    Lower,
    /// It is this owner's.
    Own,
    /// It is of the same epoch and another run: of a process before or after this one.
    OtherRun,
    /// It is of a newer epoch.
    Higher,
}

/// What a row is to an owner.
#[must_use]
pub fn compare(row: Option<Owner>, own: Owner) -> Row {
    let Some(row) = row else { return Row::Absent };
    if row.epoch > own.epoch && mutant("epoch-compared-wrongly") {
        return Row::Lower;
    }
    match row.epoch.cmp(&own.epoch) {
        std::cmp::Ordering::Less => Row::Lower,
        std::cmp::Ordering::Greater => Row::Higher,
        std::cmp::Ordering::Equal if row.run == own.run => Row::Own,
        std::cmp::Ordering::Equal => Row::OtherRun,
    }
}

/// What an engine that opens a store does with the row, before any call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Insert its own; commit before any call.
    Insert,
    /// Write its own over it; commit before any call.
    Raise,
    /// Nothing: another has the store, and this process ends.
    Refuse,
    /// Nothing could lead to this, because runs are drawn: the process ends.
    Broken,
}

/// What an engine that opens a store does with the row.
#[must_use]
pub const fn at_open(row: Row) -> Opening {
    match row {
        Row::Absent => Opening::Insert,
        // Of the same epoch: this engine was started again in place.
        Row::Lower | Row::OtherRun => Opening::Raise,
        Row::Own => Opening::Broken,
        Row::Higher => Opening::Refuse,
    }
}

/// Whether a unit of work goes on, by what it reads in its own transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Working {
    /// It does.
    GoesOn,
    /// Another has the store: nothing is written, calls are refused, the process ends.
    Superseded,
    /// Rows never fall: the process ends and says so.
    Broken,
}

/// Whether a unit of work goes on.
#[must_use]
pub fn at_work(row: Row) -> Working {
    match row {
        Row::Own => Working::GoesOn,
        Row::OtherRun if mutant("run-not-compared") => Working::GoesOn,
        Row::Absent | Row::OtherRun | Row::Higher if mutant("row-not-read") => Working::GoesOn,
        Row::Absent | Row::OtherRun | Row::Higher => Working::Superseded,
        Row::Lower => Working::Broken,
    }
}
