//! One table of the file, read key by key; what is wrong is noted and reading goes on.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use tsugi_vocabulary::Span;

use super::near::nearest;
use super::problem::{Problem, Wrong, at};
use super::value;

/// What is wrong with a text so far.
#[derive(Debug)]
pub(super) struct Notes<'t>(&'t str, RefCell<Vec<Problem>>);

impl<'t> Notes<'t> {
    pub(super) fn on(text: &'t str) -> Self {
        Self(text, RefCell::default())
    }

    /// The text at `span`, one line of it.
    fn text(&self, span: &Range<usize>) -> String {
        let whole = self.0.get(span.clone()).unwrap_or_default();
        whole.lines().next().unwrap_or_default().to_owned()
    }

    fn add(&self, span: &Range<usize>, wrong: Wrong) {
        self.1.borrow_mut().push(Problem { at: at(span), wrong });
    }

    pub(super) fn take(self) -> Vec<Problem> {
        self.1.into_inner()
    }
}

/// A value with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// One table of the file.
pub(super) struct Page<'t> {
    /// Where a key that is missing would have to be written.
    pub(super) span: Range<usize>,
    table: &'t DeTable<'t>,
    notes: &'t Notes<'t>,
}

impl<'t> Page<'t> {
    pub(super) fn whole_file(document: &'t Spanned<DeTable<'t>>, notes: &'t Notes<'t>) -> Self {
        let table = document.get_ref();
        Self { span: 0..0, table, notes }
    }

    pub(super) fn note(&self, span: &Range<usize>, wrong: Wrong) {
        self.notes.add(span, wrong);
    }

    fn find(
        &self,
        key: &str,
    ) -> Option<(&'t Spanned<toml::de::DeString<'t>>, &'t Spanned<DeValue<'t>>)> {
        self.table.iter().find(|(k, _)| k.get_ref() == key)
    }

