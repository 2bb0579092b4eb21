//! Rules crates decide; they reach no clock, file, socket, thread, process or chance.

use crate::finding::Finding;
use crate::tree::{Tree, is_test};

const RULE: &str = "purity";
/// What may not stand in the code of a rules crate, and what to do instead.
const BANNED: [(&str, &str); 18] = [
    ("SystemTime", "time is an argument"),
    ("Instant", "time is an argument"),
    ("HashMap", "its order is chance; use BTreeMap"),
    ("HashSet", "its order is chance; use BTreeSet"),
    ("RandomState", "chance is an argument"),
    ("rand", "chance is an argument"),
    ("tokio", "rules do not wait"),
    ("async", "rules do not wait"),
    ("await", "rules do not wait"),
    ("fs", "rules do not read or write"),
    ("TcpStream", "rules do not talk"),
    ("TcpListener", "rules do not talk"),
    ("UdpSocket", "rules do not talk"),
    ("ToSocketAddrs", "rules do not talk"),
    ("Command", "rules do not act"),
    ("println", "rules answer with values"),
    ("thread", "rules run where they are called"),
    ("env", "configuration is an argument"),
];
/// Words that are banned only behind this: they are ordinary names otherwise.
const ONLY_BEHIND_STD: [&str; 6] = ["fs", "Command", "thread", "env", "rand", "Instant"];

/// Rooms that are as pure as rules and decide nothing.
const AS_PURE: [&str; 3] = ["programs/files", "programs/frames", "programs/record"];

/// Looks at every rules crate, and at what is as pure.
pub fn look(tree: &Tree) -> Vec<Finding> {
    let mut out = Vec::new();
    for (path, source) in tree.rust().filter(|(path, _)| in_rules(path) && !is_test(path)) {
        for (word, instead) in BANNED {
            for at in source.shipped(word) {
                let before = source.code.get(..at).unwrap_or_default();
                if !ONLY_BEHIND_STD.contains(&word) || before.ends_with("::") {
                    let says = format!("{word}: {instead}");
                    out.push(Finding::at(path, source.line(at), RULE, says));
                }
            }
        }
    }
    for folder in tree.folders().into_iter().filter(|f| is_rules(f)) {
        out.extend(fence(tree, folder));
    }
    out
}

fn is_rules(folder: &str) -> bool {
    let parts: Vec<_> = folder.split('/').collect();
    matches!(parts.as_slice(), ["domains", _, "rules"]) || AS_PURE.contains(&folder)
}

fn in_rules(path: &str) -> bool {
    let inside = |room: &str| path.strip_prefix(room).is_some_and(|rest| rest.starts_with('/'));
    AS_PURE.into_iter().any(inside)
        || path.split_once("/rules/").is_some_and(|(room, _)| is_rules(&format!("{room}/rules")))
}

/// The second fence, in the compiler: a crate's `clippy.toml` with the bans and their reasons.
fn fence(tree: &Tree, folder: &str) -> Vec<Finding> {
    let path = format!("{folder}/clippy.toml");
    let Some(content) = tree.file(&path) else {
        return vec![Finding::of(&path, RULE, "is not there")];
    };
    let table: toml::Table = content.parse().unwrap_or_default();
    let lists = ["disallowed-types", "disallowed-methods"];
    let empty =
        |key: &&str| table.get(*key).and_then(toml::Value::as_array).is_none_or(Vec::is_empty);
    lists
        .into_iter()
        .filter(empty)
        .map(|key| Finding::of(&path, RULE, format!("no {key}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FENCE: &str = "disallowed-types = [\"a\"]\ndisallowed-methods = [\"b\"]\n";

    fn found(code: &str) -> usize {
        let tree = Tree::of([
            ("domains/x/rules/src/lib.rs", code),
            ("domains/x/rules/clippy.toml", FENCE),
        ]);
        look(&tree).len()
    }

    #[test]
    fn clocks_chance_and_effects_are_found() {
        for code in [
            "use std::time::Instant;",
            "fn a() { let t = SystemTime::now(); }",
            "use std::collections::HashMap;",
            "fn a() { std::fs::read(x); }",
            "fn a() { std::thread::sleep(x); }",
            "async fn a() {}",
            "fn a() { std::process::Command::new(x); }",
        ] {
            assert!(found(code) > 0, "not found: {code}");
        }
    }

    #[test]
    fn addresses_comments_tests_and_names_of_ours_are_right() {
        for code in [
            "use std::net::IpAddr;",
            "// no HashMap here\n/// no Instant either\nfn a() {}",
            "#[cfg(test)]\nmod tests { use std::collections::HashMap; }",
            "enum Input { Command }",
        ] {
            assert_eq!(found(code), 0, "found in: {code}");
        }
    }

    #[test]
    fn an_engine_may_use_what_rules_may_not() {
        let tree = Tree::of([("domains/x/engine/src/lib.rs", "use std::time::Instant;")]);
        assert!(look(&tree).is_empty());
    }

    #[test]
    fn a_room_as_pure_as_rules_is_held_to_the_same() {
        let clock = "use std::time::Instant;";
        for room in AS_PURE {
            let path = format!("{room}/src/lib.rs");
            let tree = Tree::of([(path.as_str(), clock)]);
            let paths: Vec<_> = look(&tree).into_iter().map(|found| found.path).collect();
            assert_eq!(paths, [path.clone(), format!("{room}/clippy.toml")]);
            let beside = format!("{room}s/src/lib.rs");
            assert!(look(&Tree::of([(beside.as_str(), clock)])).is_empty());
        }
    }

    #[test]
    fn a_rules_crate_without_its_fence_is_found() {
        let tree = Tree::of([("domains/x/rules/src/lib.rs", "//! x")]);
        assert_eq!(look(&tree)[0].path, "domains/x/rules/clippy.toml");
        let tree = Tree::of([
            ("domains/x/rules/src/lib.rs", "//! x"),
            ("domains/x/rules/clippy.toml", "disallowed-types = [\"a\"]\n"),
        ]);
        assert_eq!(look(&tree)[0].says, "no disallowed-methods");
    }
}
