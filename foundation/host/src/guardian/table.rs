//! The table of what is guarded, in memory that hands and guardian share.
//!
//! The guardian alone writes the groups while it lives; the hands read them before and after
//! each act under a lease, and when the guardian is dead they release what it guarded. The hands
//! alone write the programs. Every field is atomic, so that a reader in the other process sees
//! an old or a new value and never a torn one.
#![expect(unsafe_code, reason = "memory shared between two processes")]

pub mod arming;
pub mod hands;

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use tsugi_vocabulary::{Epoch, Moment};

use super::guarded::{ADDRESSES_MOST, Arm, GROUPS_MOST, PATH_LONGEST, VOLUMES_MOST};
use crate::process::ProgramId;

/// The most programs that are known by pid.
pub const PROGRAMS_MOST: usize = 2048;
/// Room for the longest name and its length.
pub(super) const NAME_WORDS: usize = 4;
/// Room for the longest name, the most addresses and volumes with the longest paths.
const RECORD_WORDS: usize = (72 + ADDRESSES_MOST * 18 + VOLUMES_MOST * (PATH_LONGEST + 3)) / 8 + 1;

/// What the guardian thinks of a group, by its number in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// The place is free.
    Free = 0,
    /// Guarded: it may run until its deadline.
    Armed = 1,
    /// It was released because its deadline passed; final for its epoch.
    Released = 2,
    /// The agent took the guard off.
    Disarmed = 3,
    /// Its deadline has passed and its release has begun. Hands of a build that does not know this
    /// take it for armed, and would release it as well.
    Releasing = 4,
}

impl State {
    fn of(number: u32) -> Self {
        let all = [Self::Free, Self::Armed, Self::Released, Self::Disarmed, Self::Releasing];
        // A value that nobody wrote is a damaged table: the safe reading is that the group has to
        // be released.
        all.into_iter().find(|state| *state as u32 == number).unwrap_or(Self::Armed)
    }
}

/// Bytes that the other process may read at any time, whole words of them.
#[repr(C)]
pub(super) struct Bytes<const WORDS: usize>([AtomicU64; WORDS]);

impl<const WORDS: usize> Bytes<WORDS> {
    pub(super) fn store(&self, bytes: &[u8]) {
        let chunks = bytes.chunks(8).chain(std::iter::repeat(&[][..]));
        for (word, chunk) in self.0.iter().zip(chunks) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_ne_bytes(eight), Ordering::Relaxed);
        }
    }

    pub(super) fn load(&self) -> impl Iterator<Item = u8> {
        self.0.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes())
    }

    fn begin_with(&self, wanted: &[u8]) -> bool {
        self.load().take(wanted.len()).eq(wanted.iter().copied())
    }
}

/// A name as it begins a record: its length, then its letters.
pub(super) fn name_bytes(group: &str) -> Vec<u8> {
    [&[u8::try_from(group.len()).unwrap_or(u8::MAX)], group.as_bytes()].concat()
}

/// One guarded group.
#[repr(C)]
pub struct Slot {
    state: AtomicU32,
    /// A mount point where a call of the hands is under way, by [`number_of`]; zero for none. It
    /// may be any group's, as a group that is armed anew moves to another place meanwhile. Hands of
    /// a build before this leave zero.
    call: AtomicU32,
    deadline: AtomicU64,
    incarnation: AtomicU64,
    counter: AtomicU64,
    /// The whole of what was armed, its group first, in postcard's form.
    record: Bytes<RECORD_WORDS>,
    check: AtomicU64,
}

/// FNV-1a.
pub fn sum(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A mount point as a number that is not zero. Where two have the same, the release of the one
/// waits for the calls on the other as well.
fn number_of(dir: &Path) -> u32 {
    sum(dir.as_os_str().as_encoded_bytes().iter().copied()) as u32 | 1
}

/// Whether a slot says what was written into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Soundness {
    /// It does.
    Sound,
    /// It was damaged; what it names may be incomplete.
    Damaged,
}

impl Slot {
    /// What the guardian thinks of it.
    pub fn state(&self) -> State {
        State::of(self.state.load(Ordering::Acquire))
    }

    /// Changes what the guardian thinks of it.
    pub fn set_state(&self, state: State) {
        self.state.store(state as u32, Ordering::Release);
    }

    /// When its release starts.
    pub fn deadline(&self) -> Moment {
        Moment(self.deadline.load(Ordering::Acquire))
    }

    /// The epoch.
    pub fn epoch(&self) -> Epoch {
        Epoch {
            incarnation: self.incarnation.load(Ordering::Relaxed),
            counter: self.counter.load(Ordering::Relaxed),
        }
    }

