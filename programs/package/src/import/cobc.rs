//! The compiler: found, asked for its version, and run with our options alone.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde::Serialize;
use tempfile::TempDir;
use tsugi_record::module::OPTIONS;
use tsugi_record::source::{Form, SOURCE_MAX};

use super::{LIMIT, NotImported, Request};
use crate::digest::Digest;
use crate::limits::PROGRAM_MOST;
use crate::manifest::Dialect;
use crate::refused::{Doing, Failed};

/// The release of GnuCOBOL whose modules are known.
pub const VERSION: &str = "3.1.2";
/// So much of what the compiler says is kept, in bytes.
pub const SAYS_MOST: u64 = 64 << 10;
/// What `timeout` answers when that was over, and when it had to kill.
const OVER: [i32; 2] = [124, 137];

/// What is done with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Tell its version.
    Identify,
    /// Put its copybooks into it.
    Expand,
    /// Compile it.
    Compile,
    /// Compile the program that tells where items are.
    CompileProbe,
    /// Run that.
    RunProbe,
    /// Run a program that was made here.
    RunProgram,
}

/// The compiler, with a folder for what it makes, which goes with this.
pub(super) struct Compiler<'a> {
    request: &'a Request<'a>,
    folder: TempDir,
    path: PathBuf,
}

/// What a run has said.
pub(super) struct Said {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub printed: String,
    /// What it complained of.
    pub errors: String,
}

impl<'a> Compiler<'a> {
    /// Looks for it in PATH.
    pub fn find(request: &'a Request<'a>) -> Result<Self, NotImported> {
        let path = in_path("cobc", request.path).ok_or(NotImported::NoCompiler)?;
        let folder = tempfile::Builder::new().prefix("tsugi-import").tempdir();
        let folder = folder.map_err(Failed::at(Doing::MakeFolder, &std::env::temp_dir()))?;
        let compiler = Self { request, folder, path };
        // It is no part of a source's time: a limit that is meant for one does not end it.
        let limit = request.limit.max(LIMIT);
        let at = compiler.folder.path();
        let said = compiler.run_for(limit, &compiler.path, &["--version".into()], (at, &[]))?;
        over(&said, Phase::Identify)?;
        let first = said.printed.lines().next().unwrap_or_default();
        let known = first.split_whitespace().any(|word| {
            word == VERSION || word.strip_prefix(VERSION).is_some_and(|rest| rest.starts_with('.'))
        });
        if !known || !said.status.success() {
            return Err(NotImported::Compiler { found: first.chars().take(80).collect() });
        }
        Ok(compiler)
    }

    /// The source with its copybooks in it, in free form; its lines are marked with where they
    /// come from, by names that do not depend on where the source lies.
    pub fn expand(&self, source: &Path, stem: &str) -> Result<Vec<u8>, NotImported> {
        let length = fs::metadata(source).map_err(Failed::at(Doing::Read, source))?.len();
        if length > u64::try_from(SOURCE_MAX).unwrap_or(u64::MAX) {
            let says = format!("{length} bytes, at most {SOURCE_MAX}");
            return Err(NotImported::Refused { phase: Phase::Expand, says });
        }
        let whole = fs::canonicalize(source).map_err(Failed::at(Doing::Read, source))?;
        let (folder, name) = (whole.parent().unwrap_or(Path::new("/")), whole.file_name());
        let to = self.folder.path().join(format!("{stem}.expanded"));
        let form = match self.request.form {
            Form::Fixed => "-fixed",
            Form::Free => "-free",
        };
        let mut options = vec!["-E".into(), form.into(), self.request.dialect.option().into()];
        for copybooks in self.request.copybooks {
            let path = fs::canonicalize(copybooks).map_err(Failed::at(Doing::Read, copybooks))?;
            options.extend(["-I".into(), path]);
        }
        options.extend(["-o".into(), to.clone(), PathBuf::from(name.unwrap_or_default())]);
        let said = self.run(&self.path, &options, folder)?;
        over(&said, Phase::Expand)?;
        if !said.status.success() {
            return Err(NotImported::Refused { phase: Phase::Expand, says: said.errors });
        }
        let bytes = read_at_most(&to, u64::try_from(SOURCE_MAX).unwrap_or(u64::MAX))?;
        Ok(without_folders(&bytes))
    }

    /// Compiles an expanded source as a module with a seal: its bytes, and what the compiler said.
    pub fn compile(
        &self,
        expanded: &[u8],
        stem: &str,
        seal: Digest,
    ) -> Result<(Vec<u8>, String), NotImported> {
        let (from, to) = (format!("{stem}.cbl"), format!("{stem}.so"));
        self.put(&from, expanded)?;
        let mut options = OPTIONS.map(PathBuf::from).to_vec();
        options.extend([
            "-free".into(),
            self.request.dialect.option().into(),
            "-Q".into(),
            format!("-Wl,--build-id=0x{seal}").into(),
            "-o".into(),
            PathBuf::from(&to),
            from.into(),
        ]);
        let said = self.run(&self.path, &options, self.folder.path())?;
        over(&said, Phase::Compile)?;
        if !said.status.success() {
            return Err(NotImported::Refused { phase: Phase::Compile, says: said.errors });
        }
        let object = read_at_most(&self.folder.path().join(to), PROGRAM_MOST)?;
        Ok((object, said.errors))
    }

