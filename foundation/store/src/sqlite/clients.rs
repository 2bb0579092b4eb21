//! What is known of clients without asking the file: how far each has come, and its last reply.
//! Nearly every call is the next one of a client that has just called, or its last one again.
//!
//! Invariant: what stands here is what the file says. One writer changes rows of clients, and says
//! here whose; what a sitting has changed counts for that sitting alone until it is durable. Who
//! is not here is asked of the file.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Client, Id, Kept, LifeSeen, Seen, Serial, Stored};

/// So many are known, a few MiB; beyond that all are forgotten, and known again as they call.
const MOST: usize = 16_384;

/// How far a client has come.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    /// Its number.
    pub(super) no: i64,
    watermark: i64,
    /// No serial above it was ever kept.
    highest: i64,
    /// The highest life of the client that is over for good.
    floor: Option<i64>,
    /// No reply of a serial below it is kept.
    oldest: i64,
    /// No reply of a serial above it has a body of its own row.
    long: i64,
    /// The reply of the highest serial, where it is known.
    last: Option<Arc<Stored>>,
}

/// What has to go with a reply that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confirms {
    /// Nothing that is kept.
    Nothing,
    /// Rows without bodies of their own.
    Short,
    /// Whatever there is.
    All,
}

/// What a sitting has made of a client.
#[derive(Debug)]
enum Change {
    Reached(Reached),
    /// The file knows.
    Forgotten,
}

#[derive(Debug, Default)]
struct Known {
    durable: HashMap<Client, Reached>,
    sitting: HashMap<Client, Change>,
    /// Numbers of clients that a sitting has changed otherwise.
    touched: BTreeSet<i64>,
    /// Whom a sitting may have changed.
    reach: Reach,
    /// How many commits there were: what was read before one is not learned after it.
    commits: u64,
}

/// Whom a sitting may have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reach {
    /// Those that it has named.
    #[default]
    Named,
    /// Anybody.
    All,
}

/// The clients of one store, for its writer and for what reads beside it.
#[derive(Clone, Debug, Default)]
pub(super) struct Clients(Arc<Mutex<Known>>);

impl Reached {
    /// As a reader has found it.
    pub(super) fn found(no: i64, life: LifeSeen, floor: Option<i64>) -> Self {
        let LifeSeen { watermark, highest } = life;
        Self { no, watermark, highest, floor, oldest: 0, long: highest, last: None }
    }

    /// Of a client that calls for the first time.
    pub(super) fn new(no: i64, floor: Option<i64>) -> Self {
        let life = LifeSeen { watermark: 0, highest: 0 };
        Self { oldest: 1, ..Self::found(no, life, floor) }
    }

    /// Whether this serial is one that was never kept, and above the watermark.
    pub(super) fn is_new(&self, serial: i64) -> bool {
        serial > self.highest.max(self.watermark)
    }

    /// What is to be taken away with the reply of a call that tells this *lowest*.
    pub(super) fn confirms(&self, lowest: i64) -> Confirms {
        if lowest <= self.oldest {
            Confirms::Nothing
        } else if self.long < self.oldest {
            Confirms::Short
        } else {
            Confirms::All
        }
    }

    /// The reply of a call is written, and what it confirms is taken away.
    fn replied(&mut self, serial: &Serial, stored: Stored) {
        let (own, lowest) = (serial.serial(), serial.lowest());
        self.watermark = self.watermark.max(lowest - 1);
        self.oldest = self.oldest.max(lowest);
        if !stored.reply.is_short() {
            self.long = self.long.max(own);
        }
        if own > self.highest {
            self.highest = own;
            self.last = stored.reply.is_short().then(|| Arc::new(stored));
        }
    }

    /// What is kept under a serial, where that is known here.
    fn kept(&self, serial: i64) -> Option<Kept> {
        if self.is_new(serial) {
            return Some(Kept::Nothing);
        }
        let last = self.last.as_ref().filter(|_| serial == self.highest);
        last.map(|stored| Kept::Final(Stored::clone(stored)))
    }
}

impl Clients {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far a client has come in the sitting that is open.
    pub(super) fn in_sitting(&self, client: &Client) -> Option<Reached> {
        let known = self.known();
        match known.sitting.get(client) {
            Some(Change::Reached(reached)) => Some(reached.clone()),
            Some(Change::Forgotten) => None,
            None if known.reach == Reach::All => None,
            None => {
                let reached = known.durable.get(client)?;
                (!known.touched.contains(&reached.no)).then(|| reached.clone())
            }
        }
    }

