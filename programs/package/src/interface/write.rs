//! The text of an interface as it is made from a source.

use std::fmt::Write as _;

use serde::Serialize;
use tsugi_record::Conversion;
use tsugi_record::field::{Field, Kind, Layout};
use tsugi_record::parameters::{Direction, Parameter};
use tsugi_record::source;

use super::FORMAT;
use super::is::{is, place};

/// What stands above it.
const HEAD: &str = "\
# What callers hand over and are answered.
# To be edited: json (what callers call it), direction (in: the caller fills it, out: the program
# does, io: both) and [conversion]. All else says what the source says, and has to.
";

/// The part of it that serde writes.
#[derive(Serialize)]
struct Beginning<'a> {
    format: u32,
    entry: &'a str,
    conversion: &'a Conversion,
}

/// The interface that a source has as long as nobody says more: every parameter by its own name,
/// filled by both.
#[must_use]
pub fn written(entry: &str, source: &source::Interface, conversion: &Conversion) -> String {
    let beginning = Beginning { format: FORMAT, entry, conversion };
    let beginning = toml::to_string(&beginning).expect("these are values that TOML has");
    let mut out = format!("{HEAD}\n{beginning}");
    for layout in &source.parameters {
        parameter(&mut out, layout);
    }
    out
}

fn parameter(out: &mut String, layout: &Layout) {
    let Parameter { json, direction, .. } = Parameter::of(layout.clone());
    let root = &layout.root;
    let direction = match direction {
        Direction::In => "in",
        Direction::Out => "out",
        Direction::InOut => "io",
    };
    let name = root.name.as_deref().unwrap_or_default();
    write!(
        out,
        "\n[[parameter]]\nitem = {}\nis = {}\nplace = {}\njson = {}\ndirection = {}\n",
        quoted(name),
        quoted(&is(root)),
        quoted(&place(root)),
        quoted(&json),
        quoted(direction),
    )
    .expect("a text takes what is written");
    let mut lines = Vec::new();
    fields(root, "", &mut lines);
    if !lines.is_empty() {
        writeln!(out, "fields = [\n{}]", lines.concat()).expect("a text takes what is written");
    }
}

/// A line for each item that has a name in JSON, in the order of the record.
fn fields(group: &Field, above: &str, out: &mut Vec<String>) {
    let Kind::Group(inner) = &group.kind else { return };
    for field in inner {
        match &field.name {
            Some(name) => {
                let item = format!("{above}{name}");
                out.push(format!(
                    "  {{ item = {}, is = {}, place = {}, json = {} }},\n",
                    quoted(&item),
                    quoted(&is(field)),
                    quoted(&place(field)),
                    quoted(&field.json),
                ));
                fields(field, &format!("{item}."), out);
            }
            None => fields(field, above, out),
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
