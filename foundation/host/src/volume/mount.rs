//! Volumes: mounted by their owner only, unmounted for certain.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use libc::AT_SYMLINK_NOFOLLOW;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags};

use super::{detach, is_own_file_system, mounted, shut_down, verify_gone};
use crate::request::{Failure, Source, Unmounting};
use crate::sys::{MountRoot, place_of};
use crate::{loop_device, process, sys};

/// How long users that were killed may take to let go of a volume.
const LET_GO: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long a device may be in use by a process that is just being made. Until it runs its program
/// it has a copy of everything that was open here, also of the look whether the device is taken.
const HELD: Duration = Duration::from_millis(500);

/// Mounts `source` on `dir` and says on which device, if any.
///
/// # Errors
/// Why it is not mounted; then nothing is left behind.
pub fn mount(source: &Source, dir: &Path) -> Result<Option<PathBuf>, Failure> {
    if !dir.is_absolute() {
        return Err(Failure::Malformed { why: format!("{} is not absolute", dir.display()) });
    }
    if source == &Source::Directory(dir.to_owned()) {
        return if dir.is_dir() { Ok(None) } else { Err(missing(dir, "directory")) };
    }
    fs::create_dir_all(dir).map_err(|error| Failure::disk("mkdir", dir, &error))?;
    match source {
        Source::Directory(from) => bind(from, dir).map(|()| None),
        Source::Image(image) if device_of(image).is_none() => mount_image(image, dir).map(Some),
        Source::Image(device) | Source::Device(device) => mount_device(device, dir).map(Some),
    }
}

fn missing(path: &Path, kind: &str) -> Failure {
    Failure::Source { why: format!("{} is not a {kind}", path.display()) }
}

fn bind(from: &Path, dir: &Path) -> Result<(), Failure> {
    if !from.is_dir() {
        return Err(missing(from, "directory"));
    }
    let (same, there) = (place(from)?, place(dir)?);
    if there.mount_root == MountRoot::Here {
        let bound = (same.device, same.inode) == (there.device, there.inode);
        return if bound { Ok(()) } else { Err(Failure::PlaceTaken { dir: dir.to_owned() }) };
    }
    nix::mount::mount(Some(from), dir, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|error| Failure::system("bind", &error.into()))
}

fn place(dir: &Path) -> Result<sys::Place, Failure> {
    place_of(dir, AT_SYMLINK_NOFOLLOW).map_err(|error| Failure::system("statx", &error))
}

fn mount_image(image: &Path, dir: &Path) -> Result<PathBuf, Failure> {
    let image = image.canonicalize().map_err(|_| missing(image, "file"))?;
    if !image.is_file() {
        return Err(missing(&image, "file"));
    }
    for there in mounted()? {
        if loop_device::image_of(there.device).as_deref() == Some(&image) {
            if there.dir == dir {
                return Ok(PathBuf::from(format!("/dev/loop{}", there.device.1)));
            }
            return Err(Failure::MountedElsewhere { dir: there.dir });
        }
    }
    refuse_taken(dir)?;
    let (device, open) = loop_device::attach(&image)
        .map_err(|error| Failure::disk("attach to a loop device", &image, &error))?;
    let outcome = mount_on(&device, dir);
    // Once it is mounted the mount holds the device; if it is not, closing frees it.
    drop(open);
    outcome.map(|()| device)
}

/// The number of a block device; none if this is not one.
fn device_of(path: &Path) -> Option<(u32, u32)> {
    let found = fs::metadata(path).ok().filter(|found| found.file_type().is_block_device())?;
    Some((libc::major(found.rdev()), libc::minor(found.rdev())))
}

fn mount_device(device: &Path, dir: &Path) -> Result<PathBuf, Failure> {
    let number = device_of(device).ok_or_else(|| missing(device, "block device"))?;
    if let Some(there) = mounted()?.into_iter().find(|there| there.device == number) {
        if there.dir == dir {
            return Ok(device.to_owned());
        }
        return Err(Failure::MountedElsewhere { dir: there.dir });
    }
    refuse_taken(dir)?;
    if is_taken(device) {
        let why = format!("{} is in use outside of what this node sees", device.display());
        return Err(Failure::Source { why });
    }
    File::open(device)
        .and_then(|open| sys::forget_blocks(&open))
        .map_err(|error| Failure::disk("flush the device's buffers", device, &error))?;
    mount_on(device, dir).map(|()| device.to_owned())
}

fn refuse_taken(dir: &Path) -> Result<(), Failure> {
    match place(dir)?.mount_root {
        MountRoot::Here => Err(Failure::PlaceTaken { dir: dir.to_owned() }),
        MountRoot::Elsewhere => Ok(()),
    }
}

/// What a volume may hold, and how it is to be mounted. A file system that finds itself damaged
/// must not go on taking writes: xfs shuts itself down, ext4 is told to.
const FILE_SYSTEMS: [(&str, Option<&str>); 2] =
    [("ext4", Some("errors=remount-ro")), ("xfs", None)];

fn mount_on(device: &Path, dir: &Path) -> Result<(), Failure> {
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOATIME;
    let (end, mut left) = (crate::clock::now() + HELD.into(), FILE_SYSTEMS.iter().peekable());
    while let Some((name, options)) = left.peek() {
        match nix::mount::mount(Some(device), dir, Some(*name), flags, *options) {
            Ok(()) => return Ok(()),
            // It is not that, or this kernel does not know it.
            Err(Errno::EINVAL | Errno::ENODEV) => drop(left.next()),
            Err(Errno::EBUSY) if crate::clock::now() < end => sleep(Duration::from_millis(1)),
            Err(error) => return Err(Failure::disk("mount", device, &error.into())),
        }
    }
    let device = device.display();
    Err(Failure::Source { why: format!("{device} holds no ext4 or xfs that can be mounted") })
}

