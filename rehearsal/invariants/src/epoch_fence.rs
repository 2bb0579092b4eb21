//! I15: nobody accepts an effect under an epoch below the largest it has seen for the group.

use std::collections::BTreeMap;

use tsugi_vocabulary::{Epoch, GroupName};
use tsugi_world::{Accepted, Seen};

use crate::{Invariant, Violation};

/// The highest epoch of an accepted effect.
#[derive(Default)]
pub(crate) struct EpochFence {
    highest: BTreeMap<GroupName, Epoch>,
}

impl Invariant for EpochFence {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        let Seen::Effect { at, group, epoch, accepted: Accepted::Yes, node } = seen else {
            return Ok(());
        };
        let highest = self.highest.entry((*group).clone()).or_insert(*epoch);
        if *epoch < *highest {
            let what =
                format!("an effect of {group} under {epoch} on n{} after {highest}", node + 1);
            return Err(Violation { invariant: "I15", at: *at, what });
        }
        *highest = *epoch;
        Ok(())
    }
}
