//! What is left of a group on this machine: found by its exact name, told, and killed.
//!
//! A process is of a group if it is in the group's control group of this node, or has the mark of
//! it in its environment, by which it is known where there are no control groups. Names are
//! compared as a whole: ESSRV01 is not ESSRV010.
#![expect(unsafe_code, reason = "a system call without a safe wrapper")]

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tsugi_vocabulary::GroupName;

use crate::cgroup::claim::PREFIX;
use crate::guardian::release;
use crate::process::{self, MARK, ProgramId};
use crate::sys;

/// How long it is waited between two looks at what was killed.
const AGAIN: Duration = Duration::from_millis(10);
/// How much of a command line is told, in characters.
const LONGEST: usize = 120;

/// What a process is to its region. Who starts others goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The daemon of its calls, which starts workers.
    Daemon,
    /// One of its workers.
    Worker,
    /// Anything else.
    Other,
}

/// A process that is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remain {
    id: ProgramId,
    /// What it is.
    pub part: Part,
    /// Its command line, as far as it is told.
    pub command: String,
}

impl Remain {
    /// Its number.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.id.pid
    }
}

/// What became of a kill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Killed {
    /// What was there and is gone.
    pub gone: Vec<Remain>,
    /// What is still there.
    pub left: Vec<Remain>,
    /// The kernel has refused the kill of one: this user may not.
    pub refused: bool,
}

/// Every process of a group that runs, in the order in which they are killed; this one is none of
/// them. `node_mark` is the node's ([`crate::hands::node_mark`]).
///
/// # Errors
/// The kernel's list of processes cannot be read.
pub fn of_group(node_mark: &str, group: &GroupName) -> io::Result<Vec<Remain>> {
    fs::read_dir("/proc/self")?;
    let (tree, mark) = (format!("{PREFIX}{node_mark}"), release::mark(node_mark, group.as_str()));
    let own = std::process::id();
    let is_its = |pid: u32| {
        let place = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        is_below(&place, (&tree, group.as_str()))
            || mark_of(pid).is_some_and(|its| its.starts_with(&mark))
    };
    let remain = |pid: u32| {
        let id = process::identify(pid).filter(|_| runs(pid))?;
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let (part, command) = told(&words);
        Some(Remain { id, part, command })
    };
    let pids = process::pids().into_iter().filter(|pid| *pid != own && is_its(*pid));
    let mut all: Vec<Remain> = pids.filter_map(remain).collect();
    all.sort_by_key(|one| (one.part, one.id));
    Ok(all)
}

/// Kills these processes, and waits so long until they are gone. None is mistaken for a later one
/// with its number, and none that has joined the group since is touched.
#[must_use]
pub fn kill(all: Vec<Remain>, within: Duration) -> Killed {
    let end = Instant::now() + within;
    let mut killed = Killed::default();
    for one in &all {
        let end = kill_exactly(one.id);
        killed.refused |= end.is_err_and(|why| why.kind() == io::ErrorKind::PermissionDenied);
    }
    let there = |one: &Remain| process::identify(one.id.pid) == Some(one.id) && runs(one.id.pid);
    while !killed.refused && all.iter().any(there) && Instant::now() < end {
        thread::sleep(AGAIN);
    }
    (killed.left, killed.gone) = all.into_iter().partition(there);
    killed
}

/// Every process whose mark is one of those that are meant.
pub(crate) fn marked(is_meant: impl Fn(&str) -> bool) -> Vec<ProgramId> {
    let pids = process::pids().into_iter();
    let meant = pids.filter(|pid| runs(*pid) && mark_of(*pid).is_some_and(|mark| is_meant(&mark)));
    meant.filter_map(process::identify).collect()
}

/// The mark in the environment of a process, if it has one and may be looked at.
fn mark_of(pid: u32) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mark = |variable: &[u8]| {
        let value = variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    environ.split(|byte| *byte == 0).find_map(mark)
}

/// Whether a process is there and has not ended.
fn runs(pid: u32) -> bool {
    process::stat(pid).is_some_and(|stat| !matches!(stat.state, b'Z' | b'X'))
}

/// Kills a process, and no later one with its number: which it is is asked once that is held. One
/// that is gone is no error.
fn kill_exactly(id: ProgramId) -> io::Result<()> {
    let Ok(held) = sys::pidfd_open(id.pid) else { return Ok(()) };
    if process::identify(id.pid) != Some(id) {
        return Ok(());
    }
    let (held, none) = (held.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: integers, and no memory: without information the kernel makes its own.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, held, libc::SIGKILL, none, 0) };
    match Errno::result(sent) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether a process with this list of control groups is below this one of a tree.
fn is_below(list: &str, (tree, group): (&str, &str)) -> bool {
    let path = list.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    parts.windows(2).any(|pair| pair == [tree, group])
}

/// What a command line says.
fn told(words: &[u8]) -> (Part, String) {
    let words: Vec<String> = words
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .filter(|word| !word.is_empty())
        .collect();
    let part = match words.get(1).map(String::as_str) {
        Some("serve") => Part::Daemon,
        Some("worker") => Part::Worker,
        _ => Part::Other,
    };
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    (part, words.join(" ").chars().map(clean).take(LONGEST).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mf_03_a_control_group_is_its_own_regions_by_its_whole_name() {
        let list = |path: &str| format!("4:memory:/\n0::{path}\n");
        let of = ("tsugi-1-ab", "ESSRV01");
        assert!(is_below(&list("/tsugi-1-ab/ESSRV01/p3"), of));
        assert!(is_below(&list("/a/tsugi-1-ab/ESSRV01/p3/tsugi-serve-x/w/p7"), of));
        for other in [
            "/tsugi-1-ab/ESSRV010/p3",
            "/tsugi-1-ab/ESSRV0/p1",
            "/tsugi-1-abc/ESSRV01/p3",
            "/tsugi-1-ab/PAY/ESSRV01",
            "/",
        ] {
            assert!(!is_below(&list(other), of), "{other}");
        }
    }

    #[test]
    fn who_starts_others_comes_before_them_and_a_command_line_is_one_line() {
        let part = |text: &str| told(text.replace(' ', "\0").as_bytes()).0;
        let mut all = ["/bin/sh", "tsugi worker cobol", "/usr/bin/tsugi serve --volume /u01"];
        all.sort_by_key(|text| part(text));
        assert_eq!(all, ["/usr/bin/tsugi serve --volume /u01", "tsugi worker cobol", "/bin/sh"]);
        assert_eq!(told(b"sh\0-c\0echo a\necho b\0").1, "sh -c echo a echo b");
        assert_eq!(told("x".repeat(300).as_bytes()).1.len(), LONGEST);
    }
}
