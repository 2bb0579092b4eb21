//! Whether a disk still does what it is there for.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The largest sector of a disk in use, and how a buffer must lie for direct reading.
const SECTOR: usize = 4096;
/// What is written to see that a directory can be written; it is gone afterwards.
const NAME: &str = ".tsugi-monitor";

/// A device or a file is read past the cache; in a directory a file is written, synced, removed.
pub(super) fn ask(path: &Path) -> io::Result<()> {
    if path.metadata()?.is_dir() { write(path) } else { read(path) }
}

fn read(path: &Path) -> io::Result<()> {
    let direct = nix::fcntl::OFlag::O_DIRECT.bits();
    let mut file = OpenOptions::new().read(true).custom_flags(direct).open(path)?;
    let mut room = vec![0_u8; SECTOR * 2];
    let start = room.as_ptr().align_offset(SECTOR);
    let sector = room.get_mut(start..start + SECTOR).ok_or(io::ErrorKind::OutOfMemory)?;
    match file.read(sector)? {
        0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        _ => Ok(()),
    }
}

fn write(dir: &Path) -> io::Result<()> {
    // Two monitors of one directory do not take each other's file away.
    let path = dir.join(format!("{NAME}.{}", std::process::id()));
    let outcome = File::create(&path).and_then(|mut file| {
        file.write_all(&[0; SECTOR])?;
        file.sync_all()
    });
    match std::fs::remove_file(&path) {
        Err(error) if outcome.is_ok() => Err(error),
        Ok(()) | Err(_) => outcome,
    }
}
