//! Where words go: data to standard output, talk to standard error, in the person's language.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value, json};
use tsugi_messages::{Language, Message, Phrase, Recorded, phrase};
use tsugi_vocabulary::Wall;
use tsugi_wire::control::{Utc, Words};

/// The name and version of the shape of one kind of JSON output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its name: the file `schemas/NAME.json`.
    pub name: &'static str,
    /// Raised only when a field would change its meaning, which does not happen.
    pub version: u32,
}

impl Schema {
    /// The first version of a shape.
    pub const fn first(name: &'static str) -> Self {
        Self { name, version: 1 }
    }
}

/// Who saw what is printed, and when.
#[derive(Clone, Debug)]
pub struct Observed {
    /// When.
    pub at: Utc,
    /// The node; `-` where no node was asked.
    pub by: String,
}

impl Observed {
    /// Something that this command found out by itself.
    pub fn here() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let millis = since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(0));
        Self { at: Utc(Wall(millis)), by: "-".to_owned() }
    }
}

/// How output is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The way out.
#[derive(Clone, Debug)]
pub struct Out {
    /// The person's language.
    pub language: Language,
    /// Text or JSON.
    pub form: Form,
}

impl Out {
    /// Says a line that was put together from phrases.
    pub fn say_text(&self, text: &str) {
        // Nobody listens any more; there is nobody to tell.
        let _unheard = writeln!(io::stderr(), "{text}");
    }

    /// Prints lines of data.
    pub fn lines(&self, lines: impl IntoIterator<Item = String>) {
        let mut out = io::stdout().lock();
        for line in lines {
            if writeln!(out, "{line}").is_err() {
                // Nobody reads any more, as behind `head`; there is nobody to tell.
                return;
            }
        }
    }

    /// Prints one JSON object: schema, who saw it and when, and the content.
    pub fn json(&self, schema: Schema, observed: &Observed, content: &impl Serialize) {
        let object = envelope(schema, observed, content);
        let text = serde_json::to_string_pretty(&object).expect("JSON is plain data");
        self.lines([text]);
    }

    /// Prints as JSON or as lines, as it is wanted.
    pub fn show(
        &self,
        schema: Schema,
        observed: &Observed,
        content: &impl Serialize,
        lines: impl FnOnce() -> Vec<String>,
    ) {
        match self.form {
            Form::Json => self.json(schema, observed, content),
            Form::Text => self.lines(lines()),
        }
    }

    /// Says something to the person.
    pub fn say(&self, phrase: &Phrase) {
        self.say_text(&phrase.text(self.language));
    }

    /// Tells a message, and the command to run next.
    pub fn tell(&self, message: &Message) {
        self.say_text(&message.line(self.language));
        if let Some(next) = message.next() {
            self.say(&phrase::next_command(next));
        }
    }

    /// The words in the person's language, a message without its id.
    pub fn words(&self, words: &Words) -> String {
        self.recorded(words).words(self.language)
    }

    /// The words in the person's language, a message with its id.
    pub fn line(&self, words: &Words) -> String {
        let recorded = self.recorded(words);
        match recorded.phrase() {
            Some(phrase) => phrase.text(self.language),
            None => recorded.line(self.language),
        }
    }

    /// Moments to the second; the end of a pause that has none is its resume.
    fn recorded(&self, words: &Words) -> Recorded {
        let told = |(name, value): (&String, &String)| {
            let told = match Utc::try_from(value.clone()) {
                Ok(at) => crate::render::second(at),
                Err(_) if name == "moment" && value == "-" => {
                    phrase::moment_of_resume().text(self.language)
                }
                Err(_) => value.clone(),
            };
            (name.clone(), told)
        };
        Recorded { id: words.id.clone(), values: words.values.iter().map(told).collect() }
    }
}

/// The object that every JSON output is.
pub fn envelope(schema: Schema, observed: &Observed, content: &impl Serialize) -> Value {
    let mut object = Map::new();
    object.insert("schema".into(), json!({"name": schema.name, "version": schema.version}));
    object.insert("observed_at".into(), json!(observed.at));
    object.insert("observed_by".into(), json!(observed.by));
    match serde_json::to_value(content).expect("reports are plain data") {
        Value::Object(fields) => object.extend(fields),
        other => {
            object.insert("content".into(), other);
        }
    }
    Value::Object(object)
}
