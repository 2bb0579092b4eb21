//! The one thread of an engine that starts workers, reads what they print, and sees them end.
//!
//! A process is killed when the thread that started it ends, so one thread starts them all and
//! lives as long as the engine. It also reads their output: that a worker floods costs the writer
//! of the store nothing.

mod child;
pub mod spawn;
pub mod tail;
pub mod worker;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use nix::fcntl::OFlag;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::pipe2;
use tsugi_host::enclosed::{self, Fold, HostName, NotStarted};
use tsugi_host::request::KillBy;

use child::{Birth, Nursery, Word};
use spawn::Spawn;
use worker::Worker;

/// One process; given by the engine and never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(pub u64);

/// How a process ended.
#[derive(Debug)]
pub enum How {
    /// It never ran.
    NotStarted(NotStarted),
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
}

/// The end of a process.
#[derive(Debug)]
pub struct End {
    /// How.
    pub how: How,
    /// The last lines that it wrote.
    pub last: Vec<String>,
}

/// What an attendant has seen.
#[derive(Debug)]
pub enum Notice {
    /// A worker has printed something; what is beyond its limit is not told.
    Printed(Number, Vec<u8>),
    /// A worker has printed more in this call than it may. Told once a call.
    Flood(Number),
    /// A worker's process holds more memory than it may. Told once.
    Memory(Number),
    /// A worker's process has ended. What it started may still run: that is killed now.
    Ended(Number, End),
    /// A worker's folder could not be removed, for this reason; the next life of the engine tries
    /// again. Told before it is swept.
    FolderStays(Number, PathBuf, io::ErrorKind),
    /// Nothing is left of a worker's process, of what it started, and of its folder, but for a
    /// folder that stays.
    Swept(Number),
}

/// Who is told of notices, on the attendant's thread; it does not wait there.
pub type Tell = Box<dyn Fn(Notice) + Send>;

/// Notices for who waits for descriptors: they are kept until they are asked for.
#[derive(Debug)]
pub struct Notices {
    kept: Receiver<Notice>,
    bell: Arc<EventFd>,
}

/// Can be read from while there are notices.
impl AsFd for Notices {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Notices {
    /// None yet, and who is to be told of them.
    ///
    /// # Errors
    /// There is no further descriptor.
    pub fn kept() -> io::Result<(Self, Tell)> {
        let (keep, kept) = channel();
        let bell = bell()?;
        let rung = Arc::clone(&bell);
        let tell = move |notice| {
            // Who does not want to know any more has dropped the other end.
            keep.send(notice).ok();
            ring(&rung);
        };
        Ok((Self { kept, bell }, Box::new(tell)))
    }

    /// Those that came since the last time.
    pub fn take(&self) -> Vec<Notice> {
        self.bell.read().ok();
        self.kept.try_iter().collect()
    }
}

/// How much a worker has printed in the call that it has.
#[derive(Clone, Debug, Default)]
pub struct Printed(Arc<AtomicU64>);

impl Printed {
    /// A call begins: it may print as much as one may.
    pub fn begin(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// The engine's ends of a worker's pipes. Who reads or writes them never waits.
#[derive(Debug)]
pub struct Streams {
    /// What the worker says.
    pub from: File,
    /// What it is told.
    pub to: File,
    /// What it has printed, which is begun anew with each call.
    pub printed: Printed,
}

/// Starts workers and holds them. When it is dropped, all are killed and waited for.
#[derive(Debug)]
pub struct Attendant {
    words: Sender<Word>,
    wake: Arc<EventFd>,
    kill_by: KillBy,
    host_name: HostName,
    thread: Option<JoinHandle<()>>,
}

impl Attendant {
    /// Makes the place for the workers' folders and control groups, and begins to attend. What an
    /// earlier life has left in `dir` is ended and removed; `name` is this engine's alone on this
    /// machine.
    ///
    /// # Errors
    /// The folder cannot be made, or the thread not started.
    pub fn begin(name: &str, dir: PathBuf, tell: Tell) -> io::Result<Self> {
        Self::over(Fold::claim(name, dir)?, tell)
    }

    /// The same over a place that was made.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn over(fold: Fold, tell: Tell) -> io::Result<Self> {
        let (kill_by, host_name) = (fold.kill_by(), fold.host_name());
        let wake = bell()?;
        let (words, said) = channel();
        let nursery = Nursery::new(fold, (said, Arc::clone(&wake)), tell);
        let thread = thread::Builder::new().name("attendant".to_owned());
        let thread = Some(thread.spawn(move || nursery.attend())?);
        Ok(Self { words, wake, kill_by, host_name, thread })
    }

    /// How what a worker has started is found when it is killed.
    #[must_use]
    pub const fn kill_by(&self) -> KillBy {
        self.kill_by
    }

    /// Whether `gethostname` answers the node's name in a worker.
    #[must_use]
    pub const fn host_name(&self) -> HostName {
        self.host_name
    }

    /// Has a worker started, and gives its talk at once. Whether it runs shows: it says hello, or
    /// its end is told, also of one that could not be started.
    ///
    /// # Errors
    /// There are no pipes; nothing is started and nothing will be told.
    pub fn bear(&self, number: Number, spawn: &Spawn) -> io::Result<Worker> {
        Ok(Worker::new(number, self.hold(number, spawn)?, spawn.encoding))
    }

    /// The same for an engine that speaks frames itself: the ends of the worker's pipes. What such
    /// a worker says after [`Self::end`] is the engine's not to believe.
    ///
    /// # Errors
    /// There are no pipes; nothing is started and nothing will be told.
    pub fn hold(&self, number: Number, spawn: &Spawn) -> io::Result<Streams> {
        let (input, to) = pipe2(OFlag::O_CLOEXEC)?;
        let (from, output) = pipe2(OFlag::O_CLOEXEC)?;
        let (reads, errors) = pipe2(OFlag::O_CLOEXEC)?;
        let (from, to) = (worker::unwaiting(from)?, worker::unwaiting(to)?);
        let printed = Printed::default();
        let birth = Birth {
            number,
            order: order(spawn, (input, output, errors)),
            reads: worker::unwaiting(reads)?,
            most: spawn.output_most,
            memory: spawn.memory_most,
            printed: Arc::clone(&printed.0),
        };
        self.say(Word::Bear(Box::new(birth)));
        Ok(Streams { from, to, printed })
    }

    /// Kills a worker and all that it started. From now on nothing that it says is taken.
    pub fn kill(&self, worker: &mut Worker) {
        worker.silence();
        self.end(worker.number());
    }

    /// Kills a worker of which the engine has the pipes, and all that it started.
    pub fn end(&self, number: Number) {
        self.say(Word::Kill(number));
    }

    fn say(&self, word: Word) {
        if self.words.send(word).is_err() {
            // All that the thread had started was killed with it. Who holds the store would wait
            // for ends that nobody tells: it ends too, and is recovered like any that has.
            std::process::abort();
        }
        ring(&self.wake);
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        self.words.send(Word::End).ok();
        ring(&self.wake);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn order(spawn: &Spawn, (input, output, errors): (OwnedFd, OwnedFd, OwnedFd)) -> enclosed::Order {
    enclosed::Order {
        argv: spawn.argv.clone(),
        env: spawn.environment(),
        input,
        output,
        errors,
        user: spawn.user,
        limits: spawn.limits,
        host_name: spawn.environment.node.clone(),
    }
}

fn bell() -> io::Result<Arc<EventFd>> {
    let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
    Ok(Arc::new(EventFd::from_flags(flags)?))
}

/// A bell that rings already needs no more.
fn ring(bell: &EventFd) {
    bell.write(1).ok();
}
