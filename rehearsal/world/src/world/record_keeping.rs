//! The ledger as the nodes of the false world meet it.

use std::sync::Arc;

use tsugi_cluster_rules::drill::Verdict;
use tsugi_cluster_rules::node::{Event, Fate};
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{
    Answer, Draft, DrillTurn, Failure, Happening, HowOff, Ownership, Record, Write,
};
use tsugi_vocabulary::Index;

use super::{Asked, Ev, Seen, World};

/// How often the world looks whether the ledger needs a leader, and whether a copy is behind.
const LOOK_US: u64 = 10_000;

impl World<'_> {
    /// A leader that is gone or hears no majority is replaced after a third of the TTL (the
    /// election gate), by the voter that has applied most.
    pub(crate) fn on_elect(&mut self) {
        self.after_us(LOOK_US, Ev::Elect);
        if self.is_on_disk() {
            return self.elect_on_disk();
        }
        let fit = self.truth.leader.is_some_and(|n| self.majority_of(n));
        if fit {
            self.leader_lost_at = None;
            return;
        }
        let since = *self.leader_lost_at.get_or_insert(self.now);
        let timing = self.truth.head.timing();
        if self.now - since < timing.election_after().0 + 10_000_000 {
            return;
        }
        let fit: Vec<usize> = (0..self.actors.len()).filter(|n| self.majority_of(*n)).collect();
        let most = fit.iter().map(|n| self.actors[*n].record.applied).max();
        let best: Vec<usize> =
            fit.into_iter().filter(|n| Some(self.actors[*n].record.applied) == most).collect();
        let Some(leader) = self.chance.pick(&best).copied() else { return };
        self.lead(leader);
    }

    /// A node leads from now on. No other can be elected than one that has every committed entry.
    pub(crate) fn lead(&mut self, leader: usize) {
        self.actors[leader].lags = None;
        // What its agent goes by follows on its own, where that is not the same process.
        if !self.is_on_disk() {
            self.actors[leader].record = Arc::clone(&self.truth.head);
            self.show_list(leader);
        }
        (self.truth.leader, self.truth.last) = (Some(leader), Some(leader));
        self.truth.term += 1;
        self.leader_lost_at = None;
        self.trace(self.truth.term << 8 | leader as u64);
        let record = Arc::clone(&self.truth.head);
        self.after_us(100, Ev::Applied { n: leader, record });
        for n in 0..self.actors.len() {
            if self.is_served(leader, n) {
                let us = self.chance.between(200, 3_000);
                self.after_us(us, Ev::Leader { n });
            }
        }
    }

    /// Whether a node is brought what the leader of the ledger has to tell.
    pub(crate) fn is_served(&self, leader: usize, n: usize) -> bool {
        if self.is_on_disk() { self.reads_disk(n) } else { self.talks(leader, n) }
    }

    pub(crate) fn tell_leader(&mut self, n: usize) {
        if self.is_on_disk() {
            return self.look_for_leader(n);
        }
        let leader = self.truth.leader.filter(|l| self.talks(*l, n));
        let Some(leader) = leader else { return };
        let name = self.actors[leader].name.clone();
        let term = self.truth.term;
        self.step(n, Event::Leader { term, leader: Some(name) });
    }

    pub(crate) fn on_propose(
        &mut self,
        asked: Asked,
        (boot, number): (u64, u64),
        draft: Box<Draft>,
    ) {
        if self.is_on_disk() {
            return self.petition(asked, (boot, number), draft);
        }
        let from = asked.node;
        let late = self.chance.between(500, 5_000);
        let unknown = Ev::Fate { n: from, boot, number, fate: Fate::Unknown };
        let Some(leader) = self.truth.leader else { return self.after_us(400_000, unknown) };
        if !self.is_fed(from) || !self.talks(from, leader) || !self.majority_of(leader) {
            return self.after_us(400_000, unknown);
        }
        let fate = self.commit(asked, &draft);
        // Now and then the answer is lost although the entry is there.
        if self.chance.happens(10) {
            return self.after_us(400_000, unknown);
        }
        self.after_us(late, Ev::Fate { n: from, boot, number, fate });
    }

    /// What a node decides on now, if it does.
    pub(crate) fn asked_by(&self, n: usize) -> Asked {
        Asked { node: n, began: self.actors[n].began, at: self.now }
    }

    pub(crate) fn commit(&mut self, asked: Asked, draft: &Draft) -> Fate {
        let before = Arc::clone(&self.truth.head);
        match self.truth.commit(draft) {
            Some(index) => {
                self.committed(asked, (&before, draft), index);
                Fate::Taken(index)
            }
            None => Fate::Overtaken,
        }
    }

    fn committed(&mut self, asked: Asked, (before, draft): (&Record, &Draft), index: Index) {
        self.trace(index.0);
        let after = Arc::clone(&self.truth.head);
        for write in &draft.writes {
            if let Write::Audit(line) = write
                && line.outcome == "accepted"
            {
                self.carried_out.insert(line.command.clone());
                self.meet("command carried out");
            }
            if let Write::Event(event) = write
                && let Happening::Drill { turn: DrillTurn::Ended { verdict }, .. } = &event.what
            {
                self.meet(rehearsed(*verdict));
            }
            if let Write::Event(event) = write
                && let Happening::Fenced { how: HowOff::Found, .. } = &event.what
            {
                self.meet("state found off");
            }
            if let Write::Stretch(stretch) = write {
                let over = stretch.over.is_some();
                self.meet(if over { "stretch over" } else { "stretched" });
            }
            let Write::Group(group, entry) = write else { continue };
            let was = before.group(group).map_or(0, |g| g.failures.len());
            let restarted = |f: &Failure| f.answer == Answer::Restarted;
            if entry.failures.len() > was && entry.failures.last().is_some_and(restarted) {
                self.meet("state mending");
            }
            let old = before.group(group).map(|g| g.epoch);
            if old.is_some_and(|e| e >= entry.epoch) {
                continue;
            }
            if let Ownership::Owned { cause, .. } = &entry.ownership {
                self.counts.takeovers += u64::from(is_takeover(cause));
                self.meet(named(cause));
            }
        }
        let at = self.now;
        self.see(&Seen::Committed { at, asked, before, after: &after, draft });
        for write in &draft.writes {
            self.let_in(write);
        }
        if let Some(leader) = self.truth.leader {
            self.spread_head(leader);
        }
    }

    pub(crate) fn on_applied(&mut self, n: usize, record: Arc<Record>) {
        if !self.actors[n].powered() || record.applied <= self.actors[n].record.applied {
            let same = record.applied == self.actors[n].record.applied;
            if same && self.actors[n].node.is_some() {
                self.step(n, Event::Applied(record));
            }
            return;
        }
        if !self.is_entitled_to(n, &record) {
            return;
        }
        if let Some(waits) = &mut self.actors[n].lags {
            *waits = Some(record);
            return;
        }
        let list = self.actors[n].record.membership;
        self.actors[n].record = Arc::clone(&record);
        if record.membership != list {
            self.show_list(n);
        }
        self.step(n, Event::Applied(record));
    }

    /// Whether a copy that was on its way is for the disk that is there now.
    fn is_entitled_to(&self, n: usize, record: &Record) -> bool {
        let actor = &self.actors[n];
        let joined = record.nodes.get(&actor.name).map(|node| node.value.voter);
        self.votes_in(record, n) || actor.number.is_some() && joined == actor.number
    }

    /// A disk that was slow has applied what waited for it.
    pub(crate) fn follow(&mut self, n: usize) {
        let waited = self.actors[n].lags.take().flatten();
        if let Some(record) = waited {
            self.after_us(100, Ev::Applied { n, record });
        }
    }

    /// Copies that were cut off get what they have missed.
    pub(crate) fn on_catch_up(&mut self) {
        self.after_us(5 * LOOK_US, Ev::CatchUp);
        if self.is_on_disk() {
            for n in 0..self.actors.len() {
                self.look_for_leader(n);
                self.read_demand(n);
            }
        }
        let Some(leader) = self.truth.leader else { return };
        for n in 0..self.actors.len() {
            let behind = self.actors[n].record.applied < self.truth.head.applied;
            if self.is_fed(n) && self.is_served(leader, n) {
                if behind {
                    let record = Arc::clone(&self.truth.head);
                    self.after_us(500, Ev::Applied { n, record });
                }
                let knows = self.actors[n].node.as_ref().map(|x| x.leader().0);
                if knows != Some(self.truth.term) && !self.is_on_disk() {
                    self.after_us(600, Ev::Leader { n });
                }
            }
        }
    }
}

