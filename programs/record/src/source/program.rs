//! A program: its constants, its LINKAGE SECTION, and what PROCEDURE DIVISION says of parameters.

use std::collections::BTreeMap;

use crate::dialect::Dialect;
use crate::entry::Entry;
use crate::field::{Layout, Place};
use crate::layout::lay_out;
use crate::parameters::PARAMETERS_MAX;
use crate::refused::{Expected, Refused, Why};

use super::Interface;
use super::clauses::Clauses;
use super::words::{Token, What};

/// The words of a program.
pub(super) struct Program<'a> {
    text: &'a str,
    tokens: &'a [Token],
    dialect: Dialect,
}

/// Whole numbers that the source has given names (level 78, CONSTANT).
pub(super) type Constants = BTreeMap<String, u32>;

impl<'a> Program<'a> {
    /// Of a source and all words of it.
    pub fn new(text: &'a str, tokens: &'a [Token], dialect: Dialect) -> Self {
        Self { text, tokens, dialect }
    }

    /// Where a source in free form is cut so that a program of its own comes in between: behind
    /// the period of LINKAGE SECTION, and before PROCEDURE DIVISION.
    pub fn cut(&self) -> Option<(usize, usize)> {
        let procedure = self.find(0, &["PROCEDURE", "DIVISION"])?;
        let linkage = self.find(0, &["LINKAGE", "SECTION"]).filter(|at| *at < procedure)?;
        let period = self.tokens.get(linkage + 2).filter(|token| token.what == What::Period)?;
        let word = self.tokens.get(procedure)?;
        Some((period.end, word.end - word.shown().len()))
    }

    /// Reads what callers have to know.
    pub fn read(&self) -> Result<Interface, Refused> {
        let Some(procedure) = self.find(0, &["PROCEDURE", "DIVISION"]) else {
            let at = self.tokens.last().map_or_else(nowhere, |token| token.at.clone());
            return Err(Refused { at, item: None, why: Why::NoProcedure });
        };
        let data = &self.tokens[..procedure];
        let constants = constants(data);
        let linkage = self.find(0, &["LINKAGE", "SECTION"]).filter(|at| *at < procedure);
        let entries = match linkage {
            Some(at) => entries(&data[at + 2..], &constants)?,
            None => Vec::new(),
        };
        let header = &self.tokens[procedure + 2..];
        let mut parameters = Vec::new();
        for token in using(header)? {
            parameters.push(self.parameter(&entries, &token)?);
        }
        Ok(Interface { program: self.program_id(), parameters })
    }

    fn find(&self, from: usize, words: &[&str]) -> Option<usize> {
        find(self.tokens, from, words)
    }

    fn program_id(&self) -> Option<String> {
        let at = self.find(0, &["PROGRAM-ID"])?;
        let name = self.tokens[at + 1..].iter().find(|token| token.what != What::Period)?;
        match &name.what {
            // Its case counts where it is called.
            What::Word(_) => name.written(self.text),
            What::Literal(text) => Some(text.clone()),
            What::Picture(_) | What::Period | What::Open => None,
        }
    }

    fn parameter(&self, entries: &[Entry], token: &Token) -> Result<Layout, Refused> {
        let name = token.shown();
        let is = |entry: &Entry| {
            matches!(entry.level, 1 | 77) && entry.name.as_deref() == Some(name.as_str())
        };
        let Some(first) = entries.iter().position(is) else {
            let why = Why::NoSuchParameter { name };
            return Err(Refused { at: token.at.clone(), item: None, why });
        };
        let below = entries[first + 1..].iter().take_while(|entry| !matches!(entry.level, 1 | 77));
        lay_out(&entries[first..=first + below.count()], self.dialect)
    }
}

/// Where these words stand, one behind the other.
pub(super) fn find(tokens: &[Token], from: usize, words: &[&str]) -> Option<usize> {
    let found = tokens[from..].windows(words.len()).position(|window| {
        window.iter().zip(words).all(|(token, word)| token.word() == Some(*word))
    });
    found.map(|at| from + at)
}

fn nowhere() -> Place {
    Place { file: String::new(), line: 0 }
}

/// Level 78 and `01 … CONSTANT AS …` with a whole number, wherever they stand.
pub(super) fn constants(data: &[Token]) -> Constants {
    let mut out = Constants::new();
    for window in data.split(|token| token.what == What::Period) {
        let words: Vec<&str> = window.iter().filter_map(Token::word).collect();
        let named = match words.as_slice() {
            ["78", name, "VALUE", "IS", value] | ["78", name, "VALUE", value] => {
                Some((*name, *value))
            }
            // No sum and no LENGTH OF: a number is all that may stand there.
            ["01" | "1", name, "CONSTANT", rest @ ..] => {
                let noise = |word: &&&str| matches!(**word, "IS" | "GLOBAL" | "AS");
                match &rest[rest.iter().take_while(noise).count()..] {
                    [value] => Some((*name, *value)),
                    _ => None,
                }
            }
            _ => None,
        };
        if let Some((name, value)) = named
            && let Ok(value) = value.parse()
        {
            out.insert(name.to_owned(), value);
        }
    }
    out
}

