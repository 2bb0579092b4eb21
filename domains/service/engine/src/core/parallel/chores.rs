//! What is looked after beside the calls, by a clerk, one at a time: what is too old goes, files
//! that services need are looked for, rows of files that are over are swept away, and it is looked
//! what a failover of the database would cost.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_service_rules::call::Posture;
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::sitting::Run;
use tsugi_store::{Block, Failover, Portion, Purged, Trouble, file};
use tsugi_vocabulary::{Moment, Span};

use super::super::Found;
use super::super::block::Blocking;
use super::super::needed::{self, PAUSE};
use super::super::{purge, sweep};
use super::Parallel;
use super::clerk::tried;
use super::session::{Said, Session};
use crate::clock;
use crate::fatal::Fatal;

/// How often it is looked what a failover of the database would cost: standbys come and go.
const FAILOVER: Span = Span::secs(30);
/// How often it is looked what other members have blocked, or opened again. A call that writes is
/// refused by a block at once: it looks by itself.
const BLOCKS: Span = Span::secs(1);
/// How long until files are looked for again that a service lacks: another member may make them.
const LACKING: Span = Span::secs(1);

/// Services, and the files that each needs.
pub(super) type Needed = Vec<(ServiceNumber, Vec<Arc<str>>)>;

/// One thing to look after.
pub(super) enum Chore {
    Files(Needed),
    Failover,
    Blocks(Blocking),
    Sweep,
    Purge(Portion),
}

/// What came of it.
pub(crate) enum Done {
    Files(Result<BTreeMap<ServiceNumber, Refusal>, (Needed, Trouble)>),
    Failover(Result<Failover, Trouble>),
    Blocks(Result<Vec<(i64, Block)>, Trouble>, Blocking),
    Sweep(Result<file::Was, Trouble>),
    /// And how long it took.
    Purge(Result<Purged, Trouble>, Span),
}

/// Whether a clerk is at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    None,
    One,
}

/// What is looked after, and who waits for it.
pub(super) struct Chores {
    at: At,
    failover: Moment,
    blocks: Moment,
    /// Runs that may have made files or taken some away: before they are told it is looked whether
    /// a service lacks one now.
    makes: Vec<Run>,
    /// Those that are durable.
    made: Vec<Run>,
    /// Those for which it is being looked.
    looked_for: Vec<Run>,
}

impl Chores {
    pub(super) fn new() -> Self {
        let (makes, made, looked_for) = (Vec::new(), Vec::new(), Vec::new());
        let (failover, blocks) = (Moment(0), clock::now() + BLOCKS);
        Self { at: At::None, failover, blocks, makes, made, looked_for }
    }

    /// A run may make files, or take some away.
    pub(super) fn makes(&mut self, run: Run) {
        if !self.makes.contains(&run) {
            self.makes.push(run);
        }
    }

    /// Whether a run that is over may have.
    pub(super) fn has_made(&mut self, run: Run) -> bool {
        let made = self.makes.contains(&run);
        self.makes.retain(|makes| *makes != run);
        made
    }
}

/// Carries one out.
pub(super) fn carry_out(session: &mut dyn Session, chore: Chore) -> Done {
    match chore {
        Chore::Files(needed) => match tried(|| needed::missing(session, &needed)) {
            Ok(lacking) => Done::Files(Ok(lacking)),
            Err(trouble) => Done::Files(Err((needed, trouble))),
        },
        Chore::Failover => Done::Failover(tried(|| session.failover())),
        Chore::Blocks(since) => Done::Blocks(tried(|| session.blocks()), since),
        Chore::Sweep => Done::Sweep(tried(|| sweep::swept(session))),
        Chore::Purge(portion) => {
            let begun = clock::now();
            let purged = tried(|| session.purge(&portion));
            Done::Purge(purged, clock::now().since(begun))
        }
    }
}

impl Parallel {
    /// Gives a clerk what is due next. Nothing is looked after in a store that is away or that is
    /// handed over.
    pub(super) fn look_after(&mut self) -> Found {
        let now = clock::now();
        let Some((_, chore)) = self.due().filter(|(at, _)| *at <= now) else {
            return Found::Nothing;
        };
        self.chores.at = At::One;
        let chore = match chore {
            Due::Files => {
                self.hall.lacking.at = None;
                self.chores.looked_for.append(&mut self.chores.made);
                Chore::Files(self.hall.needed())
            }
            Due::Failover => Chore::Failover,
            Due::Blocks => Chore::Blocks(self.hall.blocking),
            Due::Sweep => Chore::Sweep,
            Due::Purge => Chore::Purge(self.hall.purge.portion(clock::wall_ms())),
        };
        self.clerks.look_after(chore);
        Found::Work
    }

