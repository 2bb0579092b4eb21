//! A file that was changed or cut is reported, or holds everything that was acknowledged.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use openraft::storage::RaftLogStorage;
use openraft::{EntryPayload, RaftLogReader};
use tempfile::TempDir;

use super::file::{File, Owner};
use super::log::{Loaded, Log, entry_record, place_record, vote_record};
use super::machine::{self, State, first_snapshot};
use super::store::{Store, Write, at_once};
use super::types::{Batch, Entry, LogId, Vote};
use crate::format::{Writer, seal};
use crate::{Change, ClusterId, Command, Failure, Key, StorageFailure, View, VoterId};

const OWNER: Owner = Owner { cluster: ClusterId(5), voter: VoterId(2) };

fn entry(index: u64) -> Entry {
    let leader = openraft::CommittedLeaderId::new(3, 2);
    let key = Key::new(&format!("group/G{index}")).unwrap();
    let change = Change::new().write(key, vec![1; 40]);
    let payload = EntryPayload::Normal(Batch(vec![Command::Change(change)]));
    Entry { log_id: LogId::new(leader, index), payload }
}

/// Everything a file says: the number of its writes, the log, the vote, the state.
type Content = (u64, Vec<String>, Option<Vote>, Option<LogId>, State);

fn content(directory: &Path) -> Result<Content, StorageFailure> {
    let file = File::open(directory, OWNER)?;
    let loaded = Loaded::from(&file)?;
    let (_, state) = machine::load(&file)?;
    file.abandon();
    let writes = file.writes;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut log = Log::new(loaded, Store::start(file));
    runtime.block_on(async {
        let entries = log.try_get_log_entries(..).await.unwrap();
        let entries = entries.iter().map(|entry| format!("{entry:?}")).collect();
        let (vote, committed) = (log.read_vote().await.unwrap(), log.read_committed().await);
        Ok((writes, entries, vote, committed.unwrap(), state))
    })
}

/// The directory of the ledger within a directory that is cleared away afterwards.
fn in_it(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("ledger")
}

/// A file as a power loss leaves it, after writes of every kind.
fn written() -> TempDir {
    let directory = TempDir::new().unwrap();
    let mut file = File::create(&in_it(&directory), OWNER).unwrap();
    let state = State { view: View::founded(4), ..State::default() };
    at_once(&mut file, first_snapshot(&state)).unwrap();
    at_once(&mut file, vec![Write::Note("vote", vote_record(&Vote::new(3, 2)))]).unwrap();
    for index in 0..12 {
        let record = entry_record(&entry(index));
        at_once(&mut file, vec![Write::Log(vec![(index, record)])]).unwrap();
        let place = place_record("committed", &entry(index).log_id);
        at_once(&mut file, vec![Write::Note("committed", place)]).unwrap();
    }
    file.note_seen();
    file.abandon();
    directory
}

fn copy(from: &TempDir) -> TempDir {
    let to = TempDir::new().unwrap();
    fs::create_dir(in_it(&to)).unwrap();
    for entry in fs::read_dir(in_it(from)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), in_it(&to).join(entry.file_name())).unwrap();
    }
    to
}

fn refused(failure: &StorageFailure) -> bool {
    matches!(failure, StorageFailure::Damaged { .. } | StorageFailure::TooNew { .. })
}

#[test]
fn a_file_with_any_byte_changed_is_reported_or_holds_everything_acknowledged() {
    let original = written();
    let expected = content(&in_it(&copy(&original))).unwrap();
    let (mut reported, mut whole) = (0, 0);
    for name in ["ledger.db", "ledger.db-wal"] {
        let bytes = fs::read(in_it(&original).join(name)).unwrap();
        for place in (0..bytes.len()).step_by(1009) {
            let changed = copy(&original);
            let mut bytes = bytes.clone();
            bytes[place] ^= 0x41;
            fs::write(in_it(&changed).join(name), bytes).unwrap();
            match content(&in_it(&changed)) {
                Ok(found) => {
                    assert_eq!(found, expected, "byte {place} of {name}");
                    whole += 1;
                }
                Err(failure) => {
                    assert!(refused(&failure), "byte {place} of {name}: {failure}");
                    reported += 1;
                }
            }
        }
    }
    assert!(reported > 50 && whole > 0, "{reported} reported, {whole} harmless");
}

#[test]
fn a_file_cut_before_the_last_acknowledged_write_is_reported() {
    let original = written();
    let wal = fs::read(in_it(&original).join("ledger.db-wal")).unwrap();
    for length in (0..wal.len()).step_by(4001) {
        let cut = copy(&original);
        fs::write(in_it(&cut).join("ledger.db-wal"), &wal[..length]).unwrap();
        let failure = content(&in_it(&cut)).expect_err("a write that was acknowledged is gone");
        assert!(refused(&failure), "cut at {length}: {failure}");
    }
}

#[test]
fn a_torn_tail_after_the_last_acknowledged_write_is_cut() {
    let original = written();
    let mut file = File::open(&in_it(&original), OWNER).unwrap();
    let expected = file.writes;
    let before = fs::metadata(in_it(&original).join("ledger.db-wal")).unwrap().len();
    at_once(&mut file, vec![Write::Log(vec![(12, entry_record(&entry(12)))])]).unwrap();
    file.abandon();
    drop(file);
    let torn = fs::OpenOptions::new().write(true).open(in_it(&original).join("ledger.db-wal"));
    torn.unwrap().set_len(before + 3_000).unwrap();
    let found = content(&in_it(&original)).expect("the torn write was not acknowledged");
    assert_eq!(found.0, expected);
    assert_eq!(found.1.len(), 12);
}

