//! What follows when a volume was not mounted, or is still used when it is to be released: how
//! often that is tried again, and when its users are killed (CL-18, CL-19).
//!
//! What is tried here is one stop, or one start, of a group that has its lease: a lease that runs
//! out waits for none of it.

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::Span;

/// How often a volume is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// How often a mount that failed.
    pub mount: u32,
    /// How often a release that found somebody using the volume, before its users are killed.
    pub release: u32,
    /// How long after a try the next one.
    pub interval: Span,
}

/// How long one try of a mount may take, unless the volume says otherwise.
pub const MOUNT_LIMIT: Span = Span::secs(180);
/// The same for one try of a release.
pub const RELEASE_LIMIT: Span = Span::secs(120);

impl Default for Retries {
    fn default() -> Self {
        Self { mount: 3, release: 3, interval: Span::secs(5) }
    }
}

impl Retries {
    /// Whether they are what a volume has that says nothing about it.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same once more, after this time.
    Again {
        /// How long.
        after: Span,
    },
    /// Whoever uses the volume is killed, and it is released.
    Kill,
    /// It has failed.
    GiveUp,
}

/// What follows when a volume was not mounted, after `again` further tries.
#[must_use]
pub const fn not_mounted(retries: Retries, again: u32) -> Next {
    if again < retries.mount { Next::Again { after: retries.interval } } else { Next::GiveUp }
}

/// What follows when a volume that was to be released is used, after `again` further tries.
#[must_use]
pub const fn in_use(retries: Retries, again: u32) -> Next {
    if again < retries.release { Next::Again { after: retries.interval } } else { Next::Kill }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cl_19_by_default_three_further_tries_five_seconds_apart_and_then_its_users_are_killed() {
        let usual = Retries::default();
        let after = Span::secs(5);
        let of = |next: fn(Retries, u32) -> Next| [0, 1, 2, 3].map(|again| next(usual, again));
        let again = Next::Again { after };
        assert_eq!(of(in_use), [again, again, again, Next::Kill]);
        assert_eq!(of(not_mounted), [again, again, again, Next::GiveUp]);
        assert_eq!((RELEASE_LIMIT, MOUNT_LIMIT), (Span::secs(120), Span::secs(180)));
    }

    #[test]
    fn cl_19_a_volume_that_is_not_tried_again_is_released_by_force_at_once() {
        let once = Retries { mount: 0, release: 0, interval: Span::ZERO };
        assert_eq!((in_use(once, 0), not_mounted(once, 0)), (Next::Kill, Next::GiveUp));
    }
}
