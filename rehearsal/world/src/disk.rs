//! The disk that two machines of the false world share: what each has claimed on it, what ails the
//! way to it, and what it keeps for whom.
//!
//! Claims stand twice, as on the real one: a copy that is torn, or that a former life's writing
//! reached late, is one of two. The ledger that is on it is the world's one truth; what the real
//! one does with its blocks is walked elsewhere (`foundation/ledger/src/disk/walk_tests.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_vocabulary::{BootId, Claims, Epoch, Generation, GroupName, Held, Span};

/// What ails one machine's way to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ill {
    /// Nothing is answered until it is over.
    Hangs,
    /// Reads and writes fail.
    Lost,
    /// Reads fail.
    Unread,
    /// Writes fail.
    Unwritten,
}

/// What comes of a read or a write now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is done.
    Done,
    /// It waits.
    Waits,
    /// It fails.
    Fails,
}

/// One copy of what a node has claimed.
#[derive(Clone, Debug, Default)]
pub(crate) enum Copy {
    /// Nothing was ever written.
    #[default]
    Blank,
    /// What is there has no meaning.
    Torn,
    Whole(Arc<Claims>),
}

/// A writing that has not reached the disk yet.
#[derive(Clone, Debug)]
pub(crate) struct UnderWay {
    /// Tells it from every other one.
    pub token: u64,
    /// Which of the two it is, and where that stands.
    pub copy: Nth,
    pub place: usize,
    pub claims: Arc<Claims>,
    /// Whether a part of it is there already.
    pub torn: Part,
}

/// Which of its two copies a writing is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nth {
    First,
    Second,
}

/// How much of a writing is there before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Some,
    None,
}

/// What the disk keeps for a node: the other has no vote for the group until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub boot: BootId,
    pub epoch: Epoch,
    /// When the first copy of the writing that renewed it stood.
    pub from: u64,
    pub ttl: Span,
}

/// Whether one of two copies is not the newest, though its writer wrote both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Spoilt {
    Yes,
    #[default]
    No,
}

/// The blocks that one machine writes, and its way to them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seat {
    copies: [Copy; 2],
    pub under_way: Option<UnderWay>,
    /// A writing of a former life that will still come.
    pub late: Option<u64>,
    /// Whether a late one spoilt a copy that was not written since.
    pub spoilt: Spoilt,
    /// How many faults of each kind are on it.
    ills: BTreeMap<Ill, u32>,
    /// What the writing that is under way will keep once both its copies stand.
    coming: BTreeMap<GroupName, Kept>,
    kept: BTreeMap<GroupName, Kept>,
    /// The newest list of voters that a whole claim of it names.
    pub list: Generation,
}

/// Claims of which no copy can be read.
pub(crate) struct Unreadable;

impl Seat {
    /// Where the next writing begins, as it was read last: not where the newest stands alone.
    pub fn begins(&self) -> usize {
        match &self.copies {
            [Copy::Whole(one), Copy::Whole(two)] => usize::from(one.number > two.number),
            [Copy::Whole(_), _] => 1,
            [_, Copy::Whole(_) | Copy::Blank | Copy::Torn] => 0,
        }
    }

    /// The newer of two whole copies, as the real ones are read.
    pub fn claims(&self) -> Result<Option<Arc<Claims>>, Unreadable> {
        match &self.copies {
            [Copy::Whole(one), Copy::Whole(two)] => {
                Ok(Some(Arc::clone(if one.number >= two.number { one } else { two })))
            }
            [Copy::Whole(claims), _] | [_, Copy::Whole(claims)] => Ok(Some(Arc::clone(claims))),
            // The first writing did not come to its end.
            [_, Copy::Blank] => Ok(None),
            [_, Copy::Torn] => Err(Unreadable),
        }
    }

    /// Writes one copy.
    pub fn put(&mut self, place: usize, what: Copy) {
        self.copies[place] = what;
    }

    pub fn falls_ill(&mut self, ill: Ill) {
        *self.ills.entry(ill).or_insert(0) += 1;
    }

    pub fn recovers(&mut self, ill: Ill) {
        let count = self.ills.entry(ill).or_insert(0);
        *count = count.saturating_sub(1);
    }

    fn has(&self, ill: Ill) -> bool {
        self.ills.get(&ill).is_some_and(|count| *count > 0)
    }

    pub fn reads(&self) -> Answer {
        self.answer(Ill::Unread)
    }

    pub fn writes(&self) -> Answer {
        self.answer(Ill::Unwritten)
    }

    fn answer(&self, of_this: Ill) -> Answer {
        if self.has(Ill::Hangs) {
            Answer::Waits
        } else if self.has(Ill::Lost) || self.has(of_this) {
            Answer::Fails
        } else {
            Answer::Done
        }
    }
}

/// The disk of two machines.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedDisk {
    pub seats: [Seat; 2],
    /// The life of each node whose end the other demands.
    pub demanded: [Option<BootId>; 2],
    /// How much longer everything takes, at most, in microseconds.
    pub slow_us: u64,
    tokens: u64,
}

