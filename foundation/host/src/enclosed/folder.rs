//! Folders that others write to: held by descriptor, and removed whatever their owner made in them.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use super::User;

/// Of the place: its processes go through it to their own folders, and do not look into it.
const MODE: u32 = 0o711;
/// The folder itself and not where a link leads.
const ITSELF: OFlag =
    OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC).union(OFlag::O_RDONLY);

/// Makes the place, or takes the one that is there if nobody else can have made anything in it.
pub fn place(dir: &Path) -> io::Result<File> {
    if let Some(above) = dir.parent() {
        DirBuilder::new().recursive(true).mode(MODE).create(above)?;
    }
    match DirBuilder::new().mode(MODE).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let held = File::from(open(dir, ITSELF, Mode::empty())?);
    let found = held.metadata()?;
    if found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
        let why = "it belongs to another user, or others may write to it";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    // Whatever was masked when it was made.
    held.set_permissions(Permissions::from_mode(MODE))?;
    Ok(held)
}

/// Makes the folder of one process.
pub fn private(dir: &Path, user: User) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(dir)?;
    let held = File::from(open(dir, ITSELF, Mode::empty())?);
    held.set_permissions(Permissions::from_mode(0o700))?;
    if let User::Other { uid, gid } = user {
        fchown(&held, Some(uid), Some(gid))?;
    }
    Ok(())
}

/// Removes a folder with all that is in it.
pub fn remove(dir: &Path) -> io::Result<()> {
    empty(&File::from(open(dir, ITSELF, Mode::empty())?))?;
    fs::remove_dir(dir)
}

/// Removes all that is in a folder; no link is followed. Two descriptors are enough and nothing
/// here calls itself, however deep it is: what is below is moved up and removed there.
pub fn empty(top: &File) -> io::Result<()> {
    let mut fresh = 0_u64;
    loop {
        let mut found = false;
        for name in names(top)? {
            found = true;
            let name = name?;
            if gone(top, &name)? {
                continue;
            }
            let held = File::from(openat(top, name.as_os_str(), ITSELF, Mode::empty())?);
            for below in names(&held)? {
                let below = below?;
                while !gone(&held, &below)? {
                    fresh += 1;
                    let to = OsString::from(format!(".{fresh}"));
                    match renameat(&held, below.as_os_str(), top, to.as_os_str()) {
                        Ok(()) => break,
                        // The name is taken.
                        Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            // What came up meanwhile may have taken its place in the list; the next round sees.
            gone(top, &name)?;
        }
        if !found {
            return Ok(());
        }
    }
}

/// Removes an entry; whether it could, as it is no folder with something in it.
fn gone(dir: &File, name: &OsString) -> io::Result<bool> {
    let remove = |flag| match unlinkat(dir, name.as_os_str(), flag) {
        Ok(()) | Err(Errno::ENOENT) => Ok(true),
        Err(Errno::EISDIR | Errno::ENOTEMPTY | Errno::EEXIST) => Ok(false),
        Err(error) => Err(io::Error::from(error)),
    };
    Ok(remove(UnlinkatFlags::NoRemoveDir)? || remove(UnlinkatFlags::RemoveDir)?)
}

/// What is in the folder that is held, wherever it lies now.
fn names(dir: &File) -> io::Result<impl Iterator<Item = io::Result<OsString>> + use<>> {
    let entries = fs::read_dir(format!("/proc/self/fd/{}", dir.as_raw_fd()))?;
    Ok(entries.map(|entry| Ok(entry?.file_name())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::mkdirat;

    use super::*;

    #[test]
    fn a_tree_deeper_than_there_are_descriptors_is_removed_and_no_link_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, tree) = (dir.path().join("kept"), dir.path().join("tree"));
        fs::create_dir_all(kept.join("below")).unwrap();
        fs::create_dir(&tree).unwrap();
        let mut held = File::open(&tree).unwrap();
        for depth in 0..1_500 {
            let at = format!("/proc/self/fd/{}", held.as_raw_fd());
            symlink(&kept, format!("{at}/link")).unwrap();
            // Names that are given out when something is moved up.
            fs::write(format!("{at}/.{depth}"), "").unwrap();
            fs::create_dir_all(format!("{at}/.{}/full", depth + 1)).unwrap();
            mkdirat(&held, "next", Mode::S_IRWXU).unwrap();
            held = openat(&held, "next", ITSELF, Mode::empty()).unwrap().into();
        }
        remove(&tree).unwrap();
        assert!(!tree.exists());
        assert!(kept.join("below").exists());
        symlink(&kept, &tree).unwrap();
        remove(&tree).unwrap_err();
        assert!(kept.join("below").exists());
    }
}
