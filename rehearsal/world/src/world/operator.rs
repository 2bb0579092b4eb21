//! Operators of the false world: their commands are decided as real ones are, on the node that
//! leads; some come late, decided on a view that is old by then, and some come twice.

use std::sync::Arc;

use tsugi_cluster_rules::command::{Before, Command, Issued, Lines, Vouch, decide};
use tsugi_cluster_rules::plan::{Life, Situation};
use tsugi_cluster_rules::record::{
    AppliedConfig, GroupIntent, GroupRecord, Guard, NodeIntent, NodeRecord, Pause, Record,
};
use tsugi_cluster_rules::refusal::Refusal;
use tsugi_cluster_rules::spec::{GroupSpec, Takeover};
use tsugi_cluster_rules::start_kind::StartOption;
use tsugi_vocabulary::{NodeName, Span};

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
    /// The newest record, as a person sees it.
    fn head(&self) -> Arc<Record> {
        Arc::clone(&self.truth.head)
    }

    pub(super) fn order(&mut self, command: Command, words: String) {
        self.commands += 1;
        let issued = Box::new(Issued {
            command,
            words,
            person: "operator".to_owned(),
            origin: "rehearsal".to_owned(),
            command_id: format!("c{}", self.commands),
            decided_on: self.truth.head.generation(),
            reason: "rehearsal".to_owned(),
            at: self.wall(),
            before: Before::New,
        });
        if self.chance.happens(150) {
            // The answer did not come, so it is given once more under the same id.
            let us = self.chance.between(500, 2_000_000);
            self.after_us(us, Ev::Command(issued.clone()));
        }
        // Most know what they want; some think about what they saw.
        let slow = self.chance.happens(200);
        let us = if slow {
            self.chance.between(3_000, 1_500_000)
        } else {
            self.chance.between(200, 3_000)
        };
        self.after_us(us, Ev::Command(issued));
    }

    /// An operator sits at the leader.
    pub(crate) fn on_command(&mut self, issued: &Issued) {
        let Some(leader) = self.truth.leader else { return };
        let actor = &self.actors[leader];
        let Some(node) = actor.node.as_ref().filter(|_| !actor.frozen) else { return };
        let known = self.carried_out.contains(&issued.command_id);
        let before = if known { Before::CarriedOut } else { Before::New };
        let now = self.now_at(leader);
        let situation = Situation {
            record: node.record(),
            sights: node.sights(now.lease),
            by: actor.name.clone(),
            at: now.wall,
            settled: node.settled(now.lease),
        };
        if self.is_rash(&situation, &issued.command) {
            return;
        }
        match decide(&situation, &Issued { before, ..issued.clone() }) {
            Ok(draft) => {
                let draft = Box::new(draft);
                let asked = self.asked_by(leader);
                self.after_us(200, Ev::Propose { asked, boot: 0, number: 0, draft });
            }
            Err(Refusal::StaleView { .. }) => self.meet("refused as stale"),
            Err(Refusal::Repeated { .. }) => self.meet("refused as repeated"),
            Err(_) => {}
        }
    }

    /// For an owner that is not heard an operator's resume vouches that it is off (L9). The
    /// operators here look at the machine first.
    fn is_rash(&self, situation: &Situation<'_>, command: &Command) -> bool {
        let Command::GroupResume { group, .. } = command else { return false };
        let owner = situation.record.group(group).and_then(GroupRecord::owner);
        let heard = |n: &NodeName| situation.sights.get(n).is_some_and(|s| s.life == Life::Heard);
        let runs = |n: &NodeName| {
            let machine = self.actors.iter().find(|a| a.name == *n).map(|a| &a.machine);
            machine.is_some_and(|m| m.held.contains_key(group))
        };
        owner.is_some_and(|n| !heard(n) && runs(n))
    }

    pub(crate) fn order_move(&mut self, group: usize, to: usize) {
        let (group, to) = (Scene::group(group), Some(Scene::node(to)));
        self.order(Command::GroupMove { group, to }, "group move".to_owned());
    }

    /// A rehearsal whose stop line a quick takeover keeps and a slow one does not.
    pub(crate) fn order_drill(&mut self, group: usize, for_ms: u64) {
        let lines = Lines { gap: Span::millis(400), window: Span::millis(for_ms) };
        let drill = Command::GroupDrill { group: Scene::group(group), to: None, lines };
        self.order(drill, "drill".to_owned());
    }

    /// It ends by itself.
    pub(crate) fn order_stretch(&mut self, ratio: u32, for_ms: u64) {
        let stretch = Command::Stretch { ratio, within: Span::millis(for_ms) };
        self.order(stretch, "stretch".to_owned());
    }

    pub(crate) fn order_stop(&mut self, group: usize) {
        let group = Scene::group(group);
        self.order(Command::GroupStop { group }, "group stop".to_owned());
    }

    pub(crate) fn order_start(&mut self, group: usize) -> Again {
        let group = Scene::group(group);
        let runs = |g: &GroupRecord| g.intent == GroupIntent::Run;
        if self.head().group(&group).is_none_or(runs) {
            return Again::No;
        }
        let start = Command::GroupStart { group, option: StartOption::None, node: None };
        self.order(start, "group start".to_owned());
        Again::Yes
    }

    pub(crate) fn order_pause(&mut self, group: usize) {
        let group = Scene::group(group);
        self.order(Command::GroupPause { group, until: None }, "group pause".to_owned());
    }

    pub(crate) fn order_resume(&mut self, group: usize) -> Again {
        let group = Scene::group(group);
        let asked = |p: &Pause| p.guard == Guard::Rearming;
        let pause = self.head().group(&group).and_then(|g| g.pause.clone());
        if pause.as_ref().is_none_or(asked) {
            return Again::No;
        }
        let words = format!("group resume {group}");
        // The operators here look at the machine before they say so.
        self.order(Command::GroupResume { group, vouch: Vouch::OwnerIsOff }, words);
        Again::Yes
    }

    pub(crate) fn order_drain(&mut self, node: usize) {
        let node = Scene::node(node);
        self.order(Command::NodeDrain { node }, "node drain".to_owned());
    }

    pub(crate) fn order_undrain(&mut self, node: usize) -> Again {
        let node = Scene::node(node);
        let drained = |n: &NodeRecord| matches!(n.intent, NodeIntent::Drained(_));
        if !self.head().nodes.get(&node).is_some_and(|n| drained(&n.value)) {
            return Again::No;
        }
        self.order(Command::NodeUndrain { node }, "node undrain".to_owned());
        Again::Yes
    }

    /// No node of a cluster with a shared disk has a device here.
    pub(crate) fn order_fence(&mut self, node: usize) {
        let node = Scene::node(node);
        self.order(Command::NodeFence { node }, "node fence".to_owned());
    }

    /// Another configuration: one group likes its nodes in another order, is restarted in place
    /// more or less often, and its takeovers are only observed, or no more.
    pub(crate) fn order_apply(&mut self, group: usize) {
        let head = self.head();
        let Some(now) = head.config.as_deref() else { return };
        let hash = format!("{:064x}", self.commands + 2);
        let mut next = AppliedConfig { hash: hash.clone(), ..now.clone() };
        if let Some(spec) = next.spec.groups.get_mut(&Scene::group(group)) {
            spec.prefer.rotate_left(1);
            spec.failure.restarts = (spec.failure.restarts + 1) % 4;
            spec.takeover = match spec.takeover {
                Takeover::Automatic => Takeover::Observe,
                Takeover::Observe => Takeover::Automatic,
            };
        }
        let config = Box::new(next);
        self.order(Command::ConfigApply { config }, format!("config apply {hash}"));
    }

    /// Nothing is only observed any more: what was left to an operator is done by itself again.
    pub(crate) fn order_automatic(&mut self) {
        let head = self.head();
        let Some(now) = head.config.as_deref() else { return };
        let mut next = AppliedConfig { hash: format!("{:064x}", self.commands + 2), ..now.clone() };
        let observed = |spec: &&mut GroupSpec| spec.takeover == Takeover::Observe;
        let changed: Vec<_> = next.spec.groups.values_mut().filter(observed).collect();
        if changed.is_empty() {
            return;
        }
        for spec in changed {
            spec.takeover = Takeover::Automatic;
        }
        let words = format!("config apply {}", next.hash);
        self.order(Command::ConfigApply { config: Box::new(next) }, words);
    }
}
