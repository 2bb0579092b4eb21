//! The register of statements against the tests that carry their numbers.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::rust::Source;
use crate::tree::Tree;

const REGISTER: &str = "docs/statements.toml";
const RULE: &str = "statements";
/// Where situations are rehearsed on real processes.
const LAB: &str = "rehearsal/lab/src/";
/// How many statements each part has.
const PARTS: [(&str, usize); 11] = [
    ("CL", 44),
    ("PH", 20),
    ("CM", 13),
    ("NI", 12),
    ("HU", 32),
    ("ZN", 37),
    ("WM", 23),
    ("BL", 33),
    ("EE", 28),
    ("OB", 36),
    ("MF", 22),
];

/// A statement as the register writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    says: String,
    covered: bool,
}

/// Every statement.
#[derive(Debug)]
pub struct Register {
    statements: BTreeMap<String, Statement>,
}

/// Number → the tests that show it, as `path fn name`.
pub type Shown = BTreeMap<String, Vec<String>>;

impl Register {
    /// Reads the register and refuses one with a number missing or too many.
    pub fn read(tree: &Tree) -> Result<Self, Finding> {
        let wrong = |says: String| Finding::of(REGISTER, RULE, says);
        let content = tree.file(REGISTER).ok_or_else(|| wrong("is not there".to_owned()))?;
        let table: toml::Table =
            content.parse().map_err(|e: toml::de::Error| wrong(e.message().to_owned()))?;
        let mut statements = BTreeMap::new();
        for (number, value) in table {
            let says = value.get("says").and_then(toml::Value::as_str).unwrap_or_default();
            let covered = match value.get("state").and_then(toml::Value::as_str) {
                Some("open") => false,
                Some("covered") => true,
                other => return Err(wrong(format!("{number}: state {other:?} is neither"))),
            };
            if says.is_empty() {
                return Err(wrong(format!("{number} says nothing")));
            }
            statements.insert(number, Statement { says: says.to_owned(), covered });
        }
        let register = Self { statements };
        match register.missing_or_unknown() {
            None => Ok(register),
            Some(number) => Err(wrong(format!("{number} is missing or is no number"))),
        }
    }

