//! The few calls of the kernel that the libraries do not offer, each as one safe function.
#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, signal};

/// Takes over a descriptor that a call has just returned.
#[must_use]
pub fn own(fresh: RawFd) -> OwnedFd {
    // SAFETY: `fresh` was just returned by the kernel to us alone and is owned by nobody else.
    unsafe { OwnedFd::from_raw_fd(fresh) }
}

/// A handle of a process that stays that process's when its pid is used again.
///
/// # Errors
/// There is no such process.
pub fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from(Errno::ESRCH))?;
    // SAFETY: pidfd_open takes two integers and touches no memory of ours.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let raw = RawFd::try_from(Errno::result(raw)?).expect("a descriptor is an int");
    Ok(own(raw))
}

/// Sends a signal to a process or, for a negative number, a process group.
///
/// # Errors
/// There is none, or it may not be signalled.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes two integers.
    Errno::result(unsafe { libc::kill(pid, signal) })?;
    Ok(())
}

/// Runs this thread at FIFO priority `priority`, at normal priority with 0. Threads and processes
/// it starts are ordinary if `flags` say so (`SCHED_RESET_ON_FORK`), else as it is itself.
///
/// # Errors
/// The right to it is missing.
pub fn real_time(priority: i32, flags: libc::c_int) -> io::Result<()> {
    let param = libc::sched_param { sched_priority: priority };
    let policy = if priority == 0 { libc::SCHED_OTHER } else { libc::SCHED_FIFO };
    // SAFETY: `param` is valid for the length of the call; 0 is the calling thread.
    Errno::result(unsafe { libc::sched_setscheduler(0, policy | flags, &raw const param) })?;
    Ok(())
}

/// The calling process is killed when the thread that started it ends.
///
/// # Errors
/// The parent is already another than `parent`.
pub fn die_with_parent(parent: u32) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have ended before the call above: then nothing would ever kill us.
    if std::os::unix::process::parent_id() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
}

/// Takes every capability from this thread that is not in `kept`; none is inherited by `exec`.
///
/// # Errors
/// The kernel refuses.
pub fn limit_capabilities(kept: u64) -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header: [u32; 2] = [VERSION_3, 0];
    // Effective, permitted and inheritable: the lower halves, then the upper ones.
    let mut sets = [[0_u32; 3]; 2];
    // SAFETY: the header is two and the sets are six u32 that live for the calls; 0 is this
    // thread.
    unsafe {
        let (header, sets) = (header.as_ptr(), sets.as_mut_ptr());
        Errno::result(libc::syscall(libc::SYS_capget, header, sets))?;
    }
    for (set, kept) in sets.iter_mut().zip([kept as u32, (kept >> 32) as u32]) {
        let permitted = set[1] & kept;
        *set = [permitted, permitted, 0];
    }
    // SAFETY: as above; the kernel only reads.
    unsafe {
        Errno::result(libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()))?;
    }
    Ok(())
}

/// Drops what the kernel still holds of a block device that nobody here has mounted: another
/// node may have written to it since, and what is cached would be read instead.
pub fn forget_blocks(device: &File) -> io::Result<()> {
    const BLKFLSBUF: libc::Ioctl = 0x1261;
    // SAFETY: this ioctl takes no argument.
    Errno::result(unsafe { libc::ioctl(device.as_raw_fd(), BLKFLSBUF, 0) })?;
    Ok(())
}

/// Shuts the file system of an open directory down without flushing its log: from now on nothing
/// reaches the disk and every write fails. ext4 has the call and its flag from xfs.
///
/// # Errors
/// It is neither of them, or the right is missing.
pub fn shut_down_file_system(dir: &File) -> io::Result<()> {
    const IOC_SHUTDOWN: libc::Ioctl = nix::request_code_read!(b'X', 125, 4) as libc::Ioctl;
    let no_log_flush: u32 = 2;
    // SAFETY: the ioctl reads one u32 that lives for the length of the call.
    let failed = unsafe { libc::ioctl(dir.as_raw_fd(), IOC_SHUTDOWN, &raw const no_log_flush) };
    Errno::result(failed)?;
    Ok(())
}

/// What the kernel says of a place in the tree without visiting what is mounted below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The device of the file system.
    pub device: (u32, u32),
    /// The number of the directory in it.
    pub inode: u64,
    /// Whether something is mounted exactly here.
    pub mount_root: MountRoot,
}

/// Whether something is mounted at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountRoot {
    /// Yes, exactly here.
    Here,
    /// No.
    Elsewhere,
}

/// Looks at a place, and not at what a link there leads to, if `flags` say so
/// (`AT_SYMLINK_NOFOLLOW`). What is remembered of it is enough: a server is not asked about it.
///
/// # Errors
/// There is none.
pub fn place_of(path: &Path, flags: libc::c_int) -> io::Result<Place> {
    let path = c_path(path)?;
    // SAFETY: all-zero bytes are a valid statx.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let flags = flags | libc::AT_NO_AUTOMOUNT | libc::AT_STATX_DONT_SYNC;
    // SAFETY: the path ends with NUL and `found` is writable for the length of the call.
    let failed = unsafe {
        libc::statx(libc::AT_FDCWD, path.as_ptr(), flags, libc::STATX_INO, &raw mut found)
    };
    Errno::result(failed)?;
    let root = found.stx_attributes & libc::STATX_ATTR_MOUNT_ROOT as u64 != 0;
    Ok(Place {
        device: (found.stx_dev_major, found.stx_dev_minor),
        inode: found.stx_ino,
        mount_root: if root { MountRoot::Here } else { MountRoot::Elsewhere },
    })
}

/// A path as the kernel takes it.
///
/// # Errors
/// It holds a NUL.
pub fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL.into())
}

/// A memory file that another process can be given, and that can be sealed.
///
/// # Errors
/// The call failed.
pub fn memory_file(name: &std::ffi::CStr, length: u64) -> io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let file = File::from(memfd_create(name, flags)?);
    file.set_len(length)?;
    Ok(file)
}

/// Waits until one of `descriptors` can be read or `wait_ms` have passed (−1: for ever); says
/// which can.
///
/// # Errors
/// The call failed.
pub fn wait_readable<F: AsFd>(descriptors: &[F], wait_ms: i32) -> io::Result<Vec<usize>> {
    let each = descriptors.iter().map(|d| PollFd::new(d.as_fd(), PollFlags::POLLIN));
    let mut polled: Vec<PollFd<'_>> = each.collect();
    match poll(&mut polled, PollTimeout::try_from(wait_ms).unwrap_or(PollTimeout::NONE)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok((0..polled.len()).filter(|at| polled[*at].any() != Some(false)).collect())
}

/// A second descriptor of the same file with a number above those given to children.
///
/// # Errors
/// The call failed.
pub fn duplicate_high(file: &impl AsFd) -> io::Result<OwnedFd> {
    const ABOVE: RawFd = 10;
    Ok(own(fcntl(file, FcntlArg::F_DUPFD_CLOEXEC(ABOVE))?))
}

/// Takes over a descriptor that the parent left open for us.
///
/// # Errors
/// It is not open.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl takes integers; it fails if the number is not open.
    Errno::result(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    Ok(own(number))
}

/// Ignores a signal from now on.
///
/// # Errors
/// It cannot be ignored.
pub fn ignore_signal(name: Signal) -> io::Result<()> {
    // SAFETY: SIG_IGN is no function of ours that could be called at a bad time.
    unsafe { signal(name, SigHandler::SigIgn) }?;
    Ok(())
}
