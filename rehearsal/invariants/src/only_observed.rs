//! What is only observed goes nowhere by itself: it is given to a node, or on its way to one, only
//! because a person ordered it, took its node out of service, or shut that down.

use tsugi_cluster_rules::record::{Draft, GroupRecord, NodeIntent, Ownership, Record, Write};
use tsugi_cluster_rules::spec::Takeover;
use tsugi_cluster_rules::start_kind::Ending;
use tsugi_vocabulary::{GroupName, NodeName};
use tsugi_world::Seen;

use crate::{Invariant, Violation};

/// Compares each entry with what stood before it.
pub(crate) struct OnlyObserved;

impl Invariant for OnlyObserved {
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        let Seen::Committed { at, before, after, draft, .. } = seen else { return Ok(()) };
        for write in &draft.writes {
            let Write::Group(name, now) = write else { continue };
            let Some(was) = before.group(name) else { continue };
            let observed = is_observed(before, name) && is_observed(after, name);
            if !observed || is_command(draft) {
                continue;
            }
            let broken = |what| Err(Violation { invariant: "observe", at: *at, what });
            let given = now.epoch > was.epoch && now.owner().is_some();
            let in_order = matches!(was.ended, Ending::Orderly | Ending::Forced);
            // Who was on its way, and lost both ends of it, is not left lying between them.
            let allowed = going(was).is_some() || was.owner().is_none() && in_order;
            if given && !allowed {
                return broken(format!(
                    "{name} was given to {:?}, and nobody said so",
                    now.owner()
                ));
            }
            let sent = going(now).filter(|to| going(was) != Some(*to));
            if let Some(to) = sent.filter(|_| !must_leave(before, name, was)) {
                return broken(format!("{name} is sent to {to}, and nobody said so"));
            }
        }
        Ok(())
    }
}

fn is_observed(record: &Record, group: &GroupName) -> bool {
    let spec = record.spec().and_then(|spec| spec.groups.get(group));
    spec.is_some_and(|spec| spec.takeover == Takeover::Observe)
}

fn is_command(draft: &Draft) -> bool {
    draft.writes.iter().any(|write| matches!(write, Write::Audit(_)))
}

fn going(entry: &GroupRecord) -> Option<&NodeName> {
    match &entry.ownership {
        Ownership::Owned { handover, .. } => handover.as_ref(),
        Ownership::Nobody => None,
    }
}

/// Whether the owner is out of service, or no longer listed.
fn must_leave(record: &Record, group: &GroupName, entry: &GroupRecord) -> bool {
    let Some(owner) = entry.owner() else { return false };
    let intent = record.nodes.get(owner).map(|node| &node.value.intent);
    let out = matches!(intent, Some(NodeIntent::Drained(_) | NodeIntent::Leaving(_)));
    let spec = record.spec().and_then(|spec| spec.groups.get(group));
    out || spec.is_some_and(|spec| !spec.prefer.contains(owner))
}
