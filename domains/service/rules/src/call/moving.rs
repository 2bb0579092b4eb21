//! The group goes to another node.

use tsugi_vocabulary::Span;

use super::{Order, Posture, Stage, Table, refused};
use crate::ground::{Effects, Ground};
use crate::id::CallId;
use crate::mutant::mutant;
use crate::refusal::Refusal;

impl Table {
    pub(super) fn on_move_began(&mut self, ground: &Ground<'_>, grace: Span, out: &mut Vec<Order>) {
        if self.posture != Posture::Open {
            return;
        }
        self.posture = Posture::Moving { until: ground.now + grace };
        for id in self.in_stage(|stage| stage == Stage::Queued) {
            self.remove_refused(id, &Refusal::Moving, out);
        }
    }

    /// What has not ended is rolled back; what has is made durable first.
    pub(super) fn on_grace_over(&mut self, out: &mut Vec<Order>) {
        let open = |stage| match stage {
            Stage::Queued | Stage::Starting | Stage::Running => true,
            Stage::Ended(_) | Stage::InDoubt | Stage::Losing => false,
        };
        for id in self.in_stage(open) {
            let Some(call) = self.pending.get(&id) else { continue };
            if call.stage == Stage::Running {
                out.push(match call.effects {
                    Effects::Store => Order::RollBack(id, call.attempt),
                    // Its row says that it was started: the next owner takes it for unknown.
                    Effects::Outside => Order::Kill(id, call.attempt),
                });
            }
            self.remove_refused(id, &Refusal::Moving, out);
        }
    }

    /// Whatever is still here is told elsewhere.
    pub(super) fn on_closed(&mut self, out: &mut Vec<Order>) {
        self.posture = Posture::Closed;
        for (id, seekers) in std::mem::take(&mut self.sought) {
            for seeker in seekers {
                self.seeking -= 1;
                self.bytes = self.bytes.saturating_sub(seeker.size());
                out.push(refused(seeker.caller(), id, Refusal::NotOpenHere));
            }
        }
        let changing = std::mem::take(&mut self.changing);
        let told = changing.into_iter().map(|(id, who)| refused(who, id, Refusal::NotOpenHere));
        out.extend(told);
        if mutant("pending-survives-close") {
            return;
        }
        for id in self.in_stage(|_| true) {
            self.remove_refused(id, &Refusal::NotOpenHere, out);
        }
    }

    fn in_stage(&self, is: impl Fn(Stage) -> bool) -> Vec<CallId> {
        self.pending.iter().filter(|(_, call)| is(call.stage)).map(|(id, _)| *id).collect()
    }
}
