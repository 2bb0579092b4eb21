//! The thread of the attendant: one wait for all that its children do.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use tsugi_host::enclosed::{Enclosed, Fold, Left, Order};
use tsugi_host::request::HowEnded;

use super::tail::Tail;
use super::{End, How, Notice, Number, Tell};

/// How much of one child's output is taken at a time, in bytes.
const CHUNK: usize = 64 * 1024;
/// What a pipe holds, in bytes: so much of what earlier calls have printed may be read when the
/// next one has begun, and no call floods by what another has printed.
const PIPE: u64 = 64 * 1024;
/// How much of it is taken at most once it has ended: what it started may go on writing.
const AFTER_END: usize = 256 * 1024;
/// How soon it is looked again whether a killed process is gone, at first and at last.
const AGAIN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(200));
/// How often it is looked how much memory children hold.
const MEMORY_EVERY: Duration = Duration::from_millis(250);
/// How long it is waited, when the attendant ends, until nothing is left of any child.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// A worker that is to be started.
pub struct Birth {
    pub number: Number,
    pub order: Order,
    /// Where its output is read.
    pub reads: File,
    /// How much it may print in a call.
    pub most: u64,
    /// How much memory it may hold.
    pub memory: u64,
    /// How much it has, in this call.
    pub printed: Arc<AtomicU64>,
}

/// What the thread is told.
pub enum Word {
    Bear(Box<Birth>),
    Kill(Number),
    End,
}

/// Where a child stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Runs,
    /// Its kill was ordered.
    Killed,
    /// Its end was told; what is left of it is being swept.
    Ended,
}

struct Child {
    number: Number,
    enclosed: Enclosed,
    stands: Stands,
    reads: Option<File>,
    tail: Tail,
    most: u64,
    /// How much memory it may hold; none once it was told to hold more.
    memory: Option<u64>,
    printed: Arc<AtomicU64>,
}

/// All children.
pub struct Nursery {
    fold: Fold,
    said: Receiver<Word>,
    wake: Arc<EventFd>,
    tell: Tell,
    children: Vec<Child>,
    again: Duration,
    /// When it is looked next how much memory they hold.
    weighs: Instant,
    chunk: Vec<u8>,
}

/// Whether the thread goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goes {
    On,
    Out,
}

impl Nursery {
    pub fn new(fold: Fold, (said, wake): (Receiver<Word>, Arc<EventFd>), tell: Tell) -> Self {
        let (children, again, chunk) = (Vec::new(), AGAIN.0, vec![0; CHUNK]);
        let weighs = Instant::now() + MEMORY_EVERY;
        Self { fold, said, wake, tell, children, again, weighs, chunk }
    }

    /// Attends until it is told to end.
    pub fn attend(mut self) {
        while self.hear() == Goes::On {
            self.look();
            self.wait();
        }
        let until = Instant::now() + LAST_WAIT;
        self.children.iter_mut().for_each(Child::kill);
        self.look();
        while !self.children.is_empty() && Instant::now() < until {
            self.wait();
            self.look();
        }
    }

    fn hear(&mut self) -> Goes {
        // The counter has served its purpose by making the wait return.
        self.wake.read().ok();
        let words: Vec<Word> = self.said.try_iter().collect();
        for word in words {
            match word {
                Word::Bear(birth) => self.bear(*birth),
                Word::Kill(number) => {
                    let known = self.children.iter_mut().find(|child| child.number == number);
                    known.into_iter().for_each(Child::kill);
                    self.again = AGAIN.0;
                }
                Word::End => return Goes::Out,
            }
        }
        Goes::On
    }

    fn bear(&mut self, birth: Birth) {
        let Birth { number, order, reads, most, memory, printed } = birth;
        match self.fold.start(order) {
            Ok(enclosed) => {
                let (reads, tail, stands) = (Some(reads), Tail::default(), Stands::Runs);
                let (most, memory) = (most.saturating_add(PIPE), Some(memory));
                self.children.push(Child {
                    number,
                    enclosed,
                    stands,
                    reads,
                    tail,
                    most,
                    memory,
                    printed,
                });
            }
            Err(why) => {
                let end = End { how: How::NotStarted(why), last: Vec::new() };
                (self.tell)(Notice::Ended(number, end));
                (self.tell)(Notice::Swept(number));
            }
        }
    }

