//! Documents name only what exists: files, crates, tests, commands.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::tidy::commands::Commands;
use crate::tidy::layers;
use crate::tree::Tree;

const RULE: &str = "documents";
const ENDINGS: [&str; 7] = [".rs", ".toml", ".md", ".txt", ".json", ".lock", ".cfg"];
/// A name in backticks with so many words is the name of a test.
const TEST_WORDS_MIN: usize = 4;
/// Folders that the house makes and that are in no checkout.
const MADE: [&str; 1] = ["target/"];

/// What there is to name.
struct Known<'a> {
    paths: BTreeSet<&'a str>,
    folders: BTreeSet<&'a str>,
    crates: BTreeSet<String>,
    functions: BTreeSet<String>,
    commands: Option<Commands>,
}

/// Looks at every name in backticks of every document.
pub fn look(tree: &Tree) -> Vec<Finding> {
    let known = Known {
        paths: tree.paths().collect(),
        folders: tree.folders(),
        crates: tree.manifests().filter_map(|(_, m)| layers::name(&m)).collect(),
        functions: functions(tree),
        commands: Commands::read(tree),
    };
    let mut out = Vec::new();
    for (path, content) in tree.ending(".md") {
        for (index, line) in prose(content) {
            for name in names(line) {
                if let Some(says) = known.refuse(name) {
                    out.push(Finding::at(path, index, RULE, says));
                }
            }
        }
    }
    out
}

fn functions(tree: &Tree) -> BTreeSet<String> {
    let own = tree.rust().flat_map(|(_, source)| source.functions()).map(|f| f.name);
    let phrases = tree.ending(".toml").filter(|(p, _)| p.starts_with("foundation/messages/"));
    let keys = phrases.filter_map(|(_, c)| c.parse::<toml::Table>().ok());
    own.chain(keys.flat_map(|table| table.keys().cloned().collect::<Vec<_>>())).collect()
}

/// The lines outside of blocks of code, with their numbers.
fn prose(content: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut block = false;
    content.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            block = !block;
            return None;
        }
        (!block).then_some((index + 1, line))
    })
}

fn names(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).map(str::trim).filter(|name| !name.is_empty())
}

impl Known<'_> {
    fn refuse(&self, name: &str) -> Option<String> {
        if name.starts_with("tsugi ") {
            return self.commands.as_ref()?.refuse(name);
        }
        if let Some(task) = name.strip_prefix("cargo xtask ") {
            let exists = task.split('|').all(|t| ["tidy", "statements"].contains(&t.trim()));
            return (!exists).then(|| format!("there is no `{name}`"));
        }
        if name.contains(' ') {
            return None;
        }
        if name.starts_with("tsugi-") || name.starts_with("tsugi_") {
            let dashed = name.split("::").next().unwrap_or(name).replace('_', "-");
            return (!self.crates.contains(&dashed)).then(|| format!("there is no crate `{name}`"));
        }
        if is_path(name) {
            return (!self.stands(name)).then(|| format!("there is no `{name}`"));
        }
        if is_test_name(name) {
            return (!self.functions.contains(name)).then(|| format!("there is no fn `{name}`"));
        }
        None
    }

    fn stands(&self, name: &str) -> bool {
        let name = name.trim_start_matches("./");
        let name = name.split_once(":").map_or(name, |(path, _)| path).trim_end_matches('/');
        if MADE.iter().any(|made| format!("{name}/").starts_with(made)) {
            return true;
        }
        if let Some((before, behind)) = name.split_once('*') {
            let fits = |path: &&str| path.starts_with(before) && path.ends_with(behind);
            return self.paths.iter().chain(&self.folders).any(fits);
        }
        let ends = format!("/{name}");
        let here = |path: &&str| *path == name || path.ends_with(&ends);
        self.paths.iter().any(here) || self.folders.iter().any(here)
    }
}

/// A path of this tree: no system path, no address, no pattern of a language.
fn is_path(name: &str) -> bool {
    let foreign = name.starts_with(['/', '~', '$', '-', '<', '.'])
        || name.contains("://")
        || name.contains(['<', '{', '(', '=', '"', '|', '[', '…', '@']);
    let like_a_file = ENDINGS.iter().any(|end| name.ends_with(end));
    let like_a_folder = name.contains('/')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-*".contains(c))
        && !name.chars().all(|c| c.is_ascii_digit() || "/.".contains(c));
    !foreign && (like_a_file || like_a_folder) || name.starts_with("./")
}

fn is_test_name(name: &str) -> bool {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    plain && name.split('_').filter(|word| !word.is_empty()).count() >= TEST_WORDS_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let tree = Tree::of([
            ("docs/a.md", text),
            ("docs/commands.txt", "tsugi status\n"),
            ("a/Cargo.toml", "[package]\nname = \"tsugi-a\"\n"),
            ("a/src/lib.rs", "fn cl_01_one_owner_only() {}"),
        ]);
        look(&tree).into_iter().map(|f| f.says).collect()
    }

    #[test]
    fn names_that_exist_are_right() {
        let text = "`a/src/lib.rs` `lib.rs` `a/` `a/src/*.rs` `tsugi-a` `tsugi_a::x` \
            `cl_01_one_owner_only` `tsugi status` `cargo xtask tidy` `/etc/hosts` `SIGKILL` \
            `10.0.0.1/24` `next = 1` `https://a.example/b.md`";
        assert_eq!(found(text), Vec::<String>::new());
    }

    #[test]
    fn a_file_a_crate_a_test_or_a_command_that_does_not_exist_is_found() {
        for text in [
            "`a/src/gone.rs`",
            "`gone.toml`",
            "`gone/`",
            "`a/src/*.txt`",
            "`tsugi-gone`",
            "`cl_02_one_owner_is_gone`",
            "`tsugi fly`",
            "`cargo xtask fly`",
        ] {
            assert_eq!(found(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn blocks_of_code_are_not_looked_at() {
        assert!(found("```\n`gone.toml`\n```\n").is_empty());
    }
}
