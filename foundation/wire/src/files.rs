//! Files that keep a secret or a promise: modes checked at load, replaced durably or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The largest file read here: certificates and keys are some hundred bytes each.
pub const FILE_LIMIT: u64 = 256 * 1024;

const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;

/// What the world refused, or what is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileFailure {
    /// The system refused an operation.
    #[error("{action} {path}: {source}")]
    Refused {
        /// What was tried: "read", "write", "create".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner may read or change it.
    #[error("{path} has mode {found:04o}; it keeps secrets and must have {wanted:04o}")]
    Mode {
        /// Which.
        path: PathBuf,
        /// Its mode.
        found: u32,
        /// What it must be.
        wanted: u32,
    },
    /// It belongs to somebody else than the user this process runs as.
    #[error("{path} belongs to user {found}, this process runs as user {wanted}")]
    Owner {
        /// Which.
        path: PathBuf,
        /// Who owns it.
        found: u32,
        /// Who reads it.
        wanted: u32,
    },
    /// It is a link, a device or another thing than a plain file or directory.
    #[error("{path} is not what it must be: a {wanted}, and no link")]
    NotPlain {
        /// Which.
        path: PathBuf,
        /// "file" or "directory".
        wanted: &'static str,
    },
    /// It is larger than anything that belongs there.
    #[error("{path} has more than {FILE_LIMIT} bytes")]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// It is not text.
    #[error("{path} is not UTF-8 text")]
    NotText {
        /// Which.
        path: PathBuf,
    },
}

fn refused(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileFailure {
    move |source| FileFailure::Refused { action, path: path.to_path_buf(), source }
}

/// Makes the directory with mode 0700, whatever the umask is. One that is there stays.
///
/// # Errors
/// What the system refused, or what [`check_directory`] finds.
pub fn make_private_directory(path: &Path) -> Result<(), FileFailure> {
    match fs::DirBuilder::new().mode(PRIVATE_DIRECTORY).create(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(PRIVATE_DIRECTORY))
            .map_err(refused("set the mode of", path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_directory(path),
        Err(error) => Err(refused("create", path)(error)),
    }
}

/// Checks that `path` is a directory of ours that nobody else may enter.
///
/// # Errors
/// What is wrong with it.
pub fn check_directory(path: &Path) -> Result<(), FileFailure> {
    let found = fs::symlink_metadata(path).map_err(refused("look at", path))?;
    if !found.is_dir() {
        return Err(FileFailure::NotPlain { path: path.to_path_buf(), wanted: "directory" });
    }
    check_owner_and_mode(path, &found, PRIVATE_DIRECTORY)
}

fn check_owner_and_mode(path: &Path, found: &fs::Metadata, wanted: u32) -> Result<(), FileFailure> {
    let user = nix::unistd::geteuid().as_raw();
    if found.uid() != user {
        let path = path.to_path_buf();
        return Err(FileFailure::Owner { path, found: found.uid(), wanted: user });
    }
    let mode = found.mode() & 0o7777;
    if mode != wanted {
        return Err(FileFailure::Mode { path: path.to_path_buf(), found: mode, wanted });
    }
    Ok(())
}

/// Reads a file of ours that nobody else may read. The checks are made on the opened file, so
/// that it cannot be exchanged between check and reading.
///
/// # Errors
/// What the system refused, or what is wrong with the file.
pub fn read_private(path: &Path) -> Result<String, FileFailure> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits() | nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(refused("open", path))?;
    let found = file.metadata().map_err(refused("look at", path))?;
    if !found.is_file() {
        return Err(FileFailure::NotPlain { path: path.to_path_buf(), wanted: "file" });
    }
    check_owner_and_mode(path, &found, PRIVATE_FILE)?;
    read_text(file, path)
}

/// Reads a file if there is one; its mode does not matter.
///
/// # Errors
/// What the system refused, or that it is too large or no text.
pub fn read_text_if_there(path: &Path) -> Result<Option<String>, FileFailure> {
    match File::open(path) {
        Ok(file) => read_text(file, path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refused("open", path)(error)),
    }
}

fn read_text(file: File, path: &Path) -> Result<String, FileFailure> {
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(refused("read", path))?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(FileFailure::TooLarge { path: path.to_path_buf() });
    }
    String::from_utf8(bytes).map_err(|_| FileFailure::NotText { path: path.to_path_buf() })
}

/// Writes `bytes` beside `path` with mode 0600, makes them durable and renames them into place:
/// after a power loss there is the old content or the new one, never a part.
///
/// # Errors
/// What the system refused; the old content stands then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileFailure> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refused("remove", &beside)(error)),
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE_FILE)
        .open(&beside)
        .map_err(refused("create", &beside))?;
    file.set_permissions(fs::Permissions::from_mode(PRIVATE_FILE))
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all())
        .map_err(refused("write", &beside))?;
    fs::rename(&beside, path).map_err(refused("rename into place", path))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or_else(|| Path::new("."));
    File::open(directory).and_then(|open| open.sync_all()).map_err(refused("sync", directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        replace(&path, b"secret").unwrap();
        assert_eq!(read_private(&path).unwrap(), "secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            read_private(&path),
            Err(FileFailure::Mode { found: 0o640, wanted: 0o600, .. })
        ));
    }

    #[test]
    fn a_link_in_the_place_of_a_private_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        replace(&target, b"secret").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(read_private(&link).is_err());
        assert!(check_directory(&link).is_err());
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        replace(&path, b"secret").unwrap();
        std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
        assert!(matches!(read_private(&path), Err(FileFailure::Owner { found: 12_345, .. })));
    }

    #[test]
    fn an_endless_file_is_not_read_to_its_end() {
        assert!(matches!(
            read_text_if_there(Path::new("/dev/zero")),
            Err(FileFailure::TooLarge { .. })
        ));
    }
}
