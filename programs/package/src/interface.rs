//! An interface: what a service's callers hand to its program and are answered, as a text that
//! people edit. Of a COBOL program it says everything that the source says, so that it cannot be
//! used with another; of any other program it is the one that says it.
//!
//! What may be changed: names in JSON, directions, and how records become JSON. An interface of no
//! source is written by hand, all of it.

mod compare;
mod is;
mod own;
mod write;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use tsugi_record::Conversion;
use tsugi_record::code_page::CodePage;
use tsugi_record::field::Place;
use tsugi_record::parameters::{Direction, Improper, Parameter, Parameters};
use tsugi_record::source;

use crate::manifest::line_of;

pub use write::written;

/// The format that is written and read.
pub const FORMAT: u32 = 1;
/// The longest interface, in bytes.
pub const BYTES_MOST: usize = 8 << 20;
/// The longest name in JSON, in characters.
pub const NAME_MOST: usize = 100;

/// An interface that agrees with its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What the program is called by.
    pub entry: String,
    /// What it is called with.
    pub parameters: Parameters,
    /// How it gets and gives them.
    pub handed: Handed,
}

impl Interface {
    /// Bytes of the record of each parameter.
    #[must_use]
    pub fn lengths(&self) -> Vec<u32> {
        self.parameters.list().iter().map(|parameter| parameter.layout.bytes()).collect()
    }
}

/// How the records of a call are handed to its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// Each for itself: COBOL is called with several.
    Apart,
    /// One behind the other, as the members of a structure of bytes: a shared library and a
    /// command have one body.
    Together,
}

/// Who has said what an interface says of its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Author {
    /// A source; the interface only repeats it.
    Source,
    /// Whoever wrote the interface.
    Hand,
}

/// Why an interface is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("line {line}{}: {why}", item.as_ref().map(|item| format!(", {item}")).unwrap_or_default())]
pub struct Unfit {
    /// The line of the interface, the first is 1; 0 where it is about the whole.
    pub line: usize,
    /// The item that it is about, with the groups that it is in.
    pub item: Option<String>,
    /// Where the source describes that item.
    pub described: Option<Place>,
    /// Why.
    pub why: Why,
}

impl Unfit {
    /// It is no text at all.
    pub(crate) fn no_text() -> Self {
        let why = Why::Unread { says: "it is not UTF-8".to_owned() };
        Self { line: 0, item: None, described: None, why }
    }
}

/// Why an interface is refused. Numbered for ever; the first that holds is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "refused", content = "detail", rename_all = "kebab-case")]
pub enum Why {
    /// 1 It cannot be read.
    #[error("1 {says}")]
    Unread {
        /// What is wrong.
        says: String,
    },
    /// 2 It is written in another format; only [`FORMAT`] is read.
    #[error("2 its format is {found}")]
    Format {
        /// What it says.
        found: u32,
    },
    /// 3 It is longer than [`BYTES_MOST`].
    #[error("3 it is too long")]
    Long,
    /// 4 It is about another program.
    #[error("4 it is about {found}, not {expected}")]
    Entry {
        /// The program.
        expected: String,
        /// What it says.
        found: String,
    },
    /// 5 The source has this item here, and the interface does not.
    #[error("5 the source has {expected} here")]
    Missing {
        /// The item.
        expected: String,
    },
    /// 6 The source does not have this item here.
    #[error("6 the source does not have it")]
    Unknown,
    /// 7 The source says something else of the item.
    #[error("7 it is {found} here and {expected} in the source")]
    Differs {
        /// What the source says.
        expected: String,
        /// What the interface says.
        found: String,
    },
    /// 8 Two items side by side have one name in JSON.
    #[error("8 another item is called {name} too")]
    SameName {
        /// The name.
        name: String,
    },
    /// 9 A name in JSON has no letter, more than [`NAME_MOST`], or control characters.
    #[error("9 {name:?} is no name")]
    Name {
        /// The name.
        name: String,
    },
    /// 10 The parameters cannot be handed over like that.
    #[error("10 {0:?}")]
    Improper(Improper),
}

