//! The state of the ledger at one place, and the one function that moves it on.

use std::collections::BTreeMap;

use tsugi_vocabulary::{Generation, Index, NodeName};

use crate::{Change, Command, Entries, Entry, Key, Outcome, Voter, VoterId, VotersRefused};

/// Who keeps the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Voters {
    /// Rises by one with every change of the list.
    pub generation: Generation,
    /// The place at which this list took effect.
    pub since: Index,
    /// Each voter and the node it runs on.
    pub list: BTreeMap<VoterId, NodeName>,
    /// The highest number that was ever given out.
    pub highest: VoterId,
}

impl Voters {
    /// How many voters make a majority; 0 of none.
    #[must_use]
    pub fn majority(&self) -> usize {
        if self.list.is_empty() { 0 } else { self.list.len() / 2 + 1 }
    }

    /// The voter of `node`, if it has one.
    #[must_use]
    pub fn of(&self, node: &NodeName) -> Option<VoterId> {
        self.list.iter().find(|(_, name)| *name == node).map(|(id, _)| *id)
    }

    /// The lowest number that was never given out.
    #[must_use]
    pub fn next(&self) -> VoterId {
        VoterId(self.highest.0 + 1)
    }

    /// The list with `voter` added.
    ///
    /// # Errors
    /// Its number was given out before, or its node has a voter.
    pub fn with_added(&self, voter: &Voter) -> Result<BTreeMap<VoterId, NodeName>, VotersRefused> {
        if voter.id <= self.highest {
            return Err(VotersRefused::Used { id: voter.id, next: self.next() });
        }
        if let Some(id) = self.of(&voter.node) {
            return Err(VotersRefused::NodeHasVoter { node: voter.node.to_string(), id });
        }
        let mut list = self.list.clone();
        list.insert(voter.id, voter.node.clone());
        Ok(list)
    }

    /// The list without `id`.
    ///
    /// # Errors
    /// There is no such voter, or it is the last.
    pub fn with_removed(&self, id: VoterId) -> Result<BTreeMap<VoterId, NodeName>, VotersRefused> {
        let mut list = self.list.clone();
        match (list.remove(&id), list.is_empty()) {
            (None, _) => Err(VotersRefused::Unknown { id }),
            (Some(_), true) => Err(VotersRefused::Last { id }),
            (Some(_), false) => Ok(list),
        }
    }

    /// Takes `list` as the voters from `at` on; the same list again changes nothing.
    pub fn become_list(&mut self, at: Index, list: BTreeMap<VoterId, NodeName>) {
        if list == self.list {
            return;
        }
        let highest = list.keys().next_back().copied().unwrap_or_default();
        self.highest = self.highest.max(highest);
        self.list = list;
        self.generation = self.generation.next();
        self.since = at;
    }
}

/// The ledger as one voter has applied it, at one place. Cheap to clone and to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Which life of the ledger this is: raised by each restore from a backup, else the same.
    pub incarnation: u64,
    /// The place up to which it is applied.
    pub applied: Index,
    /// The newest format of values that may be written.
    pub feature_level: u16,
    /// Who keeps the ledger.
    pub voters: Voters,
    /// Everything else.
    pub entries: Entries,
}

/// The feature level of a ledger that was just founded.
pub const FIRST_LEVEL: u16 = 1;

impl View {
    /// The view of a ledger that holds nothing, of this incarnation.
    #[must_use]
    pub fn founded(incarnation: u64) -> Self {
        Self { incarnation, feature_level: FIRST_LEVEL, ..Self::default() }
    }

    /// The entry of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The version of `key`; `Index(0)` if there is no entry.
    #[must_use]
    pub fn version(&self, key: &str) -> Index {
        self.entries.version(key)
    }

    /// Carries out `command` at the place `at`. Every voter gets the same answer.
    pub fn apply(&mut self, at: Index, command: &Command) -> (Outcome, Vec<Key>) {
        self.applied = at;
        match command {
            Command::RaiseLevel { level } => {
                self.feature_level = self.feature_level.max(*level);
                (Outcome::Committed(at), Vec::new())
            }
            Command::Change(change) => match self.objection(change) {
                Some(refused) => (refused, Vec::new()),
                None => (Outcome::Committed(at), self.write(at, change)),
            },
        }
    }

    fn objection(&self, change: &Change) -> Option<Outcome> {
        for condition in &change.conditions {
            let found = self.version(condition.key.as_str());
            if found != condition.version {
                let (key, expected) = (condition.key.clone(), condition.version);
                return Some(Outcome::Refused { key, expected, found });
            }
        }
        let level = self.feature_level;
        change.writes.iter().find_map(|(key, value)| {
            let format = u16::from(*value.as_ref()?.first()?);
            (format > level).then(|| Outcome::TooNew { key: key.clone(), format, level })
        })
    }

    fn write(&mut self, at: Index, change: &Change) -> Vec<Key> {
        for (key, value) in &change.writes {
            let entry = value.as_ref().map(|value| Entry { version: at, value: value.clone() });
            self.entries.put(key, entry);
        }
        let mut keys: Vec<Key> = change.writes.iter().map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    #[test]
    fn a_change_takes_effect_as_a_whole_or_not_at_all() {
        let mut view = View::founded(1);
        let first = Change::new().write(key("a"), vec![1, 1]).write(key("b"), vec![1, 2]);
        assert_eq!(view.apply(Index(1), &Command::Change(first)).0, Outcome::Committed(Index(1)));
        let second = Change::new()
            .when(key("a"), Index(1))
            .when_absent(key("b"))
            .write(key("a"), vec![1, 9])
            .remove(key("b"));
        let refused = Outcome::Refused { key: key("b"), expected: Index(0), found: Index(1) };
        assert_eq!(view.apply(Index(2), &Command::Change(second)).0, refused);
        assert_eq!(&*view.get("a").unwrap().value, &[1, 1]);
        assert_eq!(view.applied, Index(2));
    }

    #[test]
    fn a_newer_format_is_refused_until_the_level_is_raised() {
        let mut view = View::founded(1);
        let change = Command::Change(Change::new().write(key("a"), vec![2, 0]));
        let refused = Outcome::TooNew { key: key("a"), format: 2, level: 1 };
        assert_eq!(view.apply(Index(1), &change).0, refused);
        view.apply(Index(2), &Command::RaiseLevel { level: 2 });
        assert_eq!(view.apply(Index(3), &change).0, Outcome::Committed(Index(3)));
        view.apply(Index(4), &Command::RaiseLevel { level: 1 });
        assert_eq!(view.feature_level, 2, "the level is never lowered");
    }

    #[test]
    fn a_voters_number_is_never_given_out_twice() {
        let mut voters = Voters::default();
        let node = |n: &str| NodeName::new(n).unwrap();
        voters.become_list(Index(1), [(VoterId(1), node("a")), (VoterId(2), node("b"))].into());
        voters.become_list(Index(2), [(VoterId(1), node("a"))].into());
        assert_eq!(voters.next(), VoterId(3));
        assert_eq!(voters.generation, Generation(2));
    }
}
