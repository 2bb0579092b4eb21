//! The unit of work of a call that runs, from its row to its commit, as the core drives it.

use std::collections::BTreeSet;

use tsugi_service_rules::abroad::Became;
use tsugi_service_rules::call::{Event, Interruption, Work as Effects};
use tsugi_service_rules::ground;
use tsugi_service_rules::sitting::Run;
use tsugi_service_rules::stored::{ClientRow, Ending, Stored};
use tsugi_service_rules::worker::pool;
use tsugi_store::{Call, Content, Seen, Trouble};

use super::super::Found;
use super::super::hall::{Going, Todo};
use super::super::nested::{Next, Stack};
use super::super::pools::{self, Over};
use super::super::way::Way;
use super::Parallel;
use super::session::{Errand, Word};
use crate::clock;
use crate::fatal::Fatal;
use crate::names;
use crate::worker::{Asked, Batch};

/// The unit of work of a session.
pub(super) struct Unit {
    pub(super) run: Run,
    stand: Stand,
    /// Who is called in it.
    stack: Stack,
}

/// Where a unit of work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// Its row is being claimed.
    Opening,
    /// It is open, and nothing is asked of it.
    Open,
    /// Operations are carried out.
    Operating,
    /// A savepoint within begins, or ends.
    Nesting,
    /// Its reply is put beside its effects and committed, or its commit is looked for.
    Ending,
    /// Its run is over, and it is being taken back.
    Leaving,
}

impl Parallel {
    /// Gives sessions to who needs one, and work to those that have some.
    pub(super) fn serve_all(&mut self) -> Result<Found, Fatal> {
        let mut found = Found::Nothing;
        let spoken = std::mem::take(&mut self.hall.spoken);
        let has: BTreeSet<Run> =
            self.seats.iter().filter_map(|seat| Some(seat.unit.as_ref()?.run)).collect();
        for run in spoken.into_iter().filter(|run| !has.contains(run)) {
            self.sent().opens(run);
        }
        for at in 0..self.seats.len() {
            let served = match &self.seats[at].unit {
                Some(_) => self.serve(at)?,
                None => self.open(at),
            };
            if served == Found::Work {
                found = Found::Work;
            }
        }
        Ok(found)
    }

    /// Gives a free session to the next run that needs one.
    fn open(&mut self, at: usize) -> Found {
        while let Some(run) = self.next_to_open() {
            let asks = self.hall.table.asks(run.0);
            let Some(asks) = asks.filter(|_| self.hall.runs.contains_key(&run)) else {
                self.sent().has_begun(run);
                continue;
            };
            let id = names::stored(run.0, asks.lowest);
            let call = Call { id, content: Content(asks.content.digest) };
            let service = (!self.acts_outside(run)).then_some(asks.service);
            let stack = self.hall.stack(run, asks.service);
            self.seats[at].send(Errand::Open(run, call, service));
            self.seats[at].unit = Some(Unit { run, stand: Stand::Opening, stack });
            self.sent().free -= 1;
            return Found::Work;
        }
        Found::Nothing
    }

    /// The next run that may have a session now. One that acts outside the store and whose program
    /// has not begun waits for a store that is away: whatever ended it would make it unknown.
    fn next_to_open(&mut self) -> Option<Run> {
        let there = self.is_there();
        let may = |run: &Run| there || !self.acts_outside(*run);
        let Way::Sessions(sent) = &self.hall.way else { return None };
        let at = sent.opening.iter().position(may)?;
        self.sent().opening.remove(at)
    }

    fn acts_outside(&self, run: Run) -> bool {
        let of = self.hall.runs.get(&run).and_then(|going| self.hall.grounds.get(&going.service));
        of.is_some_and(|ground| ground.effects == ground::Effects::Outside)
    }

    /// Does what can be done with a unit of work now.
    fn serve(&mut self, at: usize) -> Result<Found, Fatal> {
        let Some(Unit { run, stand, stack }) = &self.seats[at].unit else {
            return Ok(Found::Nothing);
        };
        let (run, stand) = (*run, *stand);
        if !self.hall.runs.contains_key(&run) {
            return Ok(self.give_up(at, stand));
        }
        match stand {
            Stand::Operating if self.hall.is_over_in(stack) => self.halt(at),
            Stand::Open => return self.go_on(at, run),
            Stand::Opening | Stand::Operating | Stand::Nesting | Stand::Ending | Stand::Leaving => {
            }
        }
        Ok(Found::Nothing)
    }

