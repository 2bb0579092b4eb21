//! The output of programs, read by the agent: the last bytes kept in memory, or a file that
//! cannot grow for ever.
//!
//! A program writes into a pipe with a name in the agent's directory. It holds the other end open
//! as well, so that an agent may come and go; who comes finds the pipes in the listing. What a
//! program has left running is read until its last process has closed the pipe: its name stays
//! there until then, and beside it where the output goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::stat::Mode;
use tsugi_vocabulary::{Moment, Span};

use crate::request::{
    Answer, Ended, Event, Failure, Listing, Output, Program, ProgramId, Report, RequestId,
    TAIL_LONGEST,
};
use crate::{clock, sys};

const CHUNK: usize = 16 * 1024;
/// So much is read after a program's end at most: those it left behind may write for ever.
const AFTER_END_MOST: usize = 256 * 1024;
/// How often it is told at most that one log cannot be written.
const TELL_EVERY: Span = Span::secs(60);
/// How the names of pipes end, and of the notes beside them.
const PIPE: &str = "pipe";
const NOTE: &str = "log";

/// The pipes of all programs and the thread that reads them: a disk that hangs holds up nothing
/// else.
#[derive(Debug)]
pub struct Outputs {
    dir: PathBuf,
    /// How the names of its own pipes begin.
    own: String,
    serial: u64,
    asked: BTreeMap<RequestId, (PathBuf, File, Output)>,
    running: BTreeMap<ProgramId, Output>,
    /// The pipes of former agents that are read.
    followed: BTreeSet<PathBuf>,
    scribe: Sender<Word>,
    wake: EventFd,
    told: Sender<Report>,
    heard: Receiver<Report>,
    bell: OwnedFd,
}

