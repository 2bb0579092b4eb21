//! The store has said what it has under an id.

use super::admitted::Clients;
use super::arrived::unlike;
use super::operated::unanswered;
use super::{Answer, Arrival, Attempt, Caller, Change, Order, Seeker, Stage, Table, refused};
use crate::ground::Ground;
use crate::id::{CallId, Content, Life, Same, Serial};
use crate::mutant::mutant;
use crate::refusal::{Busy, Expired, Refusal};
use crate::stored::{ClientRow, Stored};

impl Table {
    pub(super) fn on_found(
        &mut self,
        ground: &Ground<'_>,
        (id, stored, row): (CallId, Stored, ClientRow),
        out: &mut Vec<Order>,
    ) {
        let Some(seekers) = self.sought.remove(&id) else { return };
        self.learn(id, &row);
        for seeker in seekers {
            if self.changing.contains_key(&id) {
                // What was found is being changed: the rest asks again afterwards.
                self.sought.entry(id).or_default().push(seeker);
                continue;
            }
            self.seeking -= 1;
            self.bytes = self.bytes.saturating_sub(seeker.size());
            match seeker {
                Seeker::Call(arrival) => self.call_found(ground, arrival, (stored, &row), out),
                Seeker::Answer(caller) => self.answer_found(id, caller, (stored, &row), out),
                Seeker::Change(caller, change) => {
                    self.change_found((id, caller), change, (stored, &row), out);
                }
            }
        }
    }

    /// Whoever asked comes again: without the store's word nobody is run, and nobody is told.
    pub(super) fn on_not_asked(&mut self, id: CallId, why: &str, out: &mut Vec<Order>) {
        // What is being changed asks again afterwards.
        if self.changing.contains_key(&id) {
            return;
        }
        let refusal = Refusal::StoreAway { why: why.to_owned() };
        for seeker in self.sought.remove(&id).unwrap_or_default() {
            self.seeking -= 1;
            self.bytes = self.bytes.saturating_sub(seeker.size());
            out.push(refused(seeker.caller(), id, refusal.clone()));
        }
    }

    /// What a life under the floor has is not remembered: nothing of it is fresh. Nor is one that
    /// the store does not have: whoever was refused for want of room there would be let in next.
    fn learn(&mut self, id: CallId, row: &ClientRow) {
        let (Some((life, _)), Some(known)) = (id.counted(), row.life) else { return };
        if row.floor.is_some_and(|floor| life.incarnation <= floor) {
            return;
        }
        self.remembered.learn(life, known);
        self.forget_idle(life);
    }

    /// Forgets clients beyond the limit, but not this one, nor those of whom the store is asked or
    /// changes a call: what it says may be older than what is known by then.
    pub(super) fn forget_idle(&mut self, but: Life) {
        let (sought, changing) = (&self.sought, &self.changing);
        let used = |life: Life| {
            let from = CallId::Counted { life, serial: Serial::FIRST };
            let sought = sought.range(from..).next().map(|(id, _)| *id);
            let changing = changing.range(from..).next().map(|(id, _)| *id);
            let is = |id: CallId| id.counted().is_some_and(|(of, _)| of == life);
            life == but || sought.is_some_and(is) || changing.is_some_and(is)
        };
        self.remembered.shrink(self.limits.remembered, used);
    }

    fn call_found(
        &mut self,
        ground: &Ground<'_>,
        arrival: Arrival,
        (stored, row): (Stored, &ClientRow),
        out: &mut Vec<Order>,
    ) {
        let (id, caller) = (arrival.id, arrival.caller);
        // An earlier one of the same id was admitted just now.
        if self.pending.contains_key(&id) {
            return self.on_arrived(ground, arrival, out);
        }
        // Calls have come and gone meanwhile.
        if let Err(refusal) = self.examine(ground, &arrival) {
            return out.push(refused(caller, id, refusal));
        }
        self.hear_lowest(&arrival);
        let of = match stored {
            Stored::Started(of) | Stored::Unknown(of) | Stored::Final(of, _) => Some(of),
            Stored::Nothing | Stored::Tombstone => None,
        };
        if let Some(order) = of.and_then(|of| unlike(of, &arrival)) {
            return out.push(order);
        }
        let refusal = match stored {
            Stored::Nothing => self.over(id, row).map(Refusal::Expired),
            Stored::Unknown(_) if mutant("unknown-runs-again") => None,
            Stored::Unknown(_) => Some(Refusal::Unknown),
            // Not by this engine, and what runs nowhere was set to unknown when it opened.
            Stored::Started(_) => Some(Refusal::Busy(Busy::Elsewhere)),
            Stored::Final(_, reply) => {
                return out.push(Order::Answer(caller, id, Answer::Reply(reply)));
            }
            Stored::Tombstone if mutant("tombstone-forgotten") => None,
            Stored::Tombstone => Some(Refusal::Forgotten),
        };
        match refusal {
            Some(refusal) => out.push(refused(caller, id, refusal)),
            None => self.admit(ground, arrival, Clients::with(id, row), out),
        }
    }

    /// Why a call of which nothing is stored is over, by the store or by what its client told.
    fn over(&self, id: CallId, row: &ClientRow) -> Option<Expired> {
        let here = || {
            let (life, serial) = id.counted()?;
            let mark = self.remembered.watermark(life);
            mark.is_over(serial).then_some(Expired::Watermark(mark))
        };
        row.expired(id).or_else(|| here().filter(|_| !mutant("expired-runs-again")))
    }

