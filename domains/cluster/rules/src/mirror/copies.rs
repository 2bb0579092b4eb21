//! What the ledger knows of the copies of a group's mirrored volumes: which of them has what was
//! written last.
//!
//! It stands in the entry of the group, beside the owner: of a claim to write alone and a takeover
//! only one can be first, and the other is then refused. That is what DRBD's fencing needs to be a
//! proof (decision 26).

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Epoch, NodeName};

use super::Peer;
use crate::record::GroupRecord;

/// What is known of the copies of a group's mirrored volumes, all of them together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// The node that writes, or wrote, what no other copy has; none while all are alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<NodeName>,
    /// How often something was said of them: what was seen before the newest word counts no more.
    #[serde(default)]
    pub mark: u64,
    /// The epoch whose owner was to be made primary only by a DRBD that freezes what it cannot
    /// mirror.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced: Option<Epoch>,
}

impl Copies {
    /// Whether nothing was ever said of them.
    #[must_use]
    pub fn is_new(&self) -> bool {
        *self == Self::default()
    }

    /// How a node that is given the group under `epoch` is to make its copies primary.
    #[must_use]
    pub fn promotion(&self, epoch: Epoch, me: &NodeName) -> Promotion {
        let known = match &self.newest {
            None => Known::Alike,
            Some(node) if node == me => Known::Newest,
            Some(_) => Known::Older,
        };
        let fencing = match self.fenced == Some(epoch) {
            true => Fencing::Demanded,
            false => Fencing::AsItIs,
        };
        Promotion { known, fencing }
    }
}

/// How the copies of one node stand to the others, as the ledger knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Known {
    /// Nobody wrote alone.
    #[default]
    Alike,
    /// This node wrote alone last.
    Newest,
    /// Another did.
    Older,
}

/// Whether a copy may be made primary only by a DRBD whose fencing is a proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fencing {
    /// However DRBD is configured.
    #[default]
    AsItIs,
    /// Only so: the group is taken from its owner on the strength of it.
    Demanded,
}

/// On what terms the mirrored volumes of a group are made primary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promotion {
    /// How the copies here stand to the others.
    pub known: Known,
    /// What DRBD has to be.
    pub fencing: Fencing,
}

/// What a node says of the copies of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Says {
    /// Its owner: it writes alone from now on, or asks whether it may.
    Alone,
    /// All have the same, as was seen after the word of this mark.
    Alike {
        /// The mark.
        mark: u64,
    },
    /// Its owner: what it writes only the copy of that other node has, as was seen after the word
    /// of this mark.
    There {
        /// The other node.
        newest: NodeName,
        /// The mark.
        mark: u64,
    },
    /// A person: of copies that differ the one here is kept, whichever was written last.
    Chosen,
}

/// Why a word about copies is not written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The group is not this node's.
    NotOwner,
    /// This node wrote alone since: the copies here are older.
    Older(NodeName),
    /// Something else was said since it was seen.
    Overtaken,
}

/// The copies of a group after the node `me` has said so of them.
///
/// # Errors
/// [`Refused`].
pub fn claim(entry: &GroupRecord, me: &NodeName, says: Says) -> Result<Copies, Refused> {
    let may = match (entry.owner(), &says) {
        (Some(owner), _) => owner == me,
        // Nobody writes it: whoever sees them alike has seen all there is to see.
        (None, Says::Alike { .. } | Says::Chosen) => true,
        (None, Says::Alone | Says::There { .. }) => false,
    };
    if !may {
        return Err(Refused::NotOwner);
    }
    let before = &entry.copies;
    let newest = match (says, &before.newest) {
        (Says::Alone, Some(other)) if other != me => return Err(Refused::Older(other.clone())),
        (Says::Alone | Says::Chosen, _) => Some(me.clone()),
        (Says::Alike { mark } | Says::There { mark, .. }, _) if mark != before.mark => {
            return Err(Refused::Overtaken);
        }
        (Says::Alike { .. }, _) => None,
        (Says::There { newest, .. }, _) => Some(newest),
    };
    // The mark rises although nothing else may change: an earlier look at copies that were alike
    // must not take back what is said now.
    Ok(Copies { newest, mark: before.mark + 1, fenced: before.fenced })
}

