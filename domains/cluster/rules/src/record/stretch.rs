//! The time-out ratio: for a limited time every heartbeat and monitor time-out is longer.
//!
//! What a death at each step leads to (decision 23). T is the longer TTL, t that of the profile.
//!
//! | who dies, when | what follows |
//! | --- | --- |
//! | the leader, before it is committed | nothing is stretched, and the person is told so |
//! | a node that has not applied it | it asked for t; it is missed after t or T, never sooner |
//! | a voter, before T is durable | its answer has not left: no holder counts on it |
//! | a voter, after T is durable | it keeps quiet for T after its start |
//! | the leader, while it stands | the next one has the entry, and ends it at the same time |
//! | an owner that last asked for T | it is waited for T, also by who knows of the end |
//! | a voter, while a promise for T runs | its file says T, over or not: quiet for T |
//! | a voter, once its file says t again | every promise for T had run out by its own clock |
//! | all, and the ledger is restored | nobody knows what was asked for: [`TTL_CAP`] is waited |
//!
//! [`TTL_CAP`]: crate::timing::TTL_CAP

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Span, Wall};

use super::{Order, Record};
use crate::timing::{LONGEST_TTL, Profile, TTL_CAP, Timing};

/// The longest time that a stretch may be ordered for.
pub const LONGEST_STRETCH: Span = Span::secs(30 * 24 * 3600);

/// All heartbeat and monitor time-outs are multiplied for a limited time (CL-35).
///
/// The newest one stays in the record when it is over: who changes the voters has to know that
/// leases under it may still run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// By what they are multiplied; at least 2.
    pub ratio: u32,
    /// Who ordered it, when and why.
    pub order: Order,
    /// How long after the order it ends by itself.
    pub within: Span,
    /// When it ended; none while it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Wall>,
}

impl Stretch {
    /// When it ends by itself, by the wall clock of whoever gave the order.
    #[must_use]
    pub const fn ends_at(&self) -> Wall {
        Wall(self.order.at.0.saturating_add(self.within.as_millis()))
    }
}

impl Record {
    /// The stretch that is in force.
    #[must_use]
    pub fn stretched(&self) -> Option<&Stretch> {
        self.stretch.as_deref().filter(|stretch| stretch.over.is_none())
    }

    /// By what every heartbeat and monitor time-out is multiplied now; 1 by default.
    #[must_use]
    pub fn ratio(&self) -> u32 {
        self.stretched().map_or(1, |stretch| stretch.ratio)
    }

    /// The times of the applied configuration, as they are without a stretch.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.spec().map_or(Profile::Default, |spec| spec.timing)
    }

    /// The times in force.
    #[must_use]
    pub fn timing(&self) -> Timing {
        Timing::of(self.profile()).stretched(self.ratio())
    }

    /// The longest TTL of any lease that a node may still count on and that this ledger knows of
    /// (L6). A lease is asked for with a longer TTL only by who has applied the stretch, so where
    /// none was ever ordered there is no such lease. How long one runs that was asked for before
    /// the end of a stretch was known is not said: who changes the voters waits for the longest.
    #[must_use]
    pub fn longest_ttl(&self) -> Span {
        if self.stretch.is_some() { TTL_CAP } else { LONGEST_TTL }
    }
}
