//! The log of a life: what the daemon and its programs say. The log of the life before it is kept
//! beside it, unchanged, on the group's volume: the node that took over shows what the former owner
//! wrote. It is no record: a power loss may take its last lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tsugi_messages::{self as messages, Language, Message};

/// The log of the life under way.
pub const NAME: &str = "console.log";
/// The log of the life before it.
pub const FORMER: &str = "console.bak";
/// The log of a start that has opened nothing yet, or never did.
pub const START: &str = "console.start";
/// How much of one life is kept, in bytes.
pub const MOST: u64 = 64 << 20;

/// The open log. Writing to it never fails the work that it tells of: what it does not take is
/// counted.
#[derive(Clone, Debug)]
pub struct Log {
    held: Arc<Mutex<Held>>,
    /// Lines that were not written: to be read while a line waits for the disk.
    pub(crate) lost: Arc<AtomicU64>,
    language: Language,
    folder: PathBuf,
}

#[derive(Debug)]
struct Held {
    file: File,
    /// Bytes that may still be written.
    left: u64,
}

/// What the log of a life begins with.
#[derive(Clone, Debug)]
pub struct Beginning<'a> {
    /// The folder, which is made if its own is there.
    pub folder: &'a Path,
    /// How much is kept, in bytes.
    pub most: u64,
    /// The language of what the daemon says.
    pub language: Language,
}

impl Log {
    /// Begins the log of a start. That of a former start that opened nothing goes.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn begin(beginning: &Beginning<'_>) -> io::Result<Self> {
        let folder = beginning.folder;
        match fs::create_dir(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let path = folder.join(START);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        let held = Held { file, left: beginning.most };
        let (held, lost) = (Arc::new(Mutex::new(held)), Arc::default());
        let folder = folder.to_path_buf();
        Ok(Self { held, lost, language: beginning.language, folder })
    }

    /// The start is a life: from now on this is its log, and that of the life before is the former
    /// one. Killed at any point, the log of the life before is whole under one of the names.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn take_its_name(&self) -> io::Result<()> {
        let path = self.folder.join(NAME);
        match fs::rename(&path, self.folder.join(FORMER)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::rename(self.folder.join(START), path)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Adds what the daemon says, and says it to whoever supervises it.
    pub fn tell(&self, message: &Message) {
        let line = message.line(self.language);
        eprintln!("{line}");
        self.note(&line);
    }

    /// Adds lines, each with the time.
    pub fn note(&self, text: &str) {
        let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
        let mut held = self.held.lock().expect("nobody dies with the lock");
        for line in text.lines() {
            if held.add(&format!("{now} {line}\n"), self.language).is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How many lines it has not taken: it was full, or the disk was.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Held {
    fn add(&mut self, line: &str, language: Language) -> io::Result<()> {
        let length = line.len() as u64;
        if self.left == 0 || length > self.left {
            if self.left > 0 {
                self.left = 0;
                // Its own line is beyond what is kept: who reads the end sees that it is none.
                let full = messages::console_log_full(NAME).line(language);
                self.file.write_all(format!("{full}\n").as_bytes()).ok();
            }
            return Err(ErrorKind::StorageFull.into());
        }
        self.file.write_all(line.as_bytes())?;
        self.left -= length;
        Ok(())
    }
}

/// Where the log of a group is that has a folder for it, and none else: on its volume.
#[must_use]
pub fn folder(volume: &Path, said: Option<&Path>) -> PathBuf {
    said.map_or_else(|| volume.join("log"), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(folder: &Path, most: u64) -> Log {
        let log = Log::begin(&Beginning { folder, most, language: Language::En });
        let log = log.expect("a log");
        log.take_its_name().expect("it is a life");
        log
    }

    #[test]
    fn mf_14_a_life_keeps_the_former_log_unchanged_under_its_other_name() {
        let volume = tempfile::tempdir().expect("a folder");
        let dir = folder(volume.path(), None);
        let read = |name: &str| fs::read_to_string(dir.join(name)).expect("it is there");
        let first = begin(&dir, MOST);
        assert!(!dir.join(FORMER).exists(), "there was none before");
        first.note("338 n1 counter");
        let was = read(NAME);
        assert!(was.ends_with(" 338 n1 counter\n"), "{was}");
        let second = begin(&dir, MOST);
        assert_eq!((read(FORMER), read(NAME)), (was.clone(), String::new()));
        // Whoever still writes to the former one is dead; what it has is what it wrote.
        second.note("339 n2 counter");
        assert_eq!(read(FORMER), was);
    }

    #[test]
    fn a_start_that_opens_nothing_leaves_both_logs_as_they_are() {
        let dir = tempfile::tempdir().expect("a folder");
        begin(dir.path(), MOST).note("first");
        begin(dir.path(), MOST).note("second");
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).expect("it is there");
        let was = (read(FORMER), read(NAME));
        let beginning = Beginning { folder: dir.path(), most: MOST, language: Language::En };
        for said in ["third", "fourth"] {
            Log::begin(&beginning).expect("a log").note(said);
            assert!(read(START).contains(said));
        }
        assert_eq!((read(FORMER), read(NAME)), was);
        begin(dir.path(), MOST);
        assert_eq!(read(FORMER), was.1);
    }

    #[test]
    fn a_log_that_is_full_says_so_once_and_takes_no_more() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = begin(dir.path(), 200);
        for n in 0..20 {
            log.note(&format!("line {n:05}"));
        }
        let text = fs::read_to_string(dir.path().join(NAME)).expect("it is there");
        let full = text.lines().filter(|line| line.starts_with("TSUG")).count();
        assert_eq!((full, text.lines().last().map(|l| l.starts_with("TSUG"))), (1, Some(true)));
        let kept = text.lines().filter(|line| line.contains(" line ")).count() as u64;
        assert!((3..=5).contains(&kept), "{text}");
        assert_eq!(log.lost(), 20 - kept);
    }
}
