//! The wire of the false world, and the ledger's traffic over it.

use std::sync::Arc;

use tsugi_cluster_rules::lease::heartbeat::{Ack, Haste, Hearing, Heartbeat};
use tsugi_cluster_rules::node::{Event, Via};
use tsugi_cluster_rules::record::Record;
use tsugi_cluster_rules::timing::Timing;
use tsugi_vocabulary::{Epoch, GroupName, NodeName};

use super::{Entitled, Ev, Promised, Seen, World};

/// How many networks carry heartbeats.
const NETWORKS: usize = 3;

/// Over how many networks a datagram goes: what waits takes one of them, each in turn.
const fn copies(haste: Haste) -> usize {
    match haste {
        Haste::Now => NETWORKS,
        Haste::Waits => 1,
    }
}

impl World<'_> {
    /// Whether datagrams from one node reach another.
    pub(crate) fn hears(&self, from: usize, to: usize) -> bool {
        let (a, b) = (&self.actors[from], &self.actors[to]);
        a.powered() && b.powered() && !a.isolated && !b.isolated && !self.deaf.contains(&(from, to))
    }

    /// Whether two nodes hear each other and both go on: what the ledger's connections need.
    pub(crate) fn talks(&self, a: usize, b: usize) -> bool {
        let alive = |n: usize| !self.actors[n].frozen && self.actors[n].node.is_some();
        a == b && alive(a) || alive(a) && alive(b) && self.hears(a, b) && self.hears(b, a)
    }

    /// When the first copy of a datagram arrives, in microseconds; none if all are lost.
    fn travel(&mut self, haste: Haste) -> Option<u64> {
        let mut first = None;
        for _ in 0..copies(haste) {
            if self.chance.happens(self.loss_per_mille) {
                continue;
            }
            let late = self.chance.below(self.late_ms * 1_000 + 1);
            let us = self.chance.between(30, 300) + late;
            first = Some(first.map_or(us, |f: u64| f.min(us)));
        }
        first
    }

    /// How long what waits for its reader's next beat waits, in microseconds.
    fn waits(&mut self, haste: Haste) -> u64 {
        match haste {
            Haste::Now => 0,
            Haste::Waits => self.chance.below(Timing::of(self.scene.profile).beat.0 / 1_000),
        }
    }

    pub(crate) fn send_beat(&mut self, from: usize, beat: Heartbeat, haste: Haste) {
        let beat = Arc::new(beat);
        for to in 0..self.actors.len() {
            if to == from || !self.hears(from, to) {
                continue;
            }
            if let Some(us) = self.travel(haste) {
                let us = us + self.waits(haste);
                self.after_us(us, Ev::Beat { to, from, beat: Arc::clone(&beat), haste });
            }
            // Now and then a copy comes very late, or twice (F10).
            if self.late_ms > 0 && self.chance.happens(5) {
                let us = self.chance.between(1_000_000, 4_000_000);
                self.after_us(us, Ev::Beat { to, from, beat: Arc::clone(&beat), haste });
            }
        }
    }

    pub(crate) fn send_ack(&mut self, from: usize, to: &NodeName, ack: Ack) {
        let Some(to) = self.actors.iter().position(|a| a.name == *to) else { return };
        if !self.hears(from, to) {
            return;
        }
        let ack = Box::new(ack);
        let first = self.travel(self.answers);
        if self.late_ms > 0 && self.chance.happens(5) {
            let us = self.chance.between(1_000_000, 4_000_000);
            self.after_us(us, Ev::Ack { to, ack: ack.clone() });
        }
        if let Some(us) = first {
            let us = us + self.waits(self.answers);
            self.after_us(us, Ev::Ack { to, ack });
        }
    }

    /// The replay window of the wire: a number that was seen is dropped, and so is an old boot.
    pub(crate) fn on_beat(
        &mut self,
        (to, from): (usize, usize),
        beat: Arc<Heartbeat>,
        haste: Haste,
    ) {
        if !self.actors[to].powered() {
            return;
        }
        let boot = (beat.boot.0 & u128::from(u32::MAX)) as u64;
        let seen = self.actors[to].seen_seq.entry(from).or_insert((0, 0));
        if boot < seen.0 || (boot == seen.0 && beat.sequence <= seen.1) {
            return;
        }
        *seen = (boot, beat.sequence);
        let via = Via { network: 0, from: std::net::SocketAddr::from(([10, 0, 1, 1], 7400)) };
        if beat.health.hearing == Hearing::Minority {
            self.meet("state deaf");
        }
        (self.answer, self.answers) = (None, haste);
        self.step(to, Event::Heard { via, beat: Arc::clone(&beat) });
        if let Some(ack) = self.answer.take() {
            self.show_promises((to, from), &ack, &beat);
        }
    }

    /// What a voter's answer promises, told as the asker may count on it.
    fn show_promises(&mut self, (voter, to): (usize, usize), ack: &Ack, beat: &Heartbeat) {
        for (group, epoch) in &beat.released {
            self.see(&Seen::HeardRelease { voter, from: to, group, epoch: *epoch });
        }
        let at = self.now;
        let record = Arc::clone(&self.actors[voter].record);
        for (group, epoch) in &beat.asked {
            if ack.refused.iter().any(|(g, _)| g == group) {
                continue;
            }
            let until = self.actors[voter].global(self.local(voter) + ack.ttl);
            let votes = self.votes_in(&record, voter);
            let ledger = match self.entitled(&record, to, (group, *epoch)) {
                Entitled::Yes if votes => Entitled::Yes,
                // What has no vote promises nothing.
                Entitled::Yes | Entitled::No => Entitled::No,
            };
            let promise = Promised { epoch: *epoch, until, ledger };
            self.see(&Seen::Promised { at, voter, to, group, promise });
        }
    }

    fn entitled(&self, record: &Record, to: usize, asked: (&GroupName, Epoch)) -> Entitled {
        let Some(entry) = record.group(asked.0) else { return Entitled::Yes };
        let name = &self.actors[to].name;
        let pin = entry.pause.as_ref().and_then(|p| p.pinned.as_ref());
        let elsewhere = entry.epoch == asked.1 && entry.owner() != Some(name);
        if entry.epoch > asked.1 || elsewhere || pin.is_some_and(|p| p != name) {
            return Entitled::No;
        }
        Entitled::Yes
    }
}
