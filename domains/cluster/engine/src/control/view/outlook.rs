//! What would happen: a plan that is not recorded, told by what becomes of each group.

use tsugi_cluster_rules::plan::{Chosen, Decision, Plan, Waiting};
use tsugi_cluster_rules::record::{GroupRecord, Record};
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
            Waiting::Stuck { node } => phrase::outlook_stuck(name, node),
        },
    })
}
