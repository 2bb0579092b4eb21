//! The hardware watchdog: a device that resets the machine unless it is fed.
//!
//! The guardian feeds it, and only while some group is armed and every deadline lies ahead. So
//! it bites when nobody is left who could release a group: guardian and hands are gone, or the
//! kernel under them hangs. When nothing is armed it is put to sleep.
#![expect(unsafe_code, reason = "an ioctl of the watchdog")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tsugi_vocabulary::{Moment, Span};

/// Where it is on a machine that has one.
pub const USUAL: &str = "/dev/watchdog";
/// How often it is fed, and how often one that refused is tried again.
pub const FEED_EVERY: Span = Span::millis(250);
/// After so many seconds without food it bites; a device that only knows longer times keeps its
/// own. Long enough for a machine that stalls and recovers.
const BITES_AFTER_S: i32 = 2;
/// The same, when it is wanted.
const BITES_SOON_S: i32 = 1;
/// The number of the pid namespace that the machine starts with.
const FIRST_PID_NAMESPACE: u64 = 0xeffffffc;

mod ioctl {
    nix::ioctl_readwrite!(set_timeout, b'W', 6, libc::c_int);
}

/// The device that a node uses: the one it is told, else the machine's own where the whole
/// machine is the node's.
#[must_use]
pub fn device_of(told: Option<&Path>) -> Option<PathBuf> {
    let usual = || own_machine() && Path::new(USUAL).exists();
    told.map(Path::to_owned).or_else(|| usual().then(|| PathBuf::from(USUAL)))
}

/// Whether this process sees the whole machine, and is in no container.
#[must_use]
pub fn own_machine() -> bool {
    std::fs::metadata("/proc/self/ns/pid").is_ok_and(|ns| ns.ino() == FIRST_PID_NAMESPACE)
}

#[derive(Debug)]
enum Device {
    Asleep,
    Awake {
        file: File,
        fed: Moment,
    },
    Refused {
        at: Moment,
    },
    /// It is to bite.
    Starved {
        _file: File,
    },
}

/// A hardware watchdog.
#[derive(Debug)]
pub struct Watchdog {
    path: PathBuf,
    device: Device,
}

impl Watchdog {
    /// The one at `path`; it is left alone until it is fed.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path, device: Device::Asleep }
    }

    /// Opens it and puts it to sleep: also what a former life left awake.
    ///
    /// # Errors
    /// It cannot be used: it is not there, another process has it, or it cannot be stopped.
    pub fn try_out(&mut self) -> io::Result<()> {
        if unstoppable(&self.path) {
            return Err(io::Error::other("it cannot be stopped once it runs (nowayout)"));
        }
        self.feed(Moment(0))?;
        self.sleep()
    }

    /// Wakes it up, or feeds it if it is hungry; one that refused is tried again later.
    ///
    /// # Errors
    /// The call that failed: the machine has no watchdog then.
    pub fn feed(&mut self, now: Moment) -> io::Result<()> {
        match &mut self.device {
            Device::Starved { .. } => return Ok(()),
            Device::Awake { fed: last, .. } | Device::Refused { at: last }
                if now.since(*last) < FEED_EVERY =>
            {
                return Ok(());
            }
            Device::Awake { file, fed } => {
                *fed = now;
                return file.write_all(b"\0");
            }
            Device::Asleep | Device::Refused { .. } => {}
        }
        self.device = Device::Refused { at: now };
        let mut file = open(&self.path)?;
        // A device that does not take it keeps its own time.
        drop(set_timeout(&file, BITES_AFTER_S));
        file.write_all(b"\0")?;
        self.device = Device::Awake { file, fed: now };
        Ok(())
    }

    /// Puts it to sleep, unless it is to bite.
    ///
    /// # Errors
    /// The call that failed: it will bite.
    pub fn sleep(&mut self) -> io::Result<()> {
        let Device::Awake { file, .. } = &mut self.device else { return Ok(()) };
        file.write_all(b"V")?;
        self.device = Device::Asleep;
        Ok(())
    }

    /// Whether it has to be fed again within [`FEED_EVERY`].
    #[must_use]
    pub const fn is_awake(&self) -> bool {
        matches!(self.device, Device::Awake { .. })
    }

    /// Lets it bite as soon as it can; it is never fed nor put to sleep again.
    pub fn starve(&mut self) {
        let file = match std::mem::replace(&mut self.device, Device::Asleep) {
            Device::Awake { file, .. } | Device::Starved { _file: file } => file,
            Device::Asleep | Device::Refused { .. } => match open(&self.path) {
                Ok(file) => file,
                // Another process has it, or there is none: the reboot has to do.
                Err(_) => return,
            },
        };
        drop(set_timeout(&file, BITES_SOON_S));
        self.device = Device::Starved { _file: file };
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Opening starts it. Nothing is ever made here: a name that was mistyped must not become a
    // file that takes the food.
    OpenOptions::new().append(true).open(path)
}

fn set_timeout(device: &File, mut seconds: i32) -> io::Result<()> {
    // SAFETY: the ioctl reads and writes one int that lives for the call.
    unsafe { ioctl::set_timeout(device.as_raw_fd(), &raw mut seconds) }?;
    Ok(())
}

/// A machine whose watchdog runs on after it was told to sleep would be reset without a reason.
fn unstoppable(path: &Path) -> bool {
    let Some(name) = path.canonicalize().ok().and_then(|p| Some(p.file_name()?.to_owned())) else {
        return false;
    };
    // The first of them has two names.
    let name = if name == "watchdog" { "watchdog0".into() } else { name };
    let setting = Path::new("/sys/class/watchdog").join(name).join("nowayout");
    std::fs::read_to_string(setting).is_ok_and(|text| text.trim() == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("watchdog");
        std::fs::write(&path, "").unwrap();
        (dir, path)
    }

    fn at(millis: u64) -> Moment {
        Moment(Span::millis(millis).0)
    }

    #[test]
    fn a_watchdog_is_fed_when_it_is_hungry_and_put_to_sleep_with_a_v() {
        let (_dir, path) = fake();
        let mut watchdog = Watchdog::at(path.clone());
        for millis in [1000, 1100, 1249, 1250, 1400] {
            watchdog.feed(at(millis)).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0");
        watchdog.sleep().unwrap();
        watchdog.sleep().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0V");
        watchdog.feed(at(1500)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0V\0", "awake again");
    }

    #[test]
    fn one_that_is_to_bite_is_never_fed_nor_put_to_sleep_again() {
        let (_dir, path) = fake();
        let mut watchdog = Watchdog::at(path.clone());
        watchdog.feed(at(1000)).unwrap();
        watchdog.starve();
        watchdog.feed(at(9000)).unwrap();
        watchdog.sleep().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"\0");
    }

    #[test]
    fn one_that_is_not_there_is_refused_not_made_and_tried_again() {
        let (_dir, path) = fake();
        std::fs::remove_file(&path).unwrap();
        let mut watchdog = Watchdog::at(path.clone());
        assert!(watchdog.try_out().is_err());
        assert!(watchdog.feed(at(1000)).is_err() && !path.exists());
        std::fs::write(&path, "").unwrap();
        watchdog.feed(at(1100)).unwrap();
        assert!(!watchdog.is_awake(), "not at once");
        watchdog.feed(at(1250)).unwrap();
        assert!(watchdog.is_awake());
    }
}
