//! What must never happen to a call, whatever has failed. It knows what was asked, what was told
//! and what is durable, and nothing of how the rules keep it.

use std::collections::BTreeMap;

use tsugi_service_rules::call::{Answer, Resolution};
use tsugi_service_rules::epoch::Owner;
use tsugi_service_rules::id::{CallId, Content, Life, Watermark};
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::stored::{Ending, Reply, Stored};
use tsugi_vocabulary::Epoch;

use crate::client::body_of;
use crate::rows::{Rows, Write};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The name of the promise.
    pub promise: &'static str,
    /// When, in nanoseconds from the start.
    pub at: u64,
    /// What was seen.
    pub what: String,
}

/// What was seen of all calls of a world.
#[derive(Default)]
pub(crate) struct Promises {
    /// What was told under each id, and of which content it is.
    told: BTreeMap<CallId, Reply>,
    /// How often programs were let act outside, since that was last said not to have been.
    acted: BTreeMap<CallId, u32>,
    /// Answers that were ever durable.
    answers: BTreeMap<CallId, (Content, Reply)>,
    watermarks: BTreeMap<Life, Watermark>,
    /// The newest epoch in which the store was open.
    newest: Option<Epoch>,
    pub(crate) broken: Option<(&'static str, String)>,
}

impl Promises {
    /// The first that breaks counts; nothing after it is trusted.
    pub(crate) fn breaks(&mut self, promise: &'static str, what: String) {
        self.broken.get_or_insert((promise, what));
    }

    /// An engine takes calls.
    pub(crate) fn opens(&mut self, owner: Owner) {
        if self.newest.is_some_and(|newest| newest > owner.epoch) {
            self.breaks("epoch_only_rises", format!("{owner:?} opens after {:?}", self.newest));
        }
        self.newest = self.newest.max(Some(owner.epoch));
    }

    /// A unit of work is durable.
    pub(crate) fn wrote(&mut self, unit: &[Write], durable: &Rows) {
        for write in unit {
            match *write {
                Write::Final(id, content, reply, lowest) => {
                    self.answered(id, content, reply);
                    self.risen(id, lowest.get() - 1, durable);
                }
                Write::Effect(id) if durable.effects.get(&id).is_some_and(|n| *n > 1) => {
                    self.breaks("applied_once", format!("{id} did its work twice"));
                }
                Write::Change(id, change) => self.changed(id, change, durable),
                Write::Claim(_)
                | Write::Open
                | Write::Start(..)
                | Write::Effect(_)
                | Write::Unknown(_) => {}
            }
        }
        for (life, mark) in durable.watermarks() {
            let former = self.watermarks.insert(life, mark).unwrap_or_default();
            if former > mark {
                self.breaks("watermark_only_rises", format!("{life:?}: {former:?}, {mark:?}"));
            }
        }
    }

    fn answered(&mut self, id: CallId, content: Content, reply: Reply) {
        let former = *self.answers.entry(id).or_insert((content, reply));
        if former != (content, reply) {
            self.breaks("content_is_bound", format!("{id} has a second answer"));
        }
    }

    fn risen(&mut self, id: CallId, to: u64, durable: &Rows) {
        let Some((life, _)) = id.counted() else { return };
        let row = durable.row(id).life.unwrap_or_default();
        if row.watermark.0 < to {
            self.breaks("watermark_only_rises", format!("{life:?} is not kept at {to}"));
        }
    }

    fn changed(&mut self, id: CallId, change: tsugi_service_rules::call::Change, durable: &Rows) {
        use tsugi_service_rules::call::Change;
        match change {
            Change::Resolve(Resolution::NotCarriedOut) => {
                self.acted.remove(&id);
            }
            Change::Resolve(Resolution::Answered(reply)) => {
                if let Stored::Final(content, _) = durable.stored(id) {
                    self.answered(id, content, reply);
                }
            }
            Change::Confirm | Change::Forget => {}
        }
    }

    /// A program begins that acts outside.
    pub(crate) fn acts(&mut self, id: CallId) {
        let acted = self.acted.entry(id).or_default();
        *acted += 1;
        if *acted > 1 {
            self.breaks("unknown_stays_unknown", format!("{id} acts outside twice"));
        }
    }

    /// Whether a program of this call was let act outside.
    pub(crate) fn has_acted(&self, id: CallId) -> bool {
        self.acted.contains_key(&id)
    }

    /// Somebody is told something.
    pub(crate) fn told(
        &mut self,
        (id, body): (CallId, Option<u64>),
        answer: &Answer,
        store: &Rows,
    ) {
        match answer {
            Answer::Reply(reply) => {
                match self.answers.get(&id).copied() {
                    None => return self.breaks("no_answer_before_sync", format!("{id} is told")),
                    Some((_, kept)) if kept != *reply => {
                        let what = format!("{id}: {reply:?} is told, {kept:?} is kept");
                        return self.breaks("same_reply", what);
                    }
                    Some((content, _)) if body.is_some_and(|body| body != body_of(content)) => {
                        let what = format!("{id} is answered for another content");
                        return self.breaks("content_is_bound", what);
                    }
                    Some(_) => {}
                }
                let former = *self.told.entry(id).or_insert(*reply);
                if former != *reply {
                    self.breaks("same_reply", format!("{id}: {former:?}, then {reply:?}"));
                }
            }
            Answer::Refused(Refusal::Unknown) => {
                if matches!(store.stored(id), Stored::Nothing | Stored::Started(_)) {
                    self.breaks("unknown_stays_unknown", format!("{id} is not, and told so"));
                }
            }
            Answer::Pending | Answer::Changed | Answer::Refused(_) => {}
        }
    }

    /// At the end: what was told to be done was done once, what was told not to be was not.
    pub(crate) fn end(&mut self, durable: &Rows, outside: impl Fn(CallId) -> bool) {
        for (id, reply) in self.told.clone() {
            let effects = durable.effects.get(&id).copied().unwrap_or(0);
            let done = u32::from(reply.ending == Ending::Done);
            if effects != done && !outside(id) {
                let what = format!("{id} is told as {:?} and did {effects}", reply.ending);
                self.breaks("applied_once", what);
            }
        }
    }
}
