//! Pass: a group that is not to run, by order, after giving up, or because it is gone.

use super::ground::{Ground, Seen, View};
use super::lost;
use super::need::Need;
use crate::plan::{Resting, Stand, Waiting};
use crate::reason::Cause;
use crate::record::GroupIntent;
use crate::start_kind::Ending;

/// An owner that lives stops it; from one that is lost it is taken without being given on.
pub(super) fn pass(ground: &Ground<'_>, view: &View<'_>) -> Option<Need> {
    let (because, cause) = unwanted(ground, view)?;
    let Some(owner) = view.owner() else { return Some(Need::Rest(because)) };
    let ended = match ground.seen(owner.node) {
        Seen::Unheard => return Some(Need::Wait(Waiting::Settling)),
        Seen::Heard(_) | Seen::Deaf(_) => match ground.desk(view, owner.node).map(|d| &d.stand) {
            Some(Stand::Failed(_)) => Ending::Failure,
            Some(
                Stand::Clear
                | Stand::Starting
                | Stand::Running
                | Stand::Unwell(_)
                | Stand::Stopping
                | Stand::Stuck,
            )
            | None => {
                let from = owner.node.clone();
                return Some(Need::Stop { from, cause });
            }
        },
        Seen::Silent(_) => match lost::unproven(ground, view, &owner) {
            Some(wait) => return Some(wait),
            None => Ending::Unknown,
        },
    };
    Some(Need::LetGo { ended, because })
}

fn unwanted(ground: &Ground<'_>, view: &View<'_>) -> Option<(Resting, Cause)> {
    if view.spec.is_none() {
        let version = ground.record.config.as_ref().map_or(0, |c| c.version);
        return Some((Resting::Removed, Cause::Configuration { version }));
    }
    match &view.record.intent {
        GroupIntent::Run => None,
        GroupIntent::Stop(order) => {
            let (by, reason) = (order.by.clone(), order.reason.clone());
            Some((Resting::Ordered, Cause::Operator { by, reason }))
        }
        GroupIntent::GaveUp { cause, .. } => Some((Resting::GaveUp, cause.clone())),
    }
}
