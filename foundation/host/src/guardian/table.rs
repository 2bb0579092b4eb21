//! The table of what is guarded, in memory that hands and guardian share.
//!
//! The guardian alone writes the groups while it lives; the hands read them before and after
//! each act under a lease, and when the guardian is dead they release what it guarded. The hands
//! alone write the programs. Every field is atomic, so that a reader in the other process sees
//! an old or a new value and never a torn one.
#![expect(unsafe_code, reason = "memory shared between two processes")]

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use tsugi_vocabulary::{Epoch, GroupName, Moment, Span};

use super::message::{
    ADDRESSES_MOST, Arm, GROUPS_MOST, PATH_LONGEST, VOLUMES_MOST, Volume, VolumeKind,
};
use crate::request::ProgramId;

/// The most programs that are known by pid.
pub const PROGRAMS_MOST: usize = 2048;
const NAME_WORDS: usize = 4;
const PATH_WORDS: usize = PATH_LONGEST / 8;

/// What the guardian thinks of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The place is free.
    Free,
    /// Guarded: it may run until its deadline.
    Armed,
    /// It was released because its deadline passed; final for its epoch.
    Released,
    /// The agent took the guard off.
    Disarmed,
}

impl State {
    const fn number(self) -> u32 {
        match self {
            Self::Free => 0,
            Self::Armed => 1,
            Self::Released => 2,
            Self::Disarmed => 3,
        }
    }

    const fn of(number: u32) -> Self {
        match number {
            0 => Self::Free,
            2 => Self::Released,
            3 => Self::Disarmed,
            // A value that nobody wrote is a damaged table: the safe reading is that the group
            // has to be released.
            _ => Self::Armed,
        }
    }
}

#[repr(C)]
struct Text<const WORDS: usize> {
    length: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Text<WORDS> {
    fn store(&self, bytes: &[u8]) {
        assert!(bytes.len() <= WORDS * 8, "lengths are checked where an order arrives");
        self.length.store(bytes.len() as u64, Ordering::Relaxed);
        for (word, chunk) in self.words.iter().zip(bytes.chunks(8)) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_ne_bytes(eight), Ordering::Relaxed);
        }
    }

    fn load(&self) -> Vec<u8> {
        let words = self.words.iter().flat_map(|w| w.load(Ordering::Relaxed).to_ne_bytes());
        let length = usize::try_from(self.length.load(Ordering::Relaxed)).unwrap_or(0);
        words.take(length.min(WORDS * 8)).collect()
    }

    fn is(&self, bytes: &[u8]) -> bool {
        self.length.load(Ordering::Relaxed) == bytes.len() as u64
            && self
                .words
                .iter()
                .flat_map(|w| w.load(Ordering::Relaxed).to_ne_bytes())
                .zip(bytes)
                .all(|(a, b)| a == *b)
    }
}

#[repr(C)]
struct AddressWords {
    family: AtomicU64,
    octets: [AtomicU64; 2],
}

#[repr(C)]
struct VolumeWords {
    kind: AtomicU64,
    dir: Text<PATH_WORDS>,
}