/// The entries of the LINKAGE SECTION: up to the next section or division.
fn entries(tokens: &[Token], constants: &Constants) -> Result<Vec<Entry>, Refused> {
    let section = tokens.windows(2).position(|two| {
        matches!(two[1].word(), Some("SECTION" | "DIVISION")) && two[0].word().is_some()
    });
    let tokens = &tokens[..section.unwrap_or(tokens.len())];
    let mut out: Vec<Entry> = Vec::new();
    let parts = tokens.split(|token| token.what == What::Period);
    for part in parts.filter(|part| !part.is_empty()) {
        entry(&mut out, part, constants)?;
    }
    let closed = tokens.last().is_none_or(|token| token.what == What::Period);
    if !closed && let Some(last) = tokens.last() {
        let what = Expected::Period;
        let why = Why::Expected { what, found: last.shown() };
        return Err(Refused { at: last.at.clone(), item: None, why });
    }
    Ok(out)
}

/// Reads an entry, behind those before it.
pub(super) fn entry(
    out: &mut Vec<Entry>,
    part: &[Token],
    constants: &Constants,
) -> Result<(), Refused> {
    let Some((first, rest)) = part.split_first() else { return Ok(()) };
    let level = first.word().and_then(|word| word.parse::<u8>().ok());
    let level = level.filter(|level| matches!(level, 1..=49 | 66 | 77 | 78 | 88));
    let Some(level) = level else {
        let why = Why::Expected { what: Expected::Level, found: first.shown() };
        return Err(Refused { at: first.at.clone(), item: None, why });
    };
    let (name, rest) = name(rest);
    let constant = rest.first().and_then(Token::word) == Some("CONSTANT");
    let clauses = Clauses::new(rest, first.at.clone(), name.clone(), constants);
    match level {
        // Other names for bytes that have names already, and numbers that have none.
        66 | 78 => {}
        1 if constant => {}
        88 => {
            let condition = clauses.condition()?;
            match out.last_mut() {
                Some(last) => last.conditions.push(condition),
                None => {
                    let why = Why::Level { level };
                    return Err(Refused { at: first.at.clone(), item: name, why });
                }
            }
        }
        level => {
            let mut entry = Entry::new(level, name, first.at.clone());
            clauses.read(&mut entry)?;
            out.push(entry);
        }
    }
    Ok(())
}

/// The name behind a level; FILLER is none, and it may be left out.
fn name(rest: &[Token]) -> (Option<String>, &[Token]) {
    let Some((first, others)) = rest.split_first() else { return (None, rest) };
    match first.word() {
        Some("FILLER") => (None, others),
        Some(word) if is_name(word) => (Some(word.to_owned()), others),
        _ => (None, rest),
    }
}

/// Whether a word is no word of a clause.
fn is_name(word: &str) -> bool {
    const CLAUSES: [&str; 15] = [
        "PIC",
        "PICTURE",
        "USAGE",
        "OCCURS",
        "REDEFINES",
        "VALUE",
        "SIGN",
        "SYNC",
        "SYNCHRONIZED",
        "JUST",
        "JUSTIFIED",
        "BLANK",
        "IS",
        "EXTERNAL",
        "GLOBAL",
    ];
    !CLAUSES.contains(&word) && matches!(super::usage::meaning(word), super::usage::Meaning::None)
}

/// The names behind USING.
fn using(header: &[Token]) -> Result<Vec<Token>, Refused> {
    let mut out: Vec<Token> = Vec::new();
    let mut rest = header.iter().take_while(|token| token.what != What::Period);
    let Some(first) = rest.next() else { return Ok(out) };
    let refuse = |token: &Token, why| Err(Refused { at: token.at.clone(), item: None, why });
    if first.word() != Some("USING") {
        return refuse(first, Why::Clause { word: first.shown() });
    }
    for token in rest {
        match token.word() {
            Some("BY" | "REFERENCE") => {}
            Some("VALUE" | "CONTENT" | "OPTIONAL" | "SIZE" | "UNSIGNED") => {
                return refuse(token, Why::ByValue { word: token.shown() });
            }
            Some("RETURNING" | "GIVING" | "CHAINING") => {
                return refuse(token, Why::Clause { word: token.shown() });
            }
            Some(word) if out.iter().any(|other| other.word() == Some(word)) => {
                return refuse(token, Why::SameParameter { name: token.shown() });
            }
            Some(_) if out.len() == PARAMETERS_MAX => return refuse(token, Why::Many),
            Some(_) => out.push(token.clone()),
            None => {
                let why = Why::Expected { what: Expected::Name, found: token.shown() };
                return refuse(token, why);
            }
        }
    }
    Ok(out)
}
