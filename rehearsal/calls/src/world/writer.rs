//! What a writer orders is carried out on the volume.

use tsugi_service_rules::call::{Alone, Event, Interruption};
use tsugi_service_rules::mutant::mutant;
use tsugi_service_rules::sitting::{self, EpochRead, Left, Near, Order, Run, State};
use tsugi_service_rules::stored::Stored;
use tsugi_vocabulary::Moment;

use super::{Ev, FAULTS_END, MS, US, World};
use crate::client::PAY;
use crate::engine::{Todo, Transaction};
use crate::rows::Write;
use crate::step::Step;

impl World {
    pub(super) fn tell_writer(&mut self, e: usize, event: sitting::Event) {
        let mut out = Vec::new();
        self.engines[e].writer.step(Moment(self.now), event, &mut out);
        for order in out {
            let step = Step::of_writer(&order);
            self.carry_writer(e, order);
            if self.passes_or_dead(e, step) {
                return;
            }
        }
    }

    /// A worker's first words are there.
    pub(super) fn spoke(&mut self, e: usize, run: Run) {
        let engine = &mut self.engines[e];
        if engine.programs.contains_key(&run) && !engine.spoken.contains(&run) {
            engine.spoken.push_back(run);
        }
    }

    /// The writer is told who waits, if it could do something about it.
    pub(super) fn offer_turn(&mut self, e: usize) {
        let engine = &mut self.engines[e];
        let before = engine.writer.state();
        if !matches!(before, State::Closed | State::Collecting { .. }) {
            return;
        }
        let first = engine.spoken.front().copied();
        let event = match first.and_then(|run| engine.programs.get(&run).map(|p| (run, p.alone))) {
            Some((run, alone)) => sitting::Event::Spoken(run, alone),
            None if engine.programs.values().any(|p| !p.ended) => {
                sitting::Event::Waits(Near::Silent)
            }
            None => sitting::Event::Waits(Near::Nobody),
        };
        self.tell_writer(e, event);
    }

    fn carry_writer(&mut self, e: usize, order: Order) {
        match order {
            Order::Begin => {
                let claims = self.claims;
                self.engines[e].held = None;
                self.engines[e].transaction = Some(Transaction { claims, ..Default::default() });
                let own = self.is_own(e);
                let read = if own { EpochRead::Own } else { EpochRead::Other };
                self.writer_soon(e, 5, sitting::Event::Began(read));
            }
            Order::Open(run) => self.give_turn(e, run),
            Order::RollBackTo(run) => {
                if let Some(transaction) = &mut self.engines[e].transaction {
                    transaction.writes.retain(|(of, _)| *of != run);
                }
            }
            Order::Insert(run) => self.insert(e, run),
            Order::Release(_) => {
                if let Some(transaction) = &mut self.engines[e].transaction {
                    transaction.savepoints -= 1;
                }
            }
            Order::Commit => self.send_unit(e),
            Order::RollBack => self.engines[e].transaction = None,
            Order::TellProgram(_) => {}
            Order::NotInserted(run) => self.not_inserted(e, run),
            Order::Kept(runs) => self.on_kept_runs(e, &runs),
            Order::TurnedOut(run) => self.interrupt(e, run, Interruption::TurnedOut),
            Order::Gone(runs, turn) => {
                self.engines[e].transaction = None;
                for run in runs {
                    self.interrupt(e, run, Interruption::SittingGone);
                }
                if let Some(run) = turn {
                    self.interrupt(e, run, Interruption::SittingGoneInTurn);
                }
            }
            Order::Full(runs) => {
                for run in runs {
                    self.interrupt(e, run, Interruption::StoreFull("full".to_owned()));
                }
            }
            Order::Superseded(_) | Order::Idle => {}
            Order::EndProcess => self.end_process(e),
            Order::Closed => {
                self.engines[e].closed = true;
                self.hand_over(e);
            }
        }
    }

    fn writer_soon(&mut self, e: usize, micros: u64, event: sitting::Event) {
        self.soon(e, micros * US, Todo::Writer(event));
    }

    fn give_turn(&mut self, e: usize, run: Run) {
        let engine = &mut self.engines[e];
        engine.spoken.retain(|spoken| *spoken != run);
        let beside = engine.writer.ended();
        if let Some(transaction) = &mut engine.transaction {
            transaction.savepoints += 1;
        }
        let Some(program) = engine.programs.get(&run).copied() else { return };
        if beside > 0 && program.alone == Alone::Yes {
            self.promises.breaks("alone", format!("{} has the turn beside {beside}", run.0));
        }
        self.queue.put(self.now + program.takes, Ev::Ends(e, run));
        // What has failed once is likely to fail again.
        let again = program.alone == Alone::Yes && program.service == PAY;
        let often = if self.full || again { 400 } else { 40 };
        if self.now < FAULTS_END && self.luck.happens(often) {
            self.statement_fails(e);
        }
    }

    /// A statement of the program that has the turn fails.
    fn statement_fails(&mut self, e: usize) {
        let left = match self.luck.below(4) {
            0 => Left::Nothing,
            1..=2 if self.full => Left::Full,
            _ => Left::Savepoint,
        };
        if left == Left::Nothing {
            // The engine of the database has rolled it all back.
            self.engines[e].transaction = None;
        }
        self.engines[e].todo.push_back(Todo::Writer(sitting::Event::Failed(left)));
    }

