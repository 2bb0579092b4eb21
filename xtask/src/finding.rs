//! What a check found, and where.

use std::fmt;

/// One thing that is not as the house wants it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the root of the tree.
    pub path: String,
    /// The line, counted from 1; 0 where it is about the whole file.
    pub line: usize,
    /// The name of the rule, as `allowed.toml` writes it.
    pub rule: &'static str,
    /// What is wrong, and what to do instead.
    pub says: String,
}

impl Finding {
    /// About one line.
    pub fn at(path: &str, line: usize, rule: &'static str, says: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, says: says.into() }
    }

    /// About a whole file.
    pub fn of(path: &str, rule: &'static str, says: impl Into<String>) -> Self {
        Self::at(path, 0, rule, says)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, says } = self;
        match line {
            0 => write!(f, "{path}: {rule}: {says}"),
            line => write!(f, "{path}:{line}: {rule}: {says}"),
        }
    }
}
