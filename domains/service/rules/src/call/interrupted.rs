//! A run was interrupted: its savepoint is rolled back and its worker is gone.

use super::pending::Pending;
use super::{Alone, Attempt, Interruption, Order, Posture, Stage, Table};
use crate::ground::Effects;
use crate::id::CallId;
use crate::mutant::mutant;
use crate::refusal::{Busy, Refusal};

impl Table {
    pub(super) fn on_interrupted(
        &mut self,
        id: CallId,
        attempt: Attempt,
        why: &Interruption,
        out: &mut Vec<Order>,
    ) {
        if self.is_starting(id, attempt) {
            return self.on_start_lost(id, why, out);
        }
        let Some((call, ended)) = self.run_of(id, attempt) else { return };
        match (call.effects, ended) {
            (_, Some(reply)) if mutant("gone-taken-for-kept") => {
                self.remove_answered(id, reply, out);
            }
            (Effects::Outside, _) if mutant("unknown-runs-again") => self.run_again(id, out),
            // Also what was not at fault: its program may have begun, and its worker is gone.
            (Effects::Outside, _) => self.lose(id, out),
            (Effects::Store | Effects::None, _) => self.again(id, why, out),
        }
    }

    fn is_starting(&self, id: CallId, attempt: Attempt) -> bool {
        let of = |call: &Pending| call.stage == Stage::Starting && call.attempt == attempt;
        self.pending.get(&id).is_some_and(of)
    }

    /// That it will act outside is not durable, and nothing has begun.
    fn on_start_lost(&mut self, id: CallId, why: &Interruption, out: &mut Vec<Order>) {
        match why {
            Interruption::Contended | Interruption::SittingGone | Interruption::StoreFull(_) => {
                self.again(id, why, out);
            }
            // Its program had no part in it.
            Interruption::SittingGoneInTurn => self.again(id, &Interruption::SittingGone, out),
            // Its start may become durable yet: whoever is told to run it says what became of it.
            Interruption::TurnedOut | Interruption::NotAtFault => {}
        }
    }

    /// Nothing of it is left, so it runs again, unless that has no end.
    fn again(&mut self, id: CallId, why: &Interruption, out: &mut Vec<Order>) {
        let most = self.limits.runs;
        let Some(call) = self.pending.get_mut(&id) else { return };
        match why {
            Interruption::TurnedOut => call.alone = Alone::Yes,
            Interruption::Contended => call.contended += 1,
            Interruption::SittingGone | Interruption::NotAtFault => {}
            Interruption::SittingGoneInTurn if call.sank > 0 => {
                call.attempt = call.attempt.next();
                call.stage = Stage::Running;
                return out.push(Order::GiveUp(id, call.attempt));
            }
            Interruption::SittingGoneInTurn => {
                call.sank += 1;
                call.alone = Alone::Yes;
            }
            Interruption::StoreFull(why) => {
                let refusal = Refusal::StoreAway { why: why.clone() };
                return self.remove_refused(id, &refusal, out);
            }
        }
        if call.contended >= most && !mutant("contention-for-ever") {
            return self.remove_refused(id, &Refusal::Busy(Busy::Contended), out);
        }
        self.run_again(id, out);
    }

    /// Back into the queue, at the place that it had; where the group is moving, to its end.
    pub(super) fn run_again(&mut self, id: CallId, out: &mut Vec<Order>) {
        if self.posture == Posture::Open {
            self.queue(id);
        } else {
            self.remove_refused(id, &Refusal::Moving, out);
        }
    }

    /// Nobody knows what it did outside; that is made durable before anybody is told.
    pub(super) fn lose(&mut self, id: CallId, out: &mut Vec<Order>) {
        if let Some(call) = self.pending.get_mut(&id) {
            call.stage = Stage::Losing;
            out.push(Order::KeepUnknown(id));
        }
    }

    pub(super) fn end_unknown(&mut self, id: CallId, out: &mut Vec<Order>) {
        if self.stage(id) == Some(Stage::Losing) {
            self.remove_refused(id, &Refusal::Unknown, out);
        }
    }
}
