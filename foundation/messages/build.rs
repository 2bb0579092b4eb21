//! Turns the catalogue's data files into one typed function a message.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use toml::{Table, Value};

/// Adds a line to a text.
macro_rules! put {
    ($to:ident, $($line:tt)+) => {{
        $to.push_str(&format!($($line)+));
        $to.push('\n');
    }};
}

/// One word of the dictionary of variables.
struct Word {
    kind: String,
    ja: String,
    en: String,
}

type Words = BTreeMap<String, Word>;

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let catalogue = root.join("catalogue");
    println!("cargo::rerun-if-changed={}", catalogue.display());
    let words = read_words(&catalogue.join("variables.toml"));
    let mut entries = BTreeMap::new();
    for path in files(&catalogue, |stem| stem != "variables" && !stem.starts_with("phrases")) {
        for (key, value) in read_table(&path) {
            let id = text(&value, &key, "id");
            let other = entries.insert(id.clone(), (key.clone(), value));
            assert!(other.is_none(), "{id} is given twice, the second time as [{key}]");
        }
    }
    let mut messages = String::new();
    let mut table = String::from("/// Every entry, in the order of the numbers.\n");
    put!(table, "pub(crate) static ENTRIES: &[Entry] = &[");
    for (index, (id, (key, value))) in entries.iter().enumerate() {
        let used = variables(value, key, &words);
        write_entry(&mut table, (key, id), value, &used);
        write_function(&mut messages, &Function::message(key, index), value, &used);
    }
    table.push_str("];\n");
    let (phrases, phrase_table) = write_phrases(&catalogue, &words);
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    write(&out.join("messages.rs"), &messages);
    write(&out.join("phrases.rs"), &phrases);
    write(&out.join("entries.rs"), &(table + &phrase_table));
}

/// The data files whose name without `.toml` is wanted, in the order of their names.
fn files(catalogue: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let listed = fs::read_dir(catalogue).expect("the catalogue is a folder");
    let is_wanted = |path: &PathBuf| {
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        path.extension().is_some_and(|e| e == "toml") && wanted(stem)
    };
    let mut found: Vec<_> = listed.flatten().map(|e| e.path()).filter(is_wanted).collect();
    found.sort();
    found
}

fn write(path: &Path, content: &str) {
    fs::write(path, content).expect("the output folder of the build is writable");
}

fn read_table(path: &Path) -> Table {
    let content = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    content.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn read_words(path: &Path) -> Words {
    let word = |(name, value): (String, Value)| {
        let word = Word {
            kind: text(&value, &name, "type"),
            ja: text(&value, &name, "ja"),
            en: text(&value, &name, "en"),
        };
        (name, word)
    };
    read_table(path).into_iter().map(word).collect()
}

fn text(value: &Value, key: &str, field: &str) -> String {
    let found = value.get(field).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("[{key}] has no {field}")).to_owned()
}

fn optional(value: &Value, field: &str) -> String {
    format!("{:?}", value.get(field).and_then(Value::as_str))
}

/// A variable as an entry uses it: its name, and its word in the dictionary.
struct Used<'a> {
    name: String,
    word: &'a Word,
}

/// `variables = ["group", "source: node"]`: a word of the dictionary, or a name for one.
fn variables<'a>(value: &Value, key: &str, words: &'a Words) -> Vec<Used<'a>> {
    let listed = value.get("variables").and_then(Value::as_array).cloned().unwrap_or_default();
    let one = |item: &Value| {
        let item = item.as_str().unwrap_or_else(|| panic!("[{key}] a variable is no text"));
        let (name, word) = item.split_once(':').unwrap_or((item, item));
        let word = word.trim();
        let found = words.get(word);
        let word = found.unwrap_or_else(|| panic!("[{key}] {word} is not in variables.toml"));
        Used { name: name.trim().to_owned(), word }
    };
    listed.iter().map(one).collect()
}

