//! Pass: an owner that lives and is fine keeps the group.

use super::ground::{Ground, View};
use super::need::Need;

/// Whoever comes this far with an owner keeps it.
pub(super) fn pass(_: &Ground<'_>, view: &View<'_>) -> Option<Need> {
    Some(Need::Stay { node: view.owner()?.node.clone() })
}
