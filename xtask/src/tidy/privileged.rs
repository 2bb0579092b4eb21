//! How much code runs with privileges: the hands with all they call, and the guardian likewise.
//!
//! What counts is followed from use to use, so that a line moved to another file still counts.
//! Lines of code count: no comments, no blank lines, no tests.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::rust::Source;
use crate::tree::Tree;

const RULE: &str = "privileged";
const ROOM: &str = "foundation/host/src/";
/// The agent's end of the socket of the hands is not theirs.
const NOT_HANDS: &str = "foundation/host/src/hands/client.rs";
/// What the whole of it is meant to have (SEC9).
const GOAL: usize = 1500;

/// A process with privileges and what it may grow to. The limits are what was reached, with room
/// for a repair; they are lowered with the code, and raised only with a reason in the change.
struct Process {
    name: &'static str,
    begins: &'static str,
    lines_max: usize,
}

const PROCESSES: [Process; 2] = [
    Process { name: "hands", begins: "hands/", lines_max: 4195 },
    Process { name: "guardian", begins: "guardian/watch.rs", lines_max: 2385 },
];

/// Looks at both processes.
pub fn look(tree: &Tree) -> Vec<Finding> {
    let mut out = Vec::new();
    for process in PROCESSES {
        let (files, lines) = measure(tree, process.begins);
        if lines > process.lines_max {
            let (name, most) = (process.name, process.lines_max);
            let says = format!(
                "{name}: {lines} lines of code in {files} files run with privileges, at most {most}"
            );
            out.push(Finding::of(&format!("{ROOM}{}", process.begins), RULE, says));
        }
    }
    out
}

/// What each process measures, for the summary.
pub fn summary(tree: &Tree) -> String {
    let each = PROCESSES.map(|process| {
        let (files, lines) = measure(tree, process.begins);
        format!("{} {lines} lines in {files} files (most {})", process.name, process.lines_max)
    });
    format!("privileged: {}; meant: {GOAL}", each.join("  "))
}

/// How many files, and lines of code in them, are reached from the files that begin so.
fn measure(tree: &Tree, begins: &str) -> (usize, usize) {
    let start = format!("{ROOM}{begins}");
    let first = tree.rust().map(|(path, _)| path.to_owned());
    let mut open: Vec<String> =
        first.filter(|path| path.starts_with(&start) && path != NOT_HANDS).collect();
    let mut reached = BTreeSet::new();
    let mut lines = 0;
    while let Some(path) = open.pop() {
        let Some((_, source)) = tree.rust().find(|(known, _)| *known == path) else { continue };
        if reached.insert(path.clone()) {
            lines += lines_of_code(source);
            open.extend(used(tree, &path, source));
        }
    }
    (reached.len(), lines)
}

fn lines_of_code(source: &Source) -> usize {
    let texts: BTreeSet<usize> = source.literals.iter().map(|l| source.line(l.at)).collect();
    let mut at = 0;
    let mut count = 0;
    for (index, line) in source.code.split('\n').enumerate() {
        let code = !line.trim().is_empty() || texts.contains(&(index + 1));
        count += usize::from(code && !source.in_test(at));
        at += line.len() + 1;
    }
    count
}

/// The files of the room that a file names by `crate::` or `super::`.
fn used(tree: &Tree, path: &str, source: &Source) -> Vec<String> {
    let own = path.trim_start_matches(ROOM).trim_end_matches(".rs").trim_end_matches("/mod");
    let above = own.rsplit_once('/').map_or("", |(above, _)| above);
    let mut out = Vec::new();
    for (word, base) in [("crate", ""), ("super", above)] {
        for at in source.shipped(word) {
            let rest = source.code.get(at + word.len()..).and_then(|r| r.strip_prefix("::"));
            let Some(rest) = rest else { continue };
            out.extend(branches(rest).iter().filter_map(|names| file_of(tree, base, names)));
        }
    }
    let deeper: Vec<String> = out.iter().flat_map(|path| below(tree, path, source)).collect();
    out.extend(deeper);
    out
}

