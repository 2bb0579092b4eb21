//! What a person reads stands in the catalogue and nowhere else.

use crate::finding::Finding;
use crate::rust::{Source, closing};
use crate::tree::{Tree, is_test};

const RULE: &str = "texts";
/// Rooms that speak with people.
const SPEAKING: [&str; 2] = ["faces/", "domains/"];
/// Calls whose first text is read by a person.
const CALLS: [&str; 11] = [
    "println!(",
    "eprintln!(",
    "print!(",
    "eprint!(",
    "write!(",
    "writeln!(",
    ".about(",
    ".long_about(",
    ".help(",
    ".long_help(",
    ".after_help(",
];
/// Attributes of the command line that a person reads.
const ATTRIBUTES: [&str; 5] = ["about", "long_about", "help", "long_help", "after_help"];

/// Looks at what faces and engines print, and for Japanese anywhere.
pub fn look(tree: &Tree) -> Vec<Finding> {
    let mut out = Vec::new();
    for (path, source) in tree.rust().filter(|(path, _)| !is_test(path)) {
        if path.starts_with("xtask/") || path.starts_with("foundation/messages/") {
            continue;
        }
        if speaks(path) {
            out.extend(printed(path, source));
            out.extend(described(path, source));
        }
        for literal in source.literals.iter().filter(|l| !source.in_test(l.at)) {
            if literal.value.chars().any(is_japanese) {
                let says = format!("\"{}\" belongs into the catalogue", literal.value);
                out.push(Finding::at(path, source.line(literal.at), RULE, says));
            }
        }
    }
    out
}

fn speaks(path: &str) -> bool {
    SPEAKING.iter().any(|room| path.starts_with(room)) && !path.contains("/rules/")
}

fn printed(path: &str, source: &Source) -> Vec<Finding> {
    let mut out = Vec::new();
    for call in CALLS {
        for (at, _) in source.code.match_indices(call) {
            let before = source.code.get(..at).and_then(|t| t.chars().next_back());
            let whole = call.starts_with('.') || !before.is_some_and(char::is_alphanumeric);
            let end = closing(&source.code, at + call.len() - 1).unwrap_or(at);
            let text = source.literals.iter().find(|l| l.at > at && l.at < end);
            let Some(text) = text.filter(|_| whole && !source.in_test(at)) else { continue };
            if has_words(&text.value) {
                let says = format!("\"{}\" belongs into the catalogue", text.value);
                out.push(Finding::at(path, source.line(text.at), RULE, says));
            }
        }
    }
    out
}

fn described(path: &str, source: &Source) -> Vec<Finding> {
    let mut out = Vec::new();
    for literal in source.literals.iter().filter(|l| !source.in_test(l.at)) {
        let before = source.code.get(..literal.at).unwrap_or_default().trim_end();
        let Some(before) = before.strip_suffix('=').map(str::trim_end) else { continue };
        let name = before.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next();
        let attribute = before.rfind("#[").is_some_and(|at| closing(before, at + 1).is_none());
        if attribute && name.is_some_and(|n| ATTRIBUTES.contains(&n)) && has_words(&literal.value) {
            let says = format!("\"{}\" belongs into the catalogue", literal.value);
            out.push(Finding::at(path, source.line(literal.at), RULE, says));
        }
    }
    out
}

/// Whether two words of two letters or more stand in it, variables left out.
fn has_words(text: &str) -> bool {
    let mut plain = String::new();
    let mut depth = 0_u32;
    for letter in text.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            letter if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    let plain = plain.replace("\\n", " ");
    let is_word = |word: &&str| {
        let word = word.trim_matches(|c: char| c.is_ascii_punctuation());
        word.len() >= 2 && word.chars().all(char::is_alphabetic)
    };
    plain.split(' ').filter(is_word).count() >= 2
}

fn is_japanese(letter: char) -> bool {
    ('\u{3040}'..='\u{30ff}').contains(&letter) || ('\u{4e00}'..='\u{9fff}').contains(&letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, code: &str) -> usize {
        look(&Tree::of([(path, code)])).len()
    }

    #[test]
    fn a_sentence_that_a_face_or_an_engine_prints_is_found() {
        for code in [
            "fn a() { println!(\"node {n} is down\"); }",
            "fn a() { writeln!(out, \"the group moved\"); }",
            "#[command(about = \"moves a group\")]\nstruct A;",
            "fn a() { c.help(\"moves a group\"); }",
            "const A: &str = \"止まりました\";",
        ] {
            assert_eq!(found("faces/tsugi/src/a.rs", code), 1, "{code}");
            assert_eq!(found("domains/x/engine/src/a.rs", code), 1, "{code}");
        }
    }

    #[test]
    fn values_names_tests_and_other_rooms_are_right() {
        for code in [
            "fn a() { println!(\"{} {}\", message.line(l), x); }",
            "fn a() { println!(\"calls {n}  lost {m}\"); }",
            "#[cfg(test)]\nmod tests { fn a() { println!(\"a long story\"); } }",
            "fn a() { b.expect(\"it was made a line above\"); }",
        ] {
            let expected = usize::from(code.contains("calls"));
            assert_eq!(found("faces/tsugi/src/a.rs", code), expected, "{code}");
        }
        assert_eq!(found("rehearsal/lab/src/a.rs", "fn a() { println!(\"one two\"); }"), 0);
    }
}
