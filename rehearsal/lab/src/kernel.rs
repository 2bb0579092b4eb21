//! The few calls to the kernel that no safe library has: taps, power loss of a file system,
//! real-time priority.
#![expect(unsafe_code, reason = "ioctl and scheduling calls that nix does not wrap")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

mod raw {
    nix::ioctl_write_ptr_bad!(tun_set_iff, 0x4004_54ca, libc::ifreq);
    nix::ioctl_write_ptr_bad!(tun_set_carrier, 0x4004_54e2, libc::c_int);
    nix::ioctl_read!(ext4_shutdown, b'X', 125, u32);
}

/// `EXT4_GOING_FLAGS_NOLOGFLUSH`: what is only in memory is gone, the log is not written out.
const NO_LOG_FLUSH: u32 = 2;

/// Makes a tap named `name` in the network namespace of the calling thread.
pub fn open_tap(name: &str) -> io::Result<File> {
    let tap = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open("/dev/net/tun")?;
    // SAFETY: ifreq is plain old data for which all zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.as_bytes().iter().take(15)) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the descriptor is open and the request lives until the call returns.
    unsafe { raw::tun_set_iff(tap.as_raw_fd(), &raw const request) }?;
    Ok(tap)
}

/// Plugs the cable of a tap in or out, as its host sees it.
pub fn set_carrier(tap: &File, up: bool) -> io::Result<()> {
    let value = libc::c_int::from(up);
    // SAFETY: the descriptor is open and the value lives until the call returns.
    unsafe { raw::tun_set_carrier(tap.as_raw_fd(), &raw const value) }?;
    Ok(())
}

/// Takes the power from the ext4 or xfs file system mounted at `dir`: nothing more reaches its
/// device.
pub fn cut_power_of_file_system(dir: &Path) -> io::Result<()> {
    let open = File::open(dir)?;
    let mut flags = NO_LOG_FLUSH;
    // SAFETY: the descriptor is open and the flags live until the call returns.
    unsafe { raw::ext4_shutdown(open.as_raw_fd(), &raw mut flags) }?;
    Ok(())
}

/// Puts the calling thread above (priority 1 to 99) or back among (0) the ordinary ones. Its
/// children are ordinary in any case.
pub fn set_real_time(priority: i32) -> io::Result<()> {
    let policy = if priority > 0 { libc::SCHED_FIFO } else { libc::SCHED_OTHER };
    // SAFETY: sched_param is plain old data for which all zeros are valid.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = priority;
    let policy = policy | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the parameters live until the call returns; 0 is the calling thread.
    let answer = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A descriptor that becomes readable when the process has ended.
pub fn watch_end(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers and gives a new descriptor or -1.
    let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let descriptor = i32::try_from(answer).unwrap_or(-1);
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is fresh and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Kills the process of such a descriptor, and no later one of its number.
pub fn kill(process: &OwnedFd) -> io::Result<()> {
    let nothing = std::ptr::null::<libc::siginfo_t>();
    let (process, signal) = (process.as_raw_fd(), libc::SIGKILL);
    // SAFETY: the descriptor is open, and nothing but the signal is sent.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process, signal, nothing, 0) };
    if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Time since the start of the machine, on the clock that no one can step.
#[must_use]
pub fn now() -> Duration {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .expect("every Linux has a monotonic clock");
    Duration::from(time)
}
