//! Faults begin and end.

use tsugi_cluster_rules::node::Event;
use tsugi_cluster_rules::plan::Stand;
use tsugi_cluster_rules::reason::{How, Mishap};
use tsugi_cluster_rules::record::{LinkState, Record};
use tsugi_vocabulary::{Epoch, GroupName};

use super::operator::Again;
use super::shared_disk::AtWrite;
use super::{Accepted, Ev, Seen, Undo, World};
use crate::disk::Ill;
use crate::fault::FaultKind;
use crate::host::Machine;
use crate::scene::{LedgerOn, Scene};

/// An operator looks again after this long, until the order shows in the record.
const OPERATOR_AGAIN_MS: u64 = 700;

/// A command that was given has arrived by then, if it ever does.
pub(super) const COMMAND_AT_LAST_MS: u64 = 2_500;

impl World<'_> {
    pub(crate) fn on_fault(&mut self, i: usize) {
        let kind = self.faults[i].kind.clone();
        self.trace(0xFA17 ^ (i as u64) << 20);
        self.meet(kind.parts().0);
        match kind {
            FaultKind::Power { node, for_ms } => {
                self.power_off(node);
                self.later(for_ms, Undo::PowerOn(node));
            }
            FaultKind::AllPower { for_ms } => {
                for node in 0..self.actors.len() {
                    self.power_off(node);
                    let spread = self.chance.below(200);
                    self.later(for_ms + spread, Undo::PowerOn(node));
                }
            }
            FaultKind::Freeze { node, for_ms } => self.freeze(node, for_ms),
            FaultKind::Isolate { node, for_ms } => {
                self.actors[node].isolated = true;
                self.later(for_ms, Undo::Reconnect(node));
            }
            FaultKind::OneWay { from, to, for_ms } => {
                self.deaf.insert((from, to));
                self.later(for_ms, Undo::Hear(from, to));
            }
            FaultKind::BadWire { loss_per_mille, late_ms, for_ms } => {
                (self.loss_per_mille, self.late_ms) = (loss_per_mille, late_ms);
                self.later(for_ms, Undo::GoodWire);
            }
            FaultKind::Agent { node, for_ms } => {
                self.actors[node].node = None;
                self.later(for_ms, Undo::AgentBack(node));
            }
            FaultKind::Guardian { node } => self.guardian_dies(node),
            FaultKind::Program { group } => self.program_dies(group),
            FaultKind::Hang { group } => self.program_hangs(group),
            FaultKind::StopFails { group } => {
                let name = Scene::group(group);
                for actor in &mut self.actors {
                    actor.machine.stop_fails.insert(name.clone());
                }
            }
            FaultKind::StartFails { group } => {
                let name = Scene::group(group);
                for actor in &mut self.actors {
                    actor.machine.start_fails.insert(name.clone());
                }
            }
            FaultKind::StartSlow { group, for_ms } => {
                let name = Scene::group(group);
                for actor in &mut self.actors {
                    actor.machine.start_slow.insert(name.clone(), for_ms);
                }
            }
            FaultKind::StopHangs { group } => {
                let name = Scene::group(group);
                for actor in &mut self.actors {
                    actor.machine.stop_hangs.insert(name.clone());
                }
            }
            FaultKind::ClockStep { node, by_ms } => {
                self.actors[node].wall_ms += by_ms;
                self.step(node, Event::ClockStepped { by_ms });
            }
            FaultKind::Move { group, to } => self.order_move(group, to),
            FaultKind::Drill { group, for_ms } => self.order_drill(group, for_ms),
            FaultKind::StopStart { group, for_ms } => {
                self.order_stop(group);
                self.later(for_ms, Undo::Start(group));
                self.later(for_ms + COMMAND_AT_LAST_MS, Undo::Start(group));
            }
            FaultKind::Drain { node, for_ms } => {
                self.order_drain(node);
                self.later(for_ms, Undo::Undrain(node));
                self.later(for_ms + COMMAND_AT_LAST_MS, Undo::Undrain(node));
            }
            FaultKind::Pause { group, for_ms } => {
                self.order_pause(group);
                self.later(for_ms, Undo::Resume(group));
                self.later(for_ms + COMMAND_AT_LAST_MS, Undo::Resume(group));
            }
            FaultKind::Apply { group } => self.order_apply(group),
            FaultKind::Shutdown { node } => self.step(node, Event::Leave),
            FaultKind::Wipe { node, for_ms } => self.wipe(node, for_ms),
            FaultKind::TakeOut { node, for_ms } => self.take_out(node, for_ms),
            FaultKind::Lag { node, for_ms } => {
                if self.truth.leader != Some(node) && self.actors[node].lags.is_none() {
                    self.actors[node].lags = Some(None);
                    self.later(for_ms, Undo::Follow(node));
                }
            }
            FaultKind::Stretch { ratio, for_ms } => self.order_stretch(ratio, for_ms),
            FaultKind::DiskHangs { node, for_ms } => {
                self.disk_falls_ill(&[node], Ill::Hangs, for_ms);
            }
            FaultKind::DiskStandsStill { for_ms } => {
                self.disk_falls_ill(&[0, 1], Ill::Hangs, for_ms);
            }
            FaultKind::DiskLost { node, for_ms } => {
                self.disk_falls_ill(&[node], Ill::Lost, for_ms);
            }
            FaultKind::DiskGone { for_ms } => {
                self.disk_falls_ill(&[0, 1], Ill::Lost, for_ms);
            }
            FaultKind::DiskUnread { node, for_ms } => {
                self.disk_falls_ill(&[node], Ill::Unread, for_ms);
            }
            FaultKind::DiskUnwritten { node, for_ms } => {
                self.disk_falls_ill(&[node], Ill::Unwritten, for_ms);
            }
            FaultKind::DiskSlow { late_ms, for_ms } => {
                self.disk.slow_us = late_ms * 1_000;
                self.later(for_ms, Undo::DiskQuick);
            }
            FaultKind::Split { for_ms } => {
                for (from, to) in [(0, 1), (1, 0)] {
                    self.deaf.insert((from, to));
                    self.later(for_ms, Undo::Hear(from, to));
                }
            }
            FaultKind::Demand { node } => self.order_fence(node),
            FaultKind::CutOff { node, for_ms } => {
                self.actors[node].isolated = true;
                self.later(for_ms, Undo::Reconnect(node));
                self.disk_falls_ill(&[node], Ill::Lost, for_ms);
            }
            FaultKind::FreezeAtWrite { node, for_ms } => {
                self.stop_at_write(node, AtWrite::StandsStill { for_ms });
            }
            FaultKind::PowerAtWrite { node, for_ms } => {
                self.stop_at_write(node, AtWrite::LosesPower { for_ms });
            }
            FaultKind::DataLinks { node, for_ms } => {
                self.set_links(node, LinkState::Down);
                self.later(for_ms, Undo::LinksBack(node));
            }
        }
    }

    pub(super) fn later(&mut self, ms: u64, undo: Undo) {
        self.after_us(ms * 1_000, Ev::Undo(undo));
    }

    pub(crate) fn on_undo(&mut self, undo: Undo) {
        match undo {
            Undo::PowerOn(n) => self.power_on(n),
            Undo::Thaw(n) => self.thaw(n),
            Undo::Reconnect(n) => self.actors[n].isolated = false,
            Undo::Hear(from, to) => {
                self.deaf.remove(&(from, to));
            }
            Undo::GoodWire => (self.loss_per_mille, self.late_ms) = (0, 0),
            Undo::AgentBack(n) => {
                if self.actors[n].powered() && self.actors[n].node.is_none() {
                    self.start_agent(n);
                }
            }
            Undo::Start(group) => {
                if self.order_start(group) == Again::Yes {
                    self.later(OPERATOR_AGAIN_MS, Undo::Start(group));
                }
            }
            Undo::Undrain(node) => {
                if self.order_undrain(node) == Again::Yes {
                    self.later(OPERATOR_AGAIN_MS, Undo::Undrain(node));
                }
            }
            Undo::Resume(group) => {
                if self.order_resume(group) == Again::Yes {
                    self.later(OPERATOR_AGAIN_MS, Undo::Resume(group));
                }
            }
            Undo::Remove { n, for_ms, tries } => self.go_on_removing(n, for_ms, tries),
            Undo::Rejoin(n) => {
                if self.rejoin(n) == Again::Yes {
                    self.later(OPERATOR_AGAIN_MS, Undo::Rejoin(n));
                }
            }
            Undo::Follow(n) => self.follow(n),
            Undo::LinksBack(n) => self.set_links(n, LinkState::Up),
            Undo::DiskRecovers(n, ill) => self.disk.seats[n].recovers(ill),
            Undo::PowerFails(n, for_ms) => {
                self.power_off(n);
                self.later(for_ms, Undo::PowerOn(n));
            }
            Undo::DiskQuick => self.disk.slow_us = 0,
        }
    }

    pub(crate) fn power_off(&mut self, n: usize) {
        if !self.actors[n].powered() {
            return;
        }
        self.break_off_writing(n);
        let groups: Vec<GroupName> = self.actors[n].machine.held.keys().cloned().collect();
        for group in groups {
            self.clear(n, &group);
        }
        let actor = &mut self.actors[n];
        actor.lives += 1;
        actor.node = None;
        actor.frozen = false;
        actor.deferred.clear();
        actor.at_write = None;
        actor.machine = Machine::default();
        actor.data_cut = false;
    }

    /// Gives a machine power, with its clock as it then is.
    pub(crate) fn power_on(&mut self, n: usize) {
        if self.actors[n].powered() {
            return;
        }
        self.actors[n].lives += 1;
        // The lease clock begins anew with the machine.
        self.actors[n].offset = self.chance.below(1 << 40);
        self.start_agent(n);
    }

    pub(super) fn freeze(&mut self, n: usize, for_ms: u64) {
        if !self.actors[n].powered() || self.actors[n].frozen {
            return;
        }
        self.actors[n].frozen = true;
        let at = self.now;
        self.see(&Seen::Froze { at, node: n });
        self.later(for_ms, Undo::Thaw(n));
    }

    fn thaw(&mut self, n: usize) {
        if !self.actors[n].frozen {
            return;
        }
        self.actors[n].frozen = false;
        let at = self.now;
        for since in self.actors[n].machine.hangs.values_mut() {
            *since = at;
        }
        self.see(&Seen::Woke { at, node: n });
        // A program in the middle of a call goes on with it before anybody can stop it (L11).
        let held: Vec<(GroupName, Epoch)> =
            self.actors[n].machine.held.iter().map(|(g, h)| (g.clone(), h.epoch)).collect();
        for (group, epoch) in held {
            self.effect(n, &group, epoch);
        }
        let deferred = std::mem::take(&mut self.actors[n].deferred);
        // Kernel timers that are due fire before anything else runs.
        let (timers, rest): (Vec<Ev>, Vec<Ev>) =
            deferred.into_iter().partition(|e| matches!(e, Ev::Fire { .. }));
        for ev in timers.into_iter().chain(rest) {
            self.after_us(0, ev);
        }
    }

    fn guardian_dies(&mut self, n: usize) {
        if !self.actors[n].powered() || self.actors[n].frozen {
            return;
        }
        let armed = std::mem::take(&mut self.actors[n].machine.armed);
        for (group, (epoch, _)) in armed {
            self.actors[n].machine.ended.insert(group.clone(), epoch);
            self.clear(n, &group);
        }
        self.step(n, Event::GuardianLost);
    }

    fn program_dies(&mut self, group: usize) {
        let Some(n) = self.server_of(group) else { return };
        if self.actors[n].frozen {
            return;
        }
        let name = Scene::group(group);
        let Some(held) = self.actors[n].machine.held.get_mut(&name) else { return };
        let epoch = held.epoch;
        let Some(resource) = held.up.iter().find(|r| r.as_str() == "program").cloned() else {
            return;
        };
        held.up.remove(&resource);
        let how = How::of(Mishap::Signal, "signal 9");
        self.step(n, Event::Died { group: name, epoch, resource, how });
    }

    fn program_hangs(&mut self, group: usize) {
        let Some(n) = self.server_of(group) else { return };
        let now = self.now;
        self.actors[n].machine.hangs.insert(Scene::group(group), now);
    }

    fn set_links(&mut self, n: usize, state: LinkState) {
        if !self.actors[n].powered() {
            return;
        }
        self.actors[n].data_cut = state == LinkState::Down;
        for link in ["eth0", "eth1"] {
            let link = link.to_owned();
            self.step(n, Event::Link { link, state });
        }
    }

    /// The node on which a group's program serves, as a caller would find it.
    pub(crate) fn server_of(&self, group: usize) -> Option<usize> {
        let name = &self.names[group];
        self.actors.iter().position(|a| {
            let held = a.machine.held.get(name);
            let serves = held.is_some_and(|h| h.up.iter().any(|r| r.as_str() == "program"));
            let answers = !a.machine.hangs.contains_key(name);
            serves && answers && a.powered() && !a.frozen && !a.isolated && !a.data_cut
        })
    }

    /// A caller's call: the number is kept with the serial in one durable write.
    pub(crate) fn on_call(&mut self, group: usize) {
        self.after_us(40_000, Ev::Call { group });
        self.show_running(group);
        let Some(n) = self.server_of(group) else { return };
        let name = self.names[group].clone();
        let Some(epoch) = self.actors[n].machine.held.get(&name).map(|h| h.epoch) else { return };
        if self.effect(n, &name, epoch) != Accepted::Yes {
            return;
        }
        let store = &mut self.stores[group];
        let serial = store.serial + 1;
        if store.last.0 != serial {
            store.number += 1;
            store.last = (serial, store.number);
        }
        let number = store.last.1;
        let life = self.actors[n].lives;
        let us = self.chance.between(50, 2_000);
        self.after_us(us, Ev::Answer { group, serial, number, n, life });
    }

    /// What the desks say of a group, beside what is there; a pinned one is left alone.
    fn show_running(&mut self, group: usize) {
        let (at, name) = (self.now, self.names[group].clone());
        let paused = |r: &Record| r.group(&name).is_some_and(|g| g.pause.is_some());
        for n in 0..self.actors.len() {
            let actor = &mut self.actors[n];
            let Some(node) = actor.node.as_ref().filter(|_| !actor.frozen) else { continue };
            if paused(&self.truth.head) || paused(node.record()) {
                if let Some(since) = actor.machine.hangs.get_mut(&name) {
                    *since = at;
                }
                let owner = self.truth.head.group(&name).and_then(|g| g.owner());
                if owner == Some(&actor.name) && actor.isolated {
                    self.meet("state pinned and lost");
                }
                continue;
            }
            let Some(Stand::Running) = node.stand_of(&name) else { continue };
            let mut up = actor.machine.held.get(&name).map_or(0, |h| h.up.len());
            // A restart in place that no ledger could be told of, and whose agent ended before the
            // program was ready: the next agent finds it running.
            let before = |by: u64| by != actor.boots && self.scene.ledger == LedgerOn::Disk;
            if actor.machine.coming.get(&name).is_some_and(|coming| before(coming.by.0)) {
                up += 1;
            }
            let of = node.spec_of(&name).map_or(0, |s| s.resources.len());
            let hangs_since = actor.machine.hangs.get(&name).copied();
            self.see(&Seen::SaysRunning { at, node: n, group: &name, up, of, hangs_since });
        }
    }

    /// The answer reaches the caller unless its sender is gone or stands still by then.
    pub(crate) fn on_answer(
        &mut self,
        group: usize,
        (serial, number): (u64, u64),
        (n, life): (usize, u64),
    ) {
        let actor = &self.actors[n];
        if actor.lives != life
            || actor.frozen
            || actor.isolated
            || self.stores[group].serial >= serial
        {
            return;
        }
        self.stores[group].serial = serial;
        self.counts.calls += 1;
        let (at, name) = (self.now, self.names[group].clone());
        self.see(&Seen::Replied { at, group: &name, serial, number });
    }

    /// A program's effect at a receiver that keeps the highest epoch it has seen (I15).
    fn effect(&mut self, n: usize, group: &GroupName, epoch: Epoch) -> Accepted {
        let place = self.names.iter().position(|name| name == group);
        let Some(store) = place.map(|g| &mut self.stores[g]) else { return Accepted::StaleEpoch };
        let stale = epoch < store.epoch;
        let accepted = if stale && !tsugi_cluster_rules::mutant::mutant("receiver-takes-any-epoch")
        {
            self.counts.stale += 1;
            Accepted::StaleEpoch
        } else {
            store.epoch = store.epoch.max(epoch);
            Accepted::Yes
        };
        let at = self.now;
        self.see(&Seen::Effect { at, node: n, group, epoch, accepted });
        accepted
    }
}
