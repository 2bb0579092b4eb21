//! Limits of size, so that a reader holds the whole.

use crate::finding::Finding;
use crate::tree::Tree;

const RULE: &str = "size";
const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const PARAMETERS_MAX: usize = 5;
const LINE_COLUMNS_MAX: usize = 100;
const STORY_LINES_MAX: usize = 120;

/// Looks at files, functions, parameters, lines and stories.
pub fn look(tree: &Tree) -> Vec<Finding> {
    let mut out = Vec::new();
    for (path, source) in tree.rust() {
        let lines = source.whole.lines().count();
        if lines > FILE_LINES_MAX {
            let says = format!("{lines} lines, at most {FILE_LINES_MAX}: part it by nouns");
            out.push(Finding::of(path, RULE, says));
        }
        for (index, line) in source.whole.lines().enumerate() {
            let columns = line.chars().count();
            if columns > LINE_COLUMNS_MAX {
                let says = format!("{columns} columns, at most {LINE_COLUMNS_MAX}");
                out.push(Finding::at(path, index + 1, RULE, says));
            }
        }
        for function in source.functions() {
            let (line, name) = (source.line(function.at), &function.name);
            if function.lines > FUNCTION_LINES_MAX {
                let says =
                    format!("fn {name} has {} lines, at most {FUNCTION_LINES_MAX}", function.lines);
                out.push(Finding::at(path, line, RULE, says));
            }
            if function.parameters > PARAMETERS_MAX {
                let says = format!(
                    "fn {name} has {} parameters, at most {PARAMETERS_MAX}: give them a type",
                    function.parameters
                );
                out.push(Finding::at(path, line, RULE, says));
            }
        }
    }
    for (path, content) in tree.ending(".txt").filter(|(path, _)| path.starts_with("stories/")) {
        let lines = content.lines().count();
        if lines > STORY_LINES_MAX {
            let says = format!("{lines} lines, at most {STORY_LINES_MAX}: tell less at once");
            out.push(Finding::of(path, RULE, says));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, content: &str) -> Vec<String> {
        look(&Tree::of([(path, content)])).into_iter().map(|f| f.says).collect()
    }

    #[test]
    fn a_long_file_function_line_and_list_of_parameters_are_found() {
        assert!(found("a.rs", &"\n".repeat(601))[0].starts_with("601 lines"));
        let long = format!("fn a() {{{}}}", "\n".repeat(70));
        assert!(found("a.rs", &long)[0].starts_with("fn a has 71 lines"));
        assert!(found("a.rs", &"x".repeat(101))[0].starts_with("101 columns"));
        let many = "fn a(&self, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8) {}";
        assert!(found("a.rs", many)[0].starts_with("fn a has 6 parameters"));
    }

    #[test]
    fn what_just_fits_is_right() {
        assert!(found("a.rs", &"\n".repeat(600)).is_empty());
        let full = format!("fn a() {{{}}}", "\n".repeat(69));
        assert!(found("a.rs", &full).is_empty());
        assert!(found("a.rs", &"語".repeat(100)).is_empty());
        assert!(found("a.rs", "fn a(&self, b: u8, c: u8, d: u8, e: u8, f: u8) {}").is_empty());
    }

    #[test]
    fn a_long_story_is_found_and_a_long_other_text_is_not() {
        assert_eq!(found("stories/a.txt", &"x\n".repeat(121)).len(), 1);
        assert!(found("docs/a.txt", &"x\n".repeat(121)).is_empty());
    }
}
