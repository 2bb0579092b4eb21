//! The clauses of one data description entry.

use std::collections::BTreeMap;

use crate::dialect::Sign;
use crate::entry::{Alignment, Entry, Repeats, Usage};
use crate::field::{Condition, Justified, Place, SignAt, Zero};
use crate::refused::{Expected, Refused, Why};

use super::usage::{Meaning, meaning};
use super::words::{Token, What};

/// Words that begin a clause: a list of names ends before them.
const BEGINS: [&str; 22] = [
    "REDEFINES",
    "PIC",
    "PICTURE",
    "USAGE",
    "SIGN",
    "LEADING",
    "TRAILING",
    "OCCURS",
    "SYNC",
    "SYNCHRONIZED",
    "JUST",
    "JUSTIFIED",
    "BLANK",
    "VALUE",
    "VALUES",
    "IS",
    "EXTERNAL",
    "GLOBAL",
    "ASCENDING",
    "DESCENDING",
    "INDEXED",
    "DEPENDING",
];

/// The words of one entry, behind its name.
pub(super) struct Clauses<'a> {
    tokens: &'a [Token],
    next: usize,
    /// Where the entry begins, and what it is called.
    at: Place,
    item: Option<String>,
    constants: &'a BTreeMap<String, u32>,
}

impl<'a> Clauses<'a> {
    /// The words up to the period of an entry.
    pub fn new(
        tokens: &'a [Token],
        at: Place,
        item: Option<String>,
        constants: &'a BTreeMap<String, u32>,
    ) -> Self {
        Self { tokens, next: 0, at, item, constants }
    }

    /// Reads all clauses into an entry.
    pub fn read(mut self, entry: &mut Entry) -> Result<(), Refused> {
        while let Some(token) = self.take() {
            match token.word().map(str::to_owned) {
                Some(word) => self.clause(&word, entry)?,
                None if token.what == What::Open => return Err(self.refuse(Why::Unfinished)),
                None => return Err(self.refuse(Why::Unknown { word: token.shown() })),
            }
        }
        Ok(())
    }

    fn clause(&mut self, word: &str, entry: &mut Entry) -> Result<(), Refused> {
        match word {
            "REDEFINES" => entry.redefines = Some(self.name()?),
            "PIC" | "PICTURE" => entry.picture = Some(self.picture()?),
            "USAGE" => {
                self.skip("IS");
                let word = self.expect_word(Expected::Usage)?;
                entry.usage = Some(self.usage(&word)?);
            }
            "SIGN" => {
                self.skip("IS");
                let word = self.expect_word(Expected::SignPlace)?;
                entry.sign = Some(self.sign(&word)?);
            }
            "LEADING" | "TRAILING" => entry.sign = Some(self.sign(word)?),
            "OCCURS" => entry.occurs = Some(self.occurs()?),
            "SYNC" | "SYNCHRONIZED" => {
                let _side = self.skip("LEFT") || self.skip("RIGHT");
                entry.alignment = Alignment::Synchronized;
            }
            "JUST" | "JUSTIFIED" => {
                self.skip("RIGHT");
                entry.justified = Justified::Right;
            }
            "BLANK" => {
                self.skip("WHEN");
                match self.expect_word(Expected::Value)?.as_str() {
                    "ZERO" | "ZEROS" | "ZEROES" => entry.zero = Zero::Spaces,
                    other => return Err(self.expected(Expected::Value, other.to_owned())),
                }
            }
            "VALUE" | "VALUES" => {
                self.skip("IS");
                self.skip("ALL");
                self.value()?;
            }
            "IS" | "GLOBAL" => {}
            "EXTERNAL" | "ANY" | "BASED" | "TYPEDEF" | "TYPE" | "SAME" | "GROUP-USAGE"
            | "CONSTANT" | "LIKE" | "PROPERTY" | "SELECT" => {
                return Err(self.refuse(Why::Clause { word: word.to_owned() }));
            }
            word => entry.usage = Some(self.usage(word)?),
        }
        Ok(())
    }

    fn usage(&mut self, word: &str) -> Result<Usage, Refused> {
        match meaning(word) {
            Meaning::Is(usage) => Ok(usage),
            Meaning::Whole(bytes) => {
                let unsigned = self.skip("UNSIGNED");
                if !unsigned {
                    self.skip("SIGNED");
                }
                let sign = if unsigned { Sign::Unsigned } else { Sign::Signed };
                Ok(Usage::Whole { bytes, sign })
            }
            Meaning::Refused => Err(self.refuse(Why::Usage { word: word.to_owned() })),
            Meaning::None => Err(self.refuse(Why::Unknown { word: word.to_owned() })),
        }
    }

    fn sign(&mut self, word: &str) -> Result<SignAt, Refused> {
        let leading = match word {
            "LEADING" => true,
            "TRAILING" => false,
            other => return Err(self.expected(Expected::SignPlace, other.to_owned())),
        };
        let separate = self.skip("SEPARATE");
        if separate {
            self.skip("CHARACTER");
        }
        Ok(match (leading, separate) {
            (true, true) => SignAt::LeadingSeparate,
            (true, false) => SignAt::Leading,
            (false, true) => SignAt::TrailingSeparate,
            (false, false) => SignAt::Trailing,
        })
    }

