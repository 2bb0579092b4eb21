//! The agent's side of the sheet: it alone writes.

use std::fs::File;
use std::io;
use std::sync::atomic::{Ordering, fence};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::mman::ProtFlags;
use tsugi_vocabulary::Moment;

use super::{Places, Sheet};
use crate::guardian::message::Extension;
use crate::guardian::table::name_bytes;

/// The sheet on the side that writes it.
#[derive(Debug)]
pub struct Writable(pub(super) Sheet);

impl Writable {
    /// An empty sheet, and the file to give to who reads it.
    ///
    /// # Errors
    /// The call that failed.
    pub fn create() -> io::Result<(Self, File)> {
        let file = crate::sys::memory_file(c"tsugi-sheet", size_of::<Places>() as u64)?;
        fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL))?;
        let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        Ok((Self(Sheet::map(&file, rights)?), file))
    }

    /// Gives the place `at` to a group and its epoch; none if there is no such place. They are to
    /// be used in order.
    pub fn write(&self, at: usize, extension: &Extension) -> Option<()> {
        let place = self.0.places.get(at)?;
        let version = place.version.load(Ordering::Relaxed);
        place.version.store(version | 1, Ordering::Relaxed);
        fence(Ordering::Release);
        place.incarnation.store(extension.epoch.incarnation, Ordering::Relaxed);
        place.counter.store(extension.epoch.counter, Ordering::Relaxed);
        place.group.store(&name_bytes(extension.group.as_str()));
        place.deadline.store(extension.deadline.0, Ordering::Relaxed);
        place.version.store((version | 1) + 1, Ordering::Release);
        Some(())
    }

    /// Moves the deadline at a place that was written.
    pub fn move_on(&self, at: usize, deadline: Moment) {
        self.0.places[at].deadline.store(deadline.0, Ordering::Release);
    }
}
