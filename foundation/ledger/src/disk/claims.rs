//! What a node claims of groups, on the disk: in blocks that only it writes, twice.
//!
//! One copy is written after the other, and of two that are whole the newer counts. So a writing
//! that is torn, or one of a former life that comes late, spoils one copy at most, and was never
//! acted on. Where the newest stands in one copy only, the other is written first: what somebody
//! has read is not taken back by the next writing that is torn.

use tsugi_vocabulary::{BootId, Claim, Claims, Epoch, Generation, GroupName, Held, NodeName, Span};

use super::frame::{blocks, record};
use super::keeper::title_of;
use super::layout::{Title, Whose};
use super::store::{BLOCK, Store};
use super::trouble::Trouble;
use super::vow::context;
use crate::format::{Reader, Unreadable, Writer, seal, unseal};
use crate::{ClusterId, StorageFailure};

/// The claims of one node of two, and those of the other.
#[derive(Debug)]
pub struct ClaimBlocks<S> {
    store: S,
    title: Title,
    me: usize,
    /// The number of what was written last in this life.
    written: Option<u64>,
    /// The highest number that the other was read with.
    heard: u64,
    /// The copy that is written first: not the only one that holds the newest, as it was read.
    begins: usize,
}

impl<S: Store> ClaimBlocks<S> {
    /// The blocks of `node` at a disk that was made ready for it and one other node of `cluster`.
    ///
    /// # Errors
    /// What is wrong with the disk; [`StorageFailure::Foreign`] if it is not this cluster's, or not
    /// of two nodes of which this is one.
    pub fn open(mut store: S, cluster: ClusterId, node: &NodeName) -> Result<Self, StorageFailure> {
        let title = title_of(&mut store).map_err(Trouble::failure)?;
        let foreign = |expected: String, found: String| StorageFailure::Foreign {
            file: store.name(),
            expected,
            found,
        };
        if title.whose.cluster != cluster {
            let (expected, found) = (cluster.to_string(), title.whose.cluster.to_string());
            return Err(foreign(format!("cluster {expected}"), format!("cluster {found}")));
        }
        let me = title.nodes.iter().position(|name| name == node);
        match me.filter(|_| title.nodes.len() == 2) {
            Some(me) => Ok(Self { store, title, me, written: None, heard: 0, begins: 0 }),
            None => {
                let nodes: Vec<&str> = title.nodes.iter().map(NodeName::as_str).collect();
                Err(foreign(format!("node {node} and one other"), nodes.join(", ")))
            }
        }
    }

    /// What this node wrote last, in whichever life; none if it never did.
    ///
    /// # Errors
    /// [`StorageFailure::Damaged`] if neither copy can be read: nothing is less than what was
    /// there.
    pub fn own(&mut self) -> Result<Option<Claims>, StorageFailure> {
        self.of(self.me)
    }

    /// What the other node wrote last; none if it never did.
    ///
    /// # Errors
    /// As for [`ClaimBlocks::own`]; [`StorageFailure::InUse`] if this node's own are not what it
    /// wrote last, [`StorageFailure::Damaged`] if the other's have gone back: who sees less than
    /// was there must not take it for a vote.
    pub fn other(&mut self) -> Result<Option<Claims>, StorageFailure> {
        if let Some(written) = self.written
            && self.of(self.me)?.is_none_or(|own| own.number != written)
        {
            return Err(StorageFailure::InUse { file: self.store.name() });
        }
        let other = self.of(1 - self.me)?;
        let number = other.as_ref().map_or(0, |claims| claims.number);
        if number < self.heard {
            let what = format!("the claims of seat {} went back", 1 - self.me);
            return Err(Trouble::damage(&self.store, &what));
        }
        self.heard = number;
        Ok(other)
    }

