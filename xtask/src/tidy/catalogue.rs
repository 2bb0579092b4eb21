//! Every entry of the catalogue is emitted somewhere, and its next command exists.

use toml::{Table, Value};

use crate::finding::Finding;
use crate::rust::{Source, words};
use crate::tidy::commands::{Commands, FILE as COMMANDS};
use crate::tree::{Tree, is_test};

const RULE: &str = "catalogue";
const FOLDER: &str = "foundation/messages/catalogue/";
/// Where the options of the command line are fields.
const ARGUMENTS: [&str; 2] = ["faces/tsugi/src/args/", "faces/serve/src/args.rs"];
/// Every number that was ever given to a message, with its key; a line is only added.
const NUMBERS: &str = "foundation/messages/numbers.txt";
const DICTIONARY: &str = "variables.toml";

/// Looks at every entry.
pub fn look(tree: &Tree) -> Vec<Finding> {
    let speakers: Vec<_> = tree.rust().filter(|(path, _)| emits(path)).map(|(_, s)| s).collect();
    let commands = Commands::read(tree);
    let help = commands.as_ref().map(Commands::help_keys).unwrap_or_default();
    let mut out = Vec::new();
    for (path, content) in tree.ending(".toml").filter(|(path, _)| path.starts_with(FOLDER)) {
        if path.ends_with(DICTIONARY) {
            continue;
        }
        let Ok(table) = content.parse::<Table>() else {
            out.push(Finding::of(path, RULE, "is no TOML"));
            continue;
        };
        for (key, entry) in table {
            let at = line_of(content, &key);
            if !help.contains(&key)
                && !is_argument(tree, &key)
                && !speakers.iter().any(|source| emitted(source, &key))
            {
                let says = format!("[{key}] is never emitted");
                out.push(Finding::at(path, at, RULE, says));
            }
            let next = entry.get("next").and_then(Value::as_str);
            let refused = next.and_then(|next| commands.as_ref()?.refuse(next));
            out.extend(refused.map(|says| Finding::at(path, at, RULE, says)));
            if let Some(id) = entry.get("id").and_then(Value::as_str) {
                out.extend(both_languages(&entry, (path, at, &key)));
                out.extend(number(tree, (id, &key)).map(|says| Finding::at(path, at, RULE, says)));
            }
        }
    }
    if commands.is_none() {
        out.push(Finding::of(COMMANDS, RULE, "is not there"));
    }
    out
}

/// What is wrong with the number of a message: it stands under no key of the list, or another's.
fn number(tree: &Tree, (id, key): (&str, &str)) -> Option<String> {
    let digits = |id: &str| id.split('-').next().unwrap_or_default().to_owned();
    let lines = tree.file(NUMBERS).unwrap_or_default().lines().filter_map(|l| l.split_once(' '));
    let known: Vec<_> = lines.filter(|(given, _)| digits(given) == digits(id)).collect();
    match known.as_slice() {
        [] => Some(format!("[{key}] {id} is new: add the line `{id} {key}` to {NUMBERS}")),
        [(given, first)] if (*given, *first) == (id, key) => None,
        [(given, first), ..] => Some(format!(
            "[{key}] {id} was given before, as `{given} {first}`: take another number"
        )),
    }
}

fn both_languages(entry: &Value, (path, at, key): (&str, usize, &str)) -> Vec<Finding> {
    let fields =
        ["ja", "en", "system_ja", "system_en", "operator_ja", "operator_en", "next", "since"];
    let missing =
        |field: &&str| entry.get(*field).and_then(Value::as_str).is_none_or(str::is_empty);
    let finding = |field: &str| Finding::at(path, at, RULE, format!("[{key}] has no {field}"));
    fields.into_iter().filter(|f| missing(f)).map(finding).collect()
}

fn line_of(content: &str, key: &str) -> usize {
    let head = format!("[{key}]");
    content.lines().position(|line| line.trim() == head).map_or(0, |index| index + 1)
}

fn emits(path: &str) -> bool {
    !path.starts_with("foundation/messages/tests") && !path.starts_with("xtask/") && !is_test(path)
}

/// The help of an option or a value is found by its field: `arg_reason`, `arg_node_join_reason`;
/// that of a hidden command by its variant. Help and version are clap's own.
fn is_argument(tree: &Tree, key: &str) -> bool {
    if ["arg_help", "arg_version"].contains(&key) {
        return true;
    }
    if let Some(words) = key.strip_prefix("help_") {
        let mut variant = words.split('_').next().unwrap_or(words).to_owned();
        if let Some(first) = variant.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let hidden = tree.rust().filter(|(path, _)| has_arguments(path));
        return hidden.into_iter().any(|(_, source)| source.shipped(&variant).next().is_some());
    }
    let Some(name) = key.strip_prefix("arg_") else { return false };
    let arguments = tree.rust().filter(|(path, _)| has_arguments(path));
    let tails = name.char_indices().filter(|(_, c)| *c == '_').map(|(at, _)| at + 1);
    let fields: Vec<_> = std::iter::once(0).chain(tails).filter_map(|at| name.get(at..)).collect();
    let is_field = |source: &Source, field: &str| {
        let ends =
            |at: usize| source.code.get(at + field.len()..).is_some_and(|b| b.starts_with(':'));
        source.shipped(field).any(ends)
    };
    arguments.into_iter().any(|(_, source)| fields.iter().any(|field| is_field(source, field)))
}

