//! The log of a run: what was answered to whom. The former run's log is kept beside it, unchanged.
//!
//! On the group's volume it goes with the group, so that the node that took over can show what the
//! former owner wrote. It is no record: a power loss may take its last lines.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use crate::epoch_file::sync_directory;
use crate::{CounterError, Doing};

/// The log of the run under way.
pub const NAME: &str = "console.log";
/// The log of the run before it.
pub const FORMER: &str = "console.bak";

/// The open log of this run.
#[derive(Debug)]
pub(crate) struct Log(File);

impl Log {
    /// Begins a log in `dir`. Killed at any point, the former log is whole under one of the names.
    pub(crate) fn begin(dir: &Path, node: &str) -> Result<Self, CounterError> {
        let (path, former) = (dir.join(NAME), dir.join(FORMER));
        fs::create_dir_all(dir).doing(|| format!("create {}", dir.display()))?;
        match fs::rename(&path, &former) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            renamed => renamed.doing(|| format!("rename {}", path.display()))?,
        }
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let mut log = Self(file.doing(|| format!("create {}", path.display()))?);
        sync_directory(dir)?;
        let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
        log.note(&format!("{now} {node} started\n"))?;
        Ok(log)
    }

    /// Adds whole lines.
    pub(crate) fn note(&mut self, lines: &str) -> Result<(), CounterError> {
        self.0.write_all(lines.as_bytes()).doing(|| format!("write {NAME}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mf_14_a_run_keeps_the_former_log_unchanged_under_its_other_name() {
        let volume = tempfile::tempdir().unwrap();
        let dir = volume.path().join("log");
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        let mut first = Log::begin(&dir, "n1").unwrap();
        assert!(!dir.join(FORMER).exists(), "there was none before");
        first.note("338 n1 counter c 7\n").unwrap();
        let (was, when) = (read(NAME), fs::metadata(dir.join(NAME)).unwrap().modified().unwrap());
        Log::begin(&dir, "n2").unwrap();
        assert_eq!(read(FORMER), was);
        assert_eq!(fs::metadata(dir.join(FORMER)).unwrap().modified().unwrap(), when);
        assert!(read(NAME).ends_with("n2 started\n"), "{}", read(NAME));
        assert_eq!(read(NAME).lines().count(), 1);
    }

    #[test]
    fn a_run_that_ended_before_it_had_a_log_loses_none() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FORMER), "what n1 wrote\n").unwrap();
        Log::begin(dir.path(), "n2").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join(FORMER)).unwrap(), "what n1 wrote\n");
    }
}
