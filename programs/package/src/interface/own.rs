//! An interface that nobody's source says: its items are written by hand, as a COBOL source would
//! describe them, and read as one. So the same items have the same bytes for every program.

use std::fmt::Write as _;

use toml::Spanned;
use tsugi_record::dialect::Dialect;
use tsugi_record::source::{self, Form};

use super::{Text, Unfit, Why};
use crate::manifest::line_of;

/// The deepest item of a record; COBOL's levels go to 49.
const DEEPEST: usize = 48;

/// What the items say, as it would be read from a source, and the line of each item.
pub(super) fn source(text: &str, read: &Text) -> Result<source::Interface, Unfit> {
    let mut out = "PROGRAM-ID. P.\nDATA DIVISION.\nLINKAGE SECTION.\n".to_owned();
    // What stands on each line of the source that is made, as far as it is an item.
    let mut lines = vec![None; 3];
    let mut using = String::new();
    for parameter in &read.parameters {
        entry(&mut out, text, (1, &parameter.item, &parameter.is))?;
        lines.push(Some(&parameter.item));
        write!(using, " {}", parameter.item.get_ref()).expect("a text takes what is written");
        for field in &parameter.fields {
            let path = field.item.get_ref();
            let depth = path.matches('.').count() + 1;
            if depth > DEEPEST {
                return Err(unread(text, &field.item, "it is too deep"));
            }
            entry(&mut out, text, (depth + 1, &field.item, &field.is))?;
            lines.push(Some(&field.item));
        }
    }
    let using = if using.is_empty() { using } else { format!(" USING{using}") };
    writeln!(out, "PROCEDURE DIVISION{using}.\nGOBACK.").expect("a text takes what is written");
    source::read(&out, Form::Free, Dialect::DEFAULT).map_err(|refused| {
        let at = usize::try_from(refused.at.line).unwrap_or_default();
        let says = format!("{:?}", refused.why);
        match lines.get(at.saturating_sub(1)).copied().flatten() {
            Some(item) => unread(text, item, &says),
            None => Unfit { line: 0, item: None, described: None, why: Why::Unread { says } },
        }
    })
}

/// An item as a line of a source.
fn entry(
    out: &mut String,
    text: &str,
    (level, item, is): (usize, &Spanned<String>, &Spanned<String>),
) -> Result<(), Unfit> {
    let name = item.get_ref().rsplit('.').next().unwrap_or_default();
    let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    // A name that begins another clause, or ends the entry, would be read as that.
    if name.is_empty() || !name.chars().all(part) || name.eq_ignore_ascii_case("FILLER") {
        return Err(unread(text, item, &format!("{name:?} is no name of an item")));
    }
    let clauses = clauses(is.get_ref()).ok_or_else(|| {
        let says = format!("{:?} is not how an item is described", is.get_ref());
        unread(text, is, &says)
    })?;
    writeln!(out, "{level:02} {name}{clauses}.").expect("a text takes what is written");
    Ok(())
}

/// What an item is, in the clauses of a source; none where no clause says it.
fn clauses(is: &str) -> Option<String> {
    let may = |letter: char| letter.is_ascii_alphanumeric() || " ()-_".contains(letter);
    // What is edited is a picture of its own; bytes and digits of binary numbers are a compiler's.
    if is.contains('\'') || !is.chars().all(may) {
        return None;
    }
    let (is, redefines) = match is.split_once(" REDEFINES ") {
        Some((is, target)) => (is, format!(" REDEFINES {target}")),
        None => (is, String::new()),
    };
    let (first, rest) = match is.split_once(' ') {
        Some((first, rest)) => (first, format!(" {rest}")),
        None => (is, String::new()),
    };
    let what = match first {
        "group" => String::new(),
        "COMP-1" | "COMP-2" => format!(" {first}"),
        picture if is_picture(picture) => format!(" PIC {picture}"),
        _ => return None,
    };
    Some(format!("{redefines}{what}{rest}"))
}

/// Text, national text or a number.
fn is_picture(word: &str) -> bool {
    let letters = |letter: char| letter.is_ascii_digit() || "XNSVP()".contains(letter);
    !word.is_empty() && word.chars().all(letters)
}

fn unread(text: &str, item: &Spanned<String>, says: &str) -> Unfit {
    let line = line_of(text, item.span().start);
    let why = Why::Unread { says: says.to_owned() };
    Unfit { line, item: Some(item.get_ref().clone()), described: None, why }
}