    fn insert(&mut self, e: usize, run: Run) {
        let Some(kept) = self.engines[e].kept.get(&run).copied() else { return };
        let fails = self.now < FAULTS_END && self.luck.happens(10);
        if fails || !self.store.rows.takes(run.0, kept.content) {
            return self.writer_soon(e, 5, sitting::Event::Failed(Left::Savepoint));
        }
        let write = Write::Final(run.0, kept.content, kept.reply, kept.lowest);
        if mutant("reply-after-commit") {
            // Its effects are committed now, its answer a little later.
            self.soon(e, 3 * MS, Todo::Writer(sitting::Event::Inserted(run)));
            let engine = &mut self.engines[e];
            let writes = engine.transaction.take().map(|t| t.writes).unwrap_or_default();
            let claims = self.claims;
            let savepoints = 1;
            let transaction = Transaction { writes: vec![(run, write)], savepoints, claims };
            self.engines[e].transaction = Some(transaction);
            let unit: Vec<Write> = writes.into_iter().map(|(_, write)| write).collect();
            return self.commit(&unit);
        }
        let engine = &mut self.engines[e];
        engine.held.get_or_insert(self.now);
        match &mut engine.transaction {
            Some(transaction) => transaction.writes.push((run, write)),
            None => self.commit(&[write]),
        }
        self.writer_soon(e, 6, sitting::Event::Inserted(run));
    }

    fn not_inserted(&mut self, e: usize, run: Run) {
        let (id, attempt) = run;
        let stored = self.store.rows.stored(id);
        let is_left = match stored {
            Stored::Nothing => !self.store.rows.is_over(id),
            Stored::Started(_) => true,
            Stored::Unknown(_) | Stored::Final(..) | Stored::Tombstone => false,
        };
        if is_left {
            return self.interrupt(e, run, Interruption::Contended);
        }
        let row = self.store.rows.row(id);
        self.engines[e].free(run);
        self.engines[e].todo.push_back(Todo::Table(Event::Taken(id, attempt, stored, row)));
    }

    /// The commit is written; whether it is durable is known when the sync returns.
    fn send_unit(&mut self, e: usize) {
        let Some(transaction) = self.engines[e].transaction.take() else {
            return self.writer_soon(e, 5, sitting::Event::CommitFailed);
        };
        if transaction.savepoints > 0 {
            let what = format!("{} savepoints are open at a commit", transaction.savepoints);
            return self.promises.breaks("savepoints_released", what);
        }
        let engine = &mut self.engines[e];
        let held =
            engine.held.take().map_or(0, |since| self.now.saturating_sub(since.max(engine.thawed)));
        if held > 30 * MS {
            let what = format!("calls that had ended waited {} ms", held / MS);
            self.promises.breaks("hold_fires", what);
        }
        if transaction.claims != self.claims && !mutant("epoch-not-checked") {
            // The device was taken away.
            return self.writer_soon(e, 5, sitting::Event::CommitFailed);
        }
        if transaction.writes.is_empty() {
            return self.writer_soon(e, 5, sitting::Event::Committed);
        }
        if !self.is_row_own(e) {
            let what =
                format!("{:?} commits, {:?} has it", self.engines[e].owner, self.store.rows.owner);
            return self.promises.breaks("epoch_is_own", what);
        }
        self.store.write(transaction.writes.into_iter().map(|(_, write)| write).collect());
        let after = self.work.between(60, 2_500) * US;
        if mutant("ack-before-fsync") {
            self.writer_soon(e, 5, sitting::Event::Committed);
        }
        self.queue.put(self.now + after, Ev::Synced(e));
    }

    fn is_row_own(&self, e: usize) -> bool {
        self.store.rows.owner == Some(self.engines[e].owner)
    }

    pub(super) fn synced(&mut self, e: usize) {
        let lost = !self.is_row_own(e);
        if lost || std::mem::take(&mut self.sync_fails) {
            if !lost {
                let left = self.luck.below(self.store.unsynced() as u64 + 1);
                self.store.tear(usize::try_from(left).unwrap_or(0));
            }
            if mutant("fsync-retried") {
                // Again, and now it says that all is well.
                self.sync();
                return self.engines[e].todo.push_back(Todo::Writer(sitting::Event::Committed));
            }
            return self.engines[e].todo.push_back(Todo::Writer(sitting::Event::CommitFailed));
        }
        self.sync();
        self.passes(e, Step::Durable);
        if !mutant("ack-before-fsync") {
            self.engines[e].todo.push_back(Todo::Writer(sitting::Event::Committed));
        }
    }

    pub(super) fn sync(&mut self) {
        match self.store.sync() {
            Ok(all) => self.promises.wrote(&all, &self.store.durable),
            Err(what) => self.promises.breaks("content_is_bound", what),
        }
    }

    fn on_kept_runs(&mut self, e: usize, runs: &[Run]) {
        for run in runs {
            self.engines[e].free(*run);
            self.engines[e].contended.remove(&run.0);
        }
        let ids = runs.iter().map(|(id, _)| *id).collect();
        self.engines[e].todo.push_back(Todo::Table(Event::Committed(ids)));
    }
}
