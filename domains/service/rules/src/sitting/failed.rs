//! Something of a sitting has failed.

use tsugi_vocabulary::Moment;

use super::{Closing, Left, Order, Run, Sitting, State};
use crate::call::Alone;
use crate::mutant::mutant;

impl Sitting {
    /// Only what is left of the transaction tells what an error has cost; its code does not.
    pub(super) fn on_failed(&mut self, now: Moment, left: Left, out: &mut Vec<Order>) {
        match (self.state, left) {
            (State::Turn { of, .. }, Left::Savepoint) => out.push(Order::TellProgram(of)),
            (State::Turn { of, .. }, Left::Nothing) if mutant("autocommit-not-looked-at") => {
                out.push(Order::TellProgram(of));
            }
            (State::Turn { of, .. } | State::Inserting { of, .. }, Left::Nothing) => {
                self.lose(Vec::new(), Some(of), out);
            }
            (State::Turn { of, .. } | State::Inserting { of, .. }, Left::Full) => {
                self.full(Some(of), out);
            }
            (State::Inserting { of, alone, .. }, Left::Savepoint) => {
                out.extend([Order::RollBackTo(of), Order::Release(of), Order::NotInserted(of)]);
                self.after_none(now, alone, out);
            }
            // It has not begun: whatever failed, it is not at fault.
            (State::Opening { first, .. }, Left::Savepoint) => {
                out.push(Order::RollBack);
                self.lose(vec![first], None, out);
            }
            (State::Opening { first, .. }, Left::Nothing) => self.lose(vec![first], None, out),
            (State::Opening { first, .. }, Left::Full) => self.full(Some(first), out),
            (State::Collecting { .. }, Left::Savepoint) => {
                out.push(Order::RollBack);
                self.lose(Vec::new(), None, out);
            }
            (State::Collecting { .. }, Left::Nothing) => self.lose(Vec::new(), None, out),
            (State::Collecting { .. }, Left::Full) => self.full(None, out),
            // A commit of which the store knows that nothing is durable; one of which nobody
            // does is told as such.
            (State::Committing, Left::Full) => self.full(None, out),
            (State::Committing, Left::Savepoint | Left::Nothing) => {
                self.lose(Vec::new(), None, out);
            }
            // Where nothing is open nothing is lost.
            (State::Closed | State::Over, Left::Savepoint | Left::Full | Left::Nothing) => {}
        }
    }

    /// A turn has left nothing behind; the others of its sitting go on.
    fn after_none(&mut self, now: Moment, alone: Alone, out: &mut Vec<Order>) {
        if self.ended.is_empty() || alone == Alone::Yes || self.closing == Closing::Yes {
            return self.commit_or_close(now, out);
        }
        self.state = State::Collecting { since: now };
    }

    fn full(&mut self, turn: Option<Run>, out: &mut Vec<Order>) {
        out.push(Order::RollBack);
        let all: Vec<Run> = self.empty().into_iter().chain(turn).collect();
        out.push(Order::Full(all));
        self.close(out);
    }

    /// All that have ended, these, and the one that had the turn.
    fn lose(&mut self, these: Vec<Run>, turn: Option<Run>, out: &mut Vec<Order>) {
        let all: Vec<Run> = self.empty().into_iter().chain(these).collect();
        out.push(Order::Gone(all, turn));
        self.close(out);
    }

    /// Nobody knows what is on the disk: not this process, whose cache may lie.
    pub(super) fn on_commit_failed(&mut self, out: &mut Vec<Order>) {
        match self.state {
            State::Committing if mutant("failed-commit-survived") => {
                out.push(Order::RollBack);
                self.lose(Vec::new(), None, out);
            }
            State::Committing => {
                self.state = State::Over;
                out.push(Order::EndProcess);
            }
            State::Closed
            | State::Opening { .. }
            | State::Turn { .. }
            | State::Inserting { .. }
            | State::Collecting { .. }
            | State::Over => {}
        }
    }
}
