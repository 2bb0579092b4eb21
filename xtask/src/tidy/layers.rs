//! Who may depend on whom: `layers.toml` against the manifests.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::finding::Finding;
use crate::tree::Tree;

const RULE: &str = "layers";
const FILE: &str = "layers.toml";

/// What a room may use.
#[derive(Debug, Default)]
struct Room {
    /// Rooms of ours.
    uses: BTreeSet<String>,
    /// Rooms of ours that its tests may use as well.
    tests: BTreeSet<String>,
    /// The only crates of others it may use, where the list is closed.
    theirs: Option<BTreeSet<String>>,
}

/// Compares each manifest with its room.
pub fn look(tree: &Tree) -> Vec<Finding> {
    let rooms = match rooms(tree) {
        Ok(rooms) => rooms,
        Err(says) => return vec![Finding::of(FILE, RULE, says)],
    };
    let mut out = Vec::new();
    let crates: Vec<_> =
        tree.manifests().filter_map(|(p, m)| name(&m).map(|n| (p, n, m))).collect();
    let ours: BTreeSet<_> = crates.iter().map(|(_, name, _)| name.clone()).collect();
    for (path, name, manifest) in &crates {
        let Some(room) = rooms.get(name) else {
            out.push(Finding::of(FILE, RULE, format!("{name} has no [{name}]")));
            continue;
        };
        for (kind, used) in dependencies(manifest) {
            if let Some(says) = refused(name, room, (&kind, &used), &ours) {
                out.push(Finding::of(path, RULE, says));
            }
        }
    }
    let gone = rooms.keys().filter(|room| !ours.contains(*room));
    out.extend(gone.map(|room| Finding::of(FILE, RULE, format!("[{room}] is no crate"))));
    out
}

fn refused(
    name: &str,
    room: &Room,
    (kind, used): (&str, &str),
    ours: &BTreeSet<String>,
) -> Option<String> {
    let test = kind == "dev-dependencies";
    if ours.contains(used) {
        let may = room.uses.contains(used) || (test && (room.tests.contains(used) || used == name));
        return (!may).then(|| format!("{name} may not use {used} ({kind})"));
    }
    let closed = room.theirs.as_ref().filter(|_| !test)?;
    (!closed.contains(used)).then(|| format!("{name} may use only {closed:?}, not {used}"))
}

fn rooms(tree: &Tree) -> Result<BTreeMap<String, Room>, String> {
    let content = tree.file(FILE).ok_or("is not there")?;
    let table: Table = content.parse().map_err(|e: toml::de::Error| e.message().to_owned())?;
    let list = |value: &Value, key: &str| {
        let names = value.get(key).and_then(Value::as_array)?;
        Some(names.iter().filter_map(Value::as_str).map(str::to_owned).collect::<BTreeSet<_>>())
    };
    let room = |(name, value): (String, Value)| {
        let room = Room {
            uses: list(&value, "uses").unwrap_or_default(),
            tests: list(&value, "tests").unwrap_or_default(),
            theirs: list(&value, "theirs"),
        };
        (name, room)
    };
    Ok(table.into_iter().map(room).collect())
}

/// The name of a manifest's package.
pub fn name(manifest: &Table) -> Option<String> {
    manifest.get("package")?.get("name")?.as_str().map(str::to_owned)
}

/// The direct dependencies of a manifest: kind and name, those for one target included.
pub fn dependencies(manifest: &Table) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut take = |table: &Table| {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let listed = table.get(kind).and_then(Value::as_table);
            let names = listed.into_iter().flat_map(Table::keys);
            out.extend(names.map(|name| (kind.to_owned(), name.clone())));
        }
    };
    take(manifest);
    let targets = manifest.get("target").and_then(Value::as_table);
    for table in targets.into_iter().flat_map(Table::values).filter_map(Value::as_table) {
        take(table);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYERS: &str = "[a]\nuses = []\n[b]\nuses = [\"a\"]\ntheirs = [\"serde\"]\n";

    fn found(b: &str) -> Vec<String> {
        let b = format!("[package]\nname = \"b\"\n{b}");
        let tree = Tree::of([
            (FILE, LAYERS),
            ("a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ("b/Cargo.toml", &b),
        ]);
        look(&tree).into_iter().map(|f| f.says).collect()
    }

    #[test]
    fn an_edge_that_is_listed_is_right() {
        assert!(found("[dependencies]\na.workspace = true\nserde = \"1\"\n").is_empty());
    }

    #[test]
    fn an_edge_against_the_direction_is_found() {
        let tree = Tree::of([
            (FILE, LAYERS),
            ("a/Cargo.toml", "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\n"),
            ("b/Cargo.toml", "[package]\nname = \"b\"\n"),
        ]);
        assert_eq!(look(&tree)[0].says, "a may not use b (dependencies)");
    }

    #[test]
    fn a_crate_outside_a_closed_list_is_found_but_a_test_may_use_it() {
        assert_eq!(found("[dependencies]\ntokio = \"1\"\n").len(), 1);
        assert_eq!(found("[target.'cfg(unix)'.dependencies]\ntokio = \"1\"\n").len(), 1);
        assert!(found("[dev-dependencies]\nproptest = \"1\"\n").is_empty());
    }

    #[test]
    fn a_crate_without_a_room_and_a_room_without_a_crate_are_found() {
        let tree = Tree::of([(FILE, LAYERS), ("c/Cargo.toml", "[package]\nname = \"c\"\n")]);
        let says: Vec<_> = look(&tree).into_iter().map(|f| f.says).collect();
        assert_eq!(says, ["c has no [c]", "[a] is no crate", "[b] is no crate"]);
    }
}
