//! `service import`: a source becomes a package, and an interface that people edit.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::json;
use tsugi_messages::{self as messages, Message, phrase};
use tsugi_package::archive::{Content, Draft};
use tsugi_package::assembly::{Answered, Assembly, By, Loaded, Native};
use tsugi_package::import::{self as compiled, Declares, Imported, Other, Proof, Request, Seen};
use tsugi_package::interface;
use tsugi_package::manifest::quotas::RECORDS_MOST;
use tsugi_package::manifest::{Effects, Form as DataForm, Manifest, Order, Program, Quotas};
use tsugi_package::refused::{Doing, Failed};
use tsugi_record::Conversion;
use tsugi_record::source::Form as Lines;

use super::refused::{No, of_effect};
use crate::args::Import;
use crate::exit::Exit;
use crate::out::{Observed, Out, Schema};

const SCHEMA: Schema = Schema::first("tsugi.package");
/// What a package's file is called by default, behind its name.
const ENDING: &str = "tsugi";

/// Where an interface is, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edited {
    /// It was there, and was used.
    Found,
    /// It was not, and is written.
    Missing,
}

/// How a program runs that nobody compiles here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runs {
    Library,
    Command,
}

/// What is to be a package.
struct Made {
    draft: Draft,
    interface: Option<(PathBuf, String, Edited)>,
    effects: Vec<Seen>,
    warnings: String,
}

/// A value whose words clap has compared.
fn of<T: DeserializeOwned>(word: &str) -> T {
    serde_json::from_value(json!(word)).expect("only these words are taken")
}

/// Carries it out.
pub(super) fn import(out: &Out, asked: &Import) -> Exit {
    let resolved = |mut made: Made| {
        // An import makes one service.
        for service in &mut made.draft.manifest.services {
            service.resolve.clone_from(&asked.resolve);
        }
        made
    };
    match made(out, asked).map(resolved).and_then(|made| written(out, asked, made)) {
        Ok(()) => Exit::Done,
        Err(no) => no.tell(out, &asked.source),
    }
}

fn made(out: &Out, asked: &Import) -> Result<Made, No> {
    let source = &asked.source;
    let opened = fs::File::open(source).and_then(|file| file.metadata());
    if let Err(why) = opened {
        return Err(No::failed(&failed(Doing::Read, source, why)));
    }
    let stem = source.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    if asked.command {
        return native(asked, stem, Runs::Command);
    }
    if source.extension().is_some_and(|ending| ending == "so") {
        return native(asked, stem.strip_prefix("lib").unwrap_or(stem), Runs::Library);
    }
    cobol(out, asked)
}

fn failed(doing: Doing, path: &Path, why: io::Error) -> Failed {
    Failed { doing, path: path.to_owned(), why }
}

/// A library or a command. Without an interface its bodies are given and answered as they are;
/// nothing but its author says what they are.
fn native(asked: &Import, stem: &str, runs: Runs) -> Result<Made, No> {
    let service = asked.service.as_deref().unwrap_or(stem);
    let read = |path: &PathBuf| match fs::read_to_string(path) {
        Ok(text) => Ok((path.clone(), text, Edited::Found)),
        Err(why) => Err(No::failed(&failed(Doing::Read, path, why))),
    };
    let edited = asked.interface.as_ref().map(read).transpose()?;
    let content = Content::File(asked.source.clone());
    let interface = edited.as_ref().map(|(_, text, _)| text.as_str());
    let native = Native { content, interface };
    let by = match runs {
        Runs::Library => By::Library(native),
        Runs::Command => By::Command(native),
    };
    let services = [answered(asked, service, by)];
    let name = asked.name.as_deref().unwrap_or(service);
    let tables = tables(asked);
    let assembly = Assembly { name, modules: &[], services: &services, data: &[], tables };
    let at = asked.interface.as_ref().unwrap_or(&asked.source);
    let draft = assembly.draft().map_err(|refused| No::refused(at, &refused))?;
    Ok(Made { draft, interface: edited, effects: Vec::new(), warnings: String::new() })
}

/// A service as it was asked for.
fn answered<'a>(asked: &Import, name: &'a str, by: By<'a>) -> Answered<'a> {
    let (effects, order) = (of(&asked.effects), of(&asked.order));
    Answered { name, by, effects, order, quotas: quotas(asked) }
}

/// How much the service may use.
const fn quotas(asked: &Import) -> Quotas {
    let Import { workers, call_limit, memory, .. } = asked;
    Quotas { workers: *workers, call_ms: *call_limit, memory_mib: *memory }
}

/// What `--tables` says.
fn tables(asked: &Import) -> Option<Content> {
    asked.tables.clone().map(Content::File)
}

