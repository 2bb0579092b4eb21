//! Who is at the store beside the calls: clerks, who read what it has and write what is small, and
//! a lookout, who waits for it while it is away.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::id::{CallId, Serial};
use tsugi_store::{Block, Id, Key, Look, Reply, Trouble};

use super::super::Listing;
use super::super::small::{Small, write};
use super::chores::{self, Chore};
use super::session::{Said, Session, Tell, blocks};
use crate::names;

/// How long the lookout waits between two looks, at first and at most.
const FIRST: Duration = Duration::from_millis(20);
const MOST: Duration = Duration::from_millis(500);

/// How often something is tried again that met others, or a connection that is no longer one.
const TRIES: usize = 3;

enum Errand {
    See(CallId),
    Write(Small, Serial, Option<Arc<Reply>>),
    Clear(Small, Box<Look>),
    LookAfter(Chore),
    List(Listing),
}

/// Errands in their order; none once nobody gives any.
type Errands = Arc<(Mutex<Option<VecDeque<Errand>>>, Condvar)>;

/// Who reads and writes what is small.
pub(super) struct Clerks(Errands);

impl Clerks {
    /// None, who are given errands all the same.
    pub(super) fn new() -> Self {
        Self(Arc::new((Mutex::new(Some(VecDeque::new())), Condvar::new())))
    }

    pub(super) fn start(
        &self,
        sessions: Vec<Box<dyn Session>>,
        tell: &Tell,
    ) -> std::io::Result<()> {
        for (number, session) in sessions.into_iter().enumerate() {
            let own = self.0.clone();
            tell.clone()
                .thread(format!("clerk-{number}"), move |tell| serve(session, &own, tell))?;
        }
        Ok(())
    }

    /// Something small was written, and its commit had no answer: what became of it.
    pub(super) fn clear(&self, small: Small, look: Box<Look>) {
        self.give(Errand::Clear(small, look));
    }

    /// Something is looked after.
    pub(super) fn look_after(&self, chore: Chore) {
        self.give(Errand::LookAfter(chore));
    }

    /// What is unknown, or what such a call asks.
    pub(super) fn list(&self, listing: Listing) {
        self.give(Errand::List(listing));
    }

    /// What the store has under an id, and of its client.
    pub(super) fn see(&self, id: CallId) {
        self.give(Errand::See(id));
    }

    /// Something small is written.
    pub(super) fn write(&self, small: Small, lowest: Serial, bytes: Option<Arc<Reply>>) {
        self.give(Errand::Write(small, lowest, bytes));
    }

    fn give(&self, errand: Errand) {
        let (all, moved) = &*self.0;
        if let Some(all) = &mut *all.lock().expect("nobody dies with the lock") {
            all.push_back(errand);
        }
        moved.notify_one();
    }

    pub(super) fn close(self) {
        let (all, moved) = &*self.0;
        *all.lock().expect("nobody dies with the lock") = None;
        moved.notify_all();
    }
}

fn next(errands: &Errands) -> Option<Errand> {
    let (all, moved) = &**errands;
    let mut all = all.lock().expect("nobody dies with the lock");
    loop {
        match all.as_mut()?.pop_front() {
            Some(errand) => return Some(errand),
            None => all = moved.wait(all).expect("nobody dies with the lock"),
        }
    }
}

fn serve(mut session: Box<dyn Session>, errands: &Errands, tell: &Tell) {
    while let Some(errand) = next(errands) {
        tell.say(match errand {
            Errand::List(listing) => {
                listing.tell(&mut *session);
                continue;
            }
            Errand::See(id) => {
                let of = names::stored(id, Serial::FIRST);
                Said::Seen(id, tried(|| session.seen(&of)))
            }
            Errand::Write(small, lowest, bytes) => {
                if let Some(blocks) = blocked(&mut *session, &small) {
                    tell.say(Said::Blocked(small, blocks));
                    continue;
                }
                let written = tried(|| write(&mut *session, &small, lowest, bytes.as_deref()));
                match (&small, &written) {
                    // What the store has instead counts.
                    (Small::Start(id, attempt, _), Ok(false)) => {
                        let of = names::stored(*id, Serial::FIRST);
                        Said::NotStarted(*id, *attempt, tried(|| session.seen(&of)))
                    }
                    _ => Said::Written(small, written),
                }
            }
            Errand::Clear(small, look) => match tried(|| session.committed(&look)) {
                Ok(true) => Said::Written(small, Ok(true)),
                Ok(false) => Said::Unwritten(small),
                Err(Trouble::Superseded { found }) => {
                    Said::Written(small, Err(Trouble::Superseded { found }))
                }
                Err(_) => Said::Written(small, Err(Trouble::Unknown(look))),
            },
            Errand::LookAfter(chore) => chores::carry_out(&mut *session, chore).into(),
        });
    }
}

/// What is blocked, where that is the service of a call that is to be started: nothing is begun.
fn blocked(session: &mut dyn Session, small: &Small) -> Option<Vec<(i64, Block)>> {
    let Small::Start(_, _, starts) = small else { return None };
    let service = u32::try_from(starts.request.service).ok()?;
    blocks(session, ServiceNumber(service))
}

/// Of what met others, or a connection that is no longer one, nothing is left. A change whose
/// commit had no answer is not made again: it is looked for.
pub(super) fn tried<T>(mut what: impl FnMut() -> Result<T, Trouble>) -> Result<T, Trouble> {
    let mut tries = 1;
    loop {
        match what() {
            Err(Trouble::Again | Trouble::Away(_)) if tries < TRIES => tries += 1,
            done => return done,
        }
    }
}

/// What the lookout is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Look,
    Leave,
}

/// Who waits for the store while it is away.
pub(super) struct Lookout(Arc<(Mutex<Told>, Condvar)>);

impl Lookout {
    pub(super) fn start(session: Box<dyn Session>, tell: Tell) -> std::io::Result<Self> {
        let told = Arc::new((Mutex::new(Told::Nothing), Condvar::new()));
        let own = told.clone();
        tell.thread("lookout".to_owned(), move |tell| look_out(session, &own, tell))?;
        Ok(Self(told))
    }

    /// It looks until the store is there, and says so; where it is not, it says that first.
    pub(super) fn look(&self) {
        self.tell(Told::Look);
    }

    pub(super) fn close(self) {
        self.tell(Told::Leave);
    }

    fn tell(&self, what: Told) {
        *self.0.0.lock().expect("nobody dies with the lock") = what;
        self.0.1.notify_one();
    }
}

fn look_out(mut session: Box<dyn Session>, told: &(Mutex<Told>, Condvar), tell: &Tell) {
    let (told, moved) = told;
    let look = Id::Key(Key([0; 16]));
    loop {
        {
            let told = told.lock().expect("nobody dies with the lock");
            let mut told =
                moved.wait_while(told, |told| *told == Told::Nothing).expect("nobody dies with it");
            if std::mem::replace(&mut *told, Told::Nothing) == Told::Leave {
                return;
            }
        }
        let mut pause = FIRST;
        // One look may meet a connection that ended with the server.
        let mut away = tried(|| session.find(&look)).err();
        if let Some(trouble) = &away {
            tell.say(Said::Away(trouble.to_string()));
        }
        while away.is_some() {
            let told = told.lock().expect("nobody dies with the lock");
            let waits = moved.wait_timeout_while(told, pause, |told| *told != Told::Leave);
            if *waits.expect("nobody dies with it").0 == Told::Leave {
                return;
            }
            pause = (pause * 2).min(MOST);
            away = session.find(&look).err();
        }
        tell.say(Said::Back);
    }
}
