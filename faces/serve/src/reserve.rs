//! What a node has ready for a group whose volume is elsewhere: copies of its packages, made when
//! the volume was here last, and workers that are started by them and have their programs loaded.
//!
//! What is deployed is known by the store alone. So a worker that stood ready is taken only for a
//! package of the same id, which is the hash of all of it; the others are ended. One thread starts,
//! hears and copies; it holds what it has for nobody who opens a volume.
//!
//! Invariant: a copy is run only after every part of it was hashed again, and it has its name only
//! since it was whole. Invariant: nothing of a volume is read here after [`Reserve::leaves`].

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use tsugi_messages::{self as messages, Language, Message};
use tsugi_package::deployed::Deployed;
use tsugi_package::shelf::{Shelf, Step};
use tsugi_package::{Digest, Trouble};
use tsugi_service_engine::worker::pipe::{Bell, Early, Loads, Package, Ward};

use crate::around::Around;
use crate::services::{self, Found, Quota};

/// How often one is heard that loads its program.
const HEARD: Duration = Duration::from_millis(2);
/// How long one may take for that.
const LOADS_MOST: Duration = Duration::from_secs(10);
/// How long after the volume has gone nothing is started: what takes it over elsewhere may be on
/// this machine.
const REST: Duration = Duration::from_millis(200);
/// So many that end without a volume are given up until one has been here.
const ENDS_MOST: u32 = 5;

/// What stands ready. Its clones are the same.
#[derive(Clone)]
pub struct Reserve(Option<Arc<Inner>>);

struct Inner {
    around: Around,
    ward: Ward,
    shelf: Shelf,
    language: Language,
    /// The folder is this daemon's alone.
    _folder: File,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    phase: Phase,
    ready: Vec<Ready>,
    /// Those that have ended since a volume was here.
    ended: u32,
    /// Whether a copy is being made just now.
    copying: Copying,
}

/// Where the volume is, and what is to be done here.
enum Phase {
    /// Away: workers are started, from this moment on.
    Away(Instant),
    /// Away, and workers stand ready, or cannot.
    Standing,
    /// It is being opened, or closed, or is here and was copied: nothing is done.
    Between,
    /// Here, and being copied.
    Copying,
    /// Here: what is on it is to be copied.
    Here(Here),
}

/// What is deployed on a volume.
struct Here {
    shelf: Shelf,
    ids: Vec<Digest>,
    /// The first calls come before a copy.
    from: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Copying {
    No,
    Yes,
}

/// A worker that stands ready, or will.
struct Ready {
    package: Digest,
    service: String,
    early: Early,
}

/// What is to be started.
struct Wanted {
    package: Digest,
    service: String,
    program: Package,
    workers: usize,
}

impl Reserve {
    /// Nothing is ready, ever.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Begins to have workers ready by the copies in a folder. What hinders that is said: the
    /// daemon does without.
    #[must_use]
    pub fn begin(around: &Around, ward: &Ward, of: (Option<&Path>, Language)) -> Self {
        let (Some(copies), language) = of else { return Self::none() };
        let begun = folder(copies).map_err(|why| why.to_string()).and_then(|folder| {
            let shelf = Shelf::open(copies).map_err(|why| why.to_string())?;
            let state = State {
                phase: Phase::Away(Instant::now()),
                ready: Vec::new(),
                ended: 0,
                copying: Copying::No,
            };
            let inner = Arc::new(Inner {
                around: around.clone(),
                ward: ward.clone(),
                shelf,
                language,
                _folder: folder,
                state: Mutex::new(state),
                changed: Condvar::new(),
            });
            let own = inner.clone();
            let thread = std::thread::Builder::new().name("reserve".to_owned());
            thread.spawn(move || own.run()).map_err(|why| why.to_string())?;
            Ok(inner)
        });
        match begun {
            Ok(inner) => Self(Some(inner)),
            Err(why) => {
                let why = format!("{}: {why}", copies.display());
                let said = messages::serve_not_ready_early(&around.group, why);
                eprintln!("{}", said.line(language));
                Self::none()
            }
        }
    }

    /// A volume is being opened: nothing more is started.
    pub fn opens(&self) {
        self.turn(Phase::Between);
    }

    /// The workers that are ready, or nearly, for a service as it is deployed.
    #[must_use]
    pub fn take(&self, found: &Found) -> Vec<Early> {
        let Some(inner) = &self.0 else { return Vec::new() };
        let mut state = inner.state();
        let (taken, others) =
            std::mem::take(&mut state.ready).into_iter().partition::<Vec<_>, _>(|one| {
                one.package == found.package && one.service == *found.name
            });
        state.ready = others;
        taken.into_iter().map(|one| one.early).collect()
    }