/// One guarded group.
#[repr(C)]
pub struct Slot {
    state: AtomicU32,
    _pad: AtomicU32,
    deadline: AtomicU64,
    name: Text<NAME_WORDS>,
    incarnation: AtomicU64,
    counter: AtomicU64,
    allowed: AtomicU64,
    addresses: [AddressWords; ADDRESSES_MOST],
    volumes: [VolumeWords; VOLUMES_MOST],
    check: AtomicU64,
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
        self.state.store(state.number(), Ordering::Release);
    }

    /// When its release starts.
    pub fn deadline(&self) -> Moment {
        Moment(self.deadline.load(Ordering::Acquire))
    }

    /// Moves the deadline, never back.
    pub fn extend(&self, deadline: Moment) {
        self.deadline.fetch_max(deadline.0, Ordering::AcqRel);
    }

    /// The epoch.
    pub fn epoch(&self) -> Epoch {
        Epoch {
            incarnation: self.incarnation.load(Ordering::Relaxed),
            counter: self.counter.load(Ordering::Relaxed),
        }
    }

    /// The group.
    pub fn group(&self) -> Option<GroupName> {
        GroupName::new(std::str::from_utf8(&self.name.load()).ok()?).ok()
    }

    /// How long its release may take.
    pub fn allowed(&self) -> Span {
        Span(self.allowed.load(Ordering::Relaxed))
    }

    /// Writes what is armed; readers see it armed only when all of it is there.
    pub fn arm(&self, arm: &Arm) {
        self.set_state(State::Free);
        self.name.store(arm.group.as_str().as_bytes());
        self.incarnation.store(arm.epoch.incarnation, Ordering::Relaxed);
        self.counter.store(arm.epoch.counter, Ordering::Relaxed);
        self.allowed.store(arm.allowed.0, Ordering::Relaxed);
        self.deadline.store(arm.deadline.0, Ordering::Relaxed);
        for (at, place) in self.addresses.iter().enumerate() {
            store_address(place, arm.addresses.get(at));
        }
        for (at, place) in self.volumes.iter().enumerate() {
            let volume = arm.volumes.get(at);
            let dir = volume.map(|v| v.dir.as_os_str().as_bytes()).unwrap_or_default();
            place.dir.store(dir);
            let kind = match volume.map(|v| v.kind) {
                None => 0,
                Some(VolumeKind::FileSystem) => 1,
                Some(VolumeKind::Directory) => 2,
            };
            place.kind.store(kind, Ordering::Relaxed);
        }
        self.check.store(self.sum(), Ordering::Relaxed);
        self.set_state(State::Armed);
    }

    /// Its addresses.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.iter().filter_map(load_address).collect()
    }

    /// Its volumes.
    pub fn volumes(&self) -> Vec<Volume> {
        self.volumes
            .iter()
            .filter_map(|place| {
                let kind = match place.kind.load(Ordering::Relaxed) {
                    0 => return None,
                    1 => VolumeKind::FileSystem,
                    _ => VolumeKind::Directory,
                };
                let dir = PathBuf::from(std::ffi::OsString::from_vec(place.dir.load()));
                Some(Volume { dir, kind })
            })
            .collect()
    }

    /// Compares the slot with the sum that was written with it.
    pub fn soundness(&self) -> Soundness {
        if self.check.load(Ordering::Relaxed) == self.sum() {
            Soundness::Sound
        } else {
            Soundness::Damaged
        }
    }

    /// FNV-1a over everything that does not change while the group is armed.
    fn sum(&self) -> u64 {
        let mut sum = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |word: &AtomicU64| {
            for byte in word.load(Ordering::Relaxed).to_ne_bytes() {
                sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        add(&self.name.length);
        self.name.words.iter().for_each(&mut add);
        add(&self.incarnation);
        add(&self.counter);
        add(&self.allowed);
        for address in &self.addresses {
            add(&address.family);
            address.octets.iter().for_each(&mut add);
        }
        for volume in &self.volumes {
            add(&volume.kind);
            add(&volume.dir.length);
            volume.dir.words.iter().for_each(&mut add);
        }
        sum
    }
}

fn store_address(place: &AddressWords, address: Option<&IpAddr>) {
    let (family, bits) = match address {
        None => (0, 0),
        Some(IpAddr::V4(v4)) => (4, u128::from(v4.to_bits())),
        Some(IpAddr::V6(v6)) => (6, v6.to_bits()),
    };
    place.family.store(family, Ordering::Relaxed);
    place.octets[0].store((bits >> 64) as u64, Ordering::Relaxed);
    place.octets[1].store(bits as u64, Ordering::Relaxed);
}

fn load_address(place: &AddressWords) -> Option<IpAddr> {
    let high = u128::from(place.octets[0].load(Ordering::Relaxed)) << 64;
    let bits = high | u128::from(place.octets[1].load(Ordering::Relaxed));
    match place.family.load(Ordering::Relaxed) {
        0 => None,
        4 => Some(IpAddr::V4(Ipv4Addr::from_bits(bits as u32))),
        _ => Some(IpAddr::V6(Ipv6Addr::from_bits(bits))),
    }
}

#[repr(C)]
struct ProgramWords {
    pid: AtomicU64,
    started: AtomicU64,
    group: Text<NAME_WORDS>,
}

#[repr(C)]
struct Shared {
    hands: AtomicU64,
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

    /// How many places have to be looked at to see every one that is not free.
    pub fn used(&self) -> usize {
        self.slots().iter().rposition(|slot| slot.state() != State::Free).map_or(0, |at| at + 1)
    }

    /// The place of a group, whatever is thought of it.
    pub fn slot_of(&self, group: &str) -> Option<&'static Slot> {
        let wanted = group.as_bytes();
        self.slots().iter().find(|slot| slot.state() != State::Free && slot.name.is(wanted))
    }

    /// A place for another group: a free one, else one whose group is not guarded any more.
    pub fn spare(&self) -> Option<&'static Slot> {
        let of = |state| self.slots().iter().find(move |slot| slot.state() == state);
        of(State::Free).or_else(|| of(State::Disarmed)).or_else(|| of(State::Released))
    }

    /// Whether `group` is guarded under exactly `epoch` and its deadline lies ahead of `now`.
    pub fn lease_runs(&self, group: &str, epoch: Epoch, now: Moment) -> LeaseHeld {
        match self.slot_of(group) {
            Some(slot)
                if slot.state() == State::Armed
                    && slot.epoch() == epoch
                    && slot.deadline() > now =>
            {
                LeaseHeld::Yes
            }
            Some(_) | None => LeaseHeld::No,
        }
    }

    /// The place whose group has `address`, as far as it still matters.
    pub fn slot_with(&self, address: IpAddr) -> Option<&'static Slot> {
        let known = self.slots().iter().filter(|slot| slot.state() != State::Free);
        let mut having = known.filter(|slot| slot.addresses().contains(&address));
        // Guarded is what counts if the address has moved from one group to another.
        let first = having.next();
        let armed = having.find(|slot| slot.state() == State::Armed);
        armed.or(first)
    }

    /// Who the processes of this node are.
    pub fn set_family(&self, hands: u32, agent: Option<u32>, agent_user: u32) {
        self.shared.hands.store(u64::from(hands), Ordering::Relaxed);
        self.shared.agent.store(agent.map_or(0, u64::from), Ordering::Relaxed);
        self.shared.agent_user.store(u64::from(agent_user), Ordering::Relaxed);
    }

    /// The agent's process, if the hands have one.
    pub fn agent(&self) -> Option<u32> {
        u32::try_from(self.shared.agent.load(Ordering::Relaxed)).ok().filter(|pid| *pid != 0)
    }

    /// The agent's user.
    pub fn agent_user(&self) -> u32 {
        u32::try_from(self.shared.agent_user.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// How the watchdog took what the guardian gave it.
    pub fn set_watchdog(&self, fed: &io::Result<()>) {
        let number = if fed.is_ok() { 1 } else { 2 };
        self.shared.watchdog.store(number, Ordering::Relaxed);
    }

    /// How the watchdog took its food when it was last fed.
    pub fn watchdog(&self) -> Fed {
        match self.shared.watchdog.load(Ordering::Relaxed) {
            0 => Fed::Never,
            1 => Fed::Taken,
            _ => Fed::Refused,
        }
    }

    /// Notes a program of a group; one too many is known by its cgroup or mark only.
    pub fn enter(&self, id: ProgramId, group: &GroupName) {
        let free = |program: &&ProgramWords| program.pid.load(Ordering::Relaxed) == 0;
        if let Some(place) = self.shared.programs.iter().find(free) {
            place.group.store(group.as_str().as_bytes());
            place.started.store(id.started, Ordering::Relaxed);
            place.pid.store(u64::from(id.pid), Ordering::Release);
        }
    }

    /// Forgets a program that has ended.
    pub fn leave(&self, id: ProgramId) {
        for place in &self.shared.programs {
            if place.pid.load(Ordering::Relaxed) == u64::from(id.pid) {
                place.pid.store(0, Ordering::Release);
            }
        }
    }

    /// The programs of a group.
    pub fn programs_of(&self, group: &str) -> Vec<ProgramId> {
        self.shared
            .programs
            .iter()
            .filter(|p| p.pid.load(Ordering::Acquire) != 0 && p.group.is(group.as_bytes()))
            .filter_map(|p| {
                let pid = u32::try_from(p.pid.load(Ordering::Relaxed)).ok()?;
                Some(ProgramId { pid, started: p.started.load(Ordering::Relaxed) })
            })
            .collect()
    }
}

/// How the watchdog took its food.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// There is none, or the guardian has not begun.
    Never,
    /// It works.
    Taken,
    /// It could not be used.
    Refused,
}

