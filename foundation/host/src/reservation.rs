//! SCSI-3 persistent reservations of a disk: what is registered and reserved, and the commands
//! that change it.
//!
//! What is read goes to the disk as it is (`SG_IO`, SPC-4 §6.13 PERSISTENT RESERVE IN): the kernel
//! has no other way before Linux 7. What changes something goes through the kernel's own calls
//! (`linux/pr.h`), because on a disk with several paths it does that on each of them, and
//! `SG_IO` on one. The kernel sets APTPL, so that storage keeps what it was told without power.
#![expect(unsafe_code, reason = "ioctls of disks")]

use std::ffi::c_void;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::errno::Errno;

/// `SG_IO`.
const SG_IO: libc::Ioctl = 0x2285;
/// `IOC_PR_REGISTER`, `IOC_PR_RESERVE` and `IOC_PR_PREEMPT_ABORT`: `_IOW('p', 200…)`.
const REGISTER: libc::Ioctl = 0x4018_70c8;
const RESERVE: libc::Ioctl = 0x4010_70c9;
const PREEMPT_ABORT: libc::Ioctl = 0x4018_70cc;
/// `PR_FL_IGNORE_KEY`: whatever this path had registered before.
const IGNORE_KEY: u32 = 1;
/// `PR_WRITE_EXCLUSIVE_REG_ONLY`, the kernel's number for type 5.
const REGISTRANTS_WRITE: u32 = 3;

/// PERSISTENT RESERVE IN, and which of it.
const RESERVE_IN: u8 = 0x5e;
const READ_KEYS: u8 = 0;
const READ_RESERVATION: u8 = 1;
/// Room for the keys of 511 paths; what is longer is asked for with more.
const ROOM: usize = 4096;
const ROOM_MOST: usize = u16::MAX as usize;
/// How long the disk may take for an answer.
const TIMEOUT_MS: u32 = 5_000;

const CHECK_CONDITION: u8 = 0x02;
/// RESERVATION CONFLICT, in an answer and as what the kernel's calls return.
const CONFLICT: u8 = 0x18;
/// Sense keys: something has happened that every path is told of once; the command is unknown.
const UNIT_ATTENTION: u8 = 6;
const ILLEGAL_REQUEST: u8 = 5;
/// How often a command is given again that only was told of what had happened.
const ATTENTIONS: usize = 8;

/// Why a disk was not asked, or did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It is no whole disk: a partition, a logical volume, or no block device at all.
    #[error("{what}")]
    NotWhole {
        /// What it is.
        what: String,
    },
    /// Something on this machine has it open for itself.
    #[error("in use on this machine")]
    InUse,
    /// It has no persistent reservations, or the kernel has none for it.
    #[error("no persistent reservations: {why}")]
    Unable {
        /// What says so.
        why: String,
    },
    /// Somebody else's registration or reservation does not let it through.
    #[error("reservation conflict")]
    Conflict,
    /// It was not reached, or answered something else.
    #[error("{why}")]
    Failed {
        /// What.
        why: String,
    },
}

impl Fault {
    fn failed(error: &io::Error) -> Self {
        Self::Failed { why: error.to_string() }
    }
}

/// What is registered and reserved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// The keys, one for each path of each machine.
    pub keys: Vec<u64>,
    /// The key and the type of the reservation.
    pub holder: Option<(u64, u8)>,
}

/// Whether a disk is opened so that nothing on this machine can have it beside us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Nothing has it mounted, or takes it for a part of something.
    Alone,
    /// It is in use here.
    Shared,
}

/// A whole disk.
#[derive(Debug)]
pub struct Disk {
    open: File,
}