    /// Notes every key that is not among `known`.
    pub(super) fn only(&self, known: &[&str]) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let known = meant_or_all(name, known.iter().copied());
                self.note(&key.span(), Wrong::KeyUnknown { key: name.to_owned(), known });
            }
        }
    }

    /// Every key, with its place.
    pub(super) fn keys(&self) -> Vec<Given<String>> {
        let given = |(key, _): (&Spanned<toml::de::DeString<'_>>, _)| Given {
            value: key.get_ref().to_string(),
            span: key.span(),
        };
        self.table.iter().map(given).collect()
    }

    /// A text, a number or a truth, as a program reads it.
    pub(super) fn word(&self, key: &str) -> Option<Given<String>> {
        let (_, found) = self.find(key)?;
        let value = match found.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            DeValue::Boolean(truth) => u8::from(*truth).to_string(),
            _ => {
                self.wrong(&found.span(), key, value::TEXT_EXAMPLE);
                return None;
            }
        };
        Some(Given { value, span: found.span() })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// Whether anything in it is a table.
    pub(super) fn has_tables(&self) -> bool {
        self.table.iter().any(|(_, found)| found.get_ref().is_table())
    }

    /// Where `key` stands, or where the table begins if it is missing.
    pub(super) fn place_of(&self, key: &str) -> Range<usize> {
        self.find(key).map_or(self.span.clone(), |(k, _)| k.span())
    }

    /// Notes that `key` is missing.
    pub(super) fn missing(&self, key: &str, example: &str) {
        let (key, example) = (key.to_owned(), example.to_owned());
        self.note(&self.span, Wrong::Missing { key, example });
    }

    /// Notes that the value of `key` at `span` should look like `example`.
    pub(super) fn wrong(&self, span: &Range<usize>, key: &str, example: &str) {
        let value = self.notes.text(span);
        let (key, expected) = (key.to_owned(), example.to_owned());
        self.note(span, Wrong::Value { key, value, expected });
    }

    pub(super) fn text(&self, key: &str, example: &str) -> Option<Given<String>> {
        let (_, found) = self.find(key)?;
        match found.get_ref() {
            DeValue::String(text) => Some(Given { value: text.to_string(), span: found.span() }),
            _ => {
                self.wrong(&found.span(), key, example);
                None
            }
        }
    }

    /// A list of texts; one text alone is a list of one.
    pub(super) fn texts(&self, key: &str, example: &str) -> Option<Vec<Given<String>>> {
        let (_, found) = self.find(key)?;
        let items: Vec<_> = match found.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![found],
        };
        let mut out = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::String(text) => {
                    out.push(Given { value: text.to_string(), span: item.span() });
                }
                _ => {
                    self.wrong(&item.span(), key, example);
                    return None;
                }
            }
        }
        Some(out)
    }

    /// An absolute path and arguments.
    pub(super) fn command(&self, key: &str) -> Option<Vec<String>> {
        let words = self.texts(key, value::COMMAND_EXAMPLE)?;
        match words.first() {
            Some(program) if program.value.starts_with('/') => {
                Some(words.into_iter().map(|w| w.value).collect())
            }
            Some(program) => {
                let expected = format!("[\"/…/{}\"]", program.value);
                self.wrong(&program.span, key, &expected);
                None
            }
            None => {
                self.wrong(&self.place_of(key), key, value::COMMAND_EXAMPLE);
                None
            }
        }
    }

    pub(super) fn path(&self, key: &str, example: &str) -> Option<String> {
        let path = self.text(key, example)?;
        if path.value.starts_with('/') {
            return Some(path.value);
        }
        self.wrong(&path.span, key, example);
        None
    }

    pub(super) fn span_of_time(&self, key: &str, or: Span) -> Span {
        let Some(given) = self.text(key, value::DURATION_EXAMPLE) else { return or };
        value::duration(&given.value).unwrap_or_else(|| {
            self.wrong(&given.span, key, value::DURATION_EXAMPLE);
            or
        })
    }

    pub(super) fn count(&self, key: &str, or: u32) -> u32 {
        let Some((_, found)) = self.find(key) else { return or };
        let number = found
            .get_ref()
            .as_integer()
            .and_then(|i| u32::from_str_radix(&i.as_str().replace('_', ""), i.radix()).ok());
        match number {
            Some(number) if number <= 1000 => number,
            Some(_) | None => {
                self.wrong(&found.span(), key, value::COUNT_EXAMPLE);
                or
            }
        }
    }

    /// One number out of a fixed list; the first if there is none.
    pub(super) fn one_of(&self, key: &str, numbers: &[u32]) -> u32 {
        let first = numbers.first().copied().unwrap_or(0);
        let Some((_, found)) = self.find(key) else { return first };
        let number = found.get_ref().as_integer().and_then(|i| i.as_str().parse().ok());
        number.filter(|n| numbers.contains(n)).unwrap_or_else(|| {
            let known: Vec<String> = numbers.iter().map(u32::to_string).collect();
            self.wrong(&found.span(), key, &known.join(", "));
            first
        })
    }

    /// One word out of a fixed list.
    pub(super) fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let given = self.text(key, words.first().map_or("", |w| w.0))?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == given.value) {
            return Some(*value);
        }
        let known = words.iter().map(|(word, _)| *word);
        let expected = meant_or_all(&given.value, known);
        let expected: Vec<_> = expected.iter().map(|word| value::quoted(word)).collect();
        self.wrong(&given.span, key, &expected.join(", "));
        None
    }

    /// Whether a table stands under `key`, not a value or a list.
    pub(super) fn is_table(&self, key: &str) -> bool {
        self.find(key).is_some_and(|(_, found)| matches!(found.get_ref(), DeValue::Table(_)))
    }

    /// Whether a list stands under `key`.
    pub(super) fn is_list(&self, key: &str) -> bool {
        self.find(key).is_some_and(|(_, found)| matches!(found.get_ref(), DeValue::Array(_)))
    }

    /// Whether a list of tables stands under `key`.
    pub(super) fn is_listed(&self, key: &str) -> bool {
        let items = self.find(key).and_then(|(_, found)| found.get_ref().as_array());
        let tables = |item: &Spanned<DeValue<'_>>| matches!(item.get_ref(), DeValue::Table(_));
        items.is_some_and(|items| items.iter().any(tables))
    }

    /// The table under `key`.
    pub(super) fn page(&self, key: &str) -> Option<Page<'t>> {
        let (name, found) = self.find(key)?;
        match found.get_ref() {
            DeValue::Table(table) => Some(Page { span: name.span(), table, notes: self.notes }),
            _ => {
                self.wrong(&found.span(), key, &format!("[{key}]"));
                None
            }
        }
    }

    /// The tables under `key`, each with its name: `[node.NAME]`.
    pub(super) fn named_pages(&self, key: &str) -> Vec<(Given<String>, Page<'t>)> {
        let Some(outer) = self.page(key) else { return Vec::new() };
        let mut out = Vec::new();
        for (name, found) in outer.table {
            let place = format!("[{key}.{}]", name.get_ref());
            let given = Given { value: name.get_ref().to_string(), span: name.span() };
            match found.get_ref() {
                DeValue::Table(table) => {
                    out.push((given, Page { span: name.span(), table, notes: self.notes }));
                }
                _ => self.wrong(&found.span(), name.get_ref(), &place),
            }
        }
        out
    }

    /// The tables of the list under `key`: `[[group.PAY.resource]]`.
    pub(super) fn listed_pages(&self, key: &str, place: &str) -> Vec<Page<'t>> {
        let Some((name, found)) = self.find(key) else { return Vec::new() };
        let Some(items) = found.get_ref().as_array() else {
            self.wrong(&name.span(), key, place);
            return Vec::new();
        };
        let mut out = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => {
                    out.push(Page { span: item.span(), table, notes: self.notes });
                }
                _ => self.wrong(&item.span(), key, place),
            }
        }
        out
    }

    /// The names and texts of the table under `key`.
    pub(super) fn pairs(&self, key: &str) -> Vec<(String, String)> {
        let Some(page) = self.page(key) else { return Vec::new() };
        let one = |(name, found): (&Spanned<toml::de::DeString<'_>>, &Spanned<DeValue<'_>>)| {
            if let DeValue::String(text) = found.get_ref() {
                return Some((name.get_ref().to_string(), text.to_string()));
            }
            page.wrong(&found.span(), name.get_ref(), value::TEXT_EXAMPLE);
            None
        };
        page.table.iter().filter_map(one).collect()
    }
}

/// The known word that was probably meant, alone; else all of them.
pub(super) fn meant_or_all<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Vec<String> {
    match nearest(given, known.clone()) {
        Some(meant) => vec![meant.to_owned()],
        None => known.into_iter().map(str::to_owned).collect(),
    }
}