fn write_both(out: &mut String, field: &str, ja: &str, en: &str) {
    put!(out, "    {field}: Both {{ ja: {ja:?}, en: {en:?} }},");
}

fn write_variables(out: &mut String, used: &[Used]) {
    put!(out, "    variables: &[");
    for Used { name, word } in used {
        let kind = camel(&word.kind);
        put!(out, "        Variable {{ name: {name:?}, kind: VariableKind::{kind},");
        let (ja, en) = (&word.ja, &word.en);
        put!(out, "            meaning: Both {{ ja: {ja:?}, en: {en:?} }} }},");
    }
    put!(out, "    ],");
}

fn camel(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn write_entry(out: &mut String, (key, id): (&str, &str), value: &Value, used: &[Used]) {
    let severity = match id.rsplit_once('-').map(|(_, letter)| letter) {
        Some("E") => "Error",
        Some("W") => "Warning",
        Some("I") => "Information",
        _ => panic!("[{key}] {id} does not end in -E, -W or -I"),
    };
    let field = |name: &str| text(value, key, name);
    put!(out, "Entry {{ key: {key:?}, id: {id:?}, severity: Severity::{severity},");
    write_both(out, "text", &field("ja"), &field("en"));
    write_variables(out, used);
    write_both(out, "system", &field("system_ja"), &field("system_en"));
    write_both(out, "operator", &field("operator_ja"), &field("operator_en"));
    let (next, formerly) = (optional(value, "next"), optional(value, "formerly"));
    let since = field("since");
    put!(out, "    next: {next}, formerly: {formerly}, since: {since:?} }},");
}

/// Where a generated function finds its entry.
struct Function<'a> {
    name: &'a str,
    returns: &'static str,
    table: &'static str,
    index: usize,
}

impl<'a> Function<'a> {
    fn message(name: &'a str, index: usize) -> Self {
        Self { name, returns: "Message", table: "ENTRIES", index }
    }

    fn phrase(name: &'a str, index: usize) -> Self {
        Self { name, returns: "Phrase", table: "PHRASES", index }
    }
}

fn write_function(out: &mut String, function: &Function, value: &Value, used: &[Used]) {
    let Function { name, returns, table, index } = function;
    let doc = text(value, name, "en").replace('[', "\\[").replace(']', "\\]");
    for line in doc.lines() {
        put!(out, "/// `{}`", line.replace('`', "'"));
    }
    let bound: Vec<_> = used.iter().map(|u| format!("{}: impl Display", u.name)).collect();
    let given: Vec<_> = used.iter().map(|u| format!("crate::message::value({})", u.name)).collect();
    put!(out, "#[must_use]");
    put!(out, "pub fn {name}({}) -> {returns} {{", bound.join(", "));
    put!(out, "    {returns}::new(&{table}[{index}], vec![{}])", given.join(", "));
    put!(out, "}}");
}

fn write_phrases(catalogue: &Path, words: &Words) -> (String, String) {
    let mut functions = String::new();
    let mut table = String::from("/// Every phrase, in the order of the keys.\n");
    put!(table, "pub(crate) static PHRASES: &[PhraseEntry] = &[");
    let mut sorted = BTreeMap::new();
    for path in files(catalogue, |stem| stem.starts_with("phrases")) {
        for (key, value) in read_table(&path) {
            let other = sorted.insert(key.clone(), value);
            assert!(other.is_none(), "the phrase [{key}] is given twice");
        }
    }
    for (index, (key, value)) in sorted.iter().enumerate() {
        let used = variables(value, key, words);
        put!(table, "PhraseEntry {{ key: {key:?},");
        write_both(&mut table, "text", &text(value, key, "ja"), &text(value, key, "en"));
        write_variables(&mut table, &used);
        table.push_str("},\n");
        write_function(&mut functions, &Function::phrase(key, index), value, &used);
    }
    table.push_str("];\n");
    (functions, table)
}