impl Disk {
    /// Opens a disk.
    ///
    /// # Errors
    /// [`Fault::NotWhole`], [`Fault::InUse`], or that it could not be opened.
    pub fn open(path: &Path, how: Use) -> Result<Self, Fault> {
        let about = fs::metadata(path).map_err(|error| Fault::failed(&error))?;
        if !about.file_type().is_block_device() {
            return Err(Fault::NotWhole { what: "no block device".to_owned() });
        }
        let number = about.rdev();
        let number = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
        whole(Path::new(&format!("/sys/dev/block/{}:{}", number.0, number.1)))?;
        let mut options = OpenOptions::new();
        options.read(true);
        if how == Use::Alone {
            options.custom_flags(libc::O_EXCL);
        }
        match options.open(path) {
            Ok(open) => Ok(Self { open }),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Err(Fault::InUse),
            Err(error) => Err(Fault::failed(&error)),
        }
    }

    /// What is registered and reserved.
    ///
    /// # Errors
    /// [`Fault::Unable`] or [`Fault::Failed`].
    pub fn read(&self) -> Result<Registered, Fault> {
        let keys = keys(&self.asked(READ_KEYS)?);
        let holder = holder(&self.asked(READ_RESERVATION)?);
        Ok(Registered { keys, holder })
    }

    /// Registers a key over every path, whatever they had registered before.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn register(&self, key: u64) -> Result<(), Fault> {
        self.change(REGISTER, &registration((0, key), IGNORE_KEY))
    }

    /// Takes the registration of a key back, and its reservation if it has it.
    ///
    /// # Errors
    /// [`Fault::Conflict`] if this key is not registered; else [`Fault`].
    pub fn unregister(&self, key: u64) -> Result<(), Fault> {
        self.change(REGISTER, &registration((key, 0), 0))
    }

    /// Reserves it for whoever is registered.
    ///
    /// # Errors
    /// [`Fault::Conflict`] if this key is not registered, or somebody else has the reservation;
    /// else [`Fault`].
    pub fn reserve(&self, key: u64) -> Result<(), Fault> {
        let mut given = key.to_ne_bytes().to_vec();
        given.extend(REGISTRANTS_WRITE.to_ne_bytes());
        given.extend(0_u32.to_ne_bytes());
        self.change(RESERVE, &given)
    }

    /// Takes the registration from `other`, and the reservation if that has it, and aborts what it
    /// has under way.
    ///
    /// # Errors
    /// [`Fault::Conflict`] if either key is not registered; else [`Fault`].
    pub fn preempt(&self, own: u64, other: u64) -> Result<(), Fault> {
        self.change(PREEMPT_ABORT, &preemption(own, other))
    }

    /// Gives a command by the kernel. What only was told of something that had happened comes back
    /// as failed: nothing was done, and whoever gave it looks again.
    fn change(&self, call: libc::Ioctl, given: &[u8]) -> Result<(), Fault> {
        // SAFETY: each of the calls reads 16 or 24 bytes, which is what its caller has built, and
        // writes nothing; the bytes live for the call.
        let came = unsafe { libc::ioctl(self.open.as_raw_fd(), call, given.as_ptr()) };
        match (came, Errno::last()) {
            (0, _) => Ok(()),
            (-1, error @ (Errno::EOPNOTSUPP | Errno::ENOTTY | Errno::EPERM | Errno::EINVAL)) => {
                Err(Fault::Unable { why: error.desc().to_owned() })
            }
            (-1, error) => Err(Fault::Failed { why: error.desc().to_owned() }),
            (status, _) if is_conflict(status) => Err(Fault::Conflict),
            (status, _) => Err(Fault::Failed { why: format!("status {status:#x}") }),
        }
    }

    fn asked(&self, which: u8) -> Result<Vec<u8>, Fault> {
        let answer = self.asked_with(which, ROOM)?;
        if longer(&answer).is_some_and(|length| length > ROOM) {
            return entire(self.asked_with(which, ROOM_MOST)?);
        }
        entire(answer)
    }

    fn asked_with(&self, which: u8, room: usize) -> Result<Vec<u8>, Fault> {
        let mut last = String::new();
        for _ in 0..ATTENTIONS {
            let (mut sense, mut answer) = ([0_u8; 64], vec![0_u8; room]);
            let mut command = inquiry(which, room);
            let mut io = SgIo::reading(&mut command, &mut answer, &mut sense);
            // SAFETY: the three places that it points to live and are not looked at until the call
            // has come back, and are as long as it says.
            let came = unsafe { libc::ioctl(self.open.as_raw_fd(), SG_IO, &raw mut io) };
            if came == -1 {
                let error = Errno::last();
                return Err(match error {
                    Errno::ENOTTY | Errno::EINVAL | Errno::EOPNOTSUPP => {
                        Fault::Unable { why: error.desc().to_owned() }
                    }
                    _ => Fault::Failed { why: error.desc().to_owned() },
                });
            }
            match judged((io.status, io.host, io.driver), &sense) {
                Answered::Well => {
                    let missing = usize::try_from(io.missing).unwrap_or_default();
                    answer.truncate(room.saturating_sub(missing));
                    return Ok(answer);
                }
                Answered::Attention => last = "unit attention".to_owned(),
                Answered::Unknown => {
                    return Err(Fault::Unable { why: "the disk does not know it".to_owned() });
                }
                Answered::Badly(why) => return Err(Fault::Failed { why }),
            }
        }
        Err(Fault::Failed { why: last })
    }
}

