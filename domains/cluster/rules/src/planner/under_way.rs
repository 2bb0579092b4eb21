//! Pass: a hand-over that was ordered goes on while its target can still take the group.

use super::fit;
use super::ground::{Ground, View};
use super::need::Need;
use crate::reason::Rejected;

/// If the target cannot take it any more, the later passes decide anew.
pub(super) fn pass(ground: &Ground<'_>, view: &View<'_>) -> Option<Need> {
    let owner = view.owner()?;
    let to = owner.handover?;
    match fit::against(ground, view, to) {
        // It will have applied the configuration before it applies the entry that gives it the
        // group: both come by the ledger, in order.
        None | Some(Rejected::OtherConfiguration) => {}
        Some(_) => return None,
    }
    let stood = ground.parent().and_then(|p| p.decisions.get(view.name));
    let cause = match (view.asked, stood.and_then(|d| d.cause.as_ref())) {
        (Some(asked), _) => asked.cause.clone(),
        (None, Some(cause)) => cause.clone(),
        (None, None) => owner.cause.clone(),
    };
    Some(Need::UnderWay { from: owner.node.clone(), to: to.clone(), cause })
}
