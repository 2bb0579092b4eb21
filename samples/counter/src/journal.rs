//! The journal on the volume: the number and the last replies, in one durable write.
//!
//! A file of fixed size, filled from the front: first a record with all that is kept, then one
//! record a batch. Its blocks exist before they are used, so a write needs one flush and no change
//! of metadata. A full file is replaced by a new one under the same name.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::epoch_file::sync_directory;
use crate::kept::{CallId, Kept, Known, Reply};
use crate::record::{self, Entry, Found};
use crate::{CounterError, Doing};

/// The journal's name on the volume.
const NAME: &str = "counter.journal";
/// How the next file is called until it is whole.
const NEXT_NAME: &str = "counter.journal.next";
/// Room for records behind the first one.
const ROOM: usize = 1 << 20;
/// How many replies are kept if nothing else is said.
pub const DEFAULT_KEPT: usize = 4096;

/// Whether a reply waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Every record is on the disk before its replies are given.
    Synced,
    /// Replies do not wait: a planted fault that a rehearsal must catch.
    UnsafeNoSync,
}

/// The open journal of one volume.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    file: File,
    /// Where the next record goes.
    place: usize,
    /// How long the file is; nothing is written behind it.
    size: usize,
    number: u64,
    kept: Kept,
    durability: Durability,
}

/// How a call is to be answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With this line.
    Line(String),
    /// It is too old to tell whether it had a number.
    Forgotten,
}

impl Journal {
    /// Begins a journal at number 0 in `dir`; one that is there already is left as it is.
    ///
    /// # Errors
    /// A failing disk.
    pub fn create(dir: &Path) -> Result<(), CounterError> {
        let exists = dir.join(NAME).try_exists().doing(|| format!("look for {NAME}"))?;
        if !exists {
            begin_file(dir, &[Entry::Start { number: 0 }])?;
        }
        Ok(())
    }

    /// Opens the journal in `dir` and reads back what it holds. A last record that was never
    /// finished is cut off: its calls were not answered.
    ///
    /// # Errors
    /// A missing or damaged journal; a failing disk.
    pub fn open(dir: &Path, kept: usize, durability: Durability) -> Result<Self, CounterError> {
        let path = dir.join(NAME);
        let name = path.display().to_string();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .doing(|| format!("open {name} (a new volume needs --create)"))?;
        let bytes = fs::read(&path).doing(|| format!("read {name}"))?;
        let damaged = |why: String| CounterError::Damaged { path: name.clone(), why };
        let mut journal = Self {
            dir: dir.to_owned(),
            file,
            place: 0,
            size: bytes.len(),
            number: 0,
            kept: Kept::new(kept),
            durability,
        };
        let torn = loop {
            match record::decode(&bytes, journal.place) {
                Found::Whole { entries, next } => {
                    let started = journal.place > 0;
                    journal.take(entries, started).map_err(damaged)?;
                    journal.place = next;
                }
                Found::Empty => break false,
                Found::Torn => break true,
            }
        };
        if journal.place == 0 {
            return Err(damaged("holds no first record".into()));
        }
        if record::later_record(&bytes, journal.place) {
            return Err(damaged(format!("the record at byte {} is damaged", journal.place)));
        }
        if torn {
            journal.renew()?;
        }
        Ok(journal)
    }

    /// Takes the entries of one record into memory, checking that the numbers follow each other.
    fn take(&mut self, entries: Vec<Entry>, started: bool) -> Result<(), String> {
        for entry in entries {
            match entry {
                Entry::Start { number } if !started => self.number = number,
                Entry::Start { .. } => return Err("a second first record".into()),
                Entry::Dropped { client, serial } => self.kept.note_dropped(client, serial),
                Entry::Given(reply) if started && reply.number != self.number + 1 => {
                    return Err(format!("number {} follows {}", reply.number, self.number));
                }
                Entry::Given(reply) => {
                    self.number = self.number.max(reply.number);
                    self.kept.keep(reply);
                }
            }
        }
        Ok(())
    }

    /// The last number given.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Answers a batch of calls: new ones get the next numbers and one durable record for all.
    /// `line` makes the reply line of a number and its call.
    ///
    /// # Errors
    /// A failing disk. Nothing of the batch may be answered then, and the process must end: what
    /// is on the disk is known only when it is read back.
    pub(crate) fn answer(
        &mut self,
        calls: &[CallId],
        line: &dyn Fn(u64, &CallId) -> String,
    ) -> Result<Vec<Answer>, CounterError> {
        let mut entries = Vec::new();
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls {
            answers.push(match self.kept.find(call) {
                Known::Answered(reply) => Answer::Line(reply.line.clone()),
                Known::Forgotten => Answer::Forgotten,
                Known::New => {
                    self.number += 1;
                    let number = self.number;
                    let reply = Reply { call: call.clone(), number, line: line(number, call) };
                    entries.push(Entry::Given(reply.clone()));
                    self.kept.keep(reply.clone());
                    Answer::Line(reply.line)
                }
            });
        }
        if !entries.is_empty() {
            self.write(&entries)?;
        }
        Ok(answers)
    }

    fn write(&mut self, entries: &[Entry]) -> Result<(), CounterError> {
        let bytes = record::encode(entries, self.place);
        if self.place + bytes.len() > self.size {
            // The new file's first record holds these replies too.
            return self.renew();
        }
        let at = self.place as u64;
        self.file.write_all_at(&bytes, at).doing(|| format!("write {NAME}"))?;
        match self.durability {
            Durability::Synced => self.file.sync_data().doing(|| format!("fdatasync {NAME}"))?,
            Durability::UnsafeNoSync => {}
        }
        self.place += bytes.len();
        Ok(())
    }

    /// Replaces the file by one that begins with all that is kept.
    fn renew(&mut self) -> Result<(), CounterError> {
        let mut entries = vec![Entry::Start { number: self.number }];
        entries.extend(
            self.kept
                .dropped()
                .map(|(client, serial)| Entry::Dropped { client: client.to_owned(), serial }),
        );
        entries.extend(self.kept.replies().cloned().map(Entry::Given));
        let begun = begin_file(&self.dir, &entries)?;
        (self.file, self.place, self.size) = (begun.file, begun.place, begun.size);
        Ok(())
    }
}

struct Begun {
    file: File,
    place: usize,
    size: usize,
}

/// Writes a new file with `entries` as its first record, durable under its name when it returns.
fn begin_file(dir: &Path, entries: &[Entry]) -> Result<Begun, CounterError> {
    let (path, next) = (dir.join(NAME), dir.join(NEXT_NAME));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&next)
        .doing(|| format!("create {}", next.display()))?;
    let mut bytes = record::encode(entries, 0);
    let place = bytes.len();
    bytes.resize(place + ROOM, 0);
    file.write_all_at(&bytes, 0).doing(|| format!("write {}", next.display()))?;
    file.sync_all().doing(|| format!("fsync {}", next.display()))?;
    fs::rename(&next, &path).doing(|| format!("rename {}", next.display()))?;
    sync_directory(dir)?;
    Ok(Begun { file, place, size: bytes.len() })
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
