//! Processes as `/proc` shows them, and who belongs to a group.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::{Deserialize, Serialize};

/// A process that cannot be mistaken for a later one with the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProgramId {
    /// Its pid, as the hands see it.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since boot.
    pub started: u64,
}

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its state, one letter.
    pub state: u8,
    /// Its parent.
    pub parent: u32,
    /// Its process group.
    pub process_group: u32,
    /// Its session.
    pub session: u32,
    /// When it started, in ticks since boot.
    pub started: u64,
}

/// Looks at a process; `None` when there is none.
#[must_use]
pub fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name stands in parentheses and may hold spaces and parentheses itself.
    let rest = &text[text.rfind(')')? + 1..];
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    let process_group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    let started = fields.nth(15)?.parse().ok()?;
    Some(Stat { state, parent, process_group, session, started })
}

/// The identity of a process that runs.
#[must_use]
pub fn identify(pid: u32) -> Option<ProgramId> {
    Some(ProgramId { pid, started: stat(pid)?.started })
}

/// Every process that this one can see.
pub fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let names =
        entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

/// The mark in the environment by which a process is known that left its process group, its
/// session and its parents.
pub const MARK: &str = "TSUGI_MARK";

/// Every process that comes from one of `roots` or whose mark in its environment begins with
/// `mark`.
///
/// This is what there is without cgroups: by process group, session, descent and environment.
/// A process that rids itself of all four is not found.
#[must_use]
pub fn members(roots: &[ProgramId], mark: &str) -> Vec<u32> {
    let own = std::process::id();
    let all: BTreeMap<u32, Stat> = pids()
        .into_iter()
        .filter(|pid| *pid != own)
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .filter(|(_, stat)| !matches!(stat.state, b'Z' | b'X'))
        .collect();
    let roots: BTreeSet<u32> = roots
        .iter()
        .filter(|root| all.get(&root.pid).is_none_or(|stat| stat.started == root.started))
        .map(|root| root.pid)
        .collect();
    let wanted = format!("{MARK}={mark}");
    let mut found: BTreeSet<u32> = all
        .iter()
        .filter(|(pid, stat)| {
            roots.contains(pid)
                || roots.contains(&stat.process_group)
                || roots.contains(&stat.session)
                || carries(**pid, wanted.as_bytes())
        })
        .map(|(pid, _)| *pid)
        .collect();
    loop {
        let more: Vec<u32> = all
            .iter()
            .filter(|(pid, stat)| !found.contains(pid) && found.contains(&stat.parent))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            return found.into_iter().collect();
        }
        found.extend(more);
    }
}

fn carries(pid: u32, wanted: &[u8]) -> bool {
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environ.split(|byte| *byte == 0).any(|variable| variable.starts_with(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_mislead() {
        let text = "12 (a) b) (c) S 3 4 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.state, stat.parent, stat.started), (b'S', 3, 777));
        assert_eq!(parse_stat("12 (a S 3"), None);
    }
}
