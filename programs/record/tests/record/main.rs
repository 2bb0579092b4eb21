//! Layouts, sources and values, each as a table of cases, and what a compiler says of them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod batch;
mod compiler;
mod hostile;
mod layouts;
mod numbers;
mod parameters;
mod pictures;
mod probe;
mod proof;
mod sources;
mod texts;
mod values;

use tsugi_record::code_page::CodePage;
use tsugi_record::dialect::Dialect;
use tsugi_record::field::{Field, Kind, Layout};
use tsugi_record::refused::Refused;
use tsugi_record::source::{self, Form};
use tsugi_record::unfit::{DoesNotFit, Misfit};
use tsugi_record::{Conversion, from_json, to_json};

/// A program with one parameter R, whose entries are these.
fn source(entries: &str) -> String {
    format!("LINKAGE SECTION.\n01 R.\n{entries}\nPROCEDURE DIVISION USING R.\n")
}

fn read(entries: &str, dialect: Dialect) -> Result<Layout, Refused> {
    let mut interface = source::read(&source(entries), Form::Free, dialect)?;
    Ok(interface.parameters.remove(0))
}

fn layout(entries: &str) -> Layout {
    read(entries, Dialect::DEFAULT).unwrap()
}

/// Every item with a name, and where it stands: `A 0+3`.
fn places(layout: &Layout) -> Vec<String> {
    fn enter(field: &Field, out: &mut Vec<String>) {
        if let Some(name) = &field.name {
            out.push(format!("{name} {}+{}", field.offset, field.bytes));
        }
        if let Kind::Group(fields) = &field.kind {
            fields.iter().for_each(|field| enter(field, out));
        }
    }
    let mut out = Vec::new();
    enter(&layout.root, &mut out);
    out
}

fn sjis() -> Conversion {
    Conversion::of(CodePage::ShiftJis)
}

/// The bytes of a record with one item, `"v"` of a JSON text.
fn bytes(entry: &str, value: &str) -> Result<Vec<u8>, Misfit> {
    let layout = layout(&format!("05 V {entry}."));
    let text = format!("{{\"v\":{value}}}");
    from_json(&layout, text.as_bytes(), &sjis()).map_err(|error| error.why)
}

/// What such a record is as JSON.
fn value(entry: &str, record: &[u8]) -> Result<String, DoesNotFit> {
    let json = to_json(&layout(&format!("05 V {entry}.")), record, &sjis())?;
    Ok(json.trim_start_matches("{\"v\":").trim_end_matches('}').to_owned())
}
