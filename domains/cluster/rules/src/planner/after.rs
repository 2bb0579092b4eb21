//! What must be up first: a group that needs a node waits for the groups it comes after (CL-40).

use tsugi_vocabulary::GroupName;

use super::ground::{Ground, Seen, View};
use super::need::Need;
use crate::plan::Waiting;
use crate::record::{Ownership, Phase};
use crate::spec::Mode;

/// The need, or the wait for another group: given is not up, and up is what its owner has
/// reported once every program had said that it is ready.
pub(super) fn held_back(ground: &Ground<'_>, view: &View<'_>, need: Need) -> Need {
    let Need::Place(_) = &need else { return need };
    let after = view.spec.into_iter().flat_map(|s| &s.after);
    match after.into_iter().find(|group| !is_up(ground, group)) {
        Some(group) => Need::Wait(Waiting::Group { group: group.clone() }),
        None => need,
    }
}

/// Whether a group, or any member of a parallel one, is up.
fn is_up(ground: &Ground<'_>, group: &GroupName) -> bool {
    let is_it = |(name, its): &(&GroupName, &crate::spec::GroupSpec)| {
        *name == group || matches!(&its.mode, Mode::MemberOf(whole) if whole == group)
    };
    let up = |name: &GroupName| {
        ground.record.group(name).is_some_and(|entry| match &entry.ownership {
            Ownership::Nobody => false,
            Ownership::Owned { node, phase, .. } => {
                // What a lost owner last said of it is about a run that is over.
                *phase == Phase::Running && matches!(ground.seen(node), Seen::Heard(_))
            }
        })
    };
    ground.spec.groups.iter().filter(is_it).any(|(name, _)| up(name))
}
