//! A session and its thread, which waits for the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tsugi_service_rules::call::{Attempt, Work as Effects};
use tsugi_service_rules::ground::{Effects as Where, ServiceNumber};
use tsugi_service_rules::id::CallId;
use tsugi_service_rules::sitting::Run;
use tsugi_store::{Begun, Block, Call, Failover, Look, Reply, Seen, Store, Trouble, Work};

use super::super::nested::Carry;
use super::super::operated::{SoFar, operate_in};
use super::super::small::Small;
use super::super::within;
use super::super::{Letter, panic_text};
use super::chores::Done;
use super::unit::Unit;
use crate::inbox::Inbox;
use crate::open::Reads;
use crate::watch::Halt;

/// A session of a store whose units of work stand beside each other. It belongs to one thread.
pub trait Session: Store + Reads {
    /// What ends a statement of its unit of work, from another thread.
    fn halt(&self) -> Halt;

    /// What becomes of committed work when its database fails over to another server.
    ///
    /// # Errors
    /// It could not be asked.
    fn failover(&mut self) -> Result<Failover, Trouble>;
}

/// How often a row that met others is claimed again before its call is told to begin anew: no
/// program has run by then.
const CLAIMS: usize = 4;

/// How long is waited before a commit without an answer is looked for again.
const PAUSE: Duration = Duration::from_millis(50);

/// What a session is to do.
pub(super) enum Errand {
    /// Begin a unit of work for this call, of this service where it is to be looked whether that is
    /// blocked: what is begun durably is not.
    Open(Run, Call, Option<ServiceNumber>),
    /// Carry out operations in the innermost of it.
    Operate(Carry),
    /// Begin a savepoint within, of a service that acts so.
    Begin(Where),
    /// The innermost savepoint is part of what it stands in.
    Keep,
    /// The innermost savepoint is taken back.
    TakeBack,
    /// Put a reply beside its effects, or in their place, and commit.
    Finish(Effects, Box<Reply>),
    /// Take all of it back.
    RollBack,
}

/// What a session says of its unit of work.
pub(crate) enum Word {
    /// The call's row is claimed.
    Opened,
    /// Its row cannot be claimed; this is what the store has. The session is free.
    Taken(Seen),
    /// Another node has it under way. The session is free.
    Running,
    /// Its service is blocked by whoever it was: this is what is. The session is free.
    Blocked(Vec<(i64, Block)>),
    /// What came of operations, with all before them; or why whoever asked for them ends.
    Operated(SoFar, Option<String>),
    /// A savepoint has begun.
    Begun,
    /// The innermost savepoint is kept or taken back, as was asked.
    Ended,
    /// It is durable. The session is free.
    Kept,
    /// The commit was sent and nothing came back. It is looked for.
    InDoubt,
    /// What a commit in doubt has left. The session is free.
    Cleared(Seen),
    /// All of it is taken back, as was asked. The session is free.
    RolledBack,
    /// Nothing of it is left. The session is free.
    Lost(Trouble),
}

/// What is said by whoever is at the store.
pub(crate) enum Said {
    /// By the session of this number, of this run.
    Unit(usize, Run, Word),
    /// What the store has under an id and of its client.
    Seen(CallId, Result<Seen, Trouble>),
    /// Whether there was what something small was written about.
    Written(Small, Result<bool, Trouble>),
    /// A call that was to be started is of a service that is blocked: this is what is.
    Blocked(Small, Vec<(i64, Block)>),
    /// Something small whose commit had no answer is not there.
    Unwritten(Small),
    /// That a run begins was not kept: this is what the store has.
    NotStarted(CallId, Attempt, Result<Seen, Trouble>),
    /// Something was looked after.
    LookedAfter(Done),
    /// The store is away, for this reason.
    Away(String),
    /// The store is there.
    Back,
    /// Somebody has panicked.
    Panicked(String),
}

/// By what somebody at the store is heard. The last of them to go tells that all have left.
#[derive(Clone)]
pub(super) struct Tell {
    inbox: Arc<Inbox<Letter>>,
    _left: Sender<()>,
}

impl Tell {
    pub(super) fn new(inbox: Arc<Inbox<Letter>>, left: Sender<()>) -> Self {
        Self { inbox, _left: left }
    }

    pub(super) fn say(&self, said: Said) {
        // An engine that has ended hears nothing, and needs nothing.
        drop(self.inbox.put(Letter::Said(said)));
    }

