//! A program has ended.

use super::{Answer, Attempt, Order, Stage, Table, work_of};
use crate::id::{CallId, Serial};
use crate::mutant::mutant;
use crate::stored::Reply;

impl Table {
    /// Its answer is inserted beside its effects; nobody is told before both are durable.
    pub(super) fn on_ended(
        &mut self,
        (id, attempt): (CallId, Attempt),
        reply: Reply,
        out: &mut Vec<Order>,
    ) {
        let Some(call) = self.running(id, attempt) else { return };
        call.stage = Stage::Ended(reply);
        let lowest = if mutant("watermark-not-kept") { Serial::FIRST } else { call.lowest };
        let (content, work) = (call.content, work_of(reply.ending));
        out.push(Order::Keep { id, attempt, content, reply, work, lowest });
        if mutant("told-before-durable") {
            let told = call.waiting.iter();
            out.extend(told.map(|w| Order::Answer(w.caller, id, Answer::Reply(reply))));
        }
    }
}
