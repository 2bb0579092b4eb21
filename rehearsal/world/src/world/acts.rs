//! The hands and the guardian of the false world.

use std::sync::Arc;

use tsugi_cluster_rules::desk::{Act, Outcome};
use tsugi_cluster_rules::lease::timer::look_after;
use tsugi_cluster_rules::lease::{majority, voters};
use tsugi_cluster_rules::node::Event;
use tsugi_cluster_rules::timing::Timing;
use tsugi_vocabulary::{Epoch, GroupName, Moment, ResourceName, Span};

use super::actor::Actor;
use super::{Ev, Seen, Undo, World, fine};
use crate::host::Coming;

/// The resource whose start takes until it is ready.
const PROGRAM: &str = "program";

/// What has not stopped by itself after this time is killed.
const STOP_LIMIT_US: u64 = 500_000;

/// A start takes no longer than this.
const START_LIMIT_MS: u64 = 5_000;

/// One act under way.
#[derive(Clone, Debug)]
pub(crate) struct SimJob {
    pub group: GroupName,
    pub epoch: Epoch,
    pub act: u64,
    pub what: Act,
    pub boot: u64,
    pub took_us: u64,
}

impl World<'_> {
    pub(crate) fn arm(&mut self, n: usize, group: GroupName, epoch: Epoch, deadline: Moment) {
        let now = self.local(n);
        self.show_armed(n, &group, deadline);
        let actor = &mut self.actors[n];
        let known = actor.machine.armed.get(&group).is_some_and(|(e, _)| *e == epoch);
        if !actor.machine.arm(&group, epoch, deadline, now) {
            return;
        }
        let boot = actor.boots;
        let us = self.chance.between(20, 120);
        if !known {
            self.set_timer(n, &group, deadline);
        }
        self.after_us(us, Ev::Armed { n, boot, group, epoch });
    }

    /// A kernel timer of a clock that is slewed against the lease clock (L10).
    fn set_timer(&mut self, n: usize, group: &GroupName, deadline: Moment) {
        let actor = &self.actors[n];
        let wait = look_after(actor.local(self.now), deadline);
        let slewed = i128::from(wait.0) * i128::from(1_000_000 + actor.timer_ppm) / 1_000_000;
        let at = self.now + u64::try_from(slewed).unwrap_or(0) + 1_000;
        let life = actor.lives;
        self.at(at, Ev::Fire { n, life, group: group.clone() });
    }

    /// What a lease stands on: the promises of a majority of the voters that its node goes by,
    /// and who go by the same list, must outlive the kill, which takes the whole stop budget,
    /// begun late by the whole guard.
    fn show_armed(&mut self, n: usize, group: &GroupName, deadline: Moment) {
        let timing = Timing::of(self.scene.profile);
        let actor = &self.actors[n];
        let gone_by = actor.global(deadline + timing.stop + timing.guard);
        let record = Arc::clone(actor.node.as_ref().map_or(&actor.record, |node| node.record()));
        let counts = |(m, a): (usize, &Actor)| {
            let listed = record.voters.get(&a.name)?;
            if a.number != Some(*listed) {
                // What a disk that is gone has promised, nobody breaks: its number answers no more.
                return Some(u64::MAX);
            }
            let same = a.record.membership >= record.membership;
            (same && self.votes_in(&record, m)).then(|| a.keeps(group, &actor.name))
        };
        let mut kept: Vec<u64> = self.actors.iter().enumerate().filter_map(counts).collect();
        if self.is_on_disk() {
            kept.push(self.disk_keeps(n, group, &record));
        }
        kept.sort_unstable_by(|a, b| b.cmp(a));
        let need = majority(voters(&record));
        let kept_until = kept.get(need - 1).copied().unwrap_or(0);
        let at = self.now;
        self.see(&Seen::Armed { at, node: n, group, gone_by, kept_until });
    }

    /// The guardian's timer: it looks at the clock again, and goes on waiting if it may.
    pub(crate) fn on_fire(&mut self, n: usize, life: u64, group: &GroupName) {
        if self.actors[n].lives != life {
            return;
        }
        let now = self.local(n);
        let Some((epoch, deadline)) = self.actors[n].machine.armed.get(group).copied() else {
            return;
        };
        if now < deadline {
            return self.set_timer(n, group, deadline);
        }
        // Now and then the kill begins late by all of the guard and takes the whole budget; not on
        // a node that has just woken, which has 50 ms for all of it.
        let timing = Timing::of(self.scene.profile);
        let slow = self.chance.happens(150) && now.since(deadline) < timing.guard;
        let us = if slow {
            (timing.guard + timing.stop).0 / 1_000 - 1_000
        } else {
            self.chance.between(500, 8_000)
        };
        self.after_us(us, Ev::Fired { n, life, group: group.clone(), epoch });
    }

    pub(crate) fn on_fired(&mut self, n: usize, life: u64, group: GroupName, epoch: Epoch) {
        if self.actors[n].lives != life {
            return;
        }
        let machine = &mut self.actors[n].machine;
        if machine.armed.get(&group).is_some_and(|(e, _)| *e == epoch) {
            machine.armed.remove(&group);
        }
        let ended = machine.ended.entry(group.clone()).or_insert(epoch);
        *ended = epoch.max(*ended);
        if machine.held.get(&group).is_some_and(|h| h.epoch <= epoch) {
            self.clear(n, &group);
        }
        self.step(n, Event::GuardianReleased { group, epoch });
    }

    /// Everything of a group is gone from a node.
    pub(crate) fn clear(&mut self, n: usize, group: &GroupName) {
        if self.actors[n].machine.clear(group).is_some() {
            let at = self.now;
            self.trace(at ^ n as u64);
            self.see(&Seen::Down { at, node: n, group });
        }
    }

    pub(crate) fn begin_act(
        &mut self,
        n: usize,
        (group, epoch, act): (GroupName, Epoch, u64),
        what: Act,
    ) {
        let once = self.actors[n].machine.armed_once.get(&group);
        if matches!(what, Act::Start { .. }) && once.is_none_or(|e| *e < epoch) {
            let at = self.now;
            self.see(&Seen::Unarmed { at, node: n, group: &group, epoch });
        }
        let us = match &what {
            Act::Start { resource, .. } => {
                let slow = &mut self.actors[n].machine.start_slow;
                let slow = (resource.as_str() == PROGRAM).then(|| slow.remove(&group)).flatten();
                slow.map_or_else(
                    || self.chance.between(500, 12_000),
                    |ms| ms.min(START_LIMIT_MS) * 1_000,
                )
            }
            Act::Stop { .. } if self.actors[n].machine.stop_hangs.remove(&group) => STOP_LIMIT_US,
            Act::Stop { .. } => self.chance.between(200, 6_000),
            Act::LetGo => self.chance.between(500, 6_000),
            // No story loads a program: it would take as long as a question.
            Act::Restart { .. }
            | Act::Notify { .. }
            | Act::Ask { .. }
            | Act::Recover { .. }
            | Act::MoveAddress { .. }
            | Act::Load { .. }
            | Act::End { .. }
            | Act::Adopt => self.chance.between(100, 800),
        };
        let us = self.in_turn(n, &group, &what, us);
        let (life, boot) = (self.actors[n].lives, self.actors[n].boots);
        if let Act::Start { resource, .. } = &what
            && resource.as_str() == PROGRAM
        {
            let coming = Coming { epoch, resource: resource.clone(), by: (boot, act) };
            self.actors[n].machine.coming.insert(group.clone(), coming);
        }
        let job = Box::new(SimJob { group, epoch, act, what, boot, took_us: us });
        self.after_us(us, Ev::Act { n, life, job });
    }

    /// What is up is told to a new agent only after the stops that its predecessor ordered.
    fn in_turn(&mut self, n: usize, group: &GroupName, what: &Act, us: u64) -> u64 {
        let now = self.now / 1_000;
        let until = self.actors[n].machine.stops_until.entry(group.clone()).or_insert(0);
        match what {
            Act::Adopt => us.max(until.saturating_sub(now) + 10),
            Act::Stop { .. } | Act::LetGo => {
                *until = (now + us).max(*until);
                us
            }
            Act::Start { .. }
            | Act::Restart { .. }
            | Act::Notify { .. }
            | Act::Ask { .. }
            | Act::Recover { .. }
            | Act::MoveAddress { .. }
            | Act::Load { .. }
            | Act::End { .. } => us,
        }
    }

    pub(crate) fn on_act(&mut self, n: usize, life: u64, job: SimJob) {
        if self.actors[n].lives != life {
            return;
        }
        let outcome = self.act(n, &job);
        // An agent that was replaced hears nothing of what its predecessor asked for.
        if self.actors[n].boots == job.boot {
            let SimJob { group, epoch, act, .. } = job;
            self.step(n, Event::Done { group, epoch, act, outcome });
        }
    }

    fn act(&mut self, n: usize, job: &SimJob) -> Outcome {
        match &job.what {
            Act::Start { resource, .. } => self.start(n, job, resource),
            // What was ordered under an older epoch does nothing to what runs under a newer one.
            Act::Stop { .. } | Act::LetGo if self.holds_newer(n, job) => fine(job.took_us * 1_000),
            Act::Stop { resource, .. } => {
                let machine = &mut self.actors[n].machine;
                if machine.stop_fails.remove(&job.group) {
                    return Outcome::Failed { how: "planted".into() };
                }
                machine.hangs.remove(&job.group);
                let empty = machine.held.get_mut(&job.group).is_none_or(|held| {
                    held.up.remove(resource);
                    held.up.is_empty()
                });
                if empty {
                    self.clear(n, &job.group);
                }
                match job.took_us {
                    STOP_LIMIT_US.. => Outcome::Forced { took: Span(job.took_us * 1_000) },
                    _ => fine(job.took_us * 1_000),
                }
            }
            Act::LetGo => {
                self.clear(n, &job.group);
                fine(job.took_us * 1_000)
            }
            Act::Adopt => Outcome::Adopted(self.actors[n].machine.found(&job.group, job.epoch)),
            Act::Ask { .. } if self.actors[n].machine.hangs.contains_key(&job.group) => {
                Outcome::Failed { how: "no answer in time".into() }
            }
            Act::Restart { .. }
            | Act::Notify { .. }
            | Act::Ask { .. }
            | Act::Recover { .. }
            | Act::MoveAddress { .. }
            | Act::Load { .. }
            | Act::End { .. } => fine(job.took_us * 1_000),
        }
    }

    fn holds_newer(&self, n: usize, job: &SimJob) -> bool {
        self.actors[n].machine.held.get(&job.group).is_some_and(|held| held.epoch > job.epoch)
    }

    /// The hands bring nothing to life that the guardian is not armed for.
    fn start(&mut self, n: usize, job: &SimJob, resource: &ResourceName) -> Outcome {
        let now = self.local(n);
        let machine = &mut self.actors[n].machine;
        if resource.as_str() == PROGRAM {
            let ours = |c: &Coming| c.by == (job.boot, job.act);
            if !machine.coming.get(&job.group).is_some_and(ours) {
                return Outcome::Failed { how: "killed before it was ready".into() };
            }
            machine.coming.remove(&job.group);
        }
        if !machine.may_start(&job.group, job.epoch, now) {
            return Outcome::Failed { how: "not armed".into() };
        }
        // Sometimes the first step of the start, sometimes the last.
        let last = resource.as_str() == PROGRAM;
        if machine.start_fails.contains(&job.group) && (last || self.chance.happens(500)) {
            machine.start_fails.remove(&job.group);
            return Outcome::Failed { how: "planted".into() };
        }
        let held = machine.held.entry(job.group.clone()).or_default();
        held.epoch = job.epoch;
        held.up.insert(resource.clone());
        let (at, group, epoch) = (self.now, &job.group, job.epoch);
        self.trace(epoch.counter << 4 | n as u64);
        self.see(&Seen::Up { at, node: n, group, epoch, resource });
        fine(job.took_us * 1_000)
    }

    pub(crate) fn agent_left(&mut self, n: usize) {
        self.actors[n].node = None;
        self.power_off(n);
        let us = self.chance.between(500_000, 4_000_000);
        self.after_us(us, Ev::Undo(Undo::PowerOn(n)));
    }
}
