//! The one binary: the command line, and every daemon of a node as a subcommand.

mod args;
mod complain;
mod exit;
mod help;
mod out;

use std::process::ExitCode;

use clap::FromArgMatches;
use tsugi_messages::Language;

use args::{Cli, Command};
use exit::Exit;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let language = asked_language(&words);
    let parsed = help::tree(language)
        .try_get_matches_from(&words)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => { let _ = cli; Exit::Done.into() }
        Err(error) => complain::about(&error, language).into(),
    }
}

/// The language that is asked for, before anything else of the command is understood: help and
/// complaints have one too. A language that does not exist is complained about later.
fn asked_language(words: &[std::ffi::OsString]) -> Language {
    let words: Vec<_> = words.iter().filter_map(|w| w.to_str()).collect();
    let after = |w: &[&str]| (w[0] == "--lang").then(|| w[1].to_owned());
    let joined = words.iter().find_map(|w| w.strip_prefix("--lang=").map(str::to_owned));
    let flag = joined.or_else(|| words.windows(2).find_map(after));
    let here = Language::here(flag.as_deref(), None).or_else(|_| Language::here(None, None));
    here.unwrap_or_default()
}
