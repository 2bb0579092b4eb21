//! A message that happened: its entry and the values of its variables.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::entry::{Entry, PhraseEntry, Severity, Variable, lookup};
use crate::language::Language;

/// Longest value that is printed; what a program or a script wrote may be any size.
const VALUE_CHARS_MAX: usize = 1_000;

/// Takes a value in: one line, bounded, nothing that moves a terminal's cursor.
pub(crate) fn value(given: impl Display) -> String {
    let given = given.to_string();
    let mut out = String::with_capacity(given.len());
    for (index, letter) in given.chars().enumerate() {
        if index == VALUE_CHARS_MAX {
            out.push('…');
            break;
        }
        match letter {
            '\t' => out.push(' '),
            '\n' => out.push_str("\\n"),
            letter if letter.is_control() => {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out
}

fn fill(template: &str, variables: &[Variable], values: &[String]) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        match variables.iter().position(|v| v.name == name).and_then(|at| values.get(at)) {
            Some(value) => out.push_str(value),
            None => {
                out.push_str(&format!("{{{name}}}"));
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn values_as_json(variables: &[Variable], values: &[String]) -> Value {
    let mut map = Map::new();
    for (variable, value) in variables.iter().zip(values) {
        let number = value.parse::<u64>().ok().filter(|_| variable.kind.is_number());
        map.insert(variable.name.to_owned(), number.map_or_else(|| json!(value), |n| json!(n)));
    }
    Value::Object(map)
}

/// A message with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    entry: &'static Entry,
    values: Vec<String>,
}

impl Message {
    pub(crate) fn new(entry: &'static Entry, values: Vec<String>) -> Self {
        debug_assert_eq!(entry.variables.len(), values.len(), "made from the same line");
        Self { entry, values }
    }

    /// Its line in the catalogue.
    #[must_use]
    pub fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// `TSUG10101-I`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.entry.id
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.entry.severity
    }

    /// The value of a variable.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let at = self.entry.variables.iter().position(|v| v.name == name)?;
        self.values.get(at).map(String::as_str)
    }

    /// The text without the id.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        self.fill(self.entry.text.of(language))
    }

    /// `TSUG10101-I text`: what goes to a log or to standard error.
    #[must_use]
    pub fn line(&self, language: Language) -> String {
        format!("{} {}", self.entry.id, self.text(language))
    }

    /// What the system did.
    #[must_use]
    pub fn system(&self, language: Language) -> String {
        self.fill(self.entry.system.of(language))
    }

    /// What the operator does.
    #[must_use]
    pub fn operator(&self, language: Language) -> String {
        self.fill(self.entry.operator.of(language))
    }

    /// The command to run next.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        self.entry.next.map(|next| self.fill(next))
    }

    /// As JSON: `id`, `severity`, `text`, `values`, and `next` where there is one.
    #[must_use]
    pub fn to_json(&self, language: Language) -> Value {
        let mut out = json!({
            "id": self.entry.id,
            "severity": self.entry.severity.letter().to_string(),
            "text": self.text(language),
            "values": values_as_json(self.entry.variables, &self.values),
        });
        if let (Some(next), Value::Object(map)) = (self.next(), &mut out) {
            map.insert("next".to_owned(), json!(next));
        }
        out
    }

    /// What is kept in a record: the id and the values, in no language.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        let names = self.entry.variables.iter().map(|v| v.name.to_owned());
        Recorded {
            id: self.entry.id.to_owned(),
            values: names.zip(self.values.iter().cloned()).collect(),
        }
    }

    fn fill(&self, template: &str) -> String {
        fill(template, self.entry.variables, &self.values)
    }
}

/// A message as records keep it: readable on every node, in either language, later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Recorded {
    /// `TSUG10101-I`.
    pub id: String,
    /// Values by the name of the variable.
    pub values: BTreeMap<String, String>,
}

