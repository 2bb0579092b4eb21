//! The log of the store, copied into its file: beside the writer as far as that goes, and the rest
//! between two sittings, so that the log begins anew and stays short while calls come.
//!
//! What was never caught up with would grow for ever: while one copies, another writes. So the
//! thread beside does the large part, and the core, which writes, what is left then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use tsugi_store::{Checkpointed, Checkpoints, Trouble};

use super::Letter;
use super::hall::Hall;
use crate::fatal::Fatal;
use crate::inbox::Inbox;
use crate::open::Log;

/// How often it is copied beside the writer at most, before the writer waits for the rest.
const ROUNDS: usize = 3;
/// So many pages are little enough for the writer to wait for: one MiB, some milliseconds.
const REST: u64 = 256;

/// A log that is so many times as long as it may grow is far too long.
const LONG: u64 = 4;

/// What the thread is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Sleep,
    Copy,
    End,
}

/// How far a copy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// None is under way.
    None,
    /// The thread is at it.
    Beside,
    /// The rest waits for the end of a sitting.
    Rest,
}

/// The copies of one store's log.
pub(super) struct Copies {
    logged: Arc<AtomicU64>,
    between: Checkpoints,
    task: Arc<(Mutex<Task>, Condvar)>,
    thread: Option<JoinHandle<()>>,
    stage: Stage,
    /// How many pages the log may have grown by, until it is copied.
    most: u64,
    /// How many it had when it was copied last.
    at: u64,
    held: Held,
}

/// Whether a log that is far too long is held back by who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    No,
    Yes,
}

impl Copies {
    /// Starts the thread that copies beside the writer.
    pub(super) fn start(log: Log, most: u64, inbox: Arc<Inbox<Letter>>) -> std::io::Result<Self> {
        let Log { logged, beside, between } = log;
        let task = Arc::new((Mutex::new(Task::Sleep), Condvar::new()));
        let (own, count) = (task.clone(), logged.clone());
        let work = move |inbox: &Inbox<Letter>| run(&own, &beside, &count, inbox);
        let thread = super::beside("log".to_owned(), inbox, work)?;
        let (thread, stage, held) = (Some(thread), Stage::None, Held::No);
        Ok(Self { logged, between, task, thread, stage, most, at: 0, held })
    }

    /// Something was committed, or found no room: looks whether the log is long.
    pub(super) fn look(&mut self) {
        let pages = self.logged.load(Ordering::Relaxed);
        if pages < self.at {
            // It has begun anew.
            self.at = 0;
        }
        if self.stage == Stage::None && pages >= self.at.saturating_add(self.most) {
            self.stage = Stage::Beside;
            self.tell(Task::Copy);
        }
    }

    /// The thread has copied what it could.
    pub(super) fn copied(&mut self, copied: Result<(), Trouble>) -> Result<(), Fatal> {
        self.stage = match copied {
            Ok(()) => Stage::Rest,
            Err(trouble) => return self.over(Err(trouble)),
        };
        Ok(())
    }

    /// Whether the rest is to be copied before the next sitting, where so many calls read.
    pub(super) fn is_due(&self, read: usize) -> bool {
        self.stage == Stage::Rest || (self.held == Held::Yes && read == 0)
    }

    /// Whether no further call may begin to read: those that overlap without end would hold the
    /// log back for ever. It is so until those that do have ended.
    pub(super) fn is_held(&self) -> bool {
        self.held == Held::Yes
    }

    /// Copies the rest, where so many calls read. Nobody writes meanwhile.
    pub(super) fn finish(&mut self, read: usize) -> Result<(), Fatal> {
        let done = self.between.run();
        let back = matches!(done, Ok(Checkpointed { pages, copied }) if copied < pages);
        let long = self.logged.load(Ordering::Relaxed) >= self.most.saturating_mul(LONG);
        // Whoever else reads is not ours to wait for.
        self.held = if back && long && read > 0 { Held::Yes } else { Held::No };
        self.over(done.map(drop))
    }

    /// A copy is over. What a reader has held back, and what found no room, is tried again when the
    /// log has grown.
    fn over(&mut self, done: Result<(), Trouble>) -> Result<(), Fatal> {
        self.stage = Stage::None;
        self.at = self.logged.load(Ordering::Relaxed);
        match done {
            Ok(()) | Err(Trouble::Full | Trouble::Again) => Ok(()),
            // What the file has is not known any more.
            Err(trouble) => Err(Fatal::Broken(trouble.to_string())),
        }
    }

    /// Nothing writes to the store's files when this has returned.
    pub(super) fn close(&mut self) {
        self.tell(Task::End);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }

    fn tell(&self, task: Task) {
        let (told, moved) = &*self.task;
        *told.lock().expect("nobody dies with the lock") = task;
        moved.notify_one();
    }
}

impl Hall {
    /// Something was written, or found no room.
    pub(super) fn look_at_log(&mut self) {
        if let Some(copies) = &mut self.copies {
            copies.look();
        }
    }