    /// Runs in a thread of this name; a panic is said.
    pub(super) fn thread(
        self,
        name: String,
        work: impl FnOnce(&Self) + Send + 'static,
    ) -> std::io::Result<()> {
        let body = move || {
            let work = std::panic::AssertUnwindSafe(|| work(&self));
            if let Err(panic) = std::panic::catch_unwind(work) {
                self.say(Said::Panicked(panic_text(&*panic)));
            }
        };
        std::thread::Builder::new().name(name).spawn(body).map(drop)
    }
}

/// Which errand a session is at, and which it has done.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    at: AtomicU64,
    done: AtomicU64,
}

impl Pulse {
    /// Whether the session is at this errand; none once it is done.
    pub(super) fn is_at(&self, errand: u64) -> Option<bool> {
        let open = self.done.load(Ordering::SeqCst) < errand;
        open.then(|| self.at.load(Ordering::SeqCst) == errand)
    }

    fn during<T>(&self, errand: u64, work: impl FnOnce() -> T) -> T {
        self.at.store(errand, Ordering::SeqCst);
        let done = work();
        self.done.store(errand, Ordering::SeqCst);
        done
    }
}

/// A session as the core has it.
pub(super) struct Seat {
    errands: Sender<(u64, Errand)>,
    pulse: Arc<Pulse>,
    /// The number of the last errand.
    last: u64,
    /// Its unit of work.
    pub(super) unit: Option<Unit>,
}

impl Seat {
    pub(super) fn start(
        number: usize,
        session: Box<dyn Session>,
        tell: Tell,
    ) -> std::io::Result<Self> {
        let (errands, read) = channel();
        let pulse = Arc::new(Pulse::default());
        let own = pulse.clone();
        tell.thread(format!("session-{number}"), move |tell| {
            At { number, session, errands: &read, tell, pulse: &own }.work();
        })?;
        Ok(Self { errands, pulse, last: 0, unit: None })
    }

    pub(super) fn pulse(&self) -> Arc<Pulse> {
        self.pulse.clone()
    }

    pub(super) const fn is_free(&self) -> bool {
        self.unit.is_none()
    }

    /// Sends an errand. Its number.
    pub(super) fn send(&mut self, errand: Errand) -> u64 {
        self.last += 1;
        // Its thread ends only with this, or with a panic, which is said.
        drop(self.errands.send((self.last, errand)));
        self.last
    }

    /// The number of the errand under way.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }
}

/// A session in its thread.
struct At<'a> {
    number: usize,
    session: Box<dyn Session>,
    errands: &'a Receiver<(u64, Errand)>,
    tell: &'a Tell,
    pulse: &'a Pulse,
}

/// What follows a unit of work.
enum Then {
    Said(Word),
    LookFor(Box<Look>),
    /// The engine has gone.
    Left,
}

impl At<'_> {
    fn work(&mut self) {
        while let Ok((errand, what)) = self.errands.recv() {
            match what {
                Errand::Open(run, call, service) => {
                    let blocks = service.and_then(|of| blocks(&mut *self.session, of));
                    if let Some(blocks) = blocks {
                        self.pulse.during(errand, || ());
                        self.say(run, Word::Blocked(blocks));
                    } else if self.unit(errand, run, &call).is_none() {
                        return;
                    }
                }
                // Of a unit that was gone before its errand came.
                Errand::Operate(_)
                | Errand::Begin(_)
                | Errand::Keep
                | Errand::TakeBack
                | Errand::Finish(..)
                | Errand::RollBack => {
                    self.pulse.during(errand, || ());
                }
            }
        }
    }

    fn say(&self, run: Run, word: Word) {
        self.tell.say(Said::Unit(self.number, run, word));
    }

    /// A unit of work from its beginning to its end; none where the engine has gone.
    fn unit(&mut self, errand: u64, run: Run, call: &Call) -> Option<()> {
        let word = match self.begun(errand, run, call) {
            Then::Said(word) => word,
            Then::LookFor(look) => {
                self.say(run, Word::InDoubt);
                self.looked_for(&look)?
            }
            Then::Left => return None,
        };
        self.say(run, word);
        Some(())
    }

    fn begun(&mut self, errand: u64, run: Run, call: &Call) -> Then {
        let Self { number, session, errands, tell, pulse } = self;
        for left in (0..CLAIMS).rev() {
            match pulse.during(errand, || session.begin(call)) {
                Ok(Begun::New(work)) => {
                    tell.say(Said::Unit(*number, run, Word::Opened));
                    return at_work(work, errands, pulse, &|word| {
                        tell.say(Said::Unit(*number, run, word));
                    });
                }
                Ok(Begun::Running) => return Then::Said(Word::Running),
                Ok(_) => break,
                // A connection of before an end of the server is found out only by its use.
                Err(Trouble::Again | Trouble::Away(_)) if left > 0 => {}
                Err(trouble) => return Then::Said(Word::Lost(trouble)),
            }
        }
        // It says something of this id: all that it has counts.
        Then::Said(session.seen(&call.id).map_or_else(Word::Lost, Word::Taken))
    }

    /// Asks until it is known what a commit has left. It may take as long as the server is away.
    fn looked_for(&mut self, look: &Look) -> Option<Word> {
        loop {
            let seen = self.session.look(look).and_then(|_| self.session.seen(&look.id));
            match seen {
                Ok(seen) => return Some(Word::Cleared(seen)),
                Err(trouble @ (Trouble::Superseded { .. } | Trouble::Broken(_))) => {
                    return Some(Word::Lost(trouble));
                }
                Err(_) => {}
            }
            if let Err(RecvTimeoutError::Disconnected) = self.errands.recv_timeout(PAUSE) {
                return None;
            }
        }
    }
}

