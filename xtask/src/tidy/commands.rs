//! The commands that exist: `docs/commands.txt`, kept equal to the real tree by a test of the face.
//! One command a line, its options and its values behind it: `tsugi group move --reason <GROUP>`.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::Tree;

/// Where the list stands.
pub const FILE: &str = "docs/commands.txt";

/// Words of a command → its options.
#[derive(Debug, Default)]
pub struct Commands {
    known: BTreeMap<String, Vec<String>>,
}

impl Commands {
    /// The list, if it is there.
    pub fn read(tree: &Tree) -> Option<Self> {
        let mut known = BTreeMap::new();
        for line in tree.file(FILE)?.lines().filter(|l| l.starts_with("tsugi")) {
            let words = line.split_whitespace();
            let (words, options): (Vec<_>, Vec<_>) = words.partition(|w| is_word(w));
            let bare = |o: &str| o.trim_matches(['<', '>', '[', ']', '.']).to_owned();
            known.insert(words.join(" "), options.into_iter().map(bare).collect());
        }
        Some(Self { known })
    }

    /// The keys under which the face looks for the help of commands and options, by name.
    pub fn help_keys(&self) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        for (command, options) in &self.known {
            let words = command.trim_start_matches("tsugi").trim().replace([' ', '-'], "_");
            let own = |prefix: &str, last: &str| {
                let parts = [prefix, &words, last].into_iter().filter(|part| !part.is_empty());
                parts.collect::<Vec<_>>().join("_")
            };
            out.extend(["help", "example"].map(|prefix| own(prefix, "")));
            for option in options {
                let name = option.trim_start_matches('-').replace('-', "_").to_lowercase();
                out.insert(own("arg", &name));
                out.insert(format!("arg_{name}"));
            }
        }
        out
    }

    /// Why a written command cannot be typed; `None` if it can.
    pub fn refuse(&self, written: &str) -> Option<String> {
        let words: Vec<_> = written.split_whitespace().collect();
        let plain = words.iter().take_while(|w| is_word(w)).count();
        let longest = (1..=plain)
            .rev()
            .find_map(|count| self.known.get_key_value(&words.get(..count)?.join(" ")));
        let Some((command, options)) = longest else {
            return Some(format!("there is no command `{written}`"));
        };
        let has_children = self.known.keys().any(|k| k.starts_with(&format!("{command} ")));
        let next = words.get(command.split(' ').count()).copied();
        if let Some(next) = next.filter(|word| has_children && is_word(word)) {
            return Some(format!("`{command}` has no `{next}`"));
        }
        let wrong = words.iter().find(|word| {
            let name = word.split('=').next().unwrap_or_default();
            name.starts_with('-') && name != "--help" && !options.iter().any(|o| o == name)
        });
        wrong.map(|option| format!("`{command}` has no option `{option}`"))
    }
}

/// A word of a command, and no value, option or name to put in.
fn is_word(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(written: &str) -> bool {
        let list = "tsugi --lang\ntsugi group\ntsugi group move --reason\ntsugi explain [WHAT]\n";
        let tree = Tree::of([(FILE, list)]);
        Commands::read(&tree).expect("it is there").refuse(written).is_some()
    }

    #[test]
    fn a_command_that_exists_may_be_written_with_values_and_its_options() {
        for written in ["tsugi group move {group}", "tsugi group move PAY --reason=x"] {
            assert!(!refused(written), "{written}");
        }
        assert!(!refused("tsugi explain pay") && !refused("tsugi --help"));
    }

    #[test]
    fn help_is_looked_for_under_the_names_of_commands_options_and_values() {
        let tree = Tree::of([(FILE, "tsugi node join --token-file <NODE>\n")]);
        let keys = Commands::read(&tree).expect("it is there").help_keys();
        for key in ["help_node_join", "arg_node_join_token_file", "arg_token_file", "arg_node"] {
            assert!(keys.contains(key), "{key} is missing in {keys:?}");
        }
    }

    #[test]
    fn a_command_or_an_option_that_does_not_exist_is_refused() {
        for written in ["tsugi group fly PAY", "tsugi fly", "tsugi group move --fast"] {
            assert!(refused(written), "{written}");
        }
    }
}
