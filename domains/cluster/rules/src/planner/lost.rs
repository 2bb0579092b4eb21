//! Pass: the owner is lost, so that somebody else is to take the group over.

use tsugi_vocabulary::GroupName;

use super::ground::{Ground, Owner, Seen, View};
use super::need::{Former, Need, Place};
use super::observe::loss_is_observed;
use crate::mutant::mutant;
use crate::plan::{Entries, Sight, Waiting};
use crate::reason::{Cause, Way};
use crate::spec::FencePolicy;
use crate::start_kind::Ending;

/// A silent owner, one that hears no majority, and one that lives and neither has the group nor
/// gets an entry that says so, loses the group. The new entry alone starts
/// nothing: the new owner waits for the old one's lease to run out.
pub(super) fn pass(ground: &Ground<'_>, view: &View<'_>) -> Option<Need> {
    let owner = view.owner()?;
    let node = owner.node.clone();
    let cause = match ground.seen(&node) {
        Seen::Heard(Some(sight)) if is_missed(sight, view.name) => {
            Cause::OneWay { node: node.clone(), way: Way::ToIt }
        }
        Seen::Heard(_) => return None,
        Seen::Unheard => return Some(Need::Wait(Waiting::Settling)),
        Seen::Silent(silence) => Cause::NodeSilent { node: node.clone(), silence },
        Seen::Deaf(_) => Cause::OneWay { node: node.clone(), way: Way::ToIt },
    };
    // What is only told needs no fence, and orders none.
    let proof = || unproven(ground, view, &owner).filter(|_| !loss_is_observed(view, &owner));
    if let Some(wait) = proof() {
        return Some(wait);
    }
    let former = Former::Lost(node);
    let place = Place { cause, ended: Ending::Unknown, home: None, failure: None, former };
    Some(Need::Place(place))
}

fn is_missed(sight: &Sight, group: &GroupName) -> bool {
    matches!(&sight.entries, Entries::Missed { down } if down.contains(group))
}

/// The wait for a confirmed fence, where the group asks for one and there is none.
pub(super) fn unproven(ground: &Ground<'_>, view: &View<'_>, owner: &Owner<'_>) -> Option<Need> {
    match view.spec?.fence {
        FencePolicy::Lease | FencePolicy::SelfFence => None,
        FencePolicy::Confirmed | FencePolicy::Mirror if ground.fenced(owner) => None,
        FencePolicy::Mirror if view.record.is_frozen_when_parted() => None,
        FencePolicy::Confirmed if mutant("fence-failure-assumed-dead") => None,
        FencePolicy::Confirmed | FencePolicy::Mirror => {
            Some(Need::Wait(Waiting::Fence { node: owner.node.clone() }))
        }
    }
}