    fn picture(&mut self) -> Result<String, Refused> {
        self.skip("IS");
        let token = self.take();
        match token.map(|token| &token.what) {
            Some(What::Picture(text)) => Ok(self.resolved(text)),
            _ => Err(self.expected(Expected::Picture, token.map_or_else(end, Token::shown))),
        }
    }

    /// A picture with the values of constants in place of their names: `X(LONG)`.
    fn resolved(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('(') {
            let Some((inside, behind)) = after.split_once(')') else { break };
            out.push_str(before);
            match self.constants.get(inside) {
                Some(value) => out.push_str(&format!("({value})")),
                None => out.push_str(&format!("({inside})")),
            }
            rest = behind;
        }
        out.push_str(rest);
        out
    }

    fn occurs(&mut self) -> Result<Repeats, Refused> {
        let mut most = self.number()?;
        let mut least = None;
        if self.skip("TO") {
            least = Some(most);
            most = self.number()?;
        }
        self.skip("TIMES");
        let (mut on, mut of) = (None, Vec::new());
        loop {
            if self.skip("DEPENDING") {
                self.skip("ON");
                on = Some(self.name()?);
                while self.skip("OF") || self.skip("IN") {
                    of.push(self.name()?);
                }
            } else if self.skip("ASCENDING") || self.skip("DESCENDING") {
                self.skip("KEY");
                self.skip("IS");
                self.names();
            } else if self.skip("INDEXED") {
                self.skip("BY");
                self.names();
            } else {
                return Ok(Repeats { least, most, on, of });
            }
        }
    }

    /// Skips names up to the next clause.
    fn names(&mut self) {
        while let Some(word) = self.peek_word() {
            if BEGINS.contains(&word) || !matches!(meaning(word), Meaning::None) {
                return;
            }
            self.next += 1;
        }
    }

    /// The values of a level 88.
    pub fn condition(mut self) -> Result<Condition, Refused> {
        let name = self.item.clone().unwrap_or_default();
        if !self.skip("VALUE") && !self.skip("VALUES") {
            let found = self.take().map_or_else(end, Token::shown);
            return Err(self.expected(Expected::Value, found));
        }
        let _word = self.skip("IS") || self.skip("ARE");
        let mut values = Vec::new();
        while self.next < self.tokens.len() {
            if self.skip("WHEN") || self.skip("FALSE") {
                break;
            }
            self.skip("ALL");
            let from = self.value()?;
            let to =
                if self.skip("THRU") || self.skip("THROUGH") { Some(self.value()?) } else { None };
            values.push((from, to));
        }
        Ok(Condition { name, values })
    }

    fn value(&mut self) -> Result<String, Refused> {
        let token = self.take();
        match token.map(|token| &token.what) {
            Some(What::Literal(text) | What::Word(text)) => {
                let mut value = text.clone();
                while self.skip("&") {
                    match self.take().map(|token| &token.what) {
                        Some(What::Literal(more)) => value.push_str(more),
                        _ => return Err(self.refuse(Why::Unknown { word: "&".to_owned() })),
                    }
                }
                Ok(value)
            }
            Some(What::Open) => Err(self.refuse(Why::Unfinished)),
            _ => Err(self.expected(Expected::Value, token.map_or_else(end, Token::shown))),
        }
    }

    fn name(&mut self) -> Result<String, Refused> {
        self.expect_word(Expected::Name)
    }

    fn number(&mut self) -> Result<u32, Refused> {
        let word = self.expect_word(Expected::Number)?;
        let value = word.parse().ok().or_else(|| self.constants.get(&word).copied());
        value.ok_or_else(|| self.expected(Expected::Number, word))
    }

    fn expect_word(&mut self, what: Expected) -> Result<String, Refused> {
        let token = self.take();
        match token.and_then(Token::word) {
            Some(word) => Ok(word.to_owned()),
            None => Err(self.expected(what, token.map_or_else(end, Token::shown))),
        }
    }

    fn take(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.next)?;
        self.next += 1;
        // What is wrong is told where it stands, not where its entry begins.
        self.at = token.at.clone();
        Some(token)
    }

    fn peek_word(&self) -> Option<&'a str> {
        self.tokens.get(self.next).and_then(Token::word)
    }

    /// Goes past a word if it is the next.
    fn skip(&mut self, word: &str) -> bool {
        let found = self.peek_word() == Some(word);
        self.next += usize::from(found);
        found
    }

    fn expected(&self, what: Expected, found: String) -> Refused {
        self.refuse(Why::Expected { what, found })
    }

    fn refuse(&self, why: Why) -> Refused {
        Refused { at: self.at.clone(), item: self.item.clone(), why }
    }
}

/// What is found where an entry ends.
fn end() -> String {
    ".".to_owned()
}
