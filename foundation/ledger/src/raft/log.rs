//! The log and the vote: in memory for reading, on disk before anything rests on them.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, PoisonError};

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader, StorageIOError};

use super::file::{File, damaged};
use super::records::{read_entry, read_log_id, read_vote, write_entry, write_log_id, write_vote};
use super::store::{Store, Write};
use super::types::{Entry, LogId, StorageError, Types, Vote};
use crate::StorageFailure;
use crate::format::{Reader, Unreadable, Writer, seal, unseal};

#[derive(Debug, Default)]
struct Kept {
    // Places `first..first + entries.len()`, without a hole.
    first: u64,
    entries: VecDeque<Entry>,
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
}

impl Kept {
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn last(&self) -> Option<LogId> {
        self.entries.back().map(|entry| entry.log_id).or(self.purged)
    }
}

/// The log of one voter. A clone reads and writes the same log.
#[derive(Clone)]
pub(crate) struct Log {
    kept: Arc<Mutex<Kept>>,
    store: Store,
}

/// Reads and checks everything the file holds of the log, before the file is used.
pub(crate) struct Loaded(Kept);

impl Loaded {
    /// The entries, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.entries.iter()
    }

    pub(crate) fn from(file: &File) -> Result<Self, StorageFailure> {
        let whole = |mut from: Reader<'_>| {
            let id = read_log_id(&mut from)?;
            from.end().map(|()| id)
        };
        let mut kept = Kept {
            vote: file.note("vote", |body| read_vote(&mut Reader::new(body)))?,
            committed: file.note("committed", |body| whole(Reader::new(body)))?,
            purged: file.note("purged", |body| whole(Reader::new(body)))?,
            ..Kept::default()
        };
        let records: Vec<(u64, Vec<u8>)> = file.sql(|connection| {
            let mut query = connection.prepare("SELECT place, record FROM log ORDER BY place")?;
            query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        let next = kept.purged.map_or(0, |id| id.index + 1);
        kept.first = records.first().map_or(next, |(place, _)| *place);
        let wrong = |place: u64, why: &Unreadable| {
            damaged(file.path(), &format!("entry {place} of the log"), why)
        };
        if kept.first > next {
            return Err(wrong(next, &Unreadable::Short));
        }
        for (at, (place, record)) in records.iter().enumerate() {
            let expected = kept.first + at as u64;
            if *place != expected {
                return Err(wrong(expected, &Unreadable::Short));
            }
            let entry = open_entry(*place, record).map_err(|why| wrong(*place, &why))?;
            kept.entries.push_back(entry);
        }
        // The tables may lose their last rows in silence; the count of writes names the end.
        let end = file.note("writes", |body| {
            let mut from = Reader::new(body);
            from.u64().and_then(|_| from.u64())
        })?;
        let there = if records.is_empty() { 0 } else { kept.end() };
        let committed = kept.committed.map_or(0, |id| id.index + 1);
        if end.is_some_and(|end| end != there) || committed > kept.end() {
            return Err(wrong(there, &Unreadable::Short));
        }
        Ok(Self(kept))
    }
}

fn open_entry(place: u64, record: &[u8]) -> Result<Entry, Unreadable> {
    let mut from = Reader::new(unseal(&place.to_le_bytes(), record)?);
    let entry = read_entry(&mut from)?;
    from.end()?;
    if entry.log_id.index == place { Ok(entry) } else { Err(Unreadable::Sum) }
}

/// The record of one entry of the log.
pub(crate) fn entry_record(entry: &Entry) -> Vec<u8> {
    let mut body = Writer::new();
    write_entry(&mut body, entry);
    seal(&entry.log_id.index.to_le_bytes(), &body.done())
}

/// The record of a note that names a place.
pub(crate) fn place_record(name: &str, id: &LogId) -> Vec<u8> {
    let mut body = Writer::new();
    write_log_id(&mut body, id);
    seal(name.as_bytes(), &body.done())
}

/// The record of a vote.
pub(crate) fn vote_record(vote: &Vote) -> Vec<u8> {
    let mut body = Writer::new();
    write_vote(&mut body, vote);
    seal(b"vote", &body.done())
}

pub(crate) fn as_io(failure: &StorageFailure) -> io::Error {
    io::Error::other(failure.clone())
}

impl Log {
    pub(crate) fn new(loaded: Loaded, store: Store) -> Self {
        Self { kept: Arc::new(Mutex::new(loaded.0)), store }
    }

