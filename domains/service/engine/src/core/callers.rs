//! Those who wait for an answer, and what they are told.

use std::sync::Arc;

use tsugi_service_rules::call::{self, Caller, Event};
use tsugi_service_rules::id::{CallId, InterfaceNumber};
use tsugi_service_rules::refusal::{Busy, Refusal};
use tsugi_store::Reply;

use super::Waiter;
use super::hall::{Hall, Todo};
use crate::calls::Answer;
use crate::clock;
use crate::fatal::Fatal;

impl Hall {
    /// Somebody waits for an answer.
    pub(super) fn wait_for(&mut self, caller: Caller, waiter: Waiter) {
        self.asking.insert((waiter.id, caller));
        self.callers.insert(caller, waiter);
    }

    pub(super) fn answer(&mut self, caller: Caller, answer: call::Answer) {
        self.has_resolved(caller);
        if !self.callers.contains_key(&caller) {
            return;
        }
        // Until it is known that it may be told, its caller is kept: dropped, it would be told.
        let answer = match answer {
            call::Answer::Reply(reply) => {
                let Some(bytes) = self.replies.get(&reply.bytes) else {
                    return self.fail(Fatal::Impossible("a reply has no bytes".to_owned()));
                };
                // The last look: between the decision and here the process may have stood still.
                if clock::now() + self.settings.calls.guard >= self.settings.last_moment() {
                    return self.fail(Fatal::LastMoment);
                }
                Answer::Reply(bytes.clone())
            }
            call::Answer::Pending => Answer::Pending,
            call::Answer::Changed => Answer::Changed,
            call::Answer::Refused(refusal) => Answer::Refused(refusal),
        };
        let Some(waiter) = self.callers.remove(&caller) else { return };
        self.asking.remove(&(waiter.id, caller));
        // Who does not listen any more has not lost anything: the reply is for its retry.
        drop(waiter.tell.send(answer));
    }

    /// By a former interface the body of a caller may say what is kept. One that is gone meanwhile
    /// is not decoded for.
    pub(super) fn decode(&mut self, caller: Caller, id: CallId, interface: InterfaceNumber) {
        let Some(waiter) = self.callers.get(&caller) else { return };
        let Some(body) = &waiter.body else { return };
        let Some(desk) = self.desks.get(&body.arrival.service) else { return };
        let refusal = match desk.interface.former(&desk.name, &body.said, interface) {
            Ok(content) if content.interface == interface => {
                let arrival = call::Arrival { content, ..body.arrival };
                let waiter = self.callers.get_mut(&caller);
                if let Some(body) = waiter.and_then(|waiter| waiter.body.as_mut()) {
                    body.arrival = arrival;
                }
                return self.todo.push_back(Todo::Table(Event::Arrived(arrival)));
            }
            // Nobody can say any more whether it is the same.
            Ok(_) => Refusal::Busy(Busy::NotComparable),
            Err(refusal) => refusal,
        };
        self.answer(caller, call::Answer::Refused(refusal));
        self.todo.push_back(Todo::Table(Event::CallerGone(id, caller)));
    }

    /// Gives the bytes of a reply a number.
    pub(super) fn number(&mut self, reply: Reply) -> u64 {
        self.next_reply += 1;
        self.replies.insert(self.next_reply, Arc::new(reply));
        self.next_reply
    }
}
