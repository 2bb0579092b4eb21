//! The programs of the groups: started, known by pid and start time, killed for certain.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use tsugi_vocabulary::{GroupName, Moment};

use super::launch::{Launch, Prepare, become_user};
use super::slow::check;
use super::starter::Starter;
use crate::cgroup;
use crate::guardian::release::{Means, mark};
use crate::request::{
    Ended, Failure, HowEnded, Limits, Output, Program, ProgramId, Purpose, Running, TimeLimit,
};
use crate::{clock, process, sys};

struct Started {
    running: Running,
    leaf: Option<PathBuf>,
    mark: String,
    output: Output,
    until: Option<Moment>,
    limit: TimeLimit,
    told: Cell<Told>,
}

/// Whether a program was told to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It goes on.
    Nothing,
    /// It ends, sooner or later.
    ToEnd,
}

/// All programs that run.
pub struct Programs {
    started: BTreeMap<u32, Started>,
    starter: Starter,
    means: Means,
    serial: u64,
}

impl Programs {
    /// None runs.
    #[must_use]
    pub fn new(means: Means, starter: Starter) -> Self {
        Self { started: BTreeMap::new(), starter, means, serial: 0 }
    }

    /// Starts a program; it is killed again if its lease was lost meanwhile.
    ///
    /// # Errors
    /// Why it does not run.
    pub fn spawn(&mut self, program: &Program) -> Result<ProgramId, Failure> {
        check(&self.means.table, &program.right)?;
        let argv0 = program.argv.first().filter(|text| !text.is_empty());
        let Some(argv0) = argv0 else {
            return Err(Failure::Malformed { why: "no program is named".to_owned() });
        };
        let failed = |error: io::Error| Failure::NotStarted {
            step: format!("start {argv0}"),
            errno: error.raw_os_error().unwrap_or(libc::EINVAL),
        };
        let dir = sys::c_path(program.dir.as_deref().unwrap_or(Path::new("/"))).map_err(failed)?;
        let output = outlet(&program.output).map_err(failed)?;
        self.serial += 1;
        let group = program.right.group().clone();
        let mark = format!("{}p{}.", mark(&self.means.node_mark, group.as_str()), self.serial);
        let enclosure = match &self.means.tree {
            Some(tree) => Some(tree.enclose(group.as_str(), self.serial).map_err(failed)?),
            None => None,
        };
        let (leaf, cgroup) = enclosure.unzip();
        let epoch = program.right.epoch().to_string();
        let told =
            [("TSUGI_GROUP", group.as_str()), ("TSUGI_EPOCH", &epoch), (process::MARK, &mark)];
        let given = program.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let launch = Launch {
            argv: program.argv.clone(),
            env: given.chain(told).map(|(name, value)| (name.into(), value.into())).collect(),
            dir: Some(dir),
            streams: [None, Some(output), None],
            cgroup,
            prepare: prepare(program),
        };
        let pid = self.starter.start(launch).map_err(|error| {
            self.tidy(&group);
            failed(error)
        })?;
        // Not reaped yet, so it is there even if it has already ended.
        let id = process::identify(pid).ok_or(Failure::NoProgram)?;
        self.means.table.enter(id, &group);
        let running = Running {
            id,
            group,
            epoch: program.right.epoch(),
            name: program.name.clone(),
            purpose: program.purpose,
        };
        let output = program.output.clone();
        let until = program.time_limit.map(|limit| clock::now() + limit);
        let limit = TimeLimit::Kept;
        let told = Cell::new(Told::Nothing);
        self.started.insert(id.pid, Started { running, leaf, mark, output, until, limit, told });
        if let Err(lost) = check(&self.means.table, &program.right) {
            self.started.get(&id.pid).inspect(|started| started.kill());
            return Err(lost);
        }
        Ok(id)
    }

    /// A process of ours ended; what is to be told if it was a program.
    pub fn ended(&mut self, pid: u32, how: HowEnded) -> Option<Ended> {
        let started = self.started.remove(&pid)?;
        self.means.table.leave(started.running.id);
        let keeps = match started.running.purpose {
            Purpose::Service | Purpose::Start => started.limit == TimeLimit::Kept,
            Purpose::Stop | Purpose::Monitor => false,
        };
        if !keeps {
            started.kill();
        }
        // With the last one the group's own goes too: after a release nobody asks for its kill.
        self.tidy(&started.running.group);
        let (program, limit) = (started.running, started.limit);
        Some(Ended { program, how, limit, tail: Vec::new(), dropped: 0 })
    }

    /// Kills those whose time has passed.
    pub fn keep_time(&mut self, now: Moment) {
        for started in self.started.values_mut() {
            if started.until.is_some_and(|until| until <= now) {
                started.until = None;
                started.limit = TimeLimit::Exceeded;
                started.kill();
            }
        }
    }

