//! Bytes through memory that two processes have, a futex where the reader sleeps.
#![expect(unsafe_code, reason = "memory that two processes share, and futex")]

use std::cell::UnsafeCell;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::unistd::ftruncate;

use super::way::Way;

/// Bytes of a ring; a power of two.
const SIZE: usize = 64 * 1024;
/// How long a reader sleeps at most: by then the other end is gone.
const SLEEP: Duration = Duration::from_secs(10);

/// Which end of the memory this is.
#[derive(Clone, Copy)]
pub enum Side {
    Writer,
    Worker,
}

/// One direction. Each count is on a line of the cache of its own.
#[repr(C, align(64))]
struct Direction {
    /// How many bytes were ever put in, modulo 2^32.
    put: Count,
    /// How many were ever taken out.
    taken: Count,
    /// Whether the reader sleeps.
    asleep: Count,
    bytes: UnsafeCell<[u8; SIZE]>,
}

#[repr(C, align(64))]
struct Count(AtomicU32);

/// Both directions, one behind the other.
const LENGTH: usize = 2 * size_of::<Direction>();

/// One end.
pub struct Ring {
    out: NonNull<Direction>,
    into: NonNull<Direction>,
}

// SAFETY: the memory stays mapped for the life of the process and belongs to no thread.
unsafe impl Send for Ring {}

/// Memory for two rings, all zeros.
pub fn memory() -> OwnedFd {
    let file = memfd_create(c"hop", MFdFlags::MFD_CLOEXEC).expect("the system has memory left");
    let length = i64::try_from(LENGTH).expect("it is small");
    ftruncate(&file, length).expect("the system has memory left");
    file
}

impl Ring {
    /// An end over memory that [`memory`] made.
    pub fn of(file: &OwnedFd, side: Side) -> Self {
        let length = NonZeroUsize::new(LENGTH).expect("it has bytes");
        let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe { mmap(None, length, rights, MapFlags::MAP_SHARED, file.as_fd(), 0) };
        let start = start.expect("the system has addresses left").cast::<Direction>();
        // SAFETY: the mapping holds two directions, one behind the other.
        let second = unsafe { start.add(1) };
        match side {
            Side::Writer => Self { out: start, into: second },
            Side::Worker => Self { out: second, into: start },
        }
    }
}

/// A direction that stays mapped.
fn seen<'a>(direction: NonNull<Direction>) -> &'a Direction {
    // SAFETY: it was mapped with all its bytes and never unmapped; the counts are atomic, and the
    // bytes are behind a cell.
    unsafe { direction.as_ref() }
}

impl Direction {
    fn start(&self) -> *mut u8 {
        self.bytes.get().cast()
    }

    fn futex(&self, operation: libc::c_int, value: u32, limit: Option<&libc::timespec>) {
        let limit = limit.map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the word is mapped, and the time, where there is one, outlives the call. What
        // comes of it is looked at in the counts.
        unsafe { libc::syscall(libc::SYS_futex, self.put.0.as_ptr(), operation, value, limit) };
    }
}

impl Way for Ring {
    fn send(&mut self, bytes: &[u8]) {
        let to = seen(self.out);
        let put = to.put.0.load(Ordering::Relaxed);
        while put.wrapping_sub(to.taken.0.load(Ordering::Acquire)) as usize + bytes.len() > SIZE {
            std::thread::yield_now();
        }
        let at = put as usize % SIZE;
        let first = bytes.len().min(SIZE - at);
        // SAFETY: the reader has taken what stood there; both parts are within the ring.
        unsafe {
            to.start().add(at).copy_from_nonoverlapping(bytes.as_ptr(), first);
            to.start().copy_from_nonoverlapping(bytes.as_ptr().add(first), bytes.len() - first);
        }
        to.put.0.store(put.wrapping_add(bytes.len() as u32), Ordering::Release);
        fence(Ordering::SeqCst);
        if to.asleep.0.load(Ordering::Relaxed) != 0 {
            to.asleep.0.store(0, Ordering::Relaxed);
            to.futex(libc::FUTEX_WAKE, 1, None);
        }
    }

    fn receive(&mut self, room: &mut [u8]) -> usize {
        let from = seen(self.into);
        let taken = from.taken.0.load(Ordering::Relaxed);
        let Some(put) = arrived(from, taken) else { return 0 };
        let at = taken as usize % SIZE;
        let length = room.len().min(put.wrapping_sub(taken) as usize);
        let first = length.min(SIZE - at);
        // SAFETY: so much was put in and not yet taken out; both parts are within the ring.
        unsafe {
            from.start().add(at).copy_to_nonoverlapping(room.as_mut_ptr(), first);
            from.start().copy_to_nonoverlapping(room.as_mut_ptr().add(first), length - first);
        }
        from.taken.0.store(taken.wrapping_add(length as u32), Ordering::Release);
        length
    }
}

/// Waits until more was put in than `taken`: how much; none where nobody is there any more. It
/// sleeps at once: two processors have somebody else to run, and a reader that looked for 3 µs
/// first took the time of the one it waited for (34,900 calls a second and not 58,500).
fn arrived(from: &Direction, taken: u32) -> Option<u32> {
    let more = || Some(from.put.0.load(Ordering::Acquire)).filter(|put| *put != taken);
    let mut slept = Duration::ZERO;
    loop {
        if let Some(put) = more() {
            return Some(put);
        }
        if slept >= SLEEP {
            return None;
        }
        from.asleep.0.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if more().is_none() {
            let began = Instant::now();
            let limit = libc::timespec { tv_sec: SLEEP.as_secs() as libc::time_t, tv_nsec: 0 };
            from.futex(libc::FUTEX_WAIT, taken, Some(&limit));
            slept += began.elapsed();
        }
        from.asleep.0.store(0, Ordering::Relaxed);
    }
}