#[test]
fn a_file_that_is_missing_foreign_in_use_or_newer_is_named_as_such() {
    let nowhere = TempDir::new().unwrap();
    assert!(matches!(File::open(&in_it(&nowhere), OWNER), Err(StorageFailure::Missing { .. })));
    let directory = written();
    let other = Owner { voter: VoterId(3), ..OWNER };
    assert!(matches!(File::open(&in_it(&directory), other), Err(StorageFailure::Foreign { .. })));
    assert!(matches!(File::create(&in_it(&directory), OWNER), Err(StorageFailure::Exists { .. })));
    let file = File::open(&in_it(&directory), OWNER).unwrap();
    assert!(matches!(File::open(&in_it(&directory), OWNER), Err(StorageFailure::InUse { .. })));
    let mut newer = seal(b"owner", Writer::new().u128(5).voter(VoterId(2)).so_far());
    newer[0] = crate::FORMAT + 1;
    let length = newer.len() - 4;
    let sum = crate::format::crc32c(&[b"owner", &newer[..length]].concat());
    newer[length..].copy_from_slice(&sum.to_le_bytes());
    let put = "UPDATE note SET record = ?1 WHERE name = 'owner'";
    file.sql(|connection| connection.execute(put, [newer])).unwrap();
    drop(file);
    assert!(matches!(File::open(&in_it(&directory), OWNER), Err(StorageFailure::TooNew { .. })));
    let not_a_directory = in_it(&directory).join("ledger.seen");
    let made = File::create(&not_a_directory.join("x"), OWNER);
    assert!(matches!(made, Err(StorageFailure::Io { .. })));
}

async fn sabotage(store: &Store, pragma: &'static str, value: i64) {
    let done = store.read(move |file| {
        file.sql(|connection| {
            let ask = format!("PRAGMA {pragma} = {value}");
            connection.query_row(&ask, [], |_| Ok(())).or_else(|error| match error {
                rusqlite::Error::QueryReturnedNoRows => Ok(()),
                other => Err(other),
            })
        })
    });
    done.await.unwrap();
}

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

async fn fails(pragma: &'static str, value: i64) -> (Failure, TempDir) {
    let directory = written();
    let store = Store::start(File::open(&in_it(&directory), OWNER).unwrap());
    sabotage(&store, pragma, value).await;
    let large = Write::Part { slot: 1, part: 0, bytes: vec![0; 300_000] };
    let failure = store.durable(large).await.unwrap_err();
    let told = store.failing().borrow().clone();
    assert_eq!(told, Some(Failure::Storage(failure.clone())));
    // Everything works again, and still nothing is written: what the failed sync left behind in
    // memory is not what is on the disk.
    let after = store.durable(Write::Truncate(3)).await;
    assert_eq!(after, Err(failure.clone()));
    let mut closed = store.closed();
    drop(store);
    closed.wait_for(|closed| *closed).await.unwrap();
    (Failure::Storage(failure), directory)
}

#[test]
fn a_full_disk_ends_the_use_of_the_file_and_loses_nothing() {
    let expected = content(&in_it(&written())).unwrap();
    let (failure, directory) = now(fails("max_page_count", 20));
    assert!(matches!(failure, Failure::Storage(StorageFailure::Full { .. })), "{failure}");
    assert_eq!(content(&in_it(&directory)).unwrap(), expected);
}

#[test]
fn a_refused_write_ends_the_use_of_the_file_and_loses_nothing() {
    let expected = content(&in_it(&written())).unwrap();
    let (failure, directory) = now(fails("query_only", 1));
    assert!(matches!(failure, Failure::Storage(StorageFailure::Io { .. })), "{failure}");
    assert_eq!(content(&in_it(&directory)).unwrap(), expected);
}

#[test]
fn a_file_whose_making_was_interrupted_is_made_again() {
    let directory = TempDir::new().unwrap();
    fs::create_dir(in_it(&directory)).unwrap();
    fs::write(in_it(&directory).join("ledger.db"), b"").unwrap();
    assert!(matches!(File::open(&in_it(&directory), OWNER), Err(StorageFailure::Missing { .. })));
    drop(File::create(&in_it(&directory), OWNER).unwrap());
    assert!(File::open(&in_it(&directory), OWNER).is_ok());
}

#[tokio::test]
async fn what_waits_is_written_with_one_sync() {
    let directory = written();
    let store = Store::start(File::open(&in_it(&directory), OWNER).unwrap());
    let before = store.read(|file| Ok(file.writes)).await.unwrap();
    let gate = Arc::new(std::sync::Barrier::new(2));
    let held = Arc::clone(&gate);
    let reading = store.clone();
    let hold = tokio::spawn(async move {
        let wait = move |_: &File| Ok(held.wait().is_leader());
        reading.read(wait).await.unwrap();
    });
    tokio::task::yield_now().await;
    let writes: Vec<_> = (12..40)
        .map(|index| {
            let store = store.clone();
            let record = entry_record(&entry(index));
            tokio::spawn(async move { store.durable(Write::Log(vec![(index, record)])).await })
        })
        .collect();
    tokio::task::yield_now().await;
    gate.wait();
    hold.await.unwrap();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    let after = store.read(|file| Ok(file.writes)).await.unwrap();
    assert!(after - before <= 2, "28 writes took {} transactions", after - before);
}