fn cobol(out: &Out, asked: &Import) -> Result<Made, No> {
    let mut modules: Vec<Imported> = Vec::new();
    let mut others: Vec<Other> = Vec::new();
    // Those that are called come first: what may be said of them is known when they are cancelled.
    for source in asked.with.iter().chain([&asked.source]) {
        let entry = asked.entry.as_deref().filter(|_| *source == asked.source);
        let imported = compile(asked, (source, entry), &others)
            .map_err(|why| No::import(out, source, &why))?;
        let files = if imported.files.is_empty() { Declares::None } else { Declares::Files };
        others.push(Other { entry: imported.module.entry.clone(), files });
        modules.push(imported);
    }
    let main = modules.last().expect("the source is one of them");
    let entry = main.module.entry.clone();
    let service = asked.service.as_deref().unwrap_or(&entry);
    let (path, text, edited) = edited(asked, service, main)?;
    let data = loaded(asked)?;
    let data: Vec<_> = data
        .iter()
        .map(|(file, path)| Loaded {
            file,
            form: if asked.lines { DataForm::Lines } else { DataForm::Records },
            content: Content::File(path.clone()),
        })
        .collect();
    let by = By::Cobol { entry: &entry, interface: &text };
    let services = [answered(asked, service, by)];
    let name = asked.name.as_deref().unwrap_or(service);
    let (of_source, services, tables) = (&modules, &services, tables(asked));
    let assembly = Assembly { name, modules: of_source, services, data: &data, tables };
    let mut draft = assembly.draft().map_err(|refused| No::refused(&path, &refused))?;
    limit(asked, &mut draft.manifest)?;
    let warnings: Vec<_> = modules.iter().map(|one| one.warnings.trim()).collect();
    let warnings = warnings.join("\n");
    let effects = modules.iter().flat_map(|one| one.effects.clone()).collect();
    Ok(Made { draft, interface: Some((path, text, edited)), effects, warnings })
}

fn compile(
    asked: &Import,
    (source, name): (&Path, Option<&str>),
    others: &[Other],
) -> Result<Imported, compiled::NotImported> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    compiled::import(&Request {
        source,
        name,
        form: of::<Lines>(&asked.form),
        code_page: of(&asked.code_page),
        dialect: of(&asked.dialect),
        copybooks: &asked.copybooks,
        commits: of(&asked.commits),
        others,
        proof: Proof::Probed,
        path: &path,
        limit: compiled::LIMIT,
    })
}

/// The interface of a service: as it was edited, or as it is made from the source.
fn edited(asked: &Import, service: &str, main: &Imported) -> Result<(PathBuf, String, Edited), No> {
    let beside = asked.out.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let path = asked.interface.clone().unwrap_or_else(|| beside.join(format!("{service}.toml")));
    match fs::read_to_string(&path) {
        Ok(text) => Ok((path, text, Edited::Found)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            let conversion = Conversion::of(of(&asked.code_page));
            let text = interface::written(&main.module.entry, &main.interface, &conversion);
            Ok((path, text, Edited::Missing))
        }
        Err(why) => Err(No::failed(&failed(Doing::Read, &path, why))),
    }
}

/// What `--data` says.
fn loaded(asked: &Import) -> Result<Vec<(String, PathBuf)>, No> {
    let one = |given: &String| match given.split_once('=') {
        Some((file, path)) if !file.is_empty() && !path.is_empty() => {
            Ok((file.to_owned(), PathBuf::from(path)))
        }
        _ => Err(No::whole(messages::data_wrongly_named(given))),
    };
    asked.data.iter().map(one).collect()
}

/// Files that may have so many records and no more.
fn limit(asked: &Import, manifest: &mut Manifest) -> Result<(), No> {
    for given in &asked.most {
        let wrong = || No::whole(messages::quota_wrongly_named(given));
        let (name, most) = given.split_once('=').ok_or_else(wrong)?;
        let most = most.parse().ok().filter(|most| (1..=RECORDS_MOST).contains(most));
        let file = manifest.files.iter_mut().find(|file| file.name == name);
        let (Some(file), Some(most)) = (file, most) else { return Err(wrong()) };
        file.most = Some(most);
    }
    Ok(())
}

/// Writes interface and package, unless that is only to be shown. An interface without its package
/// is what the next import uses; a package is there whole or not at all.
fn written(out: &Out, asked: &Import, made: Made) -> Result<(), No> {
    let manifest = &made.draft.manifest;
    let default = PathBuf::from(format!("{}.{ENDING}", manifest.name));
    let to = asked.out.clone().unwrap_or(default);
    let (id, message) = if asked.dry_run {
        (None, messages::package_would_be_made(to.display()))
    } else {
        if let Some((path, text, Edited::Missing)) = &made.interface {
            anew(path, text).map_err(|why| No::failed(&failed(Doing::Write, path, why)))?;
        }
        let written = made.draft.write(&to).map_err(|trouble| No::package(&to, &trouble))?;
        (Some(written.id), messages::package_made(to.display(), written.id))
    };
    show(out, (&made, &to), (id.map(|id| id.to_string()), &message), asked.dry_run);
    Ok(())
}