    /// What was armed, as far as it can be read.
    pub fn read(&self) -> Option<Arm> {
        let bytes: Vec<u8> = self.record.load().collect();
        postcard::take_from_bytes(&bytes).ok().map(|(arm, _)| arm)
    }

    /// Compares the slot with the sum that was written with it.
    pub fn soundness(&self) -> Soundness {
        if self.check.load(Ordering::Relaxed) == self.sum() {
            Soundness::Sound
        } else {
            Soundness::Damaged
        }
    }

    /// The sum of everything that does not change while the group is armed.
    fn sum(&self) -> u64 {
        let Epoch { incarnation, counter } = self.epoch();
        sum(self.record.load().chain([incarnation, counter].into_iter().flat_map(u64::to_ne_bytes)))
    }
}

/// Those of `slots` whose group is guarded or being released.
pub fn held(slots: &'static [Slot]) -> impl Iterator<Item = &'static Slot> + use<> {
    slots.iter().filter(|slot| matches!(slot.state(), State::Armed | State::Releasing))
}

#[repr(C)]
struct ProgramWords {
    pid: AtomicU64,
    started: AtomicU64,
    group: Bytes<NAME_WORDS>,
}

#[repr(C)]
struct Shared {
    /// Nobody reads it.
    _hands: AtomicU64,
    agent: AtomicU64,
    agent_user: AtomicU64,
    watchdog: AtomicU64,
    groups: [Slot; GROUPS_MOST],
    programs: [ProgramWords; PROGRAMS_MOST],
}

/// How long the shared memory is.
pub const LENGTH: u64 = size_of::<Shared>() as u64;

/// The table. It stays mapped until the process ends.
#[derive(Clone, Copy)]
pub struct Table {
    shared: &'static Shared,
}

impl Table {
    /// Maps the table that is in `file`; zeroes are an empty one.
    ///
    /// # Errors
    /// The call failed, or the file is too short.
    pub fn map(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() < LENGTH {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = NonZeroUsize::new(size_of::<Shared>()).expect("it has fields");
        let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start: NonNull<_> =
            unsafe { mmap(None, length, rights, MapFlags::MAP_SHARED, file.as_fd(), 0)? };
        // SAFETY: the mapping is as long as Shared, page-aligned, never unmapped, and every
        // field of Shared is an atomic integer, for which all bytes are valid and which may
        // change under a shared reference.
        let shared = unsafe { start.cast::<Shared>().as_ref() };
        Ok(Self { shared })
    }

    /// All places for groups.
    pub fn slots(&self) -> &'static [Slot] {
        &self.shared.groups
    }

    /// The place of a group, whatever is thought of it.
    pub fn slot_of(&self, group: &str) -> Option<&'static Slot> {
        let wanted = name_bytes(group);
        self.slots()
            .iter()
            .find(|slot| slot.state() != State::Free && slot.record.begin_with(&wanted))
    }

    /// Whether a call of the hands is under way on what is mounted at `dir`, or is to be. One that
    /// begins after the state of its group was set finds that state ([`Self::calling`]).
    pub fn is_called(&self, dir: &Path) -> bool {
        fence(Ordering::SeqCst);
        let wanted = number_of(dir);
        self.slots().iter().any(|slot| slot.call.load(Ordering::Acquire) == wanted)
    }

    /// The agent's process, if the hands have one.
    pub fn agent(&self) -> Option<u32> {
        u32::try_from(self.shared.agent.load(Ordering::Relaxed)).ok().filter(|pid| *pid != 0)
    }

    /// The agent's user.
    pub fn agent_user(&self) -> u32 {
        u32::try_from(self.shared.agent_user.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// The programs of a group.
    pub fn programs_of(&self, group: &str) -> Vec<ProgramId> {
        let wanted = name_bytes(group);
        let known = self.shared.programs.iter().filter_map(|p| {
            let pid = u32::try_from(p.pid.load(Ordering::Acquire)).ok().filter(|pid| *pid != 0)?;
            let of_group = p.group.begin_with(&wanted);
            of_group.then(|| ProgramId { pid, started: p.started.load(Ordering::Relaxed) })
        });
        known.collect()
    }
}

#[cfg(test)]
mod tests {
    use tsugi_vocabulary::{GroupName, Span};

    use super::arming::spare;
    use super::*;
    use crate::guardian::message::{Volume, VolumeKind};

    fn table() -> Table {
        Table::map(&crate::sys::memory_file(c"table", LENGTH).unwrap()).unwrap()
    }

    fn arm(group: &str, counter: u64) -> Arm {
        Arm {
            group: GroupName::new(group).unwrap(),
            epoch: Epoch { incarnation: 1, counter },
            deadline: Moment(500),
            allowed: Span::millis(60),
            addresses: vec!["10.0.0.9".parse().unwrap(), "fd00::9".parse().unwrap()],
            volumes: vec![Volume { dir: "/srv/pay".into(), kind: VolumeKind::FileSystem }],
        }
    }

    #[test]
    fn the_other_process_reads_what_was_armed() {
        let file = crate::sys::memory_file(c"table", LENGTH).unwrap();
        let (guardian, hands) = (Table::map(&file).unwrap(), Table::map(&file).unwrap());
        let armed = arm("pay", 7);
        spare(&guardian).unwrap().arm(&armed);
        let seen = hands.slot_of("pay").unwrap();
        assert_eq!(seen.read(), Some(armed));
        assert_eq!(seen.soundness(), Soundness::Sound);
        seen.record.0[7].fetch_xor(1, Ordering::Relaxed);
        assert_eq!(seen.soundness(), Soundness::Damaged);
    }

    #[test]
    fn the_longest_order_has_room() {
        let table = table();
        let longest = Arm {
            group: GroupName::new(&"g".repeat(31)).unwrap(),
            epoch: Epoch { incarnation: u64::MAX, counter: u64::MAX },
            deadline: Moment(u64::MAX),
            allowed: Span(u64::MAX),
            addresses: vec!["ffff::1".parse().unwrap(); ADDRESSES_MOST],
            volumes: vec![
                Volume {
                    dir: "/".repeat(PATH_LONGEST).into(),
                    kind: VolumeKind::Directory
                };
                VOLUMES_MOST
            ],
        };
        spare(&table).unwrap().arm(&longest);
        assert_eq!(table.slot_of(&"g".repeat(31)).unwrap().read(), Some(longest));
        assert!(table.slot_of(&"g".repeat(30)).is_none(), "another name");
    }

    #[test]
    fn a_lease_runs_for_its_epoch_until_its_deadline_only() {
        let table = table();
        spare(&table).unwrap().arm(&arm("pay", 7));
        let epoch = Epoch { incarnation: 1, counter: 7 };
        assert!(table.lease_runs("pay", epoch, Moment(499)));
        assert!(!table.lease_runs("pay", epoch, Moment(500)));
        assert!(!table.lease_runs("pay", epoch.next(1), Moment(0)));
        assert!(!table.lease_runs("pa", epoch, Moment(0)));
        let slot = table.slot_of("pay").unwrap();
        slot.extend(Moment(400));
        assert_eq!(slot.deadline(), Moment(500), "a deadline never moves back");
        slot.set_state(State::Released);
        assert!(!table.lease_runs("pay", epoch, Moment(0)));
    }

    #[test]
    fn a_call_is_told_to_who_releases_its_volume_until_it_is_over() {
        let file = crate::sys::memory_file(c"table", LENGTH).unwrap();
        let (guardian, hands) = (Table::map(&file).unwrap(), Table::map(&file).unwrap());
        let (pay, stock) = (Path::new("/srv/pay"), Path::new("/srv/stock"));
        let called = || (guardian.is_called(pay), guardian.is_called(stock));
        assert_eq!(called(), (false, false));
        let within = hands.calling(pay, || {
            // Also where its group is armed, and armed anew in another place.
            spare(&guardian).unwrap().arm(&arm("pay", 7));
            spare(&guardian).unwrap().arm(&arm("pay", 8));
            hands.calling(pay, || hands.calling(stock, || ()));
            called()
        });
        assert_eq!((within, called()), (Some((true, false)), (false, false)));
        let gone = hands.calling(pay, || {
            guardian.end_calls();
            called()
        });
        assert_eq!(gone, Some((false, false)), "who has none left makes none");
    }

    #[test]
    fn a_call_that_cannot_be_told_is_not_made() {
        fn calls_within(table: Table, calls: usize) -> usize {
            let call = || calls_within(table, calls + 1);
            table.calling(Path::new("/srv/pay"), call).unwrap_or(calls)
        }
        assert_eq!(calls_within(table(), 0), GROUPS_MOST);
    }

    #[test]
    fn a_place_is_used_again_only_when_nothing_is_guarded_there() {
        let table = table();
        for number in 0..GROUPS_MOST {
            spare(&table).unwrap().arm(&arm(&format!("g{number}"), 1));
        }
        assert!(spare(&table).is_none(), "all are armed");
        table.slot_of("g3").unwrap().set_state(State::Disarmed);
        assert_eq!(spare(&table).unwrap().read().unwrap().group.as_str(), "g3");
    }
}
