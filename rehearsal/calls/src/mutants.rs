//! The planted faults that the false world must find, and how many seeds that may take. Others of
//! the rules' own are found by the rules' own tests, which look nearer.

use crate::run::find;

/// What the false world finds: faults of the rules, then faults of the world around them.
pub const VISIBLE: &[(&str, u64)] = &[
    ("expired-runs-again", 400),
    ("store-not-asked", 400),
    ("started-runs-again", 400),
    ("other-body-accepted", 400),
    ("other-interface-refused", 400),
    ("duplicate-not-joined", 400),
    ("told-before-durable", 400),
    ("last-moment-ignored", 400),
    ("watermark-not-kept", 400),
    ("began-before-durable", 400),
    ("unknown-runs-again", 400),
    ("late-end-taken", 400),
    ("gone-taken-for-kept", 400),
    ("tombstone-forgotten", 400),
    ("answered-while-pending", 400),
    ("order-ignored", 400),
    ("hold-never-fires", 400),
    ("alone-with-others", 400),
    ("savepoint-not-released", 400),
    ("told-before-commit", 400),
    ("failed-commit-survived", 400),
    ("epoch-compared-wrongly", 400),
    ("fence-does-not-wait", 400),
    ("reply-after-commit", 400),
    ("dedup-lost-on-takeover", 400),
    ("ack-before-fsync", 400),
    ("identity-not-in-id", 400),
    ("unknown-commit-assumed-absent", 400),
    ("unknown-commit-looked-up-early", 400),
    ("wal-not-synced-at-open", 400),
    ("fsync-retried", 400),
    ("epoch-not-durable", 400),
];

/// What only a nearer look can see: the name, and what finds it.
pub const ELSEWHERE: &[(&str, &str)] = &[
    ("floor-forgotten", "the rules' walks: here no life of a client is ended for its age"),
    ("doubt-taken-for-absent", "the rules' walks: here the row that is there already stops it"),
    ("pending-survives-close", "the rules' walks: it costs an answer, not a promise"),
    ("contention-for-ever", "the rules' walks: here whoever contends is gone after a while"),
    ("queue-without-end", "the rules' walks: here nobody asks for so much at once"),
    ("written-after-move", "the rules' walks: here the next opening makes it unknown all the same"),
    ("purged-without-watermark", "the rules' walks: here nothing is deleted for its age"),
    ("epoch-not-checked", "the sittings' walks: here the device is fenced before"),
    ("autocommit-not-looked-at", "the sittings' walks: here the commit fails"),
    ("run-not-compared", "the epochs' walks: here the last moment stands before it"),
    ("row-not-read", "the epochs' walks: here the last moment stands before it"),
];

/// What became of the search for one.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name.
    pub name: &'static str,
    /// The seed and the promise that broke; none if it was not found.
    pub by: Option<(u64, &'static str)>,
}

/// Looks for all of them.
#[must_use]
pub fn find_all() -> Vec<Found> {
    VISIBLE.iter().map(|(name, budget)| Found { name, by: find(name, *budget) }).collect()
}

#[cfg(test)]
mod tests {
    use tsugi_service_rules::{call, epoch, sitting};

    use super::*;

    #[test]
    fn every_fault_planted_in_the_rules_of_calls_is_looked_for_here_or_named_with_its_place() {
        let mut names: Vec<&str> = VISIBLE.iter().map(|(name, _)| *name).collect();
        names.extend(ELSEWHERE.iter().map(|(name, _)| *name));
        for (name, _) in call::MUTANTS.iter().chain(sitting::MUTANTS).chain(epoch::MUTANTS) {
            assert!(names.contains(name), "{name} is in neither table");
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "a planted fault is named twice");
    }

    /// What every plan of reliability plants in calls, whoever made them: an answer before it is
    /// durable, a sync that is tried again, a record that is lost with its owner, and so on.
    const MUST: &[&str] = &[
        "epoch-not-durable",
        "epoch-compared-wrongly",
        "ack-before-fsync",
        "fsync-retried",
        "reply-after-commit",
        "dedup-lost-on-takeover",
        "other-body-accepted",
    ];

    #[test]
    fn the_faults_that_must_be_found_of_calls_are_found() {
        for name in MUST {
            let (_, budget) = VISIBLE.iter().find(|(of, _)| of == name).expect("it is planted");
            assert!(find(name, *budget).is_some(), "{name} is not found");
        }
    }
}