    /// Writes `claims`, durably: one copy, then the other.
    ///
    /// # Errors
    /// What the system said. Part of it may stand, or come later: this process must not write
    /// again. [`StorageFailure::Full`] if there are too many; then nothing was written.
    pub fn write(&mut self, claims: &Claims) -> Result<(), StorageFailure> {
        let bytes = blocks(&claims_to_bytes(claims, self.title.whose, self.me));
        let (at, length) = self.title.layout.claims(self.me);
        if bytes.len() > length / 2 {
            return Err(StorageFailure::Full { file: self.store.name() });
        }
        let places = [at, at + length as u64 / 2];
        for place in [places[self.begins], places[1 - self.begins]] {
            let written = self.store.write(place, &bytes);
            written.map_err(|error| Trouble::unwritten(&self.store, &error).failure())?;
        }
        self.written = Some(claims.number);
        Ok(())
    }

    /// The title of the disk.
    pub(crate) fn title(&self) -> &Title {
        &self.title
    }

    /// The place of this node among the two.
    pub(crate) fn me(&self) -> usize {
        self.me
    }

    pub(crate) fn into_parts(self) -> (S, Title, usize) {
        (self.store, self.title, self.me)
    }

    /// Says again what this node claims, above whatever a former life may still be writing: that
    /// has the next number at most.
    ///
    /// # Errors
    /// As for [`ClaimBlocks::own`] and [`ClaimBlocks::write`].
    pub(crate) fn say_again(&mut self) -> Result<(), StorageFailure> {
        let Some(own) = self.own()? else { return Ok(()) };
        self.write(&Claims { number: own.number + 2, ..own })
    }

    /// Writes a block that says nothing, durably. Whoever may not write what counts any more sees
    /// by it whether another life could.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn try_writing(&mut self) -> Result<(), StorageFailure> {
        let written = self.store.write(self.title.layout.trial(self.me), &[0; BLOCK]);
        written.map_err(|error| Trouble::unwritten(&self.store, &error).failure())
    }

    fn of(&mut self, seat: usize) -> Result<Option<Claims>, StorageFailure> {
        let (at, length) = self.title.layout.claims(seat);
        let mut bytes = vec![0; length];
        let read = self.store.read(at, &mut bytes);
        read.map_err(|error| Trouble::unread(&self.store, &error).failure())?;
        let (one, two) = bytes.split_at(length / 2);
        let whole = |copy: &[u8]| claims_from_bytes(record(copy)?, self.title.whose, seat);
        let (first, second) = (whole(one), whole(two));
        if seat == self.me {
            let number = |copy: &Result<Claims, _>| copy.as_ref().map_or(0, |claims| claims.number);
            self.begins = usize::from(number(&first) > number(&second));
        }
        match (first, second) {
            (Ok(one), Ok(two)) => Ok(Some(if one.number >= two.number { one } else { two })),
            (Err(Unreadable::TooNew { found, known }), _)
            | (_, Err(Unreadable::TooNew { found, known })) => {
                Err(StorageFailure::TooNew { file: self.store.name(), found, known })
            }
            (Ok(claims), Err(_)) | (Err(_), Ok(claims)) => Ok(Some(claims)),
            // The first writing did not come to its end: nobody acted on it.
            (Err(_), Err(_)) if two.iter().all(|byte| *byte == 0) => Ok(None),
            (Err(why), Err(_)) => {
                let what = format!("both claims of seat {seat}: {why}");
                Err(Trouble::damage(&self.store, &what))
            }
        }
    }
}

pub(crate) fn claims_to_bytes(claims: &Claims, whose: Whose, seat: usize) -> Vec<u8> {
    let mut to = Writer::new();
    to.u128(claims.boot.0).u64(claims.number).u64(claims.membership.0);
    to.count(claims.groups.len());
    for (group, claim) in &claims.groups {
        to.text(group.as_str()).u128(claim.boot.0);
        to.u64(claim.epoch.incarnation).u64(claim.epoch.counter);
        to.u64(claim.ttl.0).u64(claim.renewed);
        to.u8(match claim.held {
            Held::Yes => 1,
            Held::LetGo => 2,
        });
    }
    seal(&context(b"claims", whose, seat), &to.done())
}

