//! The requests that may take time, each on a thread of its own: none stands before another but
//! at the same place, where one would undo the other ([`super::turns`]).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::sys::eventfd::EventFd;
use tsugi_vocabulary::{GroupName, Span};

use super::turns::{Aim, Place, Unsettled};
use crate::address::{self, raise};
use crate::guardian::guarded::{Arm, Release};
use crate::guardian::release::{Beside, Means, Steps};
use crate::guardian::table::{State, Table};
use crate::request::{
    Answer, Failure, Powers, Rank, Request, RequestId, Right, Source, Unmounting,
};
use crate::{clock, volume::mount};

/// At most so many run at the same time; the others wait.
const AT_ONCE_MOST: usize = 128;
/// At most so many wait.
const WAITING_MOST: usize = 4096;
const STACK: usize = 128 * 1024;
/// How long a group may take to die.
const KILL_LIMIT: Span = Span::secs(10);

/// What a thread hands back.
pub struct Finished {
    /// Who asked.
    pub visitor: u64,
    /// What.
    pub id: RequestId,
    /// What became of it.
    pub outcome: Result<Answer, Failure>,
    /// A group of which nothing is left.
    pub emptied: Option<GroupName>,
    serial: u64,
}

struct Task {
    serial: u64,
    aim: Option<Aim>,
    visitor: u64,
    id: RequestId,
    request: Request,
}

/// The threads and those who wait for one.
pub struct Slow {
    shared: Arc<Shared>,
    done: Sender<Finished>,
    finished: Receiver<Finished>,
    serial: u64,
    running: BTreeMap<u64, Option<Aim>>,
    waiting: VecDeque<Task>,
}

struct Shared {
    powers: Powers,
    means: Means,
    mounts: Mutex<BTreeSet<PathBuf>>,
    bell: Arc<EventFd>,
}

impl Slow {
    /// Nothing runs yet; `bell` rings when something has finished.
    #[must_use]
    pub fn new(powers: Powers, means: Means, bell: Arc<EventFd>) -> Self {
        let (done, finished) = channel();
        let shared = Shared { powers, means, mounts: Mutex::new(BTreeSet::new()), bell };
        let (running, waiting) = (BTreeMap::new(), VecDeque::new());
        Self { shared: Arc::new(shared), done, finished, serial: 0, running, waiting }
    }

    /// What rings when something has finished.
    #[must_use]
    pub fn bell(&self) -> Arc<EventFd> {
        Arc::clone(&self.shared.bell)
    }

    /// What the hands can do here.
    #[must_use]
    pub fn powers(&self) -> Powers {
        self.shared.powers
    }

    /// Where the volumes are that were mounted here.
    #[must_use]
    pub fn mounts(&self) -> Vec<PathBuf> {
        self.shared.mounts().iter().cloned().collect()
    }

    /// Begins a request, now or when a thread is free.
    ///
    /// # Errors
    /// Too many wait already.
    pub fn begin(&mut self, visitor: u64, id: RequestId, request: Request) -> Result<(), Failure> {
        if self.waiting.len() == WAITING_MOST {
            return Err(Failure::Busy);
        }
        self.serial += 1;
        let (serial, aim) = (self.serial, Aim::of(&request));
        if let Some(aim) = &aim {
            self.take_back(aim);
        }
        self.waiting.push_back(Task { serial, aim, visitor, id, request });
        self.use_free_threads();
        Ok(())
    }

    /// Refuses what waits to come up where something is to go down now.
    fn take_back(&mut self, down: &Aim) {
        let taken = |task: &Task| task.aim.as_ref().is_some_and(|aim| down.takes_back(aim));
        let waiting = std::mem::take(&mut self.waiting);
        let (back, stay): (VecDeque<Task>, _) = waiting.into_iter().partition(taken);
        self.waiting = stay;
        for Task { serial, visitor, id, .. } in back {
            let finished =
                Finished { visitor, id, outcome: Err(taken_back()), emptied: None, serial };
            self.done.send(finished).expect("we hold the other end");
        }
    }

