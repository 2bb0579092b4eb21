//! What a node that enters the cluster, or comes back to it, says at another's door.
//!
//! It has proved its certificate; a number is given to the certificate, not to the name, so an
//! answer that was lost is asked for again, and a node that was wiped gets another number.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::NodeName;

use super::founding::Founding;

/// A ledger that this node keeps, or kept last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Which life of the ledger.
    pub incarnation: u64,
    /// Under which number.
    pub voter: u64,
    /// Who kept it then, as far as this copy knows.
    #[serde(default)]
    pub voters: BTreeSet<NodeName>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// My number, and who else there is. What I kept of another life of the ledger is put aside.
    Number {
        /// The newest that I kept.
        kept: Option<Kept>,
    },
    /// Whether I still belong.
    Look,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Everything that is needed to start; the asker's number is in it.
    Number {
        /// It.
        founding: Box<Founding>,
    },
    /// How the asker stands here.
    Stands {
        /// Which life of the ledger this node keeps.
        incarnation: u64,
        /// The asker's number, if it has one.
        voter: Option<u64>,
    },
    /// The asker was taken out of the cluster.
    Removed {
        /// Which life of the ledger says so.
        incarnation: u64,
    },
    /// Not now, or not here; nothing was given out.
    No {
        /// Why.
        why: WhyNot,
    },
}

/// Why no number is given out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyNot {
    /// The applied configuration has no such node.
    #[error("the applied configuration names no such node; name it there first")]
    NotConfigured,
    /// The cluster is being founded: only its founder knows who has come.
    #[error("the cluster is being founded; only the node that founds it gives numbers out")]
    NotTheFounder,
    /// The number of the founding was given to another certificate of this name, and a new one
    /// needs a majority, which has not come together yet.
    #[error("another machine came under this name; a majority must have joined before this one")]
    NameTaken,
    /// A number is an entry of the ledger.
    #[error("no majority of the voters can be reached, and a number is an entry of the ledger")]
    NoMajority,
    /// A node of this name was named lost and is still waited for: what it ran may still run.
    #[error(
        "the node that was named lost under this name may still run: make sure that its machine is \
         off, and say so with `tsugi node confirm-off`"
    )]
    StillAwaited,
    /// It kept a ledger that is later than this one: this one would give an epoch out twice.
    #[error(
        "it kept incarnation {kept} of the ledger and this one is {ours}: \
         set the clock right and restore again, on that node"
    )]
    Later {
        /// What it kept.
        kept: u64,
        /// What this node keeps.
        ours: u64,
    },
    /// The question cannot be read: it is of another version.
    #[error("the question cannot be read: another version asked it")]
    Unreadable,
}

/// The bytes of a question or an answer.
pub fn to_bytes<T: Serialize>(what: &T) -> Vec<u8> {
    serde_json::to_vec(what).expect("questions and answers are plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says<T: Serialize>(what: &T, text: &str) {
        assert_eq!(String::from_utf8(to_bytes(what)).unwrap(), text);
    }

    #[test]
    fn what_is_said_at_the_door_keeps_its_form() {
        says(&Ask::Look, r#""look""#);
        says(&Ask::Number { kept: None }, r#"{"number":{"kept":null}}"#);
        let voters = [NodeName::new("b").unwrap()].into();
        let kept = Some(Kept { incarnation: 7, voter: 2, voters });
        let text = r#"{"number":{"kept":{"incarnation":7,"voter":2,"voters":["b"]}}}"#;
        says(&Ask::Number { kept }, text);
        let without = serde_json::from_str(r#"{"incarnation":7,"voter":2}"#).unwrap();
        assert_eq!(Kept { incarnation: 7, voter: 2, voters: [].into() }, without);
        says(&Answer::Removed { incarnation: 7 }, r#"{"removed":{"incarnation":7}}"#);
        let stands = Answer::Stands { incarnation: 7, voter: Some(2) };
        says(&stands, r#"{"stands":{"incarnation":7,"voter":2}}"#);
        says(&Answer::No { why: WhyNot::NameTaken }, r#"{"no":{"why":"name-taken"}}"#);
        let later = Answer::No { why: WhyNot::Later { kept: 9, ours: 7 } };
        says(&later, r#"{"no":{"why":{"later":{"kept":9,"ours":7}}}}"#);
    }

    #[test]
    fn a_founding_is_told_whole_and_without_the_founders_own_notes() {
        let text = concat!(
            r#"{"number":{"founding":{"format":1,"voters":{"4":["d",["10.0.0.4:7400"]]},"#,
            r#""config":"","part":"joiner"}}}"#
        );
        let answer: Answer = serde_json::from_str(text).unwrap();
        says(&answer, text);
        let Answer::Number { founding } = answer else { panic!("a number") };
        let mut noted = *founding;
        noted.taken.insert(NodeName::new("d").unwrap(), "ab".to_owned());
        assert!(noted.for_joiner().taken.is_empty());
    }
}
