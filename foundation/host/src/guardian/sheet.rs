//! The sheet: deadlines that move on, in memory that agent and guardian share.
//!
//! The agent writes with every beat where the deadlines stand; the guardian reads them whenever it
//! looks, and it looks before each deadline that it knows of. So what only renews is no message
//! and wakes nobody. Only the agent writes; what it writes is a promise of the voters for that
//! epoch, and the guardian moves a deadline by it that it has armed and never back.
#![expect(unsafe_code, reason = "memory shared between two processes")]

mod written;

pub use written::Writable;

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use tsugi_vocabulary::{Epoch, GroupName, Moment};

use super::message::{Extension, GROUPS_MOST};
use super::table::{Bytes, NAME_WORDS};

/// Where one deadline stands.
#[repr(C)]
struct Place {
    /// Odd while the place is being written for another epoch; zero until it is used.
    version: AtomicU64,
    incarnation: AtomicU64,
    counter: AtomicU64,
    deadline: AtomicU64,
    group: Bytes<NAME_WORDS>,
}

type Places = [Place; GROUPS_MOST];

/// One side's view of the sheet.
pub struct Sheet {
    places: &'static Places,
}

impl std::fmt::Debug for Sheet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sheet")
    }
}

impl Sheet {
    /// The sheet that is in `file`, for reading.
    ///
    /// # Errors
    /// It is none: too short, or it could become so and with it end who reads it.
    pub fn given(file: &File) -> io::Result<Self> {
        let seals = SealFlag::from_bits_truncate(fcntl(file, FcntlArg::F_GET_SEALS)?);
        let long = file.metadata()?.len() >= size_of::<Places>() as u64;
        if !long || !seals.contains(SealFlag::F_SEAL_SHRINK) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Self::map(file, ProtFlags::PROT_READ)
    }

    fn map(file: &File, rights: ProtFlags) -> io::Result<Self> {
        let length = NonZeroUsize::new(size_of::<Places>()).expect("it has places");
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start: NonNull<_> =
            unsafe { mmap(None, length, rights, MapFlags::MAP_SHARED, file.as_fd(), 0)? };
        // SAFETY: the file is as long as the places and cannot shrink; the mapping is page-aligned
        // and stays until the drop, which no reference outlives; every field is an atomic integer,
        // for which all bytes are valid and which may change under a shared reference.
        let places = unsafe { start.cast::<Places>().as_ref() };
        Ok(Self { places })
    }

    /// Where the deadlines stand now, but for what is being written at this moment.
    pub fn extensions(&self) -> impl Iterator<Item = Extension> {
        let used = |place: &&Place| place.version.load(Ordering::Relaxed) != 0;
        self.places.iter().take_while(used).filter_map(Place::read)
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        // SAFETY: what was mapped, as long as it was mapped; nothing that was lent is left.
        let _unmapped = unsafe { munmap(NonNull::from(self.places).cast(), size_of::<Places>()) };
    }
}

impl Place {
    fn read(&self) -> Option<Extension> {
        let version = self.version.load(Ordering::Acquire);
        let (incarnation, counter) =
            (self.incarnation.load(Ordering::Relaxed), self.counter.load(Ordering::Relaxed));
        let mut name = self.group.load();
        let length = usize::from(name.next()?);
        let name: Vec<u8> = name.take(length).collect();
        let deadline = Moment(self.deadline.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let whole = version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
        let group = GroupName::new(str::from_utf8(&name).ok()?).ok()?;
        whole.then_some(Extension { group, epoch: Epoch { incarnation, counter }, deadline })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn extension(group: &str, counter: u64, deadline: u64) -> Extension {
        let epoch = Epoch { incarnation: 3, counter };
        Extension { group: GroupName::new(group).unwrap(), epoch, deadline: Moment(deadline) }
    }

    fn read(sheet: &Sheet) -> Vec<Extension> {
        sheet.extensions().collect()
    }

    #[test]
    fn what_one_side_writes_the_other_reads() {
        let (agent, file) = Writable::create().unwrap();
        let guardian = Sheet::given(&file).unwrap();
        assert_eq!(read(&guardian), []);
        let longest = "g".repeat(31);
        agent.write(0, &extension(&longest, 7, 500)).unwrap();
        agent.write(1, &extension("pay", 8, 501)).unwrap();
        agent.move_on(0, Moment(600));
        assert_eq!(read(&guardian), [extension(&longest, 7, 600), extension("pay", 8, 501)]);
        agent.write(0, &extension("stock", 9, 610)).unwrap();
        assert_eq!(read(&guardian)[0], extension("stock", 9, 610));
        assert_eq!(agent.write(GROUPS_MOST, &extension("pay", 8, 501)), None);
    }

    #[test]
    fn a_place_that_is_being_written_is_not_read() {
        let (agent, file) = Writable::create().unwrap();
        let guardian = Sheet::given(&file).unwrap();
        agent.write(0, &extension("pay", 7, 500)).unwrap();
        // As by an agent that ends half way.
        agent.0.places[0].version.fetch_add(1, Ordering::Relaxed);
        assert_eq!(read(&guardian), []);
    }

    #[test]
    fn no_deadline_is_read_for_an_epoch_that_it_was_not_written_for() {
        let (agent, file) = Writable::create().unwrap();
        let guardian = Sheet::given(&file).unwrap();
        thread::scope(|scope| {
            let writes = scope.spawn(move || {
                for counter in 1..200_000 {
                    agent.write(0, &extension("pay", counter, counter * 10)).unwrap();
                    agent.move_on(0, Moment(counter * 10 + 5));
                }
            });
            let mut seen = 0;
            while !writes.is_finished() {
                for read in guardian.extensions() {
                    assert_eq!(read.deadline.0 / 10, read.epoch.counter);
                    seen += 1;
                }
            }
            assert!(seen > 0, "nothing was read while it was written");
        });
    }

    #[test]
    fn a_file_that_is_no_sheet_is_refused() {
        let short = crate::sys::memory_file(c"short", 64).unwrap();
        assert!(Sheet::given(&short).is_err());
        let may_shrink = crate::sys::memory_file(c"open", size_of::<Places>() as u64).unwrap();
        assert!(Sheet::given(&may_shrink).is_err());
    }
}
