//! The planted faults that the false world must find, and how many seeds that may take. Others of
//! the rules' own are found by the rules' own tests, which look nearer: behind an epoch that is not
//! read stands the last moment, behind a commit in doubt that is taken for absent the row that is
//! there already, behind a transaction that is gone its commit, which fails.

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
