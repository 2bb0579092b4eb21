//! The plug of a host: takes its power at one instant, from whichever thread pulls it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Trouble;
use crate::badlink::Wire;
use crate::kernel;

/// How long what was killed may take to be gone.
const GONE: Duration = Duration::from_secs(5);

/// The plug of one host. A copy is of the same plug.
#[derive(Clone, Debug)]
pub struct Plug {
    /// The host's name.
    pub name: String,
    /// Its number on the wire.
    index: usize,
    /// Its own devices, as `major:minor`.
    disks: Vec<String>,
    wire: Wire,
    /// Held for as long as the power is being taken.
    life: Arc<Mutex<Option<Life>>>,
}

#[derive(Debug)]
struct Life {
    /// The first process of the host.
    pid: i32,
    /// Readable once that has ended, which it does after all others.
    end: OwnedFd,
}

impl Plug {
    /// The plug of a host that has no power yet.
    #[must_use]
    pub fn new((index, name): (usize, &str), disks: Vec<String>, wire: Wire) -> Self {
        Self { name: name.to_owned(), index, disks, wire, life: Arc::default() }
    }

    fn life(&self) -> MutexGuard<'_, Option<Life>> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host has power: this is its first process.
    ///
    /// # Errors
    /// When that has ended already.
    pub fn put_in(&self, pid: i32) -> Result<(), Trouble> {
        let end = kernel::watch_end(pid)?;
        *self.life() = Some(Life { pid, end });
        Ok(())
    }

    /// Waits until nobody is pulling it.
    pub fn wait_idle(&self) {
        drop(self.life());
    }

    /// Whether anything runs on the host.
    #[must_use]
    pub fn has_power(&self) -> bool {
        self.life().as_ref().is_some_and(Life::runs)
    }

    /// Takes the power: links, disks and processes at one instant, and waits until no process is
    /// left. What was not flushed is gone. Returns the instant; none if the host had no power.
    ///
    /// # Errors
    /// A file system that could not be cut: the run would prove nothing.
    pub fn pull(&self) -> Result<Option<Duration>, Trouble> {
        let mut held = self.life();
        let Some(life) = held.as_ref().filter(|life| life.runs()) else { return Ok(None) };
        let doomed = self.file_systems(life.pid)?;
        let at = kernel::now();
        self.wire.isolate(self.index);
        let cut = doomed.iter().try_for_each(|dir| cut_power(dir));
        let killed = kernel::kill(&life.end);
        self.wire.instruments().addresses.end(at, self.index);
        self.wire.unplug(self.index);
        let gone = life.wait_end(GONE);
        *held = None;
        drop(held);
        cut.map_err(|error| {
            Trouble::Failed(format!("{}: power loss of disk: {error}", self.name))
        })?;
        killed?;
        gone?;
        Ok(Some(at))
    }

    /// Where the host has file systems on its own devices.
    fn file_systems(&self, pid: i32) -> Result<Vec<PathBuf>, Trouble> {
        let table = std::fs::read_to_string(format!("/proc/{pid}/mountinfo"))?;
        let mut seen = Vec::new();
        let mut dirs = Vec::new();
        for line in table.lines() {
            let mut words = line.split(' ').skip(2);
            let (Some(number), Some(_), Some(dir)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            if self.disks.iter().any(|disk| disk == number) && !seen.contains(&number) {
                seen.push(number);
                dirs.push(PathBuf::from(format!("/proc/{pid}/root{dir}")));
            }
        }
        Ok(dirs)
    }
}

/// Takes the power from what is mounted there; what was unmounted a moment before has nothing left
/// to lose.
fn cut_power(dir: &std::path::Path) -> io::Result<()> {
    match kernel::cut_power_of_file_system(dir) {
        Err(error) if error.raw_os_error() == Some(libc::ENOTTY) => Ok(()),
        done => done,
    }
}

impl Life {
    fn runs(&self) -> bool {
        self.wait_end(Duration::ZERO).is_err()
    }

    /// Waits until the last process has ended.
    fn wait_end(&self, limit: Duration) -> io::Result<()> {
        let end = kernel::now() + limit;
        loop {
            let left = end.saturating_sub(kernel::now());
            let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut ready = [PollFd::new(self.end.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, left) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::TimedOut)),
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
