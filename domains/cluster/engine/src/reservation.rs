//! Takes a volume that its storage keeps for one node, and looks whether it is kept still, each as
//! a process of its own: `tsugi reserving take|watch DEVICE KEY MILLIS`.
//!
//! Both are started by the hands like a script of their group, as root: the first is killed at its
//! limit, the second runs as long as the volume is mounted, and its end is a failure of the volume.
//! What is done next is the rules' table.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tsugi_cluster_rules::reservation::{Held, Key, Next, Obstacle, Seen, SoFar, held, next};
use tsugi_host::reservation::{Disk, Fault, Registered, Use};
use tsugi_vocabulary::Span;

use crate::aside::{self, AHEAD, ExitCodes, NONSENSE};

/// The word of the command line that calls it.
pub const WORD: &str = "reserving";
/// What keeps it from what it was told.
const OBSTACLES: ExitCodes<Obstacle> = ExitCodes {
    first: 80,
    of: &[
        Obstacle::Foreign,
        Obstacle::Newer,
        Obstacle::Lost,
        Obstacle::Unable,
        Obstacle::NotWhole,
        Obstacle::InUse,
        Obstacle::Failed,
    ],
};
/// How often what is kept is looked at. The storage refuses whoever has lost it at once, whenever
/// that is seen here.
pub const EVERY: Span = Span::secs(2);
/// How long after a command that was not done the disk is looked at again.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a disk that comes late, or does not do what it is told, is tried with.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take it from whoever has it.
    Take,
    /// Look whether it is kept still, until it is not.
    Watch,
}

/// The words after [`WORD`] that do `action` with a disk; one that takes has `limit` for it.
#[must_use]
pub fn words(action: Action, (device, key): (&Path, Key), limit: Span) -> Vec<String> {
    let word = match action {
        Action::Take => "take",
        Action::Watch => "watch",
    };
    let device = device.to_string_lossy().into_owned();
    vec![word.to_owned(), device, key.to_string(), limit.as_millis().to_string()]
}

/// What an exit code of it says.
#[must_use]
pub fn obstacle(code: i32) -> Option<Obstacle> {
    OBSTACLES.read(code)
}

struct Step {
    action: Action,
    device: PathBuf,
    own: Key,
    limit: Duration,
}

/// Does what `words` say: an exit code, and what is to be printed.
#[must_use]
pub fn run(words: &[OsString]) -> (i32, String) {
    let Some(step) = read(words) else { return (NONSENSE, String::new()) };
    let came = match step.action {
        Action::Take => {
            let until = Instant::now() + step.limit.min(PATIENCE);
            let goes_on = || Instant::now() < until;
            open_alone(&step.device, goes_on).and_then(|disk| take(&disk, step.own, goes_on))
        }
        Action::Watch => watch(&step),
    };
    match came {
        Ok(()) => (0, String::new()),
        Err((obstacle, said)) => {
            (OBSTACLES.code(obstacle), format!("{}: {said}", step.device.display()))
        }
    }
}

fn read(words: &[OsString]) -> Option<Step> {
    let words = aside::texts(words)?;
    let [action, device, key, limit] = words.as_slice() else { return None };
    let action = match *action {
        "take" => Action::Take,
        "watch" => Action::Watch,
        _ => return None,
    };
    let limit = Duration::from_millis(limit.parse().ok()?).saturating_sub(AHEAD);
    Some(Step { action, device: PathBuf::from(device), own: Key::read(key)?, limit })
}

/// Why it was not done, and what is to be told of it.
type Came<T> = Result<T, (Obstacle, String)>;

/// What is asked of a disk, so that it can be tried without one.
trait Target {
    fn read(&self) -> Result<Registered, Fault>;
    fn register(&self, own: Key) -> Result<(), Fault>;
    fn unregister(&self, own: Key) -> Result<(), Fault>;
    fn reserve(&self, own: Key) -> Result<(), Fault>;
    fn preempt(&self, own: Key, other: Key) -> Result<(), Fault>;
}

