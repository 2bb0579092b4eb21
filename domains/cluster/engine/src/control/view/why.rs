//! Why a group is as it is now: what holds it there, and why no other node has it.

use tsugi_cluster_rules::plan::{Chosen, Decision, Resting, Waiting};
use tsugi_cluster_rules::record::{GroupIntent, GroupRecord, Ownership};
use tsugi_messages::phrase;
use tsugi_vocabulary::GroupName;
use tsugi_wire::control::report;
use tsugi_wire::control::{Utc, Words};

use super::status;
use super::words::{Deed, cause_by_now, phrased, rejected};
use crate::standing::Standing;

/// Which groups are asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// All of them.
    All,
    /// One, or the members of a parallel one.
    Groups(Vec<GroupName>),
}

/// Why the groups are as they are.
#[must_use]
pub fn why(standing: &Standing, of: &Of) -> report::Why {
    let decisions = status::decisions(standing);
    let asked = |name: &&GroupName| match of {
        Of::All => true,
        Of::Groups(names) => names.contains(name),
    };
    let groups = decisions.iter().filter(|(name, _)| asked(name));
    report::Why { groups: groups.map(|(name, d)| one(standing, name, d)).collect(), node: None }
}

fn one(standing: &Standing, name: &GroupName, decision: &Decision) -> report::WhyGroup {
    let fresh = GroupRecord::new(GroupIntent::Run);
    let entry = standing.record.group(name).unwrap_or(&fresh);
    let mut stands = Vec::new();
    if let Ownership::Owned { node, .. } = &entry.ownership {
        stands.push(phrased(&match status::hears(standing, node) {
            true => phrase::why_running(name, node, entry.epoch),
            false => phrase::why_owner_lost(name, node, entry.epoch),
        }));
    }
    if let Some(pause) = &entry.pause {
        let until = pause.until.map_or_else(|| "-".to_owned(), |w| Utc(w).to_string());
        let (by, reason) = (&pause.order.by, &pause.order.reason);
        stands.push(phrased(&phrase::why_paused_by(by, reason, until)));
    }
    stands.extend(super::stretch::stretched(&standing.record));
    let first = decision.cause.as_ref().or(match &entry.ownership {
        Ownership::Owned { cause, .. } => Some(cause),
        Ownership::Nobody => None,
    });
    let deed = match decision.chosen {
        Chosen::HandOver { .. } => Deed::Move,
        Chosen::Stop { .. } | Chosen::Rest { .. } => Deed::Stop,
        _ => Deed::Any,
    };
    stands.extend(held(name, entry, decision));
    report::WhyGroup {
        group: name.to_string(),
        stands,
        cause: first.map(|c| cause_by_now(c, deed, |n| status::hears(standing, n))),
        rejected: decision.rejected.iter().map(|(n, why)| rejected(n, why)).collect(),
        next: next(name, entry, decision),
    }
}

/// What holds the group where it is.
fn held(name: &GroupName, entry: &GroupRecord, decision: &Decision) -> Option<Words> {
    let words = match (&decision.chosen, &entry.intent) {
        (_, GroupIntent::GaveUp { cause: _, at: _ }) => phrase::why_gave_up(entry.failures.len()),
        (Chosen::Rest { because: Resting::Ordered }, GroupIntent::Stop(order)) => {
            phrase::why_stopped_by(&order.by, &order.reason, Utc(order.at))
        }
        (Chosen::Rest { because }, _) => match because {
            Resting::Manual => phrase::why_never_started(),
            Resting::Removed => phrase::why_removed(),
            Resting::Ordered | Resting::GaveUp | Resting::Paused => return None,
        },
        (Chosen::Wait { on }, _) => match on {
            Waiting::Pinned { node } => phrase::why_pinned(node),
            Waiting::Fence { node } => phrase::why_waits_for_fence(node),
            Waiting::Settling => phrase::why_settling(),
            Waiting::NoMajority { heard, needed } => phrase::why_waits_for_majority(heard, needed),
            Waiting::Group { group } => phrase::why_waits_for_group(group),
            Waiting::Observed { to } => phrase::why_observed(to),
            Waiting::Stuck { node } => phrase::why_stuck(node),
        },
        (Chosen::NoPlace, _) => phrase::why_no_place(),
        (Chosen::Give { node, .. }, _) => phrase::why_starts_on(name, node),
        (Chosen::HandOver { to, .. }, _) => phrase::why_moves_to(name, to),
        (Chosen::Stop { .. }, _) => phrase::why_stopping(name),
        (Chosen::Stay { .. }, _) => return None,
    };
    Some(phrased(&words))
}

/// The command that would change something.
fn next(name: &GroupName, entry: &GroupRecord, decision: &Decision) -> Option<String> {
    match (&decision.chosen, &entry.intent) {
        (_, GroupIntent::GaveUp { .. }) => Some(format!("tsugi group clear {name}")),
        (Chosen::Rest { because: Resting::Ordered | Resting::Manual }, _) => {
            Some(format!("tsugi group start {name}"))
        }
        (Chosen::Wait { on: Waiting::Pinned { node } | Waiting::Fence { node } }, _) => {
            Some(format!("tsugi node confirm-off {node}"))
        }
        (Chosen::Wait { on: Waiting::Observed { to } }, _) => Some(match entry.owner() {
            Some(_) => format!("tsugi group move {name} {to}"),
            None => format!("tsugi group start {name}"),
        }),
        (Chosen::NoPlace, _) => Some("tsugi node list".to_owned()),
        _ => None,
    }
}
