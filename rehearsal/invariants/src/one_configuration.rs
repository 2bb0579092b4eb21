//! I19: a configuration is applied as it was ordered or not at all, and a group is given only to
//! nodes of its list.

use tsugi_cluster_rules::record::{Ownership, Write};
use tsugi_world::Seen;

use crate::{Invariant, Violation};

/// Compares ownership with the configuration in the same record.
pub(crate) struct OneConfiguration;

impl Invariant for OneConfiguration {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        let Seen::Committed { at, after, draft, .. } = seen else { return Ok(()) };
        for write in &draft.writes {
            let Write::Audit(line) = write else { continue };
            let ordered = line.words.strip_prefix("config apply ");
            let Some(ordered) = ordered.filter(|_| line.outcome == "accepted") else { continue };
            if after.config.as_ref().is_none_or(|c| c.hash != ordered) {
                let what = "a configuration was accepted and is not applied".to_owned();
                return Err(Violation { invariant: "I19", at: *at, what });
            }
        }
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
