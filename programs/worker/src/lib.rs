//! The process that runs one program for an engine, one call at a time; and beside it what the
//! engine starts and ends such a process by.
//!
//! Inside of the process: [`run`] is its whole life. What it holds is a [`Kind`] that becomes a
//! [`Program`], whose calls ask the engine by their [`Host`]. A shared library is such a kind; a
//! command is none: there the command itself speaks frames, and is the worker.
//!
//! On the engine's side: an [`Attendant`] starts processes as a [`Spawn`] says, holds them, keeps
//! the last lines that they wrote, and tells how they ended and when nothing of them is left. What
//! a process says in frames comes by its [`Worker`], which never waits: an engine waits for many
//! descriptors at a time, and one thread of it writes the store.
//!
//! The hands start the programs of groups, and not these: they give a program no streams of its
//! own, they answer the agent alone, and a start takes its turn behind those of other groups. The
//! mechanics are the same code (`foundation/host/src/enclosed.rs`).
//!
//! **Invariant:** whatever a program does to its own process ends at most its own call. Workers of
//! one user are not kept from each other: one can kill the others, and read those that are
//! commands; where the engine has that user too, it can kill the engine
//! (`docs/decisions/0033-an-engine-starts-its-workers-itself.md`).
//! **Invariant:** what a worker says after it was killed is not believed, and half a frame never.
//! **Invariant:** a worker is swept when its process has ended and none that it started is left
//! that the group's control group, or without one the search for it, finds.

mod attendant;
mod awake;
mod process;

pub use attendant::spawn::{Environment, Spawn};
pub use attendant::tail::{KEPT_LINES, Tail};
pub use attendant::worker::{Broke, Filled, Flushed, Worker};
pub use attendant::{Attendant, End, How, Notice, Notices, Number, Printed, Streams, Tell};
pub use awake::Awake;
pub use process::cobol::Modules;
pub use process::host::Host;
pub use process::library::SharedLibrary;
pub use process::link::{LastWord, Link, Over};
pub use process::program::{Ended, Introduction, Kind, Program, Unopened};
pub use process::{COBOL, Kinds, LIBRARY, run, serve};
pub use tsugi_cobol::UnitOfWork;
