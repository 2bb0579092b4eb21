//! The times of a cluster: two profiles, and what follows from them.

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::Span;

/// Which times a cluster uses: `timing = "default"` or `"fast"` under `[cluster]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// For every network.
    #[default]
    Default,
    /// For a quiet local network and real-time priority.
    Fast,
}

/// The times themselves. All are spans of the lease clock of the node that uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// How long a voter's promise runs from the moment it received the heartbeat.
    pub ttl: Span,
    /// How often a node sends a heartbeat. Two, of which one is lost, fit into the silence after
    /// which an election is asked for, and the lease that may be used lasts for five.
    pub beat: Span,
    /// The stop budget S: from the start of the kill until nothing of a group is left.
    pub stop: Span,
    /// The guard G: what scheduling and rounding may cost.
    pub guard: Span,
    /// The bound ρ on |rate − 1| of any node's clock, in parts per million.
    pub rho_ppm: u64,
}

/// The longest TTL a voter promises, whatever a heartbeat asks (rule L2).
pub const TTL_CAP: Span = Span::secs(10);

/// The longest TTL of any profile: no lease that a node may still count on was asked for longer,
/// whichever profile was applied when (L6).
pub const LONGEST_TTL: Span = {
    let (default, fast) = (Timing::of(Profile::Default).ttl, Timing::of(Profile::Fast).ttl);
    if default.0 > fast.0 { default } else { fast }
};

/// The shortest TTL of any profile: a voter that keeps quiet after its start never does so for
/// less, so how long promises of this length run is not kept.
pub const SHORTEST_TTL: Span = {
    let (default, fast) = (Timing::of(Profile::Default).ttl, Timing::of(Profile::Fast).ttl);
    if default.0 < fast.0 { default } else { fast }
};

/// How often an agent whose shared disk failed looks whether it can begin anew.
pub const DISK_LOOK: Span = Span::secs(3);

/// When it looks first, by the place of its node among the two. A disk that fails both is back for
/// both at once, and an agent that has just begun promises nothing for the longest lease: of two
/// that begin anew together every lease would run out. So they look in turn.
#[must_use]
pub const fn first_disk_look(place: usize) -> Span {
    Span(DISK_LOOK.0 / 2 * (place as u64 % 2))
}

impl Timing {
    /// The times of `profile`.
    #[must_use]
    pub const fn of(profile: Profile) -> Self {
        match profile {
            Profile::Default => Self {
                ttl: Span::millis(560),
                beat: Span::millis(80),
                stop: Span::millis(100),
                guard: Span::millis(20),
                rho_ppm: 500,
            },
            Profile::Fast => Self {
                ttl: Span::millis(220),
                beat: Span::micros(29_900),
                stop: Span::millis(60),
                guard: Span::millis(10),
                rho_ppm: 500,
            },
        }
    }

    /// The same with heartbeat time-outs `ratio` times as long, as far as a voter promises so much
    /// (CL-35). Every one of them follows from the TTL. What is no time-out stays: how often a node
    /// is heard, how long its emergency stop may take, what scheduling may cost.
    #[must_use]
    pub const fn stretched(self, ratio: u32) -> Self {
        let ttl = Span(self.ttl.0.saturating_mul(ratio as u64));
        let ttl = if ttl.0 > TTL_CAP.0 { TTL_CAP } else { ttl };
        Self { ttl, ..self }
    }

    /// The largest ratio under which a voter still promises the whole TTL.
    #[must_use]
    pub const fn largest_ratio(&self) -> u32 {
        // A profile of less than a millisecond would be no profile.
        (TTL_CAP.0 / self.ttl.0) as u32
    }

    /// How long after its last beat a node that lost its power is relieved at the latest: its
    /// promises have run out then, and the next owner may start.
    #[must_use]
    pub const fn takes_over_within(&self) -> Span {
        self.ttl
    }

    /// How long a lease is good after its heartbeat was sent: TTL·(1−2ρ) − S − G (rule L3).
    #[must_use]
    pub const fn usable(&self) -> Span {
        self.ttl
            .saturating_sub(self.ttl.ppm(2 * self.rho_ppm))
            .saturating_sub(self.stop)
            .saturating_sub(self.guard)
    }

    /// A voter that has not heard the ledger's leader for this long asks for an election.
    #[must_use]
    pub const fn election_after(&self) -> Span {
        Span(self.ttl.0 / 3)
    }

    /// A node that has not been heard for this long is given up: where nobody else hears it
    /// either, its own deadline has passed and it is letting go. Its promises still run for the
    /// stop budget, and that time is enough to decide and to record; nothing starts before they
    /// have run out.
    #[must_use]
    pub const fn silent_after(&self) -> Span {
        self.ttl.saturating_sub(self.stop)
    }

    /// A node that has not been heard for this long misses beats: of its fence device the state may
    /// be asked, which does nothing to anybody.
    #[must_use]
    pub const fn suspect_after(&self) -> Span {
        Span(self.beat.0 * 3)
    }

    /// The longest run of a fence agent that still ends between the first doubt and the silence:
    /// a slower device is not asked for its state, so that it is idle when it has to switch off.
    #[must_use]
    pub const fn quick_state(&self) -> Span {
        self.silent_after().saturating_sub(self.suspect_after())
    }

    /// A node writes on a shared disk every half TTL at least, and is read there as often: one that
    /// was last seen there within this time is there.
    #[must_use]
    pub const fn seen_on_disk_within(&self) -> Span {
        Span(self.ttl.0 * 3)
    }

    /// Who is given a group asks for its lease with its next beat. One of two nodes at a shared
    /// disk that has not for so long, and tells no entry so new either, gets none.
    #[must_use]
    pub const fn takes_up_within(&self) -> Span {
        Span(self.ttl.0 * 6)
    }

    /// A node that has listened for this long since its start has heard whoever is there.
    #[must_use]
    pub const fn settled_after(&self) -> Span {
        Span(self.ttl.0 * 2)
    }
}