    /// When the next time limit ends.
    #[must_use]
    pub fn next_limit(&self) -> Option<Moment> {
        self.started.values().filter_map(|started| started.until).min()
    }

    /// Where the outputs go that somebody reads.
    #[must_use]
    pub fn outputs(&self) -> Vec<(ProgramId, Output)> {
        let piped = self.started.values().filter(|s| matches!(s.output, Output::Pipe { .. }));
        piped.map(|started| (started.running.id, started.output.clone())).collect()
    }

    /// The programs that run and go on. One that was told to end is as good as gone, also for
    /// an agent that comes after the one who told it.
    #[must_use]
    pub fn running(&self) -> Vec<Running> {
        let go_on = self.started.values().filter(|started| started.told.get() == Told::Nothing);
        go_on.map(|started| started.running.clone()).collect()
    }

    /// Sends a signal to a program and its process group.
    ///
    /// # Errors
    /// It is not one of ours.
    pub fn signal(&self, id: ProgramId, signal: i32) -> Result<(), Failure> {
        let known = self.started.get(&id.pid).filter(|started| started.running.id == id);
        let Some(started) = known else { return Err(Failure::NoProgram) };
        if [libc::SIGTERM, libc::SIGKILL].contains(&signal) {
            started.told.set(Told::ToEnd);
        }
        // It is not reaped before `ended`, so the number is still its.
        sys::kill(-id.pid.cast_signed(), signal).map_err(|error| Failure::system("kill", &error))
    }

    /// Forgets the cgroups of a group that nobody is in. One in use stays till the group is killed.
    pub fn tidy(&self, group: &GroupName) {
        if let Some(tree) = &self.means.tree {
            cgroup::remove(&tree.path().join(group.as_str()));
        }
    }

    /// The groups that have processes, as far as they are known by name.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupName> {
        let mut names: Vec<GroupName> = match &self.means.tree {
            Some(tree) => {
                tree.groups().iter().filter_map(|name| GroupName::new(name).ok()).collect()
            }
            None => self.started.values().map(|started| started.running.group.clone()).collect(),
        };
        names.sort();
        names.dedup();
        names
    }
}

impl Started {
    /// Kills the program and all it started.
    fn kill(&self) {
        match &self.leaf {
            // That nothing is left is verified by the kill of the group.
            Some(leaf) => drop(cgroup::kill_tree(leaf)),
            None => {
                for pid in process::members(&[self.running.id], &self.mark) {
                    drop(sys::kill(pid.cast_signed(), libc::SIGKILL));
                }
            }
        }
    }
}

/// Where a program prints to: its pipe. It has the reading end as well: an agent may come and go,
/// and whoever writes does not die of it.
fn outlet(output: &Output) -> io::Result<File> {
    let path = match output {
        Output::Discard => return OpenOptions::new().write(true).open("/dev/null"),
        Output::Pipe { path, .. } => path,
        // What becomes of output is the agent's.
        Output::Tail { .. } | Output::File { .. } | Output::Both(..) => {
            return Err(io::ErrorKind::Unsupported.into());
        }
    };
    let mut options = OpenOptions::new();
    let pipe = options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(path)?;
    if !pipe.metadata()?.file_type().is_fifo() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // The very pipe that was looked at, whatever has its name now.
    let same = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    OpenOptions::new().read(true).write(true).open(same)
}

/// Everything between fork and exec, in this order: what needs root, the user, what the change
/// of user would undo.
fn prepare(program: &Program) -> Prepare {
    let parent = std::process::id();
    let (limits, user) = (program.limits, program.user);
    Box::new(move || {
        umask(Mode::from_bits_truncate(0o022));
        // Not protected as the hands are; where that was not allowed this is not needed.
        drop(std::fs::write("/proc/self/oom_score_adj", "0"));
        limit(limits)?;
        if let Some((uid, gid)) = user {
            become_user(uid, gid)?;
        }
        sys::die_with_parent(parent)
    })
}

/// Keeps the calling process, and what it becomes, within limits.
///
/// # Errors
/// The call that failed.
pub fn limit(limits: Limits) -> io::Result<()> {
    let each = [
        (Resource::RLIMIT_NOFILE, limits.open_files),
        (Resource::RLIMIT_AS, limits.memory_bytes),
        (Resource::RLIMIT_NPROC, limits.processes),
        (Resource::RLIMIT_CORE, limits.core_bytes),
    ];
    for (resource, value) in each {
        if let Some(value) = value {
            setrlimit(resource, value, value)?;
        }
    }
    Ok(())
}
