//! What would happen: a plan that is not recorded, told by what becomes of each group.

use tsugi_cluster_rules::plan::{Chosen, Decision, Plan, Waiting};
use tsugi_cluster_rules::record::{GroupRecord, Record};
use tsugi_cluster_rules::spec::ClusterSpec;
use tsugi_messages::{Phrase, phrase};
use tsugi_vocabulary::GroupName;
use tsugi_wire::control::Words;
use tsugi_wire::control::report;

use super::words::{phrased, rejected};

/// What `plan` would make of the groups of `record`.
#[must_use]
pub fn outlook(record: &Record, plan: &Plan, suppose: Option<Words>) -> report::Outlook {
    let lost = |d: &Decision| matches!(&d.chosen, Chosen::Wait { on: Waiting::NoMajority { .. } });
    let groups = plan.decisions.iter().filter_map(|(name, decision)| {
        let what = what(name, record.group(name), decision)?;
        let rejected = decision.rejected.iter().map(|(n, why)| rejected(n, why)).collect();
        Some(report::GroupOutlook { group: name.to_string(), what: phrased(&what), rejected })
    });
    report::Outlook {
        suppose,
        groups: groups.collect(),
        config: Vec::new(),
        majority: !plan.decisions.values().any(lost),
        notes: Vec::new(),
    }
}

/// Adds the groups that go on as they were started, because `next` configures what they consist of
/// otherwise and that is taken up by a start only.
pub fn add_later_ones(outlook: &mut report::Outlook, record: &Record, next: &ClusterSpec) {
    let now = record.spec().into_iter().flat_map(|spec| &spec.groups);
    for (name, old) in now {
        let runs = record.group(name).and_then(GroupRecord::owner).is_some();
        let told = outlook.groups.iter().any(|g| g.group == name.as_str());
        let Some(new) = next.groups.get(name).filter(|_| runs && !told) else { continue };
        if new.starts_otherwise_than(old) {
            let what = phrased(&phrase::outlook_at_next_start(name));
            let group = name.to_string();
            outlook.groups.push(report::GroupOutlook { group, what, rejected: Vec::new() });
        }
    }
}

/// What would become of a group; none if nothing would.
fn what(name: &GroupName, entry: Option<&GroupRecord>, decision: &Decision) -> Option<Phrase> {
    let owner = entry.and_then(GroupRecord::owner);
    Some(match (&decision.chosen, owner) {
        (Chosen::Stay { .. }, _) => return None,
        (Chosen::Give { node, .. }, Some(from)) => phrase::whatif_moves(name, from, node),
        (Chosen::Give { node, .. }, None) => phrase::whatif_starts(name, node),
        (Chosen::HandOver { from, to }, _) => phrase::whatif_moves(name, from, to),
        (Chosen::Stop { from }, _) => phrase::outlook_stops(name, from),
        (Chosen::Rest { .. }, Some(from)) => phrase::outlook_stops(name, from),
        (Chosen::Rest { .. }, None) => return None,
        (Chosen::NoPlace, _) => phrase::outlook_no_place(name),
        (Chosen::Wait { on }, _) => match on {
            Waiting::Pinned { node } => phrase::outlook_pinned(name, node),
            Waiting::Fence { node } => phrase::outlook_waits_for_fence(name, node),
            Waiting::Settling | Waiting::NoMajority { .. } => return None,
            Waiting::Group { group } => phrase::outlook_waits_for_group(name, group),
            Waiting::Observed { to } => phrase::outlook_observed(name, to),
            Waiting::Stuck { node } => phrase::outlook_stuck(name, node),
        },
    })
}
