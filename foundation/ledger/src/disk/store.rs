//! What the ledger needs of a disk that several machines share, and the device that gives it.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Everything is read and written in blocks of this size, at multiples of it: devices have sectors
/// of 512 or of 4096 bytes, and both take this.
pub const BLOCK: usize = 4096;
/// How much is moved at once.
const BOUNCE: usize = 256 * BLOCK;

/// A disk that several machines share. Places and lengths are multiples of [`BLOCK`].
///
/// A read shows every write that was answered before it began, whoever wrote; of one that is under
/// way it may show any part. A write that is answered outlives a power loss of everything.
pub trait Store: Send + 'static {
    /// What a person calls it.
    fn name(&self) -> String;
    /// How many bytes it has.
    ///
    /// # Errors
    /// What the system said.
    fn size(&mut self) -> Result<u64>;
    /// Fills `into` from `at` on, from the disk and not from a cache of this machine.
    ///
    /// # Errors
    /// What the system said.
    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()>;
    /// Writes `bytes` from `at` on; durable when it returns.
    ///
    /// # Errors
    /// What the system said. Any part of it may have been written, or still be written.
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()>;
    /// Makes durable whatever anybody could have read until now, whoever wrote it.
    ///
    /// # Errors
    /// What the system said.
    fn settle(&mut self) -> Result<()>;
}

/// A block device, or an image file, opened past every cache of this machine.
#[derive(Debug)]
pub struct SharedDisk {
    path: PathBuf,
    file: File,
    bounce: Bounce,
}

impl SharedDisk {
    /// Opens what stands at `path`.
    ///
    /// # Errors
    /// What the system said; among it that the place cannot be read past the cache.
    pub fn open(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_DIRECT | libc::O_DSYNC);
        let file = options.open(path)?;
        Ok(Self { path: path.to_owned(), file, bounce: Bounce::new() })
    }
}

impl Store for SharedDisk {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn size(&mut self) -> Result<u64> {
        self.file.seek(SeekFrom::End(0))
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        let mut place = at;
        for part in into.chunks_mut(BOUNCE) {
            let bounce = self.bounce.part(part.len())?;
            self.file.read_exact_at(bounce, place)?;
            part.copy_from_slice(bounce);
            place += part.len() as u64;
        }
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        let mut place = at;
        for part in bytes.chunks(BOUNCE) {
            let bounce = self.bounce.part(part.len())?;
            bounce.copy_from_slice(part);
            self.file.write_all_at(bounce, place)?;
            place += part.len() as u64;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        self.file.sync_data()
    }
}

/// Memory at a place that direct reads and writes take.
#[derive(Debug)]
struct Bounce(Vec<u8>);

impl Bounce {
    fn new() -> Self {
        Self(vec![0; BOUNCE + BLOCK])
    }

    fn part(&mut self, length: usize) -> Result<&mut [u8]> {
        let skip = self.0.as_ptr().align_offset(BLOCK);
        let whole = length.is_multiple_of(BLOCK);
        let part = self.0.get_mut(skip..skip.saturating_add(length)).filter(|_| whole);
        part.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "not a number of whole blocks"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_opening_has_written_another_reads() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("image");
        File::create(&path).unwrap().set_len(4 << 20).unwrap();
        let (mut one, mut two) =
            (SharedDisk::open(&path).unwrap(), SharedDisk::open(&path).unwrap());
        let bytes: Vec<u8> = (0..BOUNCE + 3 * BLOCK).map(|n| (n % 251) as u8).collect();
        one.write(2 * BLOCK as u64, &bytes).unwrap();
        two.settle().unwrap();
        let mut found = vec![0; bytes.len()];
        two.read(2 * BLOCK as u64, &mut found).unwrap();
        assert_eq!(found, bytes);
        assert_eq!(two.size().unwrap(), 4 << 20);
        assert!(one.write(0, &[1; 100]).is_err(), "less than a block");
    }
}
