//! What is called: a shared library that counts a number up, and the program of the verification
//! report, which counts in a file with four operations.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tsugi_door::{Deployed, Order};
use tsugi_files::definition::{Definition, Duplicates, Key, Lengths, Organization, Part};
use tsugi_frames::{Hash, Service as Named};
use tsugi_host::enclosed::User;
use tsugi_record::Conversion;
use tsugi_record::code_page::CodePage;
use tsugi_record::dialect::Dialect;
use tsugi_record::parameters::{Direction, Parameter, Parameters};
use tsugi_record::source::{self, Form};
use tsugi_service_engine::files::{Declared, Files, shape};
use tsugi_service_engine::worker::pipe::{Package, Processes, Ward};
use tsugi_service_engine::{Interface, Records, SameBytes, Service};
use tsugi_service_rules::ground::{Effects, ServiceNumber};
use tsugi_service_rules::id::InterfaceNumber;
use tsugi_service_rules::worker::pool;
use tsugi_store::{Sqlite, Store as _, file};
use tsugi_vocabulary::Span;
use tsugi_worker::{Environment, Spawn, UnitOfWork};

use super::engine::WORKER;

/// Whose rights the worker has where this is run by root.
const NOBODY: u32 = 61_236;
const REPORT: &str = include_str!("../../../samples/report/CBLAPP01.cbl");
/// The file of the report's program.
const FILE: &str = "APPFILE01";
/// The key of its one record, and that record at the start.
const RECORD: (&[u8], &[u8]) = (b"      ", b"      0000000000");

/// A program that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// A shared library.
    Library,
    /// A module of COBOL.
    Cobol,
}

impl Program {
    /// Its name on a command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Cobol => "cobol",
        }
    }

    /// The program of this name.
    pub fn of(word: &str) -> Self {
        if word == Self::Cobol.word() { Self::Cobol } else { Self::Library }
    }

    /// Whether it can be made on this machine; else why not.
    pub fn can_be_made(self) -> Result<(), String> {
        let compiler = match self {
            Self::Library => "cc",
            Self::Cobol => "cobc",
        };
        let found = Command::new(compiler).arg("--version").output();
        found.map(drop).map_err(|error| format!("{compiler}: {error}"))
    }

    /// Makes it in a folder.
    pub fn make(self, folder: &Path) {
        let done = match self {
            Self::Library => {
                let here = Path::new(env!("CARGO_MANIFEST_DIR"));
                Command::new("cc")
                    .args(["-std=gnu99", "-O2", "-fPIC", "-shared", "-I"])
                    .arg(here.join("../programs/program/include"))
                    .arg("-o")
                    .arg(folder.join("counter.so"))
                    .arg(here.join("src/calls/counter.c"))
                    .output()
            }
            Self::Cobol => {
                let modules = modules(folder);
                fs::create_dir_all(&modules).expect("the directory is ours");
                fs::write(modules.join("CBLAPP01.cbl"), REPORT).expect("there is room");
                Command::new("cobc")
                    .args(["-w", "-std=mf"])
                    .args(tsugi_cobol::OPTIONS)
                    .arg("CBLAPP01.cbl")
                    .current_dir(&modules)
                    .output()
            }
        };
        let done = done.expect("it was looked for");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// What a door says of its service.
    pub fn deployed(self) -> Deployed {
        let kind = match self {
            Self::Library => "integer",
            Self::Cobol => "object",
        };
        Deployed {
            name: "counter".to_owned(),
            summary: String::new(),
            body: serde_json::json!({ "type": kind }),
            reply: serde_json::json!({ "type": kind }),
            effects: Effects::Store,
            order: Order::None,
        }
    }

    /// Its service, with so many workers at once.
    pub fn service(self, folder: &Path, workers: usize) -> Service {
        let ward = Ward::claim(&format!("bench-{}", std::process::id()), folder.join("workers"));
        let mut pool = pool::Settings { recycle: 0, start: workers, ..pool::Settings::default() };
        pool.most = pool.most.max(workers + 2);
        pool.limits.call = Span::secs(30);
        let interface: Arc<dyn Interface> = match self {
            Self::Library => Arc::new(SameBytes),
            Self::Cobol => Arc::new(records()),
        };
        Service {
            number: ServiceNumber(1),
            name: "counter".into(),
            workers: pool,
            interface,
            nursery: Box::new(Processes::new(ward.expect("a place"), self.package(folder))),
        }
    }

    fn package(self, folder: &Path) -> Package {
        let this = std::env::current_exe().expect("a program has a path");
        let worker = vec![this.to_string_lossy().into_owned(), WORKER.to_owned()];
        let root = nix::unistd::geteuid().is_root();
        let user = if root { User::Other { uid: NOBODY, gid: NOBODY } } else { User::Same };
        let environment = Environment {
            group: "bench".to_owned(),
            node: "here".to_owned(),
            time_zone: "UTC".to_owned(),
            locale: "C.UTF-8".to_owned(),
            code_page: "utf-8".to_owned(),
        };
        let named = |module: &'static str, entry: &'static str, parameters: &[u32]| Named {
            index: 0,
            name: "counter".into(),
            module: module.into(),
            entry: entry.into(),
            parameters: parameters.to_vec(),
            layout: Hash([0; 32]),
        };
        match self {
            Self::Library => {
                let spawn = Spawn::library(worker, &folder.join("counter.so"), user, environment);
                let services = vec![named("", "counter", &[0])];
                Package { services, ..Package::new(spawn, "application/json") }
            }
            Self::Cobol => {
                let modules = modules(folder);
                let held = (modules.as_path(), UnitOfWork::Refuse);
                let spawn = Spawn::cobol(worker, held, user, environment);
                let services = vec![named("modules/CBLAPP01.so", "CBLAPP01", &[20, 10, 20, 10])];
                let files = Files::new([Declared::new(FILE, appfile())]);
                let content_type = None;
                Package { services, files, content_type, ..Package::new(spawn, "") }
            }
        }
    }
}