    /// As the file says in the sitting that is open.
    pub(super) fn reached(&self, client: &Client, reached: Reached) {
        self.known().sitting.insert(*client, Change::Reached(reached));
    }

    /// A reply is written in the sitting, of a client that was so far before it.
    pub(super) fn replied(&self, before: Option<Reached>, serial: &Serial, stored: Stored) {
        let change = match before {
            Some(mut reached) => {
                reached.replied(serial, stored);
                Change::Reached(reached)
            }
            None => Change::Forgotten,
        };
        self.known().sitting.insert(*serial.client(), change);
    }

    /// The sitting changes rows of a client: what they say is asked of the file.
    pub(super) fn forget(&self, client: &Client) {
        self.known().sitting.insert(*client, Change::Forgotten);
    }

    /// As [`Self::forget`], of the client of this id; a key is of none.
    pub(super) fn forget_of(&self, id: &Id) {
        if let Id::Serial(serial) = id {
            self.forget(serial.client());
        }
    }

    /// As [`Self::forget`], of all clients.
    pub(super) fn forget_all(&self) {
        let mut known = self.known();
        known.sitting.clear();
        known.reach = Reach::All;
    }

    /// As [`Self::forget`], of the client of this number.
    pub(super) fn touch(&self, no: i64) {
        let mut known = self.known();
        if !known.touched.insert(no) {
            return;
        }
        known
            .sitting
            .retain(|_, change| !matches!(change, Change::Reached(reached) if reached.no == no));
    }

    /// The sitting is durable.
    pub(super) fn committed(&self) {
        let mut known = self.known();
        let Known { durable, sitting, touched, reach, commits } = &mut *known;
        *commits += 1;
        if durable.len() >= MOST {
            durable.clear();
        }
        for (client, change) in sitting.drain() {
            match change {
                Change::Reached(reached) => drop(durable.insert(client, reached)),
                Change::Forgotten => drop(durable.remove(&client)),
            }
        }
        if std::mem::take(reach) == Reach::All {
            durable.clear();
        }
        if !touched.is_empty() {
            durable.retain(|_, reached| !touched.contains(&reached.no));
            touched.clear();
        }
    }

    /// Nothing of the sitting is left.
    pub(super) fn rolled_back(&self) {
        let mut known = self.known();
        known.sitting.clear();
        known.touched.clear();
        known.reach = Reach::Named;
    }

    /// What is durable under a serial, where it is known here; else how many commits there were,
    /// to say with what the file says.
    pub(super) fn seen(&self, serial: &Serial) -> Result<Seen, u64> {
        let known = self.known();
        let reached = known.durable.get(serial.client());
        let of = |reached: &Reached| {
            let (watermark, highest) = (reached.watermark, reached.highest);
            let life = Some(LifeSeen { watermark, highest });
            let kept = reached.kept(serial.serial())?;
            Some(Seen { kept, life, floor: reached.floor, clients: 0 })
        };
        reached.and_then(of).ok_or(known.commits)
    }

    /// What a reader has found after so many commits. What it found under the serial is the
    /// client's last reply, or is not known here.
    pub(super) fn learn(&self, serial: &Serial, no: i64, seen: &Seen, commits: u64) {
        let mut known = self.known();
        let Some(life) = seen.life.filter(|_| known.commits == commits) else { return };
        if known.durable.len() >= MOST {
            known.durable.clear();
        }
        let mut reached = Reached::found(no, life, seen.floor);
        if let Kept::Final(stored) = &seen.kept
            && serial.serial() == life.highest
            && stored.reply.is_short()
        {
            reached.last = Some(Arc::new(stored.clone()));
        }
        known.durable.insert(*serial.client(), reached);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Ending, Reply};

    const CLIENT: Client = Client { digest: [7; 16], incarnation: 1 };

    fn serial(serial: i64, lowest: i64) -> Serial {
        Serial::new(CLIENT, serial, lowest).expect("a client counts so")
    }

    fn stored(body: usize) -> Stored {
        let reply = Reply {
            ending: Ending::Done,
            service: 1,
            interface: 1,
            attempt: 1,
            at: 0,
            status: 200,
            content_type: "application/json".to_owned(),
            body: vec![b'1'; body],
        };
        Stored { content: Content([1; 16]), reply }
    }

    /// Clients of whom one has called up to 5, and was told up to 3.
    fn clients() -> Clients {
        let clients = Clients::default();
        let life = Some(LifeSeen { watermark: 3, highest: 5 });
        let seen = Seen { kept: Kept::Nothing, life, floor: None, clients: 0 };
        clients.learn(&serial(6, 4), 11, &seen, 0);
        clients
    }

