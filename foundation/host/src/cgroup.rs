//! Control groups: the only fence around processes from which none of them can climb out.
//!
//! Each group of programs has a cgroup below one of this node's own, and each program one below
//! that, so that a script can be killed with all it left behind without touching its neighbours.

pub mod claim;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::Flock;

/// This node's own part of the cgroup tree.
#[derive(Clone, Debug)]
pub struct Tree {
    base: PathBuf,
    /// Shows other nodes of the machine that an empty tree is not an abandoned one.
    _held: Option<Arc<Flock<File>>>,
}

impl Tree {
    /// A place that was claimed by another process.
    #[must_use]
    pub const fn at(base: PathBuf) -> Self {
        Self { base, _held: None }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.base
    }

    /// Makes a cgroup for one program of `group`; the file is its directory.
    ///
    /// # Errors
    /// The call that failed.
    pub fn enclose(&self, group: &str, serial: u64) -> io::Result<(PathBuf, File)> {
        let leaf = self.base.join(group).join(format!("p{serial}"));
        fs::create_dir_all(&leaf)?;
        let dir = File::open(&leaf)?;
        Ok((leaf, dir))
    }

    /// Kills everything in the cgroup of `group`; it may take a moment until it is gone.
    ///
    /// # Errors
    /// The call that failed.
    pub fn kill(&self, group: &str) -> io::Result<()> {
        kill_tree(&self.base.join(group))
    }

    /// Kills everything of this node.
    ///
    /// # Errors
    /// The call that failed.
    pub fn kill_all(&self) -> io::Result<()> {
        kill_tree(&self.base)
    }

    /// The processes in the cgroup of `group`, zombies not counted.
    #[must_use]
    pub fn processes(&self, group: &str) -> Vec<u32> {
        processes(&self.base.join(group))
    }

    /// Whether nothing of `group` runs; what cannot be told counts as running.
    pub fn is_empty(&self, group: &str) -> bool {
        match fs::read_to_string(self.base.join(group).join("cgroup.events")) {
            Ok(text) => text.lines().any(|line| line == "populated 0"),
            Err(error) => gone(&error),
        }
    }

    /// The groups that have a cgroup.
    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        let names = children(&self.base).into_iter();
        names.filter_map(|dir| Some(dir.file_name()?.to_str()?.to_owned())).collect()
    }
}

/// Kills everything in a cgroup and below.
///
/// # Errors
/// The call that failed.
pub fn kill_tree(dir: &Path) -> io::Result<()> {
    match fs::write(dir.join("cgroup.kill"), "1") {
        Ok(()) => Ok(()),
        Err(error) if gone(&error) && !dir.exists() => Ok(()),
        // Kernels before 5.14: one by one. Who forks meanwhile is found by the caller, who
        // kills until the cgroup is empty.
        Err(error) if gone(&error) => {
            for pid in processes(dir) {
                drop(crate::sys::kill(pid.cast_signed(), libc::SIGKILL));
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The processes in a cgroup and below.
#[must_use]
pub fn processes(dir: &Path) -> Vec<u32> {
    let own = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<u32> = own.lines().filter_map(|line| line.parse().ok()).collect();
    for child in children(dir) {
        pids.extend(processes(&child));
    }
    pids
}

/// Removes a cgroup and those below; one that still has processes stays.
pub fn remove(dir: &Path) {
    for child in children(dir) {
        remove(&child);
    }
    drop(fs::remove_dir(dir));
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let entries = entries.filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}
