//! A process from its first moment to its own program.
//!
//! Other threads of the hands may hold any lock while one of them clones. So all that the child
//! needs is laid out before, and until `exec` it makes system calls only: no allocation, no lock.
//!
//! A process with a cgroup is born in it. One that moves there itself waits until the kernel has
//! heard from every processor, some ten milliseconds.
#![expect(unsafe_code, reason = "clone, and exec in the child")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::{CString, OsString, c_char};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, chdir, pipe2, setpgid, write};

use crate::sys;

/// How long a child is waited for until it runs its program, in milliseconds. All groups wait here.
const PATIENCE_MS: i32 = 500;

/// What a child does of its own: system calls only, no allocation, no lock.
pub type Prepare = Box<dyn FnMut() -> io::Result<()> + Send>;

/// A process to start: it leads a process group, has no signal blocked, and ignores none that its
/// starter ignores by itself.
pub struct Launch {
    /// The program, looked for in the `PATH` of its own environment, and its arguments.
    pub argv: Vec<String>,
    /// Its whole environment: names and values.
    pub env: BTreeMap<OsString, OsString>,
    /// Where it starts, if not where the hands are.
    pub dir: Option<CString>,
    /// What it reads, if it reads anything; where it prints to, if not where its starter does; and
    /// where its errors go, if not where it prints to.
    pub streams: [Option<File>; 3],
    /// The directory of its cgroup, if it has one of its own.
    pub cgroup: Option<File>,
    /// What it does last before it runs its program.
    pub prepare: Prepare,
}

/// How a process comes into its cgroup.
enum Entry {
    /// It is there from its first moment.
    Born,
    /// It moves there itself: on kernels before 5.7, and where a filter refuses the call.
    Moves,
}

impl Launch {
    /// Starts the process and waits until it runs its program, or for half a second: one on a
    /// share whose server answers nothing counts as started, and what it is told to end by ends it.
    ///
    /// # Errors
    /// Why it does not run; then nothing is left of it.
    pub fn start(mut self) -> io::Result<u32> {
        self.argv.first().ok_or(io::ErrorKind::InvalidInput)?;
        let argv = self.argv.iter().map(|text| CString::new(text.as_str()));
        let argv = argv.collect::<Result<Vec<_>, _>>()?;
        let env = self.env.iter();
        let env = env.map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
        let env = env.map(CString::new).collect::<Result<Vec<_>, _>>()?;
        let lists = (pointers(&argv), pointers(&env));
        let (told, tell) = pipe2(OFlag::O_CLOEXEC)?;
        let (pid, entry) = fork(self.cgroup.as_ref())?;
        if pid == 0 {
            let Err(error) = self.become_program(entry, &lists.0, &lists.1);
            let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
            write(&tell, &errno.to_ne_bytes()).ok();
            // SAFETY: ends this process at once, and nothing of it is used any more.
            unsafe { libc::_exit(127) };
        }
        drop(tell);
        // The child has the reading end as well: what it says too late does not kill it.
        if sys::wait_readable(&[told.as_fd()], PATIENCE_MS).is_ok_and(|said| said.is_empty()) {
            return Ok(pid.cast_unsigned());
        }
        let mut errno = [0; size_of::<i32>()];
        // `exec` closes the pipe. So does a death before it, which is an end like any other.
        if File::from(told).read_exact(&mut errno).is_err() {
            return Ok(pid.cast_unsigned());
        }
        // Nobody else waits for children meanwhile: the hands wait for this answer.
        waitpid(Pid::from_raw(pid), None).ok();
        Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno)))
    }

    /// In the child: where it belongs, what it has, its program. System calls only.
    fn become_program(
        &mut self,
        entry: Entry,
        argv: &[*const c_char],
        env: &[*const c_char],
    ) -> io::Result<Infallible> {
        if let (Entry::Moves, Some(cgroup)) = (entry, &self.cgroup) {
            let door = openat(cgroup, c"cgroup.procs", OFlag::O_WRONLY, Mode::empty())?;
            write(&door, b"0")?;
        }
        let nothing = open(c"/dev/null", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        let [input, output, errors] = &self.streams;
        let input = input.as_ref().map_or(nothing.as_raw_fd(), AsRawFd::as_raw_fd);
        place(input, libc::STDIN_FILENO)?;
        for (stream, number) in [(output, 1), (if errors.is_some() { errors } else { output }, 2)] {
            stream.as_ref().map_or(Ok(()), |stream| place(stream.as_raw_fd(), number))?;
        }
        self.dir.as_deref().map_or(Ok(()), chdir)?;
        // What the hands were given is not passed on; before Linux 5.11 it is.
        // SAFETY: three numbers.
        unsafe { libc::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as i32) };
        setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
        default_signals()?;
        (self.prepare)()?;
        // SAFETY: this process has no other thread, and both lists end with null and outlive it.
        // The program is looked for in the `PATH` that it gets itself.
        unsafe {
            libc::environ = env.as_ptr().cast_mut().cast();
            libc::execvp(argv[0], argv.as_ptr());
        }
        Err(io::Error::last_os_error())
    }
}

