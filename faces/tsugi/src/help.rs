//! The command tree with its help in one language, all of it from the catalogue.

use clap::{Arg, Command, CommandFactory};
use tsugi_messages::{Language, phrase};

use crate::args::Cli;
use crate::exit::Exit;

/// The tree of all commands, in one language.
pub fn tree(language: Language) -> Command {
    let mut tree = Cli::command();
    tree.build();
    speak(tree, &[], language)
}

/// The text of the phrase under `key`, if there is one.
fn text(key: &str, language: Language) -> Option<&'static str> {
    tsugi_messages::phrases().iter().find(|p| p.key == key).map(|p| p.text.of(language))
}

fn key(prefix: &str, words: &[String], last: &str) -> String {
    let mut parts = vec![prefix.to_owned()];
    parts.extend(words.iter().cloned());
    if !last.is_empty() {
        parts.push(last.to_owned());
    }
    parts.join("_").replace('-', "_")
}

/// The key of the help of a command.
pub fn help_key(words: &[String]) -> String {
    key("help", words, "")
}

/// The keys under which the help of an option is looked for, the narrower first: that of the
/// command, those of the families that it is of, that of all commands.
pub fn arg_keys(words: &[String], arg: &str) -> impl Iterator<Item = String> {
    (0..=words.len()).rev().map(move |many| key("arg", words.get(..many).unwrap_or_default(), arg))
}

fn speak(command: Command, words: &[String], language: Language) -> Command {
    let say = |phrase: tsugi_messages::Phrase| phrase.text(language);
    let path: Vec<String> = std::iter::once("tsugi".to_owned()).chain(words.to_vec()).collect();
    let about = text(&help_key(words), language).unwrap_or_default();
    let examples = text(&key("example", words, ""), language);
    let before = examples.map_or_else(String::new, |lines| {
        let indented: String = lines.lines().map(|l| format!("  {l}\n")).collect();
        format!("{}:\n{indented}\n", say(phrase::heading_examples()))
    });
    let usage = say(phrase::heading_usage());
    let template = format!("{{about}}\n\n{before}{usage}: {{usage}}\n\n{{all-args}}{{after-help}}");
    let names: Vec<String> =
        command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let mut command = command
        .about(about)
        .bin_name(path.join(" "))
        .help_template(template)
        .subcommand_help_heading(
            text(phrase::heading_commands().key(), language).unwrap_or_default(),
        )
        .mut_args(|arg| explain(arg, words, language));
    if words.is_empty() {
        command = command.after_help(exits(language));
    }
    for name in names {
        let mut deeper = words.to_vec();
        deeper.push(name.clone());
        command = command.mut_subcommand(name, |sub| speak(sub, &deeper, language));
    }
    command
}

fn explain(arg: Arg, words: &[String], language: Language) -> Arg {
    let id = arg.get_id().as_str().to_owned();
    let found = arg_keys(words, &id).find_map(|key| text(&key, language));
    let heading = match arg.is_positional() {
        true => phrase::heading_arguments(),
        false => phrase::heading_options(),
    };
    // clap takes only headings that live as long as the program, so it is the phrase's own text.
    let heading = text(heading.key(), language).unwrap_or_default();
    let arg = arg.help_heading(heading).hide_possible_values(true);
    match found {
        Some(text) => arg.help(text),
        None => arg,
    }
}

fn exits(language: Language) -> String {
    let title = phrase::heading_exit_codes().text(language);
    let line = |exit: Exit| format!("\n  {:>2}  {}", exit.code(), exit.words().text(language));
    format!("{title}:{}", Exit::ALL.map(line).concat())
}

/// Every command as one line, with its options, as `docs/commands.txt` lists them.
pub fn listing(language: Language) -> String {
    let mut out = String::new();
    list(&tree(language), &[], &mut out);
    let codes = Exit::ALL.map(|e| format!("{:>2}  {}\n", e.code(), e.words().text(language)));
    format!("{out}\n{}:\n{}", phrase::heading_exit_codes().text(language), codes.concat())
}

fn list(command: &Command, words: &[String], out: &mut String) {
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        let mut deeper = words.to_vec();
        deeper.push(sub.get_name().to_owned());
        let is_leaf = !sub.is_subcommand_required_set();
        if is_leaf {
            let options: Vec<String> = sub
                .get_arguments()
                .filter(|a| !a.is_hide_set() && !a.is_global_set() && a.get_id() != "help")
                .map(shown)
                .collect();
            let line = format!("tsugi {} {}", deeper.join(" "), options.join(" "));
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            out.push_str(&format!("{}\n    {about}\n", line.trim_end()));
        }
        list(sub, &deeper, out);
    }
}

fn shown(arg: &Arg) -> String {
    let values = arg.get_value_names().unwrap_or_default();
    let value = values.first().map(ToString::to_string);
    let takes = arg.get_action().takes_values();
    match (arg.get_long(), value) {
        (Some(long), Some(value)) if takes && arg.is_require_equals_set() => {
            format!("[--{long}[={value}]]")
        }
        (Some(long), Some(value)) if takes && arg.is_required_set() => format!("--{long} {value}"),
        (Some(long), Some(value)) if takes => format!("[--{long} {value}]"),
        (Some(long), _) if arg.is_required_set() => format!("--{long}"),
        (Some(long), _) => format!("[--{long}]"),
        (None, value) => {
            let value = value.unwrap_or_else(|| arg.get_id().as_str().to_uppercase());
            if arg.is_required_set() { value } else { format!("[{value}]") }
        }
    }
}
