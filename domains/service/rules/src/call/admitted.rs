//! Whether a call may wait here.

use tsugi_vocabulary::Moment;

use super::pending::{Pending, Waiting};
use super::{Alone, Arrival, Attempt, Order, Posture, Stage, Table, refused};
use crate::ground::{Effects, Ground, Service, ServiceNumber};
use crate::id::CallId;
use crate::mutant::mutant;
use crate::refusal::{Full, Refusal};
use crate::stored::ClientRow;

/// How many lives of clients the store has, where a call would be the first of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clients(pub u64);

impl Clients {
    /// A client that the store does not have yet needs room there; a key is no client's.
    pub(super) fn with(id: CallId, row: &ClientRow) -> Option<Self> {
        (id.counted().is_some() && row.life.is_none()).then_some(Self(row.clients))
    }
}

impl Table {
    /// Takes a call of which nothing is stored into the queue, or refuses it. In this order, the
    /// first that holds.
    pub(super) fn admit(
        &mut self,
        ground: &Ground<'_>,
        arrival: Arrival,
        another: Option<Clients>,
        out: &mut Vec<Order>,
    ) {
        let (id, caller) = (arrival.id, arrival.caller);
        match self.admission(ground, &arrival, another) {
            Ok(effects) => self.enter(arrival, effects, out),
            Err(refusal) => out.push(refused(caller, id, refusal)),
        }
    }

    fn admission(
        &self,
        ground: &Ground<'_>,
        arrival: &Arrival,
        another: Option<Clients>,
    ) -> Result<Effects, Refusal> {
        if self.posture != Posture::Open {
            return Err(Refusal::Moving);
        }
        let service = ground.open(arrival.service)?;
        let serial = arrival.id.counted().map(|(_, serial)| serial);
        let most = self.limits.window;
        if serial.is_some_and(|serial| serial.get() - arrival.lowest.get() >= most) {
            return Err(Refusal::WindowFull { lowest: arrival.lowest, most });
        }
        let most = self.limits.clients;
        if another.is_some_and(|Clients(there)| there >= most) {
            return Err(Refusal::TooManyClients { most });
        }
        let bounded = !mutant("queue-without-end");
        if let Some(full) = self.full(arrival).filter(|_| bounded) {
            return Err(Refusal::Full(full));
        }
        in_time(ground, service, arrival.deadline)?;
        Ok(service.effects)
    }

    /// Whether a call of a service that only reads may wait, beside so many others of it, where
    /// all such calls have bodies of so many bytes. It is never in this table: nothing of it is
    /// kept, and a retry reads again.
    ///
    /// # Errors
    /// The first refusal that holds, in the order of every admission. A store that takes nothing
    /// can still be read.
    pub fn may_read(
        &self,
        ground: &Ground<'_>,
        (service, size): (ServiceNumber, u64),
        deadline: Option<Moment>,
        (waiting, bytes): (usize, u64),
    ) -> Result<(), Refusal> {
        self.before_decoding(ground, service, size)?;
        if self.posture != Posture::Open {
            return Err(Refusal::Moving);
        }
        let service = ground.service(service)?;
        service.open.clone()?;
        if waiting >= self.limits.queue {
            return Err(Refusal::Full(Full::Queue));
        }
        if bytes.saturating_add(size) > self.limits.bytes {
            return Err(Refusal::Full(Full::Bytes));
        }
        in_time(ground, service, deadline)
    }

    fn full(&self, arrival: &Arrival) -> Option<Full> {
        if self.waiting_of(arrival.service) >= self.limits.queue {
            Some(Full::Queue)
        } else if self.pending.len() >= self.limits.pending {
            Some(Full::Calls)
        } else if self.bytes.saturating_add(arrival.size) > self.limits.bytes {
            Some(Full::Bytes)
        } else if self.waiting >= self.limits.waiting {
            Some(Full::Waiting)
        } else {
            None
        }
    }

    fn enter(&mut self, arrival: Arrival, effects: Effects, out: &mut Vec<Order>) {
        let id = arrival.id;
        let place = self.next_place;
        self.next_place += 1;
        let alone = match effects {
            Effects::Store | Effects::None => Alone::No,
            Effects::Outside => Alone::Yes,
        };
        let call = Pending {
            content: arrival.content,
            service: arrival.service,
            effects,
            order: arrival.order,
            lowest: arrival.lowest,
            size: arrival.size,
            place,
            attempt: Attempt { entry: place, number: 0 },
            contended: 0,
            sank: 0,
            alone,
            stage: Stage::Queued,
            waiting: Vec::new(),
        };
        if let Some(former) = self.remove(id) {
            // Only where a planted fault lets a duplicate in beside its call.
            out.extend(former.waiting.iter().map(|w| refused(w.caller, id, Refusal::OtherBody)));
        }
        if let Some(key) = arrival.order {
            self.lines.entry((arrival.service, key)).or_default().insert(place);
        }
        self.bytes += arrival.size;
        self.pending.insert(id, call);
        self.remembered.entered(id);
        self.hear_lowest(&arrival);
        if let Some((life, _)) = id.counted() {
            self.forget_idle(life);
        }
        self.queue(id);
        self.join(id, Waiting { caller: arrival.caller, deadline: arrival.deadline }, out);
    }
}

/// Whether a call is expected to begin before its deadline.
fn in_time(ground: &Ground<'_>, of: &Service, deadline: Option<Moment>) -> Result<(), Refusal> {
    match deadline {
        Some(deadline) if ground.now + of.wait >= deadline => Err(Refusal::TooLate { deadline }),
        Some(_) | None => Ok(()),
    }
}
