//! Imports a program from its COBOL source: it is compiled by us, what goes past the file handler
//! is refused by its line, and what it does outside of the store is listed.

mod cobc;
mod files;
mod look;
mod probe;
mod words;

pub mod alone;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tsugi_record::code_page::{CodePage, Wave};
use tsugi_record::field::Place;
use tsugi_record::probe::Differs;
use tsugi_record::source::{self, Form};

use crate::digest::Digest;
use crate::manifest::{Commits, Dialect, File, Module, PartPath};
use crate::module::{NoModule, Object, seal, symbol};
use crate::refused::Failed;

pub use cobc::Phase;
pub use look::{Bypass, Effect, Finding, Seen};

/// What is imported, and how.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The source.
    pub source: &'a Path,
    /// What the program is called by where the source does not name it; the name of the source
    /// without its ending if nothing is said. Its case counts.
    pub name: Option<&'a str>,
    /// How its lines are written.
    pub form: Form,
    /// How it and its copybooks are written in bytes.
    pub code_page: CodePage,
    /// What it is compiled as.
    pub dialect: Dialect,
    /// Where copybooks are looked for, beside the folder of the source.
    pub copybooks: &'a [PathBuf],
    /// What COMMIT and ROLLBACK do.
    pub commits: Commits,
    /// Entries of other modules of the same package, and whether they have files.
    pub others: &'a [Other],
    /// Whether the compiler is asked where it has put the items of the parameters.
    pub proof: Proof,
    /// Folders in which programs are looked for, as in PATH.
    pub path: &'a OsStr,
    /// So long one run of the compiler, or of what it has made, may take; whole seconds, at least
    /// one.
    pub limit: Duration,
}

/// How long a run of the compiler may take where nobody says otherwise.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Another module of the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// What it is called by.
    pub entry: String,
    /// Whether it declares files.
    pub files: Declares,
}

/// Whether a module declares files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declares {
    /// It does.
    Files,
    /// It does not.
    None,
}

/// Whether the layouts are proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By a program that is compiled and run: what it has of the source is its data division.
    Probed,
    /// No.
    None,
}

/// A program that was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What the manifest says of it.
    pub module: Module,
    /// The source, copybooks in it, in its own code page.
    pub source: Vec<u8>,
    /// The shared object.
    pub object: Vec<u8>,
    /// What it is called with.
    pub interface: source::Interface,
    /// The files that it works with.
    pub files: Vec<File>,
    /// The programs that it calls by name.
    pub calls: Vec<String>,
    /// What it does outside of the store, as far as a source says.
    pub effects: Vec<Seen>,
    /// What the compiler said though it compiled.
    pub warnings: String,
}

