//! Pass: the owner says that the group failed there and that it has let go of it, or cannot.

use tsugi_vocabulary::NodeName;

use super::ground::{Ground, View};
use super::need::{Former, Need, Place};
use super::policy;
use crate::plan::{Stand, Waiting};
use crate::reason::{Cause, Nature};
use crate::record::{Answer, Failure};
use crate::start_kind::Ending;

/// Restart in place, take over, or give up: as the policy says. Only a desk that speaks of the
/// epoch in the record counts: an older word is about a run that is over.
pub(super) fn pass(ground: &Ground<'_>, view: &View<'_>) -> Option<Need> {
    let owner = view.owner()?;
    let node = owner.node.clone();
    match &ground.desk(view, &node)?.stand {
        Stand::Failed(cause) => Some(after(ground, view, node, cause.clone())),
        Stand::Stuck => Some(Need::Wait(Waiting::Stuck { node })),
        // A desk is also clear while it waits for the lease, and after a hand-over that its owner
        // is about to record: both are the owner's to end.
        Stand::Clear | Stand::Starting | Stand::Running | Stand::Unwell(_) | Stand::Stopping => {
            None
        }
    }
}

fn after(ground: &Ground<'_>, view: &View<'_>, node: NodeName, cause: Cause) -> Need {
    let mut place = Place {
        cause: cause.clone(),
        ended: Ending::Failure,
        home: Some(node.clone()),
        failure: None,
        former: Former::Released,
    };
    let Some(spec) = view.spec.filter(|_| cause.nature() == Nature::OwnFailure) else {
        place.ended = Ending::Unknown;
        return Need::Place(place);
    };
    let answer = policy::answer_to(&cause, spec.failure, (&view.recent, &node));
    let failure = Failure { at: ground.at, node, cause, answer };
    match answer {
        Answer::Restarted => place.failure = Some(failure),
        Answer::TakenOver => {
            place.home = None;
            place.failure = Some(failure);
        }
        Answer::GaveUp => return Need::GiveUp(failure),
    }
    Need::Place(place)
}