/// The text of an interface.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: u32,
    entry: Spanned<String>,
    #[serde(default)]
    conversion: Option<Conversion>,
    #[serde(default, rename = "parameter")]
    parameters: Vec<ParameterText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterText {
    item: Spanned<String>,
    is: Spanned<String>,
    #[serde(default)]
    place: Option<Spanned<String>>,
    json: Spanned<String>,
    direction: Direction,
    #[serde(default)]
    fields: Vec<FieldText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldText {
    item: Spanned<String>,
    is: Spanned<String>,
    #[serde(default)]
    place: Option<Spanned<String>>,
    json: Spanned<String>,
}

/// Reads an interface and compares it with what was read from its source, whose program is called
/// by `entry`.
///
/// # Errors
/// The first line that cannot be read, or that does not agree with the source.
pub fn read(text: &str, entry: &str, source: &source::Interface) -> Result<Interface, Unfit> {
    let read = text_of(text, entry)?;
    let missing = Why::Unread { says: "missing field `conversion`".to_owned() };
    let conversion = read.conversion.ok_or_else(|| whole(missing))?;
    let list = compare::parameters(text, (&read.parameters, Author::Source), source)?;
    made(entry, (list, conversion), Handed::Apart)
}

/// Reads an interface that was written by hand, of a program without a COBOL source. Its items are
/// described in the words of one: `X(20)`, `S9(7)V9(2) COMP-3`, `9(4) COMP-5 OCCURS 3`, `group`.
/// Binary numbers have 1, 2, 4 or 8 bytes by their digits. Where `place` is said it has to be where
/// the item stands.
///
/// # Errors
/// The first line that cannot be read.
pub fn own(text: &str, entry: &str) -> Result<Interface, Unfit> {
    let read = text_of(text, entry)?;
    let source = own::source(text, &read)?;
    let list = compare::parameters(text, (&read.parameters, Author::Hand), &source)?;
    let conversion = read.conversion.unwrap_or_else(|| Conversion::of(CodePage::Utf8));
    made(entry, (list, conversion), Handed::Together)
}

fn whole(why: Why) -> Unfit {
    Unfit { line: 0, item: None, described: None, why }
}

fn made(
    entry: &str,
    (list, conversion): (Vec<Parameter>, Conversion),
    handed: Handed,
) -> Result<Interface, Unfit> {
    let parameters = Parameters::new(list, conversion).map_err(|why| whole(Why::Improper(why)))?;
    Ok(Interface { entry: entry.to_owned(), parameters, handed })
}

/// The text as it is, of the program that is called by `entry`.
fn text_of(text: &str, entry: &str) -> Result<Text, Unfit> {
    if text.len() > BYTES_MOST {
        return Err(whole(Why::Long));
    }
    let unread = |error: toml::de::Error| {
        let line = error.span().map_or(0, |at| line_of(text, at.start));
        let says = error.message().to_owned();
        Unfit { line, item: None, described: None, why: Why::Unread { says } }
    };
    let table: toml::Table = toml::from_str(text).map_err(unread)?;
    if let Some(found) = table.get("format").and_then(toml::Value::as_integer)
        && found != i64::from(FORMAT)
    {
        return Err(whole(Why::Format { found: u32::try_from(found).unwrap_or(0) }));
    }
    let read: Text = toml::from_str(text).map_err(unread)?;
    if read.format != FORMAT {
        return Err(whole(Why::Format { found: read.format }));
    }
    if read.entry.get_ref() != entry {
        let line = line_of(text, read.entry.span().start);
        let (expected, found) = (entry.to_owned(), read.entry.into_inner());
        return Err(Unfit { line, ..whole(Why::Entry { expected, found }) });
    }
    Ok(read)
}
