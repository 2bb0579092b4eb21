//! A disk that can hang: an image on a file system of FUSE of which this process is the server.
//! What goes to the disk through a loop device waits for as long as the server says nothing.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, poll};
use tempfile::TempDir;

const LONGEST_WRITE: usize = 128 * 1024;
const ROOT: u64 = 1;
const IMAGE: u64 = 2;
/// The kernel's numbers of what it asks for.
mod asks {
    pub const LOOKUP: u32 = 1;
    pub const FORGET: u32 = 2;
    pub const GETATTR: u32 = 3;
    pub const SETATTR: u32 = 4;
    pub const OPEN: u32 = 14;
    pub const READ: u32 = 15;
    pub const WRITE: u32 = 16;
    pub const RELEASE: u32 = 18;
    pub const FSYNC: u32 = 20;
    pub const FLUSH: u32 = 25;
    pub const INIT: u32 = 26;
    pub const INTERRUPT: u32 = 36;
    pub const FORGET_MANY: u32 = 42;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Answers,
    Hangs,
    /// It answers, but to nothing that is written.
    HangsOverWrites,
    Ends,
}

impl Mood {
    /// Whether what is asked has to wait for another mood.
    fn keeps(self, asked: &[u8]) -> bool {
        match self {
            Self::Answers => false,
            Self::HangsOverWrites => asked[4..8] == asks::WRITE.to_ne_bytes(),
            Self::Hangs | Self::Ends => true,
        }
    }
}

