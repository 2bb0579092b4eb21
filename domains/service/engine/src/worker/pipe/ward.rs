//! The one attendant of an engine, and whose worker each of its processes is.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tsugi_service_rules::worker::life::Exit;
use tsugi_worker::{Attendant, End, How, Notice, Number, Spawn, Streams, Tell};

use super::log::{Line, Log};
use crate::worker::{Ear, Heard};

/// Holds the processes of all workers of an engine. When the last of its clones is dropped, all of
/// them are killed, and it is waited some seconds until nothing of them is left.
#[derive(Clone, Debug)]
pub struct Ward(Arc<Held>);

#[derive(Debug)]
struct Held {
    attendant: Attendant,
    all: Arc<All>,
    last: AtomicU64,
}

/// Whose the processes are that were started and are not swept.
#[derive(Debug, Default)]
struct All {
    held: Mutex<BTreeMap<Number, Whose>>,
    /// One of them was swept.
    fewer: Condvar,
}

/// Whose a process is.
#[derive(Clone)]
struct Whose {
    ear: Ear,
    log: Log,
}

impl std::fmt::Debug for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.ear.fmt(f)
    }
}

impl Ward {
    /// Makes the place for the processes' folders and control groups, where this process may: what
    /// an earlier life has left there is ended and removed first. `name` is this engine's alone on
    /// this machine; `folder` is its own, can be gone through by the users of its workers, and all
    /// in it is removed.
    ///
    /// # Errors
    /// The folder cannot be made or is not its own, or there is no thread.
    pub fn claim(name: &str, folder: PathBuf) -> io::Result<Self> {
        Self::with(|tell| Attendant::begin(name, folder, tell))
    }

    /// The same with an attendant over a place that was made otherwise.
    ///
    /// # Errors
    /// Those of `begin`.
    pub fn with(begin: impl FnOnce(Tell) -> io::Result<Attendant>) -> io::Result<Self> {
        let all = Arc::new(All::default());
        let told = all.clone();
        let attendant = begin(Box::new(move |notice| told.tell(notice)))?;
        Ok(Self(Arc::new(Held { attendant, all, last: AtomicU64::new(0) })))
    }

    /// Has a process started, and gives its pipes at once. What is seen of it goes to its ear, also
    /// that it could not be started.
    ///
    /// # Errors
    /// There are no pipes; nothing is started and nothing will be heard.
    pub(super) fn hold(
        &self,
        spawn: &Spawn,
        (ear, log): (Ear, Log),
    ) -> io::Result<(Number, Streams)> {
        let Held { attendant, all, last } = &*self.0;
        let number = Number(last.fetch_add(1, Ordering::Relaxed) + 1);
        all.lock().insert(number, Whose { ear, log });
        match attendant.hold(number, spawn) {
            Ok(streams) => Ok((number, streams)),
            Err(error) => {
                all.lock().remove(&number);
                Err(error)
            }
        }
    }

    /// Waits until of no process anything is left, for so long at most; whether that is so. Until
    /// then what it ran may be open, and with that the volume where it lies.
    #[must_use]
    pub fn is_empty_within(&self, limit: Duration) -> bool {
        let All { held, fewer } = &*self.0.all;
        let all = held.lock().expect("nobody dies with the lock");
        let waited = fewer.wait_timeout_while(all, limit, |all| !all.is_empty());
        !waited.expect("nobody dies with the lock").1.timed_out()
    }

    /// Kills a process and all that it started. It is heard to have ended, then that it is swept.
    pub(super) fn end(&self, number: Number) {
        self.0.attendant.end(number);
    }
}

impl All {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Number, Whose>> {
        self.held.lock().expect("nobody dies with the lock")
    }

    /// On the attendant's thread.
    fn tell(&self, notice: Notice) {
        let (Notice::Printed(number, _)
        | Notice::Flood(number)
        | Notice::Memory(number)
        | Notice::Ended(number, _)
        | Notice::FolderStays(number, ..)
        | Notice::Swept(number)) = notice;
        let Some(Whose { ear, log }) = self.lock().get(&number).cloned() else { return };
        match notice {
            Notice::Printed(_, bytes) => log(Line::Printed(&bytes)),
            Notice::Flood(_) => ear.hear(Heard::Flood),
            Notice::Memory(_) => ear.hear(Heard::Memory),
            Notice::Ended(_, end) => {
                let (exit, last) = ended(&end);
                ear.hear(Heard::Ended(exit, last));
            }
            Notice::FolderStays(_, folder, why) => log(Line::FolderStays(&folder, why)),
            Notice::Swept(_) => {
                let whose = self.lock().remove(&number);
                ear.hear(Heard::Swept);
                // Its log may be a file of the volume: first that, then whoever waits.
                drop((log, whose));
                self.fewer.notify_all();
            }
        }
    }
}

/// How a process has ended, and what is known of it.
fn ended(end: &End) -> (Exit, String) {
    match &end.how {
        How::NotStarted(why) => (Exit::Code(-1), why.to_string()),
        How::Exited(code) => (Exit::Code(*code), end.last.join("\n")),
        How::Signalled(signal) => (Exit::Signal(*signal), end.last.join("\n")),
    }
}