/// Writes a file that is not there: what somebody has edited meanwhile is not written over.
fn anew(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn show(
    out: &Out,
    (made, to): (&Made, &Path),
    (id, message): (Option<String>, &Message),
    dry: bool,
) {
    let manifest = &made.draft.manifest;
    let service = |service: &tsugi_package::manifest::Service| {
        let program = match &service.program {
            Program::Cobol(entry) => format!("cobol:{entry}"),
            Program::Library(_) => "library".to_owned(),
            Program::Command(_) => "command".to_owned(),
        };
        json!({
            "name": service.name,
            "program": program,
            "effects": service.effects,
            "order": service.order,
            "resolve": service.resolve,
            "quotas": service.quotas,
        })
    };
    let file = |file: &tsugi_package::manifest::File| {
        json!({
            "name": file.name,
            "organization": file.organization,
            "keys": file.keys.iter().map(|key| &key.name).collect::<Vec<_>>(),
            "needed": needed(manifest, &file.name),
        })
    };
    let data = |data: &tsugi_package::manifest::Data| {
        let bytes = bytes(&made.draft, data);
        json!({"file": data.file, "bytes": bytes})
    };
    let tables = statements(&made.draft);
    let effect = |seen: &Seen| {
        json!({
            "file": seen.at.file,
            "line": seen.at.line,
            "text": of_effect(&seen.what).text(out.language),
        })
    };
    let interface = made.interface.as_ref().map(|(path, _, edited)| {
        let was = match edited {
            Edited::Found => "edited",
            Edited::Missing => "made",
        };
        json!({"path": path.display().to_string(), "is": was})
    });
    let content = json!({
        "name": manifest.name,
        "path": to.display().to_string(),
        "id": id,
        "dry_run": dry,
        "interface": interface,
        "services": manifest.services.iter().map(service).collect::<Vec<_>>(),
        "files": manifest.files.iter().map(file).collect::<Vec<_>>(),
        "data": manifest.data.iter().map(data).collect::<Vec<_>>(),
        "tables": tables.as_ref().map(|(path, bytes)| json!({"path": path, "bytes": bytes})),
        "effects": made.effects.iter().map(effect).collect::<Vec<_>>(),
        "warnings": made.warnings,
        "message": message.to_json(out.language),
    });
    out.show(SCHEMA, &Observed::here(), &content, || lines(out, made, message, dry));
}

fn needed(manifest: &Manifest, file: &str) -> bool {
    manifest.modules.iter().any(|module| module.needs.iter().any(|need| need == file))
}

fn bytes(draft: &Draft, data: &tsugi_package::manifest::Data) -> u64 {
    length(draft.contents.get(&data.part))
}

fn length(content: Option<&Content>) -> u64 {
    match content {
        Some(Content::Bytes(bytes)) => bytes.len() as u64,
        Some(Content::File(path)) => fs::metadata(path).map_or(0, |data| data.len()),
        None => 0,
    }
}

/// Where the statements are that make its tables, and their length.
fn statements(draft: &Draft) -> Option<(String, u64)> {
    let part = draft.manifest.tables.as_ref()?;
    Some((part.to_string(), length(draft.contents.get(part))))
}

fn lines(out: &Out, made: &Made, message: &Message, dry: bool) -> Vec<String> {
    let manifest = &made.draft.manifest;
    let mut phrases = Vec::new();
    for service in &manifest.services {
        phrases.push(match &service.program {
            Program::Cobol(entry) => phrase::package_service_by_cobol(&service.name, entry),
            Program::Library(_) => phrase::package_service_by_library(&service.name),
            Program::Command(_) => phrase::package_service_by_command(&service.name),
        });
        phrases.extend(match service.effects {
            Effects::Store => None,
            Effects::Outside => Some(phrase::package_service_outside(&service.name)),
            Effects::Reads => Some(phrase::package_service_reads(&service.name)),
        });
        let resolver = service.resolve.as_ref();
        phrases.extend(resolver.map(|by| phrase::service_resolved_by(&service.name, by)));
        phrases.extend(match service.order {
            Order::None => None,
            Order::Told => Some(phrase::service_keeps_order(&service.name)),
        });
    }
    if let Some((path, _, edited)) = &made.interface {
        let path = path.display();
        phrases.push(match (edited, dry) {
            (Edited::Found, _) => phrase::package_interface_edited(path),
            (Edited::Missing, false) => phrase::package_interface_written(path),
            (Edited::Missing, true) => phrase::package_interface_would_be_written(path),
        });
    }
    for file in &manifest.files {
        phrases.push(match needed(manifest, &file.name) {
            true => phrase::package_file_needed(&file.name),
            false => phrase::package_file_made(&file.name),
        });
    }
    for data in &manifest.data {
        phrases.push(phrase::package_data(&data.file, bytes(&made.draft, data)));
    }
    if let Some((_, bytes)) = statements(&made.draft) {
        phrases.push(phrase::package_tables(bytes));
    }
    for seen in &made.effects {
        let what = of_effect(&seen.what).text(out.language);
        phrases.push(phrase::package_effect(&seen.at.file, seen.at.line, what));
    }
    for line in made.warnings.lines().filter(|line| !line.is_empty()) {
        phrases.push(phrase::package_compiler_said(line));
    }
    let said = phrases.iter().map(|phrase| phrase.text(out.language));
    said.chain([message.line(out.language)]).collect()
}