/// A mounted device cannot be opened exclusively, wherever it is mounted.
fn is_taken(device: &Path) -> bool {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_EXCL).open(device);
    opened.is_err_and(|error| error.raw_os_error() == Some(libc::EBUSY))
}

/// Unmounts what is mounted on `dir`; says which processes were killed for it.
///
/// # Errors
/// Why it is still mounted.
pub fn unmount(dir: &Path, how: Unmounting) -> Result<Vec<u32>, Failure> {
    match place_of(dir, AT_SYMLINK_NOFOLLOW) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        // A file system that was shut down answers nothing but can still be unmounted.
        Err(_) => {}
        Ok(place) if place.mount_root == MountRoot::Elsewhere => return Ok(Vec::new()),
        Ok(_) => {}
    }
    match how {
        Unmounting::Orderly => orderly(dir, LET_GO),
        Unmounting::Gentle => orderly(dir, Duration::ZERO),
        Unmounting::Emergency => {
            shut_down(dir)?;
            detach(dir).map(|()| Vec::new())
        }
    }
}

/// Kills whoever uses it until `let_go` is over; nobody if that is no time at all.
fn orderly(dir: &Path, let_go: Duration) -> Result<Vec<u32>, Failure> {
    let device = place(dir)?.device;
    let block = PathBuf::from(format!("/dev/block/{}:{}", device.0, device.1));
    let own_file_system = is_own_file_system(dir).unwrap_or(false);
    let mut killed = BTreeSet::new();
    let end = crate::clock::now() + let_go.into();
    loop {
        // An unmount says nothing of what it could not write out. Where a release has taken it away
        // meanwhile there is another below it, and the release would wait for that one's writes.
        if own_file_system && place(dir)?.device == device {
            sync(dir)?;
        }
        match nix::mount::umount2(dir, MntFlags::UMOUNT_NOFOLLOW) {
            Ok(()) | Err(Errno::EINVAL) => break,
            Err(Errno::EBUSY) if crate::clock::now() < end => {}
            Err(Errno::EBUSY) => return Err(Failure::StillThere { pids: users_of(device) }),
            Err(error) => return Err(Failure::system("unmount", &error.into())),
        }
        // Only a file system of its own has users of its own; a bound directory shares the
        // device with others, and those who keep it busy are found by the group's kill.
        if own_file_system {
            for pid in users_of(device) {
                drop(sys::kill(pid.cast_signed(), libc::SIGKILL));
                killed.insert(pid);
            }
        }
        sleep(LOOK_AGAIN);
    }
    verify_gone(dir)?;
    if own_file_system && is_taken(&block) {
        let what = format!("{} is mounted outside of what this node sees", block.display());
        return Err(Failure::NoEffect { what });
    }
    Ok(killed.into_iter().collect())
}

fn sync(dir: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::disk("sync", dir, &error);
    let open = File::open(dir).map_err(failed)?;
    nix::unistd::syncfs(open).map_err(|error| failed(error.into()))
}

/// Every process, but this one, that uses the file system with this device: a working
/// directory, a root, an open file, a mapped file, the program itself.
fn users_of(device: (u32, u32)) -> Vec<u32> {
    let own = std::process::id();
    process::pids().into_iter().filter(|pid| *pid != own && uses(*pid, device)).collect()
}

fn uses(pid: u32, device: (u32, u32)) -> bool {
    let dir = format!("/proc/{pid}");
    // It may have files of a server open that answers nothing: of those nothing is asked.
    let on = |path: &Path| place_of(path, 0).is_ok_and(|found| found.device == device);
    if ["cwd", "root", "exe"].iter().any(|link| on(Path::new(&format!("{dir}/{link}")))) {
        return true;
    }
    let open = fs::read_dir(format!("{dir}/fd"));
    if open.is_ok_and(|files| files.filter_map(Result::ok).any(|file| on(&file.path()))) {
        return true;
    }
    let wanted = format!("{:02x}:{:02x}", device.0, device.1);
    let maps = fs::read_to_string(format!("{dir}/maps")).unwrap_or_default();
    maps.lines().any(|line| line.split(' ').nth(3) == Some(wanted.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exclusively(device: &Path) -> File {
        OpenOptions::new().read(true).custom_flags(libc::O_EXCL).open(device).unwrap()
    }

    #[test]
    fn a_device_that_is_held_for_a_moment_is_mounted_and_one_that_stays_held_is_not() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let base = tempfile::TempDir::new().unwrap();
        let (image, dir) = (base.path().join("image"), base.path().join("dir"));
        File::create(&image).unwrap().set_len(32 << 20).unwrap();
        fs::create_dir(&dir).unwrap();
        let made = std::process::Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).status();
        assert!(made.unwrap().success());
        let (device, _kept) = loop_device::attach(&image).unwrap();
        let held = exclusively(&device);
        std::thread::scope(|scope| {
            // As a process does that is just being made.
            scope.spawn(move || {
                sleep(Duration::from_millis(30));
                drop(held);
            });
            mount_on(&device, &dir).unwrap();
        });
        nix::mount::umount2(&dir, MntFlags::empty()).unwrap();
        let _held = exclusively(&device);
        let failure = mount_on(&device, &dir).unwrap_err();
        let busy = Failure::System { step: "mount".into(), errno: libc::EBUSY };
        assert_eq!(failure, busy);
    }
}
