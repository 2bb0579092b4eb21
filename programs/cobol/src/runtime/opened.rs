//! A module's file, open: what is examined of it is what is loaded, whatever its name means
//! meanwhile.

use std::fs::File;
use std::io::{self, Read as _};
use std::mem;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

use super::Refused;
use super::entry::Entry;
use crate::source::{Module, ModuleRefused};

/// The file of a module, not loaded.
#[derive(Debug)]
pub struct Opened {
    path: PathBuf,
    file: File,
    bytes: Vec<u8>,
}

impl Opened {
    /// Opens and reads a plain file. No link is followed to it, and what is no file is not waited
    /// for.
    ///
    /// # Errors
    /// It is none, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, Refused> {
        let unreadable = |why: io::Error| Refused::Unreadable { path: path.to_owned(), why };
        let mut options = File::options();
        options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let mut file = options.open(path).map_err(unreadable)?;
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Err(unreadable(io::Error::other("it is no plain file")));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    /// What was read of it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Examines it, loads it for good, and finds an entry in it and nowhere else.
    pub(super) fn load(self, entry: &str) -> Result<Entry, Refused> {
        let refused = |why| Refused::Module { path: self.path.clone(), why };
        let module = Module::read(&self.bytes).map_err(refused)?;
        module.check().map_err(refused)?;
        if !module.has(entry) {
            return Err(refused(ModuleRefused::NoEntry(entry.to_owned())));
        }
        let load = |why: libloading::Error| {
            Refused::Load(format!("{}: {}", self.path.display(), said(&why)))
        };
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        // SAFETY: a module has no initializers of its own; it is never closed, so that what is
        // found in it stays.
        let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) };
        let library = mem::ManuallyDrop::new(library.map_err(load)?);
        let entry = Entry::of(&library, entry).map_err(load)?;
        // The loader knows a library by its path: no other file may ever have this descriptor.
        mem::forget(self.file);
        Ok(entry)
    }
}

/// What the loader says; the error itself only says which of its functions failed.
fn said(error: &libloading::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}
