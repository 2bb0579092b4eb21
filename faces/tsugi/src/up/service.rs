//! What a trial runs: the service of the verification report, made and deployed as a user does it.
//! Where COBOL can be compiled it is the report's own source, else the same as a shared library.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use tsugi_messages::phrase;

use super::place::{GROUP, Place};
use crate::out::Out;

/// What callers call it.
pub const SERVICE: &str = "CBLAPP01";

/// What the binary has with it: a trial runs where no sample lies.
const FILES: [(&str, &[u8]); 5] = [
    ("CBLAPP01.cbl", include_bytes!("../../../../samples/report/CBLAPP01.cbl")),
    ("CBLAPP01.toml", include_bytes!("../../../../samples/report/CBLAPP01.toml")),
    ("APPFILE01.dat", include_bytes!("../../../../samples/report/APPFILE01.dat")),
    ("cblapp01.sql", include_bytes!("../../../../samples/report/native/cblapp01.sql")),
    ("libCBLAPP01.so", include_bytes!(concat!(env!("OUT_DIR"), "/libCBLAPP01.so"))),
];

/// What answers the calls of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The report's source, compiled here.
    Cobol,
    /// The same as a shared library.
    Native,
}

impl Program {
    /// What it is called in the output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cobol => "cobol:CBLAPP01",
            Self::Native => "native:CBLAPP01",
        }
    }
}

/// The commands of a trial.
struct Shop<'a> {
    exe: PathBuf,
    folder: PathBuf,
    out: &'a Out,
}

/// Makes the package of the service and deploys it on the volume of a trial.
///
/// # Errors
/// What could not be done, in words.
pub fn deploy(place: &Place, out: &Out) -> Result<Program, String> {
    let begun = Instant::now();
    let exe = std::env::current_exe().map_err(|e| e.to_string())?;
    let shop = Shop { exe, folder: place.packages(), out };
    for (name, bytes) in FILES {
        let at = shop.folder.join(name);
        fs::write(&at, bytes).map_err(|why| format!("{}: {why}", at.display()))?;
    }
    let program = shop.import()?;
    let volume = place.volume();
    let volume = [OsStr::new("--volume"), volume.as_os_str()];
    let words = [OsStr::new("deploy"), OsStr::new("srv01.tsugi")];
    shop.service(&[&words[..], &volume, &["--group".as_ref(), GROUP.as_ref()]].concat())?;
    out.say(&phrase::up_deployed(program.word(), begun.elapsed().as_millis()));
    Ok(program)
}

impl Shop<'_> {
    fn import(&self) -> Result<Program, String> {
        let options = ["--name", "srv01", "--interface", "CBLAPP01.toml", "--out", "srv01.tsugi"];
        let import = |words: &[&str]| {
            let words = [&["import"], words, &options].concat();
            self.service(&words.iter().map(OsStr::new).collect::<Vec<_>>())
        };
        if is_installed("cobc") {
            self.out.say(&phrase::up_compiles());
            match import(&["CBLAPP01.cbl", "--data", "APPFILE01=APPFILE01.dat"]) {
                Ok(()) => return Ok(Program::Cobol),
                // A compiler that does not work here costs nobody the trial.
                Err(why) => self.out.say(&phrase::up_does_not_compile(why)),
            }
        } else {
            self.out.say(&phrase::up_no_compiler());
        }
        import(&["libCBLAPP01.so", "--tables", "cblapp01.sql"])?;
        Ok(Program::Native)
    }

    /// Runs a command as a user types it; what it says where it fails.
    fn service(&self, words: &[&OsStr]) -> Result<(), String> {
        let mut command = Command::new(&self.exe);
        command.args(["--lang", self.out.language.code(), "service"]).args(words);
        command.current_dir(&self.folder).stdin(Stdio::null());
        let ran = command.output().map_err(|why| why.to_string())?;
        if ran.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ran.stderr);
        Err(said.lines().next().unwrap_or_default().to_owned())
    }
}

/// Whether a program of this name is found.
fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    std::env::split_paths(&path).any(|folder| is_program(&folder.join(name)))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|is| is.is_file() && is.permissions().mode() & 0o111 != 0)
}
