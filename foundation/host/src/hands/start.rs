//! How the hands come up: directories and sockets with their modes, the cgroup, the table.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};

use super::family::Family;
use super::launch::default_signals;
use super::programs::Programs;
use super::serve::{Desk, Staff};
use super::slow::{self, Slow};
use super::starter::Starter;
use super::words::Words;
use super::{AGENT_DIR, HandsConfig, SOCKET, StartFailure};
use crate::cgroup::{Tree, claim};
use crate::fence::{Fence, Reset, able};
use crate::guardian::{environment, release::Means, table};
use crate::netlink::Netlink;
use crate::request::{KillBy, Powers, Rank};
use crate::watchdog::{self, Watchdog};
use crate::{filter, rights, socket, sys};

/// Below the guardian, above everything that is not a lease thread.
pub const PRIORITY: i32 = 5;
/// The real-time priority of the agent's first thread, which keeps the leases, and of no other:
/// below the guardian, above the hands.
pub const AGENT_PRIORITY: i32 = 10;

fn failed(step: &str) -> impl FnOnce(io::Error) -> StartFailure + use<'_> {
    move |source| StartFailure::System { step: step.to_owned(), source }
}

/// Makes everything that the hands need.
///
/// # Errors
/// What is missing, or who is there already.
pub fn start(mut config: HandsConfig) -> Result<Desk, StartFailure> {
    // Whatever the caller's mask is, nothing is made wider than it is meant (SEC11).
    umask(Mode::from_bits_truncate(0o077));
    let root = nix::unistd::geteuid().is_root();
    let user = config.user.filter(|_| root);
    make_directories(&config, root, user)?;
    let locks = vec![lock(&config.run_dir)?, lock(&config.data_dir)?];
    nix::sys::prctl::set_child_subreaper(true)
        .map_err(|error| failed("become the heir of orphans")(error.into()))?;
    let signals = take_signals().map_err(failed("take signals"))?;
    // It keeps all rights and calls, which this thread gives up below.
    let starter = Starter::begin().map_err(failed("start a thread"))?;
    let mark = node_mark(&config.run_dir);
    let tree = Tree::claim(&format!("{}{mark}", claim::PREFIX));
    let memory = sys::memory_file(c"tsugi-table", table::LENGTH).map_err(failed("make a table"))?;
    let table = table::Table::map(&memory).map_err(failed("map the table"))?;
    let group = user.map(|(_, gid)| gid);
    let listen = |name: &str| {
        let path = config.run_dir.join(name);
        socket::listen_at(&path, group).map_err(failed("listen on a socket"))
    };
    let listener = listen(SOCKET)?;
    let guardian_listener = listen(environment::SOCKET)?;
    let watchdog = match config.fence {
        Fence::Machine => watchdog::device_of(config.watchdog.as_deref()),
        Fence::Processes => config.watchdog.clone(),
    };
    config.watchdog.clone_from(&watchdog);
    let powers = Powers {
        rank: if root { Rank::Privileged } else { Rank::Ordinary },
        kill: if tree.is_some() { KillBy::Cgroup } else { KillBy::Descent },
        fence: able::capability(&config.fence, watchdog.map(Watchdog::at).as_mut()),
    };
    let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
    let bell = EventFd::from_flags(flags).map_err(|error| failed("make a bell")(error.into()))?;
    let reset = Reset::of(&config.fence);
    let with = |netlink| {
        let (tree, node_mark) = (tree.clone(), mark.clone());
        Means { tree, netlink, table, node_mark, beside: slow::beside, reset, lost: None }
    };
    let slow = Slow::new(powers, with(None), Arc::new(bell));
    let means = with(Netlink::open().ok());
    let words = Words::begin().map_err(failed("listen to the agent's words"))?;
    let given = (memory, guardian_listener, words.as_ref().map(|words| words.agents.as_raw_fd()));
    let family = Family::new(&config, user, given, (&means, starter.clone()));
    let family = family.map_err(failed("duplicate"))?;
    let programs = Programs::new(with(None), starter);
    // When memory runs out, those who keep the promises go last.
    drop(fs::write("/proc/self/oom_score_adj", "-900"));
    // What is made from now on (a mount point, a log) gets its mode where it is made.
    umask(Mode::from_bits_truncate(0o022));
    // Children and threads start at normal priority.
    drop(sys::real_time(PRIORITY, libc::SCHED_RESET_ON_FORK));
    rights::keep_only(rights::OF_HANDS).map_err(failed("give up rights"))?;
    filter::for_hands().map_err(failed("filter system calls"))?;
    Ok(Desk::new(config, Staff { family, words, programs, slow, means }, signals, listener, locks))
}

fn make_directories(
    config: &HandsConfig,
    root: bool,
    user: Option<(u32, u32)>,
) -> Result<(), StartFailure> {
    let (run_mode, agent_mode) = if root { (0o755, 0o755) } else { (0o700, 0o700) };
    make(&config.run_dir, run_mode, None)?;
    make(&config.run_dir.join(AGENT_DIR), agent_mode, user)?;
    make(&config.data_dir, 0o750, user)
}

fn make(dir: &Path, mode: u32, owner: Option<(u32, u32)>) -> Result<(), StartFailure> {
    let step = format!("make {}", dir.display());
    DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(failed(&step))?;
    fs::set_permissions(dir, Permissions::from_mode(mode)).map_err(failed(&step))?;
    if let Some((uid, gid)) = owner {
        chown(dir, Some(uid), Some(gid)).map_err(failed(&step))?;
    }
    Ok(())
}

/// One node, one pair of hands: the lock ends with the process that holds it.
fn lock(dir: &Path) -> Result<Flock<File>, StartFailure> {
    let path = dir.join("hands.lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(failed("open the lock"))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
        nix::errno::Errno::EWOULDBLOCK => StartFailure::Taken { dir: dir.to_owned() },
        other => failed("lock the directory")(other.into()),
    })
}

fn take_signals() -> io::Result<SignalFd> {
    default_signals()?;
    let mut wanted = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
        wanted.add(signal);
    }
    wanted.thread_block()?;
    sys::ignore_signal(Signal::SIGHUP)?;
    sys::ignore_signal(Signal::SIGPIPE)?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    Ok(SignalFd::with_flags(&wanted, flags)?)
}

/// What the control groups and the marks of a node's processes are called by: different for each
/// node of one machine, the same for each life of one node, and for whoever names its run
/// directory in the same namespace of processes.
pub fn node_mark(run_dir: &Path) -> String {
    let path = run_dir.canonicalize().unwrap_or_else(|_| PathBuf::from(run_dir));
    let sum = table::sum(path.as_os_str().as_encoded_bytes().iter().copied());
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let space: String = space.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    format!("{space}-{sum:016x}")
}
