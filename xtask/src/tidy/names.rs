//! Names that say nothing: warehouses and doers.

use crate::finding::Finding;
use crate::tree::Tree;

const RULE: &str = "names";
/// Files, folders and modules that everything ends up in.
const WAREHOUSES: [&str; 9] =
    ["utils", "util", "common", "commons", "helpers", "helper", "misc", "stuff", "shared"];
/// Endings that name a doer and not what it holds or decides.
const DOERS: [&str; 7] = ["Manager", "Handler", "Helper", "Processor", "Util", "Utils", "Impl"];

/// Looks at paths, modules and types.
pub fn look(tree: &Tree) -> Vec<Finding> {
    let mut out = Vec::new();
    for path in tree.paths() {
        let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
        if let Some(part) = stem.split('/').find(|part| WAREHOUSES.contains(part)) {
            let says = format!("\"{part}\" is a warehouse: name the place by what it holds");
            out.push(Finding::of(path, RULE, says));
        }
    }
    for (path, source) in tree.rust() {
        for (keyword, name, at) in defined(&source.code) {
            let line = source.line(at);
            if keyword == "mod" && WAREHOUSES.contains(&name) {
                let says = format!("mod {name} is a warehouse: name it by what it holds");
                out.push(Finding::at(path, line, RULE, says));
            }
            let doer = DOERS.iter().find(|end| name.ends_with(*end));
            if let Some(end) = doer.filter(|_| keyword != "mod") {
                let says = format!("{name}: not \"{end}\"; name it by what it holds or decides");
                out.push(Finding::at(path, line, RULE, says));
            }
        }
    }
    out
}

fn defined(code: &str) -> Vec<(&'static str, &str, usize)> {
    let mut out = Vec::new();
    for keyword in ["struct", "enum", "trait", "type", "mod"] {
        for at in crate::rust::words(code, keyword) {
            let rest = code.get(at + keyword.len()..).unwrap_or_default().trim_start();
            let long = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
            let name = rest.get(..long.unwrap_or(rest.len())).unwrap_or_default();
            out.push((keyword, name, at));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warehouses_are_found_as_files_folders_and_modules() {
        let tree = Tree::of([
            ("a/src/utils.rs", ""),
            ("a/src/common/x.rs", ""),
            ("a/src/lib.rs", "mod helpers { }"),
        ]);
        assert_eq!(look(&tree).len(), 3);
    }

    #[test]
    fn doers_are_found_and_a_word_in_a_comment_is_not() {
        let tree = Tree::of([(
            "a/src/lib.rs",
            "// LeaseManager\nstruct LeaseManager;\ntrait EventHandler {}\nstruct Roster;",
        )]);
        let lines: Vec<_> = look(&tree).iter().map(|f| f.line).collect();
        assert_eq!(lines, [2, 3]);
    }
}
