//! Volumes: torn off in an emergency, and it is verified that they are gone. How they are mounted
//! and unmounted in order is in [`mount`].

pub mod mount;

use std::fs::File;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::MntFlags;
use nix::sys::statfs::{EXT4_SUPER_MAGIC, fstatfs};

use crate::failure::Failure;
use crate::sys::{MountRoot, place_of, shut_down_ext4};

/// The root directory of every ext4 file system.
const EXT4_ROOT: u64 = 2;

#[derive(Clone, Copy)]
enum Own {
    Yes,
    No,
}

/// Whether a whole ext4 of its own is mounted exactly on `dir`: only such a one is ever shut
/// down. A directory of the machine's own file system never is, by whatever name.
fn is_own_file_system(dir: &Path) -> io::Result<Own> {
    let place = place_of(dir)?;
    let machine = place_of(Path::new("/"))?;
    let open = File::open(dir)?;
    let ext4 = fstatfs(&open)?.filesystem_type() == EXT4_SUPER_MAGIC;
    let whole = place.mount_root == MountRoot::Here && place.inode == EXT4_ROOT;
    Ok(if ext4 && whole && place.device != machine.device { Own::Yes } else { Own::No })
}

/// Shuts down the file system mounted on `dir`, if it is one of its own: from then on nothing
/// reaches the disk. Bounded, whatever the disk does.
///
/// # Errors
/// It is still alive.
pub fn shut_down(dir: &Path) -> Result<(), Failure> {
    match is_own_file_system(dir) {
        Ok(Own::No) => Ok(()),
        Ok(Own::Yes) => File::open(dir)
            .and_then(|open| shut_down_ext4(&open))
            .map_err(|error| Failure::system("shut the file system down", &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // It was shut down before and answers nothing any more.
        Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(()),
        Err(error) => Err(Failure::system("look at the volume", &error)),
    }
}

/// Takes `dir` out of the tree at once; who still has it open has a dead file system.
///
/// # Errors
/// It is still there.
pub fn detach(dir: &Path) -> Result<(), Failure> {
    match nix::mount::umount2(dir, MntFlags::UMOUNT_NOFOLLOW) {
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
        Err(Errno::EBUSY) => {
            let flags = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
            nix::mount::umount2(dir, flags)
                .map_err(|error| Failure::system("detach", &error.into()))?;
        }
        Err(error) => return Err(Failure::system("unmount", &error.into())),
    }
    verify_gone(dir)
}

fn verify_gone(dir: &Path) -> Result<(), Failure> {
    match place_of(dir) {
        Ok(place) if place.mount_root == MountRoot::Here => {
            Err(Failure::NoEffect { what: format!("{} is still mounted", dir.display()) })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_of_the_machine_is_never_shut_down() {
        for dir in ["/", "/tmp", "/proc", "/no-such-place"] {
            assert!(!matches!(is_own_file_system(Path::new(dir)), Ok(Own::Yes)), "{dir}");
        }
    }
}
