//! Pass: the configuration no longer lists the owner for the group.

use super::ground::{Ground, View};
use super::need::Need;
use crate::reason::Cause;

/// It goes to a node that is listed.
pub(super) fn pass(ground: &Ground<'_>, view: &View<'_>) -> Option<Need> {
    let from = view.owner()?.node.clone();
    let version = ground.record.config.as_ref().map_or(0, |c| c.version);
    let gone = view.spec.is_some_and(|s| !s.prefer.contains(&from));
    gone.then_some(Need::Leave { from, cause: Cause::Configuration { version } })
}
