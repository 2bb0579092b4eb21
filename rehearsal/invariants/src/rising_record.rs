//! I6: what the ledger once showed as committed is never taken back: epochs and generations
//! rise, by one plan at a time, and no ownership changes without a new epoch.

use tsugi_cluster_rules::record::Ownership;
use tsugi_world::Seen;

use crate::{Invariant, Violation};

/// Compares each entry with what stood before it.
pub(crate) struct RisingRecord;

impl Invariant for RisingRecord {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        let Seen::Committed { at, before, after, .. } = seen else { return Ok(()) };
        let broken = |what| Err(Violation { invariant: "I6", at: *at, what });
        let (old, new) = (before.generation(), after.generation());
        if new != old && new != old.next() {
            return broken(format!("plan {new} follows {old}"));
        }
        for (name, entry) in &after.groups {
            let Some(was) = before.group(name) else { continue };
            let is = &*entry.value;
            if is.epoch < was.epoch {
                return broken(format!("{name} fell from {} to {}", was.epoch, is.epoch));
            }
            let moved = match (&was.ownership, &is.ownership) {
                (Ownership::Owned { node: a, .. }, Ownership::Owned { node: b, .. }) => a != b,
                (Ownership::Nobody, Ownership::Owned { .. }) => true,
                (_, Ownership::Nobody) => false,
            };
            if moved && is.epoch == was.epoch {
                return broken(format!("{name} changed its owner within {}", is.epoch));
            }
        }
        Ok(())
    }
}