impl Outputs {
    /// None yet; their pipes are made in `dir`.
    ///
    /// # Errors
    /// The thread does not start.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let (wake, bell) = (EventFd::from_flags(flags)?, EventFd::from_flags(flags)?);
        let (scribe, words) = channel();
        let (told, heard) = channel();
        let own_bell = bell.as_fd().try_clone_to_owned()?;
        let work = Scribe {
            words,
            woken: wake.as_fd().try_clone_to_owned()?,
            sources: Vec::new(),
            tell: told.clone(),
            bell,
        };
        let thread = thread::Builder::new().name("scribe".to_owned()).stack_size(128 * 1024);
        thread.spawn(move || work.work())?;
        let (asked, running, followed) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let (serial, bell) = (0, own_bell);
        // A former agent's process may have had the same number.
        let own = format!("{}-{}-", std::process::id(), clock::now().0);
        Ok(Self { dir, own, serial, asked, running, followed, scribe, wake, told, heard, bell })
    }

    /// Readable when [`Outputs::next`] has something.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// What there is to tell.
    pub fn next(&mut self) -> Option<Report> {
        make_quiet(&self.bell);
        self.heard.try_recv().ok()
    }

    /// The program as the hands are to be asked for it, with a pipe if its output is wanted.
    ///
    /// # Errors
    /// There is no room for a pipe.
    pub fn connect(&mut self, id: RequestId, program: &Program) -> Result<Program, Failure> {
        let mut program = program.clone();
        if program.output == Output::Discard {
            return Ok(program);
        }
        self.serial += 1;
        let name = format!("{}{}.{PIPE}", self.own, self.serial);
        let path = self.dir.join(name);
        let made = nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR);
        let opened = made.map_err(io::Error::from).and_then(|()| read_end(&path));
        let pipe = opened.map_err(|error| Failure::disk("make a pipe", &path, &error))?;
        let wanted = std::mem::replace(&mut program.output, Output::Discard);
        if let Err(error) = write_note(&path, &wanted) {
            forget(&path);
            return Err(Failure::disk("note where the output goes", &path, &error));
        }
        program.output = Output::Pipe { path: path.clone(), then: Box::new(wanted.clone()) };
        self.asked.insert(id, (path, pipe, wanted));
        Ok(program)
    }

    /// Looks at what the hands report; what belongs to an output comes later, with it.
    pub fn pass(&mut self, report: Report) -> Option<Report> {
        match report {
            Report::Answer { id, ref outcome } => {
                match (outcome, self.asked.remove(&id)) {
                    (Ok(Answer::Spawned(program)), Some((path, pipe, output))) => {
                        self.read(*program, pipe, path, output);
                    }
                    (Ok(Answer::Listing(listing)), _) => self.resume(listing),
                    (_, Some((path, ..))) => forget(&path),
                    (_, None) => {}
                }
                Some(report)
            }
            Report::Event(Event::Ended(ended)) => match self.running.remove(&ended.program.id) {
                Some(output) if has_tail(&output) => {
                    self.say(Word::Finish(ended));
                    None
                }
                _ => Some(Report::Event(Event::Ended(ended))),
            },
            Report::Event(_) => Some(report),
        }
    }

    /// Answers a request that never got to the hands.
    pub fn refuse(&self, id: RequestId, failure: Failure) {
        self.told.send(Report::Answer { id, outcome: Err(failure) }).ok();
        ring(&self.bell);
    }

    fn read(&mut self, program: ProgramId, pipe: File, path: PathBuf, output: Output) {
        self.running.insert(program, output.clone());
        self.say(Word::Read { program: Some(program), pipe, path, output });
    }

    /// Reads on what a former agent has left: of programs that run, and of what has outlived its
    /// program. What nobody writes into is cleared away.
    fn resume(&mut self, listing: &Listing) {
        let mut used = BTreeSet::new();
        for (program, output) in &listing.outputs {
            let Output::Pipe { path, then } = output else { continue };
            used.insert(path.clone());
            if !self.running.contains_key(program)
                && let Ok(pipe) = read_end(path)
            {
                self.followed.insert(path.clone());
                self.read(*program, pipe, path.clone(), (**then).clone());
            }
        }
        let own = self.own.as_bytes();
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let pipe = path.extension().is_some_and(|extension| extension == PIPE);
            let ours =
                path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(own));
            if !pipe || ours || used.contains(&path) || self.followed.contains(&path) {
                continue;
            }
            match read_end(&path) {
                Ok(pipe) => {
                    self.followed.insert(path.clone());
                    let output = read_note(&path).unwrap_or(Output::Discard);
                    self.say(Word::Read { program: None, pipe, path, output });
                }
                Err(_) => forget(&path),
            }
        }
    }

    fn say(&self, word: Word) {
        // Without the thread nothing is written, as when the disk is full.
        self.scribe.send(word).ok();
        ring(&self.wake);
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        self.say(Word::End);
    }
}

/// The reading end of a pipe; it does not wait.
fn read_end(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    options.open(path)
}

/// Writes beside a pipe where what comes out of it goes, for an agent that finds only the pipe.
fn write_note(pipe: &Path, output: &Output) -> io::Result<()> {
    match output {
        Output::File { path, limit } => {
            let text = [format!("{limit} ").as_bytes(), path.as_os_str().as_bytes()].concat();
            fs::write(pipe.with_extension(NOTE), text)
        }
        Output::Both(one, other) => write_note(pipe, one).and_then(|()| write_note(pipe, other)),
        Output::Discard | Output::Tail { .. } | Output::Pipe { .. } => Ok(()),
    }
}

fn read_note(pipe: &Path) -> Option<Output> {
    let text = fs::read(pipe.with_extension(NOTE)).ok()?;
    let space = text.iter().position(|byte| *byte == b' ')?;
    let limit = std::str::from_utf8(&text[..space]).ok()?.parse().ok()?;
    let path = PathBuf::from(OsStr::from_bytes(&text[space + 1..]));
    path.is_absolute().then_some(Output::File { path, limit })
}

/// Takes the name of a pipe and the note beside it away.
fn forget(pipe: &Path) {
    fs::remove_file(pipe.with_extension(NOTE)).ok();
    fs::remove_file(pipe).ok();
}

