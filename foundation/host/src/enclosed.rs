//! A process that its starter holds from its first moment until nothing of it is left.
//!
//! What a group runs is started by the hands, on the agent's order. What an engine of a group runs
//! it starts here, as its own children: it needs the ends of their streams, and it is no agent. A
//! process is born in a control group below that of its starter, so whoever kills the group kills
//! these too; where there are no control groups it is known by process group, descent and a mark
//! in its environment, as the hands know theirs.
//!
//! What is not kept apart: processes of one user can signal each other, and read each other where
//! they do not hide themselves. With [`User::Same`] that includes the starter. And the kill by the
//! kernel when the starter ends is the process's own to take back.

mod folder;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getresuid, sethostname};

use crate::cgroup::{self, Tree, claim};
use crate::hands::launch::{Launch, Prepare, become_user};
use crate::hands::programs::limit;
use crate::process::{self, MARK};
use crate::remains::marked;
use crate::request::{HowEnded, KillBy, Limits, ProgramId};
use crate::{rights, sys};

/// The part of a tree in which all processes of a fold are.
const PART: &str = "w";
/// `CAP_SYS_ADMIN`, by which a process may have a name of the machine of its own.
const MAY_NAME: u32 = 21;
/// How much sooner than others these are ended when memory runs out, of 1000.
const EXPENDABLE: &str = "500";

/// So often, with so much time between, it is looked whether what was killed has gone.
const END_TRIES: u32 = 200;
const END_AGAIN: Duration = Duration::from_millis(10);

/// What a process answers who asks it for the name of its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostName {
    /// What its starter has said.
    Given,
    /// The machine's: the starter may not change it for one process.
    Machine,
}

/// Whose rights a process has. It has no capabilities in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Those of its starter, which is not root.
    Same,
    /// Those of another user and group, and of no further group. Only root can give them.
    Other {
        /// The user's number; not root's, and not the one that changes nothing ([`u32::MAX`]).
        uid: u32,
        /// The group's number, with the same exceptions.
        gid: u32,
    },
}

/// What is to be started.
#[derive(Debug)]
pub struct Order {
    /// The program, looked for in the `PATH` of its own environment, and its arguments.
    pub argv: Vec<String>,
    /// Its environment, besides `HOME` and `TMPDIR`, which are its folder, and a mark.
    pub env: BTreeMap<OsString, OsString>,
    /// What it reads.
    pub input: OwnedFd,
    /// Where it prints to.
    pub output: OwnedFd,
    /// Where its errors go.
    pub errors: OwnedFd,
    /// Whose rights it has.
    pub user: User,
    /// What it may use.
    pub limits: Limits,
    /// What it is to answer who asks for the name of the machine.
    pub host_name: String,
}

/// Why a process does not run; nothing is left of it.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {source}")]
pub struct NotStarted {
    /// What failed.
    pub step: &'static str,
    /// How.
    pub source: io::Error,
}

impl NotStarted {
    fn at(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { step, source }
    }
}

/// The place in which a starter keeps its processes.
#[derive(Debug)]
pub struct Fold {
    tree: Option<Tree>,
    dir: PathBuf,
    mark: String,
    host_name: HostName,
    serial: u64,
}

impl Fold {
    /// Makes the place: a control group if this process may, and `dir`, which its processes must
    /// be able to reach. What an earlier life left there is ended and removed. No other process may
    /// have the same `name` on this machine, and nobody else may write to what is above `dir`.
    ///
    /// # Errors
    /// The folder cannot be made, or is there and is a link, another user's or one that others may
    /// write to: all in it would be removed. Or what an earlier life left running does not end.
    pub fn claim(name: &str, dir: PathBuf) -> io::Result<Self> {
        // Without a slash at its end, behind which a link would be followed.
        let dir: PathBuf = dir.components().collect();
        let place = folder::place(&dir)?;
        let tree = Tree::claim(&format!("{}{name}", claim::PREFIX));
        let own = std::env::var(MARK).unwrap_or_default();
        end_all(&own, name)?;
        // It begins as that of its starter: who looks for those of the starter finds these too.
        let mark = format!("{own}{name}.");
        // What cannot be removed is in nobody's way: a start takes no folder that is there.
        folder::empty(&place).ok();
        let host_name = if may_name() { HostName::Given } else { HostName::Machine };
        Ok(Self { tree, dir, mark, host_name, serial: 0 })
    }

    /// The same without control groups.
    #[must_use]
    pub fn by_descent(mut self) -> Self {
        if let Some(tree) = self.tree.take() {
            cgroup::remove(tree.path());
        }
        self
    }