impl Target for Disk {
    fn read(&self) -> Result<Registered, Fault> {
        Disk::read(self)
    }
    fn register(&self, own: Key) -> Result<(), Fault> {
        Disk::register(self, own.0)
    }
    fn unregister(&self, own: Key) -> Result<(), Fault> {
        Disk::unregister(self, own.0)
    }
    fn reserve(&self, own: Key) -> Result<(), Fault> {
        Disk::reserve(self, own.0)
    }
    fn preempt(&self, own: Key, other: Key) -> Result<(), Fault> {
        Disk::preempt(self, own.0, other.0)
    }
}

/// What is not there, or is in use, may be so for a moment only.
fn open_alone(device: &Path, goes_on: impl Fn() -> bool) -> Came<Disk> {
    loop {
        match Disk::open(device, Use::Alone) {
            Err(Fault::InUse | Fault::Failed { .. }) if goes_on() => thread::sleep(PAUSE),
            came => return came.map_err(told),
        }
    }
}

fn told(fault: Fault) -> (Obstacle, String) {
    let obstacle = match fault {
        Fault::NotWhole { .. } => Obstacle::NotWhole,
        Fault::InUse => Obstacle::InUse,
        Fault::Unable { .. } => Obstacle::Unable,
        Fault::Conflict | Fault::Failed { .. } => Obstacle::Failed,
    };
    (obstacle, fault.to_string())
}

fn look(disk: &impl Target) -> Result<Seen, Fault> {
    let Registered { keys, holder } = disk.read()?;
    let holder = holder.map(|(key, kind)| (Key(key), kind));
    Ok(Seen { keys: keys.into_iter().map(Key).collect(), holder })
}

/// Takes a disk. The disk stays open for nobody else on this machine meanwhile, so that nothing
/// here writes by the registration before it is known to be the only one.
fn take(disk: &impl Target, own: Key, goes_on: impl Fn() -> bool) -> Came<()> {
    let mut so_far = SoFar::Nothing;
    loop {
        let done = match look(disk) {
            Ok(seen) => match next(own, so_far, &seen) {
                Next::Done => return Ok(()),
                Next::Register => disk.register(own).map(|()| so_far = SoFar::Registered),
                Next::Reserve => disk.reserve(own),
                Next::Preempt(older) => disk.preempt(own, older),
                Next::Withdraw(obstacle) => {
                    // One that is gone already is what was wanted; one that stays is the next
                    // owner's to take away.
                    let _gone = disk.unregister(own);
                    return Err((obstacle, shown(&seen)));
                }
                Next::Refuse(obstacle) => return Err((obstacle, shown(&seen))),
            },
            Err(fault) => Err(fault),
        };
        match done {
            Ok(()) => {}
            Err(fault @ (Fault::Unable { .. } | Fault::NotWhole { .. } | Fault::InUse)) => {
                return Err(told(fault));
            }
            // What stands there has changed since it was looked at, or a path was told of it.
            Err(Fault::Conflict | Fault::Failed { .. }) if goes_on() => thread::sleep(PAUSE),
            Err(fault) => return Err(told(fault)),
        }
    }
}

/// Returns when the disk is lost. One that cannot be asked is not lost for that: what keeps others
/// off is the storage, and who uses the volume sees by himself that it does not answer.
fn watch(step: &Step) -> Came<()> {
    let mut disk = Some(Disk::open(&step.device, Use::Shared).map_err(told)?);
    loop {
        disk = watched_once(disk, || Disk::open(&step.device, Use::Shared).ok(), step.own)?;
        thread::sleep(Duration::from_millis(EVERY.as_millis()));
    }
}

/// One look. What does not answer is opened anew for the next one: of a device that went away and
/// came back, what was opened before answers never again.
fn watched_once<T: Target>(
    disk: Option<T>,
    open: impl Fn() -> Option<T>,
    own: Key,
) -> Came<Option<T>> {
    let Some(disk) = disk.or_else(open) else { return Ok(None) };
    Ok(match kept_by_two_looks(&disk, own)? {
        Asked::Answers => Some(disk),
        Asked::Silent => None,
    })
}

/// Whether a disk answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Answers,
    Silent,
}

