//! I19: a group is given only to nodes of the applied configuration's list.

use tsugi_cluster_rules::record::Ownership;
use tsugi_world::Seen;

use crate::{Invariant, Violation};

/// Compares ownership with the configuration in the same record.
pub(crate) struct OneConfiguration;

impl Invariant for OneConfiguration {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        let Seen::Committed { at, after, .. } = seen else { return Ok(()) };
        let Some(spec) = after.spec() else { return Ok(()) };
        for (name, entry) in &after.groups {
            let Ownership::Owned { node, .. } = &entry.value.ownership else { continue };
            let listed = spec.groups.get(name).is_none_or(|g| g.prefer.contains(node));
            if !listed {
                let what = format!("{name} was given to {node}, which is not in its list");
                return Err(Violation { invariant: "I19", at: *at, what });
            }
        }
        Ok(())
    }
}
