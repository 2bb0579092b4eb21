//! What nodes say to each other of what they have: a question, and an inventory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsugi_cluster_rules::parity::{Answered, Inventory};
use tsugi_vocabulary::{NodeName, Wall};

use crate::control::Later;
use crate::records::decode;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// What the node has now.
    Look,
    /// What it has of what this configuration would need: it is not applied yet. Versions before
    /// it do not answer.
    LookFor {
        /// The file's text.
        text: String,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Say {
    /// It has looked.
    Has {
        /// What it has.
        inventory: Box<Inventory>,
        /// For how many milliseconds it looked: only the rest of the time until the answer came
        /// may explain that its clock shows another time.
        #[serde(default, skip_serializing_if = "at_once")]
        took_ms: u64,
    },
    /// It knows no configuration yet.
    NotYet,
    /// It has not seen in time what it has.
    Busy,
    /// It cannot read the configuration that it was asked to look for.
    NotRead,
}

fn at_once(took_ms: &u64) -> bool {
    *took_ms == 0
}

/// The other nodes.
pub trait Others: Send + Sync {
    /// Asks one of them.
    fn ask(&self, node: &NodeName, body: Vec<u8>) -> Later<Result<Vec<u8>, String>>;
}

/// Why a node does not say what it has when it has not seen it in time.
pub(super) const BUSY: &str = "busy: its files do not answer";

/// When a question was sent and its answer had come, on the wall of who asked.
pub(super) type Sent = (Wall, Wall);

/// What the answer of a node comes to.
pub(super) fn understood(node: &NodeName, answer: Result<Vec<u8>, String>, sent: Sent) -> Answered {
    let silent = |why: String| Answered::Silent { why };
    let said = match answer {
        Ok(bytes) => decode::<Say>(&bytes),
        Err(why) => return silent(why),
    };
    match said {
        Ok(Say::Has { inventory, .. }) if inventory.node != *node => {
            silent(format!("answered by {}", inventory.node))
        }
        Ok(Say::Has { inventory, took_ms }) => {
            let (asked, came) = sent;
            let earliest = Wall(asked.0.saturating_add(took_ms)).min(came);
            let ahead_ms = inventory.at.map_or(0, |at| ahead(at, (earliest, came)));
            Answered::Told { inventory, ahead_ms }
        }
        Ok(Say::NotYet) => silent("no configuration yet".to_owned()),
        Ok(Say::Busy) => silent(BUSY.to_owned()),
        Ok(Say::NotRead) => silent("it cannot read this configuration".to_owned()),
        Err(why) => silent(why),
    }
}

/// By how much a clock that showed `at` between the two moments is ahead of ours, or behind it.
fn ahead(at: Wall, (sent, came): Sent) -> i64 {
    let apart = |from: Wall, to: Wall| {
        i64::try_from(to.0).unwrap_or(i64::MAX) - i64::try_from(from.0).unwrap_or(i64::MAX)
    };
    match at {
        at if at < sent => apart(sent, at),
        at if at > came => apart(came, at),
        _ => 0,
    }
}

/// The answers of all nodes, this one's own among them.
pub(super) type Answers = BTreeMap<NodeName, Answered>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::encode;

    #[test]
    fn a_clock_is_off_only_by_what_the_way_of_the_question_does_not_explain() {
        let sent = (Wall(10_000), Wall(12_000));
        let off = [9_000, 10_000, 11_000, 12_000, 14_500].map(|at| ahead(Wall(at), sent));
        assert_eq!(off, [-1_000, 0, 0, 0, 2_500]);
    }

    #[test]
    fn a_look_that_takes_long_hides_no_difference_of_the_clocks() {
        let node = NodeName::new("node2").unwrap();
        let ended = |at: u64| {
            let inventory = Inventory {
                node: node.clone(),
                config: "c0ffee".to_owned(),
                groups: BTreeMap::new(),
                facts: BTreeMap::new(),
                needed: std::collections::BTreeSet::new(),
                at: Some(Wall(at)),
            };
            let said = Say::Has { inventory: Box::new(inventory), took_ms: 3_900 };
            match understood(&node, Ok(encode(&said)), (Wall(10_000), Wall(14_000))) {
                Answered::Told { ahead_ms, .. } => ahead_ms,
                Answered::Silent { why } => panic!("{why}"),
            }
        };
        assert_eq!([13_950, 12_000, 15_500].map(ended), [0, -1_900, 1_500]);
    }

    #[test]
    fn an_answer_that_cannot_be_used_is_never_taken_for_one() {
        let node = NodeName::new("node2").unwrap();
        let none = (Wall(0), Wall(0));
        for answer in [
            Err("not reachable".to_owned()),
            Ok(Vec::new()),
            Ok(encode(&Say::NotYet)),
            Ok(encode(&Say::Busy)),
            Ok(encode(&Say::NotRead)),
            Ok(vec![9, b'1']),
        ] {
            let understood = understood(&node, answer, none);
            assert!(matches!(understood, Answered::Silent { .. }), "{understood:?}");
        }
    }
}