/// Why a program is not imported. Numbered for ever; the first that holds is told.
#[derive(Debug, Serialize, thiserror::Error)]
#[serde(tag = "refused", content = "detail", rename_all = "kebab-case")]
pub enum NotImported {
    /// 1 There is no compiler: `cobc` is not installed.
    #[error("1 cobc is not installed")]
    NoCompiler,
    /// 2 The compiler is one whose modules are not known; only [`cobc::VERSION`] is.
    #[error("2 cobc says {found:?}; modules of GnuCOBOL {} are known", cobc::VERSION)]
    Compiler {
        /// What it says of itself.
        found: String,
    },
    /// 3 The name of the source, or what it calls itself, cannot be an entry.
    #[error("3 {name:?} cannot be the name of an entry")]
    Name {
        /// The name.
        name: String,
    },
    /// 4 The compiler refuses the source.
    #[error("4 cobc does not {phase:?}:\n{says}")]
    Refused {
        /// What it was doing.
        phase: Phase,
        /// What it says, the first [`cobc::SAYS_MOST`] bytes.
        says: String,
    },
    /// 5 It takes too long.
    #[error("5 it takes too long: {phase:?}")]
    TooLong {
        /// What.
        phase: Phase,
    },
    /// 6 Its interface, or a record of its files, is not understood.
    #[error("6 {0:?}")]
    Interface(tsugi_record::refused::Refused),
    /// 7 It goes past the file handler.
    #[error("7 it goes past the file handler: {0:?}")]
    Bypasses(Vec<Finding>),
    /// 8 The compiler has put an item elsewhere.
    #[error("8 {0:?}")]
    Layout(Box<Differs>),
    /// 9 What was compiled is no module of ours.
    #[error("9 {0}")]
    Module(NoModule),
    /// 10 One file is declared in two ways.
    #[error("10 {file} is declared otherwise at {at:?}")]
    File {
        /// Its name in the store.
        file: String,
        /// The second place.
        at: Place,
    },
    /// 11 The source is not written in its code page.
    #[error("11 {at:?} is not {page:?}")]
    CodePage {
        /// The code page.
        page: CodePage,
        /// The first line that is not.
        at: Place,
    },
    /// 12 What SELECT and FD say of a file is not understood, or makes no file.
    #[error("12 {file} at {at:?}: {says}")]
    Records {
        /// The program's name of it.
        file: String,
        /// Its SELECT.
        at: Place,
        /// What: an item, a clause, or what is wrong with the whole.
        says: String,
    },
    /// A call of the system failed.
    #[serde(skip)]
    #[error(transparent)]
    Failed(#[from] Failed),
}

/// Imports a program.
///
/// # Errors
/// Why it is not. Nothing is left behind.
pub fn import(request: &Request<'_>) -> Result<Imported, NotImported> {
    let stem = request.name.map_or_else(|| stem(request.source), named)?;
    let compiler = cobc::Compiler::find(request)?;
    let expanded = compiler.expand(request.source, &stem)?;
    let text = text_of(&expanded, request.code_page)?;
    let words = source::words_of(&text, Form::Free);
    let seen = look::look(&text, &words, request);
    let (bypasses, effects) = look::parted(seen);
    if !bypasses.is_empty() {
        return Err(NotImported::Bypasses(bypasses));
    }
    let interface = source::read(&text, Form::Free, request.dialect.of_records())
        .map_err(NotImported::Interface)?;
    let (files, needs) = files::declared(&text, &words, request.dialect)?;
    let entry = interface.program.clone().unwrap_or_else(|| stem.clone());
    let module = Module { needs, ..module_of(&entry, request)? };
    let calls = look::called(&words);
    let hash = Digest::of(&expanded);
    let (object, warnings) = compiler.compile(&expanded, &stem, seal(&module, hash))?;
    let read = Object::read(&object).map_err(NotImported::Module)?;
    read.reaches_only_the_handler(&entry).map_err(NotImported::Module)?;
    read.is_sealed(&module, hash).map_err(NotImported::Module)?;
    match request.proof {
        Proof::Probed => probe::prove(&compiler, &text, &interface, &stem)?,
        Proof::None => {}
    }
    Ok(Imported { module, source: expanded, object, interface, files, calls, effects, warnings })
}

/// The text of an expanded source; what is none is told by its line.
fn text_of(expanded: &[u8], page: CodePage) -> Result<String, NotImported> {
    let decode = |bytes: &[u8]| page.decode(bytes, Wave::Microsoft);
    if let Ok(text) = decode(expanded) {
        return Ok(text);
    }
    let (mut file, mut number) = (String::new(), 0);
    for line in expanded.split(|byte| *byte == b'\n') {
        let lossy = String::from_utf8_lossy(line);
        let mark = lossy.strip_prefix("#line ").and_then(|rest| rest.split_once(' '));
        match mark.map(|(at, name)| (at.parse::<u32>(), name)) {
            Some((Ok(at), name)) => (file, number) = (name.trim_matches('"').to_owned(), at),
            _ if decode(line).is_err() => break,
            _ => number += 1,
        }
    }
    Err(NotImported::CodePage { page, at: Place { file, line: number } })
}

/// What the source is called without its ending.
fn stem(source: &Path) -> Result<String, NotImported> {
    named(&source.file_stem().unwrap_or_default().to_string_lossy())
}

fn named(name: &str) -> Result<String, NotImported> {
    let name = name.to_owned();
    if crate::manifest::is_name(&name) { Ok(name) } else { Err(NotImported::Name { name }) }
}

fn module_of(entry: &str, request: &Request<'_>) -> Result<Module, NotImported> {
    let no_name = || NotImported::Name { name: entry.to_owned() };
    if !crate::manifest::is_name(entry) {
        return Err(no_name());
    }
    // By this name the run-time system looks for it where another module calls it.
    let file = symbol(entry);
    let path = |folder: &str, ending: &str| {
        PartPath::new(&format!("{folder}/{file}.{ending}")).map_err(|_| no_name())
    };
    Ok(Module {
        entry: entry.to_owned(),
        object: path("modules", "so")?,
        source: path("sources", "cbl")?,
        code_page: request.code_page,
        dialect: request.dialect,
        commits: request.commits,
        needs: Vec::new(),
    })
}

/// Names of a set, for those that look words up.
type Names = BTreeSet<String>;