    /// How its processes are killed.
    #[must_use]
    pub const fn kill_by(&self) -> KillBy {
        if self.tree.is_some() { KillBy::Cgroup } else { KillBy::Descent }
    }

    /// Whose name of the machine its processes are told.
    #[must_use]
    pub const fn host_name(&self) -> HostName {
        self.host_name
    }

    /// Starts a process and waits until it runs its program, or for half a second. It is killed
    /// when the thread that calls this ends, unless it has asked the kernel not to: then by the
    /// kill of its starter's control group, or the next claim of the place.
    ///
    /// # Errors
    /// Why it does not run.
    pub fn start(&mut self, order: Order) -> Result<Enclosed, NotStarted> {
        allowed(order.user).map_err(NotStarted::at("choose its user"))?;
        let dir = self.next();
        folder::private(&dir, order.user).map_err(NotStarted::at("make its folder"))?;
        let started = self.launch(order, &dir);
        if started.is_err() {
            fs::remove_dir(&dir).ok();
            if let Some(tree) = &self.tree {
                cgroup::remove(&tree.path().join(part(self.serial)));
            }
        }
        started
    }

    /// Counts on to a folder that is not there.
    fn next(&mut self) -> PathBuf {
        loop {
            self.serial += 1;
            let dir = self.dir.join(self.serial.to_string());
            if fs::symlink_metadata(&dir).is_err() {
                return dir;
            }
        }
    }

    fn launch(&self, order: Order, dir: &Path) -> Result<Enclosed, NotStarted> {
        let enclosure = self.tree.as_ref().map(|tree| tree.enclose(PART, self.serial));
        let enclosure = enclosure.transpose().map_err(NotStarted::at("make its control group"))?;
        let mark = format!("{}{}.", self.mark, self.serial);
        let mut env = order.env;
        env.insert("HOME".into(), dir.into());
        env.insert("TMPDIR".into(), dir.into());
        env.insert(MARK.into(), mark.clone().into());
        let host_name = (self.host_name == HostName::Given).then_some(order.host_name);
        let high = |end: &OwnedFd| {
            let high = sys::duplicate_high(end).map(File::from);
            high.map_err(NotStarted::at("hand over its streams"))
        };
        let launch = Launch {
            argv: order.argv,
            env,
            dir: Some(sys::c_path(dir).map_err(NotStarted::at("name its folder"))?),
            streams: [
                Some(high(&order.input)?),
                Some(high(&order.output)?),
                Some(high(&order.errors)?),
            ],
            cgroup: enclosure.map(|(_, dir)| dir),
            prepare: prepare(order.user, order.limits, host_name),
        };
        let pid = launch.start().map_err(NotStarted::at("start its program"))?;
        // Not waited for yet, so it is there even if it has already ended.
        let gone = || NotStarted::at("find its process")(io::ErrorKind::NotFound.into());
        let id = process::identify(pid).ok_or_else(gone)?;
        let handle = sys::pidfd_open(pid).map_err(NotStarted::at("hold its process"))?;
        let (tree, serial, dir) = (self.tree.clone(), self.serial, dir.to_owned());
        Ok(Enclosed { id, handle, tree, serial, mark, dir, how: None, removal: None })
    }
}

impl Drop for Fold {
    fn drop(&mut self) {
        if let Some(tree) = &self.tree {
            cgroup::remove(tree.path());
        }
        fs::remove_dir(&self.dir).ok();
    }
}