fn modules(folder: &Path) -> PathBuf {
    folder.join("modules")
}

/// What a caller of the report's program says and is told.
fn records() -> Records {
    let interface = source::read(REPORT, Form::Fixed, Dialect::MF).expect("it is a program");
    let out = |parameter| Parameter { direction: Direction::Out, ..Parameter::of(parameter) };
    let all = interface.parameters.into_iter().map(out).collect();
    let all = Parameters::new(all, Conversion::of(CodePage::ShiftJis)).expect("they are clear");
    Records::new((InterfaceNumber(1), all), BTreeMap::new())
}

fn appfile() -> Definition {
    let parts = vec![Part { offset: 0, length: 6 }];
    let key = Key { parts, duplicates: Duplicates::Refused, suppressed: None };
    let lengths = Lengths { min: 16, max: 16 };
    Definition::new(Organization::Indexed, lengths, vec![key]).expect("it is a file")
}

/// Makes the file of the report's program with its one record, as INITFILE1 does.
pub fn make_file(store: &mut Sqlite) {
    let mut aside = store.aside().expect("the store is ours");
    let mut files = file::Files::of(&mut *aside);
    files.make(FILE, &shape(&appfile()), 1).expect("there is none");
    let file = files.find(FILE).expect("it can be read").expect("it was made");
    files.records(&file).put(RECORD.0, RECORD.1).expect("there is room");
    aside.keep().expect("the store is ours");
    store.commit().expect("the disk works");
}

/// What that record says.
pub fn counted_in_file(store: &mut Sqlite) -> u64 {
    let mut aside = store.aside().expect("the store is ours");
    let mut files = file::Files::of(&mut *aside);
    let file = files.find(FILE).expect("it can be read").expect("it was made");
    let record = files.records(&file).record(RECORD.0).expect("it can be read");
    let record = record.expect("it was made");
    let digits = std::str::from_utf8(&record[RECORD.0.len()..]).expect("digits");
    digits.parse().expect("digits")
}
