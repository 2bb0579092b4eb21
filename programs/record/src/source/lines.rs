//! The lines of a source without what is no text of it: sequence numbers, comments, marks.

use crate::field::Place;

use super::Form;

/// The column of the indicator, counted from nought.
const INDICATOR: usize = 6;
/// Where the text of a fixed line ends.
const TEXT_END: usize = 72;
/// The longest line that another one continues, in bytes.
const CONTINUED_MAX: usize = 16_384;
/// How far a tab goes.
const TAB: usize = 8;

/// A line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it stands.
    pub at: Place,
    /// Its text; a continued line holds the next as well.
    pub text: String,
    /// Where it begins in the source, in bytes. In fixed form that is not where its text does.
    pub from: usize,
}

/// Every line that has text.
pub(super) fn lines(text: &str, form: Form) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    let mut form = form;
    let mut at = Place { file: String::new(), line: 0 };
    let mut next_from = 0;
    for whole in text.split_inclusive('\n') {
        let from = next_from;
        next_from += whole.len();
        let raw = whole.trim_end_matches(['\n', '\r']);
        at.line = at.line.saturating_add(1);
        if let Some(next) = mark(raw) {
            at = next;
            continue;
        }
        if let Some(other) = directive(raw) {
            form = other;
            continue;
        }
        match form {
            Form::Free => out.push(Line { at: at.clone(), text: raw.to_owned(), from }),
            Form::Fixed => fixed(&mut out, raw, (&at, from)),
        }
    }
    out
}

/// `#line 6 "A.cbl"`: the next line is line 6 of that file.
fn mark(raw: &str) -> Option<Place> {
    let rest = raw.trim_start().strip_prefix("#line")?;
    let (number, file) = rest.trim().split_once(' ')?;
    let line = number.parse::<u32>().ok()?.saturating_sub(1);
    Some(Place { file: file.trim().trim_matches('"').to_owned(), line })
}

/// `>>SOURCE FORMAT IS FREE`, `$SET SOURCEFORMAT"FREE"`: how the lines after it are written.
fn directive(raw: &str) -> Option<Form> {
    let upper = raw.trim_start().to_ascii_uppercase();
    let upper = upper.replace(' ', "");
    if !upper.starts_with(">>SOURCE") && !upper.starts_with("$SETSOURCEFORMAT") {
        return None;
    }
    Some(if upper.contains("FREE") { Form::Free } else { Form::Fixed })
}

fn fixed(out: &mut Vec<Line>, raw: &str, (at, from): (&Place, usize)) {
    let letters = without_tabs(raw);
    let indicator = letters.get(INDICATOR).copied().unwrap_or(' ');
    let end = letters.len().min(TEXT_END);
    let text: String = letters.get(INDICATOR + 1..end).unwrap_or_default().iter().collect();
    match indicator {
        '*' | '/' | 'D' | 'd' => {}
        '-' => match out.last_mut().filter(|last| last.text.len() < CONTINUED_MAX) {
            Some(last) => continued(&mut last.text, &text),
            None => out.push(Line { at: at.clone(), text, from }),
        },
        _ => out.push(Line { at: at.clone(), text, from }),
    }
}

fn without_tabs(raw: &str) -> Vec<char> {
    let mut out = Vec::new();
    for letter in raw.chars() {
        if letter == '\t' {
            let next = (out.len() / TAB + 1) * TAB;
            out.resize(next, ' ');
        } else {
            out.push(letter);
        }
    }
    out
}

/// A literal that is open goes on behind the quote of the next line, filled up to its end before;
/// a word goes on where the next line's text begins.
fn continued(line: &mut String, next: &str) {
    let next = next.trim_start();
    match open_quote(line) {
        Some(quote) => {
            let width = TEXT_END - INDICATOR - 1;
            let missing = width.saturating_sub(line.chars().count() % width);
            line.extend(std::iter::repeat_n(' ', missing % width));
            line.push_str(next.strip_prefix(quote).unwrap_or(next));
        }
        None => {
            line.truncate(line.trim_end().len());
            line.push_str(next);
        }
    }
}

fn open_quote(line: &str) -> Option<char> {
    let mut open = None;
    for letter in line.chars() {
        match open {
            Some(quote) if quote == letter => open = None,
            None if letter == '"' || letter == '\'' => open = Some(letter),
            _ => {}
        }
    }
    open
}