    /// Compiles a program and one that it calls, and runs them.
    pub fn run_both(
        &self,
        driver: &str,
        (name, program): (&str, &str),
    ) -> Result<Said, NotImported> {
        let program_file = format!("{name}.cbl");
        // Its literals say nothing of places: what the code page does not have stays as it is.
        let page = self.request.code_page;
        let program = page.encode(program).unwrap_or_else(|_| program.as_bytes().to_vec());
        // No source can have that name.
        self.put("+driver.cbl", driver.as_bytes())?;
        self.put(&program_file, &program)?;
        let dialect: Dialect = self.request.dialect;
        let options = [
            "-x".into(),
            "-free".into(),
            "-w".into(),
            dialect.option().into(),
            "-o".into(),
            PathBuf::from("+driver"),
            "+driver.cbl".into(),
            program_file.into(),
        ];
        let said = self.run(&self.path, &options, self.folder.path())?;
        over(&said, Phase::CompileProbe)?;
        if !said.status.success() {
            let phase = Phase::CompileProbe;
            return Err(NotImported::Refused { phase, says: said.errors });
        }
        let probe = self.folder.path().join("+driver");
        let said = self.run(&probe, &[], self.folder.path())?;
        over(&said, Phase::RunProbe)?;
        Ok(said)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Failed> {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).map_err(Failed::at(Doing::Write, &path))
    }

    /// Compiles a program of ours in a folder and runs it there, with variables of the environment.
    pub fn run_alone(
        &self,
        (name, text): (&str, &str),
        (folder, variables): (&Path, &[(&str, &str)]),
        limit: Duration,
    ) -> Result<Said, NotImported> {
        let (from, program) = (format!("{name}.cbl"), self.folder.path().join(name));
        self.put(&from, text.as_bytes())?;
        let options = ["-x".into(), "-free".into(), "-o".into(), program.clone(), from.into()];
        let said = self.run(&self.path, &options, self.folder.path())?;
        over(&said, Phase::Compile)?;
        if !said.status.success() {
            return Err(NotImported::Refused { phase: Phase::Compile, says: said.errors });
        }
        let said = self.run_for(limit, &program, &[], (folder, variables))?;
        over(&said, Phase::RunProgram)?;
        Ok(said)
    }

    /// Runs something for as long as one run for a source may take.
    fn run(&self, what: &Path, options: &[PathBuf], at: &Path) -> Result<Said, NotImported> {
        self.run_for(self.request.limit, what, options, (at, &[]))
    }

    /// Runs something for a limited time, with nothing of our environment but where programs are:
    /// what is set there for the compiler by somebody would be options that nobody sees.
    fn run_for(
        &self,
        limit: Duration,
        what: &Path,
        options: &[PathBuf],
        (at, variables): (&Path, &[(&str, &str)]),
    ) -> Result<Said, NotImported> {
        let (out, errors) = (self.folder.path().join("out"), self.folder.path().join("errors"));
        let made = |path: &Path| fs::File::create(path).map_err(Failed::at(Doing::Write, path));
        let timeout = in_path("timeout", self.request.path).unwrap_or_else(|| "timeout".into());
        let seconds = limit.as_secs().max(1).to_string();
        let mut command = Command::new(&timeout);
        command.args(["--kill-after=5", seconds.as_str()]).arg(what).args(options);
        command.current_dir(at).stdin(Stdio::null()).stdout(made(&out)?).stderr(made(&errors)?);
        command.env_clear().env("LC_ALL", "C.UTF-8").env("TMPDIR", self.folder.path());
        command.env("HOME", self.folder.path()).env("PATH", self.request.path);
        command.envs(variables.iter().copied());
        let status = command.status().map_err(Failed::at(Doing::Start, &timeout))?;
        let said = |path: &Path, most: u64| -> Result<String, Failed> {
            let mut bytes = Vec::new();
            let read = fs::File::open(path).and_then(|f| f.take(most).read_to_end(&mut bytes));
            read.map_err(Failed::at(Doing::Read, path))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Said { status, printed: said(&out, PROGRAM_MOST)?, errors: said(&errors, SAYS_MOST)? })
    }
}

fn over(said: &Said, phase: Phase) -> Result<(), NotImported> {
    match said.status.code() {
        Some(code) if OVER.contains(&code) => Err(NotImported::TooLong { phase }),
        _ => Ok(()),
    }
}

/// A program in PATH.
fn in_path(name: &str, folders: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(folders).map(|folder| folder.join(name)).find(|path| {
        let executable = |found: fs::Metadata| found.permissions().mode() & 0o111 != 0;
        fs::metadata(path).is_ok_and(|found| found.is_file() && executable(found))
    })
}

fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>, Failed> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    match read {
        Ok(length) if u64::try_from(length).unwrap_or(u64::MAX) > most => {
            Err(Failed::at(Doing::Read, path)(std::io::ErrorKind::FileTooLarge.into()))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failed::at(Doing::Read, path)(error)),
    }
}

/// Marks of lines without the folders of this machine: the same source gives the same text. In no
/// code page is `/` a part of another character.
fn without_folders(expanded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(expanded.len());
    for line in expanded.split_inclusive(|byte| *byte == b'\n') {
        let quote = line.iter().position(|byte| *byte == b'"');
        match quote.filter(|_| line.starts_with(b"#line ")) {
            Some(quote) => {
                let (number, file) = line.split_at(quote + 1);
                let from = file.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
                out.extend_from_slice(number);
                out.extend_from_slice(&file[from..]);
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}