/// Reads a counter that has served its purpose by making the poll return.
fn make_quiet(counter: &impl AsFd) {
    nix::unistd::read(counter, &mut [0; 8]).ok();
}

/// A bell that already rings loudly needs no more.
fn ring(bell: &impl AsFd) {
    nix::unistd::write(bell, &1_u64.to_ne_bytes()).ok();
}

/// What the thread is told.
#[derive(Debug)]
enum Word {
    Read { program: Option<ProgramId>, pipe: File, path: PathBuf, output: Output },
    Finish(Ended),
    End,
}

struct Scribe {
    words: Receiver<Word>,
    woken: OwnedFd,
    sources: Vec<Source>,
    tell: Sender<Report>,
    bell: EventFd,
}

struct Source {
    /// None if it has ended.
    program: Option<ProgramId>,
    pipe: Option<File>,
    path: PathBuf,
    sinks: Vec<Sink>,
}

enum Sink {
    Tail(Tail),
    Journal(Journal),
}

/// The last bytes of a program's output.
#[derive(Default)]
struct Tail {
    keep: usize,
    kept: VecDeque<u8>,
    dropped: u64,
}

struct Journal {
    path: PathBuf,
    limit: u64,
    told: Option<Moment>,
}

impl Scribe {
    fn work(mut self) {
        loop {
            let mut polled = vec![self.woken.as_fd()];
            let open = self.sources.iter().enumerate();
            let open = open.filter_map(|(at, source)| Some((at, source.pipe.as_ref()?.as_fd())));
            let (places, pipes): (Vec<usize>, Vec<BorrowedFd<'_>>) = open.unzip();
            polled.extend(pipes);
            let Ok(ready) = sys::wait_readable(&polled, -1) else { return };
            make_quiet(&self.woken);
            let words: Vec<Word> = self.words.try_iter().collect();
            // What comes from now on is the next agent's.
            if words.iter().any(|word| matches!(word, Word::End)) {
                return;
            }
            for at in ready.into_iter().filter(|at| *at > 0) {
                if let Some(lost) = self.sources[places[at - 1]].take(CHUNK) {
                    self.say(Event::LogLost(lost));
                }
            }
            for word in words {
                match word {
                    Word::Read { program, pipe, path, output } => {
                        self.begin(program, (pipe, path), output);
                    }
                    Word::Finish(ended) => self.finish(ended),
                    Word::End => {}
                }
            }
            let tail = |source: &Source| source.sinks.iter().any(|s| matches!(s, Sink::Tail(_)));
            for over in self.sources.extract_if(.., |s| s.pipe.is_none() && !tail(s)) {
                forget(&over.path);
            }
        }
    }

    fn begin(&mut self, program: Option<ProgramId>, (pipe, path): (File, PathBuf), output: Output) {
        let outputs = match output {
            Output::Both(one, other) => vec![*one, *other],
            one => vec![one],
        };
        let sinks: Vec<Sink> = outputs.into_iter().filter_map(sink).collect();
        let mut source = Source { program, pipe: Some(pipe), path, sinks };
        // That nobody writes into a pipe any more is seen by reading only.
        let lost = source.take(CHUNK);
        self.sources.push(source);
        lost.into_iter().for_each(|lost| self.say(Event::LogLost(lost)));
    }

    /// Tells a program's end with the last bytes of its output. What it has left running writes
    /// on: it would die of a pipe that nobody reads.
    fn finish(&mut self, mut ended: Ended) {
        let its = |source: &&mut Source| source.program == Some(ended.program.id);
        let mut lost = None;
        if let Some(source) = self.sources.iter_mut().find(its) {
            lost = source.take(AFTER_END_MOST);
            source.program = None;
            let (tails, others) = std::mem::take(&mut source.sinks)
                .into_iter()
                .partition(|sink| matches!(sink, Sink::Tail(_)));
            source.sinks = others;
            for sink in tails {
                if let Sink::Tail(tail) = sink {
                    ended.tail = tail.kept.into();
                    ended.dropped = tail.dropped;
                }
            }
        }
        lost.into_iter().for_each(|lost| self.say(Event::LogLost(lost)));
        self.say(Event::Ended(ended));
    }

    fn say(&self, event: Event) {
        // Without a receiver the agent is ending.
        self.tell.send(Report::Event(event)).ok();
        ring(&self.bell);
    }
}

impl Source {
    /// Takes what is there, about `most` bytes of it; why it cannot be kept, if that is to be
    /// told.
    fn take(&mut self, most: usize) -> Option<Failure> {
        let mut chunk = vec![0; CHUNK];
        let (mut taken, mut lost) = (0, None);
        while let Some(pipe) = &mut self.pipe
            && taken < most
        {
            match pipe.read(&mut chunk) {
                Ok(0) => self.pipe = None,
                Ok(length) => {
                    taken += length;
                    let bytes = &chunk[..length];
                    for sink in &mut self.sinks {
                        lost = sink.take(bytes).or(lost);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return lost,
                Err(_) => self.pipe = None,
            }
        }
        lost
    }
}

/// Whether the last bytes of an output come with the end of its program.
fn has_tail(output: &Output) -> bool {
    match output {
        Output::Tail { .. } => true,
        Output::Both(one, other) => {
            [one, other].iter().any(|output| matches!(***output, Output::Tail { .. }))
        }
        Output::Discard | Output::File { .. } | Output::Pipe { .. } => false,
    }
}

fn sink(output: Output) -> Option<Sink> {
    match output {
        Output::Discard | Output::Pipe { .. } | Output::Both(..) => None,
        Output::Tail { keep } => {
            let keep = keep.min(TAIL_LONGEST) as usize;
            Some(Sink::Tail(Tail { keep, ..Tail::default() }))
        }
        Output::File { path, limit } => Some(Sink::Journal(Journal { path, limit, told: None })),
    }
}

impl Sink {
    /// Takes some bytes; why it cannot, if that is to be told.
    fn take(&mut self, bytes: &[u8]) -> Option<Failure> {
        match self {
            Self::Tail(tail) => tail.keep(bytes),
            // What the disk does not take is lost, and the program goes on.
            Self::Journal(journal) => {
                if let Err(error) = append(journal, bytes) {
                    return journal.complain(&error);
                }
            }
        }
        None
    }
}

impl Tail {
    fn keep(&mut self, bytes: &[u8]) {
        self.kept.extend(bytes);
        let over = self.kept.len().saturating_sub(self.keep);
        self.kept.drain(..over);
        self.dropped += over as u64;
    }
}

impl Journal {
    fn complain(&mut self, error: &io::Error) -> Option<Failure> {
        let now = clock::now();
        if self.told.is_some_and(|told| now.since(told) < TELL_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(Failure::disk("write the log", &self.path, error))
    }
}

/// Opened for each chunk, so that a log on a volume never keeps it from being unmounted.
fn append(journal: &Journal, bytes: &[u8]) -> io::Result<()> {
    let (path, limit) = (&journal.path, journal.limit);
    let open = || {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o640).custom_flags(libc::O_NOFOLLOW);
        options.open(path)
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
        let mut tail = Tail { keep: 5, ..Tail::default() };
        tail.keep(b"hello,");
        tail.keep(b" world");
        assert_eq!((Vec::from(tail.kept), tail.dropped), (b"world".to_vec(), 7));
    }

    #[test]
    fn a_log_has_at_most_twice_its_limit() {
        let dir = std::env::temp_dir().join(format!("tsugi-log-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let log = dir.join("x.log");
        let journal = Journal { path: log.clone(), limit: 64, told: None };
        for number in 0..100 {
            append(&journal, format!("line {number:04}\n").as_bytes()).unwrap();
        }
        let length = |name: &str| fs::metadata(dir.join(name)).unwrap().len();
        assert!(length("x.log") <= 64 && length("x.log.1") <= 64);
        assert!(fs::read_to_string(&log).unwrap().ends_with("line 0099\n"));
        fs::remove_dir_all(&dir).unwrap();
    }
}
