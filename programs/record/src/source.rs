//! Reads the interface of a program from its source: what a caller hands to it, in which order.

mod clauses;
mod files;
mod lines;
mod program;
mod usage;
pub mod words;

use serde::{Deserialize, Serialize};

use crate::dialect::Dialect;
use crate::field::{Layout, Place};
use crate::refused::{Refused, Why};

pub use files::{Described, Pages};

/// How the lines of a source are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Columns 8 to 72, an indicator in column 7.
    Fixed,
    /// Whole lines; also what the compiler's preprocessor prints, whose `#line` marks are read.
    Free,
}

/// What a program says of itself to its callers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Its PROGRAM-ID, where it has one: as it is written in a source in free form, else in upper
    /// case.
    pub program: Option<String>,
    /// What it is called with, in the order of PROCEDURE DIVISION USING.
    pub parameters: Vec<Layout>,
}

/// The longest source, in bytes, copybooks included.
pub const SOURCE_MAX: usize = 16 << 20;

/// Reads a source. Copybooks must stand in it already: give it what `cobc -E` prints, as
/// [`Form::Free`].
///
/// Of several programs in one source it is the first.
///
/// # Errors
/// The first place that is not understood or not supported, and why.
pub fn read(text: &str, form: Form, dialect: Dialect) -> Result<Interface, Refused> {
    if text.len() > SOURCE_MAX {
        let at = Place { file: String::new(), line: 0 };
        return Err(Refused { at, item: None, why: Why::Long });
    }
    let tokens = words::tokens(&lines::lines(text, form));
    program::Program::new(text, &tokens, dialect).read()
}

/// Every word of a source, in its order; for who looks for more than an interface.
#[must_use]
pub fn words_of(text: &str, form: Form) -> Vec<words::Token> {
    words::tokens(&lines::lines(text, form))
}

/// What a source says of the records of a file, by the name of its SELECT in upper case; none where
/// it has no FD. Of other files nothing has to be understood.
///
/// # Errors
/// The first place of it that is not understood or not supported, and why.
pub fn file(
    words: &[words::Token],
    name: &str,
    dialect: Dialect,
) -> Result<Option<Described>, Refused> {
    files::described(words, name, dialect)
}

/// Where another procedure may be put into a source in free form that was read: its own entries
/// stand behind the first place, its PROCEDURE DIVISION is all from the second on.
pub(crate) fn cut(text: &str) -> Option<(usize, usize)> {
    let tokens = words::tokens(&lines::lines(text, Form::Free));
    program::Program::new(text, &tokens, Dialect::DEFAULT).cut()
}
