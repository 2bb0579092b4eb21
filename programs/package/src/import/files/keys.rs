//! RECORD KEY of a SELECT, and where its items are in the file's records.

use tsugi_record::source::Described;
use tsugi_record::source::words::{Token, What};

use super::is_clause;
use crate::manifest::{Duplicates, Key, Piece};

/// A key as it is written.
pub(super) struct Said {
    name: String,
    duplicates: Duplicates,
    suppressed: Suppressed,
    /// The items that it is made of, each with the groups that it is said to be in.
    items: Vec<(String, Vec<String>)>,
}

/// SUPPRESS WHEN.
enum Suppressed {
    None,
    Byte(u8),
    /// What is no one byte.
    Other(String),
}

impl Said {
    /// Where it is.
    pub(super) fn placed(&self, file: &Described) -> Result<Key, String> {
        let piece = |(name, of): &(String, Vec<String>)| {
            let (offset, length) = file.item(name, of).ok_or_else(|| name.clone())?;
            Ok(Piece { offset, length })
        };
        let suppressed = match &self.suppressed {
            Suppressed::None => None,
            Suppressed::Byte(byte) => Some(*byte),
            Suppressed::Other(text) => return Err(format!("SUPPRESS WHEN {text}")),
        };
        let parts = self.items.iter().map(piece).collect::<Result<_, String>>()?;
        let (name, duplicates) = (self.name.clone(), self.duplicates);
        Ok(Key { name, duplicates, suppressed, parts })
    }
}

/// The primary key, then the alternate ones.
pub(super) fn said(entry: &[Token]) -> Vec<Said> {
    let word = |at: usize| entry.get(at).and_then(Token::word);
    let (mut primary, mut alternate) = (Vec::new(), Vec::new());
    for at in 0..entry.len() {
        if word(at) != Some("RECORD") {
            continue;
        }
        let mut next = at + 1;
        let mut keyed = false;
        while let Some("KEY" | "IS") = word(next) {
            keyed |= word(next) == Some("KEY");
            next += 1;
        }
        if !keyed || word(next).is_none_or(is_clause) {
            continue;
        }
        let before = at.checked_sub(1).and_then(word);
        let keys = if before == Some("ALTERNATE") { &mut alternate } else { &mut primary };
        keys.extend(Reading { entry, at: next }.key());
    }
    primary.extend(alternate);
    primary
}

/// The words of a key, from its name on.
struct Reading<'a> {
    entry: &'a [Token],
    at: usize,
}

impl Reading<'_> {
    fn word(&self) -> Option<&str> {
        self.entry.get(self.at).and_then(Token::word)
    }

    /// Goes behind a word, if it stands there.
    fn takes(&mut self, words: &[&str]) -> bool {
        let is = self.word().is_some_and(|word| words.contains(&word));
        self.at += usize::from(is);
        is
    }

    fn key(mut self) -> Option<Said> {
        let first = self.item()?;
        let name = first.0.clone();
        let mut items = vec![first];
        if self.takes(&["=", "SOURCE"]) {
            self.takes(&["IS"]);
            items.clear();
            while let Some(item) = self.item() {
                items.push(item);
            }
        }
        let (mut duplicates, mut suppressed) = (Duplicates::Refused, Suppressed::None);
        loop {
            self.takes(&["WITH"]);
            if self.takes(&["NO"]) {
                self.takes(&["DUPLICATES"]);
            } else if self.takes(&["DUPLICATES"]) {
                duplicates = Duplicates::Allowed;
            } else if self.takes(&["SUPPRESS"]) {
                while self.takes(&["WHEN", "ALL"]) {}
                suppressed = self.suppressed();
            } else {
                return Some(Said { name, duplicates, suppressed, items });
            }
        }
    }

    /// A name, with OF and IN.
    fn item(&mut self) -> Option<(String, Vec<String>)> {
        const BEHIND: [&str; 5] = ["WITH", "NO", "DUPLICATES", "SUPPRESS", "="];
        let name = self.word().filter(|word| !is_clause(word) && !BEHIND.contains(word))?;
        let (name, mut of) = (name.to_owned(), Vec::new());
        self.at += 1;
        while self.takes(&["OF", "IN"]) {
            of.extend(self.word().map(str::to_owned));
            self.at += 1;
        }
        Some((name, of))
    }

    fn suppressed(&mut self) -> Suppressed {
        let Some(token) = self.entry.get(self.at) else { return Suppressed::None };
        self.at += 1;
        let byte = match &token.what {
            What::Literal(text) if text.len() == 1 => text.bytes().next(),
            What::Word(word) => match word.as_str() {
                "SPACE" | "SPACES" => Some(b' '),
                "ZERO" | "ZEROS" | "ZEROES" => Some(b'0'),
                "LOW-VALUE" | "LOW-VALUES" => Some(0),
                "HIGH-VALUE" | "HIGH-VALUES" => Some(u8::MAX),
                "QUOTE" | "QUOTES" => Some(b'"'),
                _ => None,
            },
            _ => None,
        };
        byte.map_or_else(|| Suppressed::Other(token.shown()), Suppressed::Byte)
    }
}
