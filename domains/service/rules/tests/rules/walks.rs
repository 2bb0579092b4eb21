//! Random walks of clients, programs, commits and deaths: what holds whatever happens.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use tsugi_service_rules::call::{Arrival, Attempt, Event, Interruption, Posture, Resolution, Work};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::id::{CallId, Life, OrderKey, Serial, Watermark};
use tsugi_service_rules::limits::Limits;
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::stored::{Ending, Stored};
use tsugi_vocabulary::{Moment, Span};

use crate::chance::Chance;
use crate::store::Inserted;
use crate::told::compare;
use crate::world::{MAIL, PAY, Read, World, body_of, content_by, keyed, life, serial};

/// Small enough that every limit is met.
pub fn small() -> Limits {
    Limits {
        queue: 3,
        pending: 6,
        bytes: 100,
        body: 50,
        joined: 2,
        waiting: 7,
        seeking: 4,
        window: 6,
        remembered: 1,
        clients: 3,
        runs: 3,
        guard: Span::millis(2),
    }
}

struct Walk {
    chance: Chance,
    world: World,
    /// What was sent, for those that arrive late, and twice.
    sent: Vec<Arrival>,
}

/// The service of an id, which never changes.
fn service_of(id: CallId) -> ServiceNumber {
    let outside = match id {
        CallId::Counted { serial, .. } => serial.get() % 4 == 0,
        CallId::Keyed(key) => key.0[0] % 2 == 1,
    };
    if outside { MAIL } else { PAY }
}

fn order_of(id: CallId) -> Option<OrderKey> {
    let (_, serial) = id.counted()?;
    (serial.get() % 3 == 0 && service_of(id) == PAY).then_some(OrderKey([1; 16]))
}

impl Walk {
    /// The lowest serial that a client has no answer to.
    fn lowest(&self, of: Life) -> u64 {
        let open = |n: &u64| {
            let id = CallId::Counted { life: of, serial: serial(*n) };
            !self.world.told.contains_key(&id)
        };
        (1..).find(open).unwrap()
    }

    fn some_life(&mut self) -> Life {
        let incarnation = if self.chance.one_in(6) { 6 } else { 5 };
        life(1 + u8::try_from(self.chance.below(2)).unwrap(), incarnation)
    }

    fn some_id(&mut self) -> CallId {
        if self.chance.one_in(4) {
            return keyed(u8::try_from(self.chance.below(4)).unwrap());
        }
        let life = self.some_life();
        let from = self.lowest(life).saturating_sub(2).max(1);
        let number = from + self.chance.below(6) as u64;
        CallId::Counted { life, serial: serial(number) }
    }

    fn arrival(&mut self) -> Arrival {
        let id = self.some_id();
        let service = service_of(id);
        self.world.use_for(id, service);
        let body = if self.chance.one_in(7) { 2 } else { 1 };
        let of = content_by(self.world.interface, body);
        let lowest = match id {
            CallId::Counted { life, serial: own } => {
                let careful = self.lowest(life).min(own.get());
                let careless = 1 + self.chance.below(8) as u64;
                serial(if self.chance.one_in(8) { careless } else { careful })
            }
            CallId::Keyed(_) => Serial::FIRST,
        };
        let soon = self.world.now + Span::millis(1 + self.chance.below(20) as u64);
        Arrival {
            lowest,
            order: order_of(id),
            size: if self.chance.one_in(30) { 60 } else { 10 },
            deadline: self.chance.one_in(4).then_some(soon),
            ..self.world.arrival(id, of, service)
        }
    }

    fn arrive(&mut self) {
        let arrival = self.arrival();
        self.sent.push(arrival);
        self.world.arrive(arrival);
    }

    /// The same once more, soon or much later.
    fn arrive_again(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let former = self.chance.pick(&self.sent);
        // It is decoded by the interface that serves now.
        let content = content_by(self.world.interface, body_of(former.content));
        let caller = self.world.caller(Some(content));
        self.world.arrive(Arrival { caller, content, deadline: None, ..former });
    }

