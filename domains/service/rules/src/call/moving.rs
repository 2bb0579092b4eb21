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

    /// What has not ended is rolled back; what has is made durable first. What is not written by
    /// now may never be, and the store is let go: a disk that stays full keeps no group here.
    pub(super) fn on_grace_over(&mut self, out: &mut Vec<Order>) {
        let open = |stage| match stage {
            Stage::Queued | Stage::Starting | Stage::Running | Stage::Losing => true,
            Stage::Ended(_) | Stage::InDoubt => false,
        };
        for id in self.in_stage(open) {
            let Some(call) = self.pending.get(&id) else { continue };
            match (call.stage, call.effects) {
                (Stage::Running, Effects::Store | Effects::None) => {
                    out.push(Order::RollBack(id, call.attempt));
                }
                // Its row says that it was started: the next owner takes it for unknown.
                (Stage::Running, Effects::Outside) => out.push(Order::Kill(id, call.attempt)),
                // So does that of one whose worker is gone. One that has not begun has no row, and
                // is to have none: it was told to come again.
                (Stage::Starting | Stage::Losing, _) => self.leave(id, out),
                (Stage::Queued | Stage::Ended(_) | Stage::InDoubt, _) => {}
            }
            self.remove_refused(id, &Refusal::Moving, out);
        }
        for (id, caller) in std::mem::take(&mut self.changing) {
            self.leave(id, out);
            out.push(refused(caller, id, Refusal::Moving));
            // Whoever asks for it is told what is there.
            if self.sought.contains_key(&id) {
                out.push(Order::Find(id));
            }
        }
    }

    fn leave(&self, id: CallId, out: &mut Vec<Order>) {
        if !mutant("written-after-move") {
            out.push(Order::LeaveUnwritten(id));
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
