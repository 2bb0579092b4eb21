//! What must never happen, one file a promise; each cites the number it is promised under.
//!
//! A checker only watches: it knows what was seen from outside, not how it came about.

mod durable_reply;
mod epoch_fence;
mod honest_status;
mod lease_outlived;
mod once_and_fresh;
mod one_address;
mod one_change;
mod one_configuration;
mod one_promise;
mod one_runner;
mod only_observed;
mod rising_record;
mod stop_is_real;
mod well_placed;

use tsugi_world::{Seen, Witness};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The number of the invariant, `I1`.
    pub invariant: &'static str,
    /// When, in nanoseconds from the start.
    pub at: u64,
    /// What was seen.
    pub what: String,
}

/// One promise that is watched.
pub trait Invariant {
    /// Looks at one thing that happened.
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation>;
}

/// All promises of the cluster, watched together.
pub struct Watch {
    invariants: Vec<Box<dyn Invariant>>,
    /// The first violation; nothing after it is trusted.
    pub broken: Option<Violation>,
}

impl Watch {
    /// Watches everything. A woken node has `grace` nanoseconds to let go of what it held.
    #[must_use]
    pub fn new(grace: u64) -> Self {
        let invariants: Vec<Box<dyn Invariant>> = vec![
            Box::new(one_runner::OneRunner::new(grace)),
            Box::new(one_address::OneAddress::new(grace)),
            Box::new(epoch_fence::EpochFence::default()),
            Box::new(durable_reply::DurableReply::default()),
            Box::new(rising_record::RisingRecord),
            Box::new(one_configuration::OneConfiguration),
            Box::new(stop_is_real::StopIsReal::default()),
            Box::new(honest_status::HonestStatus),
            Box::new(lease_outlived::LeaseOutlived),
            Box::new(one_change::OneChange::default()),
            Box::new(one_promise::OnePromise::default()),
            Box::new(once_and_fresh::OnceAndFresh::default()),
            Box::new(well_placed::WellPlaced::default()),
            Box::new(only_observed::OnlyObserved),
        ];
        Self { invariants, broken: None }
    }
}

impl Witness for Watch {
    fn see(&mut self, seen: &Seen<'_>) {
        if self.broken.is_some() {
            return;
        }
        for invariant in &mut self.invariants {
            if let Err(violation) = invariant.look(seen) {
                self.broken = Some(violation);
                return;
            }
        }
    }
}

/// The promise of one address alone: broken together with others, another is named first.
#[must_use]
pub fn one_address(grace: u64) -> impl Invariant {
    one_address::OneAddress::new(grace)
}

/// The place of a node by its name, `n1` and up.
fn number_of(name: &tsugi_vocabulary::NodeName) -> Option<usize> {
    name.as_str().strip_prefix('n')?.parse::<usize>().ok()?.checked_sub(1)
}