pub(crate) fn claims_from_bytes(
    bytes: &[u8],
    whose: Whose,
    seat: usize,
) -> Result<Claims, Unreadable> {
    let mut from = Reader::new(unseal(&context(b"claims", whose, seat), bytes)?);
    let (boot, number) = (BootId(from.u128()?), from.u64()?);
    let membership = Generation(from.u64()?);
    let mut claims = Claims { boot, number, membership, ..Claims::default() };
    for _ in 0..from.count()? {
        let name = from.text("group")?;
        let group = GroupName::new(name).map_err(|_| Unreadable::Text { what: "group" })?;
        let boot = BootId(from.u128()?);
        let epoch = Epoch { incarnation: from.u64()?, counter: from.u64()? };
        let (ttl, renewed) = (Span(from.u64()?), from.u64()?);
        let held = match from.u8()? {
            1 => Held::Yes,
            2 => Held::LetGo,
            found => return Err(Unreadable::Form { what: "claim", found }),
        };
        claims.groups.insert(group, Claim { boot, epoch, ttl, renewed, held });
    }
    from.end()?;
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::platter::{Platter, Reach};
    use crate::{View, disk};

    const CLUSTER: ClusterId = ClusterId(1);

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn made(nodes: &[&str]) -> Platter {
        let mut platter = Platter::default();
        let nodes: Vec<NodeName> = nodes.iter().map(|name| node(name)).collect();
        disk::found(&mut platter, (CLUSTER, BootId(2)), &nodes, &View::founded(1)).unwrap();
        platter
    }

    fn at(platter: &Platter, name: &str) -> ClaimBlocks<Platter> {
        ClaimBlocks::open(platter.clone(), CLUSTER, &node(name)).unwrap()
    }

    fn claims(number: u64) -> Claims {
        let claim = Claim {
            boot: BootId(4),
            epoch: Epoch { incarnation: 1, counter: number },
            ttl: Span::millis(560),
            renewed: number,
            held: Held::Yes,
        };
        let groups = [(GroupName::new("PAY").unwrap(), claim)].into();
        Claims { boot: BootId(4), number, membership: Generation(1), groups }
    }

    #[test]
    fn what_one_has_written_the_other_reads_and_a_later_life_finds() {
        let mut one = at(&made(&["a", "b"]), "a");
        assert_eq!((one.own().unwrap(), one.other().unwrap()), (None, None));
        one.write(&claims(3)).unwrap();
        let mut two = at(&one.store, "b");
        assert_eq!((two.own().unwrap(), two.other().unwrap()), (None, Some(claims(3))));
        assert_eq!(at(&one.store, "a").own().unwrap(), Some(claims(3)));
    }

    #[test]
    fn a_trial_is_a_writing_that_says_nothing() {
        let mut one = at(&made(&["a", "b"]), "a");
        one.write(&claims(3)).unwrap();
        one.try_writing().unwrap();
        assert_eq!(at(&one.store, "a").own().unwrap(), Some(claims(3)));
        let layout = one.title.layout;
        let end = layout.petitions(0) + layout.petition_box;
        assert_eq!(layout.trial(0) + BLOCK as u64, end, "the end of its own box");
    }

    #[test]
    fn a_torn_or_late_writing_takes_nothing_back() {
        let mut one = at(&made(&["a", "b"]), "a");
        let bytes = |number| blocks(&claims_to_bytes(&claims(number), one.title.whose, 0));
        let (third, fourth) = (bytes(3), bytes(4));
        let (first, length) = one.title.layout.claims(0);
        let places = [first, first + length as u64 / 2];
        // The first of all, torn in its first copy.
        let mut torn = one.store.clone();
        torn.put(first, &third[..64], Reach::Whole);
        assert_eq!(at(&torn, "b").other().unwrap(), None);
        one.write(&claims(3)).unwrap();
        for place in places {
            let mut torn = one.store.clone();
            torn.put(place, &[7; 512], Reach::Whole);
            assert_eq!(at(&torn, "b").other().unwrap(), Some(claims(3)));
        }
        // One of a former life, with a lower number, over either copy of the newest.
        one.write(&claims(5)).unwrap();
        for place in places {
            let mut late = one.store.clone();
            late.put(place, &fourth, Reach::Whole);
            assert_eq!(at(&late, "b").other().unwrap(), Some(claims(5)));
        }
    }

    #[test]
    fn what_stands_in_one_copy_only_is_not_taken_back_by_the_next_writing() {
        let mut one = at(&made(&["a", "b"]), "a");
        one.write(&claims(3)).unwrap();
        let fourth = blocks(&claims_to_bytes(&claims(4), one.title.whose, 0));
        let (first, length) = one.title.layout.claims(0);
        for (n, place) in [first, first + length as u64 / 2].into_iter().enumerate() {
            // A former life ended between its two copies.
            let mut store = one.store.clone();
            store.put(place, &fourth, Reach::Whole);
            let mut next = at(&store, "a");
            assert_eq!(next.own().unwrap().unwrap().number, 4);
            assert_eq!(next.begins, 1 - n, "the other is written first");
            next.write(&claims(6)).unwrap();
            assert_eq!(at(&next.store, "b").other().unwrap(), Some(claims(6)));
        }
    }

    #[test]
    fn claims_of_which_no_copy_can_be_read_are_not_taken_for_none() {
        let mut one = at(&made(&["a", "b"]), "a");
        one.write(&claims(3)).unwrap();
        let (at_first, length) = one.title.layout.claims(0);
        for place in [at_first, at_first + length as u64 / 2] {
            one.store.put(place, &[7; 512], Reach::Whole);
        }
        assert!(matches!(one.own(), Err(StorageFailure::Damaged { .. })));
        let found = at(&one.store, "b").other();
        assert!(matches!(found, Err(StorageFailure::Damaged { .. })), "{found:?}");
    }

    #[test]
    fn a_disk_that_shows_less_than_was_there_gives_no_vote() {
        let mut one = at(&made(&["a", "b"]), "a");
        let before = one.store.clone();
        let mut two = at(&one.store, "b");
        two.write(&claims(3)).unwrap();
        one.store = two.store.clone();
        assert_eq!(one.other().unwrap(), Some(claims(3)));
        one.store = before.clone();
        let gone_back = one.other();
        assert!(matches!(gone_back, Err(StorageFailure::Damaged { .. })), "{gone_back:?}");
        // Another process of the same node, or somebody who cleared the disk.
        two.store = before;
        assert!(matches!(two.other(), Err(StorageFailure::InUse { .. })));
    }

    #[test]
    fn a_disk_of_another_cluster_or_of_more_than_two_nodes_is_refused() {
        let foreign = |nodes: &[&str], cluster, name| {
            let opened = ClaimBlocks::open(made(nodes), cluster, &node(name));
            matches!(opened, Err(StorageFailure::Foreign { .. }))
        };
        assert!(!foreign(&["a", "b"], CLUSTER, "b"));
        assert!(foreign(&["a", "b"], ClusterId(9), "b"));
        assert!(foreign(&["a", "b"], CLUSTER, "c"));
        assert!(foreign(&["a", "b", "c"], CLUSTER, "c"));
    }

    #[test]
    fn the_most_groups_fit_and_more_are_refused_before_anything_is_written() {
        let mut one = at(&made(&["a", "b"]), "a");
        let claim = claims(1).groups.into_values().next().unwrap();
        let many = |count: usize| {
            let group = |n: usize| GroupName::new(&format!("{:G>31}", n)).unwrap();
            Claims { groups: (0..count).map(|n| (group(n), claim)).collect(), ..claims(8) }
        };
        one.write(&many(400)).unwrap();
        assert_eq!(at(&one.store, "b").other().unwrap(), Some(many(400)));
        let refused = one.write(&many(800));
        assert!(matches!(refused, Err(StorageFailure::Full { .. })), "{refused:?}");
        assert_eq!(at(&one.store, "b").other().unwrap(), Some(many(400)));
    }
}
