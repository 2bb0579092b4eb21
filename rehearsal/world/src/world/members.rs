//! Who keeps the ledger, as it changes: machines lose their disk, nodes are taken out and join
//! again under another number, and the leader has the list of voters changed one by one (L6).

use std::sync::Arc;

use tsugi_cluster_rules::command::{Command, Number};
use tsugi_cluster_rules::lease::voter_list::VoterChange;
use tsugi_cluster_rules::lease::{majority, voters};
use tsugi_cluster_rules::record::{NodeIntent, Record, Write};
use tsugi_vocabulary::Generation;

use super::faults::COMMAND_AT_LAST_MS;
use super::operator::Again;
use super::{Ev, Seen, Undo, World};
use crate::scene::Scene;

/// An operator who takes a node out looks so often whether it is empty, then lets it be.
const REMOVAL_TRIES: u8 = 12;
const LOOK_AGAIN_MS: u64 = 700;

impl World<'_> {
    /// The name and number that a machine's disk carries, in this record's list of voters.
    pub(crate) fn votes_in(&self, record: &Record, n: usize) -> bool {
        let actor = &self.actors[n];
        actor.number.is_some() && record.voters.get(&actor.name).copied() == actor.number
    }

    /// Whether a machine has a vote.
    pub(crate) fn votes(&self, n: usize) -> bool {
        self.votes_in(&self.truth.head, n)
    }

    /// Whether the ledger is brought to a machine: it has a vote, or has joined and will get one.
    pub(crate) fn is_fed(&self, n: usize) -> bool {
        self.votes(n) || self.has_joined(n)
    }

    fn has_joined(&self, n: usize) -> bool {
        let actor = &self.actors[n];
        let joined = self.truth.head.nodes.get(&actor.name).map(|node| node.value.voter);
        actor.number.is_some() && joined == actor.number
    }

    /// Whether a majority of the voters of `record` can be asked by `n`.
    fn reaches_majority(&self, n: usize, record: &Record) -> bool {
        let reached = (0..self.actors.len()).filter(|m| self.votes_in(record, *m));
        let reached = reached.filter(|m| self.talks(n, *m)).count();
        reached >= majority(record.voters.len())
    }

    /// Whether a voter reaches a majority of the voters.
    pub(crate) fn majority_of(&self, n: usize) -> bool {
        (self.is_on_disk() || self.votes(n)) && self.can_keep(n, &self.truth.head)
    }

    /// Whether a node can have something take effect with the voters of `record`.
    fn can_keep(&self, n: usize, record: &Record) -> bool {
        if self.is_on_disk() { self.uses_disk(n) } else { self.reaches_majority(n, record) }
    }

    /// Whether the ledger outlives the loss of this machine's disk.
    fn can_be_spared(&self, n: usize) -> bool {
        let left = (0..self.actors.len()).filter(|m| *m != n && self.votes(*m)).count();
        let disk = usize::from(self.is_on_disk());
        left + disk >= majority(voters(&self.truth.head))
    }

    /// The leader's order to change the list of voters takes its time, and comes to nothing if
    /// another leads by then.
    pub(crate) fn begin_voters(&mut self, n: usize, change: VoterChange, known: Generation) {
        let us = self.chance.between(300, 40_000);
        let us = if self.chance.happens(100) { us + 900_000 } else { us };
        let term = self.truth.term;
        let change = Box::new(change);
        self.after_us(us, Ev::Voters { n, term, change, known });
    }

    pub(crate) fn on_voters(
        &mut self,
        (n, term): (usize, u64),
        change: &VoterChange,
        known: Generation,
    ) {
        let leads = self.truth.leader == Some(n) && self.truth.term == term;
        let stale = self.truth.head.membership != known;
        if !leads || stale || !self.majority_of(n) {
            return self.meet("voters not changed");
        }
        let before = Arc::clone(&self.truth.head);
        let after = with_change(&before, change);
        if let VoterChange::Add(seat) = change {
            // A new voter has caught up before it counts.
            let there = |m: &usize| {
                self.actors[*m].name == seat.node && self.actors[*m].number == Some(seat.voter)
            };
            let new = (0..self.actors.len()).find(there);
            if !new.is_some_and(|m| self.is_served(n, m)) {
                return self.meet("voters not changed");
            }
        }
        if after.voters == before.voters || !self.can_keep(n, &after) {
            return self.meet("voters not changed");
        }
        self.meet(match change {
            VoterChange::Add(_) => "voter added",
            VoterChange::Remove(_) => "voter removed",
        });
        self.truth.head = Arc::new(after);
        let (at, after) = (self.now, Arc::clone(&self.truth.head));
        self.trace(after.membership.0 ^ 0x06);
        self.see(&Seen::VotersChanged { at, before: &before, after: &after });
        self.spread_head(n);
        let named = self.truth.head.voters.contains_key(&self.actors[n].name);
        let stays = if self.is_on_disk() { named } else { self.votes(n) };
        if !stays {
            // A leader without a vote steps down.
            self.truth.leader = None;
        }
    }

    /// What is committed goes to everybody whom the leader reaches and who is to have it.
    pub(crate) fn spread_head(&mut self, leader: usize) {
        let head = Arc::clone(&self.truth.head);
        for n in 0..self.actors.len() {
            if self.is_fed(n) && self.is_served(leader, n) {
                let far = self.is_on_disk() && n != leader;
                let us = self.chance.between(200, if far { 52_500 } else { 2_500 });
                self.after_us(us, Ev::Applied { n, record: Arc::clone(&head) });
            }
        }
    }

    /// A node has applied the ledger up to here: which list it goes by is told.
    pub(crate) fn show_list(&mut self, n: usize) {
        let list = self.actors[n].record.membership;
        let record = Arc::clone(&self.actors[n].record);
        if self.votes_in(&record, n) {
            let at = self.now;
            self.see(&Seen::GoesBy { at, node: n, list });
        }
    }

    /// The machine loses its disk with all that it ever promised; it comes back as another voter.
    pub(crate) fn wipe(&mut self, n: usize, for_ms: u64) {
        if !self.can_be_spared(n) {
            return self.meet("wipe spared");
        }
        self.blank(n);
        self.later(for_ms, Undo::PowerOn(n));
        self.later(for_ms + 10, Undo::Rejoin(n));
    }

    fn blank(&mut self, n: usize) {
        self.power_off(n);
        let actor = &mut self.actors[n];
        actor.number = None;
        actor.disks += 1;
        actor.longest = None;
        actor.record = Arc::new(Record::default());
    }

    /// An operator takes a node out: empty it, remove it, leave it running for a while, and let it
    /// come back with an empty disk.
    pub(crate) fn take_out(&mut self, n: usize, for_ms: u64) {
        if !self.can_be_spared(n) {
            return self.meet("removal spared");
        }
        self.order_drain(n);
        self.later(LOOK_AGAIN_MS, Undo::Remove { n, for_ms, tries: REMOVAL_TRIES });
    }

    pub(crate) fn go_on_removing(&mut self, n: usize, for_ms: u64, tries: u8) {
        let name = Scene::node(n);
        let Some(node) = self.truth.head.nodes.get(&name) else {
            self.meet("node removed");
            return self.later(for_ms, Undo::Rejoin(n));
        };
        let drained = matches!(node.value.intent, NodeIntent::Drained(_));
        if tries == 0 || !self.can_be_spared(n) || !drained {
            self.later(LOOK_AGAIN_MS, Undo::Undrain(n));
            // The drain, or a removal that was given before, may still be carried out.
            self.later(LOOK_AGAIN_MS + COMMAND_AT_LAST_MS, Undo::Undrain(n));
            return self.later(COMMAND_AT_LAST_MS, Undo::Rejoin(n));
        }
        self.order(Command::NodeRemove { node: name }, "node remove".to_owned());
        self.later(LOOK_AGAIN_MS, Undo::Remove { n, for_ms, tries: tries - 1 });
    }

    /// Whoever is not in the cluster joins it, with an empty disk and a number nobody ever had.
    pub(crate) fn rejoin(&mut self, n: usize) -> Again {
        // Its vote may be there a while longer than it is.
        if self.has_joined(n) {
            return Again::No;
        }
        if self.votes(n) && !self.can_be_spared(n) {
            return Again::Yes;
        }
        if self.actors[n].number.is_some() {
            self.blank(n);
        }
        self.power_on(n);
        if let Some(voter) = self.number_given(n) {
            self.is_numbered(n, voter);
            return Again::No;
        }
        let certificate = self.certificate(n);
        let join = Command::NodeJoin {
            node: Scene::node(n),
            certificate,
            number: Number::New,
            former: [].into(),
        };
        self.order(join, "node join".to_owned());
        Again::Yes
    }

    /// Each new disk of a machine has a certificate of its own.
    fn certificate(&self, n: usize) -> String {
        let actor = &self.actors[n];
        format!("{} {}", actor.name, actor.disks)
    }

    /// The number that the disk in a machine was given before, if it hears of it now: a node that
    /// lost its power before the answer to its join came asks again.
    fn number_given(&self, n: usize) -> Option<u64> {
        let heard = |l: usize| self.hears(n, l) && self.hears(l, n) && !self.actors[n].frozen;
        let reached = self.truth.leader.is_some_and(|l| self.majority_of(l) && heard(l));
        let node = &self.truth.head.nodes.get(&self.actors[n].name)?.value;
        let its = node.certificate == Some(self.certificate(n));
        (its && reached).then_some(node.voter)
    }

    fn is_numbered(&mut self, n: usize, voter: u64) {
        self.actors[n].number = Some(voter);
        self.meet("node joined");
        self.start_agent(n);
    }

    /// A node that waits to be let in hears its number.
    pub(crate) fn let_in(&mut self, write: &Write) {
        let Write::Node(name, node) = write else { return };
        let waits = |n: &usize| {
            let actor = &self.actors[*n];
            actor.name == *name && actor.number.is_none() && actor.powered()
        };
        let Some(n) = (0..self.actors.len()).find(waits) else { return };
        if node.certificate == Some(self.certificate(n)) {
            self.is_numbered(n, node.voter);
        }
    }
}

/// The record after one change of its list of voters.
fn with_change(before: &Record, change: &VoterChange) -> Record {
    let mut after = before.clone();
    after.applied = tsugi_vocabulary::Index(before.applied.0 + 1);
    after.membership = before.membership.next();
    match change {
        VoterChange::Add(seat) => {
            after.voters.insert(seat.node.clone(), seat.voter);
            after.highest_voter = after.highest_voter.max(seat.voter);
        }
        VoterChange::Remove(seat) => {
            if after.voters.get(&seat.node) == Some(&seat.voter) {
                after.voters.remove(&seat.node);
            }
        }
    }
    after
}