/// Whether a process may have these rights: never those of root, nor a number by which the kernel
/// leaves the user as it is.
fn allowed(user: User) -> io::Result<()> {
    const NOBODYS: [u32; 2] = [0, u32::MAX];
    match user {
        User::Same => {
            let own = getresuid()?;
            let root = [own.real, own.effective, own.saved].iter().any(|uid| uid.is_root());
            if root { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
        }
        User::Other { uid, gid } if NOBODYS.contains(&uid) || NOBODYS.contains(&gid) => {
            Err(io::ErrorKind::InvalidInput.into())
        }
        User::Other { .. } => Ok(()),
    }
}

/// Ends every process of this place, of an earlier life of its starter that was killed itself:
/// those that had left its children's process groups outlived it.
fn end_all(own: &str, name: &str) -> io::Result<()> {
    for _ in 0..END_TRIES {
        let marked = marked(|mark| is_of_place(mark, (own, name)));
        let left = process::members(&marked, &format!("{own}{name}."));
        if left.is_empty() {
            return Ok(());
        }
        for pid in left {
            drop(sys::kill(pid.cast_signed(), libc::SIGKILL));
        }
        std::thread::sleep(END_AGAIN);
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Whether a mark is of this place, in whichever life of its starter: of the starter's mark the
/// last word counts its programs, so it is another one in each life.
fn is_of_place(mark: &str, (own, name): (&str, &str)) -> bool {
    let words =
        |text: &str| -> Vec<String> { text.split_terminator('.').map(str::to_owned).collect() };
    let (mark, own) = (words(mark), words(own));
    let same = own.len().saturating_sub(1);
    mark.get(..same) == own.get(..same) && mark.get(own.len()).is_some_and(|word| word == name)
}

/// Where a process is below its tree.
fn part(serial: u64) -> String {
    format!("{PART}/p{serial}")
}

/// Whether this process may give another one a name of the machine.
fn may_name() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    bits.is_some_and(|bits| bits & (1 << MAY_NAME) != 0)
}

/// Everything between the streams and `exec`: what needs root, the user, and what the change of
/// user would undo. System calls only.
fn prepare(user: User, limits: Limits, host_name: Option<String>) -> Prepare {
    let parent = std::process::id();
    Box::new(move || {
        umask(Mode::from_bits_truncate(0o077));
        // When memory runs out, who keeps a store goes after who can be started again.
        drop(fs::write("/proc/self/oom_score_adj", EXPENDABLE));
        limit(limits)?;
        if let Some(name) = &host_name {
            unshare(CloneFlags::CLONE_NEWUTS)?;
            sethostname(name.as_str())?;
        }
        if let User::Other { uid, gid } = user {
            become_user(uid, gid)?;
        }
        nix::sys::prctl::set_no_new_privs()?;
        // Also what a starter that is not root was lent, and would hand on by `exec`.
        rights::keep_only(&[])?;
        sys::die_with_parent(parent)
    })
}

/// What is left of a process and of all that it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing, and its folder is removed.
    Nothing,
    /// Something that was killed and has not gone yet, or a folder that is being removed.
    Something,
    /// Nothing that runs. Its folder could not be removed, for this reason; the next claim of the
    /// place tries again.
    Folder(io::ErrorKind),
}

/// A process that was started.
#[derive(Debug)]
pub struct Enclosed {
    id: ProgramId,
    handle: OwnedFd,
    tree: Option<Tree>,
    serial: u64,
    mark: String,
    dir: PathBuf,
    how: Option<HowEnded>,
    removal: Option<JoinHandle<io::Result<()>>>,
}

/// Can be read from when the process has ended.
impl AsFd for Enclosed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Enclosed {
    /// Which process it is.
    #[must_use]
    pub const fn id(&self) -> ProgramId {
        self.id
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.dir
    }

    /// How it has ended, if it has. What it started may still run.
    pub fn ended(&mut self) -> Option<HowEnded> {
        if self.how.is_none() {
            let pid = Pid::from_raw(self.id.pid.cast_signed());
            self.how = match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => Some(HowEnded::Exited(code)),
                Ok(WaitStatus::Signaled(_, signal, _)) => Some(HowEnded::Signalled(signal as i32)),
                Ok(_) | Err(_) => None,
            };
        }
        self.how
    }

    /// Kills it and all that it started.
    pub fn kill(&self) {
        if let Some(tree) = &self.tree {
            drop(cgroup::kill_tree(&tree.path().join(part(self.serial))));
            return;
        }
        for pid in process::members(&[self.id], &self.mark) {
            drop(sys::kill(pid.cast_signed(), libc::SIGKILL));
        }
    }

    /// Kills what is left of it, and once it has ended and nothing is left removes its folder: by
    /// a thread of its own if there is something in it, as that may be more than is removed in the
    /// time that others have.
    pub fn sweep(&mut self) -> Left {
        if let Some(removal) = self.removal.take_if(|removal| removal.is_finished()) {
            let removed = removal.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
            return removed.map_or_else(|error| Left::Folder(error.kind()), |()| Left::Nothing);
        }
        if self.removal.is_some() {
            return Left::Something;
        }
        let empty = match &self.tree {
            Some(tree) => tree.is_empty(&part(self.serial)),
            None => process::members(&[self.id], &self.mark).is_empty(),
        };
        if self.ended().is_none() || !empty {
            self.kill();
            return Left::Something;
        }
        if let Some(tree) = &self.tree {
            cgroup::remove(&tree.path().join(part(self.serial)));
        }
        match fs::remove_dir(&self.dir) {
            Ok(()) => Left::Nothing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Left::Nothing,
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                let dir = self.dir.clone();
                let thread = thread::Builder::new().name("sweep".to_owned());
                // Where there is no thread now, there is one the next time.
                self.removal = thread.spawn(move || folder::remove(&dir)).ok();
                Left::Something
            }
            Err(error) => Left::Folder(error.kind()),
        }
    }
}
