//! A package of a service: from its file to the one that its service runs.
//!
//! ```text
//! Absent ──deploy──▶ Copying ──durable──▶ Staged ──fits──▶ Naming ──durable──▶ Keeping
//!    ▲                                      │ does not                            │ row is durable
//!    └──────────────────────────────────────┘                                     ▼
//!    ▲                          Former ◀── another is current ── Current ◀──── Kept
//!    └── row, then file deleted ──┘ └───────── roll back ──────────▲
//! ```
//!
//! A file is whole once it has its final name; a row is written after that and deleted before. So
//! a death anywhere leaves a file that no row names, which is deleted when the store is opened.
//!
//! Invariants: a package is current only by one transaction of the store, which also makes its
//! files and loads their data; data are loaded once, never again by a return to a former package.

use tsugi_vocabulary::Span;

use crate::mutant::mutant;

/// Faults that can be planted in packages, and the promise that each breaks.
pub const MUTANTS: &[(&str, &str)] = &[
    ("row-before-file", "a row stands only for a file that is whole"),
    ("replaced-before-current", "workers of a package are started once it is current"),
    ("file-deleted-before-row", "a row is deleted before its file"),
    ("data-loaded-again", "a return to a former package loads no data"),
];

/// So many former packages of a service are kept.
pub const FORMER_MOST: usize = 3;
/// So long a package is kept that was never made current.
pub const KEPT_FOR: Span = Span::secs(30 * 24 * 3600);

/// Where a package of a service stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// There is nothing of it.
    #[default]
    Absent,
    /// Its file is being written under a name that is not final.
    Copying,
    /// Its file is durable under that name, and is being examined.
    Staged,
    /// It fits; its file is given its final name.
    Naming,
    /// Its file has its final name; its row is being written.
    Keeping,
    /// It has a row, and is not what its service runs.
    Kept,
    /// It is being made what its service runs.
    Making(Data),
    /// It is what its service runs.
    Current,
    /// It was what its service ran.
    Former,
}

/// Whether data are loaded with a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// Those of files that the store does not have yet.
    OfNewFiles,
    /// None: they were loaded, and worked on since.
    Never,
}

/// What was found when a package was examined: hashes, names and the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Examined {
    /// All is as its manifest says.
    Fits,
    /// Something is not.
    DoesNotFit,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is to be what its service runs.
    Deploy,
    /// Its file is durable under the name that is not final.
    Copied,
    /// It was examined.
    Examined(Examined),
    /// Its final name is durable.
    Named,
    /// Its row is durable.
    Kept,
    /// The transaction that makes it current is durable.
    Made,
    /// Another was made current.
    Replaced,
    /// It is older than packages are kept, or too many former ones are.
    Old,
    /// What was ordered could not be done: no room, or the store takes nothing.
    Failed,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Write its file under a name that is not final, durably: [`Event::Copied`].
    Copy,
    /// Examine it: [`Event::Examined`].
    Examine,
    /// Give its file the final name, durably: [`Event::Named`].
    Name,
    /// Write its row: [`Event::Kept`].
    Keep,
    /// In one transaction: make it current, and the one before former; make its files and load
    /// their data: [`Event::Made`].
    Make(Data),
    /// Delete its row, durably, before anything of its file.
    DeleteRow,
    /// Delete its file, under whichever name.
    DeleteFile,
    /// Start workers of it; those of the one before end their calls and leave.
    Replace,
    /// Say that it is current already.
    TellCurrent,
    /// Say that it is being deployed.
    TellUnderWay,
    /// Say what does not fit.
    TellUnfit,
    /// Say that its file is missing: nothing of it is run.
    TellMissing,
    /// Say what could not be done; deploying it again goes on from there.
    TellFailed,
}

