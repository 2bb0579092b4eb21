//! The body of a call, from the words of the command line.

use std::io::Read;

use serde::de::IgnoredAny;
use tsugi_messages::{Phrase, phrase};

use crate::args::Call;

/// The body as JSON.
pub(super) fn of(asked: &Call) -> Result<String, Phrase> {
    match asked.body.as_deref() {
        None => of_fields(&asked.fields),
        Some("-") => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| phrase::usage_not_json("-", error))?;
            json(&text)
        }
        Some(text) => json(text),
    }
}

fn json(text: &str) -> Result<String, Phrase> {
    let read = serde_json::from_str::<IgnoredAny>(text);
    read.map(|_| text.to_owned()).map_err(|error| phrase::usage_not_json(text, error))
}

/// An object of the fields in their order. A number stands in it digit by digit as it was typed.
fn of_fields(fields: &[String]) -> Result<String, Phrase> {
    let mut out = String::from("{");
    let mut names = Vec::new();
    for field in fields {
        let (name, value) = field.split_once('=').ok_or_else(|| phrase::usage_field(field))?;
        let (name, value) = match name.strip_suffix(':') {
            Some(name) => (name, json(value)?),
            None => (name, typed(value)),
        };
        if name.is_empty() {
            return Err(phrase::usage_field(field));
        }
        if names.contains(&name) {
            return Err(phrase::usage_field_twice(name));
        }
        names.push(name);
        out.push_str(if names.len() > 1 { "," } else { "" });
        out.push_str(&quoted(name));
        out.push(':');
        out.push_str(&value);
    }
    out.push('}');
    Ok(out)
}

/// A number as it is, anything else as text.
fn typed(value: &str) -> String {
    let plain = !value.starts_with(char::is_whitespace) && !value.ends_with(char::is_whitespace);
    match plain && serde_json::from_str::<serde_json::Number>(value).is_ok() {
        true => value.to_owned(),
        false => quoted(value),
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(fields: &[&str]) -> Result<String, String> {
        let fields: Vec<_> = fields.iter().map(ToString::to_string).collect();
        of_fields(&fields).map_err(|phrase| phrase.text(tsugi_messages::Language::En))
    }

    #[test]
    fn a_number_keeps_its_digits_and_text_is_text() {
        for (field, value) in [
            ("k=12.50", "12.50"),
            ("k=-3", "-3"),
            ("k=99999999999999999999.10", "99999999999999999999.10"),
            ("k=007", "\"007\""),
            ("k= 7", "\" 7\""),
            ("k=", "\"\""),
            ("k=true", "\"true\""),
            ("k=a=b\"c", "\"a=b\\\"c\""),
            ("k:=true", "true"),
            ("k:=[1, {\"a\": null}]", "[1, {\"a\": null}]"),
            ("k:=\"7\"", "\"7\""),
        ] {
            assert_eq!(body(&[field]), Ok(format!("{{\"k\":{value}}}")), "{field}");
        }
        assert_eq!(body(&[]), Ok("{}".to_owned()));
        assert_eq!(body(&["b=1", "a=x"]), Ok("{\"b\":1,\"a\":\"x\"}".to_owned()));
    }

    #[test]
    fn what_is_no_field_is_refused_by_name() {
        for (fields, said) in [
            (&["k"][..], "\"k\" is neither"),
            (&["=1"], "\"=1\" is neither"),
            (&[":=1"], "\":=1\" is neither"),
            (&["k:=", "j=1"], "is no JSON"),
            (&["k:={"], "is no JSON"),
            (&["k=1", "k=2"], "\"k\" is given twice"),
        ] {
            let refused = body(fields).unwrap_err();
            assert!(refused.contains(said), "{fields:?}: {refused}");
        }
    }
}
