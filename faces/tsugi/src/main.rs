//! The one binary: the command line, and every daemon of a node as a subcommand.

mod args;
mod ask;
mod complain;
mod daemon;
mod exit;
mod help;
mod out;
mod render;
mod run;
mod up;

use std::process::ExitCode;

use clap::FromArgMatches;
use tsugi_messages::{self as messages, Language};

use args::{Cli, Command};
use exit::Exit;
use out::Out;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let language = asked_language(&words);
    let parsed = help::tree(language)
        .try_get_matches_from(&words)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return complain::about(&error, language).into(),
    };
    if let Command::Sample(sample) = &cli.command {
        return tsugi_counter::run(sample);
    }
    let out = Out { language, form: run::form(cli.global.json) };
    if let Err(unknown) = Language::here(cli.global.lang.as_deref(), None) {
        let detail = messages::phrase::unknown_language(unknown.asked).text(language);
        out.tell(&messages::usage_wrong(detail, "tsugi --help"));
        return Exit::Usage.into();
    }
    run::run(&cli, &out).into()
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