impl Recorded {
    /// The message, if this version knows it.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        let entry = lookup(&self.id)?;
        let value_of = |variable: &Variable| {
            let known = self.values.get(variable.name);
            known.map_or_else(|| format!("{{{}}}", variable.name), value)
        };
        Some(Message { entry, values: entry.variables.iter().map(value_of).collect() })
    }

    /// The phrase, if it is one that this version knows.
    #[must_use]
    pub fn phrase(&self) -> Option<Phrase> {
        let entry = crate::entry::phrases().iter().find(|p| p.key == self.id)?;
        let value_of = |variable: &Variable| {
            self.values.get(variable.name).map_or_else(|| format!("{{{}}}", variable.name), value)
        };
        Some(Phrase { entry, values: entry.variables.iter().map(value_of).collect() })
    }

    /// The words alone, of a message without its id or of a phrase; what neither is in this
    /// version is shown by its id and values.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        match (self.phrase(), self.message()) {
            (Some(phrase), _) => phrase.text(language),
            (None, Some(message)) => message.text(language),
            (None, None) => self.line(language),
        }
    }

    /// `id text`; of a message that a newer version wrote, the id and its values as they are.
    #[must_use]
    pub fn line(&self, language: Language) -> String {
        match self.message() {
            Some(message) => message.line(language),
            None => {
                let pair = |(name, v): (&String, &String)| format!(" {}={}", value(name), value(v));
                let values: String = self.values.iter().map(pair).collect();
                format!("{}{values}", value(&self.id))
            }
        }
    }
}

impl From<&Message> for Recorded {
    fn from(message: &Message) -> Self {
        message.recorded()
    }
}

/// Words without a number, with their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    entry: &'static PhraseEntry,
    values: Vec<String>,
}

impl Phrase {
    pub(crate) fn new(entry: &'static PhraseEntry, values: Vec<String>) -> Self {
        debug_assert_eq!(entry.variables.len(), values.len(), "made from the same line");
        Self { entry, values }
    }

    /// The name of its function: stable, so JSON may carry it.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.entry.key
    }

    /// The words.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        fill(self.entry.text.of(language), self.entry.variables, &self.values)
    }

    /// What is kept or sent: the key and the values, in no language.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        let names = self.entry.variables.iter().map(|v| v.name.to_owned());
        Recorded {
            id: self.entry.key.to_owned(),
            values: names.zip(self.values.iter().cloned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent_started, group_taken_over};

    #[test]
    fn a_message_prints_its_id_and_text_in_both_languages() {
        let message = group_taken_over("PAY", "node2", "1.8", 412);
        assert!(message.line(Language::En).starts_with("TSUG10101-I "));
        for language in [Language::Ja, Language::En] {
            let text = message.text(language);
            for part in ["PAY", "node2", "1.8", "412"] {
                assert!(text.contains(part), "{part} is missing in {text}");
            }
            assert!(!text.contains('{'), "a variable was left open in {text}");
        }
    }

    #[test]
    fn a_next_command_carries_the_values() {
        let message = group_taken_over("PAY", "node2", "1.8", 412);
        assert_eq!(message.next().as_deref(), Some("tsugi explain PAY"));
    }

    #[test]
    fn json_writes_counts_and_times_as_numbers_and_names_as_text() {
        let json = group_taken_over("PAY", "node2", "1.8", 412).to_json(Language::En);
        assert_eq!(json["values"]["millis"], json!(412));
        assert_eq!(json["values"]["group"], json!("PAY"));
        assert_eq!(json["id"], json!("TSUG10101-I"));
    }

    #[test]
    fn a_value_cannot_forge_a_second_line_or_fill_the_log() {
        let forged = value("x\nTSUG10101-I forged \u{1b}[2J");
        assert_eq!(forged, "x\\nTSUG10101-I forged \\u{1b}[2J");
        assert!(value("z".repeat(1 << 20)).chars().count() <= VALUE_CHARS_MAX + 1);
    }

    #[test]
    fn a_value_with_braces_is_not_read_as_a_variable() {
        let message = group_taken_over("{node}", "node2", "1.8", 412);
        assert!(message.text(Language::En).contains("{node}"));
    }

    #[test]
    fn a_record_gives_the_same_message_back() {
        let message = group_taken_over("PAY", "node2", "1.8", 412);
        assert_eq!(message.recorded().message(), Some(message));
    }

    #[test]
    fn a_record_of_a_newer_version_shows_its_id_and_values() {
        let values = BTreeMap::from([("group".to_owned(), "PAY".to_owned())]);
        let newer = Recorded { id: "TSUG19999-I".to_owned(), values };
        assert_eq!(newer.line(Language::Ja), "TSUG19999-I group=PAY");
    }

    #[test]
    fn an_entry_is_found_with_and_without_its_letter() {
        let by_number = lookup("tsug10001").expect("in the catalogue");
        assert_eq!(by_number, agent_started("node1", "0.1.0", "x").entry());
        assert_eq!(lookup("TSUG10001-I"), Some(by_number));
        assert_eq!(lookup("TSUG10001-E"), None);
    }
}
