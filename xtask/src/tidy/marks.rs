//! Marks that each file has, and marks that none has.

use crate::finding::Finding;
use crate::rust::Source;
use crate::tree::{Tree, is_test};

const RULE: &str = "marks";
/// Where `unsafe` may stand.
const UNSAFE_ROOMS: [&str; 4] =
    ["foundation/host/", "programs/cobol/", "programs/program/", "programs/worker/"];
/// How far above `unsafe` its reason stands.
const SAFETY_LINES: usize = 6;

/// Looks at every file of Rust.
pub fn look(tree: &Tree) -> Vec<Finding> {
    let mut out = Vec::new();
    for (path, source) in tree.rust() {
        if !source.whole.trim_start_matches("#!/usr/bin/env").trim_start().starts_with("//!") {
            out.push(Finding::at(path, 1, RULE, "no //! sentence: say what the file is for"));
        }
        out.extend(unfinished(path, source));
        out.extend(allowances(path, source));
        out.extend(unsafe_code(path, source));
    }
    out
}

fn unfinished(path: &str, source: &Source) -> Vec<Finding> {
    let find = |at: usize, says: &str| Finding::at(path, source.line(at), RULE, says);
    let mut out = Vec::new();
    for word in ["todo", "unimplemented", "dbg"] {
        let called = |at: &usize| {
            source.code.get(at + word.len()..).is_some_and(|rest| rest.starts_with('!'))
        };
        out.extend(source.words(word).filter(called).map(|at| find(at, "unfinished")));
    }
    for word in ["TODO", "FIXME", "XXX"] {
        let comment = |at: &usize| {
            source.code.as_bytes().get(*at) == Some(&b' ')
                && !source.literals.iter().any(|l| l.at < *at && *at <= l.at + l.value.len())
        };
        let found = crate::rust::words(&source.whole, word).filter(comment);
        out.extend(found.map(|at| find(at, "write it down where it is decided, not here")));
    }
    if !is_test(path) {
        for at in source.shipped("unwrap") {
            let call = source.code.get(..at).is_some_and(|before| before.ends_with('.'));
            if call && source.code.get(at + 6..).is_some_and(|rest| rest.starts_with("()")) {
                out.push(find(at, "expect(\"why it cannot fail\"), or an error"));
            }
        }
    }
    out
}

fn allowances(path: &str, source: &Source) -> Vec<Finding> {
    let mut out = Vec::new();
    for open in ["#[allow(", "#![allow("] {
        for (at, _) in source.code.match_indices(open) {
            let says = "expect with a reason, not allow: it says when it is no longer needed";
            out.push(Finding::at(path, source.line(at), RULE, says));
        }
    }
    out
}

fn unsafe_code(path: &str, source: &Source) -> Vec<Finding> {
    let allowed = UNSAFE_ROOMS.iter().any(|room| path.starts_with(room));
    let lines: Vec<_> = source.whole.lines().collect();
    let mut out = Vec::new();
    for at in source.words("unsafe") {
        let line = source.line(at);
        if !allowed {
            let says = format!("unsafe only in {UNSAFE_ROOMS:?}");
            out.push(Finding::at(path, line, RULE, says));
            continue;
        }
        let above = lines.iter().take(line).rev().take(SAFETY_LINES);
        if !above.into_iter().any(|l| l.contains("SAFETY") || l.contains("# Safety")) {
            out.push(Finding::at(path, line, RULE, "unsafe without a SAFETY comment above"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, code: &str) -> Vec<String> {
        look(&Tree::of([(path, code)])).into_iter().map(|f| f.says).collect()
    }

    #[test]
    fn a_file_without_its_sentence_is_found() {
        assert_eq!(found("a.rs", "fn a() {}").len(), 1);
        assert!(found("a.rs", "//! What it is for.\nfn a() {}").is_empty());
    }

    #[test]
    fn unfinished_code_is_found() {
        for code in [
            "fn a() { todo!() }",
            "fn a() { unimplemented!() }",
            "fn a() { dbg!(1); }",
            "// TODO later",
            "fn a() { b().unwrap(); }",
            "#[allow(dead_code)]\nfn a() {}",
        ] {
            assert_eq!(found("a.rs", &format!("//! x\n{code}")).len(), 1, "{code}");
        }
    }

    #[test]
    fn words_in_texts_and_unwrap_in_tests_are_right() {
        for code in [
            "const A: &str = \"todo!() TODO\";",
            "#[cfg(test)]\nmod tests { fn a() { b().unwrap(); } }",
            "fn a() { b().unwrap_or(1); }",
        ] {
            assert!(found("a.rs", &format!("//! x\n{code}")).is_empty(), "{code}");
        }
    }

    #[test]
    fn unsafe_outside_its_room_or_without_its_reason_is_found() {
        let bare = "//! x\nfn a() { unsafe { b() } }";
        let said = "//! x\n// SAFETY: b is.\nfn a() { unsafe { b() } }";
        assert_eq!(found("domains/a.rs", said).len(), 1);
        assert_eq!(found("foundation/host/src/a.rs", bare).len(), 1);
        assert!(found("foundation/host/src/a.rs", said).is_empty());
        assert_eq!(found("programs/program/src/a.rs", bare).len(), 1);
        assert!(found("programs/program/src/a.rs", said).is_empty());
        assert_eq!(found("programs/frames/src/a.rs", said).len(), 1);
    }
}