    fn missing_or_unknown(&self) -> Option<String> {
        let all = PARTS
            .into_iter()
            .flat_map(|(part, count)| (1..=count).map(move |number| format!("{part}-{number:02}")));
        let mut rest = self.statements.clone();
        for number in all {
            if rest.remove(&number).is_none() {
                return Some(number);
            }
        }
        rest.into_keys().next()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// How many are covered and shown.
    pub fn covered(&self, shown: &Shown) -> usize {
        self.statements.iter().filter(|(n, s)| s.covered && shown.contains_key(*n)).count()
    }

    /// What the register says of a number against what the tests show.
    pub fn compare(&self, shown: &Shown) -> Vec<Finding> {
        let mut out = Vec::new();
        for (number, statement) in &self.statements {
            match (statement.covered, shown.get(number)) {
                (true, None) => {
                    let says = format!("{number} is called covered, but no test carries it");
                    out.push(Finding::of(REGISTER, RULE, says));
                }
                (false, Some(tests)) => {
                    let says = format!("{number} is called open, but {} shows it", tests[0]);
                    out.push(Finding::of(REGISTER, RULE, says));
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
        for (number, tests) in shown {
            if !self.statements.contains_key(number) {
                let says = format!("{} carries {number}, which does not exist", tests[0]);
                out.push(Finding::of(REGISTER, RULE, says));
            }
        }
        out
    }

    /// What is printed: each covered statement and its tests, and how many of each part.
    pub fn lines(&self, shown: &Shown) -> Vec<String> {
        let mut out = Vec::new();
        for (number, statement) in self.statements.iter().filter(|(n, _)| shown.contains_key(*n)) {
            out.push(format!("{number}  {}", statement.says));
            out.extend(shown[number].iter().map(|test| format!("       {test}")));
        }
        for (part, count) in PARTS {
            let of_part = |n: &&String| n.split('-').next() == Some(part);
            let done = self.statements.keys().filter(of_part).filter(|n| shown.contains_key(*n));
            out.push(format!("{part}  {} of {count}", done.count()));
        }
        out
    }
}

/// Every test, story and rehearsal of the tree that carries a number.
pub fn shown(tree: &Tree) -> Shown {
    let mut out = Shown::new();
    for (path, source) in tree.rust().filter(|(path, _)| !path.starts_with("xtask/")) {
        for function in source.functions().iter().filter(|f| is_test(source, f.at)) {
            for number in carried(&function.name) {
                out.entry(number).or_default().push(format!("{path} fn {}", function.name));
            }
        }
    }
    for (path, source) in tree.rust().filter(|(path, _)| path.starts_with(LAB)) {
        for (number, of) in rehearsed(&source.whole) {
            out.entry(number).or_default().push(format!("{path} {of} (lab)"));
        }
    }
    for (path, content) in tree.ending(".txt").filter(|(path, _)| path.starts_with("stories/")) {
        let lines = content
            .lines()
            .filter_map(|l| l.trim_start_matches(['#', ' ']).strip_prefix("statement:"));
        for number in lines.flat_map(|l| l.split([',', ' '])).filter(|n| !n.is_empty()) {
            out.entry(number.to_owned()).or_default().push(format!("{path} (story)"));
        }
    }
    out
}

/// What the lab rehearses on real processes: `// statement: CL-01` above the name of a situation.
fn rehearsed(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let said = lines.windows(2).filter_map(|two| {
        let numbers = two[0].strip_prefix("// statement:")?;
        Some((numbers, two[1].trim_end_matches([',', '{', ' '])))
    });
    said.flat_map(|(numbers, of)| {
        let each = numbers.split([',', ' ']).filter(|n| !n.is_empty());
        each.map(move |number| (number.to_owned(), of.to_owned()))
    })
    .collect()
}

/// Whether an attribute above makes the function a test: `#[test]`, `#[tokio::test]` and their kin.
fn is_test(source: &Source, at: usize) -> bool {
    let above = source.code.get(..at).unwrap_or_default();
    let since = above.rfind(['}', ';']).map_or(0, |end| end + 1);
    let attributes = above.get(since..).unwrap_or_default();
    attributes.split("#[").skip(1).any(|attribute| {
        let name = attribute.split([']', '(']).next().unwrap_or_default();
        name == "test" || name.ends_with("::test")
    })
}

/// The numbers at the beginning of a test's name: `cl_22_mf_01_…` carries CL-22 and MF-01.
fn carried(name: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = name;
    while let Some((part, behind)) = rest.split_once('_') {
        let part = part.to_ascii_uppercase();
        let known = PARTS.iter().any(|(name, _)| *name == part);
        let (number, tail) = behind.split_once('_').unwrap_or((behind, ""));
        if !known || number.len() != 2 || !number.chars().all(|c| c.is_ascii_digit()) {
            break;
        }
        out.push(format!("{part}-{number}"));
        rest = tail;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(covered: &[&str]) -> String {
        let all = PARTS.iter().flat_map(|(part, count)| {
            (1..=*count).map(move |number| format!("{part}-{number:02}"))
        });
        all.map(|number| {
            let state = if covered.contains(&number.as_str()) { "covered" } else { "open" };
            format!("{number} = {{ state = \"{state}\", says = \"x\" }}\n")
        })
        .collect()
    }

    fn compared(covered: &[&str], test: &str) -> Vec<String> {
        let register = register(covered);
        let tree = Tree::of([(REGISTER, &register), ("a/src/lib.rs", test)]);
        let register = Register::read(&tree).expect("complete");
        register.compare(&shown(&tree)).into_iter().map(|f| f.says).collect()
    }

    #[test]
    fn a_covered_statement_with_its_test_is_right() {
        assert!(compared(&["CL-22"], "#[test]\nfn cl_22_nothing_moves_back() {}").is_empty());
        assert!(compared(&["CL-22"], "#[tokio::test]\nasync fn cl_22_nothing() {}").is_empty());
    }

    #[test]
    fn a_covered_statement_without_a_test_is_found() {
        assert!(compared(&["CL-22"], "")[0].contains("no test carries it"));
        let only_a_function = compared(&["CL-22"], "fn cl_22_nothing_moves_back() {}");
        assert!(only_a_function[0].contains("no test carries it"));
    }

    #[test]
    fn an_open_statement_with_a_test_is_found() {
        let found = compared(&[], "#[test]\nfn cl_22_ph_02_nothing_moves_back() {}");
        assert_eq!(found.len(), 2, "one for each number: {found:?}");
    }

    #[test]
    fn a_number_that_does_not_exist_is_found() {
        assert!(compared(&[], "#[test]\nfn cl_45_more() {}")[0].contains("does not exist"));
    }

    #[test]
    fn a_story_may_carry_a_number() {
        let register = register(&["CL-01"]);
        let story = "# statement: CL-01\nstart\n";
        let tree = Tree::of([(REGISTER, &register), ("stories/one.txt", story)]);
        let register = Register::read(&tree).expect("complete");
        assert!(register.compare(&shown(&tree)).is_empty());
        assert_eq!(register.covered(&shown(&tree)), 1);
    }

    #[test]
    fn a_situation_of_the_lab_may_carry_numbers() {
        let register = register(&["CL-01", "MF-09"]);
        let lab = "enum Pattern {\n    /// Lost.\n    // statement: CL-01, MF-09\n    Power,\n}\n";
        let tree = Tree::of([(REGISTER, &register), ("rehearsal/lab/src/pattern.rs", lab)]);
        let shown = shown(&tree);
        assert!(Register::read(&tree).expect("complete").compare(&shown).is_empty());
        assert_eq!(shown["CL-01"], ["rehearsal/lab/src/pattern.rs Power (lab)"]);
        let elsewhere = Tree::of([(REGISTER, &register), ("a/src/lib.rs", lab)]);
        assert!(super::shown(&elsewhere).is_empty(), "only where it is rehearsed");
    }

    #[test]
    fn a_register_with_a_number_missing_is_refused() {
        let short = register(&[]).replace("OB-36", "OB-37");
        let tree = Tree::of([(REGISTER, &short)]);
        assert!(Register::read(&tree).is_err());
    }

    #[test]
    fn the_register_of_the_house_has_three_hundred() {
        let tree = Tree::read(&crate::tree::root()).expect("the root can be read");
        assert_eq!(Register::read(&tree).expect("complete").len(), 300);
    }
}
