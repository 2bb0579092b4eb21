//! Just enough reading of Rust: what is code, what is a comment, what is a text, what is a test.

mod function;
mod lexer;

use std::ops::Range;

pub use function::Function;
pub use lexer::Literal;

/// A file of Rust, taken apart.
#[derive(Debug)]
pub struct Source {
    /// The file as it is.
    pub whole: String,
    /// The code alone: comments and texts are blanks, so that places stay what they were.
    pub code: String,
    /// The texts, in the order they stand.
    pub literals: Vec<Literal>,
    tests: Vec<Range<usize>>,
}

impl Source {
    /// Takes a file apart.
    pub fn read(whole: &str) -> Self {
        let (code, literals) = lexer::read(whole);
        let tests = tests(&code);
        Self { whole: whole.to_owned(), code, literals, tests }
    }

    /// The line of a place, counted from 1.
    pub fn line(&self, at: usize) -> usize {
        line(&self.whole, at)
    }

    /// Whether a place is inside `#[cfg(test)]`.
    pub fn in_test(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// The functions, in the order they stand.
    pub fn functions(&self) -> Vec<Function> {
        function::all(&self.code)
    }

    /// Where a word stands in the code, as a whole word.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        words(&self.code, word)
    }

    /// Where a word stands in the code outside of tests.
    pub fn shipped<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.words(word).filter(|at| !self.in_test(*at))
    }
}

/// The line of a place, counted from 1.
pub fn line(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1
}

/// Where a word stands in a text, as a whole word.
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text.get(..*at).and_then(|t| t.chars().next_back());
        let behind = text.get(at + word.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(part) && !behind.is_some_and(part)
    })
}

/// The place behind the bracket that closes the one at `open`.
pub fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn tests(code: &str) -> Vec<Range<usize>> {
    let marks = code.match_indices("#[cfg(").filter(|(at, _)| {
        let Some(end) = closing(code, at + 1) else { return false };
        let inside = code.get(*at..end).unwrap_or_default();
        words(inside, "test").next().is_some() && !inside.contains("not(")
    });
    let item = |(at, _): (usize, &str)| {
        let behind = closing(code, at + 1)?;
        let rest = code.get(behind..)?;
        let open = behind + rest.find('{')?;
        let simple = rest.find(';').map(|found| behind + found);
        match simple {
            Some(end) if end < open => Some(at..end + 1),
            Some(_) | None => Some(at..closing(code, open)?),
        }
    };
    marks.filter_map(item).collect()
}

#[cfg(test)]
mod tests_of_sources {
    use super::*;

    #[test]
    fn a_word_is_found_in_code_and_neither_in_comments_nor_in_texts() {
        let source = Source::read("// rand\nlet a = \"rand\"; /* rand */ rand(); brand();");
        let found: Vec<_> = source.words("rand").map(|at| source.line(at)).collect();
        assert_eq!(found, [2]);
    }

    #[test]
    fn what_stands_under_cfg_test_is_a_test_and_what_follows_is_not() {
        let source = Source::read(
            "#[cfg(test)]\nuse x;\nfn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}",
        );
        let names: Vec<_> = source
            .functions()
            .into_iter()
            .filter(|f| !source.in_test(f.at))
            .map(|f| f.name)
            .collect();
        assert_eq!(names, ["a", "c"]);
    }
}