    /// Where something goes on or waits for its turn.
    #[must_use]
    pub fn unsettled(&self) -> Unsettled {
        let waiting = self.waiting.iter().map(|task| &task.aim);
        Unsettled(self.running.values().chain(waiting).flatten().cloned().collect())
    }

    /// The first that waits for nothing that was asked before it.
    fn next(&self) -> Option<usize> {
        let held = |at: usize, aim: &Aim| {
            let before = self.waiting.iter().take(at).map(|task| &task.aim);
            self.running.values().chain(before).flatten().any(|earlier| aim.waits_for(earlier))
        };
        let free = |(at, task): (usize, &Task)| !task.aim.as_ref().is_some_and(|aim| held(at, aim));
        self.waiting.iter().enumerate().find(|each| free(*each)).map(|(at, _)| at)
    }

    fn use_free_threads(&mut self) {
        while self.running.len() < AT_ONCE_MOST {
            let next = self.next().and_then(|at| self.waiting.remove(at));
            let Some(task) = next else { return };
            let (shared, done) = (Arc::clone(&self.shared), self.done.clone());
            let (serial, visitor, id) = (task.serial, task.visitor, task.id);
            self.running.insert(serial, task.aim.clone());
            let thread = thread::Builder::new().stack_size(STACK);
            if let Err(error) = thread.spawn(move || shared.work(task, &done)) {
                let outcome = Err(Failure::system("start a thread", &error));
                let finished = Finished { visitor, id, outcome, emptied: None, serial };
                self.done.send(finished).expect("we hold the other end");
            }
        }
    }

    /// What has finished since the last call.
    pub fn finished(&mut self) -> Vec<Finished> {
        let finished: Vec<Finished> = self.finished.try_iter().collect();
        for Finished { serial, .. } in &finished {
            self.running.remove(serial);
        }
        self.use_free_threads();
        finished
    }
}

/// Has `steps` taken by a thread of their own.
///
/// # Errors
/// There is no room for another thread.
pub fn beside(steps: Steps) -> io::Result<Beside> {
    let mut thread = Some(thread::Builder::new().stack_size(STACK).spawn(steps)?);
    Ok(Box::new(move || {
        let ended = thread.take_if(|thread| thread.is_finished())?;
        Some(ended.join().unwrap_or(Release::Incomplete))
    }))
}

/// What was to come up and is to go down before it did.
#[must_use]
pub fn taken_back() -> Failure {
    Failure::NoEffect { what: "it was to go down again before it came up".to_owned() }
}

