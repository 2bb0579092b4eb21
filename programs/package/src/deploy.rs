//! Carries out what the rules of packages decide: files on the shelf here, rows by whoever has the
//! store.

use std::fs::File as OpenFile;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tsugi_service_rules::package::{self, Data, Event, Examined as Verdict, Order, Row, State};

use crate::archive::{self, Examined};
use crate::deployed::{self, Deployed};
use crate::digest::Digest;
use crate::fit;
use crate::manifest::{Data as Loads, MANIFEST, Manifest};
use crate::refused::{Doing, Failed, Refused, Trouble};
use crate::shelf::{Shelf, Step};

/// What the store has of packages. Each call is durable when it returns.
pub trait Rows {
    /// Which row a package has.
    ///
    /// # Errors
    /// The store does not tell.
    fn row(&mut self, id: Digest) -> Result<Row, RowsFailed>;

    /// Gives it a row.
    ///
    /// # Errors
    /// The store does not take it.
    fn keep(&mut self, id: Digest, manifest: &Manifest) -> Result<(), RowsFailed>;

    /// In one transaction: makes it current and the one before former, and makes those of its files
    /// that it has data for and that are not there, with their records.
    ///
    /// # Errors
    /// The store does not take it.
    fn make(&mut self, id: Digest, whole: Whole<'_>, data: Data) -> Result<(), RowsFailed>;

    /// Takes its row away.
    ///
    /// # Errors
    /// The store does not take it.
    fn delete(&mut self, id: Digest) -> Result<(), RowsFailed>;
}

/// A package on the shelf, whole.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// Its manifest.
    pub manifest: &'a Manifest,
}

impl Whole<'_> {
    /// Opens data to be loaded, as [`Deployed::data`] does.
    ///
    /// # Errors
    /// They are not as they were deployed, or cannot be read.
    pub fn data(&self, data: &Loads) -> Result<OpenFile, Trouble> {
        deployed::data(self.folder, self.manifest, data)
    }

    /// The statements that make its tables; none where it has none.
    ///
    /// # Errors
    /// They are not as they were deployed, or cannot be read.
    pub fn tables(&self) -> Result<Vec<String>, Trouble> {
        deployed::tables(self.folder, self.manifest)
    }
}

/// The store does not do what was asked; it says why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{says}")]
pub struct RowsFailed {
    /// What it says.
    pub says: String,
}

/// What whoever deploys has to know.
#[derive(Debug)]
pub enum Told {
    /// It is current already.
    Current,
    /// It is being deployed.
    UnderWay,
    /// It does not fit.
    Unfit(Refused),
    /// Its file is missing.
    Missing,
    /// Something could not be done; doing it again goes on from there.
    Failed(Problem),
    /// Workers of it are to be started, those of the one before end their calls and leave.
    Replace,
}

/// What could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// On the shelf.
    #[error(transparent)]
    Shelf(#[from] Failed),
    /// In the store.
    #[error(transparent)]
    Rows(#[from] RowsFailed),
    /// The package's file changed while it was being deployed.
    #[error(transparent)]
    Changed(Refused),
}

/// Whether the next step may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// It may.
    On,
    /// The volume is not this node's any more, or its process ends: nothing more is touched.
    Stop,
}

/// What is about to be done.
#[derive(Clone, Copy, Debug)]
pub enum Next<'a> {
    /// A step on the shelf.
    Step(&'a Step),
    /// A call of the store.
    Rows(Order),
}

/// Carries out what is ordered for packages, one after the other: whoever has the store has the
/// shelf beside it, and nobody else writes there.
pub struct Deployment<'a> {
    /// Where they lie.
    pub shelf: &'a Shelf,
    /// What the store has of them.
    pub rows: &'a mut dyn Rows,
    /// Asked before every step and every call of the store.
    pub go: &'a mut dyn FnMut(Next<'_>) -> Go,
}

/// Whether the files of a package were put back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PutBack {
    Yes,
    No,
}

/// Whether the store has a row of a package that stands there.
fn has_a_row(state: State) -> bool {
    match state {
        State::Kept | State::Making(_) | State::Current | State::Former => true,
        State::Absent | State::Copying | State::Staged | State::Naming | State::Keeping => false,
    }
}

/// One package that is being deployed, opened or taken away.
struct Under {
    id: Digest,
    /// Where its file comes from.
    source: Option<PathBuf>,
    examined: Option<Examined>,
    problem: Option<Problem>,
    unfit: Option<Refused>,
    told: Vec<Told>,
}

/// How something with a package ended.
#[derive(Debug)]
pub struct Ended {
    /// Where it stands.
    pub state: State,
    /// What is to be told.
    pub told: Vec<Told>,
}

