//! One step on a shelf. A step that was broken off has changed only what the next one clears.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::digest::Hashing;
use crate::limits::{MANIFEST_MOST, PACKAGE_MOST};
use crate::manifest::Part;
use crate::refused::{Doing, Failed, Measure, Refused, Trouble};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Takes a folder away with all that is in it, if it is there.
    Clear(PathBuf),
    /// Makes a folder that is not there.
    MakeFolder(PathBuf),
    /// Copies a file, durably.
    Copy {
        /// From here.
        from: PathBuf,
        /// To a file that is not there.
        to: PathBuf,
    },
    /// Writes a part of a package as a file, durably; its hash is looked at once more.
    Unpack {
        /// The package.
        from: PathBuf,
        /// Where the part's bytes begin in it.
        at: u64,
        /// The part.
        part: Part,
        /// Who may do what with it.
        mode: u32,
        /// A file that is not there.
        to: PathBuf,
    },
    /// Writes a file, durably.
    Write {
        /// A file that is not there.
        to: PathBuf,
        /// What it holds.
        text: Vec<u8>,
    },
    /// Takes a file away.
    Remove(PathBuf),
    /// Makes the names in a folder durable.
    Sync(PathBuf),
    /// Gives a folder another name.
    Rename {
        /// Its name.
        from: PathBuf,
        /// A name that is free.
        to: PathBuf,
    },
}

impl Step {
    /// Does it.
    ///
    /// # Errors
    /// What failed; or the package's file is not any more what was examined.
    pub fn take(&self) -> Result<(), Trouble> {
        match self {
            Self::Clear(folder) => match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(Failed::at(Doing::Remove, folder)(error).into())
                }
                _ => Ok(()),
            },
            Self::MakeFolder(folder) => {
                // Workers have a user of their own, and read what is in it.
                let mode = fs::Permissions::from_mode(0o755);
                let made = fs::create_dir(folder).and_then(|()| fs::set_permissions(folder, mode));
                Ok(made.map_err(Failed::at(Doing::MakeFolder, folder))?)
            }
            Self::Copy { from, to } => copy(from, to),
            Self::Unpack { from, at, part, mode, to } => unpack((from, *at), part, (to, *mode)),
            Self::Write { to, text } => {
                let written = new_file(to, 0o644).and_then(|mut file| {
                    file.write_all(text)?;
                    file.sync_all()
                });
                Ok(written.map_err(Failed::at(Doing::Write, to))?)
            }
            Self::Remove(file) => {
                Ok(fs::remove_file(file).map_err(Failed::at(Doing::Remove, file))?)
            }
            Self::Sync(folder) => {
                let synced = File::open(folder).and_then(|folder| folder.sync_all());
                Ok(synced.map_err(Failed::at(Doing::Sync, folder))?)
            }
            Self::Rename { from, to } => {
                Ok(fs::rename(from, to).map_err(Failed::at(Doing::Rename, to))?)
            }
        }
    }
}

/// A file that is not there yet. What it may be used for does not follow from who unpacks it.
fn new_file(to: &Path, mode: u32) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(to)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(file)
}

/// Copies to the end, durably; a failure is told with the file that it is about.
fn pour(from: &mut impl Read, names: (&Path, &Path), mode: u32) -> Result<u64, Failed> {
    let (source, to) = names;
    let mut file = new_file(to, mode).map_err(Failed::at(Doing::Write, to))?;
    let mut room = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = match from.read(&mut room) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failed::at(Doing::Read, source)(error)),
        };
        file.write_all(&room[..read]).map_err(Failed::at(Doing::Write, to))?;
        bytes += u64::try_from(read).unwrap_or(u64::MAX);
    }
    file.sync_all().map_err(Failed::at(Doing::Sync, to))?;
    Ok(bytes)
}

fn copy(from: &Path, to: &Path) -> Result<(), Trouble> {
    // What names, headers and ends of blocks take at the most, beside the parts.
    let most = PACKAGE_MOST + 3 * MANIFEST_MOST;
    let file = File::open(from).map_err(Failed::at(Doing::Read, from))?;
    let found = pour(&mut file.take(most + 1), (from, to), 0o644)?;
    if found > most {
        return Err(Refused::TooLarge { what: Measure::Package, found, most }.into());
    }
    Ok(())
}

fn unpack((from, at): (&Path, u64), part: &Part, (to, mode): (&Path, u32)) -> Result<(), Trouble> {
    let mut file = File::open(from).map_err(Failed::at(Doing::Read, from))?;
    file.seek(SeekFrom::Start(at)).map_err(Failed::at(Doing::Read, from))?;
    let mut through = Hashing::new(file.take(part.bytes));
    pour(&mut through, (from, to), mode)?;
    let (found, length) = through.told();
    let path = part.path.to_string();
    if length != part.bytes {
        return Err(Refused::Length { path, listed: part.bytes, found: length }.into());
    }
    if found != part.sha256 {
        return Err(Refused::Hash { path, listed: part.sha256, found }.into());
    }
    Ok(())
}
