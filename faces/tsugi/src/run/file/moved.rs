//! `file export` and `file import`: all records of a file, out of the store and into it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tempfile::{NamedTempFile, TempDir, TempPath};
use tsugi_files::definition::{Definition, Lengths, Organization};
use tsugi_files::outside::Form;
use tsugi_files::status::Status;
use tsugi_files::unload::{self, Way};
use tsugi_messages::{self as messages, Message, phrase};
use tsugi_package::import::NotImported;
use tsugi_package::import::alone::{self, Alone, Ended};
use tsugi_service_engine::files::moving::{self, Clash, Existing, FINDINGS, Unmoved};

use super::store::{Opened, failed, literal, open, unmoved};
use crate::args::{ExportFile, ImportFile};
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Observed, Out, Schema};
use crate::run::service::refused::No;
use crate::run::service::rows;

/// So long the program may run that reads or writes an indexed file.
const LIMIT: Duration = Duration::from_secs(4 * 3_600);
/// What the files of that program are called in its folder.
const INDEX: &str = "INDEX";
const RECORDS: &str = "RECORDS";

/// Which file is moved, where from or to, and how.
pub(super) struct Moving {
    name: String,
    volume: PathBuf,
    outside: PathBuf,
    form: String,
    dry_run: bool,
}

impl From<&ExportFile> for Moving {
    fn from(asked: &ExportFile) -> Self {
        let ExportFile { name, volume, to, form } = asked;
        let (name, volume, outside) = (name.clone(), volume.clone(), to.clone());
        Self { name, volume, outside, form: form.clone(), dry_run: false }
    }
}

impl From<&ImportFile> for Moving {
    fn from(asked: &ImportFile) -> Self {
        let ImportFile { name, volume, from, form, dry_run } = asked;
        let (name, volume, outside) = (name.clone(), volume.clone(), from.clone());
        Self { name, volume, outside, form: form.clone(), dry_run: *dry_run }
    }
}

/// What came of it.
struct Done {
    records: u64,
    clashes: Vec<Clash>,
    message: Message,
}

/// Writes all records of a file to a new file outside.
pub(super) fn export(agents: &Agents, out: &Out, asked: &Moving) -> Exit {
    let done = open(agents, &asked.volume).and_then(|mut opened| {
        let definition = definition(&mut opened, &asked.name)?;
        let records = exported(&mut opened, &definition, asked)?;
        let message = messages::file_exported(&asked.name, records, asked.outside.display());
        Ok((opened, Done { records, clashes: Vec::new(), message }))
    });
    told(out, asked, "out", done)
}

/// Makes a file anew of the records of one outside, in one commit.
pub(super) fn import(agents: &Agents, out: &Out, asked: &Moving) -> Exit {
    let done = open(agents, &asked.volume).and_then(|mut opened| {
        let definition = definition(&mut opened, &asked.name)?;
        let done = imported(&mut opened, &definition, asked)?;
        Ok((opened, done))
    });
    told(out, asked, "in", done)
}

fn told(out: &Out, asked: &Moving, way: &str, done: Result<(Opened, Done), No>) -> Exit {
    let (opened, done) = match done {
        Ok(done) => done,
        Err(no) => return no.tell(out, &asked.outside),
    };
    let line = |one: &Clash| {
        phrase::file_clash(one.record, one.key, literal(&one.value)).text(out.language)
    };
    let clash = |one: &Clash| {
        json!({
            "record": one.record,
            "key": one.key,
            "value": literal(&one.value),
            "text": line(one),
        })
    };
    let content = json!({
        "volume": opened.volume.display().to_string(),
        "group": opened.group.as_str(),
        "file": asked.name,
        "way": way,
        "form": asked.form,
        "outside": asked.outside.display().to_string(),
        "records": done.records,
        "dry_run": asked.dry_run,
        "clashes": done.clashes.iter().map(clash).collect::<Vec<_>>(),
        // There may be more behind the most that are told.
        "all": done.clashes.len() < FINDINGS,
        "message": done.message.to_json(out.language),
    });
    out.show(Schema::first("tsugi.moved"), &Observed::here(), &content, || {
        done.clashes.iter().map(line).chain([done.message.line(out.language)]).collect()
    });
    if done.clashes.is_empty() { Exit::Done } else { Exit::Refused }
}

/// What a file of the store is.
fn definition(opened: &mut Opened, name: &str) -> Result<Definition, No> {
    let all = moving::list(&mut opened.store).map_err(|why| failed(&opened.volume, why))?;
    match all.into_iter().find(|one| one.name == name) {
        None => Err(unmoved(&opened.volume, &Unmoved::Missing(name.to_owned()))),
        Some(one) => one.definition.map_err(|flaw| failed(&opened.volume, format!("{flaw:?}"))),
    }
}