impl Shared {
    fn mounts(&self) -> std::sync::MutexGuard<'_, BTreeSet<PathBuf>> {
        self.mounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, task: Task, done: &Sender<Finished>) {
        let Task { serial, aim, visitor, id, request } = task;
        let emptied = match &request {
            Request::KillGroup { group } => Some(group.clone()),
            _ => None,
        };
        let outcome = match aim.map(|aim| aim.place) {
            // A release of this volume waits for it.
            Some(Place::Dir(dir)) => {
                let made = self.means.table.calling(&dir, || self.carry_out(request));
                made.unwrap_or(Err(Failure::Busy))
            }
            Some(Place::Address(_) | Place::Group(_)) | None => self.carry_out(request),
        };
        let emptied = emptied.filter(|_| outcome.is_ok());
        let finished = Finished { visitor, id, outcome, emptied, serial };
        // Without a receiver the hands are ending and nobody wants to know.
        if done.send(finished).is_ok() {
            // One that already rings loudly needs no more.
            self.bell.write(1).ok();
        }
    }

    fn carry_out(&self, request: Request) -> Result<Answer, Failure> {
        match request {
            Request::AddAddress { right, link, address, prefix } => {
                self.as_root()?;
                let add = || raise::add(&link, address, prefix).map(|()| Answer::Done);
                self.under(&right, add, || address::remove(address))
            }
            Request::RemoveAddress { address } => address::remove(address).map(|()| Answer::Done),
            Request::Probe { link, address, wait } => {
                self.as_root()?;
                let conflict = raise::probe(&link, address, wait)?;
                Ok(Answer::Probed { conflict })
            }
            Request::Announce { link, address } => {
                self.as_root()?;
                self.still_ours(address)?;
                raise::announce(&link, address).map(|()| Answer::Done)
            }
            Request::Mount { right, source, dir } => {
                let act = || self.mount(&source, &dir);
                let undo = || mount::unmount(&dir, Unmounting::Emergency).map(drop);
                self.under(&right, act, undo)
            }
            Request::Unmount { dir, how } => {
                let killed = mount::unmount(&dir, how)?;
                self.mounts().remove(&dir);
                Ok(Answer::Unmounted { killed })
            }
            Request::KillGroup { group } => self.kill(&group),
            Request::Spawn(_)
            | Request::Signal { .. }
            | Request::List
            | Request::Reset { .. }
            | Request::Watch => Err(Failure::Malformed { why: "not a slow request".to_owned() }),
        }
    }

    fn as_root(&self) -> Result<(), Failure> {
        match self.powers.rank {
            Rank::Privileged => Ok(()),
            Rank::Ordinary => Err(Failure::NeedsRoot),
        }
    }

    /// An announcement that was delayed must not draw the neighbours to a node that has lost
    /// the group meanwhile.
    fn still_ours(&self, address: IpAddr) -> Result<(), Failure> {
        let Some(slot) = self.means.table.slot_with(address) else { return Ok(()) };
        let lost = match slot.state() {
            State::Armed => slot.deadline() <= clock::now(),
            State::Releasing | State::Released => true,
            // Pinned by a pause.
            State::Free | State::Disarmed => false,
        };
        match slot.read() {
            Some(Arm { group, epoch, .. }) if lost => Err(Failure::NotArmed { group, epoch }),
            Some(_) | None => Ok(()),
        }
    }

    fn mount(&self, source: &Source, dir: &Path) -> Result<Answer, Failure> {
        let in_place = matches!(source, Source::Directory(from) if from == dir);
        if !in_place {
            self.as_root()?;
        }
        let device = mount::mount(source, dir)?;
        if !in_place {
            self.mounts().insert(dir.to_owned());
        }
        Ok(Answer::Mounted { device })
    }

    /// Acts if the right is there, and undoes it if the right was lost meanwhile.
    fn under(
        &self,
        right: &Right,
        act: impl FnOnce() -> Result<Answer, Failure>,
        undo: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<Answer, Failure> {
        check(&self.means.table, right)?;
        let answer = act()?;
        if let Err(lost) = check(&self.means.table, right) {
            undo()?;
            return Err(lost);
        }
        Ok(answer)
    }

    fn kill(&self, group: &GroupName) -> Result<Answer, Failure> {
        let count = self.means.processes(group.as_str()).len();
        let left = self.means.kill_all(group.as_str(), clock::now() + KILL_LIMIT);
        if left.is_empty() {
            Ok(Answer::Killed { count: u32::try_from(count).unwrap_or(u32::MAX) })
        } else {
            Err(Failure::StillThere { pids: left })
        }
    }
}

/// Whether `right` stands at this moment.
///
/// # Errors
/// The lease is not armed or its deadline has passed.
pub fn check(table: &Table, right: &Right) -> Result<(), Failure> {
    match right {
        Right::Lease { group, epoch }
            if !table.lease_runs(group.as_str(), *epoch, clock::now()) =>
        {
            Err(Failure::NotArmed { group: group.clone(), epoch: *epoch })
        }
        Right::Free { .. } | Right::Lease { .. } => Ok(()),
    }
}