/// Signals do again what they do by default: a child inherits which we block and ignore. Of one who
/// ignores SIGCHLD nobody learns how its own children end.
///
/// # Errors
/// The kernel refuses.
pub fn default_signals() -> io::Result<()> {
    for name in [Signal::SIGHUP, Signal::SIGPIPE, Signal::SIGCHLD] {
        // SAFETY: SIG_DFL is no function of ours that could be called at a bad time.
        unsafe { signal(name, SigHandler::SigDfl) }?;
    }
    Ok(SigSet::empty().thread_set_mask()?)
}

/// Makes `descriptor` number `number` of this process, open across `exec`.
///
/// # Errors
/// The call failed.
pub fn place(descriptor: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: dup2 takes integers; the number belongs to nobody in a fresh child. A descriptor
    // that already has the number only loses its close-on-exec mark.
    unsafe {
        if descriptor == number {
            Errno::result(libc::fcntl(number, libc::F_SETFD, 0))?;
        } else {
            Errno::result(libc::dup2(descriptor, number))?;
        }
    }
    Ok(())
}

/// Becomes another user for good: groups, group, user, and no way to gain rights by `exec`.
///
/// # Errors
/// The right to it is missing, or a number is the one by which the kernel changes nothing.
pub fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    let other = |id: u32| if id == u32::MAX { Err(Errno::EINVAL) } else { Ok(id) };
    let (uid, gid) = (other(uid)?, other(gid)?);
    // SAFETY: an empty list of groups needs no memory; the others take integers. The raw calls
    // change this thread only, which in a fresh child is the whole process.
    unsafe {
        Errno::result(libc::syscall(libc::SYS_setgroups, 0, 0_usize))?;
        Errno::result(libc::syscall(libc::SYS_setresgid, gid, gid, gid))?;
        Errno::result(libc::syscall(libc::SYS_setresuid, uid, uid, uid))?;
    }
    Ok(())
}

/// A pointer to each, and null behind the last.
fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

/// A copy of this process with this thread alone: the number of the child, in the child 0.
fn fork(cgroup: Option<&File>) -> io::Result<(libc::pid_t, Entry)> {
    /// `CLONE_INTO_CGROUP`; the library's constant is cut off.
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: all of it are numbers, of which zero asks for nothing.
    let mut asked: libc::clone_args = unsafe { std::mem::zeroed() };
    asked.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        asked.flags = INTO_CGROUP;
        asked.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `asked` lives for the call. The child has memory of its own and makes system calls
    // only.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const asked, size_of_val(&asked)) };
    match Errno::result(pid) {
        // As kernels and filters say that they do not know the call, or not this of it.
        Err(Errno::ENOSYS | Errno::EINVAL | Errno::E2BIG | Errno::EPERM) => {
            // SAFETY: as above.
            Ok((Errno::result(unsafe { libc::fork() })?, Entry::Moves))
        }
        // The cgroup is gone; of a file that is missing nothing is known yet.
        Err(Errno::ENOENT) => Err(Errno::ENODEV.into()),
        pid => Ok((libc::pid_t::try_from(pid?).expect("a pid is an int"), Entry::Born)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;
    use crate::cgroup::{self, Tree, claim};

    fn silent(argv: Vec<String>, prepare: Prepare) -> Launch {
        let env = BTreeMap::new();
        Launch { argv, env, dir: None, streams: [None, None, None], cgroup: None, prepare }
    }

    #[test]
    fn a_cgroup_that_is_gone_is_told_as_to_one_who_moves_into_it_and_no_program_is_said_to_miss() {
        let name = format!("{}launch-{}", claim::PREFIX, std::process::id());
        let Some(tree) = Tree::claim(&name) else { return };
        let (leaf, dir) = tree.enclose("gone", 1).unwrap();
        let mut door = OpenOptions::new().write(true).open(leaf.join("cgroup.procs")).unwrap();
        cgroup::remove(tree.path());
        let moved = door.write(b"0").unwrap_err().raw_os_error();
        let argv = vec!["/bin/true".to_owned()];
        let prepare = Box::new(|| Ok(()));
        let cgroup = Some(dir);
        let launch = Launch { cgroup, ..silent(argv, prepare) };
        let born = launch.start().unwrap_err().raw_os_error();
        assert_eq!((born, moved), (Some(libc::ENODEV), Some(libc::ENODEV)));
    }

    #[test]
    fn a_number_that_changes_nothing_makes_nobody_another_user() {
        for (uid, gid) in [(u32::MAX, u32::MAX), (u32::MAX, 9), (9, u32::MAX)] {
            let refused = become_user(uid, gid).unwrap_err().raw_os_error();
            assert_eq!(refused, Some(libc::EINVAL), "{uid} {gid}");
        }
    }

    #[test]
    fn nothing_to_run_is_no_program() {
        let launch = silent(Vec::new(), Box::new(|| Ok(())));
        assert_eq!(launch.start().unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
