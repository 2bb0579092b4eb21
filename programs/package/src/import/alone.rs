//! A program that was made here, compiled and run once: what moves files that only the run-time
//! system of COBOL can read.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use tsugi_record::code_page::CodePage;
use tsugi_record::source::Form;

use super::{LIMIT, NotImported, Proof, Request, cobc};
use crate::manifest::{Commits, Dialect};

/// A program, in free form.
#[derive(Clone, Copy, Debug)]
pub struct Alone<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its source.
    pub text: &'a str,
    /// The folder that it runs in.
    pub folder: &'a Path,
    /// Its environment, beside where programs are.
    pub variables: &'a [(&'a str, &'a str)],
    /// Folders in which programs are looked for, as in PATH.
    pub path: &'a OsStr,
    /// So long it may run; whole seconds, at least one.
    pub limit: Duration,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With 0.
    Done,
    /// Otherwise; what it complained of.
    Failed(String),
}

/// Compiles a program and runs it. What is compiled is gone afterwards.
///
/// # Errors
/// It was not compiled, or did not end in its time.
pub fn run(alone: &Alone<'_>) -> Result<Ended, NotImported> {
    let request = Request {
        source: Path::new(alone.name),
        name: Some(alone.name),
        form: Form::Free,
        code_page: CodePage::Ascii,
        dialect: Dialect::Default,
        copybooks: &[],
        commits: Commits::Refused,
        others: &[],
        proof: Proof::None,
        path: alone.path,
        limit: LIMIT,
    };
    let compiler = cobc::Compiler::find(&request)?;
    let place = (alone.folder, alone.variables);
    let said = compiler.run_alone((alone.name, alone.text), place, alone.limit)?;
    match said.status.success() {
        true => Ok(Ended::Done),
        false => Ok(Ended::Failed(said.errors.trim().to_owned())),
    }
}
