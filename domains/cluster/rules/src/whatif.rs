//! What would happen if: the situation is altered and the planner asked, as it will be when it
//! happens. Nothing is recorded.

use std::sync::Arc;

use tsugi_vocabulary::{GroupName, NodeName, Span};

use crate::plan::{Life, Settled, Sight, Situation};
use crate::planner::{self, Planned};
use crate::record::{GroupIntent, GroupRecord, LinkState, NodeIntent, Order, Ownership, Record};

/// Something that might happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hypothesis {
    /// A node is lost at once.
    NodeDown(NodeName),
    /// An interface of a node stops carrying.
    LinkDown(NodeName, String),
    /// An operator stops a group.
    GroupStop(GroupName),
    /// An operator moves a group.
    GroupMove(GroupName, NodeName),
    /// An operator takes a node out of service.
    NodeDrain(NodeName),
}

/// The plan that would follow if all of this happened at once. Its decisions are complete: those
/// that change nothing are among them.
#[must_use]
pub fn whatif(situation: &Situation<'_>, all: &[Hypothesis]) -> Planned {
    let mut record = situation.record.clone();
    let mut then = situation.clone();
    then.settled = Settled::Yes;
    for one in all {
        suppose(&mut record, &mut then, one);
    }
    let then = Situation { record: &record, ..then };
    let mut planned = planner::plan(&then);
    planned.plan.decisions = planner::decide(&then);
    planned
}

fn suppose(record: &mut Record, then: &mut Situation<'_>, one: &Hypothesis) {
    match one {
        Hypothesis::NodeDown(node) => {
            let silence = record.timing().silent_after();
            lose(then, node, silence);
        }
        Hypothesis::LinkDown(node, link) => {
            if let Some(sight) = then.sights.get_mut(node) {
                sight.links.insert(link.clone(), LinkState::Down);
            }
        }
        Hypothesis::GroupStop(group) => {
            let order = order(then);
            change(record, group, |entry| {
                entry.intent = GroupIntent::Stop(order);
                if let Ownership::Owned { handover, .. } = &mut entry.ownership {
                    *handover = None;
                }
            });
        }
        Hypothesis::GroupMove(group, to) => {
            let at = Situation { record, ..then.clone() };
            for mate in planner::company(&at, group) {
                change(record, &mate, |entry| put(entry, to));
            }
        }
        Hypothesis::NodeDrain(node) => {
            let order = order(then);
            if let Some(known) = record.nodes.get_mut(node) {
                let mut next = (*known.value).clone();
                next.intent = NodeIntent::Drained(order);
                known.value = Arc::new(next);
            }
        }
    }
}

fn lose(then: &mut Situation<'_>, node: &NodeName, silence: Span) {
    let lost = Life::Silent { silence };
    match then.sights.get_mut(node) {
        Some(sight) => sight.life = lost,
        None => {
            let sight = Sight {
                life: lost,
                boot: tsugi_vocabulary::BootId::default(),
                config: 0,
                links: std::collections::BTreeMap::new(),
                groups: std::collections::BTreeMap::new(),
                figures: crate::figures::Figures::default(),
                ratio: None,
                settings: 0,
                entries: crate::plan::Entries::ReachIt,
                beats: crate::plan::Beats::Unheard,
            };
            then.sights.insert(node.clone(), sight);
        }
    }
}

fn put(entry: &mut GroupRecord, to: &NodeName) {
    if let Ownership::Owned { node, handover, .. } = &mut entry.ownership {
        if node != to {
            *handover = Some(to.clone());
        }
        entry.location = Some(to.clone());
    }
}

fn change(record: &mut Record, group: &GroupName, how: impl FnOnce(&mut GroupRecord)) {
    if let Some(entry) = record.groups.get_mut(group) {
        let mut next = (*entry.value).clone();
        how(&mut next);
        entry.value = Arc::new(next);
    }
}

fn order(then: &Situation<'_>) -> Order {
    Order { by: "whatif".to_owned(), reason: String::new(), at: then.at, command: String::new() }
}