/// The disk.
pub struct HangingDisk {
    /// The image, to be mounted through a loop device.
    pub image: PathBuf,
    dir: TempDir,
    mood: Arc<Mutex<Mood>>,
    waits: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl HangingDisk {
    /// None where this machine has nothing that could be one.
    pub fn new(make: impl FnOnce(&Path)) -> Option<Self> {
        let device = fs::OpenOptions::new().read(true).write(true).open("/dev/fuse").ok()?;
        let dir = TempDir::new().unwrap();
        let (behind, shown) = (dir.path().join("behind.img"), dir.path().join("shown"));
        make(&behind);
        fs::create_dir(&shown).unwrap();
        let fd = device.as_raw_fd();
        let options = format!("fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other");
        let options = Some(options.as_str());
        mount(Some("hanging"), &shown, Some("fuse"), MsFlags::empty(), options).ok()?;
        let behind = fs::OpenOptions::new().read(true).write(true).open(behind).unwrap();
        let mood = Arc::new(Mutex::new(Mood::Answers));
        let waits = Arc::new(AtomicBool::new(false));
        let server = Server { device, behind, mood: Arc::clone(&mood), waits: Arc::clone(&waits) };
        let server = Some(thread::spawn(move || server.work()));
        Some(Self { image: shown.join("disk.img"), dir, mood, waits, server })
    }

    /// From now on nothing that is asked of it is answered.
    pub fn hang(&self) {
        self.be(Mood::Hangs);
    }

    /// From now on nothing that is written to it is answered; what is read of it is.
    pub fn hang_over_writes(&self) {
        self.be(Mood::HangsOverWrites);
    }

    /// It answers again, also what it was asked meanwhile.
    pub fn recover(&self) {
        self.be(Mood::Answers);
    }

    /// Whether somebody waits for an answer.
    pub fn is_waited_for(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

impl Drop for HangingDisk {
    fn drop(&mut self) {
        // Who waits for it is told that it is gone, once the server has let go of its device.
        self.be(Mood::Ends);
        umount2(&self.dir.path().join("shown"), MntFlags::MNT_DETACH).ok();
        drop(self.server.take().map(JoinHandle::join));
    }
}

struct Server {
    device: File,
    behind: File,
    mood: Arc<Mutex<Mood>>,
    waits: Arc<AtomicBool>,
}

impl Server {
    fn work(mut self) {
        let mut buffer = vec![0; LONGEST_WRITE + 4096];
        let mut kept: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut polled = [PollFd::new(self.device.as_fd(), PollFlags::POLLIN)];
            // Not for ever: it may be told to be of another mood.
            if poll(&mut polled, 10_u16).is_ok_and(|ready| ready > 0) {
                let Ok(length) = self.device.read(&mut buffer) else { return };
                kept.push(buffer[..length].to_vec());
            }
            let mood = *self.mood.lock().unwrap();
            if mood == Mood::Ends {
                return;
            }
            let (stay, go) = kept.into_iter().partition(|asked| mood.keeps(asked));
            kept = stay;
            let go: Vec<Vec<u8>> = go;
            go.iter().for_each(|asked| self.reply(asked));
            self.waits.store(!kept.is_empty(), Ordering::Relaxed);
        }
    }

    fn reply(&mut self, asked: &[u8]) {
        let (unique, answer) = self.answer(asked);
        let Some(answer) = answer else { return };
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(errno) => (-errno, Vec::new()),
        };
        let length = u32::try_from(16 + body.len()).unwrap();
        let head = [&length.to_ne_bytes()[..], &error.to_ne_bytes(), &unique.to_ne_bytes()];
        drop(self.device.write_all(&[&head.concat()[..], &body].concat()));
    }

    /// What is answered to a question, if anything is.
    fn answer(&self, asked: &[u8]) -> (u64, Option<Result<Vec<u8>, i32>>) {
        let u64_at = |at: usize| u64::from_ne_bytes(asked[at..at + 8].try_into().unwrap());
        let u32_at = |at: usize| u32::from_ne_bytes(asked[at..at + 4].try_into().unwrap());
        let (ask, unique, node) = (u32_at(4), u64_at(8), u64_at(16));
        let body = match ask {
            asks::FORGET | asks::FORGET_MANY | asks::INTERRUPT => return (unique, None),
            asks::INIT => Ok(welcome(u32_at(48))),
            asks::LOOKUP if asked[40..].starts_with(b"disk.img\0") => Ok(self.entry()),
            asks::LOOKUP => Err(libc::ENOENT),
            asks::GETATTR | asks::SETATTR => {
                Ok([words(&[3600]), words(&[0]), self.attributes(node)].concat())
            }
            asks::OPEN => Ok(words(&[0, 0])),
            asks::READ => {
                let mut data = vec![0; u32_at(56) as usize];
                let read = self.behind.read_at(&mut data, u64_at(48)).unwrap();
                data.truncate(read);
                Ok(data)
            }
            asks::WRITE => {
                let size = u32_at(56);
                let data = &asked[80..80 + size as usize];
                self.behind.write_all_at(data, u64_at(48)).unwrap();
                Ok(words(&[u64::from(size)]))
            }
            asks::RELEASE | asks::FLUSH | asks::FSYNC => Ok(Vec::new()),
            _ => Err(libc::ENOSYS),
        };
        (unique, Some(body))
    }

    fn entry(&self) -> Vec<u8> {
        [words(&[IMAGE, 0, 3600, 3600, 0]), self.attributes(IMAGE)].concat()
    }

    fn attributes(&self, node: u64) -> Vec<u8> {
        let size = self.behind.metadata().unwrap().len();
        let mode: u32 = if node == ROOT { 0o40755 } else { 0o100_600 };
        let times = [0_u8; 3 * 8 + 3 * 4];
        let links_owner_device: [u32; 4] = [1, 0, 0, 0];
        let rest = [&[mode][..], &links_owner_device, &[4096, 0]].concat();
        let rest = rest.into_iter().flat_map(u32::to_ne_bytes).collect();
        [words(&[node, size, size / 512]), times.to_vec(), rest].concat()
    }
}

/// The answer to the kernel's first word: which version is spoken, and how much is written at once.
fn welcome(readahead: u32) -> Vec<u8> {
    const BIG_WRITES: u32 = 1 << 5;
    /// Without it a read waits behind a write that is not answered.
    const ASYNC_DIO: u32 = 1 << 15;
    let longest = u32::try_from(LONGEST_WRITE).unwrap();
    let said = [7, 31, readahead, BIG_WRITES | ASYNC_DIO, 0, longest, 1];
    let mut bytes: Vec<u8> = said.into_iter().flat_map(u32::to_ne_bytes).collect();
    bytes.resize(64, 0);
    bytes
}

fn words(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().copied().flat_map(u64::to_ne_bytes).collect()
}
