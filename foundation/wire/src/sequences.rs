//! Which messages of which start of which node were already seen.

use std::collections::BTreeMap;

use tsugi_vocabulary::{BootId, NodeName};

use crate::boot::Boot;

/// How far behind the newest a message may come: copies over several networks overtake each
/// other by a few.
pub const WINDOW: u64 = 64;

/// How many senders are remembered. Only authenticated names get here.
pub const SENDERS_LIMIT: usize = 256;

/// What is known of one sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    started: u64,
    /// `None` when only the number of the start is known, from a record.
    id: Option<BootId>,
    highest: u64,
    /// Bit n: `highest − n` was seen.
    before: u64,
}

/// Why a message is not fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// It belongs to an earlier start of its sender.
    OldBoot,
    /// Its number was seen already, or is too far behind to know.
    Seen,
    /// There are more senders than a cluster can have.
    TooManySenders,
}

/// The replay window: for each sender the newest start heard of and the numbers seen in it.
#[derive(Clone, Debug, Default)]
pub struct Sequences {
    senders: BTreeMap<NodeName, Seen>,
}

impl Sequences {
    /// Nothing seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of a message, or says why it is stale. A start with a higher number is
    /// adopted; one with a lower number, or with the same number and another id, never is.
    ///
    /// # Errors
    /// The first rule of [`Stale`] that it breaks.
    pub fn admit(&mut self, sender: &NodeName, boot: Boot, sequence: u64) -> Result<(), Stale> {
        let fresh = Seen { started: boot.started, id: Some(boot.id), highest: sequence, before: 1 };
        let Some(seen) = self.senders.get_mut(sender) else {
            if self.senders.len() >= SENDERS_LIMIT {
                return Err(Stale::TooManySenders);
            }
            self.senders.insert(sender.clone(), fresh);
            return Ok(());
        };
        if boot.started < seen.started {
            return Err(Stale::OldBoot);
        }
        if boot.started > seen.started || seen.id.is_none() {
            *seen = fresh;
            return Ok(());
        }
        if seen.id != Some(boot.id) {
            return Err(Stale::OldBoot);
        }
        seen.note(sequence)
    }

    /// Refuses every start of `sender` below `started`, which a record says was reached. Lets a
    /// node that has just started, and has heard nobody yet, refuse replays of earlier boots.
    pub fn require(&mut self, sender: &NodeName, started: u64) {
        let floor = Seen { started, id: None, highest: 0, before: 0 };
        match self.senders.get_mut(sender) {
            Some(seen) if seen.started >= started => {}
            Some(seen) => *seen = floor,
            None => {
                self.senders.insert(sender.clone(), floor);
            }
        }
    }

    /// The newest start heard of each sender, to be kept in a record for [`Self::require`].
    pub fn newest(&self) -> impl Iterator<Item = (&NodeName, u64)> {
        self.senders.iter().map(|(name, seen)| (name, seen.started))
    }

    /// Forgets a node that is no member any more.
    pub fn forget(&mut self, sender: &NodeName) {
        self.senders.remove(sender);
    }
}

impl Seen {
    fn note(&mut self, sequence: u64) -> Result<(), Stale> {
        if sequence > self.highest {
            let ahead = sequence - self.highest;
            self.before = if ahead < WINDOW { self.before << ahead | 1 } else { 1 };
            self.highest = sequence;
            return Ok(());
        }
        let behind = self.highest - sequence;
        if behind >= WINDOW || self.before >> behind & 1 == 1 {
            return Err(Stale::Seen);
        }
        self.before |= 1 << behind;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn boot(started: u64, id: u128) -> Boot {
        Boot { started, id: BootId(id) }
    }

    #[test]
    fn sec14_a_seen_sequence_is_dropped_and_one_overtaken_is_taken_once() {
        let (mut seen, a, b) = (Sequences::new(), node("a"), boot(1, 1));
        for number in [5, 7, 6, 70] {
            assert_eq!(seen.admit(&a, b, number), Ok(()), "{number}");
            assert_eq!(seen.admit(&a, b, number), Err(Stale::Seen), "{number}");
        }
        assert_eq!(seen.admit(&a, b, 6), Err(Stale::Seen), "too far behind to know");
        assert_eq!(seen.admit(&a, b, 8), Ok(()));
        assert_eq!(seen.admit(&node("b"), b, 8), Ok(()), "another sender counts for itself");
    }

    #[test]
    fn sec14_an_old_boot_never_comes_back() {
        let (mut seen, a) = (Sequences::new(), node("a"));
        seen.admit(&a, boot(10, 1), 900).unwrap();
        seen.admit(&a, boot(11, 2), 1).unwrap();
        assert_eq!(seen.admit(&a, boot(10, 1), 901), Err(Stale::OldBoot));
        assert_eq!(seen.admit(&a, boot(11, 3), 2), Err(Stale::OldBoot), "same number, other id");
        assert_eq!(seen.admit(&a, boot(11, 2), 2), Ok(()));
    }

    #[test]
    fn sec14_a_node_that_just_started_refuses_boots_below_the_record() {
        let (mut seen, a) = (Sequences::new(), node("a"));
        seen.require(&a, 10);
        assert_eq!(seen.admit(&a, boot(9, 1), 1), Err(Stale::OldBoot));
        assert_eq!(seen.admit(&a, boot(10, 2), 0), Ok(()));
        seen.require(&a, 10);
        assert_eq!(seen.admit(&a, boot(10, 2), 0), Err(Stale::Seen), "a record forgets nothing");
    }

    #[test]
    fn no_more_senders_are_remembered_than_a_cluster_can_have() {
        let mut seen = Sequences::new();
        for n in 0..SENDERS_LIMIT {
            seen.admit(&node(&format!("n{n}")), boot(1, 1), 1).unwrap();
        }
        assert_eq!(seen.admit(&node("late"), boot(1, 1), 1), Err(Stale::TooManySenders));
        seen.forget(&node("n0"));
        assert_eq!(seen.admit(&node("late"), boot(1, 1), 1), Ok(()));
    }

    proptest! {
        #[test]
        fn sec14_no_message_is_admitted_twice_in_any_order(
            messages in proptest::collection::vec((1u64..4, 0u64..200), 1..400),
        ) {
            let (mut seen, a) = (Sequences::new(), node("a"));
            let mut admitted = BTreeSet::new();
            let mut newest = 0;
            for (started, sequence) in messages {
                let fresh = seen.admit(&a, boot(started, u128::from(started)), sequence).is_ok();
                if fresh {
                    prop_assert!(started >= newest);
                    prop_assert!(admitted.insert((started, sequence)));
                    newest = started;
                }
            }
        }
    }
}
