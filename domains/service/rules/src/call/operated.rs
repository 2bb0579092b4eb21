//! Somebody changes what is kept: a client confirms, an operator forgets or resolves.

use super::{
    Answer, Caller, Change, Order, Posture, Resolution, Seeker, Table, malformed, refused,
};
use crate::id::{CallId, Watermark};
use crate::refusal::{Busy, Malformed, Refusal};

/// The refusal of a confirm of a call that has no answer yet.
pub(super) fn unanswered(id: CallId) -> Refusal {
    let serial = id.counted().map(|(_, serial)| serial);
    malformed(Malformed::AnsweredWhilePending { serial })
}

impl Table {
    pub(super) fn on_confirmed(&mut self, id: CallId, caller: Caller, out: &mut Vec<Order>) {
        self.change(id, caller, Change::Confirm, out);
    }

    /// Only a key is forgotten: a serial is over for good.
    pub(super) fn on_forgotten(&mut self, id: CallId, caller: Caller, out: &mut Vec<Order>) {
        match id {
            CallId::Counted { .. } => out.push(refused(caller, id, malformed(Malformed::Id))),
            CallId::Keyed(_) => self.change(id, caller, Change::Forget, out),
        }
    }

    pub(super) fn on_resolved(
        &mut self,
        id: CallId,
        caller: Caller,
        said: Resolution,
        out: &mut Vec<Order>,
    ) {
        self.change(id, caller, Change::Resolve(said), out);
    }

    fn change(&mut self, id: CallId, caller: Caller, change: Change, out: &mut Vec<Order>) {
        match self.speaks_against(id, change) {
            Some(refusal) => out.push(refused(caller, id, refusal)),
            None => self.seek(id, Seeker::Change(caller, change), out),
        }
    }

    /// Why a change is refused whatever is kept. A store that is handed over takes none: else it
    /// would be said to be drained while something is written.
    pub(super) fn speaks_against(&self, id: CallId, change: Change) -> Option<Refusal> {
        match self.posture {
            Posture::Closed | Posture::Silent => return Some(Refusal::NotOpenHere),
            Posture::Moving { .. } | Posture::Drained => return Some(Refusal::Moving),
            Posture::Open => {}
        }
        match change {
            Change::Confirm => self.confirms_pending(id),
            Change::Forget | Change::Resolve(_) => {
                self.pending.contains_key(&id).then_some(Refusal::Busy(Busy::Here))
            }
        }
    }

    /// A confirm is of all serials up to its own: none of them may be pending.
    fn confirms_pending(&self, id: CallId) -> Option<Refusal> {
        let Some((life, serial)) = id.counted() else {
            return self.pending.contains_key(&id).then(|| unanswered(id));
        };
        let serial = self.remembered.lowest_pending(life).filter(|p| *p <= serial)?;
        Some(malformed(Malformed::AnsweredWhilePending { serial: Some(serial) }))
    }

    /// What a client says that it has is not run any more, whether that is durable or not.
    pub(super) fn hear_confirm(&mut self, id: CallId, change: Change) {
        if let Some((life, serial)) = id.counted().filter(|_| change == Change::Confirm) {
            self.remembered.hear(life, Watermark(serial.get()));
            self.forget_idle(life);
        }
    }

    /// What is kept was changed, durably.
    pub(super) fn on_kept(
        &mut self,
        id: CallId,
        caller: Caller,
        change: Change,
        out: &mut Vec<Order>,
    ) {
        self.hear_confirm(id, change);
        // Whose store was handed over meanwhile has been told so.
        if self.changing.remove(&id).is_none() {
            return;
        }
        if self.sought.contains_key(&id) {
            out.push(Order::Find(id));
        }
        out.push(Order::Answer(caller, id, Answer::Changed));
    }

    /// Nothing is changed. Whoever wanted it is told so: a store that is full may be so for long.
    pub(super) fn on_not_kept(
        &mut self,
        id: CallId,
        caller: Caller,
        why: String,
        out: &mut Vec<Order>,
    ) {
        // Whose store was handed over meanwhile has been told so.
        if self.changing.get(&id) != Some(&caller) {
            return;
        }
        self.changing.remove(&id);
        if self.sought.contains_key(&id) {
            out.push(Order::Find(id));
        }
        out.push(refused(caller, id, Refusal::StoreAway { why }));
    }

    /// Rows were deleted for their age.
    pub(super) fn on_purged(&mut self, id: CallId, watermark: Watermark) {
        if let Some((life, _)) = id.counted() {
            self.remembered.rise(life, watermark);
        }
    }
}
