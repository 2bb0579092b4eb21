//! The daemon of a group's calls: its store, its services, their workers and its door, in one
//! process.
//!
//! Words: a *hold* is one ownership of a volume, under one epoch. A *group* is open while its store
//! is claimed and its engine runs. A *life* is one run of the daemon; its log is on the volume.
//!
//! Invariant: nothing of a volume is touched before its store is claimed under the epoch of the
//! hold. Invariant: a service that cannot run is closed under its name, and the others
//! go on. Invariant: after the last word of an engine the process ends, and nothing is told.

pub mod args;
pub mod around;
pub mod control;
pub mod epoch;
pub mod files;
mod giver;
pub mod group;
pub mod groups;
pub mod log;
pub mod reserve;
pub mod services;
pub mod shelf;
pub mod standby;
mod start;
pub mod whole;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args as _, FromArgMatches as _};
use tsugi_messages::{self as messages, Language, Message};

pub use args::Role;
pub use around::{Around, Hold};
pub use group::{Claimed, Group, NotOpened};
pub use log::Log;
pub use start::server_of;

/// The code of a command that was not understood.
const USAGE: u8 = 2;

/// Runs what the words behind `tsugi serve` call for until it is told to stop.
#[must_use]
pub fn run(words: &[OsString], language: Language) -> ExitCode {
    match read(words) {
        Ok(role) => role.play(language),
        Err(why) => {
            eprintln!("{}", complaint(&why).line(language));
            ExitCode::from(USAGE)
        }
    }
}

/// What the words behind `tsugi serve` call for.
///
/// # Errors
/// They call for nothing, or for help.
pub fn read(words: &[OsString]) -> Result<Role, clap::Error> {
    // The first is the name of the program.
    let words = std::iter::once(OsString::from("tsugi serve")).chain(words.iter().cloned());
    let command = Role::augment_args(clap::Command::new("tsugi serve"));
    command.try_get_matches_from(words).and_then(|matches| Role::from_arg_matches(&matches))
}

impl Role {
    /// Plays it until it is told to stop.
    #[must_use]
    pub fn play(&self, language: Language) -> ExitCode {
        match self {
            Self::Whole(whole) => whole::serve(whole, language),
            Self::Standby(args) => standby::stand_by(args, language),
            Self::Activate(args) => standby::activate(args, language),
        }
    }
}

/// Carries something out to its end, and says why it failed.
fn block_on(what: impl Future<Output = Result<(), Box<Message>>>, language: Language) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| Box::new(messages::internal_failure("tsugi serve", why)));
    match runtime.and_then(|runtime| runtime.block_on(what)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{}", why.line(language));
            ExitCode::FAILURE
        }
    }
}

fn complaint(error: &clap::Error) -> Message {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
    messages::serve_option_unusable("tsugi serve", lines.join(" "))
}
