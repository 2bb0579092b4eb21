//! What this machine can do to itself when nothing else stops a group.
#![expect(unsafe_code, reason = "an ioctl of the watchdog")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::reboot::{RebootMode, reboot};

/// What a reset does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fence {
    /// Reset the machine: reboot at once without sync, and a watchdog behind it if there is
    /// one. In a pid namespace of its own this ends that namespace and nothing else.
    Machine,
    /// Kill the hands, the guardian, the agent and every program, and nothing else: for a
    /// cluster on one machine and for nodes that do not run as root.
    #[default]
    Processes,
}

/// What a node can do to fence itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capability {
    /// A hardware watchdog, and reboot.
    Watchdog,
    /// Reboot only: a kernel that hangs is not reset.
    Reboot,
    /// Only its own processes: it cannot fence itself.
    #[default]
    None,
}

impl Fence {
    /// As one word, for the environment of the guardian.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Processes => "processes",
        }
    }

    /// Reads [`Fence::word`]; anything else is the harmless one.
    #[must_use]
    pub fn of(word: &str) -> Self {
        if word == "machine" { Self::Machine } else { Self::Processes }
    }
}

const WATCHDOG: &str = "/dev/watchdog";
/// The number of the pid namespace that the machine starts with.
const FIRST_PID_NAMESPACE: u64 = 0xeffffffc;

/// What this node can do to itself; looked at once at its start.
#[must_use]
pub fn capability(fence: &Fence) -> Capability {
    match fence {
        Fence::Processes => Capability::None,
        Fence::Machine if !nix::unistd::geteuid().is_root() => Capability::None,
        Fence::Machine if Path::new(WATCHDOG).exists() => Capability::Watchdog,
        Fence::Machine => Capability::Reboot,
    }
}

/// Resets the machine: first a watchdog is set to bite if all else hangs, then it is rebooted
/// without writing anything out. In a pid namespace of its own the kernel ends just that.
pub fn reset_machine(reason: &str) {
    drop(std::fs::write("/dev/kmsg", format!("<2>tsugi: reset: {reason}\n")));
    let watchdog = own_machine().then(|| Watchdog::open(Path::new(WATCHDOG)));
    if let Some(Ok(watchdog)) = watchdog {
        // Left open and never fed: it bites after a second.
        drop(watchdog.set_timeout(1));
        std::mem::forget(watchdog);
    }
    // Returns only where the right is missing.
    reboot(RebootMode::RB_AUTOBOOT).ok();
}

fn own_machine() -> bool {
    std::fs::metadata("/proc/self/ns/pid").is_ok_and(|ns| ns.ino() == FIRST_PID_NAMESPACE)
}

/// A hardware watchdog.
#[derive(Debug)]
pub struct Watchdog {
    device: File,
}

mod ioctl {
    nix::ioctl_readwrite!(set_timeout, b'W', 6, libc::c_int);
}

impl Watchdog {
    /// Opens, and by that starts, the watchdog at `path`.
    ///
    /// # Errors
    /// The call that failed.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { device: OpenOptions::new().write(true).open(path)? })
    }

    /// Sets after how many seconds without food it bites.
    ///
    /// # Errors
    /// The device does not take it.
    pub fn set_timeout(&self, seconds: i32) -> io::Result<()> {
        let mut seconds = seconds;
        // SAFETY: the ioctl reads and writes one int that lives for the call.
        unsafe { ioctl::set_timeout(self.device.as_raw_fd(), &raw mut seconds) }?;
        Ok(())
    }

    /// Feeds it.
    ///
    /// # Errors
    /// The call that failed.
    pub fn feed(&mut self) -> io::Result<()> {
        self.device.write_all(b"\0")
    }

    /// Puts it to sleep before it is closed.
    ///
    /// # Errors
    /// The call that failed: it will bite.
    pub fn disarm(mut self) -> io::Result<()> {
        self.device.write_all(b"V")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_is_fed_and_put_to_sleep_with_a_v() {
        let dir = std::env::temp_dir().join(format!("tsugi-watchdog-{}", std::process::id()));
        std::fs::write(&dir, "").unwrap();
        let mut watchdog = Watchdog::open(&dir).unwrap();
        watchdog.feed().unwrap();
        watchdog.disarm().unwrap();
        assert_eq!(std::fs::read(&dir).unwrap(), b"\0V");
        std::fs::remove_file(&dir).unwrap();
    }

    #[test]
    fn a_node_that_may_kill_processes_only_cannot_fence_itself() {
        assert_eq!(capability(&Fence::Processes), Capability::None);
    }
}
