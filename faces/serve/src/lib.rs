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
pub mod group;
pub mod log;
pub mod services;
pub mod shelf;
pub mod standby;
mod start;
pub mod whole;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use tsugi_messages::{self as messages, Language, Message};

pub use around::{Around, Hold};
pub use group::{Claimed, Group, NotOpened};
pub use log::Log;

/// The code of a command that was not understood.
const USAGE: u8 = 2;

/// Runs what the words behind `tsugi serve` call for until it is told to stop.
#[must_use]
pub fn run(words: &[OsString], language: Language) -> ExitCode {
    let first = words.first().and_then(|word| word.to_str());
    let run = match first {
        Some("standby") => parsed(&words[1..]).map(|args| standby::stand_by(&args, language)),
        Some("activate") => parsed(&words[1..]).map(|args| standby::activate(&args, language)),
        _ => parsed(words).map(|whole| whole::serve(&whole, language)),
    };
    run.unwrap_or_else(|why| {
        eprintln!("{}", why.line(language));
        ExitCode::from(USAGE)
    })
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

fn parsed<P: Parser>(words: &[OsString]) -> Result<P, Box<Message>> {
    // The first is the name of the program.
    let words = std::iter::once(OsString::from("tsugi serve")).chain(words.iter().cloned());
    P::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        let lines: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
        Box::new(messages::serve_option_unusable("tsugi serve", lines.join(" ")))
    })
}