fn has_arguments(path: &str) -> bool {
    ARGUMENTS.iter().any(|place| path.starts_with(place))
}

/// A call of its function that ships: `messages::key(`, or `key(` where the crate is imported;
/// or its key as a whole text, by which it is looked up.
fn emitted(source: &Source, key: &str) -> bool {
    if source.literals.iter().any(|l| l.value == key && !source.in_test(l.at)) {
        return true;
    }
    let knows = words(&source.code, "tsugi_messages").next().is_some();
    source.shipped(key).any(|at| {
        let before = source.code.get(..at).unwrap_or_default();
        let behind = source.code.get(at + key.len()..).unwrap_or_default();
        let named = before.ends_with("messages::") || before.ends_with("phrase::");
        let used = behind.starts_with(['(', ',', ')', ';', '}']);
        let defines = before.trim_end().ends_with(" fn");
        (named && used) || (knows && behind.starts_with('(') && !defines && !before.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "[gone]\nid = \"TSUG10001-I\"\nja = \"あ\"\nen = \"a\"\nsystem_ja = \"あ\"
system_en = \"a\"
operator_ja = \"あ\"\noperator_en = \"a\"
next = \"tsugi status\"\nsince = \"0.1\"\n";

    fn found(entry: &str, code: &str) -> Vec<String> {
        let tree = Tree::of([
            ("foundation/messages/catalogue/cluster.toml", entry),
            ("faces/tsugi/src/a.rs", code),
            (COMMANDS, "tsugi status\n"),
            (NUMBERS, "TSUG10001-I gone\nTSUG10002-E former\n"),
        ]);
        look(&tree).into_iter().map(|f| f.says).collect()
    }

    #[test]
    fn an_entry_that_is_called_is_right() {
        assert!(found(ENTRY, "fn a() { tsugi_messages::gone(); }").is_empty());
        assert!(found(ENTRY, "use tsugi_messages::gone;\nfn a() { gone(); }").is_empty());
    }

    #[test]
    fn an_entry_that_nobody_or_only_a_test_calls_is_found() {
        assert_eq!(found(ENTRY, ""), ["[gone] is never emitted"]);
        let test = "#[cfg(test)]\nmod tests { fn a() { messages::gone(); } }";
        assert_eq!(found(ENTRY, test), ["[gone] is never emitted"]);
        assert_eq!(found(ENTRY, "// messages::gone()\nfn gone() {}").len(), 1);
    }

    #[test]
    fn the_help_of_a_field_of_the_command_line_is_emitted() {
        let help = "[arg_group_move_node]\nja = \"あ\"\nen = \"a\"\n";
        for (field, count) in [("node: String", 0), ("nodes: String", 1)] {
            let code = format!("struct A {{ {field} }}");
            let tree = Tree::of([
                ("foundation/messages/catalogue/phrases.toml", help),
                ("faces/tsugi/src/args/mod.rs", &code),
                (COMMANDS, "tsugi status\n"),
            ]);
            assert_eq!(look(&tree).len(), count, "{field}");
        }
    }

    #[test]
    fn a_next_command_that_does_not_exist_is_found() {
        let entry = ENTRY.replace("tsugi status", "tsugi fly");
        let found = found(&entry, "fn a() { messages::gone(); }");
        assert_eq!(found, ["there is no command `tsugi fly`"]);
    }

    #[test]
    fn a_number_that_is_new_or_was_given_before_is_found() {
        let code = "fn a() { messages::gone(); }";
        let new = found(&ENTRY.replace("TSUG10001-I", "TSUG10003-W"), code);
        assert!(new[0].starts_with("[gone] TSUG10003-W is new: add the line"), "{new:?}");
        for given in ["TSUG10002-E", "TSUG10002-W", "TSUG10001-W"] {
            let again = found(&ENTRY.replace("TSUG10001-I", given), code);
            assert!(again[0].contains("was given before"), "{given}: {again:?}");
        }
    }

    #[test]
    fn a_missing_language_is_found() {
        let entry = ENTRY.replace("operator_ja = \"あ\"\n", "");
        let found = found(&entry, "fn a() { messages::gone(); }");
        assert_eq!(found, ["[gone] has no operator_ja"]);
    }
}