    /// Takes what is printed, and tells who has ended and of whom nothing is left.
    fn look(&mut self) {
        let mut seen = Vec::new();
        let now = Instant::now();
        let weighs = now >= self.weighs;
        if weighs {
            self.weighs = now + MEMORY_EVERY;
        }
        self.children.retain_mut(|child| {
            child.read(CHUNK, &mut self.chunk, &mut seen);
            if weighs {
                child.weigh(&mut seen);
            }
            if child.stands != Stands::Ended
                && let Some(how) = child.enclosed.ended()
            {
                child.end(how, &mut self.chunk, &mut seen);
                self.again = AGAIN.0;
            }
            let left = match child.stands {
                Stands::Runs => Left::Something,
                // Its end is told before nothing is left of it.
                Stands::Killed => {
                    child.enclosed.kill();
                    Left::Something
                }
                Stands::Ended => child.enclosed.sweep(),
            };
            if let Left::Folder(why) = left {
                let folder = child.enclosed.folder().to_owned();
                seen.push(Notice::FolderStays(child.number, folder, why));
            }
            if left != Left::Something {
                seen.push(Notice::Swept(child.number));
            }
            left == Left::Something
        });
        seen.into_iter().for_each(|notice| (self.tell)(notice));
    }

    fn wait(&mut self) {
        let mut polled = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        let (mut ending, mut runs) = (false, false);
        for child in &self.children {
            if child.stands != Stands::Ended {
                polled.push(PollFd::new(child.enclosed.as_fd(), PollFlags::POLLIN));
            }
            // Nothing tells when the last of several has gone.
            ending |= child.stands != Stands::Runs;
            runs |= child.stands == Stands::Runs && child.memory.is_some();
            let reads = child.reads.iter();
            polled.extend(reads.map(|reads| PollFd::new(reads.as_fd(), PollFlags::POLLIN)));
        }
        let weighs = runs.then(|| self.weighs.saturating_duration_since(Instant::now()));
        let swept = ending.then_some(self.again);
        if ending {
            self.again = (self.again * 2).min(AGAIN.1);
        }
        // A moment later than it is: one that is cut to whole milliseconds would come before it.
        let limit = weighs.into_iter().chain(swept).min().map_or(PollTimeout::NONE, |limit| {
            PollTimeout::try_from(limit + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut polled, limit) {
            Ok(_) | Err(Errno::EINTR) => {}
            // Descriptors of ours that cannot be waited for: ends would be waited for for ever.
            Err(_) => std::process::abort(),
        }
    }
}

impl Child {
    fn kill(&mut self) {
        if self.stands == Stands::Runs {
            self.stands = Stands::Killed;
            self.enclosed.kill();
        }
    }

    /// Tells once that it holds more memory than it may.
    fn weigh(&mut self, seen: &mut Vec<Notice>) {
        let Some(most) = self.memory.filter(|_| self.stands == Stands::Runs) else { return };
        // One that has just ended holds none.
        if held(self.enclosed.id().pid).is_some_and(|held| held > most) {
            self.memory = None;
            seen.push(Notice::Memory(self.number));
        }
    }

    /// Its process has ended: tells how, with what it wrote last.
    fn end(&mut self, how: HowEnded, chunk: &mut [u8], seen: &mut Vec<Notice>) {
        self.read(AFTER_END, chunk, seen);
        // What it has left running writes to nobody, and is killed now.
        self.reads = None;
        self.stands = Stands::Ended;
        let how = match how {
            HowEnded::Exited(code) => How::Exited(code),
            HowEnded::Signalled(signal) => How::Signalled(signal),
        };
        seen.push(Notice::Ended(self.number, End { how, last: self.tail.lines() }));
    }

    /// Takes what is there of its output, about `most` bytes of it.
    fn read(&mut self, most: usize, chunk: &mut [u8], seen: &mut Vec<Notice>) {
        let mut taken = 0;
        while let Some(reads) = &mut self.reads
            && taken < most
        {
            match reads.read(chunk) {
                Ok(0) => self.reads = None,
                Ok(length) => {
                    taken += length;
                    self.print(&chunk[..length], seen);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.reads = None,
            }
        }
    }

    fn print(&mut self, bytes: &[u8], seen: &mut Vec<Notice>) {
        self.tail.take(bytes);
        let length = bytes.len() as u64;
        let before = self.printed.fetch_add(length, Ordering::Relaxed);
        let room = usize::try_from(self.most.saturating_sub(before)).unwrap_or(usize::MAX);
        if room > 0 {
            seen.push(Notice::Printed(self.number, bytes[..bytes.len().min(room)].to_vec()));
        }
        if before <= self.most && before + length > self.most {
            seen.push(Notice::Flood(self.number));
        }
    }
}

/// How much memory of a process is there, in bytes.
fn held(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024)
}
