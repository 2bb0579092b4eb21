//! What clients send and are told.

use tsugi_service_rules::call::{Answer, Arrival, Caller, Event};
use tsugi_service_rules::id::CallId;
use tsugi_service_rules::refusal::Refusal;
use tsugi_vocabulary::Moment;

use super::{Ev, FAULTS_END, MS, SEC, US, World};
use crate::client::{Ask, Habit, Request, content};
use crate::engine::{Life, Todo};
use crate::step::Step;

/// What is under way for longer counts as late.
const LATE: u64 = 60 * SEC;

impl World {
    /// A client has time: it begins a call, and asks again for what it has no answer to.
    pub(super) fn client(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if self.wire.happens(600) && client.begin(&mut self.wire).is_some() {
            self.counts.calls += 1;
        }
        let open: Vec<CallId> = client.open.keys().copied().collect();
        for id in open {
            let Some(ask) = self.clients[number].ask(id, &mut self.wire) else { continue };
            let times = if self.clients[number].habit == Habit::Tripled { 3 } else { 1 };
            self.note_client(if times == 3 { "sent thrice" } else { "sent once" });
            for _ in 0..times {
                self.send(Request { client: number, ask, sent: self.now });
            }
        }
        for act in std::mem::take(&mut self.clients[number].acts) {
            self.note_client(act);
        }
        self.confirm(number);
        let client = &self.clients[number];
        if client.left > 0 || !client.open.is_empty() {
            let pause = if self.wire.happens(300) { 20 } else { 400 };
            self.queue.put(self.now + self.wire.between(5, pause) * MS, Ev::Client(number));
        }
    }

    fn confirm(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if client.habit == Habit::Unconfirming {
            return;
        }
        let lowest = client.open.keys().filter_map(|id| id.counted()).map(|(_, s)| s).min();
        for id in std::mem::take(&mut client.confirms) {
            let below = id.counted().is_none_or(|(_, s)| lowest.is_none_or(|lowest| s < lowest));
            if below && self.wire.happens(300) {
                self.note_client("confirmed");
                self.send(Request { client: number, ask: Ask::Confirm(id), sent: self.now });
            }
        }
    }

    fn note_client(&mut self, act: &'static str) {
        *self.counts.met.entry(("client", act)).or_default() += 1;
    }

    fn send(&mut self, request: Request) {
        let bad = self.now < FAULTS_END;
        if !bad || !self.wire.happens(50) {
            self.queue.put(self.now + self.wire.between(50, 2_000) * US, Ev::Send(request));
        }
        if bad && self.wire.happens(30) {
            // It lies somewhere for minutes.
            let at = self.now + self.wire.between(1, 100) * SEC;
            self.last_late = self.last_late.max(at);
            self.queue.put(at, Ev::Send(request));
        }
    }

    /// A request comes to whoever its connection leads to.
    pub(super) fn route(&mut self, request: Request) {
        let old = self.wire.happens(100);
        let lives = |e: &usize| self.engines[*e].life == Life::Open;
        let living: Vec<usize> = (0..self.engines.len()).filter(lives).collect();
        let e = if old { self.wire.pick(&living).copied() } else { self.current() };
        let Some(e) = e else { return };
        self.queue.put(self.now, Ev::Ask(e, request));
    }

    pub(super) fn asked(&mut self, e: usize, request: Request) {
        let caller = Caller(self.fresh());
        let deadline = self.wire.happens(100);
        let deadline = deadline.then(|| Moment(self.now + self.wire.between(1, 500) * MS));
        let engine = &mut self.engines[e];
        if engine.life != Life::Open {
            return;
        }
        if self.now - request.sent >= LATE {
            *self.counts.met.entry(("client", "came a minute late")).or_default() += 1;
        }
        let (event, arrival) = match request.ask {
            Ask::Call { id, body, service, order, lowest } => {
                let service = *self.service_of.entry(id).or_insert(service);
                let content = content(self.interface, body);
                let arrival =
                    Arrival { id, content, service, order, lowest, size: 10, caller, deadline };
                engine.lowests.entry(id).or_default().push(lowest);
                if let Some(order) = order {
                    engine.orders.insert(id, (service, order));
                }
                (Event::Arrived(arrival), Some(arrival))
            }
            Ask::Answer(id) => (Event::Asked(id, caller), None),
            Ask::Confirm(id) => (Event::Confirmed(id, caller), None),
        };
        engine.requests.insert(caller, (request, arrival));
        engine.todo.push_back(Todo::Table(event));
        if let Ask::Call { id, .. } = request.ask
            && self.wire.happens(40)
        {
            let after = self.wire.between(10, 5_000) * US;
            self.table_soon(e, after, Event::CallerGone(id, caller));
            self.queue.put(self.now + after, Ev::CallerGone(e, caller));
        }
        self.passes(e, Step::Arrive);
    }

    /// A client reads what it is told, unless that is lost on the way.
    pub(super) fn deliver(&mut self, request: Request, id: CallId, answer: &Answer) {
        let word = match answer {
            Answer::Reply(reply) => reply.bytes,
            Answer::Pending => 1,
            Answer::Changed => 2,
            Answer::Refused(refusal) => 1_000 + u64::from(refusal.number()),
        };
        self.counts.trace = (self.counts.trace.rotate_left(5) ^ word).wrapping_add(self.now);
        let lost = self.now < FAULTS_END && self.wire.happens(50);
        let Some(client) = self.clients.get_mut(request.client).filter(|_| !lost) else { return };
        let owed = client.habit.is_careful()
            && client.open.contains_key(&id)
            && !client.spoiled.contains(&id);
        match answer {
            Answer::Reply(_) => {
                if client.open.contains_key(&id) {
                    self.counts.answers += 1;
                }
                client.has(id);
            }
            Answer::Pending | Answer::Changed => {}
            Answer::Refused(refusal) => {
                let final_no = matches!(
                    refusal,
                    Refusal::Malformed(_)
                        | Refusal::OtherBody
                        | Refusal::Expired(_)
                        | Refusal::Forgotten
                );
                if final_no && owed && !matches!(request.ask, Ask::Confirm(_)) {
                    let what = format!("{id} of a careful client is refused: {refusal:?}");
                    self.promises.breaks("refused_honestly", what);
                }
                if final_no && !client.habit.is_careful() {
                    client.open.remove(&id);
                }
            }
        }
    }
}
