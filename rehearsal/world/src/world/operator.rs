//! Operators of the false world: their orders go through the same commands as real ones.

use std::sync::Arc;

use tsugi_cluster_rules::record::{
    Draft, EntryName, GroupIntent, GroupRecord, Guard, NodeIntent, NodeRecord, Order as Ordered,
    Ownership, Pause, Write,
};
use tsugi_vocabulary::Wall;

use super::{Ev, World};
use crate::scene::Scene;

/// Whether an operator has to look again: the order does not show in the record yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It does not.
    Yes,
    /// It does, or there is nothing to order.
    No,
}

impl World<'_> {
    fn ordered(&self) -> Ordered {
        Ordered {
            by: "operator".to_owned(),
            reason: "rehearsal".to_owned(),
            at: Wall(self.now / 1_000_000),
            command: format!("c{}", self.now),
        }
    }

    fn on_group(&mut self, group: usize, change: impl FnOnce(&Self, &mut GroupRecord) -> bool) {
        let record = self.head();
        let name = Scene::group(group);
        let Some(entry) = record.group(&name) else { return };
        let mut next = entry.clone();
        if !change(self, &mut next) {
            return;
        }
        let draft = Draft::default()
            .unless_changed(&record, EntryName::Group(name.clone()))
            .write(Write::Group(name, Arc::new(next)));
        self.operator_proposes(draft);
    }

    fn on_node(&mut self, node: usize, intent: NodeIntent) {
        let record = self.head();
        let name = Scene::node(node);
        let Some(entry) = record.nodes.get(&name) else { return };
        let next = NodeRecord { intent, ..(*entry.value).clone() };
        let draft = Draft::default()
            .unless_changed(&record, EntryName::Node(name.clone()))
            .write(Write::Node(name, Arc::new(next)));
        self.operator_proposes(draft);
    }

    /// An operator sits at the leader and repeats nothing that was refused.
    fn operator_proposes(&mut self, draft: Draft) {
        let Some(leader) = self.truth.leader else { return };
        self.after_us(200, Ev::Propose { from: leader, boot: 0, number: 0, draft: Box::new(draft) });
    }

    pub(crate) fn order_move(&mut self, group: usize, to: usize) {
        let to = Scene::node(to);
        self.on_group(group, |_, entry| {
            let fit = entry.pause.is_none()
                && entry.intent == GroupIntent::Run
                && entry.owner() != Some(&to);
            match &mut entry.ownership {
                Ownership::Owned { handover, .. } if fit && handover.is_none() => {
                    *handover = Some(to.clone());
                    entry.location = Some(to);
                    true
                }
                Ownership::Owned { .. } | Ownership::Nobody => false,
            }
        });
    }

    pub(crate) fn order_stop(&mut self, group: usize) {
        self.on_group(group, |world, entry| {
            let fit = entry.pause.is_none() && entry.intent == GroupIntent::Run;
            if fit {
                entry.intent = GroupIntent::Stop(world.ordered());
            }
            fit
        });
    }

    pub(crate) fn order_start(&mut self, group: usize) -> Again {
        let head = self.head();
        let runs = |g: &GroupRecord| g.intent == GroupIntent::Run;
        if head.group(&Scene::group(group)).is_none_or(runs) {
            return Again::No;
        }
        self.on_group(group, |_, entry| {
            entry.intent = GroupIntent::Run;
            entry.failures.clear();
            true
        });
        Again::Yes
    }

    pub(crate) fn order_pause(&mut self, group: usize) {
        self.on_group(group, |world, entry| {
            let pinned = entry.owner().cloned();
            let running = matches!(
                entry.ownership,
                Ownership::Owned {
                    handover: None,
                    phase: tsugi_cluster_rules::record::Phase::Running,
                    ..
                }
            );
            let fit = entry.pause.is_none() && entry.intent == GroupIntent::Run && running;
            if fit {
                let order = world.ordered();
                entry.pause = Some(Pause { order, until: None, pinned, guard: Guard::Disarmed });
            }
            fit
        });
    }

    pub(crate) fn order_resume(&mut self, group: usize) -> Again {
        let head = self.head();
        let asked = |p: &Pause| p.guard == Guard::Rearming;
        let pause = head.group(&Scene::group(group)).and_then(|g| g.pause.clone());
        if pause.as_ref().is_none_or(asked) {
            return Again::No;
        }
        self.on_group(group, |_, entry| match &mut entry.pause {
            Some(pause) if pause.pinned.is_some() => {
                pause.guard = Guard::Rearming;
                true
            }
            Some(_) => {
                entry.pause = None;
                true
            }
            None => false,
        });
        Again::Yes
    }

    pub(crate) fn order_drain(&mut self, node: usize) {
        let order = self.ordered();
        self.on_node(node, NodeIntent::Drained(order));
    }

    pub(crate) fn order_undrain(&mut self, node: usize) -> Again {
        let head = self.head();
        let drained = |n: &NodeRecord| matches!(n.intent, NodeIntent::Drained(_));
        if !head.nodes.get(&Scene::node(node)).is_some_and(|n| drained(&n.value)) {
            return Again::No;
        }
        self.on_node(node, NodeIntent::InService);
        Again::Yes
    }
}
