//! Where a node has its place in the tree of control groups, and how it holds it.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use super::{Tree, children, kill_tree, processes, remove};

/// So often, with so much time between, a place in the tree is made anew when another node has
/// just taken it for an abandoned one, or a child of an earlier life still holds it.
const HOLD_TRIES: u32 = 50;
const HOLD_AGAIN: Duration = Duration::from_millis(2);

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