/// What follows.
#[must_use]
pub fn step(state: State, event: Event) -> (State, Vec<Order>) {
    match event {
        Event::Deploy => deploy(state),
        Event::Copied => on(state, State::Copying, State::Staged, &[Order::Examine]),
        Event::Examined(Examined::Fits) if mutant("row-before-file") => {
            on(state, State::Staged, State::Keeping, &[Order::Keep])
        }
        Event::Examined(Examined::Fits) => on(state, State::Staged, State::Naming, &[Order::Name]),
        Event::Examined(Examined::DoesNotFit) => {
            let orders = [Order::DeleteFile, Order::TellUnfit];
            on(state, State::Staged, State::Absent, &orders)
        }
        Event::Named => on(state, State::Naming, State::Keeping, &[Order::Keep]),
        Event::Kept => {
            let (made, make) = (State::Making(Data::OfNewFiles), Order::Make(Data::OfNewFiles));
            if mutant("replaced-before-current") {
                return on(state, State::Keeping, made, &[Order::Replace, make]);
            }
            on(state, State::Keeping, made, &[make])
        }
        Event::Made => match state {
            State::Making(_) => (State::Current, vec![Order::Replace]),
            other => (other, Vec::new()),
        },
        Event::Replaced => on(state, State::Current, State::Former, &[]),
        Event::Old => match state {
            State::Kept | State::Former if mutant("file-deleted-before-row") => {
                (State::Absent, vec![Order::DeleteFile, Order::DeleteRow])
            }
            State::Kept | State::Former => {
                (State::Absent, vec![Order::DeleteRow, Order::DeleteFile])
            }
            State::Absent
            | State::Copying
            | State::Staged
            | State::Naming
            | State::Keeping
            | State::Making(_)
            | State::Current => (state, Vec::new()),
        },
        Event::Failed => failed(state),
    }
}

/// Back to what is durable.
fn failed(state: State) -> (State, Vec<Order>) {
    match state {
        State::Copying | State::Staged | State::Naming | State::Keeping => {
            (State::Absent, vec![Order::DeleteFile, Order::TellFailed])
        }
        State::Making(Data::OfNewFiles) => (State::Kept, vec![Order::TellFailed]),
        State::Making(Data::Never) => (State::Former, vec![Order::TellFailed]),
        State::Absent | State::Kept | State::Current | State::Former => (state, Vec::new()),
    }
}

/// Whether a package is old: never made current for too long, or with too many former ones that are
/// newer.
#[must_use]
pub fn is_old(state: State, newer_former: usize, age: Span) -> bool {
    match state {
        State::Kept => age >= KEPT_FOR,
        State::Former => newer_former >= FORMER_MOST,
        State::Absent
        | State::Copying
        | State::Staged
        | State::Naming
        | State::Keeping
        | State::Making(_)
        | State::Current => false,
    }
}

/// From one state only; in every other the event says nothing.
fn on(state: State, from: State, to: State, orders: &[Order]) -> (State, Vec<Order>) {
    if state == from { (to, orders.to_vec()) } else { (state, Vec::new()) }
}

fn deploy(state: State) -> (State, Vec<Order>) {
    let make = |data| (State::Making(data), vec![Order::Make(data)]);
    match state {
        State::Absent => (State::Copying, vec![Order::Copy]),
        State::Kept => make(Data::OfNewFiles),
        State::Former if mutant("data-loaded-again") => make(Data::OfNewFiles),
        State::Former => make(Data::Never),
        State::Current => (state, vec![Order::TellCurrent]),
        State::Copying | State::Staged | State::Naming | State::Keeping | State::Making(_) => {
            (state, vec![Order::TellUnderWay])
        }
    }
}

/// What is on the volume of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// Nothing.
    None,
    /// Something under a name that is not final.
    Staged,
    /// The whole, under its final name.
    Whole,
}

/// What the store has of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Nothing.
    None,
    /// That it is kept.
    Kept,
    /// That it is current.
    Current,
    /// That it was current.
    Former,
}

/// Where a package stands when its store is opened, and what is left to do of what was broken off.
#[must_use]
pub fn at_open(file: File, row: Row) -> (State, Vec<Order>) {
    match (row, file) {
        (Row::None, File::None) => (State::Absent, Vec::new()),
        (Row::None, File::Staged | File::Whole) => (State::Absent, vec![Order::DeleteFile]),
        (Row::Kept, File::Whole) => (State::Kept, Vec::new()),
        (Row::Former, File::Whole) => (State::Former, Vec::new()),
        (Row::Current, File::Whole) => (State::Current, vec![Order::Replace]),
        (Row::Kept | Row::Former, File::None | File::Staged) => {
            (State::Absent, vec![Order::TellMissing, Order::DeleteRow, Order::DeleteFile])
        }
        // Its row stays: the file can be put back, and nobody else may become current unasked.
        (Row::Current, File::None | File::Staged) => (State::Current, vec![Order::TellMissing]),
    }
}