    /// The volume is here, with these services on its shelf: those that stood ready for another
    /// package are ended, and what is deployed is copied.
    pub fn opened(&self, found: &[Found], shelf: &Shelf) {
        let Some(inner) = &self.0 else { return };
        let mut ids: Vec<Digest> = found.iter().map(|found| found.package).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut others: Vec<Digest> = Vec::new();
        for one in std::mem::take(&mut inner.state().ready) {
            if !ids.contains(&one.package) && !others.contains(&one.package) {
                others.push(one.package);
            }
        }
        for other in others {
            inner.say(&messages::serve_other_package_ready(&inner.around.group, other));
        }
        inner.turn(Phase::Here(Here { shelf: shelf.clone(), ids, from: Instant::now() + REST }));
    }

    /// The volume goes: nothing of it is read any more when this returns.
    pub fn leaves(&self) {
        let Some(inner) = &self.0 else { return };
        inner.turn(Phase::Between);
        let state = inner.state();
        let copies = |state: &mut State| state.copying == Copying::Yes;
        drop(inner.changed.wait_while(state, copies).expect("nobody dies with the lock"));
    }

    /// The volume is away.
    pub fn is_away(&self) {
        self.turn(Phase::Away(Instant::now() + REST));
    }

    fn turn(&self, phase: Phase) {
        if let Some(inner) = &self.0 {
            inner.turn(phase);
        }
    }
}

/// The folder of copies, which is made if its own is there: nobody else may write there, and no
/// other daemon has it.
fn folder(copies: &Path) -> io::Result<File> {
    match fs::create_dir(copies) {
        // Workers have a user of their own, and read what is in it.
        Ok(()) => fs::set_permissions(copies, fs::Permissions::from_mode(0o755))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let folder = File::open(copies)?;
    let found = folder.metadata()?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
        let what = format!("mode {:o}, uid {}", found.mode(), found.uid());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    folder.try_lock().map_err(io::Error::from)?;
    Ok(folder)
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody dies with the lock")
    }

    fn turn(&self, phase: Phase) {
        let mut state = self.state();
        if let Phase::Here(_) = phase {
            state.ended = 0;
        }
        state.phase = phase;
        self.changed.notify_all();
    }

    fn say(&self, message: &Message) {
        eprintln!("{}", message.line(self.language));
    }

    fn cannot(&self, why: impl std::fmt::Display) {
        self.say(&messages::serve_not_ready_early(&self.around.group, why));
    }

    /// As long as the process runs: what it has started ends with that.
    fn run(self: &Arc<Self>) {
        loop {
            let mut state = self.state();
            let now = Instant::now();
            if matches!(state.phase, Phase::Standing) && state.has_lost_one() {
                state.ended += 1;
                state.phase = Phase::Away(now + REST);
            }
            match &mut state.phase {
                Phase::Away(from) if *from <= now => {
                    drop(state);
                    self.fill();
                }
                Phase::Here(here) if here.from <= now => {
                    let (shelf, ids) = (here.shelf.clone(), std::mem::take(&mut here.ids));
                    (state.phase, state.copying) = (Phase::Copying, Copying::Yes);
                    drop(state);
                    self.copy(&shelf, &ids);
                    self.state().copying = Copying::No;
                    self.changed.notify_all();
                }
                Phase::Away(from) | Phase::Here(Here { from, .. }) => {
                    let rest = from.duration_since(now);
                    drop(
                        self.changed.wait_timeout(state, rest).expect("nobody dies with the lock"),
                    );
                }
                Phase::Standing | Phase::Between | Phase::Copying => {
                    drop(self.changed.wait(state).expect("nobody dies with the lock"));
                }
            }
        }
    }

    /// Starts what is missing, and hears it until it is ready.
    fn fill(self: &Arc<Self>) {
        if self.is_given_up() {
            let group = &self.around.group;
            return self.say(&messages::serve_readiness_given_up(group, ENDS_MOST));
        }
        let wanted = self.wanted();
        if !self.start(&wanted) {
            return;
        }
        let until = Instant::now() + LOADS_MOST;
        let mut state = self.state();
        loop {
            let Phase::Away(_) = state.phase else { return };
            let stages: Vec<Loads> = state.ready.iter_mut().map(|one| one.early.hear()).collect();
            if stages.contains(&Loads::Never) || Instant::now() > until {
                state.ended += 1;
                let mut stages = stages.into_iter();
                state.ready.retain(|_| stages.next() == Some(Loads::Ready));
                state.phase = Phase::Away(Instant::now() + REST);
                return;
            }
            if !stages.contains(&Loads::Still) {
                state.phase = Phase::Standing;
                drop(state);
                return self.say_ready(&wanted);
            }
            let waited = self.changed.wait_timeout(state, HEARD);
            state = waited.expect("nobody dies with the lock").0;
        }
    }

    /// Whether so many have ended that none is started any more; then none is left.
    fn is_given_up(&self) -> bool {
        let mut state = self.state();
        let given_up = matches!(state.phase, Phase::Away(_)) && state.ended >= ENDS_MOST;
        if given_up {
            state.ready.clear();
            state.phase = Phase::Standing;
        }
        given_up
    }

    fn say_ready(&self, wanted: &[Wanted]) {
        if wanted.is_empty() {
            return;
        }
        let one = |one: &Wanted| format!("{} {} ({})", one.service, one.package, one.workers);
        let all: Vec<String> = wanted.iter().map(one).collect();
        let Around { group, node, .. } = &self.around;
        self.say(&messages::serve_stands_ready(group, node, all.join(", ")));
    }

    /// Starts what is not there of this; whether the volume is away still.
    fn start(self: &Arc<Self>, wanted: &[Wanted]) -> bool {
        for one in wanted {
            loop {
                // Under the lock: what is started is there when a volume is opened.
                let mut state = self.state();
                let Phase::Away(_) = state.phase else { return false };
                let is = |has: &&Ready| (has.package, &has.service) == (one.package, &one.service);
                if state.ready.iter().filter(is).count() >= one.workers {
                    break;
                }
                let (package, service) = (one.package, one.service.clone());
                match Early::start(&self.ward, &one.program, self.bell()) {
                    Ok(early) => state.ready.push(Ready { package, service, early }),
                    Err(why) => {
                        self.cannot(why);
                        break;
                    }
                }
            }
        }
        true
    }

    fn bell(self: &Arc<Self>) -> Bell {
        let inner = Arc::downgrade(self);
        Arc::new(move || {
            if let Some(inner) = inner.upgrade() {
                // Who looks whether one is lost has the lock until he waits.
                let _looked = inner.state();
                inner.changed.notify_all();
            }
        })
    }

    /// What the copies call for. One that is not whole, or not as it was deployed, goes.
    fn wanted(&self) -> Vec<Wanted> {
        let ids = match self.shelf.ids() {
            Ok(ids) => ids,
            Err(why) => {
                self.cannot(why);
                return Vec::new();
            }
        };
        let mut all = Vec::new();
        for id in ids {
            // A half copy has never had its name.
            if self.shelf.place(id).exists() {
                match Deployed::load(&self.shelf, id) {
                    Ok(deployed) => all.extend(self.of(&deployed)),
                    Err(why) => {
                        let path = self.shelf.place(id);
                        self.say(&messages::serve_copy_not_used(path.display(), why));
                        self.remove(id);
                    }
                }
            } else {
                self.remove(id);
            }
        }
        all
    }

    fn of(&self, deployed: &Deployed) -> Vec<Wanted> {
        let one = |ready: &tsugi_package::deployed::Ready| {
            let runner = services::runner(deployed, ready).ok()?;
            let program = services::package(&runner, &self.around).ok()?;
            let pool = Quota::of(ready.quotas, &self.around).pool(&self.around);
            let workers = pool.start.max(1) + pool.spare;
            Some(Wanted { package: deployed.id, service: ready.name.clone(), program, workers })
        };
        // One that cannot run is closed under its name when the volume is here, and why is said.
        deployed.services.iter().filter_map(one).collect()
    }

    fn remove(&self, id: Digest) {
        let steps = self.shelf.deleting(id).map_err(Trouble::from);
        if let Err(why) = steps.and_then(|steps| steps.iter().try_for_each(Step::take)) {
            self.cannot(why);
        }
    }

    /// Copies what is deployed on a volume, as long as that stays, and removes what is not.
    fn copy(&self, shelf: &Shelf, ids: &[Digest]) {
        let kept = match self.shelf.ids() {
            Ok(kept) => kept,
            Err(why) => return self.cannot(why),
        };
        for id in kept {
            if !(ids.contains(&id) && self.shelf.place(id).exists()) {
                self.remove(id);
            }
        }
        for id in ids {
            if self.shelf.place(*id).exists() {
                continue;
            }
            // One that is not as it was deployed runs nowhere, and is said to be closed.
            let Ok(deployed) = Deployed::load(shelf, *id) else { continue };
            for step in self.shelf.taking(&deployed) {
                let Phase::Copying = self.state().phase else { return };
                if let Err(why) = step.take() {
                    self.cannot(why);
                    self.remove(*id);
                    break;
                }
            }
        }
    }
}

impl State {
    /// Whether one that stood ready does so no more; it is forgotten.
    fn has_lost_one(&mut self) -> bool {
        let before = self.ready.len();
        self.ready.retain_mut(|one| one.early.hear() == Loads::Ready);
        self.ready.len() < before
    }
}
