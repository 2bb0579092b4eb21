//! What a change is to lead to, group by group, for whoever waits until it has.

use std::collections::BTreeMap;

use tsugi_cluster_rules::plan::{Chosen, Decision, Plan};
use tsugi_cluster_rules::record::{GroupRecord, Record};
use tsugi_cluster_rules::spec::Mode;
use tsugi_vocabulary::GroupName;
use tsugi_wire::control::report::{Goal, Wants};
use tsugi_wire::control::{ALL_GROUPS, Operation};

/// The goals of an operation that became `plan`, decided on `before`.
pub(super) fn goals(what: &Operation, before: &Record, plan: &Plan) -> Vec<Goal> {
    of_decisions(what, before, &plan.decisions)
}

/// The goals of an operation that nothing has to be done for: those of its own groups, which may
/// still be on their way there.
pub(super) fn of_what_is_so(
    what: &Operation,
    before: &Record,
    decisions: &BTreeMap<GroupName, Decision>,
) -> Vec<Goal> {
    let mut goals = of_decisions(what, before, decisions);
    let own = |name: &str| GroupName::new(name).ok().and_then(|n| meant(what, before, &n));
    goals.retain(|goal| own(&goal.group).is_some());
    goals
}

fn of_decisions(
    what: &Operation,
    before: &Record,
    decisions: &BTreeMap<GroupName, Decision>,
) -> Vec<Goal> {
    let one = |(name, decision): (&GroupName, &Decision)| {
        let owner = before.group(name).and_then(GroupRecord::owner);
        let own = meant(what, before, name);
        let wants = match (&decision.chosen, own) {
            (Chosen::Give { node, .. } | Chosen::HandOver { to: node, .. }, _) => {
                Wants::Running { node: Some(node.to_string()) }
            }
            (Chosen::Stop { .. }, _) => Wants::Stopped,
            (Chosen::Rest { .. }, _) if owner.is_some() => Wants::Stopped,
            (Chosen::Stay { .. } | Chosen::NoPlace | Chosen::Wait { .. }, Some(wants)) => wants,
            (
                Chosen::Stay { .. } | Chosen::NoPlace | Chosen::Wait { .. } | Chosen::Rest { .. },
                _,
            ) => {
                return None;
            }
        };
        Some(Goal { group: name.to_string(), wants })
    };
    decisions.iter().filter_map(one).collect()
}

/// What the operator wants of a group, where the plan does nothing to it now.
fn meant(what: &Operation, before: &Record, name: &GroupName) -> Option<Wants> {
    let is = |named: &str| {
        let mode = before.spec().and_then(|s| s.groups.get(name)).map(|g| &g.mode);
        let member = matches!(mode, Some(Mode::MemberOf(of)) if of.as_str() == named);
        name.as_str() == named || member || named == ALL_GROUPS
    };
    match what {
        Operation::Start { group, on, .. } if is(group) => {
            Some(Wants::Running { node: on.clone() })
        }
        Operation::Move { group, to } if is(group) => Some(Wants::Running { node: to.clone() }),
        Operation::Stop { group } if is(group) => Some(Wants::Stopped),
        Operation::Clear { group } if is(group) => Some(Wants::Running { node: None }),
        Operation::Resume { group, .. } if is(group) => Some(Wants::Watched),
        Operation::Drain { node } => {
            let owner = before.group(name).and_then(GroupRecord::owner);
            let here = owner.is_some_and(|owner| owner.as_str() == node);
            here.then(|| Wants::Away { node: node.clone() })
        }
        Operation::Init { .. }
        | Operation::Join { .. }
        | Operation::Token { .. }
        | Operation::Leave { .. }
        | Operation::Undrain { .. }
        | Operation::Start { .. }
        | Operation::Stop { .. }
        | Operation::Move { .. }
        | Operation::Drill { .. }
        | Operation::Rehearse { .. }
        | Operation::FailureTest { .. }
        | Operation::DrillBack { .. }
        | Operation::Pause { .. }
        | Operation::Resume { .. }
        | Operation::Clear { .. }
        | Operation::Load { .. }
        | Operation::Kill { .. }
        | Operation::Hold { .. }
        | Operation::Watch { .. }
        | Operation::MirrorAlone { .. }
        | Operation::MirrorAlike { .. }
        | Operation::MirrorThere { .. }
        | Operation::MirrorChosen { .. }
        | Operation::SuspendMonitor { .. }
        | Operation::ResumeMonitor { .. }
        | Operation::Apply { .. }
        | Operation::Confirm
        | Operation::Stretch { .. }
        | Operation::StretchEnd
        | Operation::Undo { .. }
        | Operation::Fence { .. }
        | Operation::ConfirmOff { .. } => None,
    }
}
