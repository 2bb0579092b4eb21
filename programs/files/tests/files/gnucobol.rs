//! The oracle itself: COBOL programs of `oracle/`, compiled by cobc and run.
#![expect(clippy::disallowed_types, reason = "the oracle is a program with files")]

use std::fs::{File, read_to_string, write};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::schedule::Kind;
use super::script::{Line, Shown};
use super::source::{locks, source};

/// A compiled program.
pub struct Oracle {
    program: TempDir,
    /// Its files: in memory where it can be, because each CLOSE waits for the disk.
    folder: TempDir,
}

impl Oracle {
    /// The program for such a file.
    pub fn of(kind: Kind) -> Self {
        Self::compile(&source(kind))
    }

    /// A program of this source.
    pub fn compile(source: &str) -> Self {
        let program = TempDir::new().expect("a folder");
        let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a folder");
        write(program.path().join("oracle.cbl"), source).expect("the source");
        let script = include_str!("oracle/script.cpy");
        write(program.path().join("script.cpy"), script).expect("what it copies");
        let said = Command::new("cobc")
            .args(["-x", "-free", "-w", "-o", "oracle", "oracle.cbl"])
            .current_dir(program.path())
            .output()
            .expect("cobc is needed: apt-get install gnucobol3");
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        let made = program.path().join("oracle").exists();
        assert!(made, "cobc says: {said}\n{source}");
        Self { program, folder }
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it shows for each line of each script, all in one run; each script has a file of its
    /// own, by its number from `first`.
    pub fn run(&self, first: usize, scripts: &[Vec<Line>]) -> Vec<Vec<Shown>> {
        let mut text = String::from("unnamed\n");
        for (number, script) in scripts.iter().enumerate() {
            // 26 columns are fields; the name stands where records do.
            text.push_str(&format!("NM 0 -- 00 0000 0000 0000 f{}\n", first + number));
            for line in script {
                text.push_str(&format!("{line}\n"));
            }
            // Closing a file once more that was closed WITH LOCK may end the program.
            let close = if locks(script) { "UN" } else { "CL" };
            text.push_str(&format!("{close} 0 -- 00 0000 0000 0000 \n"));
        }
        text.push_str("ZZ\n");
        let shown = self.talk(&text);
        let mut shown = shown.lines().map(Shown::parse);
        let one = |script: &Vec<Line>| {
            shown.next();
            let lines: Vec<_> = shown.by_ref().take(script.len()).collect();
            shown.next();
            lines
        };
        scripts.iter().map(one).collect()
    }

    fn talk(&self, text: &str) -> String {
        let path = |name: &str| self.program.path().join(name);
        write(path("script"), text).expect("a script");
        let ended = Command::new(path("oracle"))
            .current_dir(self.folder.path())
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::from(File::open(path("script")).expect("a script")))
            .stdout(Stdio::from(File::create(path("shown")).expect("a file")))
            .stderr(Stdio::from(File::create(path("said")).expect("a file")))
            .status();
        let ended = ended.expect("the program runs");
        let said = read_to_string(path("said")).expect("what it said");
        assert!(ended.success(), "{ended}: {said}\n{text}");
        let shown = std::fs::read(path("shown")).expect("what it shows");
        String::from_utf8_lossy(&shown).into_owned()
    }
}
