//! Disks: images on loop devices with direct I/O, so that nothing of one host is in the cache of
//! another and a flush reaches the image.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Trouble;

const MIB: usize = 1 << 20;

/// Whether a disk takes writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// It does.
    Taken,
    /// Each is an error; what stands there can be read.
    Refused,
}

/// A loop device; detached when it is dropped.
#[derive(Debug)]
pub struct Disk {
    /// The device.
    pub device: PathBuf,
    /// `major:minor`.
    pub number: String,
}

impl Disk {
    /// Puts `image` on a free loop device.
    ///
    /// # Errors
    /// What losetup refused.
    pub fn attach(image: &Path) -> Result<Self, Trouble> {
        let mut command = Command::new("losetup");
        command.args(["--find", "--show", "--direct-io=on"]).arg(image);
        let device = PathBuf::from(output(command)?.trim());
        let about = fs::metadata(&device)?;
        if !about.file_type().is_block_device() {
            return Err(Trouble::Failed(format!("{} is no block device", device.display())));
        }
        let number = about.rdev();
        let number = format!("{}:{}", nix::sys::stat::major(number), nix::sys::stat::minor(number));
        Ok(Self { device, number })
    }

    /// Lets writes through, or refuses them.
    ///
    /// # Errors
    /// What blockdev refused.
    pub fn set_writes(&self, writes: Writes) -> Result<(), Trouble> {
        let mut command = Command::new("blockdev");
        command.arg(match writes {
            Writes::Taken => "--setrw",
            Writes::Refused => "--setro",
        });
        command.arg(&self.device);
        output(command).map(drop)
    }

    /// Waits until no file system is mounted from it.
    ///
    /// # Errors
    /// When it is still in use at `limit`.
    pub fn wait_free(&self, limit: Duration) -> Result<(), Trouble> {
        let end = Instant::now() + limit;
        loop {
            let open = OpenOptions::new().read(true).custom_flags(libc::O_EXCL).open(&self.device);
            match open {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= end => {
                    let device = self.device.display();
                    return Err(Trouble::Failed(format!("{device} is still in use: {error}")));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _leftover = self.wait_free(Duration::from_secs(2));
        let mut command = Command::new("losetup");
        command.arg("--detach").arg(&self.device);
        if let Err(error) = output(command) {
            eprintln!("lab: {error}");
        }
    }
}

/// Writes an image of `size_mib` with an empty ext4 file system.
///
/// # Errors
/// A full disk, or mkfs is missing.
pub fn make_image(path: &Path, size_mib: usize) -> Result<(), Trouble> {
    let now = "lazy_itable_init=0,lazy_journal_init=0,nodiscard";
    format(path, size_mib, ("mkfs.ext4", &["-q", "-F", "-E", now]))
}

/// Writes an image of `size_mib`, at least 300, with an empty xfs file system.
///
/// # Errors
/// A full disk, or mkfs is missing.
pub fn make_xfs(path: &Path, size_mib: usize) -> Result<(), Trouble> {
    format(path, size_mib, ("mkfs.xfs", &["-q", "-f", "-K"]))
}

fn format(path: &Path, size_mib: usize, (mkfs, words): (&str, &[&str])) -> Result<(), Trouble> {
    make_empty(path, size_mib)?;
    let mut command = Command::new(mkfs);
    command.args(words).arg(path);
    output(command).map(drop)
}

/// Writes an image of `size_mib` with nothing but zeros.
///
/// # Errors
/// A full disk.
pub fn make_empty(path: &Path, size_mib: usize) -> Result<(), Trouble> {
    let mut file = File::create(path)?;
    // Real blocks: a hole would have to be filled in the middle of a measurement.
    let zeros = vec![0; MIB];
    for _ in 0..size_mib {
        file.write_all(&zeros)?;
    }
    Ok(file.sync_all()?)
}

/// Mounts `disk` for a moment, so that `fill` can put something on it.
///
/// # Errors
/// What mount or `fill` refused.
pub fn filled(
    disk: &Disk,
    at: &Path,
    fill: impl FnOnce(&Path) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    fs::create_dir_all(at)?;
    let mut command = Command::new("mount");
    command.args(["-t", "ext4"]).arg(&disk.device).arg(at);
    output(command)?;
    let done = fill(at);
    let mut command = Command::new("umount");
    command.arg(at);
    output(command)?;
    done
}

/// Detaches every loop device whose image is in `dir`: a killed lab left it.
///
/// # Errors
/// When losetup is missing.
pub fn clear_leftovers(dir: &Path) -> Result<(), Trouble> {
    let mount = dir.join("mount");
    if mount.exists() {
        let mut command = Command::new("umount");
        command.arg("--quiet").arg(&mount);
        let _not_mounted = output(command);
    }
    let mut command = Command::new("losetup");
    command.args(["--list", "--noheadings", "--output", "NAME,BACK-FILE"]);
    for line in output(command)?.lines() {
        let mut words = line.split_whitespace();
        if let (Some(device), Some(image)) = (words.next(), words.next())
            && Path::new(image).starts_with(dir)
        {
            let mut command = Command::new("losetup");
            command.args(["--detach", device]);
            output(command)?;
        }
    }
    Ok(())
}

/// Runs a command and gives what it printed.
///
/// # Errors
/// A command that is missing or failed, with what it said.
pub fn output(mut command: Command) -> Result<String, Trouble> {
    let name = format!("{command:?}");
    let done = command.output().map_err(|error| Trouble::Missing(format!("{name}: {error}")))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        return Err(Trouble::Failed(format!("{name}: {}: {said}", done.status)));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
