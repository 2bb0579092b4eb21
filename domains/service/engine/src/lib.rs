//! Carries out calls exactly once: what the rules decide, on a store and by workers.
//!
//! A door gives a call to [`Calls`] and waits. One thread, the *core*, drives the rules' table of
//! calls, the sitting of the one writer of the store, and the pools of workers; it alone writes the
//! store. A worker runs a program and asks for operations, which stand in the call's unit of work;
//! its reply is put beside them, many calls are one commit, and only then anybody is told. On
//! PostgreSQL each call that runs has a session of its own, and each is a commit ([`Sessions`]).
//!
//! Invariant: nothing is told before its commit has returned. Invariant: after a commit that failed
//! nothing is told any more and the process ends ([`Fatal`]). Invariant: nobody decides here: what
//! becomes of a call, a sitting and a worker stands in `tsugi-service-rules`. Invariant: whatever
//! a program in a process does, what is held of it has a limit and what it has started ends with it
//! ([`worker::pipe`]).

mod calls;
mod clock;
mod core;
mod fatal;
mod figures;
pub mod files;
mod groups;
mod inbox;
mod inquirer;
pub mod names;
mod open;
mod records;
mod service;
mod watch;
pub mod worker;

pub use calls::{Answer, Asked, Calls, Resolved};
pub use core::{Looks, Opens, Session};
pub use fatal::{EXIT, Fatal, LastWord};
pub use figures::{Asynchronous, Failover, Figures, OfService};
pub use groups::{CallOut, CameBack, OtherGroups, TellCaller};
pub use inquirer::Inquiry;
pub use names::Identity;
pub use open::{Beside, Engine, Log, Opened, Reads, Sessions, Settings, Upkeep};
pub use records::Records;
pub use service::{Interface, NoReply, Read, SameBytes, Service};
pub use tsugi_service_rules::refusal::Refusal as Refused;
pub use watch::Halt;
