//! A call has arrived, or somebody asks for its answer.

use super::pending::Waiting;
use super::{Answer, Arrival, Caller, Order, Posture, Seeker, Table, malformed, refused};
use crate::ground::{Ground, ServiceNumber};
use crate::id::{CallId, Content, Same, Watermark};
use crate::mutant::mutant;
use crate::refusal::{Expired, Full, Malformed, Refusal};

impl Table {
    pub(super) fn on_arrived(
        &mut self,
        ground: &Ground<'_>,
        arrival: Arrival,
        out: &mut Vec<Order>,
    ) {
        let (id, caller) = (arrival.id, arrival.caller);
        if let Err(refusal) = self.examine(ground, &arrival) {
            return out.push(refused(caller, id, refusal));
        }
        self.hear_lowest(&arrival);
        if self.pending.contains_key(&id) {
            if mutant("duplicate-not-joined") {
                return self.admit(ground, arrival, None, out);
            }
            return self.on_duplicate(&arrival, out);
        }
        if let Some(over) = self.expired_here(id) {
            return out.push(refused(caller, id, Refusal::Expired(over)));
        }
        // Whoever asks for the same is answered first.
        if self.sought.contains_key(&id) || !self.remembered.is_fresh(id) {
            return self.seek(id, Seeker::Call(arrival), out);
        }
        self.admit(ground, arrival, None, out);
    }

    /// What can be said without knowing what is stored.
    pub(super) fn examine(&self, ground: &Ground<'_>, arrival: &Arrival) -> Result<(), Refusal> {
        if let Some((life, serial)) = arrival.id.counted() {
            if arrival.lowest > serial {
                return Err(malformed(Malformed::LowestAboveOwn));
            }
            let lowest = self.remembered.lowest_pending(life);
            let under = lowest.filter(|pending| arrival.lowest > *pending);
            if let Some(serial) = under.filter(|_| !mutant("answered-while-pending")) {
                let serial = Some(serial);
                return Err(malformed(Malformed::AnsweredWhilePending { serial }));
            }
        }
        self.before_decoding(ground, arrival.service, arrival.size)
    }

    /// What can be said of a call before its body is read and decoded. Whoever cannot decode it
    /// asks this first: what it finds goes before that refusal.
    ///
    /// # Errors
    /// [`Refusal::NotOpenHere`], [`Refusal::NoSuchService`] or [`Refusal::TooLarge`].
    pub fn before_decoding(
        &self,
        ground: &Ground<'_>,
        service: ServiceNumber,
        size: u64,
    ) -> Result<(), Refusal> {
        match self.posture {
            Posture::Open | Posture::Moving { .. } | Posture::Drained if !self.is_late(ground) => {}
            Posture::Open
            | Posture::Moving { .. }
            | Posture::Drained
            | Posture::Closed
            | Posture::Silent => return Err(Refusal::NotOpenHere),
        }
        ground.service(service)?;
        if size > self.limits.body {
            return Err(Refusal::TooLarge { size, most: self.limits.body });
        }
        Ok(())
    }

    /// A client that tells of its answers is believed at once: what it has is not run any more.
    pub(super) fn hear_lowest(&mut self, arrival: &Arrival) {
        if let Some((life, _)) = arrival.id.counted() {
            self.remembered.rise(life, Watermark::told_by(arrival.lowest));
        }
    }

    /// Why a counted call is over, as far as is known without the store: what is under the
    /// watermark may still be stored, unknown among it, unless it is above all that ever was.
    fn expired_here(&self, id: CallId) -> Option<Expired> {
        let (life, serial) = id.counted()?;
        let mark = self.remembered.watermark(life);
        let over = mark.is_over(serial) && self.remembered.is_fresh(id);
        over.then_some(Expired::Watermark(mark)).filter(|_| !mutant("expired-runs-again"))
    }

    /// The same call is pending.
    fn on_duplicate(&mut self, arrival: &Arrival, out: &mut Vec<Order>) {
        let (id, caller) = (arrival.id, arrival.caller);
        let Some(call) = self.pending.get(&id) else { return };
        if let Some(order) = unlike(call.content, arrival) {
            return out.push(order);
        }
        self.join(id, Waiting { caller, deadline: arrival.deadline }, out);
    }

    pub(super) fn on_asked(&mut self, id: CallId, caller: Caller, out: &mut Vec<Order>) {
        if self.posture == Posture::Closed {
            return out.push(refused(caller, id, Refusal::NotOpenHere));
        }
        // What is being made unknown is pending until that is durable.
        if self.pending.contains_key(&id) {
            return out.push(Order::Answer(caller, id, Answer::Pending));
        }
        self.seek(id, Seeker::Answer(caller), out);
    }

    /// Asks the store what it has; who asks for the same id waits for the same answer.
    pub(super) fn seek(&mut self, id: CallId, seeker: Seeker, out: &mut Vec<Order>) {
        let size = seeker.size();
        let most = self.limits.seeking;
        let full = if self.seeking + self.changing.len() >= most || self.sought.len() >= most {
            Some(Full::Seeking)
        } else if self.bytes.saturating_add(size) > self.limits.bytes {
            Some(Full::Bytes)
        } else {
            None
        };
        if let Some(full) = full {
            return out.push(refused(seeker.caller(), id, Refusal::Full(full)));
        }
        self.seeking += 1;
        self.bytes += size;
        // Once for all that ask, and not before what is being changed has changed.
        if !self.sought.contains_key(&id) && !self.changing.contains_key(&id) {
            out.push(Order::Find(id));
        }
        self.sought.entry(id).or_default().push(seeker);
    }
}

/// What follows for a call whose id belongs to this content, unless it asks for the same.
pub(super) fn unlike(content: Content, arrival: &Arrival) -> Option<Order> {
    let (id, caller) = (arrival.id, arrival.caller);
    match content.same(arrival.content) {
        Same::Yes => None,
        Same::No | Same::NotYet if mutant("other-body-accepted") => None,
        Same::NotYet if mutant("other-interface-refused") => {
            Some(refused(caller, id, Refusal::OtherBody))
        }
        Same::No => Some(refused(caller, id, Refusal::OtherBody)),
        Same::NotYet => Some(Order::Decode(caller, id, content.interface)),
    }
}

impl Seeker {
    pub(super) const fn caller(&self) -> Caller {
        match self {
            Self::Call(arrival) => arrival.caller,
            Self::Answer(caller) | Self::Change(caller, _) => *caller,
        }
    }

    pub(super) const fn size(&self) -> u64 {
        match self {
            Self::Call(arrival) => arrival.size,
            Self::Answer(_) | Self::Change(..) => 0,
        }
    }
}