/// A partition has no reservation of its own, and a logical volume shares its disk with others. A
/// disk with several paths is whole.
fn whole(about: &Path) -> Result<(), Fault> {
    if about.join("partition").exists() {
        return Err(Fault::NotWhole { what: "a partition".to_owned() });
    }
    match fs::read_to_string(about.join("dm/uuid")) {
        Ok(uuid) if !uuid.starts_with("mpath-") => {
            Err(Fault::NotWhole { what: format!("a part of other devices ({})", uuid.trim()) })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What the kernel's calls return is the status of the disk in its lowest byte; some kernels say
/// there once more, in the next one, that it was a conflict.
fn is_conflict(status: i32) -> bool {
    let [.., transport, _, of_disk] = status.to_be_bytes();
    transport == 0 && of_disk == CONFLICT
}

/// `struct pr_preempt`: what its header calls the old key goes to the disk as the key of who
/// preempts, and the new one as the key that is preempted.
fn preemption(own: u64, other: u64) -> Vec<u8> {
    let mut given = own.to_ne_bytes().to_vec();
    given.extend(other.to_ne_bytes());
    given.extend(REGISTRANTS_WRITE.to_ne_bytes());
    given.extend(0_u32.to_ne_bytes());
    given
}

/// `struct pr_registration`: the old key, the new one, flags.
fn registration((old, new): (u64, u64), flags: u32) -> Vec<u8> {
    let mut given = old.to_ne_bytes().to_vec();
    given.extend(new.to_ne_bytes());
    given.extend(flags.to_ne_bytes());
    given.extend(0_u32.to_ne_bytes());
    given
}

/// The command that asks, as it goes to the disk: big-endian, the room at bytes 7 and 8.
fn inquiry(which: u8, room: usize) -> [u8; 10] {
    let mut command = [0; 10];
    command[0] = RESERVE_IN;
    command[1] = which;
    let room = u16::try_from(room).unwrap_or(u16::MAX).to_be_bytes();
    command[7..9].copy_from_slice(&room);
    command
}

/// An answer that was cut short on its way says nothing: a key that is not in it may be registered.
fn entire(answer: Vec<u8>) -> Result<Vec<u8>, Fault> {
    match longer(&answer) {
        Some(length) if length <= answer.len() => Ok(answer),
        Some(_) | None => Err(Fault::Failed { why: format!("{} bytes", answer.len()) }),
    }
}

/// How long an answer says that it is, its head of eight bytes included; none if it has no head.
fn longer(answer: &[u8]) -> Option<usize> {
    let length = answer.get(4..8)?.try_into().map(u32::from_be_bytes).ok()?;
    usize::try_from(length).ok()?.checked_add(8)
}

fn body(answer: &[u8]) -> &[u8] {
    let end = longer(answer).unwrap_or(0).min(answer.len());
    answer.get(8..end).unwrap_or_default()
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().map(u64::from_be_bytes).ok()
}

/// READ KEYS: eight bytes each.
fn keys(answer: &[u8]) -> Vec<u64> {
    body(answer).chunks_exact(8).filter_map(number).collect()
}

/// READ RESERVATION: the key, four obsolete bytes, one reserved, and scope and type.
fn holder(answer: &[u8]) -> Option<(u64, u8)> {
    let body = body(answer);
    Some((number(body.get(..8)?)?, body.get(13)? & 0x0f))
}

#[derive(Debug, PartialEq, Eq)]
enum Answered {
    Well,
    Attention,
    Unknown,
    Badly(String),
}

fn judged((status, host, driver): (u8, u16, u16), sense: &[u8]) -> Answered {
    match (status, host, sense_key(sense)) {
        (0, 0, _) => Answered::Well,
        (CHECK_CONDITION, 0, UNIT_ATTENTION) => Answered::Attention,
        (CHECK_CONDITION, 0, ILLEGAL_REQUEST) => Answered::Unknown,
        _ => {
            let sense = sense_key(sense);
            let why = format!("status {status:#x} host {host:#x} driver {driver:#x} sense {sense}");
            Answered::Badly(why)
        }
    }
}

/// The sense key, of fixed format (0x70, 0x71) or by descriptors (0x72, 0x73).
fn sense_key(sense: &[u8]) -> u8 {
    let at = |place: usize| sense.get(place).copied().unwrap_or_default();
    match at(0) & 0x7f {
        0x70 | 0x71 => at(2) & 0x0f,
        0x72 | 0x73 => at(1) & 0x0f,
        _ => 0,
    }
}

/// `struct sg_io_hdr` of `scsi/sg.h`, third version.
#[repr(C)]
struct SgIo {
    interface: i32,
    direction: i32,
    command_length: u8,
    sense_room: u8,
    pieces: u16,
    room: u32,
    answer: *mut c_void,
    command: *mut u8,
    sense: *mut u8,
    timeout: u32,
    flags: u32,
    id: i32,
    own: *mut c_void,
    status: u8,
    masked_status: u8,
    message_status: u8,
    sense_written: u8,
    host: u16,
    driver: u16,
    missing: i32,
    took: u32,
    info: u32,
}

impl SgIo {
    fn reading(command: &mut [u8; 10], answer: &mut [u8], sense: &mut [u8; 64]) -> Self {
        /// `SG_DXFER_FROM_DEV`.
        const FROM_DISK: i32 = -3;
        Self {
            interface: i32::from(b'S'),
            direction: FROM_DISK,
            command_length: 10,
            sense_room: 64,
            pieces: 0,
            room: u32::try_from(answer.len()).unwrap_or(u32::MAX),
            answer: answer.as_mut_ptr().cast(),
            command: command.as_mut_ptr(),
            sense: sense.as_mut_ptr(),
            timeout: TIMEOUT_MS,
            flags: 0,
            id: 0,
            own: std::ptr::null_mut(),
            status: 0,
            masked_status: 0,
            message_status: 0,
            sense_written: 0,
            host: 0,
            driver: 0,
            missing: 0,
            took: 0,
            info: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_laid_out_as_the_standard_says() {
        assert_eq!(inquiry(READ_KEYS, ROOM), [0x5e, 0, 0, 0, 0, 0, 0, 0x10, 0, 0]);
        assert_eq!(inquiry(READ_RESERVATION, ROOM_MOST)[1..9], [1, 0, 0, 0, 0, 0, 0xff, 0xff]);
        assert_eq!(size_of::<SgIo>(), 88, "the header of a machine of 64 bits");
    }

    #[test]
    fn the_keys_are_read_as_a_disk_shows_them() {
        // Generation 9, sixteen bytes: two keys; what follows them is not said.
        let mut answer = vec![0, 0, 0, 9, 0, 0, 0, 16];
        answer.extend([0, 0, 0, 0, 0, 0, 0x12, 0x34]);
        answer.extend([0xab, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff]);
        assert_eq!(keys(&answer), [0x1234, 0xab00_0000_0000_0001]);
        assert_eq!(keys(&[0, 0, 0, 9, 0, 0, 0, 0]), [0_u64; 0]);
        // One that was cut short has the keys that are whole.
        assert_eq!(keys(&answer[..20]), [0x1234]);
        assert_eq!(longer(&answer), Some(24));
        assert_eq!(longer(&answer[..7]), None);
        assert_eq!(entire(answer.to_vec()).unwrap(), answer);
        assert!(entire(answer[..20].to_vec()).is_err(), "the other key may be registered");
        assert!(entire(answer[..7].to_vec()).is_err());
    }

    #[test]
    fn the_reservation_is_read_with_its_type_and_none_is_none() {
        let mut answer = vec![0, 0, 0, 9, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0x12, 0x34];
        answer.extend([0, 0, 0, 0, 0, 5, 0, 0]);
        assert_eq!(holder(&answer), Some((0x1234, 5)));
        assert_eq!(holder(&[0, 0, 0, 9, 0, 0, 0, 0]), None);
    }

    #[test]
    fn what_a_path_is_only_told_of_is_asked_again_and_an_unknown_command_is_not() {
        let fixed = |key: u8| [0x70, 0, key, 0];
        let by_descriptors = |key: u8| [0x72, key, 0, 0];
        for sense in [fixed(6), by_descriptors(6)] {
            assert_eq!(judged((2, 0, 8), &sense), Answered::Attention);
        }
        for sense in [fixed(5), by_descriptors(5)] {
            assert_eq!(judged((2, 0, 8), &sense), Answered::Unknown);
        }
        assert_eq!(judged((0, 0, 0), &[]), Answered::Well);
        assert!(matches!(judged((0x18, 0, 0), &[]), Answered::Badly(_)));
        assert!(matches!(judged((0, 1, 0), &[]), Answered::Badly(_)), "the path is gone");
    }

    #[test]
    fn what_the_kernel_is_told_has_the_layout_of_its_header() {
        let given = registration((0x11, 0x22), IGNORE_KEY);
        let wanted: Vec<u8> = [0x11_u64.to_ne_bytes(), 0x22_u64.to_ne_bytes()].concat();
        assert_eq!((given.len(), &given[..16], given[16]), (24, &wanted[..], 1));
        let given = preemption(0x11, 0x22);
        assert_eq!((given.len(), &given[..16], given[16]), (24, &wanted[..], 3));
        // The size of what it reads stands in the number of each call.
        for (call, size) in [(REGISTER, 24), (RESERVE, 16), (PREEMPT_ABORT, 24)] {
            assert_eq!((call >> 16) & 0x3fff, size, "{call:#x}");
        }
    }

    #[test]
    fn a_conflict_is_known_however_the_kernel_tells_it_and_a_lost_path_is_none() {
        assert!(is_conflict(0x18) && is_conflict(0x118), "Linux 6.1 has both");
        for other in [0, 0x2, 0x1_0000, 0x1_0018, 0xe_0000] {
            assert!(!is_conflict(other), "{other:#x}");
        }
    }

    #[test]
    fn a_file_is_no_disk_and_a_part_of_a_disk_is_not_whole() {
        let dir = tempfile::tempdir().unwrap();
        let opened = Disk::open(dir.path(), Use::Shared);
        assert!(matches!(opened, Err(Fault::NotWhole { .. })), "{opened:?}");
        let about = |file: &str, text: &str| {
            let place = dir.path().join(file);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(&place, text).unwrap();
            let found = whole(dir.path());
            fs::remove_file(&place).unwrap();
            found
        };
        assert!(whole(dir.path()).is_ok());
        assert!(about("dm/uuid", "mpath-3600140\n").is_ok());
        assert!(matches!(about("dm/uuid", "LVM-abc\n"), Err(Fault::NotWhole { .. })));
        assert!(matches!(about("partition", "1\n"), Err(Fault::NotWhole { .. })));
    }
}
