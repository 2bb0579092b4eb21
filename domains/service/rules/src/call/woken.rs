//! Time has passed, or something beside the calls has changed.

use super::{Answer, Caller, Order, Posture, Stage, Table, refused};
use crate::ground::{Ground, ServiceNumber};
use crate::id::CallId;
use crate::refusal::Refusal;

impl Table {
    pub(super) fn on_woken(&mut self, ground: &Ground<'_>, out: &mut Vec<Order>) {
        while let Some((at, id, caller)) = self.deadlines.first().copied() {
            if at > ground.now {
                break;
            }
            self.deadlines.remove(&(at, id, caller));
            self.on_deadline(id, caller, out);
        }
        self.refuse_of_closed(ground, out);
        match self.posture {
            Posture::Moving { until } if ground.now >= until => self.on_grace_over(out),
            Posture::Open
            | Posture::Moving { .. }
            | Posture::Drained
            | Posture::Closed
            | Posture::Silent => {}
        }
    }

    /// What has not begun ends with the patience of the last who waits for it; what has runs on.
    fn on_deadline(&mut self, id: CallId, caller: Caller, out: &mut Vec<Order>) {
        let Some(waiting) = self.part(id, caller) else { return };
        let Some(deadline) = waiting.deadline else { return };
        let Some(call) = self.pending.get(&id) else { return };
        match call.stage {
            Stage::Queued => {
                if call.waiting.is_empty() {
                    self.remove(id);
                }
                out.push(refused(caller, id, Refusal::TooLate { deadline }));
            }
            Stage::Starting | Stage::Running | Stage::Ended(_) | Stage::InDoubt | Stage::Losing => {
                out.push(Order::Answer(caller, id, Answer::Pending))
            }
        }
    }

    pub(super) fn on_caller_gone(&mut self, id: CallId, caller: Caller) {
        // Its call runs on: the answer is for the retry.
        self.part(id, caller);
        let Some(seekers) = self.sought.get_mut(&id) else { return };
        let Some(at) = seekers.iter().position(|seeker| seeker.caller() == caller) else { return };
        let seeker = seekers.remove(at);
        self.seeking -= 1;
        // The question stands: its answer would else be taken for that of a later one.
        self.bytes = self.bytes.saturating_sub(seeker.size());
    }

    /// What waits for a service or a store that takes nothing any more is told so.
    pub(super) fn refuse_of_closed(&mut self, ground: &Ground<'_>, out: &mut Vec<Order>) {
        let waiting: Vec<ServiceNumber> = self.waiting_of.keys().copied().collect();
        for number in waiting {
            if let Err(refusal) = ground.open(number) {
                for id in self.waiting_for(number) {
                    self.remove_refused(id, &refusal, out);
                }
            }
        }
    }

    fn waiting_for(&self, service: ServiceNumber) -> Vec<CallId> {
        let from = (service, 0, CallId::LEAST);
        let queued = self.queued.range(from..).take_while(|(of, ..)| *of == service);
        queued.map(|(.., id)| *id).collect()
    }
}
