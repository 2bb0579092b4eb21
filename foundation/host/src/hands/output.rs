//! The output of programs: the last bytes kept in memory, or a file that cannot grow for ever.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::eventfd::{EfdFlags, EventFd};

use tsugi_vocabulary::{Moment, Span};

use super::slow::ring;
use crate::request::Failure;
use crate::{clock, sys};

const CHUNK: usize = 16 * 1024;
/// So much is read after a program's end at most: those it left behind may write for ever.
const AFTER_END_MOST: usize = 256 * 1024;
/// Per program and round, so that one that floods does not starve the others.
const ROUND_MOST: usize = 64 * 1024;

/// A pipe whose reading end does not wait.
///
/// # Errors
/// The call failed.
pub fn pipe() -> io::Result<(File, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((File::from(read), write))
}

/// The last bytes of a program's output.
pub struct Tail {
    pipe: Option<File>,
    keep: usize,
    kept: VecDeque<u8>,
    dropped: u64,
}

impl Tail {
    /// Keeps the last `keep` bytes that come out of `pipe`.
    #[must_use]
    pub fn new(pipe: File, keep: u32) -> Self {
        Self { pipe: Some(pipe), keep: keep as usize, kept: VecDeque::new(), dropped: 0 }
    }

    /// What to poll, until its end.
    #[must_use]
    pub fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Takes what is there.
    pub fn read(&mut self) {
        self.read_most(ROUND_MOST);
    }

    fn read_most(&mut self, most: usize) {
        let mut chunk = [0; CHUNK];
        let mut taken = 0;
        while let Some(pipe) = &mut self.pipe
            && taken < most
        {
            match pipe.read(&mut chunk) {
                Ok(0) => self.pipe = None,
                Ok(length) => {
                    taken += length;
                    self.kept.extend(&chunk[..length]);
                    let over = self.kept.len().saturating_sub(self.keep);
                    self.kept.drain(..over);
                    self.dropped += over as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }

    /// The bytes kept and how many were dropped before them.
    #[must_use]
    pub fn end(mut self) -> (Vec<u8>, u64) {
        self.read_most(AFTER_END_MOST);
        (self.kept.into(), self.dropped)
    }
}

struct Journal {
    pipe: File,
    path: PathBuf,
    limit: u64,
    told: Option<Moment>,
}

/// How often it is told at most that one log cannot be written.
const TELL_EVERY: Span = Span::secs(60);

/// Where it is told that a log cannot be written.
pub struct Complaints {
    /// Why it cannot.
    pub lost: Sender<Failure>,
    /// What rings then.
    pub bell: Arc<EventFd>,
}

/// Writes output to files, on a thread of its own: a disk that hangs holds up nothing else.
pub struct Scribe {
    new: Sender<Journal>,
    bell: EventFd,
}

impl Scribe {
    /// Starts the thread; what it writes can be read by `group`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(group: Option<u32>, complaints: Complaints) -> io::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let heard = bell.as_fd().try_clone_to_owned()?;
        let (new, journals) = channel();
        let thread = thread::Builder::new().name("scribe".to_owned()).stack_size(128 * 1024);
        thread.spawn(move || write_all(&journals, &heard, group, &complaints))?;
        Ok(Self { new, bell })
    }

    /// Writes what comes out of `pipe` to `path` from now on.
    pub fn write(&self, pipe: File, path: PathBuf, limit: u64) {
        // If the thread is gone the pipe is closed, as for any log that cannot be written.
        if self.new.send(Journal { pipe, path, limit, told: None }).is_ok() {
            ring(&self.bell);
        }
    }
}

fn write_all(new: &Receiver<Journal>, bell: &OwnedFd, group: Option<u32>, complaints: &Complaints) {
    let mut journals: Vec<Journal> = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let mut polled = vec![bell.as_fd()];
        polled.extend(journals.iter().map(|journal| journal.pipe.as_fd()));
        let Ok(ready) = sys::wait_readable(&polled, -1) else { return };
        sys::make_quiet(bell);
        let mut ended = Vec::new();
        for at in ready.into_iter().filter(|at| *at > 0) {
            let journal = &mut journals[at - 1];
            match journal.pipe.read(&mut chunk) {
                Ok(0) => ended.push(at - 1),
                // What the disk does not take is lost, and the program goes on.
                Ok(length) => {
                    if let Err(error) = append(journal, group, &chunk[..length]) {
                        complain(journal, &error, complaints);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => ended.push(at - 1),
            }
        }
        for at in ended.into_iter().rev() {
            journals.swap_remove(at);
        }
        journals.extend(new.try_iter());
    }
}

fn complain(journal: &mut Journal, error: &io::Error, to: &Complaints) {
    let now = clock::now();
    if journal.told.is_some_and(|told| now.since(told) < TELL_EVERY) {
        return;
    }
    journal.told = Some(now);
    if to.lost.send(Failure::disk("write the log", &journal.path, error)).is_ok() {
        ring(&to.bell);
    }
}

/// Opened for each chunk, so that a log on a volume never keeps it from being unmounted.
fn append(journal: &Journal, group: Option<u32>, bytes: &[u8]) -> io::Result<()> {
    let (path, limit) = (&journal.path, journal.limit);
    let open = || {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o640).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(path)?;
        if file.metadata()?.len() == 0 {
            fchown(&file, None, group)?;
        }
        io::Result::Ok(file)
    };
    let piece = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
    let mut file = open()?;
    for bytes in bytes.chunks(piece) {
        if file.metadata()?.len() + bytes.len() as u64 > limit {
            let mut old = path.as_os_str().to_owned();
            old.push(".1");
            fs::rename(path, old)?;
            file = open()?;
        }
        file.write_all(bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_the_last_bytes_are_kept_and_the_others_counted() {
        let (read, write) = pipe().unwrap();
        let mut tail = Tail::new(read, 5);
        File::from(write).write_all(b"hello, world").unwrap();
        tail.read();
        assert_eq!(tail.end(), (b"world".to_vec(), 7));
    }

    #[test]
    fn a_log_has_at_most_twice_its_limit() {
        let dir = std::env::temp_dir().join(format!("tsugi-log-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let log = dir.join("x.log");
        let (pipe, _write) = pipe().unwrap();
        let journal = Journal { pipe, path: log.clone(), limit: 64, told: None };
        for number in 0..100 {
            append(&journal, None, format!("line {number:04}\n").as_bytes()).unwrap();
        }
        let length = |name: &str| fs::metadata(dir.join(name)).unwrap().len();
        assert!(length("x.log") <= 64 && length("x.log.1") <= 64);
        assert!(fs::read_to_string(&log).unwrap().ends_with("line 0099\n"));
        fs::remove_dir_all(&dir).unwrap();
    }
}
