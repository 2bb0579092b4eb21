//! The sample program: a number that lives on a volume and never goes back.
//!
//! It stands for the COBOL program of the verification report: each call takes the next number,
//! and a caller can see from the numbers alone whether a takeover lost or doubled one.
//!
//! Words: a *call* has an id (client, serial); its *reply* is kept in the same durable write as
//! the number, so that the same id is answered by the same line on any node.
//!
//! Invariant: no reply leaves before the record that holds it is durable.

pub mod caller;
mod checksum;
pub mod epoch_file;
mod journal;
mod kept;
pub mod log;
mod record;
pub mod server;
pub mod standby;

pub use caller::{Caller, CallerArgs, Summary};
pub use journal::{DEFAULT_KEPT, Durability, Journal};
pub use kept::{CallId, Reply};
pub use server::CounterArgs;
pub use standby::{ActivateArgs, StandbyArgs};

use std::io::Write;
use std::process::ExitCode;

/// What the sample says it is in every reply.
pub const PROGRAM: &str = "counter";

/// The line that says that calls are answered from now on.
pub const READY: &str = "ready";

/// The sides of the sample.
#[derive(Debug, clap::Subcommand)]
pub enum Sample {
    /// Serve the number.
    Counter(CounterArgs),
    /// Listen before the address is here, and serve a volume while one is handed over.
    Standby(StandbyArgs),
    /// Hand a volume to the program that stands by on this node, until told to stop.
    Activate(ActivateArgs),
    /// Call for numbers, print a line a call, and say at the end what was lost or doubled.
    Caller(CallerArgs),
}

/// Runs one side of the sample until it is told to stop.
#[must_use]
pub fn run(sample: &Sample) -> ExitCode {
    // Whoever supervises the program waits for this line; nobody has to.
    let ready = || drop(writeln!(std::io::stdout(), "{READY}"));
    let done = |()| ExitCode::SUCCESS;
    let ended = match sample {
        Sample::Counter(args) => server::serve(args, ready).map(done),
        Sample::Standby(args) => standby::stand_by(args, ready).map(done),
        Sample::Activate(args) => standby::activate(args, ready).map(done),
        Sample::Caller(args) => caller::run(args),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("{PROGRAM}: {error}");
        ExitCode::FAILURE
    })
}

/// Why the sample ended.
#[derive(Debug, thiserror::Error)]
pub enum CounterError {
    /// The volume does not hold what it should.
    #[error("{path}: {why}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The volume was already opened under a newer epoch than ours.
    #[error("the volume was opened under epoch {found}; this program was started under {own}")]
    Superseded {
        /// The newest epoch that opened the volume.
        found: String,
        /// The epoch this program was started under.
        own: String,
    },
    /// A step towards the disk or the network failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The command line or the environment cannot be used.
    #[error("{0}")]
    Usage(String),
}

/// Puts what was being done in front of an error of the operating system.
pub(crate) trait Doing<T> {
    /// Names the step that failed.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, CounterError>;
}

impl<T, E: Into<std::io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, CounterError> {
        self.map_err(|source| CounterError::Io { doing: what(), source: source.into() })
    }
}
