//! Writes a package.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use super::header;
use crate::digest::{Digest, Hashing};
use crate::manifest::{MANIFEST, Manifest, Part, PartPath};
use crate::refused::{Doing, Failed, Refused, Trouble};

/// What a part is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What is in a file.
    File(PathBuf),
}

/// A package that is to be written: a manifest, whose parts follow from the contents.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Everything but the parts.
    pub manifest: Manifest,
    /// The parts.
    pub contents: BTreeMap<PartPath, Content>,
}

/// A package that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its id.
    pub id: Digest,
    /// Its manifest, parts and all.
    pub manifest: Manifest,
}

impl Draft {
    /// Writes the package to a file, durably: whoever sees the file sees all of it. What had the
    /// name before is replaced by that.
    ///
    /// # Errors
    /// What it says of itself is refused, or a file cannot be read or written; then there is no
    /// new file.
    pub fn write(&self, to: &Path) -> Result<Written, Trouble> {
        let mut manifest = self.manifest.clone();
        manifest.parts = self.parts()?;
        manifest.check()?;
        let text = manifest.written();
        // What is written must be what is read again.
        Manifest::read(text.as_bytes())?;
        let coming = beside(to);
        let done = self.write_to(&coming, &manifest, &text).and_then(|()| {
            fs::rename(&coming, to).map_err(Failed::at(Doing::Rename, to))?;
            sync_folder_of(to)?;
            Ok(Written { id: Digest::of(text.as_bytes()), manifest })
        });
        if done.is_err() {
            // It has no name that anybody reads; the next one replaces it.
            drop(fs::remove_file(&coming));
        }
        done
    }

    fn parts(&self) -> Result<Vec<Part>, Failed> {
        let part = |(path, content): (&PartPath, &Content)| {
            let (sha256, bytes) = match content {
                Content::Bytes(bytes) => {
                    (Digest::of(bytes), u64::try_from(bytes.len()).unwrap_or(u64::MAX))
                }
                Content::File(from) => {
                    let file = File::open(from).map_err(Failed::at(Doing::Read, from))?;
                    Digest::of_all(file).map_err(Failed::at(Doing::Read, from))?
                }
            };
            Ok(Part { path: path.clone(), bytes, sha256 })
        };
        self.contents.iter().map(part).collect()
    }

    fn write_to(&self, to: &Path, manifest: &Manifest, text: &str) -> Result<(), Trouble> {
        let failed = |why| Failed::at(Doing::Write, to)(why);
        let file = File::create(to).map_err(failed)?;
        let mut archive = tar::Builder::new(io::BufWriter::new(file));
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        archive.append(&header(MANIFEST, length, None), text.as_bytes()).map_err(failed)?;
        for part in &manifest.parts {
            let header = header(part.path.as_str(), part.bytes, manifest.role(&part.path));
            let (digest, bytes) = match &self.contents[&part.path] {
                Content::Bytes(bytes) => {
                    archive.append(&header, bytes.as_slice()).map_err(failed)?;
                    (part.sha256, part.bytes)
                }
                Content::File(from) => {
                    let file = File::open(from).map_err(Failed::at(Doing::Read, from))?;
                    let mut through = Hashing::new(file.take(part.bytes));
                    archive.append(&header, &mut through).map_err(failed)?;
                    through.told()
                }
            };
            // The file was changed since it was hashed.
            let path = part.path.to_string();
            if bytes != part.bytes {
                return Err(Refused::Length { path, listed: part.bytes, found: bytes }.into());
            }
            if digest != part.sha256 {
                return Err(Refused::Hash { path, listed: part.sha256, found: digest }.into());
            }
        }
        let mut inner = archive.into_inner().map_err(failed)?;
        inner.flush().map_err(failed)?;
        let file = inner.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(Failed::at(Doing::Sync, to))?;
        Ok(())
    }
}

/// A name beside another, in the same folder.
fn beside(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".coming");
    PathBuf::from(name)
}

fn sync_folder_of(path: &Path) -> Result<(), Failed> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(Failed::at(Doing::Sync, folder))
}