impl From<Known> for Option<Peer> {
    fn from(known: Known) -> Self {
        match known {
            Known::Alike => None,
            Known::Newest => Some(Peer::Older),
            Known::Older => Some(Peer::Newer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Cause;
    use crate::record::{GroupIntent, Ownership, Phase};
    use crate::start_kind::StartKind;

    fn node(name: &str) -> NodeName {
        NodeName::new(name).expect("a name")
    }

    fn owned(by: &str, copies: Copies) -> GroupRecord {
        let ownership = Ownership::Owned {
            node: node(by),
            boot: None,
            start: StartKind::Restart,
            cause: Cause::ClusterStart,
            phase: Phase::Running,
            handover: None,
        };
        GroupRecord { ownership, copies, ..GroupRecord::new(GroupIntent::Run) }
    }

    fn newest(name: &str, mark: u64) -> Copies {
        Copies { newest: Some(node(name)), mark, fenced: None }
    }

    #[test]
    fn only_the_owner_says_who_wrote_last_and_never_that_an_older_copy_did() {
        let (a, b) = (node("a"), node("b"));
        let alone = |entry: &GroupRecord, me| claim(entry, me, Says::Alone);
        assert_eq!(alone(&owned("a", Copies::default()), &a), Ok(newest("a", 1)));
        // The takeover was first: whoever is cut off hears so and stays frozen.
        assert_eq!(alone(&owned("b", Copies::default()), &a), Err(Refused::NotOwner));
        // The claim was first: whoever takes over hears so and is not made primary.
        assert_eq!(alone(&owned("b", newest("a", 1)), &b), Err(Refused::Older(a)));
    }

    #[test]
    fn what_was_seen_before_the_newest_word_takes_nothing_back() {
        let a = node("a");
        let entry = owned("a", newest("a", 4));
        assert_eq!(claim(&entry, &a, Says::Alike { mark: 3 }), Err(Refused::Overtaken));
        let alike = claim(&entry, &a, Says::Alike { mark: 4 }).expect("it is the newest");
        assert_eq!((alike.newest, alike.mark), (None, 5));
        // Said again by who said it before, it is a newer word.
        let again = claim(&entry, &a, Says::Alone).expect("it owns it");
        assert_eq!(claim(&owned("a", again), &a, Says::Alike { mark: 4 }), Err(Refused::Overtaken));
    }

    #[test]
    fn of_a_group_that_nobody_owns_it_is_only_said_that_its_copies_are_alike_or_which_is_kept() {
        let (a, b) = (node("a"), node("b"));
        let stopped =
            || GroupRecord { copies: newest("a", 4), ..GroupRecord::new(GroupIntent::Run) };
        for me in [&a, &b] {
            let alike = claim(&stopped(), me, Says::Alike { mark: 4 }).expect("nobody writes it");
            assert_eq!((alike.newest, alike.mark), (None, 5));
            assert_eq!(claim(&stopped(), me, Says::Alike { mark: 3 }), Err(Refused::Overtaken));
            assert_eq!(claim(&stopped(), me, Says::Alone), Err(Refused::NotOwner));
            let there = Says::There { newest: a.clone(), mark: 4 };
            assert_eq!(claim(&stopped(), me, there), Err(Refused::NotOwner));
        }
        // While it is owned, only its owner sees what is written.
        let entry = owned("a", newest("a", 4));
        assert_eq!(claim(&entry, &b, Says::Alike { mark: 4 }), Err(Refused::NotOwner));
        assert_eq!(claim(&entry, &b, Says::Chosen), Err(Refused::NotOwner));
        assert_eq!(claim(&stopped(), &b, Says::Chosen), Ok(newest("b", 5)));
        assert_eq!(claim(&owned("b", newest("a", 4)), &b, Says::Chosen), Ok(newest("b", 5)));
    }

    #[test]
    fn an_owner_without_its_disk_says_that_the_other_copy_is_the_newest() {
        let (a, b) = (node("a"), node("b"));
        let there = |mark| Says::There { newest: b.clone(), mark };
        let said = claim(&owned("a", newest("a", 4)), &a, there(4)).expect("it owns it");
        assert_eq!(said, newest("b", 5));
        // With its old disk back, and the other side gone, it may not go on.
        assert_eq!(claim(&owned("a", said), &a, Says::Alone), Err(Refused::Older(b.clone())));
        // It has its disk back, in sync, and wrote alone meanwhile.
        assert_eq!(claim(&owned("a", newest("a", 6)), &a, there(5)), Err(Refused::Overtaken));
    }

    #[test]
    fn a_node_that_is_given_the_group_knows_how_its_copies_stand() {
        let epoch = Epoch { incarnation: 1, counter: 7 };
        let known = |copies: &Copies, me| copies.promotion(epoch, &node(me));
        assert_eq!(known(&Copies::default(), "a"), Promotion::default());
        assert_eq!(known(&newest("a", 1), "a").known, Known::Newest);
        assert_eq!(known(&newest("a", 1), "b").known, Known::Older);
        let fenced = |epoch| Copies { fenced: Some(epoch), ..Copies::default() };
        assert_eq!(known(&fenced(epoch), "a").fencing, Fencing::Demanded);
        let former = Epoch { incarnation: 1, counter: 6 };
        assert_eq!(known(&fenced(former), "a").fencing, Fencing::AsItIs);
    }
}
