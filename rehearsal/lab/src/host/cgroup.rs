//! The control group of a host: what freezes and finds all its processes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Trouble;

/// One control group (version 2).
#[derive(Debug)]
pub(super) struct Cgroup(PathBuf);

/// Where version 2 is mounted.
pub(super) fn root() -> Option<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = table.lines().find(|line| line.contains(" - cgroup2 "))?;
    line.split(' ').nth(4).map(PathBuf::from)
}

impl Cgroup {
    pub(super) fn create(name: &str) -> Result<Self, Trouble> {
        let root = root().ok_or_else(|| Trouble::Missing("control groups version 2".into()))?;
        let path = root.join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn freeze(&self, frozen: bool) -> io::Result<()> {
        fs::write(self.0.join("cgroup.freeze"), if frozen { "1" } else { "0" })
    }

    /// Every process in it and below it.
    pub(super) fn pids(&self) -> Vec<i32> {
        let mut pids = Vec::new();
        each(&self.0, &mut |dir| {
            let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        });
        pids
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Calls `take` for what is below `dir` first, then for `dir`.
fn each(dir: &Path, take: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            each(&entry.path(), take);
        }
    }
    take(dir);
}

/// All directories below one, those that hold others first.
#[must_use]
pub fn directories(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    each(dir, &mut |below| all.push(below.to_owned()));
    all.retain(|below| below != dir);
    all.reverse();
    all
}

fn remove(dir: &Path) {
    // What is still in use is cleared away by the next start of the lab.
    each(dir, &mut |dir| drop(fs::remove_dir(dir)));
}

/// Ends what a killed lab left in groups named `tsl-`, and removes them.
pub fn clear_leftovers() {
    let Some(root) = root() else { return };
    let Ok(entries) = fs::read_dir(&root) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with("tsl-") {
            continue;
        }
        let group = Cgroup(entry.path());
        let _thawed = group.freeze(false);
        for pid in group.pids() {
            let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let end = std::time::Instant::now() + std::time::Duration::from_secs(3);
        while !group.pids().is_empty() && std::time::Instant::now() < end {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}
