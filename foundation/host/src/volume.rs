//! Volumes: torn off in an emergency, and it is verified that they are gone. How they are mounted
//! and unmounted in order is in [`mount`].

pub mod mount;

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use libc::AT_SYMLINK_NOFOLLOW;
use nix::errno::Errno;
use nix::mount::MntFlags;
use nix::sys::statfs::{EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, fstatfs};

use crate::failure::Failure;
use crate::sys::{MountRoot, place_of, shut_down_file_system};

/// The root directory of every ext4 file system.
const EXT4_ROOT: u64 = 2;

/// Whether a whole ext4 or xfs of its own is mounted exactly on `dir`: only such a one is ever
/// shut down. A directory of the machine's own file system never is, by whatever name.
fn is_own_file_system(dir: &Path) -> io::Result<bool> {
    let place = place_of(dir, AT_SYMLINK_NOFOLLOW)?;
    let machine = place_of(Path::new("/"), AT_SYMLINK_NOFOLLOW)?;
    let open = File::open(dir)?;
    let kind = fstatfs(&open)?.filesystem_type();
    let whole = match kind {
        EXT4_SUPER_MAGIC => place.inode == EXT4_ROOT,
        XFS_SUPER_MAGIC => is_whole(dir),
        _ => false,
    };
    let own = place.mount_root == MountRoot::Here && place.device != machine.device;
    Ok(whole && own)
}

/// Whether all of a file system is mounted on `dir`, not a directory of it: the number of the
/// root directory is another in every xfs.
fn is_whole(dir: &Path) -> bool {
    let there = mounted().unwrap_or_default();
    there.iter().rfind(|m| m.dir == dir).is_some_and(|m| m.root == Path::new("/"))
}

/// Something that is mounted in this process's view.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mounted {
    device: (u32, u32),
    /// Which directory of the file system it is; `/` is the whole of it.
    root: PathBuf,
    dir: PathBuf,
}

fn mounted() -> Result<Vec<Mounted>, Failure> {
    let text = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| Failure::system("mountinfo", &error))?;
    Ok(text.lines().filter_map(parse_mount).collect())
}

fn parse_mount(line: &str) -> Option<Mounted> {
    let mut fields = line.split(' ');
    let (major, minor) = fields.nth(2)?.split_once(':')?;
    let (root, dir) = (fields.next()?, fields.next()?);
    let device = (major.parse().ok()?, minor.parse().ok()?);
    Some(Mounted { device, root: unescape(root).into(), dir: unescape(dir).into() })
}

/// The kernel writes blanks, tabs, line ends and backslashes as three octal digits.
pub fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            None => plain.push_str(part),
        }
    }
    plain
}

/// Shuts down the file system mounted on `dir`, if it is one of its own: from then on nothing
/// reaches the disk. ext4 writes the superblock of its journal and waits for that, so on a disk
/// that hangs this does not come back.
///
/// # Errors
/// It is still alive.
pub fn shut_down(dir: &Path) -> Result<(), Failure> {
    match is_own_file_system(dir) {
        Ok(false) => Ok(()),
        Ok(true) => File::open(dir)
            .and_then(|open| shut_down_file_system(&open))
            .map(|()| ask_disk_of(dir))
            .map_err(|error| Failure::system("shut the file system down", &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // It was shut down before and answers nothing any more.
        Err(error) if error.raw_os_error() == Some(libc::EIO) => {
            ask_disk_of(dir);
            Ok(())
        }
        Err(error) => Err(Failure::system("look at the volume", &error)),
    }
}

/// Reads something of the disk that is mounted on `dir`, whatever comes of it. One that hangs may
/// still carry out what it was told, and a file system that somebody else is shutting down already
/// says at once that this is done. So on such a disk this does not come back either.
fn ask_disk_of(dir: &Path) {
    #[repr(align(4096))]
    struct Block([u8; 4096]);
    let there = mounted().unwrap_or_default();
    let Some(Mounted { device, .. }) = there.iter().rfind(|m| m.dir == dir) else { return };
    let shown = format!("/sys/dev/block/{}:{}/uevent", device.0, device.1);
    let shown = fs::read_to_string(shown).unwrap_or_default();
    let Some(name) = shown.lines().find_map(|line| line.strip_prefix("DEVNAME=")) else { return };
    let mut past_the_cache = fs::OpenOptions::new();
    past_the_cache.read(true).custom_flags(libc::O_DIRECT);
    let disk = past_the_cache.open(Path::new("/dev").join(name));
    drop(disk.and_then(|mut disk| disk.read(&mut Block([0; 4096]).0)));
}

/// Takes `dir` out of the tree at once; who still has it open has a dead file system.
///
/// # Errors
/// It is still there.
pub fn detach(dir: &Path) -> Result<(), Failure> {
    let unmount = |flags: MntFlags| nix::mount::umount2(dir, flags | MntFlags::UMOUNT_NOFOLLOW);
    let (step, unmounted) = match unmount(MntFlags::empty()) {
        Err(Errno::EBUSY) => ("detach", unmount(MntFlags::MNT_DETACH)),
        other => ("unmount", other),
    };
    match unmounted {
        // Somebody else may be at it too, as guardian and hands are where a lease runs out.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
        Err(error) => return Err(Failure::system(step, &error.into())),
    }
    verify_gone(dir)
}

fn verify_gone(dir: &Path) -> Result<(), Failure> {
    match place_of(dir, AT_SYMLINK_NOFOLLOW) {
        Ok(place) if place.mount_root == MountRoot::Here => {
            Err(Failure::NoEffect { what: format!("{} is still mounted", dir.display()) })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use nix::mount::{MsFlags, mount};

    use super::*;

    #[test]
    fn the_file_system_of_the_machine_is_never_shut_down() {
        for dir in ["/", "/tmp", "/proc", "/no-such-place"] {
            assert!(!is_own_file_system(Path::new(dir)).unwrap_or(false), "{dir}");
        }
    }

    #[test]
    fn what_two_detach_at_once_is_gone_for_both() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let dir = place.path();
        std::thread::scope(|scope| {
            let own = scope.spawn(|| {
                // What is mounted here is seen by this thread and its own only.
                nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
                let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
                mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
                for _ in 0..500 {
                    let no_flags = MsFlags::empty();
                    mount(Some("t"), dir, Some("tmpfs"), no_flags, None::<&str>).unwrap();
                    let _in_use = File::create(dir.join("busy")).unwrap();
                    let both = std::sync::Barrier::new(2);
                    let take_away = || {
                        both.wait();
                        detach(dir)
                    };
                    std::thread::scope(|scope| {
                        let other = scope.spawn(take_away);
                        assert_eq!((take_away(), other.join().unwrap()), (Ok(()), Ok(())));
                    });
                }
            });
            own.join().unwrap();
        });
    }

    #[test]
    fn a_mount_point_with_a_blank_is_read_as_it_is() {
        let line = "36 35 98:0 /in /mnt/a\\040b\\134c rw,noatime master:1 - ext3 /dev/root rw";
        let (root, dir) = (PathBuf::from("/in"), PathBuf::from("/mnt/a b\\c"));
        assert_eq!(parse_mount(line), Some(Mounted { device: (98, 0), root, dir }));
    }
}
