//! The words of a source.

use crate::field::Place;

use super::lines::Line;

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Where.
    pub at: Place,
    /// What.
    pub what: What,
    /// Where it ends in a source in free form, in bytes.
    pub end: usize,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A name, a reserved word, a number or a bracket, in upper case.
    Word(String),
    /// What stands behind PIC, in upper case.
    Picture(String),
    /// Text in quotes, without them.
    Literal(String),
    /// A period that ends something.
    Period,
    /// Text whose quote does not end in its line.
    Open,
}

impl Token {
    /// The word as the source has it, its case kept. Of a source in fixed form the place is not
    /// known, and it is in upper case.
    #[must_use]
    pub fn written(&self, text: &str) -> Option<String> {
        let word = self.word()?;
        let own = self.end.checked_sub(word.len()).and_then(|from| text.get(from..self.end));
        let own = own.filter(|own| own.eq_ignore_ascii_case(word));
        Some(own.unwrap_or(word).to_owned())
    }

    /// The word, if it is one.
    #[must_use]
    pub fn word(&self) -> Option<&str> {
        match &self.what {
            What::Word(word) => Some(word),
            What::Picture(_) | What::Literal(_) | What::Period | What::Open => None,
        }
    }

    /// As it is shown to whoever wrote it.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.what {
            What::Word(text) | What::Picture(text) | What::Literal(text) => text.clone(),
            What::Period => ".".to_owned(),
            What::Open => "\"".to_owned(),
        }
    }
}

/// All words of all lines.
pub(super) fn tokens(lines: &[Line]) -> Vec<Token> {
    let mut out = Vec::new();
    let mut expects = Expects::Word;
    for line in lines {
        let mut rest = line.text.as_str();
        while let Some((what, after)) = next(rest, expects) {
            expects = match (&what, expects) {
                (What::Word(word), _) if word == "PIC" || word == "PICTURE" => Expects::Picture,
                (What::Word(word), Expects::Picture) if word == "IS" => Expects::Picture,
                _ => Expects::Word,
            };
            let end = line.from + line.text.len() - after.len();
            out.push(Token { at: line.at.clone(), what, end });
            rest = after;
        }
    }
    out
}

/// What the next word is, by the one before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expects {
    Word,
    Picture,
}

fn next(text: &str, expects: Expects) -> Option<(What, &str)> {
    let text = without_separators(text);
    let first = text.chars().next()?;
    if text.starts_with("*>") {
        return None;
    }
    if expects == Expects::Picture && !(first == '.' && ends(&text[1..])) {
        let (written, after) = picture(text);
        let upper = written.to_ascii_uppercase();
        return Some(if upper == "IS" {
            (What::Word(upper), after)
        } else {
            (What::Picture(upper), after)
        });
    }
    match first {
        '.' if ends(&text[1..]) => Some((What::Period, &text[1..])),
        '"' | '\'' => Some(literal(text, first)),
        '(' | ')' => Some((What::Word(first.to_string()), &text[1..])),
        _ => Some(word(text)),
    }
}

/// Spaces, and commas and semicolons that a space follows, say nothing.
fn without_separators(text: &str) -> &str {
    let mut rest = text.trim_start_matches(separates);
    while let Some(after) = rest.strip_prefix([',', ';']).filter(|after| ends(after)) {
        rest = after.trim_start_matches(separates);
    }
    rest
}

fn separates(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{0}'
}

fn ends(rest: &str) -> bool {
    rest.chars().next().is_none_or(separates)
}

/// Up to a space; a period, comma or semicolon before it is not part of it.
fn picture(text: &str) -> (&str, &str) {
    let end = text.find(separates).unwrap_or(text.len());
    let (mut written, _) = text.split_at(end);
    if let Some(without) = written.strip_suffix(['.', ',', ';']).filter(|w| !w.is_empty()) {
        written = without;
    }
    (written, &text[written.len()..])
}

/// Text up to its quote; a quote in it stands twice.
fn literal(text: &str, quote: char) -> (What, &str) {
    let mut value = String::new();
    let mut rest = &text[1..];
    loop {
        let Some(end) = rest.find(quote) else { return (What::Open, "") };
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        if !rest.starts_with(quote) {
            return (What::Literal(value), rest);
        }
        value.push(quote);
        rest = &rest[1..];
    }
}

fn word(text: &str) -> (What, &str) {
    let mut end = text.len();
    for (at, letter) in text.char_indices() {
        let after = &text[at + letter.len_utf8()..];
        let stops = separates(letter)
            || matches!(letter, '(' | ')')
            || (matches!(letter, '.' | ',' | ';') && ends(after));
        if stops {
            end = at;
            break;
        }
        // X"00", N"…": the letters say what kind of text it is.
        if matches!(letter, '"' | '\'') && at > 0 {
            return literal(&text[at..], letter);
        }
    }
    (What::Word(text[..end].to_ascii_uppercase()), &text[end..])
}
