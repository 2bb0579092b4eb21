//! Which node could take which group, and what of it a person should know unasked.

use std::sync::Arc;

use tsugi_cluster_rules::parity::{Could, Gap, Verdict, could};
use tsugi_messages as messages;
use tsugi_vocabulary::{GroupName, NodeName};
use tsugi_wire::control::{Utc, report};

use super::status::need;
use super::words::told;
use crate::parity::{Outcome, STALE, message};
use crate::standing::Standing;

/// What a round came to, of one group or node only where one is named.
#[must_use]
pub fn parity(
    outcome: &Outcome,
    (group, node): (Option<&GroupName>, Option<&NodeName>),
) -> report::Parity {
    let wanted = |verdict: &&Verdict| {
        group.is_none_or(|group| verdict.group == *group)
            && node.is_none_or(|node| verdict.node == *node)
    };
    report::Parity {
        verdicts: outcome.verdicts.iter().filter(wanted).map(could_take).collect(),
        inventory: serde_json::to_value(&outcome.mine).unwrap_or_default(),
    }
}

/// What was found of one node and one group.
#[must_use]
pub fn could_take(verdict: &Verdict) -> report::CouldTake {
    let other = verdict.against.as_ref().unwrap_or(&verdict.node);
    let gap = |gap: &Gap| report::ParityGap {
        item: gap.item.clone(),
        what: told(&message(gap, (&verdict.node, other))),
    };
    report::CouldTake {
        group: verdict.group.to_string(),
        node: verdict.node.to_string(),
        against: verdict.against.as_ref().map(ToString::to_string),
        could: match could(&verdict.gaps) {
            Could::Yes => "yes".to_owned(),
            Could::No => "no".to_owned(),
            Could::Unknown => "unknown".to_owned(),
        },
        gaps: verdict.gaps.iter().map(gap).collect(),
    }
}

/// Where the last round found that a node could not take a group.
#[must_use]
pub fn parity_needs(standing: &Standing, last: &Outcome) -> Vec<report::Need> {
    match is_of_now(standing, last) {
        true => last.verdicts.iter().filter_map(found).collect(),
        false => Vec::new(),
    }
}

/// The same for the doctor, who says as well what is not known.
#[must_use]
pub fn parity_findings(standing: &Standing, last: Option<Arc<Outcome>>) -> Vec<report::Need> {
    let me = &standing.me;
    let groups = standing.record.spec().into_iter().flat_map(|spec| spec.groups.values());
    if groups.filter(|group| group.prefer.len() > 1).count() == 0 {
        return Vec::new();
    }
    let Some(last) = last.filter(|last| is_of_now(standing, last)) else {
        return vec![need(&messages::parity_never(me), me.to_string(), None)];
    };
    let mut needs: Vec<report::Need> = last.verdicts.iter().filter_map(found).collect();
    needs.extend(last.verdicts.iter().filter_map(unknown));
    if standing.at.0.saturating_sub(last.at.0) > STALE.as_millis() {
        let what = messages::parity_old(me, Utc(last.at));
        needs.push(need(&what, me.to_string(), None));
    }
    needs
}

/// Whether a round was for the configuration that is in force.
pub(super) fn is_of_now(standing: &Standing, last: &Outcome) -> bool {
    standing.record.config.as_ref().is_some_and(|config| config.hash == last.config)
}

fn found(verdict: &Verdict) -> Option<report::Need> {
    let Verdict { group, node, gaps, .. } = verdict;
    let first = gaps.first().filter(|_| could(gaps) == Could::No)?;
    let what = messages::parity_found(group, node, gaps.len(), &first.item);
    Some(need(&what, group.to_string(), None))
}

fn unknown(verdict: &Verdict) -> Option<report::Need> {
    let Verdict { group, node, gaps, .. } = verdict;
    let what = (could(gaps) == Could::Unknown).then(|| messages::parity_unknown(group, node))?;
    Some(need(&what, group.to_string(), None))
}

#[cfg(test)]
mod tests;