    fn ask(&mut self) {
        let id = self.some_id();
        let caller = self.world.caller(None);
        let event = match (id, self.chance.below(8)) {
            (_, 0..3) => Event::Asked(id, caller),
            (_, 3) => Event::Confirmed(id, caller),
            (_, 4) => Event::Forgotten(id, caller),
            (_, 5) => Event::Resolved(id, caller, Resolution::NotCarriedOut),
            _ => {
                let reply = self.world.reply(Ending::Done);
                Event::Resolved(id, caller, Resolution::Answered(reply))
            }
        };
        self.world.step(event);
    }

    fn some_run(&mut self) -> Option<CallId> {
        let runs: Vec<CallId> = self.world.runs.keys().copied().collect();
        (!runs.is_empty()).then(|| self.chance.pick(&runs))
    }

    fn end(&mut self) {
        use Ending::{Abnormal, Done, Refused, TimeLimit};
        let Some(id) = self.some_run() else { return };
        let ending = self.chance.pick(&[Done, Done, Done, Refused, Abnormal, TimeLimit]);
        self.world.end(id, ending);
    }

    fn interrupt(&mut self) {
        let Some(id) = self.some_run() else { return };
        let why = match self.chance.below(9) {
            0 => Interruption::TurnedOut,
            1..5 => Interruption::Contended,
            5 => Interruption::NotAtFault,
            6 | 7 => Interruption::SittingGoneInTurn,
            _ => Interruption::StoreFull("full".to_owned()),
        };
        self.interrupted(id, why);
    }

    fn interrupted(&mut self, id: CallId, why: Interruption) {
        let run = self.world.runs.remove(&id).map(|run| run.attempt);
        let ended = self.world.inserted.remove(&id).map(|row| row.attempt);
        let Some(attempt) = run.or(ended) else { return };
        self.world.ghosts.push((id, attempt));
        self.world.step(Event::Interrupted(id, attempt, why));
    }

    fn sitting_gone(&mut self) {
        let doubts = &self.world.doubts;
        let ids = self.world.inserted.keys().filter(|id| !doubts.contains(*id));
        let ids: Vec<CallId> = ids.copied().collect();
        let full = self.chance.one_in(4);
        for id in ids {
            let why = Interruption::StoreFull("full".to_owned());
            self.interrupted(id, if full { why } else { Interruption::SittingGone });
        }
    }

    fn doubt(&mut self) {
        let doubts = &self.world.doubts;
        let ids = self.world.inserted.keys().filter(|id| !doubts.contains(*id));
        let ids: Vec<CallId> = ids.copied().collect();
        if !ids.is_empty() {
            let id = self.chance.pick(&ids);
            self.world.doubts.insert(id);
            self.world.step(Event::InDoubt(id));
        }
    }

    fn clear(&mut self) {
        let Some(id) = self.world.clears.pop() else { return };
        self.world.doubts.remove(&id);
        if let Some(row) = self.world.inserted.remove(&id).filter(|_| self.chance.one_in(2)) {
            self.world.store.commit(&row);
        }
        let stored = self.world.store.stored(id);
        self.world.step(Event::Cleared(id, stored));
    }

    /// What was given up still says something.
    fn ghost(&mut self) {
        if self.world.ghosts.is_empty() {
            return;
        }
        let (id, attempt) = self.chance.pick(&self.world.ghosts);
        let reply = self.world.reply(Ending::Done);
        self.world.step(match self.chance.below(2) {
            0 => Event::Ended(id, attempt, reply),
            _ => Event::Interrupted(id, attempt, Interruption::TurnedOut),
        });
    }

    fn pass(&mut self) {
        self.world.now += Span::millis(1 + self.chance.below(6) as u64);
        self.world.step(Event::Woken);
    }

    /// Something that was ordered of the store has happened.
    fn store_works(&mut self) {
        let world = &mut self.world;
        if !world.taken.is_empty() {
            return world.report_taken(0);
        }
        if !world.decodes.is_empty() {
            return world.decode_again(0);
        }
        let waits = [world.starts.len(), world.changes.len(), world.losing.len()];
        match waits.map(|n| (n > 0).then(|| self.chance.below(n))) {
            [Some(n), ..] => world.keep_start(n),
            [_, Some(n), _] => world.keep_change(n),
            [.., Some(n)] => world.keep_unknown(n),
            [None, None, None] => {}
        }
    }

