//! Where the workers of the tests are held, and what is started in them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use tsugi_cobol::OPTIONS;
use tsugi_frames::{Hash, Service};
use tsugi_host::enclosed::User;
use tsugi_service_engine::worker::pipe::{Line, Package, Ward};
use tsugi_service_engine::worker::{Gave, Given, Said};
use tsugi_service_engine::{Interface, NoReply, Read, Refused, SameBytes};
use tsugi_service_rules::id::{Content, InterfaceNumber};
use tsugi_worker::{Environment, Spawn, UnitOfWork};

/// The ward of an engine whose store is in this folder.
pub fn ward(folder: &Path) -> Ward {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).expect("it is ours");
    let own = folder.file_name().expect("it has a name").to_string_lossy().into_owned();
    let name = format!("engine-test-{}", own.trim_start_matches('.'));
    Ward::claim(&name, folder.join("workers")).expect("a place")
}

/// Whose rights the workers have: another's where the test is root's.
fn user() -> User {
    if nix::unistd::geteuid().is_root() {
        User::Other { uid: 61_235, gid: 61_235 }
    } else {
        User::Same
    }
}

fn environment() -> Environment {
    Environment {
        group: "pay".to_owned(),
        node: "node1".to_owned(),
        time_zone: "Asia/Tokyo".to_owned(),
        locale: "C.UTF-8".to_owned(),
        code_page: "utf-8".to_owned(),
    }
}

/// A command that speaks lines.
pub fn command(argv: &[&str]) -> Package {
    let argv = argv.iter().map(|&word| word.to_owned()).collect();
    Package::new(Spawn::command(argv, user(), environment()), "text/plain")
}

/// The program that counts in Python.
pub fn python() -> Package {
    let mut package = command(&["python3", &path("tests/engine/worker.py")]);
    package.spawn.output_most = 64 << 10;
    package
}

fn path(of: &str) -> String {
    format!("{}/{of}", env!("CARGO_MANIFEST_DIR"))
}

/// What cargo builds with the tests.
fn worker() -> Vec<String> {
    let test = std::env::current_exe().expect("the test has a path");
    let target = test.parent().and_then(Path::parent).expect("it stands in a target folder");
    vec![target.join("examples/worker_of_programs").to_string_lossy().into_owned()]
}

fn service(name: &str, module: &str, parameters: &[u32]) -> Service<'static> {
    Service {
        index: 0,
        name: name.to_owned().into(),
        module: module.to_owned().into(),
        entry: name.to_owned().into(),
        parameters: parameters.to_vec(),
        layout: Hash([0; 32]),
    }
}

/// A library of one source in C, compiled into a folder.
pub fn library(folder: &Path, source: &str, name: &str) -> Package {
    let to = folder.join(format!("{name}.so"));
    let done = Command::new("cc")
        .args(["-std=gnu99", "-O1", "-fPIC", "-shared", "-I"])
        .arg(path("../../../programs/program/include"))
        .arg("-o")
        .arg(&to)
        .arg(path(source))
        .output()
        .expect("a compiler of C");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let spawn = Spawn::library(worker(), &to, user(), environment());
    Package { services: vec![service(name, "", &[0])], ..Package::new(spawn, "text/plain") }
}

/// A library in Rust that cargo has built with the tests.
pub fn rust(example: &str, name: &str) -> Package {
    let at = Path::new(&worker()[0]).with_file_name(format!("lib{example}.so"));
    let spawn = Spawn::library(worker(), &at, user(), environment());
    Package { services: vec![service(name, "", &[0])], ..Package::new(spawn, "text/plain") }
}

/// One module of COBOL, compiled into a folder of its own: its program and its parameters.
pub fn cobol(folder: &Path, source: &str, (name, parameters): (&str, &[u32])) -> Package {
    let modules = folder.join("modules");
    fs::create_dir_all(&modules).expect("a folder");
    fs::write(modules.join(format!("{name}.cbl")), source).expect("it is written");
    let done = Command::new("cobc")
        .args(["-w", "-std=mf", "-I", &path("../../../programs/cobol/copybooks")])
        .args(OPTIONS)
        .arg(format!("{name}.cbl"))
        .current_dir(&modules)
        .output()
        .expect("cobc is needed: apt-get install gnucobol3");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let held = (modules.as_path(), UnitOfWork::Refuse);
    let spawn = Spawn::cobol(worker(), held, user(), environment());
    Package {
        services: vec![service(name, &format!("modules/{name}.so"), parameters)],
        content_type: None,
        ..Package::new(spawn, "text/plain")
    }
}

/// The body is the records of all parameters, one behind the other, each of so many bytes.
pub struct Cut(pub &'static [u32]);

impl Interface for Cut {
    fn read(&self, service: &str, body: &Arc<[u8]>) -> Result<Read, Refused> {
        let mut rest = &body[..];
        let cut = self.0.iter().map(|&length| {
            let (one, behind) = rest.split_at(usize::try_from(length).expect("it is small"));
            rest = behind;
            Arc::from(one)
        });
        let given = cut.collect();
        Ok(Read { given, ..SameBytes.read(service, body)? })
    }

    fn former(&self, service: &str, body: &[u8], of: InterfaceNumber) -> Result<Content, Refused> {
        SameBytes.former(service, body, of)
    }

    fn called(&self, records: Vec<Vec<u8>>) -> Result<Given, Refused> {
        Ok(records.into_iter().map(Arc::from).collect())
    }

    fn reply(&self, gave: Gave) -> Result<Said, NoReply> {
        let Gave::Parameters(all) = gave else { panic!("a module gives its parameters back") };
        Ok(Said { content_type: "application/octet-stream".to_owned(), body: all.records.concat() })
    }
}

/// What was logged, line by line.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// A package that is logged here.
    pub fn of(&self, package: Package) -> Package {
        let all = self.0.clone();
        let log = move |line: Line<'_>| {
            let text = match line {
                Line::Said { call, level, text } => format!("{call} {level} {text}"),
                Line::Dropped { call, lines } => format!("{call} {lines} dropped"),
                Line::Printed(bytes) => format!("printed {}", String::from_utf8_lossy(bytes)),
                Line::FolderStays(folder, why) => format!("stays {} {why}", folder.display()),
            };
            all.lock().unwrap().push(text);
        };
        Package { log: Arc::new(log), ..package }
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}
