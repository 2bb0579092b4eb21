//! The records of a file, as FILE SECTION says.

use crate::dialect::Dialect;
use crate::entry::Entry;
use crate::field::{Field, Kind, Layout, Occurs, Place};
use crate::layout::lay_out;
use crate::refused::Refused;

use super::program::{Constants, constants, entry, find};
use super::words::{Token, What};

/// What FD says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Where.
    pub at: Place,
    /// Bytes of its shortest record, as the compiler has it; that of a file of lines is none, which
    /// SELECT says.
    pub shortest: u32,
    /// Bytes of its longest record.
    pub longest: u32,
    /// Its records; all begin at its first byte.
    pub records: Vec<Layout>,
    /// Whether its lines are counted on pages.
    pub pages: Pages,
}

/// Whether FD says LINAGE: the compiler makes such a file one of lines, whatever SELECT says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// It does.
    Counted,
    /// It does not.
    Uncounted,
}

impl Described {
    /// Where an item of its records begins, and how many bytes it has; `of` are the groups that it
    /// is said to be in, the nearest first. An item of a table has no one place.
    #[must_use]
    pub fn item(&self, name: &str, of: &[String]) -> Option<(u32, u32)> {
        self.records.iter().find_map(|record| item(&record.root, (name, of), &mut Vec::new()))
    }
}

fn item<'a>(
    field: &'a Field,
    (name, of): (&str, &[String]),
    around: &mut Vec<&'a str>,
) -> Option<(u32, u32)> {
    if field.occurs != Occurs::Once {
        return None;
    }
    let mut groups = around.iter().rev();
    if field.name.as_deref() == Some(name) && of.iter().all(|one| groups.any(|group| group == one))
    {
        return Some((field.offset, field.bytes));
    }
    let Kind::Group(inner) = &field.kind else { return None };
    around.extend(field.name.as_deref());
    let found = inner.iter().find_map(|inner| item(inner, (name, of), around));
    if field.name.is_some() {
        around.pop();
    }
    found
}

/// What RECORD says of lengths.
#[derive(Clone, Copy, Default)]
struct Said {
    shortest: Option<u32>,
    longest: Option<u32>,
}

/// What the words of a program say of the records of a file that it has selected by this name.
pub(super) fn described(
    tokens: &[Token],
    name: &str,
    dialect: Dialect,
) -> Result<Option<Described>, Refused> {
    let end = find(tokens, 0, &["PROCEDURE", "DIVISION"]).unwrap_or(tokens.len());
    let data = &tokens[..end];
    let Some(section) = find(data, 0, &["FILE", "SECTION"]) else { return Ok(None) };
    let constants = constants(data);
    let section = &data[section + 2..];
    let next = section.windows(2).position(|two| two[1].word() == Some("SECTION"));
    let section = &section[..next.unwrap_or(section.len())];
    let (mut said, mut entries) = (None, Vec::new());
    for part in section.split(|token| token.what == What::Period) {
        let Some(first) = part.first() else { continue };
        let begins = matches!(first.word(), Some("FD" | "SD"));
        if begins && said.is_some() {
            break;
        }
        if begins {
            let own = first.word() == Some("FD") && part.get(1).and_then(Token::word) == Some(name);
            let said_of = || (first.at.clone(), lengths(&part[2..], &constants), pages(&part[2..]));
            said = own.then(said_of);
        } else if said.is_some() {
            entry(&mut entries, part, &constants)?;
        }
    }
    let Some((at, said, pages)) = said else { return Ok(None) };
    let records = records(&entries, dialect)?;
    let own = records.iter().map(|record| bytes_least(&record.root)).min();
    let longest = records.iter().map(Layout::bytes).max();
    Ok(Some(Described {
        at,
        shortest: said.shortest.or(own).unwrap_or(0),
        longest: longest.max(said.longest).unwrap_or(0),
        records,
        pages,
    }))
}

fn pages(clauses: &[Token]) -> Pages {
    let counted = clauses.iter().any(|token| token.word() == Some("LINAGE"));
    if counted { Pages::Counted } else { Pages::Uncounted }
}

fn records(entries: &[Entry], dialect: Dialect) -> Result<Vec<Layout>, Refused> {
    let begins = |entry: &Entry| matches!(entry.level, 1 | 77);
    entries.chunk_by(|_, next| !begins(next)).map(|record| lay_out(record, dialect)).collect()
}

/// RECORD CONTAINS 80, RECORD CONTAINS 5 TO 80, RECORD IS VARYING IN SIZE FROM 5 TO 80. The first
/// says nothing of the shortest.
fn lengths(clauses: &[Token], constants: &Constants) -> Said {
    let word = |at: usize| clauses.get(at).and_then(Token::word);
    let number = |at: usize| {
        let word = word(at)?;
        word.parse().ok().or_else(|| constants.get(word).copied())
    };
    for at in 0..clauses.len() {
        let other = at.checked_sub(1).is_some_and(|at| matches!(word(at), Some("DATA" | "LABEL")));
        if word(at) != Some("RECORD") || other {
            continue;
        }
        let (mut next, mut varies) = (at + 1, false);
        while let Some("IS" | "CONTAINS" | "VARYING" | "IN" | "SIZE" | "FROM") = word(next) {
            varies |= word(next) == Some("VARYING");
            next += 1;
        }
        let first = number(next);
        next += usize::from(first.is_some());
        let last = number(next + 1).filter(|_| word(next) == Some("TO"));
        match (first, last) {
            (first, None) if varies => return Said { shortest: first, longest: None },
            (Some(_), None) => return Said { shortest: None, longest: first },
            (_, Some(_)) => return Said { shortest: first, longest: last },
            (None, None) => {}
        }
    }
    Said::default()
}

/// Bytes of a record whose first table of several lengths has the fewest occurrences, and nothing
/// behind it.
fn bytes_least(root: &Field) -> u32 {
    depending(root).map_or(root.all_bytes(), |least| least.min(root.all_bytes()))
}

/// Where the first table of several lengths ends at the earliest.
fn depending(field: &Field) -> Option<u32> {
    if let Occurs::Depending { least, .. } = field.occurs {
        return Some(field.offset + field.bytes * least);
    }
    let Kind::Group(fields) = &field.kind else { return None };
    fields.iter().find_map(depending)
}
