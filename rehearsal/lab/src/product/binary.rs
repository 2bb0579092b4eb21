//! Where the program under rehearsal is: beside the lab, built if it is missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::Trouble;

/// Which build of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// This one.
    Current,
    /// The same as the next release would be: another version, and the next protocol.
    Next,
}

impl Build {
    fn name(self) -> &'static str {
        match self {
            Self::Current => "tsugi",
            Self::Next => "tsugi-next",
        }
    }

    /// The package that it is a binary of.
    fn package(self) -> &'static str {
        match self {
            Self::Current => "tsugi",
            Self::Next => "tsugi-lab",
        }
    }

    /// Finds the program beside the running one; builds it there if it is missing.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn find(self) -> Result<PathBuf, Trouble> {
        let own = std::env::current_exe()?;
        let dir = own.parent().ok_or_else(|| Trouble::Failed("the lab lies nowhere".into()))?;
        let (binary, current) = (dir.join(self.name()), dir.join(Self::Current.name()));
        match self {
            Self::Current if !binary.exists() => self.build(dir)?,
            // It is no rehearsal of an update if the newer build is an old one.
            Self::Next if !binary.exists() || written(&binary) < written(&current) => {
                self.build(dir)?;
                std::fs::File::open(&binary)?.set_modified(SystemTime::now())?;
            }
            Self::Current | Self::Next => {}
        }
        Ok(binary)
    }

    /// Has cargo put the program into `dir`.
    fn build(self, dir: &Path) -> Result<(), Trouble> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(["build", "--package", self.package(), "--bin", self.name()]);
        if dir.ends_with("release") {
            cargo.arg("--release");
        }
        // The directory above is the one that cargo was given for its output.
        if let Some(target) = dir.parent() {
            cargo.arg("--target-dir").arg(target);
        }
        let done = cargo.status().map_err(|error| Trouble::Missing(format!("cargo: {error}")))?;
        if done.success() {
            Ok(())
        } else {
            Err(Trouble::Failed(format!("the program could not be built in {}", dir.display())))
        }
    }
}

fn written(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|about| about.modified()).ok()
}