/// It was stopped before it had ended: what is durable is found when the shelf is next opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// Why something with a package has no end.
#[derive(Debug, thiserror::Error)]
pub enum Unended {
    /// Stopped.
    #[error("stopped: the volume is not this node's any more")]
    Stopped,
    /// What is there cannot be found out.
    #[error(transparent)]
    Unknown(#[from] Problem),
    /// The file is no package.
    #[error(transparent)]
    NoPackage(#[from] Trouble),
}

impl From<Stopped> for Unended {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl Deployment<'_> {
    /// Deploys the package of a file: what was done of it before is gone on from. What a row names
    /// and is not on the shelf any more, or not as it was deployed, is put back first.
    ///
    /// # Errors
    /// The file's beginning is no package, or it is not known what there is of it.
    pub fn deploy(&mut self, source: &Path) -> Result<(Digest, Ended), Unended> {
        let (id, _) = archive::identify(source)?;
        let state = self.open(id)?.state;
        let mut under = Under::of(id);
        under.source = Some(source.to_owned());
        if has_a_row(state) && self.is_lost(id)? {
            if self.put_back(&mut under)? == PutBack::No {
                return Ok((id, Ended { state, told: under.told }));
            }
            // Its workers may run what somebody has changed, or none could be started.
            under.told.extend((state == State::Current).then_some(Told::Replace));
        }
        Ok((id, self.run(state, Event::Deploy, under)?))
    }

    /// Whether a package that has a row is not on the shelf as it was deployed.
    fn is_lost(&self, id: Digest) -> Result<bool, Problem> {
        match Deployed::load(self.shelf, id) {
            Ok(_) => Ok(false),
            Err(Trouble::Refused(_)) => Ok(true),
            Err(Trouble::Failed(failed)) => Err(failed.into()),
        }
    }

    /// Puts the files of a package back to which its row belongs; the row stays as it is, and so
    /// does what lies there until the new files are known to be right.
    fn put_back(&mut self, under: &mut Under) -> Result<PutBack, Stopped> {
        let id = under.id;
        let done = self.all(&self.shelf.clearing(id), under)?
            && self.take(Order::Copy, under)? == Some(Event::Copied)
            && self.take(Order::Examine, under)? == Some(Event::Examined(Verdict::Fits))
            && match self.shelf.setting_aside(id) {
                Ok(steps) => self.all(&steps, under)?,
                Err(failed) => under.failed(failed.into()),
            }
            && self.take(Order::Name, under)? == Some(Event::Named);
        self.all(&self.shelf.clearing(id), under)?;
        if done {
            return Ok(PutBack::Yes);
        }
        under.tell(Order::TellUnfit);
        under.tell(Order::TellFailed);
        Ok(PutBack::No)
    }

    /// Takes steps; whether all were taken.
    fn all(&mut self, steps: &[Step], under: &mut Under) -> Result<bool, Stopped> {
        Ok(match self.steps(steps, Event::Failed)? {
            Ok(_) => true,
            Err(problem) => under.failed(problem),
        })
    }

    /// Finds out where a package stands when its store was opened, and cleans up what was broken
    /// off.
    ///
    /// # Errors
    /// It is not known what there is of it.
    pub fn open(&mut self, id: Digest) -> Result<Ended, Unended> {
        let row = self.rows.row(id).map_err(Problem::from)?;
        let file = self.shelf.found(id).map_err(Problem::from)?;
        let (state, orders) = package::at_open(file, row);
        let mut under = Under::of(id);
        for order in orders {
            self.take(order, &mut under)?;
        }
        if let Some(problem) = under.problem {
            return Err(problem.into());
        }
        Ok(Ended { state, told: under.told })
    }

    /// What else happens to a package that stands somewhere: another was made current, it is old.
    ///
    /// # Errors
    /// It was stopped.
    pub fn on(&mut self, id: Digest, state: State, event: Event) -> Result<Ended, Unended> {
        Ok(self.run(state, event, Under::of(id))?)
    }

    fn run(&mut self, state: State, event: Event, mut under: Under) -> Result<Ended, Stopped> {
        let (mut state, mut event) = (state, Some(event));
        while let Some(now) = event.take() {
            let (after, orders) = package::step(state, now);
            state = after;
            for order in orders {
                event = self.take(order, &mut under)?.or(event);
            }
        }
        // What failed where the table expects nothing to fail: a file that could not be deleted.
        under.told.extend(under.problem.take().map(Told::Failed));
        Ok(Ended { state, told: under.told })
    }

    /// Does what is ordered; what happened then.
    fn take(&mut self, order: Order, under: &mut Under) -> Result<Option<Event>, Stopped> {
        let done = match order {
            Order::Copy => match under.source.clone() {
                Some(source) => {
                    self.steps(&self.shelf.copying(under.id, &source), Event::Copied)?
                }
                None => Err(missing(&self.shelf.staged(under.id))),
            },
            Order::Examine => self.examine(under),
            Order::Name => match &under.examined {
                Some(examined) => self.steps(&self.shelf.naming(examined), Event::Named)?,
                None => Err(missing(&self.shelf.staged(under.id))),
            },
            Order::DeleteFile => match self.shelf.deleting(under.id) {
                Ok(steps) => match self.steps(&steps, Event::Failed)? {
                    Ok(_) => return Ok(None),
                    Err(problem) => Err(problem),
                },
                Err(failed) => Err(failed.into()),
            },
            Order::Keep | Order::Make(_) | Order::DeleteRow => {
                if (self.go)(Next::Rows(order)) == Go::Stop {
                    return Err(Stopped);
                }
                match self.row(order, under) {
                    Ok(None) => return Ok(None),
                    Ok(Some(event)) => Ok(event),
                    Err(problem) => Err(problem),
                }
            }
            Order::Replace
            | Order::TellCurrent
            | Order::TellUnderWay
            | Order::TellUnfit
            | Order::TellMissing
            | Order::TellFailed => {
                under.tell(order);
                return Ok(None);
            }
        };
        Ok(Some(done.unwrap_or_else(|problem| {
            // The first is the cause.
            under.problem.get_or_insert(problem);
            Event::Failed
        })))
    }

    fn steps(&mut self, steps: &[Step], then: Event) -> Result<Result<Event, Problem>, Stopped> {
        for step in steps {
            if (self.go)(Next::Step(step)) == Go::Stop {
                return Err(Stopped);
            }
            match step.take() {
                Ok(()) => {}
                Err(Trouble::Failed(failed)) => return Ok(Err(failed.into())),
                Err(Trouble::Refused(refused)) => return Ok(Err(Problem::Changed(refused))),
            }
        }
        Ok(Ok(then))
    }

    /// What lies on the shelf is examined, not what it was copied from.
    fn examine(&self, under: &mut Under) -> Result<Event, Problem> {
        let expected = under.id;
        let examined = match fit::examine(&self.shelf.staged(under.id)) {
            Err(Trouble::Failed(failed)) => return Err(failed.into()),
            Err(Trouble::Refused(refused)) => Err(refused),
            Ok(examined) if examined.id != expected => {
                Err(Refused::OtherPackage { expected, found: examined.id })
            }
            Ok(examined) => Ok(examined),
        };
        Ok(Event::Examined(match examined {
            Ok(examined) => {
                under.examined = Some(examined);
                Verdict::Fits
            }
            Err(refused) => {
                under.unfit = Some(refused);
                Verdict::DoesNotFit
            }
        }))
    }

    fn row(&mut self, order: Order, under: &Under) -> Result<Option<Event>, Problem> {
        if order == Order::DeleteRow {
            self.rows.delete(under.id)?;
            return Ok(None);
        }
        let folder = self.shelf.place(under.id);
        let read;
        let manifest = match &under.examined {
            Some(examined) => &examined.manifest,
            None => {
                read = manifest_in(&folder, under.id)?;
                &read
            }
        };
        if let Order::Make(data) = order {
            self.rows.make(under.id, Whole { folder: &folder, manifest }, data)?;
            return Ok(Some(Event::Made));
        }
        self.rows.keep(under.id, manifest)?;
        Ok(Some(Event::Kept))
    }
}

fn missing(path: &Path) -> Problem {
    Failed::at(Doing::Read, path)(std::io::ErrorKind::NotFound.into()).into()
}

/// The manifest of a package on the shelf, which must be the one of its id.
fn manifest_in(folder: &Path, id: Digest) -> Result<Manifest, Problem> {
    let path = folder.join(MANIFEST);
    let text = std::fs::read(&path).map_err(Failed::at(Doing::Read, &path))?;
    let found = Digest::of(&text);
    if found != id {
        return Err(Problem::Changed(Refused::OtherPackage { expected: id, found }));
    }
    Manifest::read(&text).map_err(Problem::Changed)
}

impl Under {
    fn of(id: Digest) -> Self {
        Self { id, source: None, examined: None, problem: None, unfit: None, told: Vec::new() }
    }

    /// Keeps what could not be done; the first is the cause.
    fn failed(&mut self, problem: Problem) -> bool {
        self.problem.get_or_insert(problem);
        false
    }

    fn tell(&mut self, order: Order) {
        let told = match order {
            Order::Replace => Some(Told::Replace),
            Order::TellCurrent => Some(Told::Current),
            Order::TellUnderWay => Some(Told::UnderWay),
            Order::TellMissing => Some(Told::Missing),
            Order::TellUnfit => self.unfit.take().map(Told::Unfit),
            Order::TellFailed => self.problem.take().map(Told::Failed),
            Order::Copy
            | Order::Examine
            | Order::Name
            | Order::Keep
            | Order::Make(_)
            | Order::DeleteRow
            | Order::DeleteFile => None,
        };
        self.told.extend(told);
    }
}