    /// Does what comes next in a unit of work that is open.
    fn go_on(&mut self, at: usize, run: Run) -> Result<Found, Fatal> {
        let Some(mut unit) = self.seats[at].unit.take() else { return Ok(Found::Nothing) };
        let next = self.hall.next_of(&mut unit.stack);
        self.seats[at].unit = Some(unit);
        let (stand, errand) = match next {
            Next::Nothing => return Ok(Found::Nothing),
            Next::Carry(carry) => {
                self.may_make_files(run, &carry.asked);
                (Stand::Operating, Errand::Operate(carry))
            }
            Next::Begin(acts) => (Stand::Nesting, Errand::Begin(acts)),
            Next::Keep => (Stand::Nesting, Errand::Keep),
            Next::TakeBack => (Stand::Nesting, Errand::TakeBack),
            Next::Ends(over) => {
                let ended = self.hall.ended(run, over);
                let (reply, effects) = self.hall.stored(run, ended)?;
                if effects == Effects::RolledBack {
                    self.hall.undo_within(run);
                }
                (Stand::Ending, Errand::Finish(effects, Box::new(reply)))
            }
            Next::Fails(why) => {
                self.fails(run, &why);
                return Ok(Found::Work);
            }
        };
        self.stands(at, stand);
        self.seats[at].send(errand);
        Ok(Found::Work)
    }

    /// The run of a unit is over: it is taken back.
    fn give_up(&mut self, at: usize, stand: Stand) -> Found {
        match stand {
            // What is being committed has its end by that.
            Stand::Leaving | Stand::Ending => return Found::Nothing,
            Stand::Opening | Stand::Operating | Stand::Nesting => self.halt(at),
            Stand::Open => {}
        }
        self.stands(at, Stand::Leaving);
        self.abandon(at);
        self.seats[at].send(Errand::RollBack);
        Found::Work
    }

    /// Ends the statement under way.
    fn halt(&mut self, at: usize) {
        self.breaker.halt(at, self.seats[at].last());
    }

    fn stands(&mut self, at: usize, stand: Stand) {
        if let Some(unit) = &mut self.seats[at].unit {
            unit.stand = stand;
        }
    }

    /// Whoever is called in a unit of work is given up with it.
    fn abandon(&mut self, at: usize) {
        if let Some(unit) = &mut self.seats[at].unit {
            self.hall.abandon_stack(&mut unit.stack);
        }
    }

    fn may_make_files(&mut self, run: Run, asked: &[Asked]) {
        if asked.iter().any(Asked::may_make_files) {
            self.chores.makes(run);
            self.hall.sweep_at.get_or_insert_with(clock::now);
        }
    }

    /// What a session has said of its unit of work.
    pub(super) fn hear_unit(&mut self, at: usize, run: Run, word: Word) -> Result<(), Fatal> {
        let stand = self.seats[at].unit.as_ref().map(|unit| unit.stand);
        self.sent().has_begun(run);
        match word {
            Word::Opened | Word::Operated(..) | Word::Begun | Word::Ended | Word::InDoubt
                if stand == Some(Stand::Leaving) => {}
            Word::Opened => self.opened(at, run),
            Word::Operated(answers, failed) => {
                self.stands(at, Stand::Open);
                if let Some(unit) = &mut self.seats[at].unit {
                    unit.stack.carried(answers, failed);
                }
            }
            Word::Begun => self.stands(at, Stand::Open),
            Word::Ended => {
                self.stands(at, Stand::Open);
                if let Some(unit) = &mut self.seats[at].unit {
                    self.hall.ended_beside(&mut unit.stack);
                }
            }
            Word::InDoubt => self.hall.todo.push_back(Todo::Table(Event::InDoubt(run.0))),
            // It was ended because its run is over.
            Word::Lost(Trouble::Away(_) | Trouble::Again) if stand == Some(Stand::Leaving) => {
                self.free(at);
            }
            Word::Lost(trouble) => {
                let unit = self.seats[at].unit.as_ref();
                let over = unit.is_some_and(|unit| self.hall.is_over_in(&unit.stack));
                self.free(at);
                self.lost(run, trouble, (stand, over))?;
            }
            Word::Taken(seen) => {
                self.free(at);
                self.taken(run, Some(seen));
            }
            Word::Running => {
                self.free(at);
                self.taken(run, None);
            }
            Word::Blocked(all) => {
                self.free(at);
                // It waits again, and is told what is blocked like all who wait.
                self.hall.interrupt(run, Interruption::NotAtFault);
                self.hall.blocks_are(all, self.hall.blocking);
                self.hall.todo.push_back(Todo::Table(Event::Woken));
            }
            Word::Kept => {
                self.free(at);
                if let Some(service) = self.hall.runs.get(&run).map(|going| going.service) {
                    self.sent().kept(service);
                }
                self.is_kept(run);
            }
            Word::Cleared(seen) => {
                self.free(at);
                self.cleared(run, seen);
            }
            Word::RolledBack => self.free(at),
        }
        Ok(())
    }

