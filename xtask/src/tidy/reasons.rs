//! Each direct dependency stands in `deny.toml` with its reason.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::tidy::layers;
use crate::tree::Tree;

const RULE: &str = "reasons";
const FILE: &str = "deny.toml";
const LOCK: &str = "Cargo.lock";
/// `# why serde: …`: a comment, because cargo-deny refuses tables it does not know.
const MARK: &str = "# why ";

/// Compares the manifests with the reasons.
pub fn look(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file(FILE) else {
        return vec![Finding::of(FILE, RULE, "is not there")];
    };
    let manifests: Vec<_> = tree.manifests().collect();
    let ours: BTreeSet<_> = manifests.iter().filter_map(|(_, m)| layers::name(m)).collect();
    let mut reasons = BTreeSet::new();
    let mut out = Vec::new();
    for (index, line) in file.lines().enumerate() {
        let Some((name, reason)) = line.strip_prefix(MARK).and_then(|l| l.split_once(':')) else {
            continue;
        };
        if reason.trim().len() < 10 {
            out.push(Finding::at(FILE, index + 1, RULE, format!("{name} has no reason")));
        }
        reasons.insert(name.to_owned());
    }
    let mut used = BTreeSet::new();
    for (path, manifest) in &manifests {
        for (_, name) in layers::dependencies(manifest) {
            if !ours.contains(&name) && !reasons.contains(&name) {
                let says = format!("{name} has no line `{MARK}{name}: …` in {FILE}");
                out.push(Finding::of(path, RULE, says));
            }
            used.insert(name);
        }
    }
    for gone in reasons.difference(&used) {
        out.push(Finding::of(FILE, RULE, format!("{gone} has a reason and no user")));
    }
    out.extend(banned(tree, file));
    out
}

/// What `deny.toml` bans does not come in by way of another crate either.
fn banned(tree: &Tree, file: &str) -> Vec<Finding> {
    let table: toml::Table = match file.parse() {
        Ok(table) => table,
        Err(error) => return vec![Finding::of(FILE, RULE, error.to_string())],
    };
    let listed = table.get("bans").and_then(|b| b.get("deny")).and_then(toml::Value::as_array);
    let names = listed.into_iter().flatten().filter_map(|b| b.get("crate")?.as_str());
    let lock = tree.file(LOCK).unwrap_or_default();
    let locked = |name: &&str| lock.lines().any(|line| line == format!("name = \"{name}\""));
    names.filter(locked).map(|name| Finding::of(LOCK, RULE, format!("{name} is banned"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(deny: &str) -> Vec<String> {
        let manifest = "[package]\nname = \"a\"\n[dependencies]\nserde.workspace = true\n";
        let tree = Tree::of([(FILE, deny), ("a/Cargo.toml", manifest)]);
        look(&tree).into_iter().map(|f| f.says).collect()
    }

    #[test]
    fn a_dependency_with_its_reason_is_right() {
        assert!(found("# why serde: records are typed once\n").is_empty());
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        assert_eq!(found("").len(), 1);
        assert!(found("# why serde: x\n")[0].contains("has no reason"));
    }

    #[test]
    fn a_reason_for_nothing_is_found() {
        let both = "# why serde: records are typed once\n# why rand: nobody uses it any more\n";
        assert_eq!(found(both), ["rand has a reason and no user"]);
    }

    #[test]
    fn a_banned_crate_in_the_lock_file_is_found() {
        let deny = "[bans]\ndeny = [{ crate = \"openssl-sys\" }]\n";
        for (name, count) in [("openssl-sys", 1), ("openssl", 0)] {
            let lock = format!("[[package]]\nname = \"{name}\"\n");
            let tree = Tree::of([(FILE, deny), (LOCK, &lock)]);
            assert_eq!(look(&tree).len(), count, "{name}");
        }
    }
}
