//! Every state of a call with every event, compared with `table.txt`.

use std::fmt::Write as _;

use tsugi_service_rules::call::{
    Answer, Arrival, Attempt, Caller, Event, Interruption, Order, Resolution,
};
use tsugi_service_rules::id::{CallId, InterfaceNumber};
use tsugi_service_rules::limits::Limits;
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::stored::{Ending, LifeRow, Reply, Stored};
use tsugi_vocabulary::{Moment, Span};

use crate::told::compare;
use crate::world::{
    MAIL, PAY, Read, World, content, content_by, counted, keyed, life, serial, stage_word,
};

const STATES: [&str; 16] = [
    "absent",
    "queued",
    "starting",
    "running",
    "running, outside",
    "ended",
    "ended, outside",
    "in doubt",
    "losing",
    "stored: started",
    "stored: unknown",
    "stored: final",
    "stored: final key",
    "stored: tombstone",
    "expired",
    "under the floor",
];

const EVENTS: [&str; 33] = [
    "arrives",
    "arrives, other content",
    "arrives, other interface",
    "the next says that it is answered",
    "asked for",
    "confirmed",
    "forgotten",
    "resolved: answered",
    "resolved: not carried out",
    "room",
    "start is durable",
    "done",
    "refused by its program",
    "ended abnormally",
    "took too long",
    "a former run ends",
    "turned out",
    "contended",
    "its sitting is gone",
    "its sitting is gone in its turn",
    "not at fault",
    "store full",
    "taken by another node",
    "committed",
    "commit in doubt",
    "cleared: it is there",
    "cleared: it is not",
    "unknown is durable",
    "deadline",
    "its caller is gone",
    "move, then the grace is over",
    "last moment passed, then committed",
    "closed, then committed",
];

/// A call in a state.
struct Scene {
    world: World,
    id: CallId,
    first: Option<Caller>,
}

impl Scene {
    fn of(state: &str) -> Self {
        let mut world = World::new(Limits { remembered: 8, ..Limits::default() });
        let id = match state {
            "stored: tombstone" | "stored: final key" => keyed(2),
            _ => counted(1, 3),
        };
        let outside =
            matches!(state, "starting" | "running, outside" | "ended, outside" | "losing");
        world.use_for(id, if outside { MAIL } else { PAY });
        let reply = Reply { ending: Ending::Done, bytes: 900 };
        let mut scene = Self { world, id, first: None };
        let store = &mut scene.world.store;
        let row = LifeRow { highest: 3, ..LifeRow::default() };
        match state {
            "stored: started" => {
                store.rows.insert(id, Stored::Started(content(1)));
                store.lives.insert(life(1, 5), row);
            }
            "stored: unknown" => {
                store.rows.insert(id, Stored::Unknown(content(1)));
                store.lives.insert(life(1, 5), row);
            }
            "stored: final" | "stored: final key" => {
                store.rows.insert(id, Stored::Final(content(1), reply));
                store.kept.insert(id, (content(1), reply));
                store.lives.insert(life(1, 5), row);
            }
            "stored: tombstone" => {
                store.rows.insert(id, Stored::Tombstone);
            }
            "expired" => {
                let watermark = tsugi_service_rules::id::Watermark(3);
                store.lives.insert(life(1, 5), LifeRow { watermark, highest: 3 });
            }
            "under the floor" => {
                store.floors.insert(life(1, 5).client, life(1, 5).incarnation);
            }
            "absent" => {}
            _ => scene.pending(state),
        }
        scene
    }

    fn arrival(&mut self, of: u8) -> Arrival {
        let service = if self.world.is_outside(self.id) { MAIL } else { PAY };
        self.world.arrival(self.id, content(of), service)
    }

    fn arrive(&mut self, of: u8) -> Caller {
        let arrival = self.arrival(of);
        let deadline = Some(Moment(2_000_000_000));
        self.world.arrive(Arrival { deadline, ..arrival });
        arrival.caller
    }

    fn pending(&mut self, state: &str) {
        self.first = Some(self.arrive(1));
        self.world.answer_question(0, Read::Now);
        if state == "queued" {
            return;
        }
        let service = if self.world.is_outside(self.id) { MAIL } else { PAY };
        self.world.step(Event::Room(service));
        if state != "starting" && service == MAIL {
            self.world.keep_start(0);
        }
        match state {
            "ended" | "ended, outside" | "in doubt" => self.world.end(self.id, Ending::Done),
            "losing" => self.interrupt(Interruption::TurnedOut),
            _ => {}
        }
        if state == "in doubt" {
            self.world.doubts.insert(self.id);
            self.world.step(Event::InDoubt(self.id));
        }
    }

