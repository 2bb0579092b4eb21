//! The commands that exist: `docs/commands.txt`, kept equal to the real tree by a test of the face.
//! One command a line with its values and options: `tsugi group move GROUP [--reason TEXT]`.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::Tree;

/// Options that every command has; the list leaves them out.
const GLOBAL: [&str; 5] = ["--help", "--lang", "--json", "--run-dir", "--no-color"];
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
            let bare = |o: &str| {
                let option = o.trim_matches(['<', '>', '[', ']', '.']);
                option.split_once("[=").map_or(option, |(name, _)| name).to_owned()
            };
            known.insert(words.join(" "), options.into_iter().map(bare).collect());
        }
        Some(Self { known })
    }

    /// The keys under which the face looks for the help of a command, by its name.
    pub fn help_keys(&self) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        for command in self.known.keys() {
            let words: Vec<_> = command.split(' ').skip(1).collect();
            for count in 0..=words.len() {
                let own = words.get(..count).unwrap_or_default().join("_").replace('-', "_");
                for prefix in ["help", "example"] {
                    out.insert(format!("{prefix}_{own}").trim_end_matches('_').to_owned());
                }
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
        let family = format!("{written} ");
        let Some((command, options)) = longest else {
            if self.known.keys().any(|command| command.starts_with(&family)) {
                return None;
            }
            if words.iter().skip(1).all(|word| GLOBAL.contains(word)) {
                return None;
            }
            return Some(format!("there is no command `{written}`"));
        };
        let has_children = self.known.keys().any(|k| k.starts_with(&format!("{command} ")));
        let next = words.get(command.split(' ').count()).copied();
        if let Some(next) = next.filter(|word| has_children && is_word(word)) {
            return Some(format!("`{command}` has no `{next}`"));
        }
        let wrong = words.iter().find(|word| {
            let name = word.split('=').next().unwrap_or_default();
            let known = GLOBAL.contains(&name) || options.iter().any(|o| o == name);
            name.starts_with('-') && !known
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
        let list = "tsugi group move GROUP [--reason TEXT]\ntsugi explain [WHAT]\n\
            tsugi up\ntsugi up kill NODE\n";
        let tree = Tree::of([(FILE, list)]);
        Commands::read(&tree).expect("it is there").refuse(written).is_some()
    }

    #[test]
    fn a_command_that_exists_may_be_written_with_values_and_its_options() {
        for written in ["tsugi group move {group}", "tsugi group move PAY --reason=x", "tsugi up"] {
            assert!(!refused(written), "{written}");
        }
        assert!(!refused("tsugi explain pay") && !refused("tsugi --help"));
    }

    #[test]
    fn help_is_looked_for_under_the_words_of_a_command() {
        let tree = Tree::of([(FILE, "tsugi node join NODE [--token-file FILE]\n    Joins.\n")]);
        let keys = Commands::read(&tree).expect("it is there").help_keys();
        for key in ["help", "help_node", "help_node_join", "example_node_join"] {
            assert!(keys.contains(key), "{key} is missing in {keys:?}");
        }
    }

    #[test]
    fn a_command_or_an_option_that_does_not_exist_is_refused() {
        for written in
            ["tsugi group fly PAY", "tsugi fly", "tsugi group move --fast", "tsugi up fly"]
        {
            assert!(refused(written), "{written}");
        }
    }
}
