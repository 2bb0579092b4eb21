//! A call that is pending, and how it enters, changes and leaves the table.

use tsugi_vocabulary::Moment;

use super::{Answer, Attempt, Caller, Order, Table, refused};
use crate::ground::{Effects, ServiceNumber};
use crate::id::{CallId, Content, OrderKey, Serial};
use crate::refusal::{Busy, Full, Refusal};
use crate::stored::Reply;

/// Where a pending call stands. The stages differ in what an interruption costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits for a worker.
    Queued,
    /// It has a worker; that it will act outside the store is being made durable.
    Starting,
    /// Its program runs.
    Running,
    /// Its program has ended; its answer is inserted and not durable.
    Ended(Reply),
    /// Its commit was sent and nothing came back.
    InDoubt,
    /// It acts outside the store and was interrupted; that it is unknown is being made durable.
    Losing,
}

impl Stage {
    /// As a word, for tables and counts.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Ended(_) => "ended",
            Self::InDoubt => "in doubt",
            Self::Losing => "losing",
        }
    }
}

/// Whether other calls may be in the same sitting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// They may.
    No,
    /// They may not: it has held them up before, or acts outside the store.
    Yes,
}

/// A caller that waits for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) caller: Caller,
    pub(super) deadline: Option<Moment>,
}

/// A pending call.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) content: Content,
    pub(super) service: ServiceNumber,
    pub(super) effects: Effects,
    pub(super) order: Option<OrderKey>,
    pub(super) lowest: Serial,
    pub(super) size: u64,
    /// Its place among all calls of the engine; it keeps it when it runs again.
    pub(super) place: u64,
    pub(super) attempt: Attempt,
    /// How many runs contention has ended.
    pub(super) contended: u32,
    /// How often it had the turn when its sitting was lost.
    pub(super) sank: u32,
    pub(super) alone: Alone,
    pub(super) stage: Stage,
    pub(super) waiting: Vec<Waiting>,
}

impl Table {
    /// Puts a call into the queue of its service, at its own place.
    pub(super) fn queue(&mut self, id: CallId) {
        let Some(call) = self.pending.get_mut(&id) else { return };
        call.stage = Stage::Queued;
        self.queued.insert((call.service, call.place, id));
        *self.waiting_of.entry(call.service).or_default() += 1;
    }

    /// Takes a call out of the queue of its service.
    pub(super) fn unqueue(&mut self, id: CallId) {
        let Some(call) = self.pending.get(&id) else { return };
        let service = call.service;
        if !self.queued.remove(&(service, call.place, id)) {
            return;
        }
        let left = self.waiting_of.get(&service).map_or(0, |n| n.saturating_sub(1));
        if left == 0 {
            self.waiting_of.remove(&service);
        } else {
            self.waiting_of.insert(service, left);
        }
    }

    /// How many calls of a service wait for a worker.
    pub(super) fn waiting_of(&self, service: ServiceNumber) -> usize {
        self.waiting_of.get(&service).copied().unwrap_or(0)
    }

    /// Takes a call out of the table; who waited for it is answered by whoever calls this.
    pub(super) fn remove(&mut self, id: CallId) -> Option<Pending> {
        self.unqueue(id);
        let call = self.pending.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(call.size);
        self.waiting -= call.waiting.len();
        for waiting in &call.waiting {
            if let Some(at) = waiting.deadline {
                self.deadlines.remove(&(at, id, waiting.caller));
            }
        }
        if let Some(key) = call.order {
            let line = self.lines.entry((call.service, key)).or_default();
            line.remove(&call.place);
            if line.is_empty() {
                self.lines.remove(&(call.service, key));
            }
        }
        self.remembered.left(id);
        Some(call)
    }

    /// Takes a call out of the table and refuses whoever waited for it.
    pub(super) fn remove_refused(&mut self, id: CallId, refusal: &Refusal, out: &mut Vec<Order>) {
        let waited = self.remove(id).map(|call| call.waiting).unwrap_or_default();
        out.extend(waited.iter().map(|w| refused(w.caller, id, refusal.clone())));
    }

    /// Takes a call out of the table and gives its answer to whoever waited for it.
    pub(super) fn remove_answered(&mut self, id: CallId, reply: Reply, out: &mut Vec<Order>) {
        let waited = self.remove(id).map(|call| call.waiting).unwrap_or_default();
        let answer = |w: &Waiting| Order::Answer(w.caller, id, Answer::Reply(reply));
        out.extend(waited.iter().map(answer));
    }

    /// Lets a caller wait for a pending call, or refuses it.
    pub(super) fn join(&mut self, id: CallId, who: Waiting, out: &mut Vec<Order>) {
        let full = self.waiting >= self.limits.waiting;
        let Some(call) = self.pending.get_mut(&id) else { return };
        if call.waiting.len() >= self.limits.joined {
            return out.push(refused(who.caller, id, Refusal::Busy(Busy::Joined)));
        }
        if full {
            return out.push(refused(who.caller, id, Refusal::Full(Full::Waiting)));
        }
        call.waiting.push(who);
        self.waiting += 1;
        if let Some(at) = who.deadline {
            self.deadlines.insert((at, id, who.caller));
        }
    }

    /// Takes one caller away from a call; none if it did not wait for it.
    pub(super) fn part(&mut self, id: CallId, caller: Caller) -> Option<Waiting> {
        let call = self.pending.get_mut(&id)?;
        let at = call.waiting.iter().position(|w| w.caller == caller)?;
        let waiting = call.waiting.remove(at);
        self.waiting -= 1;
        if let Some(deadline) = waiting.deadline {
            self.deadlines.remove(&(deadline, id, caller));
        }
        Some(waiting)
    }
}