    /// Whether the rest of the log is to be copied before the next sitting.
    pub(super) fn is_copy_due(&self) -> bool {
        let read = self.readings.open();
        self.copies.as_ref().is_some_and(|copies| copies.is_due(read))
    }
}

fn run(
    task: &(Mutex<Task>, Condvar),
    beside: &Checkpoints,
    logged: &AtomicU64,
    inbox: &Inbox<Letter>,
) {
    let (told, moved) = task;
    loop {
        {
            let told = told.lock().expect("nobody dies with the lock");
            let mut told = moved
                .wait_while(told, |task| *task == Task::Sleep)
                .expect("nobody dies with the lock");
            if *told == Task::End {
                return;
            }
            *told = Task::Sleep;
        }
        let copied = copy(beside, logged);
        // An engine that has ended hears nothing, and needs nothing.
        drop(inbox.put(Letter::Copied(copied)));
    }
}

/// Copies until little is left, or until it is clear that the writer is faster.
fn copy(beside: &Checkpoints, logged: &AtomicU64) -> Result<(), Trouble> {
    for _ in 0..ROUNDS {
        let Checkpointed { copied, .. } = beside.run()?;
        let copied = u64::try_from(copied).unwrap_or(0);
        if logged.load(Ordering::Relaxed) <= copied.saturating_add(REST) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tsugi_store::{Claim, OpenRefused, Sqlite, Store, suite};

    use super::*;

    struct Founded<'a>(&'a Path);

    impl suite::Stand for Founded<'_> {
        fn open(&mut self, claim: &Claim) -> Result<Box<dyn Store>, OpenRefused> {
            Ok(Box::new(Sqlite::open(self.0, claim)?))
        }
        fn bytes(&self) -> &'static str {
            "BLOB"
        }
        fn taken_over(&mut self, _: &Claim) {}
    }

    /// What is told once the thread has copied what it could.
    fn beside(inbox: &Inbox<Letter>) -> Result<(), Trouble> {
        loop {
            inbox.wait(&[], None, None);
            match inbox.take().pop() {
                Some(Letter::Copied(copied)) => return copied,
                Some(_) => panic!("nobody else writes"),
                None => {}
            }
        }
    }

    #[test]
    fn what_was_written_while_another_copied_is_copied_between_two_sittings() {
        let folder = tempfile::TempDir::new().expect("a folder");
        drop(suite::founded(&mut Founded(folder.path())));
        let mut store = Sqlite::open(folder.path(), &suite::claim(5, 1)).expect("it opens");
        let inbox = Arc::new(Inbox::new());
        let log = Log::of(&store).expect("it opens");
        let mut copies = Copies::start(log, 1, inbox.clone()).expect("it starts");
        let mut count = |n| {
            suite::counted(&mut store, &suite::call(suite::serial(n, 1), 1), n);
            store.logged().load(Ordering::Relaxed)
        };
        count(1);
        copies.look();
        beside(&inbox).expect("it is copied");
        // The writer was faster, so the log goes on.
        let longer = count(2);
        copies.copied(Ok(())).expect("there is a rest");
        assert!(copies.is_due(0));
        let longest = count(3);
        assert!(longest > longer, "{longest} {longer}");
        copies.finish(0).expect("it is copied");
        assert!(!copies.is_due(0));
        let anew = count(4);
        assert!(anew < longest, "{anew} {longest}");
        copies.close();
    }

    #[test]
    fn a_copy_that_finds_no_room_is_made_again_and_one_that_fails_ends_the_process() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let store = Sqlite::open(folder.path(), &suite::claim(5, 1)).expect("it opens");
        let log = Log::of(&store).expect("it opens");
        let mut copies = Copies::start(log, 1, Arc::new(Inbox::new())).expect("it starts");
        assert_eq!(copies.copied(Err(Trouble::Full)), Ok(()));
        assert!(!copies.is_due(0));
        let broken = copies.copied(Err(Trouble::Broken("no sync".to_owned())));
        assert!(matches!(broken, Err(Fatal::Broken(_))), "{broken:?}");
        copies.close();
    }

    #[test]
    fn a_panic_of_the_thread_that_copies_is_heard() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let store = Sqlite::open(folder.path(), &suite::claim(5, 1)).expect("it opens");
        let inbox = Arc::new(Inbox::new());
        let log = Log::of(&store).expect("it opens");
        let copies = Copies::start(log, 1, inbox.clone()).expect("it starts");
        let (task, moved) = &*copies.task;
        // Somebody dies with the lock: nobody says what is to be done any more.
        let dies = || {
            let _held = task.lock();
            panic!("as it was told to");
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(dies)).is_err());
        moved.notify_one();
        let heard = loop {
            inbox.wait(&[], None, None);
            if let Some(letter) = inbox.take().pop() {
                break letter;
            }
        };
        assert!(matches!(heard, Letter::Panicked(_)));
    }
}
