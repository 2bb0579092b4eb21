//! Pass: the owner is heard, but no network of it carries one of the group's addresses.

use super::fit;
use super::ground::{Ground, View};
use super::need::Need;
use crate::reason::Cause;

/// It hands over, if somebody else has a link; an owner without links is better than none.
pub(super) fn pass(ground: &Ground<'_>, view: &View<'_>) -> Option<Need> {
    let from = view.owner()?.node.clone();
    let links = fit::links_missing(ground, view, &from)?;
    let cause = Cause::LinksDown { node: from.clone(), links };
    Some(Need::Leave { from, cause })
}
