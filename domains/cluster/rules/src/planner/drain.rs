//! Pass: the owner is being taken out of service, or shuts down.

use super::ground::{Ground, View};
use super::need::Need;
use crate::reason::Cause;
use crate::record::NodeIntent;

/// Its groups go to whoever can take them.
pub(super) fn pass(ground: &Ground<'_>, view: &View<'_>) -> Option<Need> {
    let from = view.owner()?.node.clone();
    let node = from.clone();
    let cause = match ground.intent(&from) {
        NodeIntent::InService => return None,
        NodeIntent::Drained(_) => Cause::Drain { node },
        NodeIntent::Leaving(_) => Cause::Shutdown { node },
    };
    Some(Need::Leave { from, cause })
}
