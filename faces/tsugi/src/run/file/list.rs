//! `file list`: which files a store has, what each is, and how many records it has.

use serde_json::{Value, json};
use tsugi_files::definition::{Definition, Duplicates, Key, Organization, Part};
use tsugi_messages::{Phrase, phrase};
use tsugi_service_engine::files::moving::{self, Listed};

use super::store::{failed, literal, open};
use crate::args::ListFiles;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Observed, Out, Schema};

/// Shows them; one that the store says nothing possible of is told, and ends it otherwise.
pub(super) fn list(agents: &Agents, out: &Out, asked: &ListFiles) -> Exit {
    let opened = open(agents, &asked.volume).and_then(|mut opened| {
        let listed = moving::list(&mut opened.store).map_err(|why| failed(&opened.volume, why))?;
        Ok((opened, listed))
    });
    let (opened, listed) = match opened {
        Ok(opened) => opened,
        Err(no) => return no.tell(out, &asked.volume),
    };
    let content = json!({
        "volume": opened.volume.display().to_string(),
        "group": opened.group.as_str(),
        "files": listed.iter().map(entry).collect::<Vec<_>>(),
    });
    out.show(Schema::first("tsugi.files"), &Observed::here(), &content, || {
        let mut lines: Vec<_> = listed.iter().map(|one| with_most(out, one)).collect();
        if lines.is_empty() {
            lines.push(phrase::files_none(opened.volume.display()).text(out.language));
        }
        lines
    });
    match listed.iter().any(|one| one.definition.is_err()) {
        true => Exit::PartFailed,
        false => Exit::Done,
    }
}

fn entry(one: &Listed) -> Value {
    let definition = one.definition.as_ref();
    let is = definition.ok();
    json!({
        "name": one.name,
        "organization": is.map(|is| word(is.organization())),
        "shortest": is.map(|is| is.lengths().min),
        "longest": is.map(|is| is.lengths().max),
        "keys": is.map(Definition::keys).unwrap_or_default().iter().map(key).collect::<Vec<_>>(),
        "records": one.records,
        "most": one.most,
        "problem": definition.err().map(|flaw| format!("{flaw:?}")),
    })
}

fn key(key: &Key) -> Value {
    let part = |part: &Part| json!({"offset": part.offset, "length": part.length});
    json!({
        "parts": key.parts.iter().map(part).collect::<Vec<_>>(),
        "duplicates": key.duplicates == Duplicates::Allowed,
        "suppressed": key.suppressed.map(|byte| literal(&[byte])),
    })
}

/// What a file is, as COBOL and `--form` call it.
pub(super) const fn word(organization: Organization) -> &'static str {
    match organization {
        Organization::LineSequential => "line-sequential",
        Organization::Sequential => "sequential",
        Organization::Indexed => "indexed",
        Organization::Relative => "relative",
    }
}

/// A line with how many records a file may have, where there is a most.
fn with_most(out: &Out, one: &Listed) -> String {
    let line = line(out, one).text(out.language);
    match one.most {
        Some(most) => phrase::files_line_most(line, most).text(out.language),
        None => line,
    }
}

fn line(out: &Out, one: &Listed) -> Phrase {
    let is = match &one.definition {
        Ok(is) => is,
        Err(flaw) => return phrase::files_line_wrong(&one.name, format!("{flaw:?}")),
    };
    let (organization, lengths) = (word(is.organization()), is.lengths());
    let lengths = match lengths.min == lengths.max {
        true => lengths.max.to_string(),
        false => format!("{}-{}", lengths.min, lengths.max),
    };
    if is.keys().is_empty() {
        return phrase::files_line(&one.name, organization, lengths, one.records);
    }
    let keys: Vec<_> = is.keys().iter().map(|key| of_key(key).text(out.language)).collect();
    phrase::files_line_keys(&one.name, organization, lengths, one.records, keys.join(", "))
}

/// A key by its places, from 1 as people count columns: `1+6`.
fn of_key(key: &Key) -> Phrase {
    let places = key.parts.iter().map(|part| format!("{}+{}", part.offset + 1, part.length));
    let places = places.collect::<Vec<_>>().join("/");
    match key.duplicates {
        Duplicates::Refused => phrase::file_key(places),
        Duplicates::Allowed => phrase::file_key_duplicates(places),
    }
}