    fn attempt(&self) -> Attempt {
        let run = self.world.runs.get(&self.id).map(|run| run.attempt);
        let ended = self.world.inserted.get(&self.id).map(|row| row.attempt);
        let start = self.world.starts.iter().find(|(id, ..)| *id == self.id);
        let start = start.map(|(_, attempt, _)| *attempt);
        run.or(ended).or(start).unwrap_or(Attempt { entry: 0, number: 1 })
    }

    fn interrupt(&mut self, why: Interruption) {
        let attempt = self.attempt();
        self.world.runs.remove(&self.id);
        self.world.inserted.remove(&self.id);
        self.world.step(Event::Interrupted(self.id, attempt, why));
    }

    fn ended(&mut self, ending: Ending) {
        let (attempt, reply) = (self.attempt(), self.world.reply(ending));
        self.world.step(Event::Ended(self.id, attempt, reply));
    }

    /// The sitting is durable where there is one.
    fn committed(&mut self) {
        self.world.doubts.clear();
        self.world.make_durable();
        self.world.step(Event::Committed(vec![self.id]));
    }

    fn cleared(&mut self, there: Ending) {
        self.world.doubts.clear();
        self.world.clears.clear();
        if there == Ending::Done {
            self.world.make_durable();
        } else {
            self.world.inserted.clear();
        }
        let stored = self.world.store.stored(self.id);
        self.world.step(Event::Cleared(self.id, stored));
    }

    fn operate(&mut self, event: &str) {
        let caller = self.world.caller(None);
        let reply = Reply { ending: Ending::Done, bytes: 901 };
        let id = self.id;
        self.world.step(match event {
            "asked for" => Event::Asked(id, caller),
            "confirmed" => Event::Confirmed(id, caller),
            "forgotten" => Event::Forgotten(id, caller),
            "resolved: answered" => Event::Resolved(id, caller, Resolution::Answered(reply)),
            _ => Event::Resolved(id, caller, Resolution::NotCarriedOut),
        });
    }

    fn run_or_operate(&mut self, event: &str) {
        match event {
            "done" => self.ended(Ending::Done),
            "refused by its program" => self.ended(Ending::Refused),
            "ended abnormally" => self.ended(Ending::Abnormal),
            "took too long" => self.ended(Ending::TimeLimit),
            "a former run ends" => {
                let former = Attempt { number: 0, ..self.attempt() };
                let reply = self.world.reply(Ending::Done);
                self.world.step(Event::Ended(self.id, former, reply));
            }
            "turned out" => self.interrupt(Interruption::TurnedOut),
            "contended" => self.interrupt(Interruption::Contended),
            "its sitting is gone" => self.interrupt(Interruption::SittingGone),
            "its sitting is gone in its turn" => self.interrupt(Interruption::SittingGoneInTurn),
            "not at fault" => self.interrupt(Interruption::NotAtFault),
            "taken by another node" => {
                let reply = Reply { ending: Ending::Done, bytes: 902 };
                let (id, row) = (self.id, self.world.store.row(self.id));
                let stored = Stored::Final(content(1), reply);
                self.world.store.kept.insert(id, (content(1), reply));
                let attempt = self.attempt();
                self.world.step(Event::Taken(id, attempt, stored, row));
            }
            "store full" => self.interrupt(Interruption::StoreFull("full".to_owned())),
            _ => self.operate(event),
        }
    }

