//! Pass: the nodes that are to be switched off, once the groups have been asked (L7).

use std::collections::BTreeMap;

use tsugi_vocabulary::{BootId, NodeName, Span};

use super::bundle::Case;
use super::ground::{Ground, Seen};
use super::need::{Former, Need, Place};
use crate::plan::Waiting;
use crate::record::{FenceOrder, NodeRecord};

/// After a failure it is ordered again, of another node, this much later.
pub(super) const AGAIN: Span = Span::secs(20);

/// The nodes that are to be switched off, as they are to be written. Each is lost with a group
/// and has a device. A plan without a majority has none.
pub(super) fn orders(ground: &Ground<'_>, cases: &[Case<'_>]) -> Vec<(NodeName, NodeRecord)> {
    // The device may have switched off the one who asked: nobody else asks by himself.
    if an_asker_is_lost(ground) {
        return Vec::new();
    }
    let mut lost: BTreeMap<NodeName, Option<BootId>> = BTreeMap::new();
    for case in cases {
        let node = match &case.need {
            Need::Place(Place { former: Former::Lost(node), .. })
            | Need::Wait(Waiting::Fence { node }) => node,
            Need::Place(_)
            | Need::Wait(_)
            | Need::Rest(_)
            | Need::Hold { .. }
            | Need::Stop { .. }
            | Need::LetGo { .. }
            | Need::GiveUp(_)
            | Need::UnderWay { .. }
            | Need::Leave { .. }
            | Need::Observed(_)
            | Need::Stay { .. } => continue,
        };
        let boot = ground.boot(node).or(case.view.owner().and_then(|owner| owner.boot));
        lost.entry(node.clone()).or_insert(boot);
    }
    let one = |(node, boot): (NodeName, Option<BootId>)| {
        let next = order(ground, &node, boot?)?;
        Some((node, next))
    };
    lost.into_iter().filter_map(one).collect()
}

fn order(ground: &Ground<'_>, node: &NodeName, boot: BootId) -> Option<NodeRecord> {
    // One that is heard still says by itself when it has let go.
    if !matches!(ground.seen(node), Seen::Silent(_)) {
        return None;
    }
    ground.spec.nodes.get(node)?.fence.as_ref()?;
    let known = &*ground.record.nodes.get(node)?.value;
    if known.fenced == Some(boot) {
        return None;
    }
    let former = known.fencing.as_ref().filter(|former| former.boot == boot);
    let by = match former {
        None => asker(ground, node, None)?,
        Some(FenceOrder { failed: Some((at, _)), by, .. }) => {
            let due = ground.at.0 >= at.0.saturating_add(AGAIN.as_millis());
            if !due {
                return None;
            }
            asker(ground, node, Some(by))?
        }
        // Whoever was to do it has begun anew and knows nothing of it.
        Some(order) if ground.boot(&order.by) != Some(order.by_boot) => asker(ground, node, None)?,
        Some(_) => return None,
    };
    let by_boot = ground.boot(&by)?;
    // A person's order was for that moment: what is tried again is not a person's any more, and
    // is not carried out on a node that is heard.
    let standing = former.filter(|former| former.failed.is_none());
    let (at, order) = (ground.at, standing.and_then(|former| former.order.clone()));
    let fencing = Some(FenceOrder { boot, by, by_boot, at, order, failed: None });
    Some(NodeRecord { fencing, ..known.clone() })
}

/// Who is to have `node` switched off: the deciding node first, and after a failure the next one;
/// those whose last test of the device failed only where there is nobody else.
pub(super) fn asker(
    ground: &Ground<'_>,
    node: &NodeName,
    after: Option<&NodeName>,
) -> Option<NodeName> {
    let able = |n: &&NodeName| *n != node && matches!(ground.seen(n), Seen::Heard(Some(_)));
    let heard: Vec<&NodeName> = ground.record.nodes.keys().filter(able).collect();
    let fit = |n: &&NodeName| !ground.record.nodes[*n].value.unable.contains_key(node);
    let able: Vec<&NodeName> = heard.iter().copied().filter(fit).collect();
    let able = if able.is_empty() { heard } else { able };
    match after {
        None if able.contains(&ground.by) => Some(ground.by.clone()),
        None => able.first().map(|n| (*n).clone()),
        Some(after) => {
            let later = able.iter().filter(|n| **n <= after).count();
            let next = later % able.len().max(1);
            able.get(next).map(|n| (*n).clone())
        }
    }
}

/// Whether one who was to have a node switched off is lost himself, and that node is not back.
fn an_asker_is_lost(ground: &Ground<'_>) -> bool {
    ground.record.nodes.iter().any(|(node, known)| {
        let Some(order) = known.value.fencing.as_ref() else { return false };
        let stands = order.failed.is_none() && known.value.fenced != Some(order.boot);
        let back = match ground.seen(node) {
            Seen::Heard(Some(sight)) | Seen::Deaf(sight) => sight.boot != order.boot,
            Seen::Heard(None) | Seen::Silent(_) | Seen::Unheard => false,
        };
        let heard = matches!(ground.seen(&order.by), Seen::Heard(_) | Seen::Deaf(_));
        stands && !back && !heard
    })
}