fn still_kept(disk: &impl Target, own: Key) -> Came<Asked> {
    let Ok(seen) = look(disk) else { return Ok(Asked::Silent) };
    match held(own, &seen) {
        Held::Ours => Ok(Asked::Answers),
        Held::OursBeside(older) => {
            // Looked at again the next time, whatever came of it.
            let _came = disk.preempt(own, older);
            Ok(Asked::Answers)
        }
        Held::Lost => Err((Obstacle::Lost, shown(&seen))),
    }
}

/// Looks again before it is said to be lost: a controller that has just begun may name no key for a
/// moment, and whoever took it away keeps it.
fn kept_by_two_looks(disk: &impl Target, own: Key) -> Came<Asked> {
    still_kept(disk, own).or_else(|_| {
        thread::sleep(PAUSE);
        still_kept(disk, own)
    })
}

/// `registered 0x…, 0x…; reserved 0x… type 5`
fn shown(seen: &Seen) -> String {
    let keys: Vec<String> = seen.keys.iter().map(Key::to_string).collect();
    let keys = if keys.is_empty() { "-".to_owned() } else { keys.join(", ") };
    let holder = seen.holder.map_or_else(|| "-".to_owned(), |(k, kind)| format!("{k} type {kind}"));
    format!("keys {keys}; reservation {holder}")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A disk that does what it is told, or fails in the way that comes next.
    struct Fake {
        stands: RefCell<Registered>,
        given: RefCell<Vec<&'static str>>,
        fails: RefCell<Vec<Fault>>,
        /// So often it names no key.
        begins: RefCell<u32>,
        /// It answers nothing, as what was opened before its device went away.
        gone: RefCell<bool>,
    }

    impl Fake {
        fn with(keys: &[u64], holder: Option<u64>) -> Self {
            let stands = Registered { keys: keys.to_vec(), holder: holder.map(|key| (key, 5)) };
            let stands = RefCell::new(stands);
            let (given, fails, begins, gone) = Default::default();
            Self { stands, given, fails, begins, gone }
        }

        fn gives(&self, what: &'static str) -> Result<(), Fault> {
            self.given.borrow_mut().push(what);
            self.fails.borrow_mut().pop().map_or(Ok(()), Err)
        }
    }

    impl Target for Fake {
        fn read(&self) -> Result<Registered, Fault> {
            if *self.gone.borrow() {
                return Err(Fault::Conflict);
            }
            if *self.begins.borrow() > 0 {
                *self.begins.borrow_mut() -= 1;
                return Ok(Registered { keys: Vec::new(), holder: None });
            }
            Ok(self.stands.borrow().clone())
        }
        fn register(&self, own: Key) -> Result<(), Fault> {
            self.gives("register")?;
            self.stands.borrow_mut().keys.push(own.0);
            Ok(())
        }
        fn unregister(&self, own: Key) -> Result<(), Fault> {
            self.gives("unregister")?;
            self.stands.borrow_mut().keys.retain(|key| *key != own.0);
            Ok(())
        }
        fn reserve(&self, own: Key) -> Result<(), Fault> {
            self.gives("reserve")?;
            self.stands.borrow_mut().holder = Some((own.0, 5));
            Ok(())
        }
        fn preempt(&self, own: Key, other: Key) -> Result<(), Fault> {
            self.gives("preempt")?;
            let mut stands = self.stands.borrow_mut();
            stands.keys.retain(|key| *key != other.0);
            if stands.holder.is_some_and(|(key, _)| key == other.0) {
                stands.holder = Some((own.0, 5));
            }
            Ok(())
        }
    }

    const OWN: Key = Key(6);

    #[test]
    fn a_disk_is_registered_reserved_and_taken_from_older_keys_only() {
        let fresh = Fake::with(&[], None);
        take(&fresh, OWN, || false).unwrap();
        assert_eq!(*fresh.given.borrow(), ["register", "reserve"]);
        let owned = Fake::with(&[5, 4], Some(5));
        take(&owned, OWN, || false).unwrap();
        assert_eq!(*owned.given.borrow(), ["register", "preempt", "preempt"]);
        assert_eq!(*owned.stands.borrow(), Registered { keys: vec![6], holder: Some((6, 5)) });
    }

    #[test]
    fn what_is_newer_or_not_the_groups_is_told_with_its_keys_and_nothing_is_changed() {
        for (key, obstacle) in [(7, Obstacle::Newer), (0x1234_0000_0000_0000, Obstacle::Foreign)] {
            let other = Fake::with(&[key], Some(key));
            let (why, said) = take(&other, OWN, || true).unwrap_err();
            assert_eq!((why, other.given.borrow().len()), (obstacle, 0));
            assert!(said.contains(&Key(key).to_string()), "{said}");
        }
    }

    #[test]
    fn a_conflict_is_looked_at_again_and_what_cannot_be_done_ends_it() {
        let busy = Fake::with(&[], None);
        busy.fails.borrow_mut().push(Fault::Conflict);
        take(&busy, OWN, || true).unwrap();
        assert_eq!(*busy.given.borrow(), ["register", "register", "reserve"]);
        let never = Fake::with(&[], None);
        never.fails.borrow_mut().push(Fault::Conflict);
        assert_eq!(take(&never, OWN, || false).unwrap_err().0, Obstacle::Failed);
        let without = Fake::with(&[], None);
        without.fails.borrow_mut().push(Fault::Unable { why: "none".to_owned() });
        assert_eq!(take(&without, OWN, || true).unwrap_err().0, Obstacle::Unable);
    }

    #[test]
    fn what_is_kept_is_looked_at_and_one_that_came_late_is_put_out() {
        let kept = Fake::with(&[6], Some(6));
        still_kept(&kept, OWN).unwrap();
        assert_eq!(kept.given.borrow().len(), 0);
        let beside = Fake::with(&[6, 5], Some(6));
        still_kept(&beside, OWN).unwrap();
        assert_eq!(beside.stands.borrow().keys, [6]);
        let (why, said) = still_kept(&Fake::with(&[7], Some(7)), OWN).unwrap_err();
        assert_eq!((why, said.contains("0x0000000000000007")), (Obstacle::Lost, true));
    }

    #[test]
    fn a_disk_that_names_no_key_for_a_moment_is_not_lost_and_one_that_goes_on_so_is() {
        let kept = Fake::with(&[6], Some(6));
        kept.begins.replace(1);
        assert!(kept_by_two_looks(&kept, OWN).is_ok());
        kept.begins.replace(2);
        assert_eq!(kept_by_two_looks(&kept, OWN).unwrap_err().0, Obstacle::Lost);
    }

    #[test]
    fn a_device_that_went_away_is_no_loss_and_is_looked_at_again_when_it_is_back() {
        let gone = Fake::with(&[6], Some(6));
        gone.gone.replace(true);
        let nothing = || -> Option<Fake> { None };
        let left = watched_once(Some(gone), nothing, OWN).unwrap();
        assert!(left.is_none(), "it is opened anew");
        assert!(watched_once(left, nothing, OWN).unwrap().is_none(), "it is away still");
        let back = watched_once(None, || Some(Fake::with(&[6], Some(6))), OWN).unwrap();
        assert!(watched_once(back, nothing, OWN).unwrap().is_some(), "it stays open");
        let taken = watched_once(None, || Some(Fake::with(&[7], Some(7))), OWN);
        assert_eq!(taken.err().map(|(why, _)| why), Some(Obstacle::Lost));
    }

    #[test]
    fn what_it_is_told_it_reads_again_and_nothing_else() {
        for action in [Action::Take, Action::Watch] {
            let words = words(action, (Path::new("/dev/sdx"), OWN), Span::secs(9));
            let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
            let step = read(&words).expect("its own words");
            assert_eq!((step.action, step.own, step.limit.as_secs()), (action, OWN, 8));
            assert_eq!(step.device, Path::new("/dev/sdx"));
            assert!(read(&words[1..]).is_none());
        }
        assert_eq!(run(&["take".into(), "/dev/sdx".into()]).0, NONSENSE);
        let no_disk = ["take", "/dev/null", "0x6", "2000"].map(OsString::from);
        assert_eq!(run(&no_disk).0, OBSTACLES.code(Obstacle::NotWhole));
    }
}
