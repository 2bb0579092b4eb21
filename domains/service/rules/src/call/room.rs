//! A worker has room.

use super::pending::Pending;
use super::{Alone, Attempt, Order, Posture, Stage, Table};
use crate::ground::{Effects, Ground, ServiceNumber};
use crate::id::CallId;
use crate::mutant::mutant;
use crate::stored::Reply;

impl Table {
    pub(super) fn on_room(
        &mut self,
        ground: &Ground<'_>,
        service: ServiceNumber,
        out: &mut Vec<Order>,
    ) {
        self.refuse_of_closed(ground, out);
        if self.posture != Posture::Open {
            return;
        }
        let Some(id) = self.next_of(service) else { return };
        self.unqueue(id);
        let Some(call) = self.pending.get_mut(&id) else { return };
        call.attempt = call.attempt.next();
        let outside = call.effects == Effects::Outside && !mutant("began-before-durable");
        if outside {
            call.stage = Stage::Starting;
            out.push(Order::Start { id, attempt: call.attempt, content: call.content });
        } else {
            call.stage = Stage::Running;
            out.push(Order::Run(id, call.attempt, call.alone));
        }
    }

    /// The oldest call of a service before which no other of its order key is pending.
    pub(super) fn next_of(&self, service: ServiceNumber) -> Option<CallId> {
        let from = (service, 0, CallId::LEAST);
        let of_service = self.queued.range(from..).take_while(|(of, ..)| *of == service);
        let mut free = of_service.filter(|(_, place, id)| self.is_first(*place, *id));
        free.next().map(|(.., id)| *id)
    }

    fn is_first(&self, place: u64, id: CallId) -> bool {
        let call = self.pending.get(&id);
        let Some((service, key)) = call.and_then(|c| c.order.map(|key| (c.service, key))) else {
            return true;
        };
        let first = self.lines.get(&(service, key)).and_then(|line| line.first());
        first == Some(&place) || mutant("order-ignored")
    }

    pub(super) fn on_start_kept(&mut self, id: CallId, out: &mut Vec<Order>) {
        let Some(call) = self.pending.get_mut(&id) else { return };
        if call.stage == Stage::Starting {
            call.stage = Stage::Running;
            out.push(Order::Run(id, call.attempt, Alone::Yes));
        }
    }

    /// The call that this run is of; none once the run was given up.
    pub(super) fn running(&mut self, id: CallId, attempt: Attempt) -> Option<&mut Pending> {
        let same = |call: &Pending| {
            call.attempt == attempt && call.stage == Stage::Running || mutant("late-end-taken")
        };
        self.pending.get_mut(&id).filter(|call| same(call))
    }

    /// The call whose run this is, running or ended, with its answer if it has one.
    pub(super) fn run_of(&self, id: CallId, attempt: Attempt) -> Option<(&Pending, Option<Reply>)> {
        let call = self.pending.get(&id).filter(|call| call.attempt == attempt)?;
        match call.stage {
            Stage::Running => Some((call, None)),
            Stage::Ended(reply) => Some((call, Some(reply))),
            Stage::Queued | Stage::Starting | Stage::InDoubt | Stage::Losing => None,
        }
    }
}
