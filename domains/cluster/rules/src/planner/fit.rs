//! Whether a node can take a group for its own sake: R1 to R8, in that order.

use tsugi_vocabulary::NodeName;

use super::ground::{Ground, Seen, View};
use super::policy;
use crate::mutant::mutant;
use crate::plan::Sight;
use crate::reason::Rejected;
use crate::record::{Answer, LinkState, NodeIntent};
use crate::spec::{GroupSpec, Role};

/// The first reason against `node` as an owner; none if it can take the group.
pub(super) fn against(ground: &Ground<'_>, view: &View<'_>, node: &NodeName) -> Option<Rejected> {
    let spec = view.spec.filter(|s| s.prefer.contains(node));
    let (Some(spec), Some(machine)) = (spec, ground.spec.nodes.get(node)) else {
        return Some(Rejected::NotListed);
    };
    if machine.role == Role::Witness {
        return Some(Rejected::Witness);
    }
    let sight = match ground.seen(node) {
        Seen::Silent(silence) => return Some(Rejected::Silent { silence }),
        Seen::Unheard => return Some(Rejected::Silent { silence: tsugi_vocabulary::Span::ZERO }),
        Seen::Deaf(_) => return Some(Rejected::Isolated),
        // It would never hear that the group is its own.
        Seen::Heard(Some(sight)) if !sight.entries.reach_it() => return Some(Rejected::Isolated),
        Seen::Heard(sight) => sight,
    };
    // A node that was taken out for good may be heard for a while yet; the ledger is not brought
    // to it any more, so it would never hear that the group is its own.
    if !ground.has_joined(node) && !mutant("removed-node-given") {
        return Some(Rejected::Drained);
    }
    match ground.intent(node) {
        NodeIntent::Drained(_) | NodeIntent::Leaving(_) => return Some(Rejected::Drained),
        NodeIntent::InService => {}
    }
    if sight.is_some_and(|s| s.config != ground.config) {
        return Some(Rejected::OtherConfiguration);
    }
    failed_there(ground, view, node).or_else(|| {
        let links = dead_links(spec, sight?)?;
        Some(Rejected::NoLink { links })
    })
}

/// A failure that was answered by a restart in place does not speak against the node.
fn failed_there(ground: &Ground<'_>, view: &View<'_>, node: &NodeName) -> Option<Rejected> {
    let left = |answer: Answer| match answer {
        Answer::Restarted => false,
        Answer::TakenOver | Answer::GaveUp => true,
    };
    let failure = view.recent.iter().rfind(|f| f.node == *node && left(f.answer))?;
    Some(Rejected::FailedThere { ago: policy::ago(failure.at, ground.at) })
}

/// The interfaces that the group needs on `node` and that do not carry there.
pub(super) fn links_missing(
    ground: &Ground<'_>,
    view: &View<'_>,
    node: &NodeName,
) -> Option<Vec<String>> {
    match ground.seen(node) {
        Seen::Heard(Some(sight)) | Seen::Deaf(sight) => dead_links(view.spec?, sight),
        Seen::Heard(None) | Seen::Silent(_) | Seen::Unheard => None,
    }
}

/// The links of the first address of which none carries. A link that is not known is up.
fn dead_links(spec: &GroupSpec, sight: &Sight) -> Option<Vec<String>> {
    let down = |link: &String| sight.links.get(link) == Some(&LinkState::Down);
    spec.links_needed().into_iter().find(|links| links.iter().all(down)).map(<[String]>::to_vec)
}
