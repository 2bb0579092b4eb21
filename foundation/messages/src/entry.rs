//! What one line of the catalogue holds.

use crate::Language;

include!(concat!(env!("OUT_DIR"), "/entries.rs"));

/// How bad it is: the letter of the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// `I`: it happened, nobody needs to act.
    Information,
    /// `W`: service goes on, something is weaker than it should be.
    Warning,
    /// `E`: something was not done, or service stands still.
    Error,
}

impl Severity {
    /// The letter at the end of an id.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Information => 'I',
            Self::Warning => 'W',
            Self::Error => 'E',
        }
    }
}

/// A text in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Both {
    /// Japanese.
    pub ja: &'static str,
    /// English.
    pub en: &'static str,
}

impl Both {
    /// The text in one language.
    #[must_use]
    pub fn of(self, language: Language) -> &'static str {
        match language {
            Language::Ja => self.ja,
            Language::En => self.en,
        }
    }
}

/// What a variable is, which decides how JSON writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableKind {
    /// Free words, or the words of another program.
    Text,
    /// A node's name.
    Node,
    /// A group's name.
    Group,
    /// A resource of a group.
    Resource,
    /// An epoch, `incarnation.counter`.
    Epoch,
    /// A whole number.
    Count,
    /// Milliseconds.
    Millis,
    /// A path of a file or a directory.
    Path,
    /// A network address, with or without a port.
    Address,
    /// A moment.
    Moment,
    /// A command to type.
    Command,
}

impl VariableKind {
    /// Whether JSON writes it as a number.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Self::Count | Self::Millis)
    }
}

/// A variable of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// As it stands in braces in the text.
    pub name: &'static str,
    /// What it is.
    pub kind: VariableKind,
    /// What it means.
    pub meaning: Both,
}

/// One message of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The name of its function.
    pub key: &'static str,
    /// `TSUGnnnnn-X`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is printed, with the variables in braces.
    pub text: Both,
    /// The variables, in the order of the function's parameters.
    pub variables: &'static [Variable],
    /// (S) what the system did.
    pub system: Both,
    /// (O) what the operator does.
    pub operator: Both,
    /// The command to run next, variables in braces.
    pub next: Option<&'static str>,
    /// The id that the message of an older product had.
    pub formerly: Option<&'static str>,
    /// The first version with this message.
    pub since: &'static str,
}

impl Entry {
    /// The id without its letter: `TSUG10101`.
    #[must_use]
    pub fn number(&self) -> &'static str {
        self.id.split('-').next().unwrap_or(self.id)
    }
}

/// One phrase: words without a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhraseEntry {
    /// The name of its function.
    pub key: &'static str,
    /// What is printed.
    pub text: Both,
    /// The variables, in the order of the function's parameters.
    pub variables: &'static [Variable],
}

/// Every message, in the order of the numbers.
#[must_use]
pub fn all() -> &'static [Entry] {
    ENTRIES
}

/// Every phrase, in the order of the keys.
#[must_use]
pub fn phrases() -> &'static [PhraseEntry] {
    PHRASES
}

/// Finds a message by its id, with or without the letter, in any case; or by the id it had before.
#[must_use]
pub fn lookup(id: &str) -> Option<&'static Entry> {
    let asked = id.trim().to_ascii_uppercase();
    let is_it = |entry: &&Entry| {
        let formerly = entry.formerly.filter(|id| {
            *id == asked || id.split('-').next().is_some_and(|number| number == asked)
        });
        entry.id == asked || entry.number() == asked || formerly.is_some()
    };
    ENTRIES.iter().find(is_it)
}