    fn free(&mut self, at: usize) {
        self.abandon(at);
        self.seats[at].unit = None;
        self.sent().free += 1;
    }

    /// Its row is claimed: its program begins, unless it has something to say already.
    fn opened(&mut self, at: usize, run: Run) {
        self.stands(at, Stand::Open);
        let Some(going) = self.hall.runs.get(&run).filter(|going| going.mail.is_empty()) else {
            return;
        };
        let service = going.service;
        self.hall.hold(service, run);
    }

    /// What its program did not wait for was refused.
    fn fails(&mut self, run: Run, why: &str) {
        let ended = self.hall.failed(run, why);
        if let Some(going) = self.hall.runs.get_mut(&run) {
            let known = going.mail.pop_back().filter(is_bad_end);
            going.mail.clear();
            // What its worker has said of its end by itself goes before.
            let ended = pools::Word::End(Batch::default(), Over::Ended(ended));
            going.mail.push_back(known.unwrap_or(ended));
        }
    }

    /// The store says something else than when it was asked before: that counts.
    fn taken(&mut self, run: Run, seen: Option<Seen>) {
        if !self.hall.runs.contains_key(&run) {
            return;
        }
        if seen.is_none() && self.acts_outside(run) {
            // Its row is its own: somebody holds the table. That it begins is durable.
            return self.sent().opens(run);
        }
        let (stored, row) = match seen {
            Some(seen) => self.hall.taken_in(run.0, seen),
            // Somebody has claimed it who may yet leave nothing.
            None => (Stored::Nothing, ClientRow { life: None, floor: None, clients: 0 }),
        };
        self.hall.drop_run(run);
        self.hall.todo.push_back(Todo::Table(Event::Taken(run.0, run.1, stored, row)));
    }

    /// What a commit has left of which nothing came back.
    fn cleared(&mut self, run: Run, seen: Seen) {
        let (stored, _) = self.hall.taken_in(run.0, seen);
        if self.chores.has_made(run) {
            self.hall.lacking.at = Some(clock::now());
        }
        if let Stored::Final(..) = stored
            && let Some(going) = self.hall.runs.remove(&run)
        {
            going.reply.and_then(|number| self.hall.replies.remove(&number));
            self.hall.todo.push_back(Todo::Pool(going.service, pool::Event::Settled(run)));
            self.hall.settle_within(run);
            self.hall.is_home(run, Became::Durable);
        } else {
            self.hall.drop_run(run);
        }
        self.hall.todo.push_back(Todo::Table(Event::Cleared(run.0, stored)));
    }

    /// Nothing of a unit of work is left.
    fn lost(
        &mut self,
        run: Run,
        trouble: Trouble,
        (stand, over): (Option<Stand>, bool),
    ) -> Result<(), Fatal> {
        let why = match &trouble {
            Trouble::Gone(_) => Interruption::SittingGoneInTurn,
            Trouble::Full | Trouble::Refused(_) => Interruption::StoreFull(trouble.to_string()),
            // Where the store is away for longer, whoever waits for it is told so.
            Trouble::Again
            | Trouble::Away(_)
            | Trouble::ReadOnly
            | Trouble::Unknown(_)
            | Trouble::Superseded { .. }
            | Trouble::Broken(_) => Interruption::Contended,
        };
        // Its statement was ended for the end that it has: that is kept by another unit.
        let ended = self.hall.runs.get(&run).is_some_and(is_ended_badly);
        let operated = stand == Some(Stand::Operating);
        let halted = over && operated && matches!(trouble, Trouble::Away(_));
        let met = trouble == Trouble::Again;
        if !halted {
            self.troubled(trouble)?;
        }
        let halted = halted && ended;
        let outside = self.acts_outside(run) && stand == Some(Stand::Opening);
        if outside && self.hall.runs.get(&run).is_some_and(|going| going.mail.is_empty()) {
            // Its program has not begun, and that it would is durable.
            self.sent().opens(run);
            return Ok(());
        }
        self.chores.has_made(run);
        if halted {
            self.hall.undo_within(run);
            self.sent().opens(run);
        } else if let Some(service) = self.hall.runs.get(&run).map(|going| going.service) {
            if met {
                let all = self.hall.runs.values();
                let beside = all.filter(|going| going.service == service).count();
                self.sent().met(service, beside);
            }
            self.hall.interrupt(run, why);
        }
        Ok(())
    }
}

/// Whether a run has an end by which nothing of its effects is kept.
fn is_ended_badly(going: &Going) -> bool {
    going.mail.front().is_some_and(is_bad_end)
}

fn is_bad_end(word: &pools::Word) -> bool {
    matches!(word, pools::Word::End(_, Over::Ended(ended)) if ended.ending != Ending::Done)
}