    fn kept<T>(&self, with: impl FnOnce(&mut Kept) -> T) -> T {
        with(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A look at the end of the log that does not keep the file open.
    pub(crate) fn end(&self) -> LogEnd {
        LogEnd(Arc::clone(&self.kept))
    }
}

/// A look at the end of the log.
pub(crate) struct LogEnd(Arc<Mutex<Kept>>);

impl LogEnd {
    /// The place of the last entry.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last()
    }
}

/// How many bytes of entries one message carries before it takes no further entry.
const HEAVY: usize = 1 << 20;

fn weight(entry: &Entry) -> usize {
    let openraft::EntryPayload::Normal(batch) = &entry.payload else { return 64 };
    batch.0.iter().map(crate::Command::size).sum()
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let begin = match range.start_bound() {
            Bound::Included(place) => *place,
            Bound::Excluded(place) => place + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(place) => place + 1,
            Bound::Excluded(place) => *place,
            Bound::Unbounded => u64::MAX,
        };
        Ok(self.kept(|kept| {
            let begin = begin.clamp(kept.first, kept.end()) - kept.first;
            let end = end.clamp(kept.first, kept.end()) - kept.first;
            let range = begin as usize..(end as usize).max(begin as usize);
            kept.entries.range(range).cloned().collect()
        }))
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, StorageError> {
        let mut entries = self.try_get_log_entries(start..end).await?;
        let mut heavy = 0;
        let fits = entries.iter().take_while(|entry| {
            let before = heavy;
            heavy += weight(entry);
            before < HEAVY
        });
        let fits = fits.count();
        entries.truncate(fits);
        Ok(entries)
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        Ok(self.kept(|kept| LogState { last_purged_log_id: kept.purged, last_log_id: kept.last() }))
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let written = self.store.durable(Write::Note("vote", vote_record(vote))).await;
        written.map_err(|failure| StorageIOError::write_vote(&as_io(&failure)))?;
        self.kept(|kept| kept.vote = Some(*vote));
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.kept(|kept| kept.vote))
    }

    // Durable before anything is shown as applied: so a view never goes back over a restart.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        let Some(id) = committed else { return Ok(()) };
        let note = Write::Note("committed", place_record("committed", &id));
        let written = self.store.durable(note).await;
        written.map_err(|failure| StorageIOError::write(&as_io(&failure)))?;
        self.kept(|kept| kept.committed = Some(id));
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(self.kept(|kept| kept.committed))
    }

    async fn append<I>(&mut self, entries: I, done: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut records = Vec::new();
        let whole = self.kept(|kept| {
            for entry in entries {
                let place = entry.log_id.index;
                if kept.entries.is_empty() {
                    kept.first = place;
                }
                if place < kept.first || place > kept.end() {
                    return Err(place);
                }
                kept.entries.truncate((place - kept.first) as usize);
                records.push((place, entry_record(&entry)));
                kept.entries.push_back(entry);
            }
            Ok(())
        });
        if let Err(place) = whole {
            let hole = io::Error::other(format!("entry {place} would leave a hole in the log"));
            return Err(StorageIOError::write_logs(&hole).into());
        }
        let done = |result: Result<(), StorageFailure>| {
            done.log_io_completed(result.map_err(|failure| as_io(&failure)));
        };
        self.store.write(Write::Log(records), Box::new(done));
        Ok(())
    }

    async fn truncate(&mut self, id: LogId) -> Result<(), StorageError> {
        self.kept(|kept| {
            let left = id.index.saturating_sub(kept.first) as usize;
            kept.entries.truncate(left);
        });
        let written = self.store.durable(Write::Truncate(id.index)).await;
        Ok(written.map_err(|failure| StorageIOError::write_logs(&as_io(&failure)))?)
    }

    async fn purge(&mut self, id: LogId) -> Result<(), StorageError> {
        self.kept(|kept| {
            let gone = (id.index + 1).saturating_sub(kept.first) as usize;
            let gone = gone.min(kept.entries.len());
            kept.entries.drain(..gone);
            kept.first = id.index + 1;
            kept.purged = Some(id);
        });
        let written = self.store.durable(Write::Purge(id.index, place_record("purged", &id))).await;
        Ok(written.map_err(|failure| StorageIOError::write_logs(&as_io(&failure)))?)
    }
}