    fn answer_found(
        &mut self,
        id: CallId,
        caller: Caller,
        (stored, row): (Stored, &ClientRow),
        out: &mut Vec<Order>,
    ) {
        let answer = match stored {
            _ if self.pending.contains_key(&id) => Answer::Pending,
            Stored::Nothing => Answer::Refused(match self.over(id, row) {
                Some(over) => Refusal::Expired(over),
                None => Refusal::NotFound,
            }),
            // Somebody is at it, here or elsewhere, until it is known to be unknown.
            Stored::Started(_) => Answer::Pending,
            Stored::Unknown(_) => Answer::Refused(Refusal::Unknown),
            Stored::Final(_, reply) => Answer::Reply(reply),
            Stored::Tombstone => Answer::Refused(Refusal::Forgotten),
        };
        out.push(Order::Answer(caller, id, answer));
    }

    /// A change of what is kept, now that it is known what is kept.
    fn change_found(
        &mut self,
        (id, caller): (CallId, Caller),
        change: Change,
        (stored, row): (Stored, &ClientRow),
        out: &mut Vec<Order>,
    ) {
        // Calls have come and gone meanwhile, and the group may have begun to move.
        if let Some(refusal) = self.speaks_against(id, change) {
            return out.push(refused(caller, id, refusal));
        }
        out.push(match self.verdict(id, change, (stored, row)) {
            Ok(Some(change)) => {
                self.hear_confirm(id, change);
                self.changing.insert(id, caller);
                Order::Change(id, caller, change)
            }
            Ok(None) => Order::Answer(caller, id, Answer::Changed),
            Err(refusal) => refused(caller, id, refusal),
        });
    }

    /// A confirm of what never came is of a serial that could have come: one far above all that is
    /// known of its client would end that client's life.
    fn within_window(&self, id: CallId, row: &ClientRow) -> Result<(), Refusal> {
        let Some((life, serial)) = id.counted() else { return Ok(()) };
        let stored = row.life.map_or(0, |life| life.highest.max(life.watermark.0));
        let known = stored.max(self.remembered.watermark(life).0);
        let most = self.limits.window;
        match Serial::new(known.saturating_add(1)) {
            Some(lowest) if serial.get().saturating_sub(lowest.get()) >= most => {
                Err(Refusal::WindowFull { lowest, most })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What is to be changed; nothing where it is as wanted already.
    fn verdict(
        &self,
        id: CallId,
        change: Change,
        (stored, row): (Stored, &ClientRow),
    ) -> Result<Option<Change>, Refusal> {
        match (change, stored) {
            // A confirm that is told again finds its work done.
            (Change::Confirm, Stored::Nothing) if row.expired(id).is_some() => Ok(None),
            // What never came is not to be run any more when it does.
            (Change::Confirm, Stored::Nothing) if id.counted().is_some() => {
                self.within_window(id, row)?;
                let (most, another) = (self.limits.clients, Clients::with(id, row));
                match another.filter(|Clients(there)| *there >= most) {
                    Some(_) => Err(Refusal::TooManyClients { most }),
                    None => Ok(Some(change)),
                }
            }
            (Change::Confirm | Change::Forget | Change::Resolve(_), Stored::Nothing) => {
                Err(self.over(id, row).map_or(Refusal::NotFound, Refusal::Expired))
            }
            (Change::Confirm, Stored::Started(_)) => Err(unanswered(id)),
            (Change::Forget | Change::Resolve(_), Stored::Started(_)) => {
                Err(Refusal::Busy(Busy::Elsewhere))
            }
            // There is no answer that anybody could have: it is resolved first.
            (Change::Confirm | Change::Forget, Stored::Unknown(_)) => Err(Refusal::Unknown),
            (Change::Confirm | Change::Forget, Stored::Final(..)) => Ok(Some(change)),
            (Change::Confirm, Stored::Tombstone) => Ok(None),
            (Change::Forget, Stored::Tombstone) => Ok(Some(change)),
            (Change::Resolve(_), Stored::Unknown(_)) => Ok(Some(change)),
            (Change::Resolve(_), Stored::Final(..) | Stored::Tombstone) => Err(Refusal::Decided),
        }
    }

    /// Something was kept of the call before its answer could be inserted here: that counts.
    pub(super) fn on_taken(
        &mut self,
        (id, attempt): (CallId, Attempt),
        stored: Stored,
        row: &ClientRow,
        out: &mut Vec<Order>,
    ) {
        let call = self.pending.get(&id).filter(|call| call.attempt == attempt);
        let open = |stage| match stage {
            Stage::Starting | Stage::Running | Stage::Ended(_) => true,
            Stage::Queued | Stage::InDoubt | Stage::Losing => false,
        };
        let Some(call) = call.filter(|call| open(call.stage)) else { return };
        let content = call.content;
        self.learn(id, row);
        let refusal = match stored {
            Stored::Nothing => match self.over(id, row) {
                Some(over) => Refusal::Expired(over),
                None => Refusal::Busy(Busy::Elsewhere),
            },
            Stored::Started(of) | Stored::Unknown(of) | Stored::Final(of, _) if of != content => {
                unlike_kept(of, content)
            }
            Stored::Started(_) => Refusal::Busy(Busy::Elsewhere),
            Stored::Unknown(_) => Refusal::Unknown,
            Stored::Final(_, reply) => return self.remove_answered(id, reply, out),
            Stored::Tombstone => Refusal::Forgotten,
        };
        self.remove_refused(id, &refusal, out);
    }
}

/// The refusal of a pending call where something else is kept under its id. Whoever comes again is
/// compared with that.
pub(super) fn unlike_kept(kept: Content, content: Content) -> Refusal {
    match kept.same(content) {
        Same::No => Refusal::OtherBody,
        Same::Yes | Same::NotYet => Refusal::Busy(Busy::Elsewhere),
    }
}