    /// What is ordered at one event, and at the answer to what it asks the store.
    fn orders(&mut self, event: &str) -> Vec<Order> {
        let service = if self.world.is_outside(self.id) { MAIL } else { PAY };
        let mut orders = Vec::new();
        match event {
            "arrives" => {
                self.arrive(1);
            }
            "arrives, other content" => {
                self.arrive(2);
            }
            "arrives, other interface" => {
                let arrival = self.arrival(1);
                let content = content_by(InterfaceNumber(2), 1);
                self.world.arrive(Arrival { content, ..arrival });
            }
            "the next says that it is answered" => {
                let next = self.world.arrival(counted(1, 9), content(1), PAY);
                self.world.arrive(Arrival { lowest: serial(4), ..next });
            }
            "room" => self.world.step(Event::Room(service)),
            "start is durable" if self.world.starts.is_empty() => {
                self.world.step(Event::StartKept(self.id));
            }
            "start is durable" => self.world.keep_start(0),
            "committed" => self.committed(),
            "commit in doubt" => self.world.step(Event::InDoubt(self.id)),
            "cleared: it is there" => self.cleared(Ending::Done),
            "cleared: it is not" => self.cleared(Ending::Abnormal),
            "unknown is durable" if self.world.losing.is_empty() => {
                self.world.step(Event::UnknownKept(self.id));
            }
            "unknown is durable" => self.world.keep_unknown(0),
            "deadline" => {
                self.world.now = Moment(2_000_000_000);
                self.world.step(Event::Woken);
            }
            "its caller is gone" => {
                let caller = self.first.unwrap_or(Caller(0));
                self.world.step(Event::CallerGone(self.id, caller));
            }
            "move, then the grace is over" => {
                self.world.step(Event::MoveBegan(Span::millis(5)));
                orders.append(&mut self.world.orders);
                self.world.now += Span::millis(5);
                self.world.step(Event::Woken);
            }
            "last moment passed, then committed" => {
                self.world.last = self.world.now;
                self.world.make_durable();
                self.world.step(Event::Committed(vec![self.id]));
            }
            "closed, then committed" => {
                self.world.closed = true;
                self.world.step(Event::Closed);
                orders.append(&mut self.world.orders);
                self.committed();
            }
            _ => self.run_or_operate(event),
        }
        orders.append(&mut self.world.orders);
        while !self.world.questions.is_empty() {
            self.world.answer_question(0, Read::Now);
            orders.append(&mut self.world.orders);
        }
        orders
    }

    fn word(&self, order: &Order) -> String {
        match order {
            Order::Find(_) => "find".to_owned(),
            Order::Answer(caller, _, answer) => {
                let who = if Some(*caller) == self.first { "first" } else { "new" };
                format!("tell {who} {}", answer_word(answer))
            }
            Order::Decode(..) => "decode it again".to_owned(),
            Order::Start { .. } => "keep start".to_owned(),
            Order::Run(_, attempt, alone) => format!("run {} alone {alone:?}", attempt.number),
            Order::Keep { reply, work, .. } => format!("keep {:?} {work:?}", reply.ending),
            Order::GiveUp(..) => "give up".to_owned(),
            Order::RollBack(..) => "roll back".to_owned(),
            Order::Kill(..) => "kill".to_owned(),
            Order::KeepUnknown(_) => "keep unknown".to_owned(),
            Order::Clear(_) => "look what is there".to_owned(),
            Order::Change(_, _, change) => format!("change {change:?}"),
            Order::LeaveUnwritten(_) => "leave it unwritten".to_owned(),
            Order::Drained => "drained".to_owned(),
            Order::End => "end".to_owned(),
        }
    }
}

fn answer_word(answer: &Answer) -> String {
    match answer {
        Answer::Reply(reply) => format!("{:?}", reply.ending),
        Answer::Pending => "pending".to_owned(),
        Answer::Changed => "changed".to_owned(),
        Answer::Refused(refusal) => refused_word(refusal),
    }
}

fn refused_word(refusal: &Refusal) -> String {
    format!("{} {}", refusal.number(), refusal.word())
}

#[test]
fn every_state_answers_every_event_as_the_table_says() {
    let mut text = String::new();
    for state in STATES {
        writeln!(text, "{state}").unwrap();
        let mut nothing = Vec::new();
        for event in EVENTS {
            let mut scene = Scene::of(state);
            let before = scene.world.table.stage(scene.id);
            let orders = scene.orders(event);
            let after = scene.world.table.stage(scene.id);
            if orders.is_empty() && stage_word(before) == stage_word(after) {
                nothing.push(event);
                continue;
            }
            let words: Vec<String> = orders.iter().map(|order| scene.word(order)).collect();
            let row = format!("  {event:<34} -> {:<8} {}", stage_word(after), words.join(", "));
            writeln!(text, "{}", row.trim_end()).unwrap();
        }
        writeln!(text, "  nothing at all:").unwrap();
        for event in nothing {
            writeln!(text, "    {event}").unwrap();
        }
        text.push('\n');
    }
    compare("table.txt", include_str!("table.txt"), &(text.trim_end().to_owned() + "\n"));
}
