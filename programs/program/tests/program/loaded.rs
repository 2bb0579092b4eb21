//! Builds and loads the samples.
#![expect(unsafe_code, reason = "loads a library")]

use std::path::{Path, PathBuf};
use std::process::Command;

use libloading::Library;
use tempfile::TempDir;
use tsugi_program::library::{self, Ended, Listed, Room, State};
use tsugi_program::table::{self, SYMBOL, ServiceAt};

use crate::memory::Memory;

/// A compiler of a spelling, with what makes it strict.
pub const C99: &[&str] = &["cc", "-std=c99"];
/// The same for C++.
pub const CPP11: &[&str] = &["c++", "-std=c++11", "-x", "c++"];

/// Compiles a source that stands beside this, with every warning an error.
pub fn compile(compiler: &[&str], source: &str, more: &[&str], to: &Path) {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (program, first) = compiler.split_first().expect("a compiler");
    let done = Command::new(program)
        .args(first)
        .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"])
        .arg("-I")
        .arg(room.join("include"))
        .args(more)
        .arg("-o")
        .arg(to)
        .arg(room.join("tests/program").join(source))
        .output()
        .expect("the compiler runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A sample that is loaded.
pub struct Sample {
    /// In which spelling.
    pub name: &'static str,
    /// Its symbol.
    pub at: ServiceAt,
    _library: Library,
    _folder: Option<TempDir>,
}

impl Sample {
    /// The sample in every spelling.
    pub fn all() -> Vec<Self> {
        vec![Self::rust(), Self::c("C99", C99), Self::c("C++11", CPP11)]
    }

    /// The example of this crate; cargo builds it with the tests.
    pub fn rust() -> Self {
        let own = std::env::current_exe().expect("the test has a path");
        let target = own.parent().and_then(Path::parent).expect("it stands in a target folder");
        Self::load("Rust", target.join("examples/libcounter.so"), None)
    }

    /// The same in C, by a compiler.
    pub fn c(name: &'static str, compiler: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("counter.so");
        compile(compiler, "counter.c", &["-fPIC", "-shared"], &path);
        Self::load(name, path, Some(folder))
    }

    fn load(name: &'static str, path: PathBuf, folder: Option<TempDir>) -> Self {
        // SAFETY: the samples have no initialisers, and stay loaded as long as this.
        let library = unsafe { Library::new(&path) }.expect("the library loads");
        // SAFETY: the symbol has the header's type.
        let at = unsafe { *library.get::<ServiceAt>(SYMBOL).expect("the one symbol") };
        Self { name, at, _library: library, _folder: folder }
    }

    /// Its services.
    pub fn services(&self) -> Vec<Listed> {
        // SAFETY: the library is loaded and keeps the rules.
        unsafe { library::services(self.at) }.expect("its services can be used")
    }

    /// Its counter, started.
    pub fn counter(&self) -> Turned {
        Turned::start(self.services().swap_remove(0))
    }
}

/// How a call ended, with a reply of its own.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Kept(String),
    Undone,
    Broken,
    TooLarge(u64),
}

/// A service that is started.
pub struct Turned {
    service: Listed,
    state: Option<State>,
}

impl Turned {
    pub fn start(service: Listed) -> Self {
        let mut memory = Memory::default();
        let host = memory.table();
        // SAFETY: the table stands while this runs.
        let state = unsafe { service.start(&raw const host) }.expect("it starts");
        Self { service, state: Some(state) }
    }

    /// One call with the whole table and a buffer of 64 KiB.
    pub fn call(&mut self, memory: &mut Memory, body: &str) -> End {
        let host = memory.table();
        self.call_with(&raw const host, body, 64 << 10, 1 << 20)
    }

    /// One call with any table and any room.
    pub fn call_with(
        &mut self,
        host: *const table::Host,
        body: &str,
        cap: usize,
        most: u64,
    ) -> End {
        let mut buffer = vec![0; cap];
        let room = Room { buffer: &mut buffer, most };
        let state = self.state.as_mut().expect("it is started");
        // SAFETY: the caller's table stands while this runs.
        match unsafe { self.service.call(host, state, body.as_bytes(), room) } {
            Ended::Kept(reply) => End::Kept(String::from_utf8_lossy(reply).into_owned()),
            Ended::Undone => End::Undone,
            Ended::Broken => End::Broken,
            Ended::TooLarge { len } => End::TooLarge(len),
        }
    }
}

impl Drop for Turned {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            // SAFETY: it is this service's.
            unsafe { self.service.stop(state) }
        }
    }
}