/// What is blocked, where this service is: it is looked in the store for each call, so that a block
/// holds at every member from the moment that it is told. What cannot be read says so by the call.
pub(super) fn blocks(
    session: &mut dyn Session,
    service: ServiceNumber,
) -> Option<Vec<(i64, Block)>> {
    let all = Store::blocks(session).ok()?;
    all.iter().any(|(of, _)| *of == i64::from(service.0)).then_some(all)
}

/// A unit of work that is open.
fn at_work(
    mut work: Box<dyn Work + '_>,
    errands: &Receiver<(u64, Errand)>,
    pulse: &Pulse,
    say: &dyn Fn(Word),
) -> Then {
    let line = Line { errands, pulse, say };
    match line.serve(&mut within::Unit::of(&mut *work)) {
        Ok((errand, Errand::Finish(effects, reply))) => {
            pulse.during(errand, || finished(work, effects, &reply))
        }
        Ok((errand, Errand::RollBack)) => {
            pulse.during(errand, || drop(work));
            Then::Said(Word::RolledBack)
        }
        Ok(_) => unreachable!("what is asked of no savepoint ends its unit"),
        Err(Some(trouble)) => Then::Said(Word::Lost(trouble)),
        Err(None) => Then::Left,
    }
}

/// What is asked of a unit of work, and by what its answers are said.
struct Line<'a> {
    errands: &'a Receiver<(u64, Errand)>,
    pulse: &'a Pulse,
    say: &'a dyn Fn(Word),
}

impl Line<'_> {
    /// Does what is asked of a unit of work, until it is something that ends it. Where there is
    /// none, nothing of the unit is left, or the engine has gone.
    fn serve(&self, unit: &mut within::Unit<'_, '_>) -> Result<(u64, Errand), Option<Trouble>> {
        while let Ok((errand, what)) = self.errands.recv() {
            match what {
                Errand::Operate(Carry { asked, mut answers, ended }) => {
                    unit.knows(ended);
                    let carry = || operate_in(unit, asked, &mut answers);
                    let failed = self.pulse.during(errand, carry).map_err(Some)?;
                    (self.say)(Word::Operated(answers, failed));
                }
                Errand::Begin(acts) => {
                    let mut inner = self.pulse.during(errand, || unit.begin()).map_err(Some)?;
                    (self.say)(Word::Begun);
                    match self.serve(&mut within::Unit::nested(&mut *inner, acts))? {
                        (errand, Errand::Keep) => {
                            self.pulse.during(errand, || inner.keep()).map_err(Some)?;
                        }
                        (errand, Errand::TakeBack) => self.pulse.during(errand, || drop(inner)),
                        // All of it ends.
                        other => return Ok(other),
                    }
                    (self.say)(Word::Ended);
                }
                // A session has one unit at a time.
                Errand::Open(run, ..) => unreachable!("{run:?} is opened within another"),
                Errand::Keep | Errand::TakeBack | Errand::Finish(..) | Errand::RollBack => {
                    return Ok((errand, what));
                }
            }
        }
        Err(None)
    }
}

fn finished(mut work: Box<dyn Work + '_>, effects: Effects, reply: &Reply) -> Then {
    let undone = match effects {
        Effects::Kept => Ok(()),
        Effects::RolledBack => work.undo(),
    };
    match undone.and_then(|()| work.finish(reply)) {
        Ok(_) => Then::Said(Word::Kept),
        Err(Trouble::Unknown(look)) => Then::LookFor(look),
        Err(trouble) => Then::Said(Word::Lost(trouble)),
    }
}
