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

/// Is told, on the attendant's thread, that a process has ended that was started early.
pub type Bell = Arc<dyn Fn() + Send + Sync>;

/// Whose a process is.
#[derive(Clone)]
enum Whose {
    /// An engine's worker.
    Worker(Ear, Log),
    /// Nobody's yet: it was started before there is an engine.
    Early(Bell, Log),
    /// Nobody's, and it has ended or is no good.
    Over,
}

impl std::fmt::Debug for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Worker(ear, _) => ear.fmt(f),
            Self::Early(..) => f.write_str("Early"),
            Self::Over => f.write_str("Over"),
        }
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
        self.hold_for(spawn, Whose::Worker(ear, log))
    }

    /// Has a process started that is nobody's yet. What it prints is for this log.
    ///
    /// # Errors
    /// There are no pipes; nothing is started.
    pub(super) fn hold_early(
        &self,
        spawn: &Spawn,
        (bell, log): (Bell, Log),
    ) -> io::Result<(Number, Streams)> {
        self.hold_for(spawn, Whose::Early(bell, log))
    }

    /// Gives a process that was nobody's to a worker of an engine; whether it still runs. From
    /// here on what is seen of it goes to that ear.
    pub(super) fn takes(&self, number: Number, (ear, log): (Ear, Log)) -> bool {
        match self.0.all.lock().get_mut(&number) {
            Some(whose @ Whose::Early(..)) => {
                *whose = Whose::Worker(ear, log);
                true
            }
            Some(Whose::Worker(..) | Whose::Over) | None => false,
        }
    }

    /// Whether a process is nobody's and still runs.
    pub(super) fn is_early(&self, number: Number) -> bool {
        matches!(self.0.all.lock().get(&number), Some(Whose::Early(..)))
    }

    fn hold_for(&self, spawn: &Spawn, whose: Whose) -> io::Result<(Number, Streams)> {
        let Held { attendant, all, last } = &*self.0;
        let number = Number(last.fetch_add(1, Ordering::Relaxed) + 1);
        all.lock().insert(number, whose);
        match attendant.hold(number, spawn) {
            Ok(streams) => Ok((number, streams)),
            Err(error) => {
                all.lock().remove(&number);
                Err(error)
            }
        }
    }

    /// Waits until of no engine's process anything is left, for so long at most; whether that is
    /// so. Until then what it ran may be open, and with that the volume where it lies. One that is
    /// nobody's has nothing of a volume.
    #[must_use]
    pub fn is_empty_within(&self, limit: Duration) -> bool {
        let All { held, fewer } = &*self.0.all;
        let all = held.lock().expect("nobody dies with the lock");
        let is_worker = |whose: &Whose| matches!(whose, Whose::Worker(..));
        let some = |all: &mut BTreeMap<Number, Whose>| all.values().any(is_worker);
        let waited = fewer.wait_timeout_while(all, limit, some);
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
        let whose = self.lock().get(&number).cloned();
        let (ear, log) = match whose {
            Some(Whose::Worker(ear, log)) => (ear, log),
            Some(Whose::Early(bell, log)) => return self.tell_early(notice, &(bell, log)),
            Some(Whose::Over) => return self.tell_over(&notice),
            None => return,
        };
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

    /// Something is seen of a process that was nobody's when it was looked up.
    fn tell_early(&self, notice: Notice, (bell, log): &(Bell, Log)) {
        match notice {
            Notice::Printed(_, bytes) => log(Line::Printed(&bytes)),
            Notice::FolderStays(_, folder, why) => log(Line::FolderStays(&folder, why)),
            Notice::Flood(number)
            | Notice::Memory(number)
            | Notice::Ended(number, _)
            | Notice::Swept(number) => {
                let mut all = self.lock();
                match all.get_mut(&number) {
                    Some(whose @ Whose::Early(..)) => *whose = Whose::Over,
                    // An engine has taken it between: it hears this.
                    Some(Whose::Worker(..)) => {
                        drop(all);
                        return self.tell(notice);
                    }
                    Some(Whose::Over) | None => {}
                }
                drop(all);
                bell();
            }
        }
    }

    /// Something is seen of one that is over: until it is swept its number stays its own.
    fn tell_over(&self, notice: &Notice) {
        if let Notice::Swept(number) = notice {
            self.lock().remove(number);
            self.fewer.notify_all();
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
