//! Why a node is as it is now: what it is, how it stands, what it runs, what it cannot take.

use tsugi_cluster_rules::lease;
use tsugi_cluster_rules::plan::Life;
use tsugi_cluster_rules::planner;
use tsugi_cluster_rules::reason::Rejected;
use tsugi_cluster_rules::record::{GroupRecord, NodeIntent};
use tsugi_cluster_rules::spec::Role;
use tsugi_messages::{Phrase, phrase};
use tsugi_vocabulary::{GroupName, NodeName};
use tsugi_wire::control::Utc;
use tsugi_wire::control::report::{CannotTake, WhyNode};

use super::status;
use super::words::{named, phrased, rejected};
use crate::standing::Standing;

/// Why a node of the configuration is as it is.
#[must_use]
pub fn why_node(standing: &Standing, node: &NodeName) -> WhyNode {
    let intent = standing.record.nodes.get(node).map(|n| &n.value.intent);
    let mut stands = vec![part(standing, node), heard(standing, node, intent)];
    stands.extend(intent.and_then(|intent| ordered(node, intent)));
    stands.extend(other_configuration(standing, node));
    stands.push(runs(standing, node));
    WhyNode {
        node: node.to_string(),
        stands: stands.iter().map(phrased).collect(),
        cannot_take: cannot_take(standing, node),
        next: match intent {
            Some(NodeIntent::Drained(_)) => Some(format!("tsugi node undrain {node}")),
            Some(NodeIntent::InService | NodeIntent::Leaving(_)) | None => None,
        },
    }
}

/// What it is in the cluster.
fn part(standing: &Standing, node: &NodeName) -> Phrase {
    let role = standing.record.spec().and_then(|s| s.nodes.get(node)).map(|n| n.role);
    match (role, lease::is_voter(&standing.record, node)) {
        (Some(Role::Witness), true) => phrase::why_node_witness(node),
        (Some(Role::Node) | None, true) if standing.leader.as_ref() == Some(node) => {
            phrase::why_node_leads(node)
        }
        (Some(Role::Node) | None, true) => phrase::why_node_votes(node),
        (Some(Role::Node | Role::Witness) | None, false) => phrase::why_node_no_vote(node),
    }
}

fn heard(standing: &Standing, node: &NodeName, intent: Option<&NodeIntent>) -> Phrase {
    let sight = standing.sights.get(node);
    match (sight.map(|s| &s.life), intent) {
        (Some(Life::Heard), _) if sight.is_some_and(|s| !s.entries.reach_it()) => {
            phrase::why_node_misses_entries(node)
        }
        (Some(Life::Silent { .. }), Some(NodeIntent::Leaving(_))) => phrase::why_node_left(node),
        (Some(Life::Silent { silence }), _) => {
            phrase::why_node_silent(node, silence.as_millis() / 1000)
        }
        (Some(Life::Deaf), _) => phrase::why_node_deaf(node),
        (Some(Life::Heard), _) => phrase::why_node_heard(node),
        (None, _) if *node == standing.me => phrase::why_node_heard(node),
        (None, _) => phrase::why_node_never_heard(node),
    }
}

fn ordered(node: &NodeName, intent: &NodeIntent) -> Option<Phrase> {
    match intent {
        NodeIntent::Drained(order) => {
            Some(phrase::why_node_drained(node, &order.by, &order.reason, Utc(order.at)))
        }
        NodeIntent::Leaving(_) => Some(phrase::cause_shutdown(node)),
        NodeIntent::InService => None,
    }
}

fn other_configuration(standing: &Standing, node: &NodeName) -> Option<Phrase> {
    let applied = standing.record.config.as_deref()?;
    let sight = standing.sights.get(node).filter(|s| s.life == Life::Heard)?;
    let same = sight.config == planner::config_mark(&applied.hash);
    (!same).then(|| phrase::why_node_other_configuration(node, applied.version))
}

fn runs(standing: &Standing, node: &NodeName) -> Phrase {
    let groups = standing.record.groups.iter();
    let own = groups.filter(|(_, g)| g.value.owner() == Some(node));
    let own: Vec<GroupName> = own.map(|(name, _)| name.clone()).collect();
    match own.is_empty() {
        true => phrase::why_node_owns_nothing(node),
        false => phrase::why_node_owns(node, named(&own)),
    }
}

fn cannot_take(standing: &Standing, node: &NodeName) -> Vec<CannotTake> {
    let situation = status::situation(standing);
    let groups = standing.record.spec().into_iter().flat_map(|s| &s.groups);
    let elsewhere = groups.filter(|(name, its)| {
        let owner = standing.record.group(name).and_then(GroupRecord::owner);
        its.prefer.contains(node) && owner != Some(node)
    });
    let against = |name: &GroupName| {
        let mut all = planner::obstacles(&situation, name).into_iter();
        all.find(|(n, _)| n == node).and_then(|(_, why)| why)
    };
    let told = |name: &GroupName, why: &Rejected| CannotTake {
        group: name.to_string(),
        why: rejected(node, why),
    };
    elsewhere.filter_map(|(name, _)| against(name).map(|why| told(name, &why))).collect()
}