impl SharedDisk {
    pub fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// A copy of what `n` claims stands from now on.
    pub fn stands(
        &mut self,
        n: usize,
        (copy, place): (Nth, usize),
        claims: &Arc<Claims>,
        now: u64,
    ) {
        let theirs = self.seats[1 - n].claims().ok().flatten().unwrap_or_default();
        let seat = &mut self.seats[n];
        seat.put(place, Copy::Whole(Arc::clone(claims)));
        if copy == Nth::First {
            // What is renewed below a claim that stands gives its writer nothing.
            let newer = |group: &GroupName, epoch| {
                theirs.groups.get(group).is_some_and(|claim| claim.epoch > epoch)
            };
            let renewed = claims.groups.iter().filter(|(group, claim)| {
                let now = claim.renewed == claims.number && claim.held == Held::Yes;
                now && !newer(group, claim.epoch)
            });
            let kept = renewed.map(|(group, claim)| {
                let (boot, epoch, ttl) = (claim.boot, claim.epoch, claim.ttl);
                (group.clone(), Kept { boot, epoch, from: now, ttl })
            });
            seat.coming = kept.collect();
        } else {
            let coming = std::mem::take(&mut seat.coming);
            seat.kept.extend(coming);
            seat.list = seat.list.max(claims.membership);
            seat.spoilt = Spoilt::No;
        }
        // Only a word ends it early: a claim that is simply gone was given all the same.
        let let_go = |group: &GroupName| {
            claims.groups.get(group).is_some_and(|claim| claim.held == Held::LetGo)
        };
        seat.kept.retain(|group, _| !let_go(group));
    }

    /// What the disk keeps of a group for a node.
    pub fn kept(&self, n: usize, group: &GroupName) -> Option<Kept> {
        self.seats[n].kept.get(group).copied()
    }
}

#[cfg(test)]
mod tests {
    use tsugi_vocabulary::Claim;

    use super::*;

    fn claims(number: u64, counter: u64) -> Arc<Claims> {
        let claim = Claim {
            boot: BootId(1),
            epoch: Epoch { incarnation: 1, counter },
            ttl: Span::millis(560),
            renewed: number,
            held: Held::Yes,
        };
        let groups = [(GroupName::new("PAY").expect("a word"), claim)].into();
        Arc::new(Claims { boot: BootId(1), number, membership: Generation(1), groups })
    }

    fn number_of(seat: &Seat) -> Option<u64> {
        seat.claims().ok().flatten().map(|claims| claims.number)
    }

    #[test]
    fn the_newer_of_two_whole_copies_counts_and_two_torn_ones_are_not_none() {
        let mut disk = SharedDisk::default();
        assert_eq!(number_of(&disk.seats[0]), None);
        disk.stands(0, (Nth::First, 0), &claims(3, 1), 10);
        disk.stands(0, (Nth::Second, 1), &claims(3, 1), 20);
        disk.stands(0, (Nth::First, 0), &claims(4, 1), 30);
        assert_eq!(number_of(&disk.seats[0]), Some(4));
        disk.seats[0].copies[0] = Copy::Torn;
        assert_eq!(number_of(&disk.seats[0]), Some(3));
        disk.seats[0].copies[1] = Copy::Torn;
        assert!(disk.seats[0].claims().is_err());
    }

    #[test]
    fn the_disk_keeps_what_both_copies_say_and_nothing_below_a_claim_that_stands() {
        let group = GroupName::new("PAY").expect("a word");
        let mut disk = SharedDisk::default();
        disk.stands(0, (Nth::First, 0), &claims(3, 1), 10);
        assert_eq!(disk.kept(0, &group), None, "one copy alone was never acted on");
        disk.stands(0, (Nth::Second, 1), &claims(3, 1), 20);
        assert_eq!(disk.kept(0, &group).map(|kept| kept.from), Some(10));
        for copy in [(Nth::First, 0), (Nth::Second, 1)] {
            disk.stands(1, copy, &claims(7, 2), 30);
        }
        for copy in [(Nth::First, 0), (Nth::Second, 1)] {
            disk.stands(0, copy, &claims(4, 1), 40);
        }
        assert_eq!(disk.kept(0, &group).map(|kept| kept.from), Some(10));
    }

    #[test]
    fn faults_that_overlap_are_over_when_the_last_of_them_is() {
        let mut seat = Seat::default();
        seat.falls_ill(Ill::Lost);
        seat.falls_ill(Ill::Lost);
        seat.falls_ill(Ill::Hangs);
        assert_eq!((seat.reads(), seat.writes()), (Answer::Waits, Answer::Waits));
        seat.recovers(Ill::Hangs);
        seat.recovers(Ill::Lost);
        assert_eq!(seat.reads(), Answer::Fails);
        seat.recovers(Ill::Lost);
        seat.falls_ill(Ill::Unwritten);
        assert_eq!((seat.reads(), seat.writes()), (Answer::Done, Answer::Fails));
    }
}