    #[test]
    fn only_what_is_durable_is_seen_and_a_sitting_knows_its_own() {
        let clients = clients();
        let six = serial(6, 6);
        let kept = |serial: &Serial| clients.seen(serial).map(|seen| seen.kept);
        assert_eq!(kept(&six), Ok(Kept::Nothing));
        let before = clients.in_sitting(&CLIENT);
        assert!(before.as_ref().is_some_and(|reached| reached.is_new(6)));
        clients.replied(before, &six, stored(1));
        assert!(clients.in_sitting(&CLIENT).is_some_and(|reached| !reached.is_new(6)));
        assert_eq!(kept(&six), Ok(Kept::Nothing), "it is not durable");
        clients.rolled_back();
        assert!(clients.in_sitting(&CLIENT).is_some_and(|reached| reached.is_new(6)));
        clients.replied(clients.in_sitting(&CLIENT), &six, stored(1));
        clients.committed();
        assert_eq!(kept(&six), Ok(Kept::Final(stored(1))));
        let life = clients.seen(&serial(7, 7)).expect("it is known").life;
        assert_eq!(life, Some(LifeSeen { watermark: 5, highest: 6 }));
        assert_eq!(kept(&serial(5, 4)), Err(1), "the file knows");
    }

    #[test]
    fn what_was_read_before_a_commit_is_not_learned_after_it() {
        let clients = Clients::default();
        let commits = clients.seen(&serial(1, 1)).expect_err("nobody is known");
        clients.committed();
        let life = Some(LifeSeen { watermark: 0, highest: 0 });
        let seen = Seen { kept: Kept::Nothing, life, floor: None, clients: 0 };
        clients.learn(&serial(1, 1), 11, &seen, commits);
        assert!(clients.seen(&serial(1, 1)).is_err());
        clients.learn(&serial(1, 1), 11, &seen, commits + 1);
        assert!(clients.seen(&serial(1, 1)).is_ok());
    }

    #[test]
    fn who_is_changed_otherwise_is_asked_of_the_file_again() {
        let changes: [fn(&Clients); 3] = [
            |clients| clients.forget(&CLIENT),
            |clients| clients.touch(11),
            |clients| clients.forget_all(),
        ];
        for change in changes {
            let clients = clients();
            change(&clients);
            assert!(clients.in_sitting(&CLIENT).is_none());
            assert!(clients.seen(&serial(6, 4)).is_ok(), "that is not durable yet");
            clients.rolled_back();
            assert!(clients.in_sitting(&CLIENT).is_some());
            change(&clients);
            clients.committed();
            assert!(clients.seen(&serial(6, 4)).is_err());
        }
        let clients = clients();
        clients.replied(clients.in_sitting(&CLIENT), &serial(6, 4), stored(1));
        clients.touch(11);
        clients.committed();
        assert!(clients.seen(&serial(7, 4)).is_err(), "also one that has called in the sitting");
    }

    #[test]
    fn a_client_that_calls_for_the_first_time_confirms_nothing() {
        let clients = Clients::default();
        clients.reached(&CLIENT, Reached::new(11, Some(0)));
        let confirms = |lowest| {
            let reached = clients.in_sitting(&CLIENT).expect("it is known");
            reached.confirms(lowest)
        };
        assert_eq!(confirms(1), Confirms::Nothing);
        clients.replied(clients.in_sitting(&CLIENT), &serial(1, 1), stored(1));
        assert_eq!(confirms(2), Confirms::Short);
        clients.committed();
        let seen = clients.seen(&serial(2, 2)).expect("it is known");
        assert_eq!((seen.kept, seen.floor), (Kept::Nothing, Some(0)));
    }

    #[test]
    fn bodies_of_their_own_rows_are_taken_away_and_nothing_is_looked_for_twice() {
        let clients = clients();
        let answer = |own: i64, lowest: i64, body: usize| {
            let before = clients.in_sitting(&CLIENT);
            let confirms = before.as_ref().map(|reached| reached.confirms(lowest));
            clients.replied(before, &serial(own, lowest), stored(body));
            confirms
        };
        assert_eq!(answer(6, 4, 1), Some(Confirms::All), "what the file has is not known");
        assert_eq!(answer(7, 4, 1), Some(Confirms::Nothing));
        assert_eq!(answer(8, 6, 1), Some(Confirms::All));
        assert_eq!(answer(9, 9, 9_999), Some(Confirms::Short));
        assert_eq!(answer(10, 9, 1), Some(Confirms::Nothing));
        assert_eq!(answer(11, 10, 1), Some(Confirms::All), "9 has one");
        assert_eq!(answer(12, 12, 1), Some(Confirms::Short));
    }
}
