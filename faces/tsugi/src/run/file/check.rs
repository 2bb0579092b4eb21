//! `file check`: every record of a file, and every entry of its keys, looked at.

use serde_json::{Value, json};
use tsugi_messages::{self as messages, Phrase, phrase};
use tsugi_service_engine::files::moving::{self, FINDINGS, Finding};

use super::store::{Opened, failed, literal, open, unmoved};
use crate::args::CheckFiles;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Form, Observed, Out, Schema};
use crate::run::service::refused::No;

/// A file that was looked at.
struct Checked {
    name: String,
    records: u64,
    found: Vec<Finding>,
}

/// Looks at the file that is named, or at all.
pub(super) fn check(agents: &Agents, out: &Out, asked: &CheckFiles) -> Exit {
    let done = open(agents, &asked.volume).and_then(|mut opened| {
        let checked = checked(&mut opened, asked.name.as_deref())?;
        Ok((opened, checked))
    });
    match done {
        Ok((opened, checked)) => show(out, &opened, &checked),
        Err(no) => no.tell(out, &asked.volume),
    }
}

fn checked(opened: &mut Opened, name: Option<&str>) -> Result<Vec<Checked>, No> {
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => {
            let all = moving::list(&mut opened.store);
            let all = all.map_err(|why| failed(&opened.volume, why))?;
            all.into_iter().map(|one| one.name).collect()
        }
    };
    let mut checked = Vec::with_capacity(names.len());
    for name in names {
        let looked = moving::check(&mut opened.store, &name);
        let (records, found) = looked.map_err(|why| unmoved(&opened.volume, &why))?;
        checked.push(Checked { name, records, found });
    }
    Ok(checked)
}

fn show(out: &Out, opened: &Opened, checked: &[Checked]) -> Exit {
    let damaged: Vec<_> = checked.iter().filter(|one| !one.found.is_empty()).collect();
    let at = opened.volume.display();
    let message = match &damaged[..] {
        [] => messages::files_sound(at, checked.len()),
        [one] => messages::files_damaged(at, &one.name),
        many => {
            let names: Vec<_> = many.iter().map(|one| one.name.as_str()).collect();
            messages::files_damaged(at, names.join(", "))
        }
    };
    let content = json!({
        "volume": opened.volume.display().to_string(),
        "group": opened.group.as_str(),
        "sound": damaged.is_empty(),
        "files": checked.iter().map(|one| entry(out, one)).collect::<Vec<_>>(),
        "message": message.to_json(out.language),
    });
    out.show(Schema::first("tsugi.checked"), &Observed::here(), &content, || lines(out, checked));
    match (damaged.is_empty(), out.form) {
        (true, Form::Text) => {
            out.lines([message.line(out.language)]);
            Exit::Done
        }
        (true, Form::Json) => Exit::Done,
        (false, _) => {
            out.tell(&message);
            Exit::PartFailed
        }
    }
}

fn entry(out: &Out, one: &Checked) -> Value {
    let found = |finding: &Finding| {
        let (what, key, record) = match finding {
            Finding::Definition(_) => ("definition", None, None),
            Finding::Record(of) => ("record", None, Some(of)),
            Finding::Entry(key, of) => ("entry", Some(key), Some(of)),
            Finding::Stray(key, entry) => ("stray", Some(key), Some(&entry.of)),
        };
        json!({
            "what": what,
            "key": key,
            "record": record.map(|bytes| literal(bytes)),
            "text": told(finding).text(out.language),
        })
    };
    json!({
        "name": one.name,
        "records": one.records,
        "findings": one.found.iter().map(found).collect::<Vec<_>>(),
        // There may be more behind the most that are told.
        "all": one.found.len() < FINDINGS,
    })
}

fn lines(out: &Out, checked: &[Checked]) -> Vec<String> {
    let mut lines = Vec::new();
    for one in checked {
        let first = match one.found.len() {
            0 => phrase::file_sound(&one.name, one.records),
            FINDINGS.. => phrase::file_unsound_more(&one.name, FINDINGS),
            count => phrase::file_unsound(&one.name, count),
        };
        lines.push(first.text(out.language));
        let found = one.found.iter().map(|finding| told(finding).text(out.language));
        lines.extend(found.map(|text| format!("  {text}")));
    }
    lines
}

fn told(finding: &Finding) -> Phrase {
    match finding {
        Finding::Definition(flaw) => phrase::finding_definition(format!("{flaw:?}")),
        Finding::Record(key) => phrase::finding_record(literal(key)),
        Finding::Entry(number, record) => phrase::finding_entry(number, literal(record)),
        Finding::Stray(number, entry) => {
            phrase::finding_stray(number, literal(&entry.key), literal(&entry.of))
        }
    }
}