    /// When something is to be looked after next.
    pub(super) fn looks_after_at(&self) -> Option<Moment> {
        self.due().map(|(at, _)| at)
    }

    fn due(&self) -> Option<(Moment, Due)> {
        if self.chores.at == At::One || !self.is_there() {
            return None;
        }
        if self.hall.table.posture() != Posture::Open {
            // Whoever waits for it is told all the same.
            return (!self.chores.made.is_empty()).then_some((Moment(0), Due::Files));
        }
        let all = [
            self.hall.lacking.at.map(|at| (at, Due::Files)),
            Some((self.chores.failover, Due::Failover)),
            Some((self.chores.blocks, Due::Blocks)),
            self.hall.sweep_at.map(|at| (at, Due::Sweep)),
            self.hall.purge_at().map(|at| (at, Due::Purge)),
        ];
        all.into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// A run is durable. One that may have made files is told once it is known who lacks one.
    pub(super) fn is_kept(&mut self, run: Run) {
        if self.chores.has_made(run) && !self.hall.needed().is_empty() {
            self.chores.made.push(run);
            self.hall.lacking.at = Some(Moment(0));
            return;
        }
        self.hall.on_kept(&[run]);
    }

    /// Nobody can look now: who waits for that is told.
    pub(super) fn tell_made(&mut self) {
        let made = std::mem::take(&mut self.chores.made);
        self.hall.on_kept(&made);
    }

    pub(super) fn looked_after(&mut self, done: Done) -> Result<(), Fatal> {
        self.chores.at = At::None;
        let now = clock::now();
        match done {
            Done::Files(looked) => self.looked_for_files(looked)?,
            Done::Failover(failover) => {
                self.chores.failover = now + FAILOVER;
                match failover {
                    Ok(failover) => self.hall.failover = failover,
                    Err(trouble) => drop(self.troubled(trouble)?),
                }
            }
            Done::Blocks(all, since) => {
                self.chores.blocks = now + BLOCKS;
                match all {
                    Ok(all) => self.hall.blocks_are(all, since),
                    Err(trouble) => drop(self.troubled(trouble)?),
                }
            }
            Done::Sweep(swept) => {
                let swept = match swept {
                    Ok(was) => Ok(was),
                    Err(trouble) => Err(self.troubled(trouble)?),
                };
                self.hall.sweep_at = sweep::next(now, swept.ok());
            }
            Done::Purge(Ok(purged), took) => {
                self.hall.purge.done(now, purged.next, (took, took));
            }
            Done::Purge(Err(trouble), _) => {
                self.troubled(trouble)?;
                self.hall.purge.later(now + purge::PAUSE);
            }
        }
        Ok(())
    }

    fn looked_for_files(
        &mut self,
        looked: Result<BTreeMap<ServiceNumber, Refusal>, (Needed, Trouble)>,
    ) -> Result<(), Fatal> {
        let (lacking, again) = match looked {
            Ok(lacking) => (lacking, LACKING),
            Err((needed, trouble)) => {
                let why = self.troubled(trouble)?;
                let away = |number| (number, Refusal::StoreAway { why: why.clone() });
                (needed.into_iter().map(|(number, _)| away(number)).collect(), PAUSE)
            }
        };
        let open = lacking.is_empty();
        self.hall.lack(lacking);
        if !open {
            self.hall.lacking.at.get_or_insert(clock::now() + again);
        }
        // Before they are told, so that the next call finds what they have left.
        self.hall.settle()?;
        let made = std::mem::take(&mut self.chores.looked_for);
        self.hall.on_kept(&made);
        Ok(())
    }

    /// Looks for the files that services need, before anything that was asked is read.
    pub(super) fn look_first(&mut self, session: &mut dyn Session) -> Result<(), Fatal> {
        let needed = self.hall.needed();
        if needed.is_empty() {
            return Ok(());
        }
        let Done::Files(looked) = carry_out(session, Chore::Files(needed)) else { return Ok(()) };
        self.looked_for_files(looked)
    }
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Files,
    Failover,
    Blocks,
    Sweep,
    Purge,
}

impl From<Done> for Said {
    fn from(done: Done) -> Self {
        Self::LookedAfter(done)
    }
}
