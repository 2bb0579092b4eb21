//! The processes of a host, seen from outside.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cgroup::Cgroup;
use crate::Trouble;

/// One process: two of one number that began at different times are two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number, as the lab sees it.
    pub pid: i32,
    /// When it began, in ticks of the machine.
    pub began: u64,
    /// Its command line.
    pub argv: Vec<String>,
}

impl Process {
    /// Sends it a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<(), Trouble> {
        Ok(kill(Pid::from_raw(self.pid), signal).map_err(io::Error::from)?)
    }

    /// Whether it still runs (a zombie does not).
    #[must_use]
    pub fn runs(&self) -> bool {
        state(self.pid).is_some_and(|state| state != 'Z' && state != 'X')
    }

    /// Whether this file is what it runs: another of the same name is another.
    #[must_use]
    pub fn runs_file(&self, file: &std::path::Path) -> bool {
        let own = fs::metadata(format!("/proc/{}/exe", self.pid));
        let same = |own: &fs::Metadata, file: &fs::Metadata| {
            (own.dev(), own.ino()) == (file.dev(), file.ino())
        };
        matches!((own, fs::metadata(file)), (Ok(own), Ok(file)) if same(&own, &file))
    }

    /// Processor time of all its threads so far.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", self.pid)) else {
            return Duration::ZERO;
        };
        let of_task = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
        };
        tasks.flatten().filter_map(of_task).sum()
    }

    /// Resident memory in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }
}

/// The state letter of a process.
fn state(pid: i32) -> Option<char> {
    stat(pid, 0)?.chars().next()
}

/// One of the words that the kernel says of a process, counted behind its name.
fn stat(pid: i32, word: usize) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.split(' ').nth(word).map(str::to_owned)
}

pub(super) fn of(cgroup: &Cgroup) -> Vec<Process> {
    cgroup.pids().into_iter().filter_map(read).collect()
}

fn read(pid: i32) -> Option<Process> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let argv: Vec<String> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let began = stat(pid, 19)?.parse().ok()?;
    (!argv.is_empty()).then_some(Process { pid, began, argv })
}

/// A process of the machine, whatever host or control group it is in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its number, as the lab sees it.
    pub pid: i32,
    /// Its command line; a process that has ended and was not waited for has none.
    pub argv: Vec<String>,
    /// Its control group, from the root of the tree.
    pub cgroup: String,
    /// The namespaces it is in, by kind.
    pub namespaces: Vec<(&'static str, String)>,
}

/// The kinds of namespaces.
const KINDS: [&str; 6] = ["pid", "net", "mnt", "uts", "ipc", "cgroup"];

impl Seen {
    /// A process of this number, as far as it is there still.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let argv = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let cgroup = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
        let cgroup = cgroup.to_owned();
        let link = |kind: &&'static str| {
            let space = fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()?;
            Some((*kind, space.to_string_lossy().into_owned()))
        };
        let namespaces = KINDS.iter().filter_map(link).collect();
        Some(Self { pid, argv, cgroup, namespaces })
    }

    /// The namespace of this kind.
    #[must_use]
    pub fn namespace(&self, kind: &str) -> Option<&str> {
        self.namespaces.iter().find(|(known, _)| *known == kind).map(|(_, space)| space.as_str())
    }
}

/// Every process of the machine.
#[must_use]
pub fn everywhere() -> Vec<Seen> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(Seen::of).collect()
}

/// The one child of a process.
pub(super) fn only_child(pid: u32) -> Result<i32, Trouble> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    text.split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| Trouble::Failed(format!("process {pid} has no child")))
}