    /// That a call will act outside cannot be made durable.
    fn lose_start(&mut self) {
        let Some((id, attempt, _)) = self.world.starts.pop() else { return };
        let why = match self.chance.below(4) {
            0 => Interruption::StoreFull("full".to_owned()),
            1 => Interruption::Contended,
            2 => Interruption::SittingGone,
            _ => Interruption::SittingGoneInTurn,
        };
        self.world.step(Event::Interrupted(id, attempt, why));
    }

    /// Another node of the group is asked for a call and carries it out.
    fn elsewhere(&mut self) {
        let arrival = self.arrival();
        self.world.callers.remove(&arrival.caller);
        let id = arrival.id;
        let free = self.world.store.stored(id) == Stored::Nothing && !self.world.store.is_over(id);
        let alone = service_of(id) == PAY && arrival.order.is_none();
        if free && alone && !self.world.is_at(id) {
            let ending = self.chance.pick(&[Ending::Done, Ending::Refused]);
            let work = if ending == Ending::Done { Work::Kept } else { Work::RolledBack };
            let reply = self.world.reply(ending);
            let attempt = Attempt { entry: 0, number: 1 };
            let (content, lowest) = (arrival.content, arrival.lowest);
            let lowest = lowest.min(id.counted().map_or(lowest, |(_, serial)| serial));
            self.world.elsewhere(&Inserted { id, attempt, content, reply, work, lowest });
        }
    }

    fn question(&mut self) {
        let questions = self.world.questions.len();
        if questions > 0 {
            let n = self.chance.below(questions);
            let read = self.chance.pick(&[Read::WhenAsked, Read::Now]);
            self.world.answer_question(n, read);
        }
    }

    fn is_asked(&self, of: Life) -> bool {
        let is = |id: CallId| id.counted().is_some_and(|(life, _)| life == of);
        let changed = self.world.changes.iter().any(|(id, ..)| is(*id));
        changed || self.world.questions.iter().any(|question| is(question.id))
    }

    /// Rows grow old, or lives of clients.
    fn age(&mut self) {
        let id = self.some_id();
        if self.world.changes.iter().any(|(of, ..)| *of == id) {
            return;
        }
        let Some((life, own)) = id.counted() else {
            self.world.store.purge(id);
            return;
        };
        let pending = self.world.table.lowest_pending(life);
        if self.is_asked(life) {
            return;
        }
        if pending.is_none_or(|pending| pending > own)
            && let Some(mark) = self.world.store.purge(id)
        {
            self.world.step(Event::Purged(id, mark));
        }
        let over = pending.is_none() && life.incarnation.0 == 5 && self.chance.one_in(4);
        if over && self.world.store.bury(life) {
            self.world.step(Event::Purged(id, Watermark(u64::MAX)));
        }
    }

    fn gone(&mut self) {
        let calls = self.world.callers.iter().filter(|(_, asks)| asks.is_some());
        let callers: Vec<_> = calls.map(|(caller, _)| *caller).collect();
        if callers.is_empty() {
            return;
        }
        let caller = self.chance.pick(&callers);
        self.world.callers.remove(&caller);
        self.world.decodes.retain(|(of, ..)| *of != caller);
        let ids: BTreeSet<CallId> = self.sent.iter().map(|arrival| arrival.id).collect();
        for id in ids {
            self.world.step(Event::CallerGone(id, caller));
        }
    }

    fn rare(&mut self) {
        match self.chance.below(18) {
            14 => self.lose_start(),
            15 | 16 => self.elsewhere(),
            17 => self.world.interface.0 += 1,
            0 => self.death(),
            1 => self.world.step(Event::MoveBegan(Span::millis(4))),
            2 if self.chance.one_in(3) || self.world.drained => {
                self.world.closed = true;
                self.world.step(Event::Closed);
            }
            3 if self.chance.one_in(3) => self.world.last = self.world.now + Span::millis(5),
            4 => {
                let blocked = Refusal::Blocked { by: "a".to_owned(), reason: "b".to_owned() };
                let open = if self.chance.one_in(2) { Err(blocked) } else { Ok(()) };
                self.world.services.get_mut(&PAY).unwrap().open = open;
            }
            5 => {
                let away = Refusal::StoreAway { why: "full".to_owned() };
                self.world.standing = if self.chance.one_in(2) { Err(away) } else { Ok(()) };
            }
            6 | 7 => self.gone(),
            _ => self.age(),
        }
    }

