//! An independent recorder: notes when the machine itself stood still, so that a run is not
//! judged by a pause that was none of ours. A host may take one core away and leave the other, so
//! each is watched by itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};
use nix::unistd::Pid;

use crate::kernel::{now, set_real_time};

/// Above everything else.
const PRIORITY: i32 = 99;
const EVERY: Duration = Duration::from_millis(5);
/// A longer pause makes a run void.
pub const LONGEST: Duration = Duration::from_millis(50);

/// A pause of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// When it ended.
    pub at: Duration,
    /// How long it was.
    pub length: Duration,
}

/// The running recorder.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    stalls: Vec<Stall>,
    latest: Duration,
}

fn stay_on(core: usize) -> std::io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cores)?)
}

/// Notes by how much each wake was late, for ever.
fn watch(notes: &Mutex<Notes>) -> ! {
    let mut next = now();
    loop {
        next += EVERY;
        let wake = TimeSpec::from_duration(next);
        let flags = ClockNanosleepFlags::TIMER_ABSTIME;
        if clock_nanosleep(ClockId::CLOCK_MONOTONIC, flags, &wake).is_err() {
            continue;
        }
        let (woke, length) = (now(), now().saturating_sub(next));
        let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.latest = notes.latest.max(length);
        if length > LONGEST {
            notes.stalls.push(Stall { at: woke, length });
            next = woke;
        }
    }
}

impl Recorder {
    /// Starts it.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn start() -> std::io::Result<Self> {
        let notes = Arc::new(Mutex::new(Notes::default()));
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let is_ours = |core: &usize| allowed.is_set(*core).unwrap_or(false);
        for core in (0..CpuSet::count()).filter(is_ours) {
            let shared = Arc::clone(&notes);
            thread::Builder::new().name("tsl-recorder".into()).spawn(move || {
                for tried in [set_real_time(PRIORITY), stay_on(core)] {
                    if let Err(error) = tried {
                        eprintln!("lab: the recorder of core {core} is a weak one: {error}");
                    }
                }
                watch(&shared)
            })?;
        }
        Ok(Self(notes))
    }

    /// The stalls since `since`.
    #[must_use]
    pub fn since(&self, since: Duration) -> Vec<Stall> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.stalls.iter().filter(|stall| stall.at >= since).copied().collect()
    }

    /// The longest lateness since the start.
    #[must_use]
    pub fn latest(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).latest
    }
}
