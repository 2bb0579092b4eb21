//! The one program: the command line, and every daemon of a node as a subcommand.

mod alone;
mod args;
mod ask;
mod complain;
mod daemon;
mod exit;
mod help;
mod metrics;
mod old_names;
mod out;
mod pages;
mod region;
mod render;
mod run;
mod up;

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::FromArgMatches;
use tsugi_messages::{self as messages, Language};
pub use tsugi_wire::version::{Build, Protocol};

use args::{Cli, Command};
use ask::Agents;
use exit::Exit;
use out::{Form, Out};

/// Carries out what the program was called for, as this build of it. A daemon starts the others
/// from its own file, so that a node is of one build.
#[must_use]
pub fn start(build: Build) -> ExitCode {
    let mut words: Vec<_> = std::env::args_os().collect();
    let old_name = old_names::called_by(words.first());
    if let (None, Some(code)) = (&old_name, alone::run(&words, build)) {
        return code;
    }
    let language = asked_language(&words, configured_language(&words).as_deref());
    if let Some(old) = old_name {
        let out = Out { language, form: Form::Text };
        match run::old_name(&out, old, words.get(1..).unwrap_or_default()) {
            ControlFlow::Continue(now) => words = now,
            ControlFlow::Break(exit) => return exit.into(),
        }
    }
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
    if let Command::Serve(role) = &cli.command {
        return role.play(language);
    }
    let out = Out { language, form: run::form(cli.global.json) };
    if let Err(unknown) = Language::here(cli.global.lang.as_deref(), None) {
        let detail = messages::phrase::unknown_language(unknown.asked).text(language);
        out.tell(&messages::usage_wrong(detail, "tsugi --help"));
        return Exit::Usage.into();
    }
    run::run(&cli, &out, build).into()
}

/// The value of an option, before anything else of the command is understood.
fn option(words: &[OsString], name: &str) -> Option<String> {
    let words: Vec<_> = words.iter().filter_map(|w| w.to_str()).collect();
    let after = |w: &[&str]| (w[0] == name).then(|| w[1].to_owned());
    let value = |w: &&str| w.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
    words.iter().find_map(value).or_else(|| words.windows(2).find_map(after))
}

/// The language that is asked for: by `--lang`, by the configuration, by the environment. Help and
/// complaints have one too. A language that does not exist is complained about later.
fn asked_language(words: &[OsString], configured: Option<&str>) -> Language {
    let flag = option(words, "--lang");
    let here = Language::here(flag.as_deref(), configured);
    here.or_else(|_| Language::here(None, configured)).unwrap_or_default()
}

/// The language of the applied configuration, as the agent of this machine last knew it.
/// A daemon and a program of a group start without a look at it.
fn configured_language(words: &[OsString]) -> Option<String> {
    let first = words.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    if ["agent", "guardian", "hands", "sample"].contains(&first) {
        return None;
    }
    let named = option(words, "--run-dir").map(OsString::from);
    let named = named.or_else(|| std::env::var_os("TSUGI_RUN_DIR")).map(PathBuf::from);
    Agents::find(named.as_deref()).language()
}
