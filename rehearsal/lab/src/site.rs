//! The place of a lab run: one at a time, and nothing of the last one left.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use crate::Trouble;
use crate::badlink::Wire;
use crate::host::{Disk, Host, disk};
use crate::recorder::Recorder;

/// Where images and logs are.
pub const DIR: &str = "/var/tmp/tsugi-lab";
/// How long another lab is waited for.
const TURN: Duration = Duration::from_secs(180);
const DISK_MIB: usize = 96;

/// A volume that every host can mount and one does.
#[derive(Clone, Copy, Debug)]
pub struct SharedVolume {
    /// Its name.
    pub name: &'static str,
    /// How large it is.
    pub mib: usize,
    /// What it begins with.
    pub holds: Holds,
}

/// What a shared volume begins with.
#[derive(Clone, Copy, Debug)]
pub enum Holds {
    /// An ext4 file system, and what is put into it.
    Files(fn(&Path) -> Result<(), Trouble>),
    /// An xfs file system.
    Xfs,
    /// Zeros.
    Nothing,
}

/// The machine room: hosts, wire, recorder.
#[derive(Debug)]
pub struct Site {
    /// `n1`, `n2`, `n3`, in this order.
    pub hosts: Vec<Host>,
    /// The network.
    pub wire: Wire,
    /// The recorder of the machine's own pauses.
    pub recorder: Recorder,
    // Dropped last: as long as it is held no other lab starts.
    _lock: Flock<File>,
}

impl Site {
    /// Clears what a killed lab left and builds `count` hosts without power.
    ///
    /// # Errors
    /// Another lab that runs, a missing tool, or what the kernel refused.
    pub fn build(
        count: usize,
        programs: &[PathBuf],
        shared: &[SharedVolume],
    ) -> Result<Self, Trouble> {
        if !nix::unistd::geteuid().is_root() {
            return Err(Trouble::Missing("the rights of root".into()));
        }
        let dir = PathBuf::from(DIR);
        fs::create_dir_all(&dir)?;
        let lock = lock(&dir.join("lock"))?;
        crate::host::clear_leftovers(&dir)?;
        let recorder = Recorder::start()?;
        let wire = Wire::start()?;
        for SharedVolume { name, mib, holds } in shared {
            let image = volume_image(&dir, name);
            match holds {
                Holds::Files(fill) => {
                    disk::make_image(&image, *mib)?;
                    disk::filled(&Disk::attach(&image)?, &dir.join("mount"), fill)?;
                }
                Holds::Xfs => disk::make_xfs(&image, *mib)?,
                Holds::Nothing => disk::make_empty(&image, *mib)?,
            }
        }
        let mut hosts = Vec::new();
        for index in 1..=count {
            let image = dir.join(format!("disk-n{index}.img"));
            disk::make_image(&image, DISK_MIB)?;
            let own = Disk::attach(&image)?;
            let mut volumes = Vec::new();
            for SharedVolume { name, .. } in shared {
                volumes.push(((*name).to_owned(), Disk::attach(&volume_image(&dir, name))?));
            }
            hosts.push(Host::new(index, own, volumes, programs.to_vec(), wire.clone())?);
        }
        Ok(Self { hosts, wire, recorder, _lock: lock })
    }

    /// Gives power to every host that has none.
    ///
    /// # Errors
    /// What failed.
    pub fn boot_all(&mut self) -> Result<(), Trouble> {
        self.hosts.iter_mut().try_for_each(Host::boot)
    }
}

fn volume_image(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("volume-{name}.img"))
}

/// Takes the one place of a lab on this machine; waits a while for another lab to end.
fn lock(path: &Path) -> Result<Flock<File>, Trouble> {
    let end = Instant::now() + TURN;
    let mut said = false;
    loop {
        match try_lock(path) {
            Err(Trouble::Busy(holder)) if Instant::now() < end => {
                if !said {
                    eprintln!("lab: waiting for the lab of process {holder}");
                    said = true;
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            done => return done,
        }
    }
}

fn try_lock(path: &Path) -> Result<Flock<File>, Trouble> {
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
    let mut lock =
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(mut file, _)| {
            let mut holder = String::new();
            let _unreadable = file.read_to_string(&mut holder);
            Trouble::Busy(holder.trim().to_owned())
        })?;
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())?;
    Ok(lock)
}
