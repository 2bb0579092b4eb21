//! The own form: TOML, a `[[test]]` each.

use serde::Deserialize;
use toml::Spanned;
use tsugi_messages::{Phrase, phrase};
use tsugi_vocabulary::Span;
use tsugi_wire::control::drill::Failure;
use tsugi_wire::control::report::Status;

use super::{LONGEST_TIME, Problem, Test, WITHIN, What, group, next_place, node, process};
use crate::config::duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    test: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(rename = "do")]
    what: String,
    group: Option<String>,
    resource: Option<String>,
    node: Option<String>,
    to: Option<String>,
    time: Option<String>,
    within: Option<String>,
    #[serde(default)]
    comment: String,
}

pub(super) fn read(text: &str, status: &Status) -> Result<Vec<Test>, Vec<Problem>> {
    let line_of = |at: usize| text.get(..at).unwrap_or_default().matches('\n').count() + 1;
    let file: File = toml::from_str(text).map_err(|error| {
        let line = line_of(error.span().map_or(0, |span| span.start));
        vec![Problem::at(line, phrase::test_plan_detail(error.message()))]
    })?;
    let (mut tests, mut problems) = (Vec::new(), Vec::new());
    for entry in &file.test {
        let line = line_of(entry.span().start);
        match test(entry.get_ref(), status) {
            Ok(test) => tests.push(Test { line: Some(line), ..test }),
            Err(what) => problems.push(Problem::at(line, what)),
        }
    }
    if problems.is_empty() { Ok(tests) } else { Err(problems) }
}

fn test(entry: &Entry, status: &Status) -> Result<Test, Phrase> {
    let within = match &entry.within {
        Some(text) => time(text)?,
        None => WITHIN,
    };
    let name = entry.what.as_str();
    let needs = |key: &str, value: &Option<String>| {
        value.clone().ok_or_else(|| phrase::test_parameter_missing(name, key))
    };
    let all = [
        ("group", &entry.group),
        ("resource", &entry.resource),
        ("node", &entry.node),
        ("to", &entry.to),
        ("time", &entry.time),
    ];
    let only = |known: &[&str]| {
        let odd = all.iter().find(|(key, value)| value.is_some() && !known.contains(key));
        odd.map_or(Ok(()), |(key, _)| Err(phrase::test_parameter_odd(name, key)))
    };
    let what = match name {
        "group-move" => {
            only(&["group", "to"])?;
            let of = group(status, &needs("group", &entry.group)?)?;
            let to = match entry.to.as_deref() {
                Some(to) => Some(node(status, to)?),
                None => next_place(status, of),
            };
            What::Make(Failure::GroupMove { group: of.name.clone(), to })
        }
        "group-stop" => {
            only(&["group"])?;
            let of = group(status, &needs("group", &entry.group)?)?;
            What::Make(Failure::GroupStop { group: of.name.clone() })
        }
        "process-kill" => {
            only(&["group", "resource"])?;
            let of = needs("group", &entry.group)?;
            let resource = entry.resource.as_ref().map(|resource| format!("/{resource}"));
            What::Make(process(status, &(of + resource.as_deref().unwrap_or_default()))?)
        }
        "node-drain" => {
            only(&["node"])?;
            let node = node(status, &needs("node", &entry.node)?)?;
            What::Make(Failure::NodeDrain { node })
        }
        "agent-kill" => {
            only(&["node"])?;
            let node = node(status, &needs("node", &entry.node)?)?;
            What::Make(Failure::AgentKill { node })
        }
        "wait" => {
            only(&["time"])?;
            What::Wait(time(&needs("time", &entry.time)?)?)
        }
        // Nothing brings a link up again for certain where everything dies, and what is switched
        // off is switched on by a person.
        "link-down" | "network-down" | "power-off" | "agent-stop" => {
            return Err(phrase::test_not_offered(name));
        }
        _ => return Err(phrase::test_unknown(name)),
    };
    let comment = entry.comment.clone();
    Ok(Test { line: None, name: name.to_owned(), what, within, comment })
}

pub(super) fn time(text: &str) -> Result<Span, Phrase> {
    let fits = |time: &Span| *time > Span::ZERO && *time <= LONGEST_TIME;
    duration(text).filter(fits).ok_or_else(|| phrase::test_bad_time(text))
}
