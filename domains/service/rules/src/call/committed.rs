//! A commit has come back, or has not.

use super::found::unlike_kept;
use super::{Order, Stage, Table};
use crate::ground::Effects;
use crate::id::{CallId, Watermark};
use crate::mutant::mutant;
use crate::refusal::{Busy, Refusal};
use crate::stored::Stored;

impl Table {
    pub(super) fn on_committed(&mut self, ids: &[CallId], out: &mut Vec<Order>) {
        for id in ids {
            let Some(Stage::Ended(reply)) = self.stage(*id) else { continue };
            self.rise_with(*id);
            self.remove_answered(*id, reply, out);
        }
    }

    /// The watermark that the call told is durable with it.
    fn rise_with(&mut self, id: CallId) {
        let call = self.pending.get(&id);
        if let Some(((life, _), call)) = id.counted().zip(call) {
            let watermark = Watermark::told_by(call.lowest);
            self.remembered.rise(life, watermark);
        }
    }

    pub(super) fn on_in_doubt(&mut self, id: CallId, out: &mut Vec<Order>) {
        let Some(call) = self.pending.get_mut(&id) else { return };
        if !matches!(call.stage, Stage::Ended(_)) {
            return;
        }
        if mutant("doubt-taken-for-absent") {
            return self.run_again(id, out);
        }
        call.stage = Stage::InDoubt;
        out.push(Order::Clear(id));
    }

    /// What is found counts: no word of the commit was needed for it to be durable.
    pub(super) fn on_cleared(&mut self, id: CallId, stored: Stored, out: &mut Vec<Order>) {
        let Some(call) = self.pending.get(&id).filter(|c| c.stage == Stage::InDoubt) else {
            return;
        };
        match (stored, call.effects) {
            // The commit left nothing, and another node was asked for something else since.
            (Stored::Final(of, _), _) if of != call.content => {
                self.remove_refused(id, &unlike_kept(of, call.content), out);
            }
            (Stored::Final(_, reply), _) => {
                self.rise_with(id);
                self.remove_answered(id, reply, out);
            }
            (Stored::Tombstone, _) => self.remove_refused(id, &Refusal::Forgotten, out),
            // A start does not go away: an answer took its place, and was confirmed since, to
            // another node. Whoever comes again is told so.
            (Stored::Nothing, Effects::Outside) => {
                self.remove_refused(id, &Refusal::Busy(Busy::Elsewhere), out);
            }
            (Stored::Started(_) | Stored::Unknown(_), Effects::Outside) => self.lose(id, out),
            (
                Stored::Nothing | Stored::Started(_) | Stored::Unknown(_),
                Effects::Store | Effects::None,
            ) => {
                self.run_again(id, out);
            }
        }
    }
}