fn is_takeover(cause: &Cause) -> bool {
    !matches!(cause, Cause::ClusterStart)
}

/// What the end of a drill counts as.
const fn rehearsed(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven => "drill proven",
        Verdict::BeyondLine => "drill beyond its line",
        Verdict::Failed => "drill failed",
        Verdict::Stayed => "drill stayed away",
        Verdict::Interrupted => "drill interrupted",
    }
}

/// What a change of ownership counts as.
fn named(cause: &Cause) -> &'static str {
    match cause {
        Cause::ClusterStart => "began by cluster start",
        Cause::Operator { .. } => "moved by operator",
        Cause::Drain { .. } => "moved by drain",
        Cause::Shutdown { .. } => "moved by shutdown",
        Cause::Failback { .. } => "moved by failback",
        Cause::ProcessDied { .. } => "taken over: program died",
        Cause::MonitorFailed { .. } => "taken over: monitor failed",
        Cause::WatchedEnded { .. } => "taken over: watched program ended",
        Cause::StartFailed { .. } => "taken over: start failed",
        Cause::LinksDown { .. } => "moved by links down",
        Cause::NodeSilent { .. } => "taken over: node silent",
        Cause::OneWay { .. } => "taken over: node deaf",
        Cause::AgentLost { .. } => "taken over: agent lost",
        Cause::LeaseRanOut { .. } => "taken over: lease ran out",
        Cause::PowerLost { .. } | Cause::Frozen { .. } | Cause::WasCutOff { .. } => {
            "taken over: returned"
        }
        Cause::Together { .. } => "moved with another",
        Cause::Configuration { .. } => "moved by configuration",
    }
}
