//! Random schedules against a model that is too simple to be wrong.

use std::collections::BTreeMap;

use super::*;

/// What the record of one life of a client says.
#[derive(Clone, Debug, Default)]
struct Model {
    /// Of each serial the content, the lowest it told, and what it was answered.
    rows: BTreeMap<i64, (u8, i64, Reply)>,
    /// When its first reply was written, and what was taken away by age.
    client: Option<(i64, i64)>,
    /// Whether this life is over.
    over: bool,
    number: i64,
}

/// Numbers from a seed.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, end: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 % u64::try_from(end).expect("positive")).expect("small")
    }
}

impl Model {
    fn watermark(&self) -> i64 {
        let told = self.rows.values().map(|row| row.1 - 1).max().unwrap_or(0);
        self.client.map_or(0, |client| client.1).max(told)
    }

    fn says(&self, serial: i64, content: u8) -> Option<Begun<'static>> {
        match self.rows.get(&serial) {
            Some((own, _, _)) if *own != content => Some(Begun::OtherContent),
            Some((own, _, reply)) => {
                Some(Begun::Stored(Stored { content: Content([*own; 16]), reply: reply.clone() }))
            }
            None if self.over || serial <= self.watermark() => Some(Begun::Expired),
            None => None,
        }
    }

    fn finished(&mut self, serial: i64, row: (u8, i64, Reply)) {
        self.client.get_or_insert((row.2.at, 0));
        self.rows.retain(|other, _| *other >= row.1);
        self.rows.insert(serial, row);
    }

    fn purged(&mut self, before: i64, times: &BTreeMap<i64, i64>) {
        let Some(client) = &mut self.client else { return };
        let old: Vec<i64> =
            self.rows.keys().copied().filter(|serial| times[serial] < before).collect();
        for serial in old {
            self.rows.remove(&serial);
            client.1 = client.1.max(serial);
        }
        if self.rows.is_empty() && client.0 < before {
            (self.client, self.over) = (None, true);
        }
    }
}

/// One schedule under way.
struct Schedule<'a> {
    store: &'a mut dyn Store,
    chance: &'a mut Chance,
    incarnation: i64,
    durable: Model,
    now: Model,
    /// Content and time of what is finished in this sitting.
    seats: BTreeMap<i64, u8>,
    times: BTreeMap<i64, i64>,
    clock: i64,
}

/// Plays `count` schedules from `seed`, each with a new life of the client.
///
/// # Panics
/// The store does something else than the model.
pub fn schedules(stand: &mut dyn Stand, seed: u64, count: i64) {
    let mut store = founded(stand);
    let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut number = 0;
    for incarnation in 1..=count {
        if chance.below(10) == 0 {
            drop(store);
            store = stand
                .open(&claim(5 + u64::try_from(incarnation).expect("small"), 1))
                .expect("it works");
        }
        let model = Model { number, ..Model::default() };
        let mut schedule = Schedule {
            store: &mut *store,
            chance: &mut chance,
            incarnation,
            durable: model.clone(),
            now: model,
            seats: BTreeMap::new(),
            times: BTreeMap::new(),
            clock: 100,
        };
        for _ in 0..40 {
            schedule.step();
        }
        schedule.commit();
        number = schedule.durable.number;
        assert_eq!(value(&mut *store), number, "schedule {incarnation} of seed {seed}");
    }
}

impl Schedule<'_> {
    fn step(&mut self) {
        match self.chance.below(12) {
            0..=6 => self.call(),
            7 | 8 => self.commit(),
            9 => {
                self.store.abandon().expect("it works");
                self.now = self.durable.clone();
                self.seats.clear();
            }
            10 => self.confirm(),
            _ => {
                self.commit();
                let before = 90 + self.chance.below(self.clock - 80);
                purged(self.store, before);
                self.now.purged(before, &self.times);
                self.commit();
            }
        }
        for serial in 1..=14 {
            let id = serial_of(self.incarnation, serial, 1);
            let kept = self.durable.rows.get(&serial).map(|row| row.2.clone());
            let found = self.store.find(&id).expect("it works").map(|stored| stored.reply);
            assert_eq!(found, kept, "serial {serial}");
        }
    }

    fn commit(&mut self) {
        self.store.commit().expect("it works");
        self.durable = self.now.clone();
        self.seats.clear();
    }

    fn confirm(&mut self) {
        self.commit();
        let serial = 1 + self.chance.below(14);
        let id = serial_of(self.incarnation, serial, 1);
        self.clock += 1;
        self.store.confirm(&id, self.clock).expect("it works");
        if !self.now.over {
            let client = self.now.client.get_or_insert((self.clock, 0));
            *client = (client.0.max(self.clock), client.1.max(serial));
            self.now.rows.retain(|other, _| *other > serial);
        }
        self.commit();
    }

    fn call(&mut self) {
        let serial = 1 + self.chance.below(14);
        let lowest = (serial - self.chance.below(6)).max(1);
        let content = u8::try_from(self.chance.below(2)).expect("small");
        let id = call(serial_of(self.incarnation, serial, lowest), content);
        let seated = self.seats.get(&serial).copied();
        let expected = self.now.says(serial, content);
        self.clock += 1;
        let (clock, draw) = (self.clock, self.chance.below(8));
        let length = usize::try_from(self.chance.below(2) * 600).expect("small");
        let work = match (self.store.begin(&id).expect("it works"), seated, expected) {
            (Begun::New(work), None, None) => work,
            (Begun::Seated(_), Some(own), _) => return assert_eq!(own, content),
            (Begun::OtherContent, Some(own), _) => return assert_ne!(own, content),
            (said, None, Some(expected)) => {
                return assert_eq!(format!("{said:?}"), format!("{expected:?}"));
            }
            (said, seated, expected) => panic!("{id:?}: {said:?}, not {seated:?} {expected:?}"),
        };
        let mut work = work;
        let mut number = added(&mut *work, 1 + draw);
        match draw {
            0 => return drop(work),
            1 => {
                work.undo().expect("it works");
                number -= 1 + draw;
            }
            2 => drop(work.nested().expect("it works").run(&[add(7)]).expect("it works")),
            _ => {}
        }
        let answer = reply(format!("{number:0>length$}"), clock);
        let finished = work.finish(&answer).expect("it works");
        self.now.number = number;
        self.now.finished(serial, (content, lowest, answer));
        self.times.insert(serial, clock);
        if sits(finished) {
            self.seats.insert(serial, content);
        } else {
            self.durable = self.now.clone();
        }
    }
}
