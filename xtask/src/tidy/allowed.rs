//! Exceptions: each names its place, its rule and its reason, and goes when it is not needed.

use toml::{Table, Value};

use crate::finding::Finding;
use crate::tree::Tree;

const RULE: &str = "allowed";
const FILE: &str = "xtask/allowed.toml";

/// One exception.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exception {
    path: String,
    rule: String,
    contains: String,
}

/// Every exception.
#[derive(Debug, Default)]
pub struct Allowed {
    exceptions: Vec<Exception>,
}

/// Reads the exceptions; a file that is not there has none.
pub fn read(tree: &Tree) -> Allowed {
    let table: Table = tree.file(FILE).and_then(|c| c.parse().ok()).unwrap_or_default();
    let listed = table.get("exception").and_then(Value::as_array).cloned().unwrap_or_default();
    let exceptions = listed.iter().filter_map(exception).collect();
    Allowed { exceptions }
}

fn exception(value: &Value) -> Option<Exception> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Exception {
        path: text("path")?,
        rule: text("rule")?,
        contains: text("contains").unwrap_or_default(),
    })
}

/// The file itself: each exception is complete and has a reason.
pub fn look(tree: &Tree) -> Vec<Finding> {
    let Some(content) = tree.file(FILE) else { return Vec::new() };
    let wrong = |says: String| Finding::of(FILE, RULE, says);
    let table: Table = match content.parse() {
        Ok(table) => table,
        Err(error) => return vec![wrong(error.to_string())],
    };
    let listed = table.get("exception").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut out = Vec::new();
    for (index, value) in listed.iter().enumerate() {
        let reason = value.get("reason").and_then(Value::as_str).unwrap_or_default();
        if exception(value).is_none() || reason.len() < 10 {
            out.push(wrong(format!("exception {}: path, rule and a reason", index + 1)));
        }
    }
    out
}

impl Allowed {
    /// The findings without those excused, and how many were; an exception for nothing is one.
    pub fn sift(&self, findings: Vec<Finding>) -> (Vec<Finding>, usize) {
        let mut used = vec![false; self.exceptions.len()];
        let mut left = Vec::new();
        let mut excused = 0;
        for finding in findings {
            match self.exceptions.iter().position(|e| e.excuses(&finding)) {
                Some(at) => {
                    used[at] = true;
                    excused += 1;
                }
                None => left.push(finding),
            }
        }
        for (exception, used) in self.exceptions.iter().zip(used) {
            if !used {
                let says = format!("{} ({}) needs no exception", exception.path, exception.rule);
                left.push(Finding::of(FILE, RULE, says));
            }
        }
        (left, excused)
    }
}

impl Exception {
    fn excuses(&self, finding: &Finding) -> bool {
        let here = match self.path.strip_suffix('*') {
            Some(folder) => finding.path.starts_with(folder),
            None => finding.path == self.path,
        };
        here && self.rule == finding.rule && finding.says.contains(&self.contains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "[[exception]]\npath = \"a.rs\"\nrule = \"size\"\ncontains = \"601\"
reason = \"a table that is one table\"\n";

    fn sifted(findings: Vec<Finding>) -> (usize, usize) {
        let allowed = read(&Tree::of([(FILE, ONE)]));
        let (left, excused) = allowed.sift(findings);
        (left.len(), excused)
    }

    #[test]
    fn an_exception_excuses_its_place_and_no_other() {
        assert_eq!(sifted(vec![Finding::of("a.rs", "size", "601 lines")]), (0, 1));
        let other = vec![
            Finding::of("a.rs", "size", "601 lines"),
            Finding::of("b.rs", "size", "601 lines"),
            Finding::of("a.rs", "names", "601"),
        ];
        assert_eq!(sifted(other), (2, 1));
    }

    #[test]
    fn an_exception_for_nothing_is_found() {
        assert_eq!(sifted(Vec::new()), (1, 0));
    }

    #[test]
    fn an_exception_without_a_reason_is_found() {
        let bare = ONE.replace("reason = \"a table that is one table\"", "");
        assert_eq!(look(&Tree::of([(FILE, &bare)])).len(), 1);
        assert!(look(&Tree::of([(FILE, ONE)])).is_empty());
    }
}
