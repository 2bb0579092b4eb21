//! Sessions of a store on a server: each is a unit of work, and goes on without its engine.

use tsugi_service_rules::call::{Event, Interruption};
use tsugi_service_rules::epoch::Owner;
use tsugi_service_rules::id::CallId;
use tsugi_service_rules::mutant::mutant;
use tsugi_service_rules::sitting::Run;
use tsugi_service_rules::stored::Stored;

use super::{Ev, FAULTS_END, MS, US, World};
use crate::engine::{Kept, Todo};
use crate::rows::Write;
use crate::step::Step;

impl World {
    pub(super) fn begin_session(&mut self, e: usize, run: Run) {
        let session = self.store.session(self.engines[e].owner, run);
        let until = self.now + 2_000 * MS;
        let after = self.work.between(50, 500) * US;
        self.queue.put(self.now + after, Ev::Claim(e, session, until));
    }

    /// A session puts a row under the id of its call, or waits for the one that has.
    pub(super) fn claim_row(&mut self, e: usize, number: u64, until: u64) {
        let Some(session) = self.store.sessions.get(&number).filter(|s| s.gone.is_none()) else {
            return;
        };
        let run = session.of;
        let (id, attempt) = run;
        let Some(program) = self.engines[e].programs.get(&run).copied() else { return };
        if !self.is_own(e) {
            return self.end_process(e);
        }
        if self.store.is_claimed(id, number) {
            if self.now >= until {
                self.store.sessions.remove(&number);
                return self.interrupt(e, run, Interruption::Contended);
            }
            return self.queue.put(self.now + 20 * MS, Ev::Claim(e, number, until));
        }
        let stored = self.store.rows.stored(id);
        let free = match stored {
            Stored::Nothing => !self.store.rows.is_over(id),
            Stored::Started(_) => self.is_outside(id),
            Stored::Unknown(_) | Stored::Final(..) | Stored::Tombstone => false,
        };
        if !free {
            self.store.sessions.remove(&number);
            let row = self.store.rows.row(id);
            self.engines[e].free(run);
            let taken = Event::Taken(id, attempt, stored, row);
            return self.engines[e].todo.push_back(Todo::Table(taken));
        }
        if self.now < FAULTS_END && self.luck.happens(30) {
            self.store.sessions.remove(&number);
            return self.interrupt(e, run, Interruption::Contended);
        }
        self.queue.put(self.now + program.takes, Ev::Ends(e, run));
        self.passes(e, Step::Claim);
    }

    /// The commit is on its way.
    pub(super) fn send_commit(&mut self, e: usize, run: Run, kept: Kept) {
        let owner = self.engines[e].owner;
        let number = self.store.session_of(owner, run);
        let session = number.and_then(|n| self.store.sessions.get_mut(&n));
        let Some((number, session)) = number.zip(session.filter(|s| s.gone.is_none())) else {
            return self.interrupt(e, run, Interruption::Contended);
        };
        session.writes.push(Write::Final(run.0, kept.content, kept.reply, kept.lowest));
        let slow = self.now < FAULTS_END && self.luck.happens(60);
        let after =
            if slow { self.work.between(2, 900) * MS } else { self.work.between(50, 900) * US };
        self.queue.put(self.now + after, Ev::Arrive(e, number));
        if slow {
            // The connection is lost before anything comes back.
            let after = self.work.between(1, 600) * MS;
            self.table_soon(e, after, Event::InDoubt(run.0));
        }
        if mutant("ack-before-fsync") {
            self.table_soon(e, 10 * US, Event::Committed(vec![run.0]));
        }
        self.passes(e, Step::Commit);
    }