/// How records stand outside; an indexed file is moved by way of records of several lengths.
fn form(asked: &Moving, definition: &Definition) -> Form {
    let lengths = definition.lengths();
    match asked.form.as_str() {
        "line-sequential" => Form::Lines,
        "relative" => Form::Places(lengths.max),
        "sequential" if lengths.min == lengths.max => Form::Fixed(lengths.max),
        _ => Form::Varying,
    }
}

fn is_indexed(asked: &Moving) -> bool {
    asked.form == "indexed"
}

fn outside(asked: &Moving, why: &io::Error) -> No {
    let exit = match why.kind() {
        io::ErrorKind::NotFound => Exit::NotFound,
        io::ErrorKind::PermissionDenied => Exit::NotPermitted,
        _ => Exit::Failed,
    };
    let message = messages::file_outside_failed(asked.outside.display(), why);
    No { exit, problems: vec![(0, message)] }
}

fn not_moved(opened: &Opened, asked: &Moving, why: &Unmoved) -> No {
    match why {
        Unmoved::Store(trouble) => failed(&opened.volume, trouble),
        Unmoved::Outside(why) => outside(asked, why),
        Unmoved::Missing(_) => unmoved(&opened.volume, why),
        Unmoved::Status { status: Status::Exists, record } => {
            No::whole(messages::file_key_clashes(asked.outside.display(), record, &asked.name))
        }
        Unmoved::Full { record, most } => {
            let at = asked.outside.display();
            No::whole(messages::file_is_full(at, record, &asked.name, most))
        }
        other => refused(asked, other),
    }
}

fn refused(asked: &Moving, why: impl std::fmt::Display) -> No {
    No::whole(messages::file_not_moved(&asked.name, asked.outside.display(), why))
}

/// The folder that a path is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn exported(opened: &mut Opened, is: &Definition, asked: &Moving) -> Result<u64, No> {
    if fs::symlink_metadata(&asked.outside).is_ok() {
        return Err(No::whole(messages::file_outside_there(asked.outside.display())));
    }
    let beside = folder(&asked.outside);
    if is_indexed(asked) {
        let made = TempDir::new_in(beside).map_err(|why| outside(asked, &why))?;
        let path = made.path().join(RECORDS);
        let mut to = fs::File::create_new(&path).map_err(|why| outside(asked, &why))?;
        let count = written(opened, asked, Form::Varying, &mut to)?;
        run(asked, (is, Way::In), made.path(), &[])?;
        placed(asked, made.path()).map_err(|why| outside(asked, &why))?;
        return Ok(count);
    }
    let mut to = new_file(beside).map_err(|why| outside(asked, &why))?;
    let count = written(opened, asked, form(asked, is), to.as_file_mut())?;
    to.persist_noclobber(&asked.outside).map_err(|why| outside(asked, &why.error))?;
    synced(beside).map_err(|why| outside(asked, &why))?;
    Ok(count)
}

/// A new file that whoever may read may whom the mask of this process lets, as any other that a
/// person makes.
fn new_file(beside: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o666)).tempfile_in(beside)
}

