//! Every time of the Raft ledger follows from one number: the length of a lease.

use std::time::Duration;

use openraft::{Config, SnapshotPolicy};
use tsugi_vocabulary::Span;

/// The times of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a lease runs.
    pub lease: Span,
}

impl Timing {
    /// The default profile.
    pub const DEFAULT: Self = Self { lease: Span::millis(560) };
    /// The fast profile.
    pub const FAST: Self = Self { lease: Span::millis(220) };

    /// How long a voter hears no leader before it asks for an election.
    #[must_use]
    pub const fn silence(self) -> Span {
        Span(self.lease.0 / 3)
    }

    /// How often the leader of the ledger shows that it is there, at most: where datagrams say so
    /// it does it far less often.
    #[must_use]
    pub const fn beat(self) -> Span {
        Span(self.lease.0 / 8)
    }

    /// How long a question to the leader is tried before it fails.
    #[must_use]
    pub fn patience(self) -> Duration {
        Span(self.lease.0 * 4).max(Span::secs(2)).to_std()
    }

    /// What the Raft library is told. Its own timers are off: the gate elects, and the keeper lets
    /// the leader give its signs. The upper election timeout is how long its followers refuse a
    /// vote after they heard the leader; the lower one is how long a vote may take, and has to be
    /// below the upper one.
    pub(crate) fn config(self) -> Config {
        let refused = (self.lease.as_millis() / 4).max(3);
        let config = Config {
            cluster_name: "tsugi".to_owned(),
            election_timeout_min: refused - 1,
            election_timeout_max: refused,
            heartbeat_interval: self.beat().as_millis().max(1),
            install_snapshot_timeout: 2_000,
            max_payload_entries: 128,
            replication_lag_threshold: 2_000,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(1_000),
            snapshot_max_chunk_size: 512 << 10,
            max_in_snapshot_log_to_keep: 500,
            purge_batch_size: 64,
            enable_tick: false,
            enable_heartbeat: false,
            enable_elect: false,
            ..Config::default()
        };
        let config = config.validate().expect("a fourth of a lease is longer than an eighth");
        // Set behind the check, which is made for the library's own signs: with those off, this is
        // how often it looks whether a leader without a vote has to step down. Its timer runs
        // always, so it is a slow one.
        Config { heartbeat_interval: (self.lease.as_millis() * 4).max(1), ..config }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_refuses_votes_for_at_most_a_fourth_of_the_lease() {
        for timing in [Timing::DEFAULT, Timing::FAST, Timing { lease: Span::secs(3) }] {
            let config = timing.config();
            assert!(config.election_timeout_max <= timing.lease.as_millis() / 4);
            assert!(Span::millis(config.election_timeout_max) < timing.silence());
            assert!(!config.enable_elect);
        }
    }
}
