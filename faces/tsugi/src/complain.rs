//! What is said when the words of a command were not understood, in the person's language.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use tsugi_messages::{self as messages, Language, Phrase, phrase};

use crate::exit::Exit;

/// Prints help, version or complaint, and says how that ends the program.
pub fn about(error: &clap::Error, language: Language) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            print!("{}", error.render());
            Exit::Done
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            eprint!("{}", error.render());
            Exit::Usage
        }
        _ => {
            let detail = detail(error, language);
            let message = messages::usage_wrong(detail, "tsugi --help");
            eprintln!("{}", message.line(language));
            Exit::Usage
        }
    }
}

fn detail(error: &clap::Error, language: Language) -> String {
    let given = |kind| value(error, kind);
    let what = match error.kind() {
        ErrorKind::UnknownArgument => unknown(given(ContextKind::InvalidArg)),
        ErrorKind::MissingSubcommand => phrase::usage_missing("<COMMAND>"),
        ErrorKind::InvalidSubcommand => {
            phrase::usage_unknown_command(given(ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingRequiredArgument => phrase::usage_missing(given(ContextKind::InvalidArg)),
        ErrorKind::ArgumentConflict => {
            let (one, other) = (given(ContextKind::InvalidArg), given(ContextKind::PriorArg));
            phrase::usage_exclude(one, other)
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let (key, bad) = (given(ContextKind::InvalidArg), given(ContextKind::InvalidValue));
            let possible = given(ContextKind::ValidValue);
            if bad.is_empty() {
                phrase::usage_value_missing(key)
            } else if possible.is_empty() {
                phrase::usage_value(bad, key)
            } else {
                phrase::usage_value_of(bad, key, possible)
            }
        }
        _ => phrase::usage_other(first_line(error)),
    };
    let meant =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let meant = meant.into_iter().map(given).find(|m| !m.is_empty());
    let meant = meant.or_else(|| waiting(&given(ContextKind::InvalidArg), std::env::args()));
    let hint = meant.map(|m| phrase::did_you_mean(m).text(language));
    joined(&what, hint, language)
}

/// An option that does not exist, or a word that nothing takes.
fn unknown(word: String) -> Phrase {
    match word.starts_with('-') {
        true => phrase::usage_unknown_option(word),
        false => phrase::usage_superfluous(word),
    }
}

/// The time of `--wait` stands behind a `=`, because it may be left out.
fn waiting(word: &str, given: impl Iterator<Item = String>) -> Option<String> {
    let given: Vec<String> = given.collect();
    let apart = given.windows(2).any(|two| two == ["--wait", word]);
    apart.then(|| format!("--wait={word}"))
}

fn joined(what: &Phrase, hint: Option<String>, language: Language) -> String {
    let what = what.text(language);
    match (hint, language) {
        (None, _) => what,
        (Some(hint), Language::En) => format!("{what}; {hint}"),
        (Some(hint), Language::Ja) => format!("{what}。{hint}"),
    }
}

fn value(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(one)) => one.clone(),
        Some(ContextValue::Strings(many)) => many.join(", "),
        Some(ContextValue::Bool(b)) => b.to_string(),
        Some(ContextValue::Number(n)) => n.to_string(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}
