//! Who calls, and how: some as they should, some not.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::id::{
    CallId, Client, Content, Incarnation, InterfaceNumber, Key, Life, OrderKey, Serial,
};
use tsugi_service_rules::mutant::mutant;
use tsugi_world::Chance;

/// Acts in the store only.
pub(crate) const PAY: ServiceNumber = ServiceNumber(1);
/// Acts outside of it too.
pub(crate) const MAIL: ServiceNumber = ServiceNumber(2);

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Retries the same id until it is answered, and tells what it has.
    Careful,
    /// As that, three times at once.
    Tripled,
    /// As that, and never tells what it has.
    Unconfirming,
    /// As that, under keys, which it confirms.
    Keyed,
    /// As that, in a new life every few calls.
    Reborn,
    /// Says now and then that it has what it has not.
    Early,
    /// Comes back now and then in a life that it had left, or with another body.
    Confused,
}

pub(crate) const HABITS: &[Habit] = &[
    Habit::Careful,
    Habit::Careful,
    Habit::Tripled,
    Habit::Unconfirming,
    Habit::Keyed,
    Habit::Reborn,
    Habit::Early,
    Habit::Confused,
];

impl Habit {
    /// Whether each of its calls is to be answered in the end.
    pub(crate) const fn is_careful(self) -> bool {
        match self {
            Self::Careful | Self::Tripled | Self::Unconfirming | Self::Keyed | Self::Reborn => true,
            Self::Early | Self::Confused => false,
        }
    }
}

/// What a client sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) client: usize,
    pub(crate) ask: Ask,
    /// When.
    pub(crate) sent: u64,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    Call { id: CallId, body: u64, service: ServiceNumber, order: Option<OrderKey>, lowest: Serial },
    Answer(CallId),
    Confirm(CallId),
}

/// What a client keeps of one of its calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub(crate) body: u64,
    service: ServiceNumber,
    order: Option<OrderKey>,
    pub(crate) tries: u32,
}

/// A client.
pub(crate) struct Caring {
    pub(crate) number: usize,
    pub(crate) habit: Habit,
    incarnation: u64,
    next: u64,
    pub(crate) left: u64,
    pub(crate) open: BTreeMap<CallId, Open>,
    answered: BTreeSet<u64>,
    /// What it gave up by its own fault: no answer is owed.
    pub(crate) spoiled: BTreeSet<CallId>,
    pub(crate) confirms: Vec<CallId>,
    /// What it did that others do not, for the count of it.
    pub(crate) acts: Vec<&'static str>,
}

/// What a body says by an interface.
pub(crate) fn content(interface: InterfaceNumber, body: u64) -> Content {
    let wide = u128::from(body) << 32 | u128::from(interface.0);
    Content { interface, digest: wide.to_be_bytes() }
}

/// The body that was decoded.
pub(crate) fn body_of(content: Content) -> u64 {
    u64::try_from(u128::from_be_bytes(content.digest) >> 32).unwrap_or(u64::MAX)
}

impl Caring {
    pub(crate) fn new(number: usize, habit: Habit, calls: u64) -> Self {
        Self {
            number,
            habit,
            incarnation: 5,
            next: 1,
            left: calls,
            open: BTreeMap::new(),
            answered: BTreeSet::new(),
            spoiled: BTreeSet::new(),
            confirms: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// The first two call themselves by one name, under two identities.
    fn client(&self) -> Client {
        let of = if self.number < 2 && mutant("identity-not-in-id") { 0 } else { self.number };
        Client([u8::try_from(of).unwrap_or(u8::MAX); 16])
    }

    fn id(&self, incarnation: u64, serial: u64) -> CallId {
        if self.habit == Habit::Keyed {
            let [a, b, ..] = serial.to_le_bytes();
            let mut key = [u8::try_from(self.number).unwrap_or(u8::MAX); 16];
            (key[0], key[1]) = (a, b);
            return CallId::Keyed(Key(key));
        }
        let life = Life { client: self.client(), incarnation: Incarnation(incarnation) };
        CallId::Counted { life, serial: Serial::new(serial).unwrap_or(Serial::FIRST) }
    }

    /// The lowest serial without an answer.
    fn lowest(&self) -> u64 {
        match self.habit {
            Habit::Unconfirming | Habit::Keyed => 1,
            _ => (1..=self.next).find(|serial| !self.answered.contains(serial)).unwrap_or(1),
        }
    }

    /// Begins a call, if any is left.
    pub(crate) fn begin(&mut self, chance: &mut Chance) -> Option<CallId> {
        if self.left == 0 || self.open.len() >= 4 {
            return None;
        }
        if self.habit == Habit::Reborn && self.next > 5 && self.open.is_empty() {
            self.acts.push("began a new life");
            (self.incarnation, self.next) = (self.incarnation + 1, 1);
            self.answered.clear();
        }
        self.left -= 1;
        let id = self.id(self.incarnation, self.next);
        let body = (self.number as u64) << 40 | self.incarnation << 20 | self.next;
        let service = if chance.happens(250) { MAIL } else { PAY };
        let order = chance.happens(400).then(|| OrderKey([u8::from(chance.happens(500)); 16]));
        self.next += 1;
        self.open.insert(id, Open { body, service, order, tries: 0 });
        Some(id)
    }

    /// What it sends for a call that it has no answer to.
    pub(crate) fn ask(&mut self, id: CallId, chance: &mut Chance) -> Option<Ask> {
        let lowest = self.lowest();
        let open = self.open.get_mut(&id)?;
        open.tries += 1;
        let open = *open;
        if open.tries > 1 {
            self.acts.push("asked again");
        }
        if self.habit == Habit::Unconfirming {
            self.acts.push("never confirms");
        }
        if open.tries > 2 && chance.happens(100) {
            return Some(Ask::Answer(id));
        }
        let own = id.counted().map_or(1, |(_, serial)| serial.get());
        let (mut lowest, mut body, mut of) = (lowest.min(own), open.body, id);
        if self.habit == Habit::Early && chance.happens(150) {
            self.acts.push("confirmed early");
            // Below are some that it has no answer to.
            lowest = own;
            let under = |other: &&CallId| other.counted().is_some_and(|(_, s)| s.get() < own);
            let spoiled: Vec<CallId> = self.open.keys().filter(under).copied().collect();
            self.spoiled.extend(spoiled);
        }
        if self.habit == Habit::Confused && chance.happens(150) {
            self.acts.push("sent another body");
            body += 1 << 19;
            self.spoiled.insert(id);
        }
        if self.habit == Habit::Confused && chance.happens(100) {
            self.acts.push("came from a former life");
            of = self.id(self.incarnation - 1, own);
        }
        let lowest = Serial::new(lowest).unwrap_or(Serial::FIRST);
        Some(Ask::Call { id: of, body, service: open.service, order: open.order, lowest })
    }

    /// It has the answer.
    pub(crate) fn has(&mut self, id: CallId) {
        if self.open.remove(&id).is_none() {
            return;
        }
        let here = |life: &Life| life.incarnation.0 == self.incarnation;
        if let Some((_, serial)) = id.counted().filter(|(life, _)| here(life)) {
            self.answered.insert(serial.get());
        }
        self.confirms.push(id);
    }
}