/// Whether a lease runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseHeld {
    /// It does.
    Yes,
    /// It does not, or not any more.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

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
        guardian.spare().unwrap().arm(&armed);
        let seen = hands.slot_of("pay").unwrap();
        assert_eq!(seen.addresses(), armed.addresses);
        assert_eq!(seen.volumes(), armed.volumes);
        assert_eq!(seen.group(), Some(armed.group));
        assert_eq!(seen.soundness(), Soundness::Sound);
        seen.volumes[0].dir.words[0].fetch_xor(1, Ordering::Relaxed);
        assert_eq!(seen.soundness(), Soundness::Damaged);
    }

    #[test]
    fn a_lease_runs_for_its_epoch_until_its_deadline_only() {
        let table = table();
        table.spare().unwrap().arm(&arm("pay", 7));
        let epoch = Epoch { incarnation: 1, counter: 7 };
        assert_eq!(table.lease_runs("pay", epoch, Moment(499)), LeaseHeld::Yes);
        assert_eq!(table.lease_runs("pay", epoch, Moment(500)), LeaseHeld::No);
        assert_eq!(table.lease_runs("pay", epoch.next(1), Moment(0)), LeaseHeld::No);
        assert_eq!(table.lease_runs("pa", epoch, Moment(0)), LeaseHeld::No);
        let slot = table.slot_of("pay").unwrap();
        slot.extend(Moment(400));
        assert_eq!(slot.deadline(), Moment(500), "a deadline never moves back");
        slot.set_state(State::Released);
        assert_eq!(table.lease_runs("pay", epoch, Moment(0)), LeaseHeld::No);
    }

    #[test]
    fn a_place_is_used_again_only_when_nothing_is_guarded_there() {
        let table = table();
        for number in 0..GROUPS_MOST {
            table.spare().unwrap().arm(&arm(&format!("g{number}"), 1));
        }
        assert!(table.spare().is_none(), "all are armed");
        table.slot_of("g3").unwrap().set_state(State::Disarmed);
        assert_eq!(table.spare().unwrap().group().unwrap().as_str(), "g3");
    }
}