/// The files below a module that a file names only behind the module's own name.
fn below(tree: &Tree, module: &str, source: &Source) -> Vec<String> {
    let stem = module.trim_end_matches(".rs").trim_end_matches("/mod");
    let name = stem.rsplit_once('/').map_or(stem, |(_, name)| name);
    let child = |path: &str| {
        let rest = path.strip_prefix(stem)?.strip_prefix('/')?.strip_suffix(".rs")?;
        let named = source.code.contains(&format!("{name}::{rest}::"));
        (named && !rest.contains('/')).then(|| path.to_owned())
    };
    tree.rust().filter_map(|(path, _)| child(path)).collect()
}

/// `a::{b, c::d}` as `[a b] [a c d]`; names that no file has do no harm.
fn branches(rest: &str) -> Vec<Vec<String>> {
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (name, behind) = rest.split_at(end);
    if name.is_empty() {
        let Some(close) = rest.starts_with('{').then(|| crate::rust::closing(rest, 0)).flatten()
        else {
            return Vec::new();
        };
        let inside = rest.get(1..close - 1).unwrap_or_default();
        return parts(inside).into_iter().flat_map(|part| branches(part.trim())).collect();
    }
    let below = behind.strip_prefix("::").map(branches).unwrap_or_default();
    if below.is_empty() {
        return vec![vec![name.to_owned()]];
    }
    let with_name = |names: Vec<String>| [vec![name.to_owned()], names].concat();
    below.into_iter().map(with_name).collect()
}

/// Parts a list at its own commas and not at those of a list inside.
fn parts(list: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let comma = move |c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    list.split(comma).collect()
}

/// The deepest file that the names lead to.
fn file_of(tree: &Tree, base: &str, names: &[String]) -> Option<String> {
    (1..=names.len()).rev().find_map(|count| {
        let names = names.get(..count)?.join("/");
        let place = if base.is_empty() { names } else { format!("{base}/{names}") };
        let candidates = [format!("{ROOM}{place}.rs"), format!("{ROOM}{place}/mod.rs")];
        candidates.into_iter().find(|path| tree.file(path).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hands_reach_counts_wherever_it_stands_and_nothing_else() {
        let tree = Tree::of([
            ("foundation/host/src/hands/mod.rs", "//! x\nmod serve;\nuse crate::sys;\n"),
            (
                "foundation/host/src/hands/serve.rs",
                "use crate::{a::{b, c}, d, request::Request};\n\n// why\nfn f() { d::e::g() }\n",
            ),
            ("foundation/host/src/hands/client.rs", "fn agent() {}\nfn end() {}\n"),
            ("foundation/host/src/sys.rs", "fn g() {}\n#[cfg(test)]\nmod tests { fn h() {} }\n"),
            ("foundation/host/src/a/b.rs", "use super::c;\n"),
            ("foundation/host/src/a/c.rs", "const TEXT: &str =\n    \"x\";\n"),
            ("foundation/host/src/request.rs", "struct Request;\n"),
            ("foundation/host/src/d.rs", "pub mod e;\npub mod f;\n"),
            ("foundation/host/src/d/e.rs", "pub fn g() {}\n"),
            ("foundation/host/src/d/f.rs", "pub fn h() {}\n"),
            ("foundation/host/src/link.rs", "struct Link;\n"),
        ]);
        // mod 2, serve 2, sys 1, b 1, c 2, request 1, d 2, e 1 and not f, which nobody names.
        assert_eq!(measure(&tree, "hands/"), (8, 12));
    }

    #[test]
    fn growth_beyond_the_limit_is_found() {
        let of = |lines| "fn a() {}\n".repeat(lines);
        let found =
            |lines| look(&Tree::of([("foundation/host/src/hands/mod.rs", of(lines).as_str())]));
        let most = PROCESSES[0].lines_max;
        assert!(found(most).is_empty());
        assert!(found(most + 1)[0].says.contains(&format!("{} lines of code", most + 1)));
    }
}