    /// The process dies: what was sent to the store may be there or not.
    fn death(&mut self) {
        for id in std::mem::take(&mut self.world.doubts) {
            if let Some(row) = self.world.inserted.remove(&id).filter(|_| self.chance.one_in(2)) {
                self.world.store.commit(&row);
            }
        }
        match self.chance.below(3) {
            0 => {
                self.world.make_durable();
            }
            1 => {
                if let Some((id, _, of)) = self.world.starts.pop() {
                    self.world.store.start(id, of);
                }
            }
            _ => {
                if let Some((id, _, change)) = self.world.changes.pop() {
                    self.world.apply(id, change);
                }
            }
        }
        self.world.restart();
    }

    fn step(&mut self) {
        match self.chance.below(26) {
            0..5 => self.arrive(),
            5 | 6 => self.arrive_again(),
            7 => self.ask(),
            8..11 => self.question(),
            11..15 => {
                let service = self.chance.pick(&[PAY, PAY, MAIL]);
                self.world.step(Event::Room(service));
            }
            15..18 => self.end(),
            18 | 19 => self.world.commit(),
            20 => self.interrupt(),
            21 => match self.chance.below(4) {
                0 => self.sitting_gone(),
                1 => self.doubt(),
                2 => self.clear(),
                _ => self.ghost(),
            },
            22 => self.pass(),
            23 | 24 => self.store_works(),
            _ => self.rare(),
        }
        let over = self.world.ended || self.world.closed && self.chance.one_in(5);
        if over {
            self.death();
        }
    }

    /// The faults have ended: everybody who waits is told, and nothing is left.
    fn settle(&mut self) {
        if self.world.table.posture() != Posture::Open || self.world.last != Moment(u64::MAX) {
            self.death();
        }
        self.world.services = crate::world::services();
        self.world.standing = Ok(());
        for _ in 0..60 {
            for _ in 0..8 {
                self.question();
                self.clear();
                self.store_works();
            }
            self.world.step(Event::Room(PAY));
            self.world.step(Event::Room(MAIL));
            for _ in 0..8 {
                self.end();
            }
            self.world.commit();
        }
        assert_eq!(self.world.table.pending(), 0, "something is pending for ever");
        assert!(self.world.callers.is_empty(), "somebody is never told");
    }
}

/// Walks, and tells which events were met in which stages.
fn walk(chance: Chance) -> BTreeSet<(&'static str, &'static str)> {
    let mut walk = Walk { chance, world: World::new(small()), sent: Vec::new() };
    for _ in 0..300 {
        if walk.chance.is_over() {
            break;
        }
        walk.step();
    }
    walk.settle();
    walk.world.met
}

pub fn walks(seeds: std::ops::Range<u64>) {
    seeds.map(Chance::new).for_each(|chance| {
        walk(chance);
    });
}

#[test]
fn what_schedules_meet_in_which_stage_is_as_the_list_says() {
    let met: BTreeSet<_> = (0..400).flat_map(|seed| walk(Chance::new(seed))).collect();
    let mut text = String::new();
    for (stage, event) in met {
        writeln!(text, "{stage}: {event}").unwrap();
    }
    compare("met.txt", include_str!("met.txt"), &text);
}

#[test]
fn every_call_is_applied_once_and_answered_alike_whatever_happens() {
    walks(0..400);
}

proptest! {
    /// The same, with choices that are made fewer until nothing can be left out of a failure.
    #[test]
    fn every_call_is_applied_once_whatever_is_drawn(
        choices in proptest::collection::vec(any::<u64>(), 0..1_500),
    ) {
        walk(Chance::of(choices));
    }
}