    /// A commit has come to the server.
    pub(super) fn commit_arrives(&mut self, e: usize, number: u64) {
        let Some(session) = self.store.sessions.remove(&number) else {
            return;
        };
        let (id, _) = session.of;
        if session.gone.is_some() && self.luck.happens(500) {
            self.store.sessions.insert(number, session);
            return;
        }
        if self.opened != Some(session.owner) {
            let what = format!("{:?} commits, {:?} has it open", session.owner, self.opened);
            return self.promises.breaks("epoch_is_own", what);
        }
        self.commit(&session.writes);
        self.passes(e, Step::Durable);
        self.engines[e].free(session.of);
        let after = self.work.between(50, 500) * US;
        self.table_soon(e, after, Event::Committed(vec![id]));
    }

    /// A session is told to end, which takes a while; when it is gone.
    fn end_session(&mut self, number: u64) -> Option<u64> {
        let after = self.work.between(1, 300) * MS;
        let session = self.store.sessions.get_mut(&number)?;
        let at = *session.gone.get_or_insert(self.now + after);
        self.queue.put(at, Ev::Gone(number));
        Some(at)
    }

    pub(super) fn end_all_sessions(&mut self) {
        let all: Vec<u64> = self.store.sessions.keys().copied().collect();
        for number in all {
            let run = self.store.sessions.get(&number).map(|session| session.of);
            self.end_session(number);
            let Some((e, run)) = self.current().zip(run) else { continue };
            let ended = self.engines[e].programs.get(&run).map(|program| program.ended);
            let after = self.work.between(1, 30) * MS;
            match ended {
                Some(true) => self.table_soon(e, after, Event::InDoubt(run.0)),
                Some(false) => {
                    self.interrupt(e, run, Interruption::Contended);
                    self.go_on(e);
                }
                None => {}
            }
        }
    }

    /// Sessions of other runs are ended; how many there were.
    pub(super) fn end_sessions_of_others(&mut self, e: usize) -> usize {
        let own = self.engines[e].owner;
        let others = self.store.sessions.iter().filter(|(_, session)| session.owner != own);
        let others: Vec<u64> = others.map(|(number, _)| *number).collect();
        for number in &others {
            self.end_session(*number);
        }
        others.len()
    }

    /// The engine of these is dead; the server finds out some time.
    pub(super) fn orphan_sessions(&mut self, owner: Owner) {
        let of = self.store.sessions.iter().filter(|(_, session)| session.owner == owner);
        let numbers: Vec<u64> = of.map(|(number, _)| *number).collect();
        for number in numbers {
            let after = self.work.between(1, 5_000) * MS;
            self.queue.put(self.now + after, Ev::Gone(number));
        }
    }

    /// What a run did is rolled back.
    pub(super) fn drop_session(&mut self, e: usize, run: Run) {
        let owner = self.engines[e].owner;
        if let Some(number) = self.store.session_of(owner, run) {
            self.store.sessions.remove(&number);
        }
    }

    /// A commit in doubt is looked up once its session is gone.
    pub(super) fn begin_clear(&mut self, e: usize, id: CallId) {
        let owner = self.engines[e].owner;
        let of = |session: &crate::store::Session| session.owner == owner && session.of.0 == id;
        let number = self.store.sessions.iter().find(|(_, s)| of(s)).map(|(n, _)| *n);
        let runs = self.engines[e].programs.keys().filter(|(of, _)| *of == id).copied();
        for run in runs.collect::<Vec<_>>() {
            self.engines[e].free(run);
        }
        let gone = number.filter(|_| !mutant("unknown-commit-looked-up-early"));
        let at = gone.and_then(|number| self.end_session(number)).unwrap_or(self.now);
        self.queue.put(at + 2 * MS, Ev::Clear(e, id, number));
    }

    pub(super) fn clear(&mut self, e: usize, id: CallId, _session: Option<u64>) {
        let mut stored = self.store.rows.stored(id);
        if mutant("unknown-commit-assumed-absent") {
            stored = Stored::Nothing;
        }
        self.engines[e].todo.push_back(Todo::Table(Event::Cleared(id, stored)));
    }
}
