//! Control groups: the only fence around processes from which none of them can climb out.
//!
//! Each group of programs has a cgroup below one of this node's own, and each program one below
//! that, so that a script can be killed with all it left behind without touching its neighbours.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

/// So often, with so much time between, a place in the tree is made anew when another node has
/// just taken it for an abandoned one, or a child of an earlier life still holds it.
const HOLD_TRIES: u32 = 50;
const HOLD_AGAIN: Duration = Duration::from_millis(2);

/// This node's own part of the cgroup tree.
#[derive(Clone, Debug)]
pub struct Tree {
    base: PathBuf,
    /// Shows other nodes of the machine that an empty tree is not an abandoned one.
    _held: Option<Arc<Flock<File>>>,
}

impl Tree {
    /// Finds the version 2 tree and makes a place in it, if this process may. What an earlier
    /// life of the same node left there is killed.
    #[must_use]
    pub fn claim(name: &str) -> Option<Self> {
        places().into_iter().find_map(|place| Self::claim_in(&place, name))
    }

    fn claim_in(place: &Path, name: &str) -> Option<Self> {
        let may_enter = |dir: &Path| {
            let procs = OpenOptions::new().write(true).open(dir.join("cgroup.procs"));
            procs.ok().map(drop)
        };
        // Who moves a process must be allowed to write in what holds both ends of the way.
        may_enter(place)?;
        clear_abandoned(place);
        let base = place.join(name);
        kill_tree(&base).ok()?;
        // Between making and holding it another node may take it for abandoned.
        (0..HOLD_TRIES).find_map(|again| {
            if again > 0 {
                std::thread::sleep(HOLD_AGAIN);
            }
            fs::create_dir_all(&base).ok()?;
            let held = hold(&base)?;
            may_enter(&base)?;
            Some(Self { base: base.clone(), _held: Some(Arc::new(held)) })
        })
    }

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

    /// Makes a cgroup for one program of `group`; the file takes the pid of who enters.
    ///
    /// # Errors
    /// The call that failed.
    pub fn enclose(&self, group: &str, serial: u64) -> io::Result<(PathBuf, File)> {
        let leaf = self.base.join(group).join(format!("p{serial}"));
        fs::create_dir_all(&leaf)?;
        let door = OpenOptions::new().write(true).open(leaf.join("cgroup.procs"))?;
        Ok((leaf, door))
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

/// What nodes that are no more left behind: empty cgroups that nobody holds.
fn clear_abandoned(root: &Path) {
    for dir in children(root) {
        let ours = dir.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(PREFIX));
        if ours && processes(&dir).is_empty() && hold(&dir).is_some() {
            remove(&dir);
        }
    }
}

fn hold(dir: &Path) -> Option<Flock<File>> {
    Flock::lock(File::open(dir).ok()?, FlockArg::LockExclusiveNonblock).ok()
}

/// How the cgroups of all nodes of tsugi begin.
pub const PREFIX: &str = "tsugi-";

/// Where a node may have a place of its own: below the cgroup it was started in, which a service
/// manager may have delegated to it, else at the root of the version 2 tree.
fn places() -> Vec<PathBuf> {
    let Some(root) = root() else { return Vec::new() };
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
    let own = own.filter(|path| !path.is_empty() && !path.contains(".."));
    own.map(|path| root.join(path)).into_iter().chain([root.clone()]).collect()
}

/// Where the version 2 tree is mounted: alone, or beside version 1.
fn root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| {
        line.split_once(" - ").is_some_and(|(_, rest)| rest.starts_with("cgroup2 "))
    })?;
    Some(PathBuf::from(line.split(' ').nth(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_of_a_node_that_lives_is_not_taken_for_an_abandoned_one() {
        let Some(place) = places().into_iter().next() else { return };
        let name = format!("{PREFIX}test-{}", std::process::id());
        let Some(tree) = Tree::claim_in(&place, &name) else { return };
        clear_abandoned(&place);
        assert!(tree.path().exists(), "it is held");
        let path = tree.path().to_owned();
        drop(tree);
        clear_abandoned(&place);
        assert!(!path.exists(), "nobody holds it any more");
    }
}