/// Makes the names in a folder durable.
fn synced(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

fn written(opened: &mut Opened, asked: &Moving, form: Form, to: &mut fs::File) -> Result<u64, No> {
    let mut buffered = BufWriter::new(&mut *to);
    let done = moving::export(&mut opened.store, &asked.name, (form, &mut buffered));
    let flushed = buffered.flush();
    drop(buffered);
    let count = done.map_err(|why| not_moved(opened, asked, &why))?;
    flushed.and_then(|()| to.sync_all()).map_err(|why| outside(asked, &why))?;
    Ok(count)
}

/// Puts what the program has made into its place: the file of the primary key last, by which all
/// of it is there.
fn placed(asked: &Moving, from: &Path) -> io::Result<()> {
    let mut made = Vec::new();
    for one in fs::read_dir(from)? {
        let name = one?.file_name().to_string_lossy().into_owned();
        made.extend(name.strip_prefix(INDEX).map(str::to_owned));
    }
    made.sort_by(|one, other| other.cmp(one));
    for ending in made {
        let from = from.join(format!("{INDEX}{ending}"));
        fs::File::open(&from)?.sync_all()?;
        let to = with_ending(&asked.outside, &ending);
        TempPath::try_from_path(from)?.persist_noclobber(to).map_err(|why| why.error)?;
    }
    synced(folder(&asked.outside))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut whole = OsString::from(path);
    whole.push(ending);
    whole.into()
}

/// Compiles and runs the program that moves an indexed file.
fn run(
    asked: &Moving,
    (is, way): (&Definition, Way),
    folder: &Path,
    orders: &[(String, String)],
) -> Result<(), No> {
    let text = unload::source(is, way)
        .ok_or_else(|| No::whole(messages::file_not_indexed(&asked.name)))?;
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let files = [(unload::INDEXED, INDEX), (unload::SEQUENTIAL, RECORDS)];
    let orders = orders.iter().map(|(variable, file)| (variable.as_str(), file.as_str()));
    let variables: Vec<(&str, &str)> = files.into_iter().chain(orders).collect();
    let program = Alone {
        name: unload::NAME,
        text: &text,
        folder,
        variables: &variables,
        path: &path,
        limit: LIMIT,
    };
    match alone::run(&program) {
        Ok(Ended::Done) => Ok(()),
        Ok(Ended::Failed(says)) => Err(refused(asked, says)),
        Err(NotImported::NoCompiler) => {
            let message = messages::compiler_missing(asked.outside.display());
            Err(No { exit: Exit::NotFound, problems: vec![(0, message)] })
        }
        Err(NotImported::Failed(why)) => Err(No::failed(&why)),
        Err(other) => Err(refused(asked, other)),
    }
}

fn imported(opened: &mut Opened, is: &Definition, asked: &Moving) -> Result<Done, No> {
    if !is_indexed(asked) {
        return filled(opened, is, asked, (form(asked, is), &asked.outside));
    }
    let from = fs::canonicalize(&asked.outside).map_err(|why| outside(asked, &why))?;
    let made = TempDir::new().map_err(|why| outside(asked, &why))?;
    // One file for the primary key, and one behind a number for each alternate.
    for number in 0..is.keys().len() {
        let ending = if number == 0 { String::new() } else { format!(".{number}") };
        let link = made.path().join(format!("{INDEX}{ending}"));
        let linked = std::os::unix::fs::symlink(with_ending(&from, &ending), link);
        linked.map_err(|why| outside(asked, &why))?;
    }
    let numbers: Vec<usize> = unload::ordered(is).collect();
    let names = |number: &usize| (format!("{}{number}", unload::ORDER), order_file(*number));
    let orders: Vec<(String, String)> = numbers.iter().map(names).collect();
    run(asked, (&longer(is), Way::Out), made.path(), &orders)?;
    let records = made.path().join(RECORDS);
    if asked.dry_run {
        return filled(opened, is, asked, (Form::Varying, &records));
    }
    in_order(opened, is, asked, (&records, &numbers))
}

/// What the file with the order of an alternate key is called.
fn order_file(number: usize) -> String {
    format!("ORDER{number}")
}

/// Makes the file of records, and of files beside them with the orders of its alternate keys.
fn in_order(
    opened: &mut Opened,
    is: &Definition,
    asked: &Moving,
    (records, numbers): (&Path, &[usize]),
) -> Result<Done, No> {
    let read = |path: &Path| fs::File::open(path).map(BufReader::new);
    let mut from = read(records).map_err(|why| outside(asked, &why))?;
    let beside = numbers.iter().map(|number| read(&folder(records).join(order_file(*number))));
    let mut beside = beside.collect::<io::Result<Vec<_>>>().map_err(|why| outside(asked, &why))?;
    let mut orders: Vec<moving::InOrder<'_>> = Vec::with_capacity(beside.len());
    for (number, order) in numbers.iter().zip(&mut beside) {
        orders.push((*number, order));
    }
    let named = (asked.name.as_str(), Existing::Replaced);
    let from: (&mut dyn io::Read, _) = (&mut from, orders.as_mut_slice());
    let moved = moving::import_in_order(&mut opened.store, named, is, from, rows::wall_ms());
    let records = moved.map_err(|why| not_moved(opened, asked, &why))?;
    let message = messages::file_imported(&asked.name, records, asked.outside.display());
    Ok(Done { records, clashes: Vec::new(), message })
}

/// The file with room for one byte more: the run-time system cuts a record that is too long, and
/// says nothing; so it is seen.
fn longer(is: &Definition) -> Definition {
    let Lengths { min, max } = is.lengths();
    let lengths = Lengths { min, max: max.saturating_add(1) };
    let more = Definition::new(Organization::Indexed, lengths, is.keys().to_vec());
    more.unwrap_or_else(|_| is.clone())
}

fn filled(
    opened: &mut Opened,
    is: &Definition,
    asked: &Moving,
    (form, path): (Form, &Path),
) -> Result<Done, No> {
    let from = fs::File::open(path).map_err(|why| outside(asked, &why))?;
    let mut from = (form, &mut BufReader::new(from) as &mut dyn io::Read);
    let (store, name) = (&mut opened.store, asked.name.as_str());
    let at = asked.outside.display();
    if asked.dry_run {
        let rehearsed = moving::rehearse(store, name, is, (from.0, &mut from.1));
        let (records, clashes) = rehearsed.map_err(|why| not_moved(opened, asked, &why))?;
        let message = match clashes.len() {
            0 => messages::file_would_be_imported(name, records, at),
            _ => messages::file_would_clash(name, records, at),
        };
        return Ok(Done { records, clashes, message });
    }
    let named = (name, Existing::Replaced);
    let moved = moving::import(store, named, is, (from.0, &mut from.1), rows::wall_ms());
    let records = moved.map_err(|why| not_moved(opened, asked, &why))?;
    Ok(Done { records, clashes: Vec::new(), message: messages::file_imported(name, records, at) })
}
